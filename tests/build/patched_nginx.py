"""Builds an nginx with a patched structure from the patched sources, with the module of that patch, and the .so for it.
Sessions must stick, and no worker may crash. `make patched-tests`, takes some minutes.
"""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from sources import ROOT, make_module, patched_sources
from visits import assert_sticks

CONFIGURE = ["--with-compat", "--with-threads", "--without-http_rewrite_module", "--without-http_gzip_module"]


class PatchedNginx(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.dir = Path(folder.name)
        cls.sources = cls.dir / "nginx"
        patched_sources(cls.sources)
        cls.module = make_module(cls.dir / "field")
        cls.run_in(cls.sources, "sh", "auto/configure", f"--add-module={cls.module}", *CONFIGURE)
        cls.run_in(cls.sources, "make", "--silent", f"--jobs={os.cpu_count()}")
        cls.nginx = cls.dir / "sbin"
        shutil.copy(cls.sources / "objs/nginx", cls.nginx)

    @staticmethod
    def run_in(folder, *command, **environment):
        ran = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert ran.returncode == 0, ran.stdout[-3000:]
        return ran.stdout

    def build(self):
        """The module that the build makes for this nginx."""
        said = self.run_in(
            ROOT,
            "sh",
            "build/module.sh",
            NGINX_BINARY=str(self.nginx),
            NGINX_SOURCE_DIR=str(self.sources),
            NGINX_MODULE_DIRS="",
            CARGO_TARGET_DIR=str(ROOT / "target/patched"),
        )
        built = ROOT / re.search(r"^(\S+\.so) is for ", said, re.MULTILINE)[1]
        return shutil.copy(built, self.dir)

    def test_a_session_sticks(self):
        for way in ("with debugging information", "without"):
            with self.subTest(way):
                if way == "without":
                    self.run_in(self.dir, "strip", str(self.nginx))
                module = self.build()
                for zone in ("", "zone app 256k;"):
                    assert_sticks(self, self.dir, self.nginx, module, zone)


if __name__ == "__main__":
    unittest.main()
