"""nginx's own configure builds the module, both dynamic and compiled in: `config` and `config.make`."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from sources import ROOT, make_module, vendored_sources
from visits import assert_sticks

MODULE = "ngx_http_session_sticky_module"
# docs/architecture.md: each module, and the nginx module that it precedes
ORDER = {
    "ngx_http_session_sticky_server_module": "ngx_http_upstream_module",
    MODULE: "ngx_http_range_body_filter_module",
}
TABLES = ["ngx_module_names", "ngx_module_order", "ngx_modules"]
# shortens configure
ARGUMENTS = ["--without-http_rewrite_module", "--without-http_gzip_module"]
FILTER = """ngx_addon_name={name}
ngx_module_type=HTTP_AUX_FILTER
ngx_module_name={name}
. auto/module
"""
# Logs its arguments, and reports the library that `make` built.
CARGO = """#!/bin/sh
[ "$*" != --version ] || exec {cargo} --version
echo "$1 $NGINX_SOURCE_DIR $NGINX_BUILD_DIR $CARGO_TARGET_DIR" >>{called}
echo '{{"reason":"compiler-artifact","filenames":["{library}"]}}'
"""


def run(*command, folder=ROOT, fails=False, **environment):
    """Runs a command that must succeed, or fail, and returns its output."""
    ran = subprocess.run(
        command,
        cwd=folder,
        env={**os.environ, "NGINX_BINARY": "", "MAKEFLAGS": "", **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert (ran.returncode != 0) == fails, ran.stdout[-3000:]
    return ran.stdout


def link_sources(folder):
    """Links nginx's sources into a new folder, in which it can be configured."""
    folder.mkdir()
    for source in vendored_sources().iterdir():
        (folder / source.name).symlink_to(source)


class Configure(unittest.TestCase):
    """Tests of configure only."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.nginx = self.dir / "nginx"
        link_sources(self.nginx)

    def configure(self, *arguments, **options):
        return run("sh", "auto/configure", *ARGUMENTS, *arguments, folder=self.nginx, **options)

    def test_places_of_the_modules_in_nginx(self):
        others = [make_module(self.dir / name, FILTER.format(name=name), None) for name in ("before", "behind")]
        self.configure(f"--add-module={others[0]}", f"--add-module={ROOT}", f"--add-module={others[1]}")
        table = (self.nginx / "objs/ngx_modules.c").read_text().split("ngx_module_names", 1)[1]
        modules = re.findall(r'"(\w+)"', table)
        for module, following in ORDER.items():
            self.assertEqual(modules.count(module), 1)
            self.assertEqual(modules[modules.index(module) + 1], following)
        # Other modules' filters are called after this one, so they see the cookie.
        for other in others:
            self.assertLess(modules.index(other.name), modules.index(MODULE))

    def test_no_cargo(self):
        bin = self.dir / "bin"
        bin.mkdir()
        for folder in reversed(os.environ["PATH"].split(":")):
            for tool in Path(folder).glob("*"):
                (bin / tool.name).unlink(missing_ok=True)
                (bin / tool.name).symlink_to(tool)
        (bin / "cargo").unlink()
        for way in ("--add-module", "--add-dynamic-module"):
            said = self.configure(f"{way}={ROOT}", fails=True, PATH=str(bin))
            self.assertIn("error: there is no cargo: install Rust 1.85 or newer", said)

    def test_no_libclang(self):
        said = self.configure(f"--add-dynamic-module={ROOT}", fails=True, LIBCLANG_PATH=str(self.dir))
        self.assertIn("error: there is no libclang", said)
        self.assertIn("Debian: libclang-dev", said)

    def test_no_http(self):
        said = self.configure(f"--add-dynamic-module={ROOT}", "--without-http", fails=True)
        self.assertIn(f"error: {MODULE} needs HTTP", said)


class Built(unittest.TestCase):
    """Tests of what `make` built, and of an nginx with the module compiled in."""

    @classmethod
    def setUpClass(cls):
        run("sh", "build/module.sh")
        run("sh", "build/static.sh")
        cls.tree = Path(run("sh", "-c", ". build/lib.sh; . build/cargo.sh; configured; echo $tree").split()[-1])
        cls.dynamic = ROOT / "objs/nginx"
        cls.static = ROOT / "objs/static/nginx"
        cls.module = ROOT / f"objs/{MODULE}.so"

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)

    def order(self, nginx, *modules):
        """The modules of a running nginx, as seen by a module that it loads."""
        makefile = self.dir / "makefile"
        so = self.dir / "order.so"
        makefile.write_text(
            "include objs/Makefile\n"
            f"order:\n\t$(CC) $(CFLAGS) $(ALL_INCS) -fPIC -shared -o {so} {ROOT}/tests/build/order.c\n"
        )
        run("make", "--silent", "-f", str(makefile), "order", folder=self.tree)
        (self.dir / "logs").mkdir(exist_ok=True)
        (self.dir / "nginx.conf").write_text(
            "".join(f"load_module {module};\n" for module in (*modules, so))
            + f"pid {self.dir}/nginx.pid;\nerror_log stderr;\nevents {{}}\n"
        )
        said = run(str(nginx), "-t", "-q", "-p", str(self.dir), "-c", str(self.dir / "nginx.conf"))
        return re.findall(r"^ngx_(?!test_order)\w+$", said, re.MULTILINE)

    def test_order(self):
        dynamic = self.order(self.dynamic, self.module)
        for module, following in ORDER.items():
            self.assertEqual(dynamic[dynamic.index(module) + 1], following)
        # Third-party filters are inserted here.
        self.assertEqual(dynamic[dynamic.index(MODULE) - 1], "ngx_http_copy_filter_module")
        self.assertEqual(self.order(self.static), dynamic)

    def test_a_session_sticks(self):
        for nginx, module in ((self.dynamic, self.module), (self.static, None)):
            with self.subTest(nginx):
                assert_sticks(self, self.dir, nginx, module)

    def exports(self, file):
        symbols = run("nm", "--dynamic", "--defined-only", "--format=posix", str(file))
        return sorted(line.split()[0] for line in symbols.splitlines())

    def test_what_is_exported(self):
        self.assertEqual(self.exports(self.module), TABLES)
        # nginx exports everything that modules may need, but nothing of this one.
        self.assertEqual(self.exports(self.static), self.exports(self.dynamic))

    def test_the_file_stays_mapped(self):
        self.assertIn("NODELETE", run("readelf", "--dynamic", str(self.module)))


class Make(unittest.TestCase):
    """Tests when and how nginx's Makefile calls cargo. cargo is a stand-in that returns what `make` built."""

    @classmethod
    def setUpClass(cls):
        Built.setUpClass()

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name).resolve()
        self.called = self.dir / "called"
        self.nginx = self.dir / "nginx"
        link_sources(self.nginx)
        (self.nginx / "src").unlink()
        shutil.copytree(vendored_sources() / "src", self.nginx / "src")

        self.sticky = self.dir / "sticky"
        self.sticky.mkdir()
        for name in ("build", "crates", "src"):
            shutil.copytree(ROOT / name, self.sticky / name)
        for name in ("build.rs", "Cargo.lock", "Cargo.toml", "config", "config.make"):
            shutil.copy(ROOT / name, self.sticky)

        bin = self.dir / "bin"
        bin.mkdir()
        library = Built.tree / f"objs/lib{MODULE}.a"
        cargo = bin / "cargo"
        cargo.write_text(CARGO.format(cargo=shutil.which("cargo"), called=self.called, library=library))
        cargo.chmod(0o755)
        self.environment = {"PATH": f"{bin}:{os.environ['PATH']}"}

        said = run(str(Built.dynamic), "-V").split("configure arguments:")[1].split()
        arguments = [word for word in said if not word.startswith("--add-dynamic-module=")]
        self.configure = ["sh", "auto/configure", *arguments, "--add-dynamic-module=../sticky", "--builddir=build"]
        run(*self.configure, folder=self.nginx, **self.environment)

    def make(self, **environment):
        """The calls of cargo by `make modules`."""
        self.called.unlink(missing_ok=True)
        run("make", "--jobs=2", "modules", folder=self.nginx, **self.environment, **environment)
        return [line.split() for line in self.called.read_text().splitlines()] if self.called.exists() else []

    def test_it(self):
        objs = self.nginx / "build"
        build = ["build", str(self.nginx), str(objs), str(objs / "cargo")]
        self.assertEqual(self.make(), [build])
        assert_sticks(self, self.dir, Built.dynamic, objs / f"{MODULE}.so")
        self.assertEqual(self.make(), [], "nothing has changed")

        for changed in ("src/lib.rs", "crates/session-cookie/src/policy.rs", "src/status/page.html", "Cargo.lock"):
            with self.subTest(changed):
                (self.sticky / changed).touch()
                self.assertEqual(self.make(), [build])
        with self.subTest("a source is removed"):
            (self.sticky / "src/log.rs").unlink()
            self.assertEqual(self.make(), [build])
        with self.subTest("a header of nginx, which nginx-sys does not watch"):
            (self.nginx / "src/http/ngx_http_upstream.h").touch()
            self.assertEqual(self.make(), [["clean", *build[1:]], build])
        with self.subTest("a given CARGO_TARGET_DIR"):
            (self.sticky / "src/lib.rs").touch()
            self.assertEqual(self.make(CARGO_TARGET_DIR="../shared"), [[*build[:3], str(self.dir / "shared")]])


if __name__ == "__main__":
    unittest.main()
