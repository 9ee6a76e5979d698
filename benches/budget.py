#!/usr/bin/env python3
"""Checks that requests cost no more instructions than benches/budget.txt allows, and allocate only from their pool.

usage: budget.py NGINX MODULE [write]
       budget.py NGINX MODULE failed FILE     writes the lines that exceed their limits to FILE
       budget.py NGINX MODULE explain FILE    shows which functions the instructions of these lines are spent in

The limits apply to the difference between a case and its base, so compilers and libraries hardly affect them.
libc selects functions by processor features; here it is limited to those that every x86-64 processor can run.
"""

import os
import platform
import sys
from collections import Counter
from pathlib import Path

from measure.cases import by_name
from measure.instructions import measure
from measure.memory import allocations

BUDGET = Path(__file__).with_name("budget.txt")
SLACK = 0.03
# the repeatability of a measurement, in instructions
NOISE = 10
# the number of heap layouts, odd
LAYOUTS = 3
# the maximum number of lines in an explanation
MOST = 20

BASELINE = dict(
    os.environ,
    GLIBC_TUNABLES="glibc.cpu.hwcaps=-AVX,-AVX2,-BMI2,-ERMS,-SSSE3,-SSE4_1,-SSE4_2,-AVX_Fast_Unaligned_Load",
)


def lines():
    """Yields (name, servers, zone, ceiling) for each line, and comments unchanged."""
    for line in BUDGET.read_text(encoding="ascii").splitlines():
        if line.startswith("#") or not line.strip():
            yield line
        else:
            name, count, zone, ceiling = line.split()
            yield name, int(count), zone == "zone", int(ceiling)


def line(name, count, zone, ceiling):
    return f"{name:<13} {count:>7}  {'zone' if zone else '-':<4} {ceiling:>8}"


class Measured:
    """Measures each case and each base once."""

    def __init__(self, nginx, module):
        self.nginx, self.module = nginx, module
        self.known = {}

    def get(self, name, count, zone):
        """Returns the median over several heap layouts, because the cost of allocating a request's pool varies."""
        key = (name, count, zone)
        if key not in self.known:
            all_of_them = [
                measure(
                    by_name()[name],
                    self.nginx,
                    self.module,
                    self.nginx,
                    count=count,
                    zone=zone,
                    env=BASELINE,
                    layout=layout,
                )
                for layout in range(LAYOUTS)
            ]
            self.known[key] = sorted(all_of_them, key=lambda one: one.total)[LAYOUTS // 2]
        return self.known[key]

    def with_base(self, name, count, zone):
        """Returns the results of a case and its base. The base of a bound request always has 2 servers, because the
        cost of such a request must not depend on the number of servers."""
        case = by_name()[name]
        return self.get(name, count, zone), self.get(case.base, 2 if case.bound else count, zone)


def check(measured, write):
    too_much, written = [], []
    print(f"{'case':<13} {'servers':>7}  zone {'base':>8} {'case':>8} {'over':>6} {'limit':>6} mallocs")
    for entry in lines():
        if isinstance(entry, str):
            written.append(entry)
            continue
        name, count, zone, ceiling = entry
        case, base = measured.with_base(name, count, zone)
        over = round(case.total - base.total)
        limit = round(ceiling + max(SLACK * ceiling, NOISE))
        heap = round(allocations(case)[0] - allocations(base)[0], 2)
        wrong = [what for what, bad in (("TOO MUCH", over > limit), ("ALLOCATES", heap > 0)) if bad]
        print(
            f"{name:<13} {count:>7}  {'zone' if zone else '-':<4} {base.total:>8.0f} "
            f"{case.total:>8.0f} {over:>+6} {limit:>+6} {heap:>7}  {' '.join(wrong)}",
            flush=True,
        )
        if wrong:
            too_much.append(line(*entry))
        written.append(line(name, count, zone, over))
    if write:
        BUDGET.write_text("\n".join(written) + "\n", encoding="ascii")
        return []
    return too_much


def explain(measured, entry):
    """Prints the difference to the base by function and, for the module, by source file."""
    name, count, zone, _ = entry.split()
    case, base = measured.with_base(name, int(count), zone == "zone")
    after, before = case.functions(), base.functions()
    functions, sources = Counter(), Counter()
    for key in after.keys() | before.keys():
        thing, function, source = key
        cost = after.get(key, 0) - before.get(key, 0)
        functions[f"{function}  [{thing}]"] += cost
        if thing == os.path.basename(measured.module):
            sources["/".join(Path(source).parts[-3:])] += cost

    print(
        f"\n{name}, {count} servers{', zone' if zone == 'zone' else ''}: "
        f"{case.total - base.total:+.0f} instructions over its base"
    )
    for title, costs in ("function", functions), ("source file of the module", sources):
        print(f"  by {title}")
        for what, cost in sorted(costs.items(), key=lambda item: -abs(item[1]))[:MOST]:
            if abs(cost) >= 1:
                print(f"{cost:>+8.0f}  {what}")


def main():
    if platform.machine() != "x86_64":
        print("the ceilings are those of x86-64: nothing was measured")
        return
    nginx, module, *rest = sys.argv[1:]
    measured = Measured(os.path.abspath(nginx), os.path.abspath(module))
    match rest:
        case ["explain", file]:
            for entry in Path(file).read_text(encoding="ascii").splitlines():
                explain(measured, entry)
        case [] | ["write"] | ["failed", _]:
            too_much = check(measured, rest == ["write"])
            if rest[:1] == ["failed"]:
                Path(rest[1]).write_text("".join(f"{entry}\n" for entry in too_much), encoding="ascii")
            sys.exit(1 if too_much else 0)
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
