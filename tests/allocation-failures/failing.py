"""The interface to failing.c: which allocation of which process fails, and where it was."""

import ctypes
import mmap
import os
import re
import subprocess
from pathlib import Path

DEPTH = 40
PLACES = 1 << 16
ANY = -1

ROOT = Path(__file__).resolve().parents[2]
LIBRARY = os.environ["FAILING_LIBRARY"]


class Frame(ctypes.Structure):
    _fields_ = (("offset", ctypes.c_int64), ("object", ctypes.c_char * 248))


class Control(ctypes.Structure):
    """The same as in failing.c."""

    _fields_ = (
        ("process", ctypes.c_int64),
        ("fail_at", ctypes.c_int64),
        ("counting", ctypes.c_int64),
        ("opened", ctypes.c_char * 256),
        ("count", ctypes.c_int64),
        ("settled", ctypes.c_int64),
        ("waiting", ctypes.c_int64),
        ("failed", ctypes.c_int64),
        ("size", ctypes.c_int64),
        ("call", ctypes.c_char * 32),
        ("depth", ctypes.c_int64),
        ("frames", Frame * DEPTH),
        ("places", ctypes.c_uint64 * PLACES),
    )


class Failing:
    """The allocations of the processes that are started with `environment`."""

    def __init__(self, path):
        path.write_bytes(bytes(ctypes.sizeof(Control)))
        with open(path, "r+b") as file:
            self.control = Control.from_buffer(mmap.mmap(file.fileno(), 0))
        self.environment = {"LD_PRELOAD": LIBRARY, "ALLOCATION_FAILURES": str(path)}

    def begin(self, number, process=ANY, opened=None):
        """Makes the allocation with that number fail, or only counts and records if it is 0: in this process, from now
        on; or from when it opens this file.
        """
        control = self.control
        control.process = 0
        control.fail_at, control.opened = number, str(opened or "").encode()
        control.count = control.settled = control.failed = 0
        control.counting = opened is None
        control.process = process

    def end(self):
        """The allocation that failed; None if there were fewer."""
        self.control.process = 0
        return Failure(self.control) if self.control.failed else None

    def places(self):
        """After begin(0): a number for the call stack of each allocation."""
        return self.control.places[1 : min(self.control.count + 1, PLACES)]


class Failure:
    """An allocation that failed."""

    def __init__(self, control):
        self.number, self.size, self.call = control.fail_at, control.size, control.call.decode()
        self.frames = tuple((frame.object.decode(), frame.offset) for frame in control.frames[: control.depth])

    def __str__(self):
        size = f" of {self.size} bytes" if self.size else ""
        return f"allocation {self.number}, {self.call}{size}"


class Names:
    """The functions and lines of the frames of failures, from the debugging information of files."""

    # Frames at the begin and end of every backtrace, and frames of Rust's and third-party libraries.
    UNTOLD = re.compile(r"\?\?|^(alloc|core|std|hashbrown|__rust|__rdl)\b|/(library|registry|rustc)/|failing\.c")
    # Directories of the sources at compile time.
    FOLDERS = re.compile(rf"^({re.escape(str(ROOT))}/|.*/(?=src/(core|event|http|os)/))")
    OURS = re.compile(r" (src|crates)/\S+\.rs:")

    def __init__(self, failures):
        frames = {frame for failure in failures for frame in failure.frames}
        self.known = {}
        for path in {path for path, _ in frames}:
            if path != LIBRARY and not path.startswith(("/lib", "/usr/lib")):
                self.read(path, sorted(offset for other, offset in frames if other == path))

    def read(self, path, offsets):
        # An offset is the return address of the call.
        asked = "".join(f"{offset - 1:#x}\n" for offset in offsets)
        command = ["addr2line", "--addresses", "--functions", "--inlines", "--demangle", f"--exe={path}"]
        answer = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout
        for offset, text in zip(offsets, re.split(r"(?m)^0x[0-9a-f]+\n", answer)[1:], strict=True):
            lines = text.splitlines()
            # There are several functions if they were inlined. Rust names end with a hash.
            told = [
                f"{re.sub('::h[0-9a-f]{16}$', '', function)} {self.FOLDERS.sub('', where).split(' (')[0]}"
                for function, where in zip(lines[::2], lines[1::2], strict=True)
            ]
            self.known[path, offset] = [place for place in told if not self.UNTOLD.search(place)]

    def calls(self, failure):
        """The call stack of the allocation, innermost first: function, file and line."""
        return [place for frame in failure.frames for place in self.known.get(frame, ())]

    def site(self, failure):
        """The module's function that requested memory; None if none did."""
        return next((place for place in self.calls(failure) if self.OURS.search(place)), None)
