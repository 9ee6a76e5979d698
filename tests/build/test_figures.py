"""The limits that the code of the module and of its crate keeps (docs/architecture.md)."""

import unittest

from rust_sources import circle, crate, graph
from sources import ROOT

MODULE = crate(ROOT / "src")
CRATE = crate(ROOT / "crates/session-cookie/src")
FILES = [*MODULE.values(), *CRATE.values()]

LINES_OF_FILE = 520
LINES_OF_FUNCTION = 60
UNSAFE_PERCENT = 12


def where(source, line=None):
    return f"{source.path.relative_to(ROOT)}{f':{line}' if line else ''}"


class Figures(unittest.TestCase):
    def test_there_are_files(self):
        self.assertGreater(len(MODULE), 40)
        self.assertGreater(len(CRATE), 15)
        self.assertGreater(sum(map(len, graph(MODULE).values())), 150)
        self.assertGreater(sum(map(len, graph(CRATE).values())), 20)

    def test_no_circle_of_files(self):
        for sources in (MODULE, CRATE):
            found = circle(graph(sources))
            self.assertEqual([where(sources[module]) for module in found], [], "each uses the next")

    def test_length_of_files(self):
        longest = max(FILES, key=lambda source: source.lines())
        print(f"\nlongest file: {longest.lines()} lines, {where(longest)}")
        for source in FILES:
            self.assertLessEqual(source.lines(), LINES_OF_FILE, where(source))

    def test_length_of_functions(self):
        functions = [
            (last - first + 1, name, where(source, first))
            for source in FILES
            for name, first, last in source.functions()
        ]
        self.assertGreater(len(functions), 400)
        length, name, place = max(functions)
        print(f"\nlongest of {len(functions)} functions: {length} lines, {name} in {place}")
        for length, name, place in functions:
            self.assertLessEqual(length, LINES_OF_FUNCTION, f"{name} in {place}")

    def test_lines_in_unsafe_blocks(self):
        code = sum(len(source.code_lines()) for source in MODULE.values())
        unsafe = sum(len(source.unsafe_lines()) for source in MODULE.values())
        percent = unsafe * 100 / code
        print(f"\nin unsafe blocks: {unsafe} of {code} lines of src/, {percent:.1f} %")
        self.assertGreater(unsafe, 100)
        self.assertLessEqual(percent, UNSAFE_PERCENT)

    def test_unsafe_blocks_outside_src_nginx(self):
        """Only in callbacks, and at most one in each."""
        for module, source in MODULE.items():
            if module[:1] == ("nginx",):
                continue
            callbacks = dict.fromkeys(source.callbacks(), 0)
            for begin, end in source.unsafe_blocks():
                around = [callback for callback in callbacks if callback[0] < begin and end <= callback[1]]
                self.assertEqual(len(around), 1, f"not in a callback: {where(source, source.line_of(begin))}")
                callbacks[around[0]] += 1
            for (begin, _), blocks in callbacks.items():
                self.assertLessEqual(blocks, 1, where(source, source.line_of(begin)))


if __name__ == "__main__":
    unittest.main()
