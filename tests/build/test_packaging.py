"""The statements about the module in packaging/ are true."""

import json
import re
import subprocess
import unittest

from sources import ROOT

DEBIAN = ROOT / "packaging/debian"
SPEC = ROOT / "packaging/rpm/nginx-mod-http-session-sticky.spec"


def linked_crates():
    """The license of each crate linked into the module, except the project's own."""
    command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform=x86_64-unknown-linux-gnu"]
    metadata = json.loads(subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    waiting = [id for id, package in packages.items() if package["name"] == "ngx_http_session_sticky_module"]
    found = set()
    while waiting:
        id = waiting.pop()
        # A macro is only run by the compiler.
        if id in found or any("proc-macro" in target["kind"] for target in packages[id]["targets"]):
            continue
        found.add(id)
        waiting += [
            needed["pkg"] for needed in nodes[id]["deps"] if any(kind["kind"] is None for kind in needed["dep_kinds"])
        ]
    return {packages[id]["name"]: packages[id]["license"] for id in found if packages[id]["source"]}


class Packaging(unittest.TestCase):
    def test_version(self):
        manifest = (ROOT / "Cargo.toml").read_text()
        version = re.search(r'^version = "(.*)"', manifest, re.MULTILINE)[1]
        rust = re.search(r'^rust-version = "(.*)"', manifest, re.MULTILINE)[1]
        self.assertRegex((DEBIAN / "changelog").read_text(), rf"\A\S+ \({re.escape(version)}-\d+\) ")
        needed = re.findall(r"(?:cargo|rustc)(?:-web)? \(>= (.*?)\)", (DEBIAN / "control").read_text())
        self.assertEqual(needed, [rust] * 4)
        spec = SPEC.read_text()
        self.assertEqual(re.findall(r"(?m)^Version: +(.*)$", spec), [version])
        self.assertEqual(re.findall(r"(?m)^BuildRequires: +cargo >= (.*)$", spec), [rust])
        self.assertRegex(spec, rf"%changelog\n\* .* - {re.escape(version)}-\d+\n")

    def test_copyright_of_crates(self):
        comment = (DEBIAN / "copyright").read_text().split("\n\n")[0]
        named = re.findall(r"^ (\S+) \((?:Expat|BSD-3-Clause)\), copyright", comment, re.MULTILINE)
        crates = linked_crates()
        self.assertGreater(len(crates), 20)
        others = [name for name, license in crates.items() if "Apache-2.0" not in re.split(r" OR | AND |[()]", license)]
        self.assertEqual(sorted(named), sorted(others))


if __name__ == "__main__":
    unittest.main()
