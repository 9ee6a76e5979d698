"""An nginx with a patched structure, built from the patched sources with the module of that patch, and the .so that
`make` builds for it: a session sticks, and no worker dies. `make patched-tests`, some minutes.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

from sources import ROOT, make_module, patched_sources

CONFIGURE = ["--with-compat", "--with-threads", "--without-http_rewrite_module", "--without-http_gzip_module"]
LETTERS = "ABC"
SERVER = """
    server {{ listen unix:{dir}/{letter}.sock; location / {{ root {dir}/{letter}; }} }}"""
CONFIGURATION = """load_module {module};
daemon off;
user root;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log info;
events {{ }}
http {{
    access_log off;
    upstream app {{
        {zone}
        {servers}
        session_sticky;
    }}
    server {{ listen unix:{dir}/nginx.sock; location / {{ proxy_pass http://app; }} }}{backends}
}}
"""


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
        for letter in LETTERS:
            (cls.dir / letter).mkdir()
            (cls.dir / letter / "index.html").write_text(letter)

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

    def ask(self, cookie=None):
        """The letter of the server, and the cookie that was set."""
        command = ["curl", "--silent", "--include", "--unix-socket", f"{self.dir}/nginx.sock", "http://app/"]
        if cookie:
            command += ["--cookie", cookie]
        head, _, body = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.partition("\n\n")
        found = re.search(r"^Set-Cookie: ([^;]*)", head, re.MULTILINE)
        return body, found and found[1]

    def visit(self, module, zone):
        """A first visit and many more, with the cookie and without."""
        text = CONFIGURATION.format(
            dir=self.dir,
            module=module,
            zone=zone,
            servers=" ".join(f"server unix:{self.dir}/{letter}.sock;" for letter in LETTERS),
            backends="".join(SERVER.format(dir=self.dir, letter=letter) for letter in LETTERS),
        )
        (self.dir / "nginx.conf").write_text(text)
        log = self.dir / "error.log"
        log.unlink(missing_ok=True)
        nginx = subprocess.Popen([self.nginx, "-p", self.dir, "-c", self.dir / "nginx.conf", "-e", log])
        try:
            end = time.monotonic() + 10
            while not (self.dir / "nginx.pid").exists():
                self.assertIsNone(nginx.poll(), log.read_text() if log.exists() else "")
                self.assertLess(time.monotonic(), end)
                time.sleep(0.05)
            first, cookie = self.ask()
            self.assertTrue(cookie and cookie.startswith("route="), log.read_text())
            bound = [self.ask(cookie) for _ in range(20)]
            others = [self.ask()[0] for _ in range(6)]
        finally:
            nginx.terminate()
            nginx.wait(10)
        self.assertEqual(bound, [(first, None)] * 20)
        self.assertEqual(sorted(others), sorted(LETTERS * 2))
        self.assertNotIn("exited on signal", log.read_text())

    def test_a_session_sticks(self):
        for way in ("with debugging information", "without"):
            with self.subTest(way):
                if way == "without":
                    self.run_in(self.dir, "strip", str(self.nginx))
                module = self.build()
                for zone in ("", "zone app 256k;"):
                    self.visit(module, zone)


if __name__ == "__main__":
    unittest.main()
