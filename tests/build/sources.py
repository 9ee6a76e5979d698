"""nginx's sources in a copy, and in another with a field that the patch of a module adds to a structure."""

import json
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STRUCTURES = "src/http/ngx_http_upstream_round_robin.h"
FIELD = """#if (NGX_HTTP_TEST_FIELD)
    ngx_uint_t                      test_field;
#endif
"""
CONFIG = """ngx_addon_name=field
have=NGX_HTTP_TEST_FIELD . auto/have
"""
PATCH = f"--- a/{STRUCTURES}\n+++ b/{STRUCTURES}\n@@ -38,3 +38,7 @@\n" + "".join(
    "+" + line for line in FIELD.splitlines(True)
)


def vendored_sources():
    """The directory of the nginx sources in the crate nginx-src."""
    metadata = subprocess.run(
        ["cargo", "metadata", "--locked", "--all-features", "--format-version=1"]
        + ["--filter-platform=x86_64-unknown-linux-gnu"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        check=True,
    ).stdout
    packages = json.loads(metadata)["packages"]
    (crate,) = [package for package in packages if package["name"] == "nginx-src"]
    return Path(crate["manifest_path"]).parent / "nginx"


def patched_sources(folder):
    """Copies the sources into this new folder and adds the field."""
    shutil.copytree(vendored_sources(), folder)
    header = folder / STRUCTURES
    text = header.read_text()
    before = "    ngx_str_t                       server;\n"
    assert text.count(before) == 1
    header.write_text(text.replace(before, before + FIELD))


def make_module(folder, config=CONFIG, patch=PATCH):
    """Creates the folder of a module, by default of the one with that patch."""
    folder.mkdir(parents=True)
    (folder / "config").write_text(config)
    if patch:
        (folder / "field.patch").write_text(patch)
    return folder
