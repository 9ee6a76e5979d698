"""Runs a proxy under callgrind and measures the cost of windows of requests.

A window ends with SIGUSR1: nginx then calls ngx_reopen_files(), before which callgrind dumps the counts since the
previous dump and resets them. A second window, three times as long, yields the slope, in which the costs of starting
and of the signal cancel out.
"""

import math
import os
import re
import signal
import statistics
import time

from .programs import Running, die

TOTALS = re.compile(rb"^totals: (\d+)", re.MULTILINE)


def tool(out):
    return [
        "valgrind",
        "-q",
        "--tool=callgrind",
        "--trace-children=yes",
        "--compress-strings=no",
        "--compress-pos=no",
        "--dump-before=ngx_reopen_files",
        f"--callgrind-out-file={out}",
    ]


class Profile:
    """A callgrind output file."""

    def __init__(self, path):
        self.total = 0
        #: (object, function, source file) → instructions
        self.own = {}
        #: (object of the caller, called function) → calls
        self.calls = {}
        with open(path, encoding="utf-8", errors="replace") as file:
            self._read(file)

    def _read(self, file):
        thing = called = function = source = ""
        inclusive = False
        for line in file:
            first = line[:1]
            if first.isdigit() or first in "+-*":
                cost = int(line.split()[-1])
                if inclusive:
                    inclusive = False
                    # nginx formats its cached time strings every second, regardless of the number of requests.
                    if function == "ngx_time_update" and called.startswith("ngx_"):
                        self.total -= cost
                else:
                    self.total += cost
                    key = (thing, function, source)
                    self.own[key] = self.own.get(key, 0) + cost
            elif line.startswith("ob="):
                thing = os.path.basename(line[3:].strip())
            elif line.startswith(("fl=", "fi=", "fe=")):
                source = line[3:].strip()
            elif line.startswith("fn="):
                function = line[3:].strip()
            elif line.startswith("cfn="):
                called = line[4:].strip()
            elif line.startswith("calls="):
                key = (thing, called)
                self.calls[key] = self.calls.get(key, 0) + int(line[6:].split()[0])
                inclusive = True


class Traced:
    """A proxy running under callgrind."""

    def __init__(self, scratch, command, address, env=None):
        self.out = scratch.file("callgrind")
        self.dumps = 0
        self.running = Running(command, scratch.file("proxy.log"), tool(self.out), env=env)
        self.running.wait_for(address)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.running.stop()

    def window(self):
        """Returns the profile since the previous window."""
        return Profile(self._dump()[0])

    def total(self):
        """Returns the number of instructions since the previous window, and removes the file."""
        path, total = self._dump()
        os.unlink(path)
        return total

    def _dump(self):
        """Makes callgrind write a file. Returns its path and the number of instructions in it."""
        self.dumps += 1
        path = f"{self.out}.{self.dumps}"
        end = time.monotonic() + 120
        asked = -math.inf
        while time.monotonic() < end:
            self.running.alive()
            if os.path.exists(path):
                with open(path, "rb") as file:
                    file.seek(max(0, os.path.getsize(path) - 4096))
                    complete = TOTALS.search(file.read())
                if complete:
                    return path, int(complete[1])
            elif time.monotonic() - asked > 2:
                # A signal that arrives just before epoll_wait() is not handled until the next event.
                self.running.process.send_signal(signal.SIGUSR1)
                asked = time.monotonic()
            time.sleep(0.005)
        return die(f"callgrind wrote no {path}: is ngx_reopen_files() in the symbols of this nginx?")


class Slope:
    """The cost of one request: the median over several pairs of windows."""

    def __init__(self, pairs, requests):
        self.requests = requests
        self.pairs = pairs
        self.total = statistics.median(self._differences(lambda profile: profile.total))

    def _differences(self, value):
        return [(value(long) - value(short)) / self.requests for short, long in self.pairs]

    def _by(self, table):
        keys = {key for pair in self.pairs for profile in pair for key in table(profile)}
        return {key: statistics.median(self._differences(lambda p, key=key: table(p).get(key, 0))) for key in keys}

    def functions(self):
        """Returns (object, function, source file) → own instructions."""
        return self._by(lambda profile: profile.own)

    def calls(self):
        """Returns (object of the caller, called function) → calls."""
        return self._by(lambda profile: profile.calls)


def slope(traced, client, requests=100, pairs=3, warm=100):
    client.repeat(warm)
    traced.window()
    windows = []
    for _ in range(pairs):
        client.repeat(requests)
        short = traced.window()
        client.repeat(3 * requests)
        windows.append((short, traced.window()))
    return Slope(windows, 2 * requests)
