"""Reads Rust files as far as test_figures.py needs it: not a parser, but it separates code from comments and
literals."""

import re
from pathlib import Path

# A comment or a literal, which contains no code.
NO_CODE = re.compile(
    r"""//[^\n]*|/\*.*?\*/|[bc]?r(?P<hash>#*)".*?"(?P=hash)|[bc]?"(?:\\.|[^"\\])*"|b?'(?:\\[^']+|\\'|[^'\\\n])'""",
    re.DOTALL,
)
FUNCTION = re.compile(r"\bfn\s+(\w+)")
CALLBACK = re.compile(r'\bextern\s+"[^"]*"\s+fn\s+(\w+)')
UNSAFE = re.compile(r"\bunsafe\s*\{")
TESTS = re.compile(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+\w+\s*\{")
USE = re.compile(r"(?P<public>\bpub(?:\([^)]*\))?\s+)?\buse\s+(?P<tree>[^;]+);")
DECLARED = re.compile(r"\bmod\s+(\w+)\s*;")
PATH = re.compile(r"\b(?:crate|super)(?:\s*::\s*\w+)+")


def blank(match):
    """Replaces a comment or literal with blanks of the same length; keeps line ends and quotes."""
    text = match[0]
    if text.startswith("/"):
        return re.sub(r"[^\n]", " ", text)
    quote = "'" if text.endswith("'") else '"'
    return quote + re.sub(r"[^\n]", " ", text[1:-1]) + quote


def end_of_block(code, start):
    """The end of the block whose brace is at this position."""
    depth = 0
    for at in range(start, len(code)):
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        if depth == 0:
            return at + 1
    raise ValueError("unclosed brace")


def begin_of_body(code, start):
    """The begin of a function's body; None if it has none."""
    depth = 0
    for at in range(start, len(code)):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(code[at], 0)
        if depth == 0 and code[at] in "{;":
            return at if code[at] == "{" else None
    return None


def names_of(tree, prefix=()):
    """Yields the names in a `use` tree, each as a list of path segments."""
    tree = tree.strip()
    before, brace, inside = tree.partition("{")
    prefix = prefix + tuple(word for word in re.split(r"\s*::\s*", before.strip()) if word)
    if not brace:
        last = prefix[-1].split(" as ")[0].strip()
        yield prefix[:-1] if last in ("self", "*") else (*prefix[:-1], last)
        return
    inside = inside[: inside.rindex("}")]
    part, depth = "", 0
    for letter in inside + ",":
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            if part.strip():
                yield from names_of(part, prefix)
            part = ""
        else:
            part += letter


class Source:
    """A Rust file."""

    def __init__(self, path, module):
        self.path = path
        self.text = path.read_text()
        # The segments of its module path: () for lib.rs.
        self.module = module
        self.is_folder = path.name in ("lib.rs", "mod.rs")
        self.code = NO_CODE.sub(blank, self.text)
        assert self.code.count("\n") == self.text.count("\n")

    def lines(self):
        return self.text.count("\n")

    def line_of(self, at):
        return self.code.count("\n", 0, at) + 1

    def code_lines(self):
        """The numbers of the lines that are neither empty nor comments."""
        return {number for number, line in enumerate(self.code.split("\n"), 1) if line.strip()}

    def functions(self):
        """Yields the name, first and last line of each function with a body."""
        for function in FUNCTION.finditer(self.code):
            body = begin_of_body(self.code, function.end())
            if body is not None:
                yield function[1], self.line_of(function.start()), self.line_of(end_of_block(self.code, body))

    def callbacks(self):
        """Yields the begin and end of each callback's body."""
        for function in CALLBACK.finditer(self.code):
            body = begin_of_body(self.code, function.end())
            if body is not None:
                yield body, end_of_block(self.code, body)

    def unsafe_blocks(self):
        """Yields the begin and end of each unsafe block."""
        for block in UNSAFE.finditer(self.code):
            yield block.start(), end_of_block(self.code, block.end() - 1)

    def unsafe_lines(self):
        """The numbers of the code lines in unsafe blocks, including the first and the last."""
        lines = set()
        for begin, end in self.unsafe_blocks():
            lines.update(range(self.line_of(begin), self.line_of(end - 1) + 1))
        return lines & self.code_lines()

    def without_tests(self):
        code = self.code
        while tests := TESTS.search(code):
            code = code[: tests.start()] + code[end_of_block(code, tests.end() - 1) :]
        return code

    def absolute(self, words):
        """Resolves a path that begins with crate, super, self or a module declared here, relative to the crate; else
        None."""
        here = self.module if self.is_folder else self.module[:-1]
        module = self.module
        first = words[0]
        if first == "crate":
            return tuple(words[1:])
        if first == "self":
            return (*module, *words[1:])
        if first == "super":
            while words and words[0] == "super":
                module, words = module[:-1], words[1:]
            return (*module, *words)
        if first in DECLARED.findall(self.code):
            return (*here, *words)
        return None

    def exports(self):
        """The names that a folder's file re-exports from its own modules, with their paths."""
        found = {}
        for use in USE.finditer(self.without_tests()):
            if use["public"]:
                for words in names_of(use["tree"]):
                    target = self.absolute(words)
                    if target:
                        found[words[-1]] = target
        return found

    def uses(self):
        """Yields the paths within the crate that the file uses, except for those it only re-exports."""
        code = self.without_tests()
        for use in USE.finditer(code):
            if use["public"] and self.is_folder:
                continue
            for words in names_of(use["tree"]):
                target = self.absolute(words)
                if target is not None:
                    yield target
        code = USE.sub("", code)
        declared = "|".join(DECLARED.findall(code))
        paths = [PATH, re.compile(rf"(?<![\w:])(?:{declared})(?:\s*::\s*\w+)+")] if declared else [PATH]
        for pattern in paths:
            for path in pattern.finditer(code):
                target = self.absolute(re.split(r"\s*::\s*", path[0]))
                if target is not None:
                    yield target


def crate(folder):
    """The files of a crate by module path."""
    sources = {}
    for path in sorted(Path(folder).rglob("*.rs")):
        words = path.relative_to(folder).with_suffix("").parts
        module = words[:-1] if words[-1] in ("lib", "mod") else words
        sources[module] = Source(path, module)
    return sources


def file_of(sources, target):
    """The module of the file that a path refers to, following re-exports."""
    for length in range(len(target), -1, -1):
        module = target[:length]
        if module not in sources:
            continue
        rest = target[length:]
        if rest and sources[module].is_folder:
            handed_on = sources[module].exports().get(rest[0])
            if handed_on and handed_on != target[: length + 1]:
                return file_of(sources, (*handed_on, *rest[1:]))
        return module
    return None


def graph(sources):
    """The files that each file uses."""
    return {
        module: {used for target in source.uses() if (used := file_of(sources, target)) not in (None, module)}
        for module, source in sources.items()
    }


def circle(edges):
    """The files of a dependency cycle in order; an empty list if there is none."""
    done, way = set(), []

    def visit(module):
        if module in way:
            return way[way.index(module) :]
        if module in done:
            return []
        way.append(module)
        for used in sorted(edges[module]):
            if found := visit(used):
                return found
        way.pop()
        done.add(module)
        return []

    for module in sorted(edges):
        if found := visit(module):
            return found
    return []
