"""The build installs nothing unasked: it reports what is missing, and how to get it."""

import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLS = ["sh", "cat", "cp", "cut", "dirname", "env", "grep", "id", "mkdir", "mktemp", "rm", "sed", "tr"]


class Missing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.bin = Path(folder.name) / "bin"
        self.bin.mkdir()
        self.called = Path(folder.name) / "called"
        for tool in TOOLS:
            (self.bin / tool).symlink_to(shutil.which(tool))
        for tool in ("apt-get", "sudo"):
            self.program(tool, f'#!/bin/sh\necho "{tool} $*" >>{self.called}\nexit 1\n')
        # no package is installed
        self.program("dpkg-query", "#!/bin/sh\nexit 1\n")
        self.cargo("1.95.0")

    def program(self, name, text):
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def cargo(self, version):
        self.program("cargo", f'#!/bin/sh\n[ "$*" = --version ] && echo "cargo {version} (a b)"\n')

    def sources(self, conf):
        """The sources of an nginx with this text about PCRE."""
        folder = Path(tempfile.mkdtemp(dir=self.bin.parent))
        script = folder / "auto/lib/pcre/conf"
        script.parent.mkdir(parents=True)
        script.write_text(conf)
        return folder

    def build(self, **environment):
        """The output of a `make` that fails."""
        ran = subprocess.run(
            ["sh", "build/module.sh"],
            cwd=ROOT,
            env={"PATH": str(self.bin), "CARGO_TARGET_DIR": "target", **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.assertNotEqual(ran.returncode, 0)
        self.assertFalse(self.called.exists(), "a package manager was called")
        return ran.stderr

    def test_what_is_missing_is_named_and_make_deps(self):
        said = self.build()
        for words in ("a C compiler, cc", "clang", "openssl/ssl.h", "make deps installs it"):
            self.assertIn(words, said)

    def test_what_is_there_is_not_named(self):
        for tool in ("cc", "make"):
            self.program(tool, "#!/bin/sh\n")
        said = self.build()
        self.assertIn("clang", said)
        for words in ("a C compiler", "openssl/ssl.h"):
            self.assertNotIn(words, said)

    def test_an_nginx_that_only_takes_pcre_1(self):
        old = self.sources('ngx_feature="PCRE library"\nngx_feature_incs="#include <pcre.h>"\n')
        new = self.sources('ngx_feature="PCRE2 library"\nngx_feature_incs="#include <pcre2.h>"\n')
        only_pcre2 = "#!/bin/sh\ncase $(cat) in *'<pcre.h>'*) exit 1 ;; esac\n"
        for compiler, sources, expected in (
            (None, None, "pcre2.h"),
            (None, new, "pcre2.h"),
            (None, old, "pcre.h"),
            (only_pcre2, new, None),
            (only_pcre2, old, "pcre.h"),
            ("#!/bin/sh\ncat >/dev/null\n", old, None),
        ):
            with self.subTest(compiler=compiler, sources=sources):
                (self.bin / "cc").unlink(missing_ok=True)
                if compiler:
                    self.program("cc", compiler)
                said = self.build(NGINX_SOURCE_DIR=str(sources or ""))
                missing = [word for word in ("pcre.h", "pcre2.h") if word in said]
                self.assertEqual(missing, [expected] if expected else [])

    def test_no_rust(self):
        (self.bin / "cargo").unlink()
        said = self.build()
        self.assertIn("there is no cargo: install Rust 1.85 or newer", said)
        self.assertIn("Debian 12: apt-get install cargo-web", said)

    def test_an_old_rust(self):
        for version in ("1.84.1", "0.66.0"):
            self.cargo(version)
            self.assertIn("and Rust 1.85 or newer is needed", self.build())

    def test_a_new_rust(self):
        for version in ("1.85.0", "1.100.0-nightly", "2.0.0"):
            self.cargo(version)
            self.assertIn("building needs what is not here", self.build())


if __name__ == "__main__":
    unittest.main()
