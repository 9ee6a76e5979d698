"""Loading a configuration with many servers (nginx -t)."""

import re
import resource
import subprocess

from .load import spread
from .programs import Proxy, Scratch


def seconds(command):
    """Returns the processor time of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def instructions(scratch, command):
    out = scratch.file("callgrind")
    subprocess.run(
        ["valgrind", "-q", "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={out}", *command],
        check=True,
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    with open(out, encoding="utf-8", errors="replace") as file:
        return int(re.search(r"^(?:summary|totals): (\d+)", file.read(), re.MULTILINE).group(1))


def loading(nginx, module, upstream, count=10_000, rounds=11):
    """Returns instructions and alternately measured seconds of nginx without and with the module, and their ratios."""
    with Scratch() as plain, Scratch() as sticky:
        commands = []
        for scratch, proxy in (
            (plain, Proxy(nginx, count=count)),
            (sticky, Proxy(nginx, [module], upstream, count=count)),
        ):
            conf = proxy.conf(scratch, 8080, ("127.0.0.1", 8080))
            commands.append([*proxy.command(scratch, conf), "-t", "-q"])
        counted = [instructions(plain, commands[0]), instructions(sticky, commands[1])]
        timed = [(seconds(commands[0]), seconds(commands[1])) for _ in range(rounds)]
        return {
            "instructions": counted,
            "instructions_ratio": counted[1] / counted[0],
            "seconds": [spread([one[i] for one in timed])[1] for i in (0, 1)],
            "seconds_ratio": spread([mine / its for its, mine in timed]),
        }
