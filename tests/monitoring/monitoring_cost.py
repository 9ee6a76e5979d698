"""The cost for a worker of a response with 20,000 servers."""

import subprocess
from pathlib import Path

from lab import curl, equal, soon

SERVERS = 20_000

# In milliseconds of CPU time.
MOST = 50
LONGEST = 10


def measured(lab, path, size):
    """Requests it twice, and returns the time of the second response, in total and in the longest slice."""
    for _ in range(2):
        before = len(lab.slices.read_text().splitlines())
        equal(len(curl(f"http://127.0.0.1:7000{path}").body) > size, True, f"a response to {path}")
        soon(lambda before=before: len(lab.slices.read_text().splitlines()) > before)
    lines = [tuple(map(int, line.split())) for line in lab.slices.read_text().splitlines()[before:]]
    return sum(total for total, _ in lines) / 1e6, max(longest for _, longest in lines) / 1e6


def test_cost(lab):
    """the JSON of 20,000 servers takes less than 50 ms of CPU time, in slices of less than 10 ms"""
    source = Path(__file__).with_name("slices.c")
    library = lab.root / "slices.so"
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    lab.slices = lab.root / "slices"
    lines = "".join(f"server 127.{2 + at // 62500}.{at // 250 % 250}.{at % 250 + 1}:1;\n" for at in range(SERVERS))
    lab.nginx(
        f"""
        upstream many {{ {lines} session_sticky maxidle=1h; }}
        server {{ listen 127.0.0.1:7000; location /status {{ session_sticky_status; }} }}
        """,
        env={"LD_PRELOAD": str(library), "SLICES": str(lab.slices)},
    )
    told = []
    for path, size, most in [
        ("/status?format=json", 5_000_000, MOST),
        ("/status?format=prometheus", 10_000_000, 4 * MOST),
    ]:
        total, longest = measured(lab, path, size)
        told.append(f"{path} {total:.1f} ms, {longest:.2f} ms at most in a slice")
        assert total < most and longest < LONGEST, told
    return "; ".join(told)
