"""The packages for nginx.org's nginx: their content, and their installation and removal with a stand-in for its
package."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest
from pathlib import Path

from root import Root

PROJECT = Path(__file__).resolve().parents[2]
ROOTS = Path(os.environ["ROOTS"])
BUILT = PROJECT / "objs/packages/nginx.org"
MODULE = "ngx_http_session_sticky_module"
NAME = "nginx-module-session-sticky"
# The part of nginx.org's package that concerns the module.
NGINX_CONF = "user www-data;\nevents { }\n"
CONTROL = """Package: nginx
Version: {version}-1~bookworm
Architecture: amd64
Maintainer: nobody <nobody@nginx.example>
Depends: libc6, libcrypt1, libpcre2-8-0, libssl3t64 | libssl3, zlib1g
Provides: nginx-r{version}
Description: stands for the package of nginx.org
"""


def run(*command, **options):
    ran = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    assert ran.returncode == 0, f"{command}: {ran.returncode}\n{ran.stdout[-3000:]}"
    return ran.stdout


def shell(script, *arguments, **environment):
    """Runs a script with the functions of build/lib.sh."""
    script = f". build/lib.sh\n{script}"
    return run("sh", "-euc", script, "sh", *arguments, cwd=PROJECT, env={**os.environ, **environment}).rstrip("\n")


def package(version, **environment):
    """Makes packages for that version of nginx."""
    shutil.rmtree(BUILT, ignore_errors=True)
    shell("sh build/packages.sh", NGINX_VERSION=version, **environment)
    return {file.suffix[1:]: file for file in BUILT.iterdir()}


class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.version = shell("nginx_version objs/nginx")
        cls.own = re.search(r'(?m)^version = "(.*)"', (PROJECT / "Cargo.toml").read_text())[1]
        cls.built = package(cls.version)

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)

    def stand_in(self, version):
        """A stand-in for nginx.org's package, whose version may differ from that of the nginx in it."""
        tree = self.dir / version
        for folder in ("DEBIAN", "usr/sbin", "usr/lib/nginx/modules", "etc/nginx", "var/log/nginx", "var/cache/nginx"):
            (tree / folder).mkdir(parents=True)
        shutil.copy(PROJECT / os.environ["NGINX_ORG"], tree / "usr/sbin/nginx")
        (tree / "etc/nginx/modules").symlink_to("../../usr/lib/nginx/modules")
        (tree / "etc/nginx/nginx.conf").write_text(NGINX_CONF)
        (tree / "DEBIAN/control").write_text(CONTROL.format(version=version))
        (tree / "DEBIAN/conffiles").write_text("/etc/nginx/nginx.conf\n")
        file = self.dir / f"nginx_{version}.deb"
        run("dpkg-deb", "--build", "--root-owner-group", "-Zgzip", str(tree), str(file))
        return file

    def test_which_are_made(self):
        self.assertEqual(sorted(self.built), ["deb", "rpm"])
        # Fails for a version that no module was built for.
        with self.assertRaisesRegex(AssertionError, "make NGINX_BINARY"):
            shell("sh build/packages.sh", NGINX_VERSION="1.0.15")

    def test_deb(self):
        deb = str(self.built["deb"])
        fields = dict(line.split(": ", 1) for line in run("dpkg-deb", "--field", deb).splitlines())
        self.assertEqual(fields["Package"], NAME)
        self.assertEqual(fields["Version"], f"{self.version}+{self.own}-1")
        self.assertRegex(fields["Depends"], rf"^nginx-r{re.escape(self.version)}, libc6 \(>= 2\.[0-9]+\)$")
        self.assertEqual(fields["Provides"], f"{NAME}-r{self.version}")
        files = re.findall(r"(?m)^-(\S+) root/root .* \.(/\S+)$", run("dpkg-deb", "--contents", deb))
        self.assertEqual(
            files,
            [
                ("rw-r--r--", f"/usr/lib/nginx/modules/{MODULE}.so"),
                ("rw-r--r--", f"/usr/share/doc/{NAME}/copyright"),
            ],
        )

    def test_rpm(self):
        rpm = str(self.built["rpm"])
        query = "%{NAME} %{VERSION} %{RELEASE} %{ARCH}\n[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\n]"
        self.assertEqual(
            run("rpm", "--query", "--package", rpm, "--queryformat", query).splitlines(),
            [
                f"{NAME} {self.version}+{self.own} 1 x86_64",
                f"-rw-r--r-- root /usr/lib64/nginx/modules/{MODULE}.so",
                f"-rw-r--r-- root /usr/share/doc/{NAME}/copyright",
            ],
        )
        needed = run("rpm", "--query", "--package", "--requires", rpm).splitlines()
        self.assertIn(f"nginx-r{self.version}", needed)
        self.assertRegex("\n".join(needed), r"(?m)^libc\.so\.6\(GLIBC_2\.\d+\)\(64bit\)$")

    def test_apk(self):
        """With a module linked against musl, or a file that pretends to be: only its dependencies are examined."""
        empty = self.dir / "empty.c"
        empty.touch()
        libc = self.dir / "libc.musl-x86_64.so.1"
        module = self.dir / "module.so"
        run("cc", "-shared", "-nostdlib", f"-Wl,-soname,{libc.name}", "-o", str(libc), str(empty))
        run("cc", "-shared", "-nostdlib", "-Wl,--no-as-needed", "-o", str(module), str(empty), str(libc))
        self.addCleanup(setattr, type(self), "built", self.built)
        self.addCleanup(package, self.version)
        made = package(self.version, PACKAGE_MODULE=str(module))
        self.assertEqual(sorted(made), ["apk"])
        with tarfile.open(made["apk"]) as archive:
            files = {member.name: member for member in archive if member.isfile()}
            info = archive.extractfile(".PKGINFO").read().decode().splitlines()
        self.assertEqual(files[f"usr/lib/nginx/modules/{MODULE}.so"].mode, 0o644)
        self.assertIn(f"pkgver = {self.version}.{self.own}-r1", info)
        self.assertIn(f"depend = nginx-r{self.version}", info)
        self.assertIn(f"depend = nginx~{self.version}", info)
        self.assertIn(f"provides = {NAME}-r{self.version}", info)

    def test_deb_beside_nginx(self):
        root = Root(ROOTS / f"{os.environ['HERE']}-clean")
        self.addCleanup(root.close)
        root.apt("update")
        package = shutil.copy(self.built["deb"], root.path("/tmp/module.deb"))
        code, said = root.call("apt-get", "--yes", "install", "/tmp/module.deb")
        self.assertNotEqual(code, 0)
        self.assertIn(f"Depends: nginx-r{self.version} but it is not installable", said)

        shutil.copy(self.stand_in(self.version), root.path("/tmp/nginx.deb"))
        said = root.apt("install", "/tmp/nginx.deb", "/tmp/module.deb")
        line = re.search(r"(?m)^ +(load_module .*;)$", said)[1]
        self.assertIn("test is successful", root.run("nginx", "-t"))
        conf = root.path("/etc/nginx/nginx.conf")
        conf.write_text(f"{line}\n{NGINX_CONF}http {{ upstream u {{ server 127.0.0.1; session_sticky; }} }}\n")
        self.assertIn("test is successful", root.run("nginx", "-t"))

        # Another nginx is installed, and the module is removed.
        shutil.copy(self.stand_in("1.99.0"), root.path("/tmp/nginx.deb"))
        code, said = root.call("apt-get", "--yes", "-o", "Dpkg::Options::=--force-confold", "install", "/tmp/nginx.deb")
        self.assertEqual(code, 0, said)
        self.assertIsNone(root.installed(NAME))

        conf.write_text(NGINX_CONF)
        package.unlink()
        self.assertIn("test is successful", root.run("nginx", "-t"))
        self.assertEqual(root.mentions(), [])


if __name__ == "__main__":
    unittest.main()
