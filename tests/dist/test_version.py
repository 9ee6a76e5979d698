"""A tarball has one version: that in Cargo.toml, in the first section of CHANGELOG, and in the tag if there is one."""

import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ("build/lib.sh", "build/dist-check.sh")


class Version(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        (self.dir / "build").mkdir()
        for script in SCRIPTS:
            (self.dir / script).write_bytes((ROOT / script).read_bytes())
        self.git("init", "--quiet")

    def git(self, *arguments):
        author = ["-c", "user.name=A", "-c", "user.email=a@example.com", "-c", "tag.gpgSign=false"]
        subprocess.run(["git", *author, *arguments], cwd=self.dir, check=True)

    def commit(self, day, tag=None):
        text = f"\nChanges with ngx-http-session-sticky 1.2.3    {day}\n\n    *) Bugfix.\n"
        (self.dir / "CHANGELOG").write_text(text)
        self.git("add", ".")
        self.git("commit", "--quiet", "--no-gpg-sign", "--message=a")
        if tag:
            self.git("tag", tag)

    def check(self, version="1.2.3"):
        result = subprocess.run(
            ["sh", "build/dist-check.sh", version],
            cwd=self.dir,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return result.returncode, result.stdout

    def assert_refused(self, why, version="1.2.3"):
        status, said = self.check(version)
        self.assertNotEqual(status, 0)
        self.assertIn(f"error: {why}", said)

    def test_between_releases(self):
        self.commit("not released")
        self.assertEqual(self.check(), (0, "-- 1.2.3 is no release here: there is no tag v1.2.3\n"))

    def test_a_release(self):
        self.commit("30 Nov 2026", "v1.2.3")
        self.assertEqual(self.check(), (0, ""))

    def test_another_tag_is_no_matter(self):
        self.commit("not released", "before")
        self.assertEqual(self.check()[0], 0)

    def test_a_tag_without_a_day(self):
        self.commit("not released", "v1.2.3")
        self.assert_refused("there is the tag v1.2.3, and CHANGELOG says that 1.2.3 is not released")

    def test_the_tag_of_another_version(self):
        self.commit("30 Nov 2026", "v1.2.4")
        self.assert_refused("the tag is v1.2.4, and Cargo.toml has the version 1.2.3")

    def test_the_changelog_of_another_version(self):
        self.commit("not released")
        for version in ("1.2.4", "1.2", "1.2.30"):
            self.assert_refused(f"CHANGELOG begins with another version than Cargo.toml, which has {version}", version)

    def test_a_release_with_changes_that_are_not_committed(self):
        self.commit("30 Nov 2026", "v1.2.3")
        (self.dir / "CHANGELOG").write_text((self.dir / "CHANGELOG").read_text() + "\n")
        self.assert_refused("there is the tag v1.2.3, and changes that are not in it")


if __name__ == "__main__":
    unittest.main()
