"""The messages in Rust files (errors, warnings, log lines), and those in a page of the documentation."""

import re
from dataclasses import dataclass

from rust_sources import NO_CODE, TESTS, end_of_block

# Calls that write a whole message: their first string literal begins it.
WRITES = re.compile(
    r"\b(?:error|warn|notice|info|debug|ngx_log_error|ngx_conf_log_error|format_args)!\s*\(|#\[error\(|\brefuse\("
)
# Calls that write a part of a message.
DISPLAYS = re.compile(r"\b(?:write!\s*\(|write_str\s*\()")
LITERAL = re.compile(r'c?"(?P<text>(?:\\.|[^"\\])*)"', re.DOTALL)
# A literal of several words is a message, wherever it occurs.
WORDS = re.compile(r"[a-z]+[,:]? [A-Za-z]")
PLACE = re.compile(r"\{[^{}]*\}")
# In a table, a vertical bar is escaped.
CODE = re.compile(r"(?P<ticks>`+)(?P<text>.+?)(?P=ticks)")
# Files whose texts are not messages: the descriptions of Prometheus metrics, which docs/status.md lists.
NO_MESSAGES = ("status/exposition.rs",)
ESCAPES = {"n": "\n", "t": "\t", '"': '"', "\\": "\\", "'": "'"}


@dataclass(frozen=True)
class Message:
    where: str
    text: str
    # Whether it is a whole message, except for a prefix, or only a part of one.
    is_whole: bool

    def letters(self):
        """The number of letters outside placeholders."""
        return len(re.findall("[A-Za-z]", PLACE.sub("", self.text)))

    def pattern(self):
        """A pattern of the message with any text in the placeholders."""
        pieces = PLACE.split(self.text.replace("{{", "\0").replace("}}", "\1"))
        pattern = ""
        for piece, after in zip(pieces, [*pieces[1:], None], strict=True):
            pattern += re.escape(piece.replace("\0", "{").replace("\1", "}"))
            if after is not None:
                is_quoted = piece.endswith('"') and after.startswith('"')
                pattern += '[^"]*' if is_quoted else ".*"
        return re.compile(rf"(?:.* )?{pattern}" if self.is_whole else rf".*{pattern}.*", re.DOTALL)


def unescaped(text):
    text = re.sub(r"\\\n\s*", "", text)
    return re.sub(r"\\(.)", lambda match: ESCAPES.get(match[1], match[0]), text)


def calls(code, pattern):
    """Yields the begin and end of each call's parentheses."""
    for call in pattern.finditer(code):
        depth, at = 0, call.end() - 1
        while True:
            depth += {"(": 1, ")": -1}.get(code[at], 0)
            if depth == 0:
                break
            at += 1
        yield call.end(), at


def messages(source, name):
    """Yields the messages of a Rust file, without those of its tests."""
    tests = [(found.start(), end_of_block(source.code, found.end() - 1)) for found in TESTS.finditer(source.code)]
    literals = [
        (found.start(), unescaped(literal["text"]))
        for found in NO_CODE.finditer(source.text)
        if (literal := LITERAL.fullmatch(found[0])) and not any(begin <= found.start() < end for begin, end in tests)
    ]
    firsts = {}
    for pattern in (WRITES, DISPLAYS):
        for begin, end in calls(source.code, pattern):
            inside = [at for at, _ in literals if begin <= at < end]
            if inside:
                firsts.setdefault(inside[0], pattern is WRITES)
    for at, text in literals:
        if re.search("[a-z]{3}", PLACE.sub("", text)) and (at in firsts or WORDS.search(text)):
            yield Message(f"{name}:{source.line_of(at)}", text, firsts.get(at, False))


def codes(paragraph):
    """The texts in backquotes, with line ends replaced by spaces."""
    text = re.sub(r"\n\s*", " ", paragraph)
    return [found["text"].replace("\\|", "|") for found in CODE.finditer(text)]


def rows(page, title):
    """Yields the rows of a section's tables, each as a list of columns."""
    begin = page.index(f"\n## {title}\n") + 1
    end = page.find("\n## ", begin)
    for line in page[begin : end if end != -1 else None].splitlines():
        if line.startswith("| ") and not line.startswith("| ---"):
            yield re.split(r"(?<!\\)\|", line)[1:-1]
