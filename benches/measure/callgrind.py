"""Runs a proxy under callgrind, and tells what windows of requests cost in it.

A window ends with SIGUSR1: nginx then calls ngx_reopen_files(), before which callgrind writes down what
was executed since the last time, and starts from zero. One more window, three times as long, gives the
slope, in which starting and the signal itself cancel out.
"""

import os
import re
import signal
import statistics
import time

from .programs import Running, die


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
    """One file of callgrind's."""

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
                    # The clock's texts are made anew every second, however many requests that has.
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
    """A proxy that runs under callgrind."""

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
        """What was executed since the last window."""
        self.dumps += 1
        path = f"{self.out}.{self.dumps}"
        for _ in range(5):
            self.running.process.send_signal(signal.SIGUSR1)
            for _ in range(100):
                if os.path.exists(path):
                    return self._complete(path)
                self.running.alive()
                time.sleep(0.02)
        return die("callgrind wrote nothing: is ngx_reopen_files() in the symbols of this nginx?")

    def _complete(self, path):
        for _ in range(200):
            with open(path, "rb") as file:
                if re.search(rb"^totals: \d+", file.read()[-4096:], re.M):
                    return Profile(path)
            time.sleep(0.02)
        return die(f"{path} is not complete")


class Slope:
    """What one request costs: the median over several pairs of windows."""

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
        """(object, function, source file) → instructions of its own."""
        return self._by(lambda profile: profile.own)

    def calls(self):
        """(object of the caller, called function) → calls."""
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
