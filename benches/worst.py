#!/usr/bin/env python3
"""Checks that the most expensive requests cost at most a few times as much as with plain nginx.

usage: worst.py NGINX MODULE [all]

Measures requests with Cookie headers of 32 kB in each configuration of the module, and pages with thousands of
subrequests. Prints the most expensive request of each configuration, or all of them. Fails if a request costs
more than its limit.
"""

import os
import sys
from pathlib import Path

from budget import BASELINE
from measure.plot import number
from measure.report import table
from measure.worst import Worst

COOKIES, PAGES = 3.0, 1.3

PAGE = """# The most expensive requests

Made by `make bench-worst`: [method](README.md#method). The table has the instructions of the most expensive request of
each configuration. The name of the cookie is `route`, or follows a comma, as do further parameters.
"""


def main():
    nginx, module, *rest = sys.argv[1:]
    worst = Worst(os.path.abspath(nginx), os.path.abspath(module), BASELINE)
    bad = False
    worst_of_all = []
    for title, limit, costs in (("Cookie header of 32 kB", COOKIES, worst.cookies()), ("page", PAGES, worst.pages())):
        print(f"{'configuration':<54} {'plain':>12} {'module':>12} factor  {title}")
        for row in costs if rest == ["all"] else most_expensive(costs):
            bad |= show(*row, limit)
            worst_of_all.append((f"page: {row[0]}" if title == "page" else row[0], *row[1:]))
        print(flush=True)
    if rest != ["all"]:
        write(worst_of_all)
    sys.exit(1 if bad else 0)


def most_expensive(costs):
    """Returns the row with the highest factor for each configuration."""
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


def write(costs):
    rows = [
        [name, f"`{shape}`" if shape.endswith(";") else shape, number(plain), number(ours), f"{ours / plain:.2f}"]
        for name, shape, plain, ours in costs
    ]
    head = ["configuration", "request", "plain nginx", "with the module", "factor"]
    Path(__file__).with_name("worst.md").write_text(f"{PAGE}\n{table(head, rows)}", encoding="utf-8")


main()
