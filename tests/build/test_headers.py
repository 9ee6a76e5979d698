"""build/headers.sh provides the headers that an nginx was compiled with, or an error that names what is missing.

The sources are nginx's own, and a copy with a field that the patch of a module adds. The nginx is a stand-in that
answers only what the build asks: a script, like a distribution's binary without debugging information, or a
program with debugging information, like one built locally.
"""

import json
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from sources import CONFIG, PATCH, ROOT, make_module, patched_sources, vendored_sources

# shortens configure
ARGUMENTS = "--without-http_rewrite_module --without-http_gzip_module"
SCRIPT = """#!/bin/sh
echo 'nginx version: {name}' >&2
[ "$1" = -v ] || echo "configure arguments: {arguments}" >&2
"""
PROGRAM = """#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>
int main(int argc, char **argv) {
    (void) argc;
    return fprintf(stderr, "nginx version: nginx/" NGINX_VERSION "\\n%s", argv[1][1] == 'V' ? WORDS : "") < 0;
}
"""


class Headers(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.shared = Path(folder.name)
        cls.stock = cls.shared / "stock"
        shutil.copytree(vendored_sources(), cls.stock)
        cls.patched = cls.shared / "patched"
        patched_sources(cls.patched)
        header = (cls.stock / "src/core/nginx.h").read_text()
        cls.version = header.split("#define NGINX_VERSION", 1)[1].split('"')[1]

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.dir = Path(folder.name)
        self.nginx = self.dir / "nginx"

    def module(self, name="modules/field", config=CONFIG, patch=PATCH):
        """The folder of a third-party module."""
        return make_module(self.dir / name, config, patch)

    def script(self, *arguments, name=None):
        """A stand-in for nginx that reports only its name and these arguments."""
        words = " ".join([ARGUMENTS, *map(str, arguments)])
        self.nginx.write_text(SCRIPT.format(name=name or f"nginx/{self.version}", arguments=words))
        self.nginx.chmod(0o755)

    def named(self, definitions, version=None):
        """The sources of an nginx with these definitions of NGINX_VER."""
        folder = self.dir / f"sources-{len(list(self.dir.iterdir()))}"
        shutil.copytree(self.stock, folder)
        header = folder / "src/core/nginx.h"
        text = header.read_text()
        before = next(line for line in text.splitlines(True) if line.startswith("#define NGINX_VER "))
        text = text.replace(before, definitions).replace(self.version, version or self.version)
        header.write_text(text)
        return folder

    def program(self, tree, *arguments):
        """An nginx with debugging information, compiled with the headers of a configured tree."""
        words = " ".join(["configure arguments:", ARGUMENTS, *map(str, arguments)]) + "\n"
        source = self.dir / "nginx.c"
        source.write_text(PROGRAM)
        includes = ["objs", "src/core", "src/event", "src/event/modules", "src/event/quic", "src/os/unix"]
        includes += ["src/http", "src/http/modules"]
        subprocess.run(
            ["cc", "-g", "-fno-eliminate-unused-debug-types", f"-DWORDS={json.dumps(words)}"]
            + [f"-I{tree / folder}" for folder in includes]
            + ["-o", str(self.nginx), str(source)],
            check=True,
            cwd=tree,
        )

    def headers(self, source, fails=False, target="target", **environment):
        """The folder that headers.sh prints, or its error output if it fails."""
        target = self.dir / target
        target.mkdir(exist_ok=True)
        ran = subprocess.run(
            ["sh", "build/headers.sh", str(target)],
            cwd=ROOT,
            env={
                **os.environ,
                "NGINX_BINARY": str(self.nginx),
                "NGINX_SOURCE_DIR": str(source),
                "NGINX_MODULE_DIRS": "",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        self.assertEqual(ran.returncode != 0, fails, ran.stderr)
        if fails:
            self.assertEqual(ran.stdout, "")
            return ran.stderr
        return Path(ran.stdout.strip())

    @staticmethod
    def defines(tree, macro):
        return f"#define {macro} " in (tree / "objs/ngx_auto_config.h").read_text()

    def assert_defined(self, tree):
        self.assertTrue(self.defines(tree, "NGX_HTTP_TEST_FIELD"))

    def test_modules_where_nginx_says_beside_the_sources_and_elsewhere_now(self):
        names = ("here", "nearby", "moved", "below")
        folders = ("here", "nearby", "moved", "more/below")
        here, nearby, moved, below = (
            self.module(folder, f"ngx_addon_name={name}\nhave=NGX_HTTP_TEST_{name.upper()} . auto/have\n", None)
            for folder, name in zip(folders, names, strict=True)
        )
        self.script(
            f"--add-module={here}",
            f"--add-dynamic-module={os.path.relpath(nearby, self.stock)}",
            "--add-module=/no/such/place/moved/",
            "--add-module=/no/such/place/below",
        )
        tree = self.headers(self.stock, NGINX_MODULE_DIRS=f"{moved} {below.parent}")
        for name in names:
            self.assertTrue(self.defines(tree, f"NGX_HTTP_TEST_{name.upper()}"), name)

    def test_an_nginx_that_was_configured_with_this_module(self):
        self.script(f"--add-dynamic-module={ROOT}")
        tree = self.headers(self.stock)
        rules = (tree / "objs/Makefile").read_text().count("modules:\tobjs/ngx_http_session_sticky_module.so")
        self.assertEqual(rules, 1)

    def test_a_module_that_is_missing_may_define_what_the_headers_ask_for(self):
        self.script("--add-dynamic-module=/no/such/place/field")
        said = self.headers(self.patched, fails=True)
        for words in ("NGX_HTTP_TEST_FIELD", "/no/such/place/field", "NGINX_MODULE_DIRS"):
            self.assertIn(words, said)

    def test_a_module_that_is_missing_changes_nothing_of_nginx_s_own_headers(self):
        self.script("--add-dynamic-module=/build/nginx-AbC/debian/modules/http-echo")
        self.assertTrue((self.headers(self.stock) / "objs/ngx_auto_config.h").exists())

    def test_a_folder_that_is_not_there(self):
        self.script()
        self.assertIn("/no/such/place", self.headers(self.stock, fails=True, NGINX_MODULE_DIRS="/no/such/place"))

    def test_a_module_that_cannot_be_configured(self):
        fine = self.module("modules/fine", config="ngx_addon_name=fine\n", patch=None)
        module = self.module(config='echo "error: the library foo is required"\nexit 1\n')
        self.script(f"--add-module={fine}", f"--add-module={module}")
        said = self.headers(self.patched, fails=True)
        self.assertIn("the library foo is required", said)
        self.assertIn(f"the module in {module},", said)

    def test_sources_without_the_patch_of_a_module(self):
        self.script(f"--add-module={self.module()}")
        said = self.headers(self.stock, fails=True)
        self.assertIn("is not what", said)
        self.assertIn("NGX_HTTP_TEST_FIELD", said)

    def test_sources_without_the_patch_of_a_module_that_is_missing_and_known(self):
        self.script("--add-module=/no/such/place/nginx_upstream_check_module-master/")
        said = self.headers(self.stock, fails=True)
        self.assertIn("is not what", said)
        self.assertIn("NGX_HTTP_UPSTREAM_CHECK", said)

    def test_what_changes_is_seen(self):
        module = self.module(config="ngx_addon_name=field\n", patch=None)
        self.script(f"--add-module={module}")
        tree = self.headers(self.patched)
        self.assertFalse(self.defines(tree, "NGX_HTTP_TEST_FIELD"))
        (module / "config").write_text(CONFIG)
        self.assert_defined(self.headers(self.patched))

    def test_the_structures_of_a_binary_that_tells_them(self):
        module = self.module(patch=None)
        self.script(f"--add-module={module}")
        with_field = self.headers(self.patched)
        self.program(with_field, f"--add-module={module}")

        with self.subTest("the same"):
            self.assert_defined(self.headers(self.patched))
        with self.subTest("the sources have no patch"):
            said = self.headers(self.stock, fails=True, target="stock")
            self.assertIn("is not what", said)
            self.assertIn("ngx_http_upstream_rr_peer_s has ", said)
        with self.subTest("the module is missing"):
            self.program(with_field, "--add-module=/no/such/place/field")
            said = self.headers(self.patched, fails=True, target="missing")
            self.assertIn("ngx_http_upstream_rr_peer_s has ", said)
            self.assertIn("/no/such/place/field", said)

    def test_what_is_no_nginx(self):
        for name, says in (
            ("Tengine", "Tengine version: Tengine/3.1.0\nnginx version: nginx/1.24.0"),
            ("Angie", "Angie version: Angie/1.9.0"),
        ):
            self.nginx.write_text(f"#!/bin/sh\necho '{says}' >&2\n")
            self.nginx.chmod(0o755)
            said = self.headers(self.stock, fails=True)
            self.assertIn(f"is {name}, and this module is for nginx", said)
            self.assertEqual('a directive of its own for sessions, "sticky"' in said, name == "Angie")

    def test_forks_take_their_own_sources_alone(self):
        stock, old = self.version, "1.27.2"
        free = '#define NGINX_NAME "freenginx"\n#define NGINX_VER NGINX_NAME "/" NGINX_VERSION\n'
        sources = {
            f"nginx/{stock}": self.stock,
            f"openresty/{stock}.2": self.named('#define NGINX_VER "openresty/" NGINX_VERSION ".2"\n'),
            f"openresty/{stock}.1": self.named('#define NGINX_VER "openresty/" NGINX_VERSION ".1"\n'),
            f"freenginx/{old}": self.named(free, old),
        }
        for name in sources:
            for found, folder in sources.items():
                with self.subTest(nginx=name, sources=found):
                    self.script(name=name)
                    if name == found:
                        self.assertTrue((self.headers(folder) / "objs/ngx_auto_config.h").exists())
                        continue
                    said = self.headers(folder, fails=True)
                    self.assertIn(f"{folder} is {found}, but {self.nginx} is {name}:", said)
                    bundle = f"{name.replace('/', '-')}/bundle/nginx-{stock} (from openresty.org)"
                    self.assertEqual(bundle in said, name.startswith("openresty"), said)

    def test_a_name_of_its_own(self):
        self.script(name=f"unnamed/{self.version}")
        for folder in (self.stock, self.named('#define NGINX_VER "unnamed/" NGINX_VERSION\n')):
            self.assertTrue((self.headers(folder) / "objs/ngx_auto_config.h").exists())

    def test_freenginx_that_has_left_nginx(self):
        self.script(name="freenginx/1.29.1")
        self.assertIn("is for freenginx up to 1.27.2", self.headers(self.stock, fails=True))


if __name__ == "__main__":
    unittest.main()
