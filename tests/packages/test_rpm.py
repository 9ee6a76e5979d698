"""The RPM packages: the one for Fedora and EL, and that for nginx.org's nginx, by rpm itself."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]
MODULE = "ngx_http_session_sticky_module"
DATABASE = "/var/lib/rpm"
STAND_IN = """
name: nginx
arch: amd64
version: 1.0.0
maintainer: nobody
description: stands for nginx, and for the C library
provides: [{provides}]
"""


def run(*command, fails=False):
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=PROJECT)
    assert (ran.returncode != 0) == fails, f"{command}: {ran.returncode}\n{ran.stdout[-3000:]}"
    return ran.stdout


class Rpm(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.root = self.dir / "root"

    def rpm(self, mode, *arguments, **options):
        # Debian's rpm only installs packages of RPM if forced.
        force = ["--force-debian"] if mode == "--install" else []
        return run("rpm", "--root", str(self.root), "--dbpath", DATABASE, mode, *force, *arguments, **options)

    def files(self):
        """The files in the root, except for rpm's own."""
        return sorted(
            f"/{file.relative_to(self.root)}"
            for file in self.root.rglob("*")
            if not file.is_dir() and not file.is_relative_to(f"{self.root}{DATABASE}")
        )

    def stand_in(self, needed):
        """A package that provides what is needed."""
        (self.dir / "nfpm.yaml").write_text(STAND_IN.format(provides=", ".join(f'"{name}"' for name in needed)))
        file = self.dir / "nginx.rpm"
        run("target/nfpm/bin/nfpm", "package", "--config", str(self.dir / "nfpm.yaml"), "--target", str(file))
        return str(file)

    def assert_comes_and_goes(self, package, abi, expected):
        self.root.mkdir()
        self.rpm("--initdb")
        needed = run("rpm", "--query", "--package", "--requires", package).splitlines()
        needed = [name for name in needed if not re.match(r"rpmlib\(|/bin/sh$", name)]
        self.assertIn(abi, needed)

        # It cannot be installed without that nginx.
        self.rpm("--install", self.stand_in([name for name in needed if name != abi]))
        said = self.rpm("--install", "--noscripts", package, fails=True)
        self.assertIn(f"{abi} is needed by", said)
        self.assertEqual(self.files(), [])

        self.rpm("--erase", "nginx")
        self.rpm("--install", self.stand_in(needed))
        self.rpm("--install", "--noscripts", package)
        self.assertEqual(self.files(), expected)
        name = run("rpm", "--query", "--package", "--queryformat", "%{NAME}", package)
        self.assertEqual(self.rpm("--verify", "--nodeps", name), "")
        self.assertIn(f"{abi} is needed by", self.rpm("--erase", "nginx", fails=True))
        self.rpm("--erase", "--noscripts", name)
        self.assertEqual(self.files(), [])

    def test_fedora_and_el(self):
        (package,) = (PROJECT / "objs/packages/rpm").glob("nginx-mod-http-session-sticky-0*.rpm")
        listed = run("rpm", "--query", "--package", "--list", str(package)).splitlines()
        # rpmbuild adds links by which debuggers find the module.
        common = ("/usr/share/doc/", "/usr/share/licenses/", "/usr/lib/.build-id")
        docs = [file for file in listed if file.startswith(common)]
        self.assertIn("/usr/share/licenses/nginx-mod-http-session-sticky/LICENSE", docs)
        module = f"/usr/lib64/nginx/modules/{MODULE}.so"
        load = "/usr/share/nginx/modules/mod-http-session-sticky.conf"
        self.assertEqual(sorted(set(listed) - set(docs)), sorted([module, load]))

        archive = subprocess.run(["rpm2cpio", str(package)], stdout=subprocess.PIPE, check=True).stdout
        subprocess.run(["cpio", "--quiet", "--extract", "--make-directories"], input=archive, cwd=self.dir, check=True)
        self.assertEqual((self.dir / load[1:]).read_text(), f'load_module "{module}";\n')
        version = run("sh", "-euc", ". build/lib.sh; nginx_version objs/nginx").strip()
        run("sh", "build/check-load.sh", "objs/nginx", str(self.dir / module[1:]))
        files = [file for file in listed if not any(other.startswith(f"{file}/") for other in listed)]
        self.assert_comes_and_goes(str(package), f"nginx(abi) = {version}", sorted(files))

    def test_nginx_org(self):
        (package,) = (PROJECT / "objs/packages/nginx.org").glob("*.rpm")
        version = run("rpm", "--query", "--package", "--queryformat", "%{VERSION}", str(package)).split("+")[0]
        listed = run("rpm", "--query", "--package", "--list", str(package)).splitlines()
        self.assert_comes_and_goes(str(package), f"nginx-r{version}", sorted(listed))
        run("rpmlint", "--config", "packaging/rpm/rpmlint.toml", str(package))


if __name__ == "__main__":
    unittest.main()
