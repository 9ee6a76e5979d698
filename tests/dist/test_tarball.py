"""The source tarball of `make dist`: it depends only on the commit, and builds in any folder without a network."""

import json
import os
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULE = "objs/ngx_http_session_sticky_module.so"
NO_NETWORK = ["unshare", "--net"] if os.getuid() == 0 else ["unshare", "--net", "--map-root-user"]


# The variables of `make test-dist` are not passed to the builds.
ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "HOME", "RUSTUP_HOME", "CARGO_HOME") if name in os.environ}


def run(command, folder, **environment):
    """Runs a command, and shows its output only if it fails."""
    result = subprocess.run(
        command,
        cwd=folder,
        env={**ENVIRONMENT, "LC_ALL": "C", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if result.returncode:
        raise AssertionError(f"{' '.join(map(str, command))} in {folder}:\n{result.stdout[-4000:]}")
    return result.stdout


def make_dist(folder, **environment):
    run(["sh", "build/dist.sh"], ROOT, DIST_DIR=str(folder), **environment)
    return {file.name: file for file in folder.iterdir()}


class Tarball(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.dir = Path(folder.name).resolve()
        cls.made = make_dist(cls.dir / "first")
        (cls.tarball,) = [file for name, file in cls.made.items() if name.endswith(".tar.gz")]
        (cls.bom,) = [file for name, file in cls.made.items() if name.endswith(".cdx.json")]
        cls.name = cls.tarball.name.removesuffix(".tar.gz")

    def unpacked(self, folder):
        folder.mkdir()
        run(["tar", "-x", "-f", self.tarball, "-C", folder], self.dir)
        return folder / self.name

    def test_it_is_the_same_in_other_surroundings(self):
        (self.dir / "tmp").mkdir()
        surroundings = {"TZ": "Pacific/Auckland", "SOURCE_DATE_EPOCH": "1", "TMPDIR": str(self.dir / "tmp")}
        before = os.umask(0o077)
        try:
            again = make_dist(self.dir / "second", **surroundings)
        finally:
            os.umask(before)
        self.assertEqual(sorted(again), sorted(self.made))
        for name, file in self.made.items():
            self.assertEqual(file.read_bytes(), again[name].read_bytes(), name)

    def test_checksums(self):
        said = run(["sha256sum", "--check", "--strict", "SHA256SUMS"], self.dir / "first")
        self.assertEqual(sorted(said.split()), sorted(f"{self.tarball.name}: OK {self.bom.name}: OK".split()))

    def test_nobody_owns_a_file_and_all_are_of_the_commit(self):
        time = run(["git", "log", "-1", "--format=%ct"], ROOT).strip()
        listed = run(["tar", "--list", "-vv", "--numeric-owner", "--full-time", "-f", self.tarball], ROOT, TZ="UTC")
        day = run(["date", "--utc", f"--date=@{time}", "+%F %T"], ROOT).strip()
        lines = listed.splitlines()
        self.assertGreater(len(lines), 1000)
        for line in lines:
            self.assertRegex(line, rf"^[-dl]rw[x-]r-[x-]r-[x-] 0/0 +\d+ {day} {self.name}/|^lrwxrwxrwx 0/0 ")

    def test_the_list_of_crates_is_that_of_the_lock(self):
        bom = json.loads(self.bom.read_text())
        self.assertEqual(bom["bomFormat"], "CycloneDX")
        self.assertNotIn("file:///", self.bom.read_text())
        listed = {(part["name"], part["version"]) for part in bom["components"]}
        locked = set(re.findall(r'^name = "(.*)"\nversion = "(.*)"$', (ROOT / "Cargo.lock").read_text(), re.MULTILINE))
        self.assertEqual(listed - locked, set())
        names = {name for name, _ in listed}
        self.assertGreaterEqual(names, {"session-cookie", "ngx", "nginx-sys", "hmac", "memchr", "serde_json"})
        # Neither dependencies of tests, nor of builds.
        self.assertEqual(names & {"proptest", "criterion", "cookie", "nginx-src", "bindgen", "windows-sys"}, set())

    def test_it_builds_without_a_network_and_the_same_in_each_folder(self):
        modules = []
        for folder in ("a", "another-folder-with-a-longer-name"):
            tree = self.unpacked(self.dir / folder)
            home = self.dir / f"{folder}.cargo"
            home.mkdir()
            # Without the crates in this machine's cargo directory.
            run([*NO_NETWORK, "make"], tree, CARGO_HOME=str(home), CARGO_NET_OFFLINE="true")
            modules.append((tree / MODULE).read_bytes())
            self.assertNotIn(str(self.dir).encode(), modules[-1])
        self.assertGreater(len(modules[0]), 100_000)
        self.assertTrue(modules[0] == modules[1], "the two modules differ")


if __name__ == "__main__":
    unittest.main()
