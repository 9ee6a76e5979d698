"""docs/troubleshooting.md lists every message of the module, and no others."""

import unittest

from messages import NO_MESSAGES, codes, messages, rows
from rust_sources import crate
from sources import ROOT

PAGE = (ROOT / "docs/troubleshooting.md").read_text()
FOLDERS = ("src", "crates/session-cookie/src")
# The sections, each with the column that has the messages.
TABLES = {
    "Errors in the configuration": 0,
    "Warnings about the configuration": 0,
    "Values of parameters": 0,
    "Lines of the error log": 1,
    "Debug lines": 0,
    "Error responses of the status page": 1,
}


def of_module():
    for folder in FOLDERS:
        for source in crate(ROOT / folder).values():
            name = str(source.path.relative_to(ROOT / folder))
            if name not in NO_MESSAGES and "tests" not in source.module:
                yield from messages(source, f"{folder}/{name}")


class Messages(unittest.TestCase):
    def test_each_is_on_the_page(self):
        said = [code for paragraph in PAGE.split("\n\n") for code in codes(paragraph)]
        every = list(of_module())
        self.assertGreater(len(every), 200)
        self.assertGreater(sum(message.is_whole for message in every), 120)
        print(f"\n{len(every)} texts, {len(said)} in the page")
        missing = [
            f"{message.where}: {message.text}"
            for message in every
            if not any(message.pattern().fullmatch(code) for code in said)
        ]
        self.assertEqual(missing, [], "not in docs/troubleshooting.md")

    def test_the_page_has_no_other(self):
        # `"{0}" with {1}` would match any text with these words.
        patterns = [message.pattern() for message in of_module() if message.letters() > 4]
        listed = [
            codes(row[column])[0] for title, column in TABLES.items() for row in rows(PAGE, title) if codes(row[column])
        ]
        self.assertGreater(len(listed), 150)
        others = [code for code in listed if not any(pattern.fullmatch(code) for pattern in patterns)]
        self.assertEqual(others, [], "not a message of the module")


if __name__ == "__main__":
    unittest.main()
