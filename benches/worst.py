#!/usr/bin/env python3
"""Does the worst request cost no more than a few times what it costs plain nginx?

usage: worst.py NGINX MODULE [all]

Requests with Cookie headers of 32 kB in each configuration of the module, and pages with thousands of
subrequests. For each configuration the most expensive one is printed, or all of them. Fails where one
costs more than its limit.
"""

import os
import sys

from budget import BASELINE
from measure.worst import Worst

COOKIES, PAGES = 3.0, 1.3


def main():
    nginx, module, *rest = sys.argv[1:]
    worst = Worst(os.path.abspath(nginx), os.path.abspath(module), BASELINE)
    bad = False
    for title, limit, costs in (("Cookie header of 32 kB", COOKIES, worst.cookies()), ("page", PAGES, worst.pages())):
        print(f"{'configuration':<54} {'plain':>12} {'module':>12} factor  {title}")
        for row in costs if rest == ["all"] else most_expensive(costs):
            bad |= show(*row, limit)
        print(flush=True)
    sys.exit(1 if bad else 0)


def most_expensive(costs):
    """Of each configuration the one whose factor is the highest."""
    most = {}
    for row in costs:
        name, _, plain, ours = row
        if name not in most or ours / plain > most[name][3] / most[name][2]:
            most[name] = row
    return most.values()


def show(name, shape, plain, ours, limit):
    factor = ours / plain
    wrong = factor > limit
    print(f"{name:<54} {plain:>12,} {ours:>12,} {factor:>6.2f}  {shape}{'  TOO MUCH' if wrong else ''}", flush=True)
    return wrong


main()
