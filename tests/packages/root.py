"""A root with a Debian release that can be changed: changes are kept in memory, and discarded at the end."""

import re
import subprocess
import tempfile
from pathlib import Path

# Uses the network of this machine, for apt. It ends, with all its mounts, when its input is closed.
MOUNT = """
    clean=$1 dir=$2
    mount -t tmpfs tmpfs "$dir"
    mkdir "$dir/changed" "$dir/work" "$dir/root"
    mount -t overlay overlay -o "lowerdir=$clean,upperdir=$dir/changed,workdir=$dir/work" "$dir/root"
    mount --rbind /dev "$dir/root/dev"
    mount --rbind /proc "$dir/root/proc"
    for file in /etc/resolv.conf /etc/hosts; do
        [ ! -e "$file" ] || cp -L "$file" "$dir/root$file"
    done
    echo mounted
    cat
"""
ENVIRONMENT = ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "HOME=/root"]
NAME = re.compile(r"session[-_]sticky")
# Files about the past: logs, and the state of packages before the last change.
PAST = re.compile(r"/var/log/|/var/lib/dpkg/[a-z]+-old$")
# Caches and lists of apt and dpkg, which change with any package.
BOOKS = re.compile(r"/var/(log|cache|backups)/|/var/lib/(dpkg|apt)/|/etc/ld\.so\.cache$")


class Root:
    def __init__(self, clean):
        self.folder = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-euc", MOUNT, "sh", clean, self.folder.name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        if self.process.stdout.readline() != "mounted\n":
            self.close()
            raise RuntimeError(f"there is no root {clean}, or no overlay of it")

    def close(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        self.folder.cleanup()

    def path(self, name):
        """A file of the root, for this process."""
        return Path(f"/proc/{self.process.pid}/root{self.folder.name}/root") / name.lstrip("/")

    def call(self, *command):
        """Runs a command in the root: its exit code and output."""
        ran = subprocess.run(
            ["nsenter", f"--mount=/proc/{self.process.pid}/ns/mnt", "chroot", f"{self.folder.name}/root"]
            + ["env", "--ignore-environment", *ENVIRONMENT, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        return ran.returncode, ran.stdout

    def run(self, *command):
        """The output of a command that must succeed."""
        code, said = self.call(*command)
        assert code == 0, f"{' '.join(command)}: {code}\n{said[-3000:]}"
        return said

    def apt(self, *arguments):
        return self.run("apt-get", "--yes", "--quiet", *arguments)

    def installed(self, package):
        """The version of a package; None if it is not installed."""
        code, said = self.call("dpkg-query", "--show", "--showformat", "${db:Status-Status} ${Version}", package)
        state, _, version = said.partition(" ")
        return version if code == 0 and state == "installed" else None

    def files(self):
        """Each file with its type, size, time and link target."""
        said = self.run("find", "/", "-xdev", "-printf", "%p\t%y %s %T@ %l\n")
        found = dict(line.split("\t") for line in said.splitlines())
        # A folder's time and size change when its content does.
        return {
            path: "folder" if state.startswith("d") else state
            for path, state in found.items()
            if not BOOKS.search(path)
        }

    def mentions(self):
        """The files with the name of the package or of the module in their name or content."""
        named = self.run("find", "/", "-xdev", "-name", "*session[-_]sticky*").splitlines()
        code, said = self.call(
            *["grep", "--recursive", "--files-with-matches", "--text", "--no-messages", NAME.pattern, "/"],
            *["--exclude-dir=proc", "--exclude-dir=dev", "--exclude-dir=sys"],
        )
        assert code in (0, 1, 2), said
        return sorted(file for file in {*named, *said.splitlines()} if not PAST.search(file))
