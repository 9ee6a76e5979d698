"""A clock for nginx, set by a test: libfaketime, with only the time of day faked, so that timers run as usual."""

import time
from pathlib import Path


def library():
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    assert found, "faketime is not installed"
    return found[0]


class Clock:
    def __init__(self, lab, now):
        self.file = lab.root / "clock"
        self.set(now)
        self.env = {
            "LD_PRELOAD": str(library()),
            "FAKETIME_TIMESTAMP_FILE": str(self.file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, now):
        """Sets the time to this second, from which it continues."""
        self.offset = int(now) - int(time.time())
        # In one step, as nginx may read it at any time.
        new = self.file.with_suffix(".new")
        new.write_text(f"{self.offset:+d}\n")
        new.rename(self.file)

    def forward(self, seconds):
        self.set(self.now() + seconds)

    def now(self):
        return int(time.time()) + self.offset
