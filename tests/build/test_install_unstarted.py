"""Services are not started while build/lib.sh installs packages, and start again afterwards, however it ends.

Each test has its own folder in place of /usr/sbin, in a mount namespace, and an apt-get that only waits.
"""

import os
import signal
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = ["unshare", "--mount"] if os.getuid() == 0 else ["unshare", "--mount", "--map-root-user"]
MOUNT_AND_RUN = 'mount --bind "$SBIN" /usr/sbin && exec sh -c ". build/lib.sh; install_unstarted a-package"'
APT_GET = """#!/bin/sh
echo "$*" >>"$STARTED"
while [ ! -e "$FINISH" ]; do sleep 0.05; done
"""


@unittest.skipUnless(
    subprocess.run([*NAMESPACE, "true"], stderr=subprocess.DEVNULL).returncode == 0,
    "no mount namespaces here",
)
class InstallUnstarted(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.sbin = self.dir / "sbin"
        self.sbin.mkdir()
        self.policy = self.sbin / "policy-rc.d"
        self.finish = self.dir / "finish"
        bin = self.dir / "bin"
        bin.mkdir()
        (bin / "apt-get").write_text(APT_GET)
        (bin / "apt-get").chmod(0o755)
        self.environment = {
            **os.environ,
            "PATH": f"{bin}:/usr/bin:/bin",
            "SBIN": str(self.sbin),
            "FINISH": str(self.finish),
        }

    def start(self, name="started"):
        """Begins to install, and returns when apt-get runs."""
        started = self.dir / name
        process = subprocess.Popen(
            [*NAMESPACE, "sh", "-c", MOUNT_AND_RUN],
            cwd=ROOT,
            env={**self.environment, "STARTED": str(started)},
            stdin=subprocess.DEVNULL,
            stdout=(self.dir / f"{name}.said").open("w"),
            start_new_session=True,
        )
        self.addCleanup(process.wait)
        self.addCleanup(lambda: process.poll() is None and os.killpg(process.pid, signal.SIGKILL))
        end = time.monotonic() + 20
        while not started.exists():
            self.assertIsNone(process.poll(), "it ended before apt-get ran")
            self.assertLess(time.monotonic(), end, "apt-get was not called")
            time.sleep(0.02)
        return process

    def end(self, process, number):
        """Sends a signal to all of its processes, as a terminal does, and waits until all have exited."""
        os.killpg(process.pid, number)
        process.wait(20)
        end = time.monotonic() + 20
        while subprocess.run(["pgrep", "-g", str(process.pid)], stdout=subprocess.DEVNULL).returncode == 0:
            self.assertLess(time.monotonic(), end)
            time.sleep(0.02)

    def said(self, name):
        return (self.dir / f"{name}.said").read_text()

    def assert_refuses(self):
        self.assertEqual(subprocess.run([str(self.policy)]).returncode, 101)

    def assert_clean(self):
        self.assertEqual(sorted(os.listdir(self.sbin)), [])

    def test_it_ends_by_itself(self):
        process = self.start()
        self.assert_refuses()
        self.finish.touch()
        self.assertEqual(process.wait(20), 0)
        self.assert_clean()
        self.assertEqual(self.said("started"), "")

    def test_a_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                process = self.start(number.name)
                self.assert_refuses()
                self.end(process, number)
                self.assertNotEqual(process.returncode, 0)
                self.assert_clean()

    def test_what_a_killed_run_left_is_removed_by_the_next(self):
        self.end(self.start("killed"), signal.SIGKILL)
        self.assert_refuses()
        process = self.start()
        self.assert_refuses()
        self.finish.touch()
        self.assertEqual(process.wait(20), 0)
        self.assert_clean()

    def test_a_run_beside_another_leaves_the_policy_to_the_later(self):
        first = self.start("first")
        second = self.start("second")
        self.end(first, signal.SIGINT)
        self.assert_refuses()
        self.end(second, signal.SIGINT)
        self.assert_clean()

    def test_a_policy_of_somebody_else_stays_and_is_told(self):
        for text in ("#!/bin/sh\nexit 101\n", "#!/bin/sh\nexit 0\n"):
            with self.subTest(text):
                name = f"started-{len(text)}"
                self.policy.write_text(text)
                self.policy.chmod(0o755)
                self.end(self.start(name), signal.SIGINT)
                self.assertEqual(self.policy.read_text(), text)
                self.assertEqual(os.listdir(self.sbin), ["policy-rc.d"])
                self.assertIn("/usr/sbin/policy-rc.d is not ours and stays", self.said(name))
                self.assertIn("an interrupted earlier run may have left it", self.said(name))


if __name__ == "__main__":
    unittest.main()
