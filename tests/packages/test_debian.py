"""Debian's package on a Debian release: installed, upgraded with nginx and with the release, removed, purged.

SUITES are releases whose packages are in objs/packages, ROOTS the folder of their roots.
"""

import os
import re
import shutil
import subprocess
import unittest
from pathlib import Path

from root import Root

PROJECT = Path(__file__).resolve().parents[2]
ROOTS = Path(os.environ["ROOTS"])
SUITES = os.environ["SUITES"].split()
RELEASES = ["bookworm", "trixie", "forky"]
# Releases whose upgrade without the package keeps nginx. Not bookworm: trixie's nginx needs other libraries, and
# full-upgrade removes bookworm's.
KEPT = ["trixie"]

PACKAGE = "libnginx-mod-http-session-sticky"
MODULE = "/usr/lib/nginx/modules/ngx_http_session_sticky_module.so"
LINK = "/etc/nginx/modules-enabled/50-mod-http-session-sticky.conf"
AVAILABLE = "/usr/share/nginx/modules-available/mod-http-session-sticky.conf"
GOOD = "nginx: configuration file /etc/nginx/nginx.conf test is successful\n"


def built(suite):
    """The package that `make deb` has built for a release."""
    (file,) = (PROJECT / "objs/packages" / suite).glob(f"{PACKAGE}_*.deb")
    return file


def following(suite):
    """The next release; None after the newest."""
    return dict(zip(RELEASES, RELEASES[1:], strict=False)).get(suite)


def stanza(file):
    """The entry of a file in a list of packages."""
    field = subprocess.run(["dpkg-deb", "--field", file], stdout=subprocess.PIPE, text=True, check=True).stdout
    digest = subprocess.run(["sha256sum", file], stdout=subprocess.PIPE, text=True, check=True).stdout.split()[0]
    return f"{field}Filename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {digest}\n\n"


class Debian(unittest.TestCase):
    def __init__(self, method, suite=None):
        super().__init__(method)
        self.suite = suite

    def __str__(self):
        return f"{self._testMethodName}, {self.suite}"

    def setUp(self):
        self.root = Root(ROOTS / f"{self.suite}-clean")
        self.addCleanup(self.root.close)

    def copy(self, file):
        shutil.copy(file, self.root.path("/tmp"))
        return f"/tmp/{file.name}"

    def serve(self, *files):
        """Provides an archive with these packages."""
        archive = self.root.path("/srv/archive")
        shutil.rmtree(archive, ignore_errors=True)
        archive.mkdir()
        for file in files:
            shutil.copy(file, archive)
        (archive / "Packages").write_text("".join(map(stanza, files)))
        self.root.path("/etc/apt/sources.list.d/archive.list").write_text("deb [trusted=yes] file:/srv/archive ./\n")

    def install(self):
        """Installs the package from an archive, the tools its test needs, and nginx if it is not installed yet."""
        self.serve(built(self.suite))
        self.root.apt("update")
        nginx = [] if self.root.installed("nginx") else ["nginx"]
        self.root.apt("install", "--no-install-recommends", *nginx, PACKAGE, "curl")

    def link(self):
        """The target of the link that enables the package; None if it is not enabled."""
        link = self.root.path(LINK)
        return os.readlink(link) if link.is_symlink() else None

    def assert_works(self):
        """Checks that it is enabled, nginx accepts its configuration, and sessions stick."""
        self.assertEqual(self.link(), AVAILABLE)
        self.assert_nginx(True)
        shutil.rmtree(self.root.path("/tmp/sticks"), ignore_errors=True)
        self.root.path("/tmp/sticks").mkdir()
        shutil.copy(PROJECT / "packaging/debian/tests/sticks", self.root.path("/tmp/sticks.sh"))
        self.root.run("env", "AUTOPKGTEST_TMP=/tmp/sticks", "/tmp/sticks.sh")

    def assert_nginx(self, enabled):
        """Checks that nginx accepts its configuration, with or without the module loaded."""
        said = self.root.run("nginx", "-T")
        self.assertIn(GOOD, said)
        self.assertEqual(said.count("\nload_module modules/ngx_http_session_sticky_module.so;"), int(enabled))

    def test_two_commands_on_a_fresh_machine(self):
        self.assertEqual(self.root.mentions(), [])
        package = self.copy(built(self.suite))
        self.root.apt("update")
        self.root.apt("install", "nginx", package)
        self.assertEqual(self.link(), AVAILABLE)
        self.assert_nginx(True)
        self.assertEqual(self.root.run("dpkg", "--verify", PACKAGE), "")
        self.assertIn(LINK, self.root.mentions())

        self.root.apt("purge", PACKAGE)
        self.root.path(package).unlink()
        self.assertEqual(self.root.mentions(), [])
        self.assert_nginx(False)

    def test_purge_leaves_what_was_there(self):
        self.root.apt("update")
        self.root.apt("install", "nginx")
        before = self.root.files()
        package = self.copy(built(self.suite))
        self.root.apt("install", package)
        self.assertIn(MODULE, self.root.files())
        self.root.apt("purge", "--autoremove", PACKAGE)
        self.root.path(package).unlink()
        self.assertEqual(self.root.files(), before)

    def test_its_own_test(self):
        shutil.copytree(PROJECT / "packaging/debian", self.root.path("/tmp/source/debian"))
        package = self.copy(built(self.suite))
        self.root.apt("update")
        self.root.apt("install", "--no-install-recommends", "autopkgtest")
        said = self.root.run("autopkgtest", package, "/tmp/source/", "--", "null")
        self.assertRegex(said, r"(?m)^sticks +PASS$")

    def test_remove_and_reinstall(self):
        self.install()
        self.assert_works()
        self.root.apt("remove", PACKAGE)
        self.assertIsNone(self.link())
        self.assertFalse(self.root.path(MODULE).exists())
        self.assert_nginx(False)
        self.root.apt("install", PACKAGE)
        self.assert_works()

    def test_a_link_that_the_administrator_has_removed(self):
        self.install()
        self.root.path(LINK).unlink()
        self.root.apt("install", "--reinstall", PACKAGE)
        self.assertIsNone(self.link())
        self.root.apt("remove", PACKAGE)
        self.root.apt("install", PACKAGE)
        self.assertIsNone(self.link())
        self.assert_nginx(False)

    def versions_of_nginx(self):
        """Those in the archives of this release, the newest first."""
        listed = self.root.run("apt-cache", "madison", "nginx").splitlines()
        return [line.split("|")[1].strip() for line in listed]

    def packages_of_nginx(self):
        """Those that are installed."""
        listed = self.root.run("dpkg-query", "--show", "--showformat", "${source:Package} ${Package}\n")
        return re.findall(r"(?m)^nginx (\S+)$", listed)

    def repacked_nginx(self):
        """The packages of nginx with a newer version, for a release whose archives have only one."""
        self.root.apt("install", "--no-install-recommends", "dpkg-dev")
        folder = self.root.path("/tmp/repacked")
        folder.mkdir()
        script = """
            cd /tmp/repacked
            apt-get download "$@"
            for file in *.deb; do
                dpkg-deb --raw-extract "$file" tree
                version=$(dpkg-deb --field "$file" Version)
                sed -i "s/$version/$version+later/" tree/DEBIAN/control
                rm "$file"
                dpkg-deb --build --root-owner-group tree later
                mv later "$file"
                rm -r tree
            done
        """
        self.root.run("sh", "-euc", script, "sh", *self.packages_of_nginx())
        return list(folder.iterdir())

    def test_nginx_is_upgraded_within_the_release(self):
        self.root.apt("update")
        newest, *older = self.versions_of_nginx()
        if older:
            oldest = [f"{name}={older[-1]}" for name in ("nginx", "nginx-common")]
            self.root.apt("install", "--no-install-recommends", *oldest)
        self.install()
        if not older:
            self.serve(built(self.suite), *self.repacked_nginx())
            self.root.apt("update")
            newest = self.versions_of_nginx()[0]
        else:
            self.assertEqual(self.root.installed("nginx"), older[-1])
        self.assertNotEqual(self.root.installed("nginx"), newest)
        self.assert_works()
        self.root.apt("upgrade")
        self.assertEqual(self.root.installed("nginx"), newest)
        self.assert_works()

    def versions(self):
        return self.root.installed("nginx"), self.root.installed(PACKAGE)

    def upgrade_release(self, with_package):
        """Follows the release notes, with apt, to the next release: its archives, with its package or without."""
        suite = following(self.suite)
        sources = self.root.path("/etc/apt/sources.list")
        sources.write_text(sources.read_text().replace(self.suite, suite))
        self.serve(*([built(suite)] if with_package else []))
        self.root.apt("update")
        self.root.apt("upgrade", "--without-new-pkgs")
        self.root.apt("full-upgrade")

    def test_release_is_upgraded_with_the_package(self):
        self.install()
        nginx, module = self.versions()
        self.upgrade_release(True)
        upgraded, followed = self.versions()
        self.assertNotEqual(upgraded, nginx)
        self.assertNotEqual(followed, module)
        self.assert_works()

    def test_release_is_upgraded_without_the_package(self):
        """The module is never left with another nginx: apt keeps both, or upgrades nginx and removes the module."""
        self.install()
        before = self.versions()
        self.upgrade_release(False)
        if self.suite in KEPT:
            self.assertEqual(self.versions(), before)
            self.assert_works()
            self.root.apt("remove", PACKAGE)
            self.root.apt("full-upgrade")
        nginx, module = self.versions()
        self.assertNotEqual(nginx, before[0])
        self.assertIsNone(module)
        self.assert_nginx(False)
        if following(self.suite) in SUITES:
            self.serve(built(following(self.suite)))
            self.root.apt("update")
            self.root.apt("install", PACKAGE)
            self.assert_works()


def can_run(method, suite):
    """There is no upgrade from the newest release, and a package that was not built cannot be installed."""
    if method == "test_release_is_upgraded_with_the_package":
        return following(suite) in SUITES
    return method != "test_release_is_upgraded_without_the_package" or following(suite)


def load_tests(loader, _tests, _pattern):
    methods = loader.getTestCaseNames(Debian)
    return unittest.TestSuite(Debian(method, suite) for suite in SUITES for method in methods if can_run(method, suite))
