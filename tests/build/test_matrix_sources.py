"""build/sources.sh finds the sources of a version of nginx among folders and archives, whatever their names."""

import os
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

from sources import ROOT


class Sources(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name) / "sources of nginx"
        self.dir.mkdir()
        self.elsewhere = Path(folder.name) / "elsewhere"

    def checkout(self, name, version, maker="nginx", parent=None):
        """A folder with sources of this nginx version."""
        header = (parent or self.dir) / name / "src/core/nginx.h"
        header.parent.mkdir(parents=True)
        header.write_text(f'#define NGINX_VERSION "{version}"\n#define NGINX_VER "{maker}/" NGINX_VERSION\n')
        return (parent or self.dir) / name

    def archive(self, name, version):
        """An archive as nginx releases are packed."""
        folder = self.checkout(f"nginx-{version}", version, parent=self.elsewhere)
        with tarfile.open(self.dir / name, "w:gz") as archive:
            archive.add(folder, folder.name)
        return self.dir / name

    def find(self, version, sources=None, fails=False):
        ran = subprocess.run(
            ["sh", "build/sources.sh", version],
            cwd=ROOT,
            env={**os.environ, "NGINX_SOURCES": str(self.dir if sources is None else sources)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.assertEqual(ran.returncode != 0, fails, ran.stderr)
        return ran.stderr if fails else ran.stdout.strip()

    def test_the_newest_of_a_version(self):
        self.checkout("nginx-1.18.9", "1.18.9")
        archive = self.archive("release.tar.gz", "1.18.10")
        checkout = self.checkout("my nginx", "1.24.0")
        self.checkout("nginx-1.1.18", "1.1.18")
        self.checkout("another", "1.18.11", maker="openresty")
        (self.dir / "broken.tar.gz").write_text("no archive")
        (self.dir / "nginx-1.18.12.tar.gz.asc").write_text("a signature")
        (self.dir / "nginx-1.18.13").mkdir()
        self.assertEqual(self.find("1.18"), f"1.18.10 {archive}")
        self.assertEqual(self.find("1.24"), f"1.24.0 {checkout}")

    def test_mainline(self):
        self.checkout("old", "1.29.9")
        mainline = self.checkout("mainline", "1.31.4")
        self.checkout("stable", "1.32.0")
        self.assertEqual(self.find("mainline"), f"1.31.4 {mainline}")

    def test_none(self):
        self.checkout("nginx", "1.20.2")
        self.assertEqual(self.find("1.18"), "")
        self.assertEqual(self.find("1.2"), "")
        self.assertEqual(self.find("1.20", sources=""), "")
        self.assertIn("there is no folder /no/such/place", self.find("1.20", "/no/such/place", fails=True))


if __name__ == "__main__":
    unittest.main()
