#!/usr/bin/env python3
"""Measures the cost of session persistence compared with plain nginx, nginx's own `sticky` and HAProxy.

usage: bench.py --nginx NGINX --module SO [--own-nginx NGINX --own-module SO] [--haproxy HAPROXY] [--quick]

--own-nginx: an nginx that has its own `sticky`; --own-module: this module built for it. --quick: measures a subset
and only prints the results, which are otherwise written to benches/results.json, benches/cost.svg and between the
marks in benches/README.md.
"""

import argparse
import datetime
import json
import os
import re
import subprocess
import sys
from pathlib import Path

from measure import memory, report
from measure.cases import CASES, OWN_CASES, by_name
from measure.instructions import measure
from measure.load import Field
from measure.programs import LAYOUTS
from measure.report import key
from measure.startup import loading

HERE = Path(__file__).parent
BEGIN, END = "<!-- summary: made by make bench -->\n", "<!-- end of summary -->\n"

QUICK = ["base", "base-id", "base-stamps", "unused", "carried", "indirect", "renewed", "first-visit"]
# the cases of this module that are compared with nginx's own
BESIDE = ["carried", "first-visit", "route", "learned"]


def say(text):
    print(f"-- {text}", file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--nginx", required=True)
    parser.add_argument("--module", required=True)
    parser.add_argument("--own-nginx")
    parser.add_argument("--own-module")
    parser.add_argument("--haproxy")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    for name in ("nginx", "module", "own_nginx", "own_module", "haproxy"):
        value = getattr(args, name)
        setattr(args, name, os.path.abspath(value) if value else None)
    return args


def version(program, pattern):
    done = subprocess.run([program, "-v"], capture_output=True, text=True, check=True)
    return re.search(pattern, done.stdout + done.stderr).group(1)


def machine():
    info = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    model = re.search(r"^model name\s*: (.+)", info, re.MULTILINE)
    return f"{model.group(1) if model else os.uname().machine}, {os.cpu_count()} processors"


class Bench:
    def __init__(self, args):
        self.args = args
        self.results = {
            "date": datetime.date.today().isoformat(),
            "machine": machine(),
            "versions": [f"nginx {version(args.nginx, r'nginx/([0-9.]+)')}"],
            "counts": [2, 1000] if args.quick else [2, 1000, 10_000],
            "plot_counts": [2, 1000] if args.quick else [2, 10, 100, 1000, 10_000],
            "cases": QUICK if args.quick else [case.name for case in CASES],
            "places": not args.quick,
            "own": [],
            "instructions": {},
        }
        if args.own_nginx:
            self.results["versions"].append(f"nginx {version(args.own_nginx, r'nginx/([0-9.]+)')}")
            self.results["own"] = [case.name for case in OWN_CASES] + BESIDE
        if args.haproxy:
            self.results["versions"].append(f"HAProxy {version(args.haproxy, r'version ([0-9.]+)')}")

    def one(self, kind, case, count, zone=False, place="middle", pool="16k", layout=0):
        name = key(kind, case.name, count, zone, place, pool, layout)
        if name in self.results["instructions"]:
            return
        nginx, module = (
            (self.args.nginx, self.args.module) if kind == "ours" else (self.args.own_nginx, self.args.own_module)
        )
        if case.name.startswith("own-"):
            module = None
        cost = measure(
            case,
            nginx,
            module,
            self.args.nginx,
            count=count,
            zone=zone,
            place=place,
            pool=pool,
            layout=layout,
        )
        self.results["instructions"][name] = round(cost.total)

    def instructions(self):
        cases = [by_name()[name] for name in self.results["cases"]]
        own = {**by_name(), **by_name(OWN_CASES)}
        say("instructions, 2 servers, the default pool")
        for layout in LAYOUTS[:1] if self.args.quick else LAYOUTS:
            for name in self.results["cases"]:
                self.one("ours", by_name()[name], 2, pool=None, layout=layout)
            for name in self.results["own"]:
                self.one("own", own[name], 2, pool=None, layout=layout)
        for count in self.results["counts"]:
            say(f"instructions, {count} servers")
            for case in cases:
                self.one("ours", case, count)
                if not self.args.quick:
                    self.one("ours", case, count, zone=True)
                if self.results["places"] and case.bound:
                    for place in ("first", "last"):
                        self.one("ours", case, count, False, place)
                        self.one("ours", case, count, True, place)
            for name in self.results["own"]:
                self.one("own", own[name], count)
        for count in self.results["plot_counts"]:
            kind = "own" if self.results["own"] else "ours"
            for name in ("base-id", "first-visit", "carried"):
                self.one(kind, by_name()[name], count)
            if self.results["own"]:
                self.one(kind, own["own-carried"], count)

    def load(self):
        plans = [(2, [64], 1, 3)] if self.args.quick else [(2, [8, 64, 256], 2, 9), (1000, [64], 2, 9)]
        self.results["load"] = []
        for count, connections, seconds, rounds in plans:
            with Field(count, self.args.nginx) as field:
                self.contenders(field)
                for number in connections:
                    say(f"wrk, {count} servers, {number} connections")
                    self.results["load"].append(
                        {
                            "servers": count,
                            "connections": number,
                            "seconds": seconds,
                            "rounds": rounds,
                            "contenders": field.run(number, seconds, rounds),
                        }
                    )

    def contenders(self, field):
        args, names = self.args, self.results["versions"]
        base = f"{names[0]}, round robin"
        field.add_nginx(base, None, "id", args.nginx, None, "")
        for name in ["carried"] if args.quick else ["unused", "carried", "indirect", "renewed"]:
            case = by_name()[name]
            field.add_nginx(f"… {case.title()}", base, case.cookie, args.nginx, args.module, case.upstream)
        if args.own_nginx:
            base = f"{names[1]}, round robin"
            field.add_nginx(base, None, "id", args.own_nginx, None, "")
            field.add_nginx("… its own `sticky cookie`", base, "id", args.own_nginx, None, "sticky cookie route;")
            field.add_nginx("… this module", base, "id", args.own_nginx, args.own_module, "session_sticky;")
        if args.haproxy:
            base = f"{names[-1]}, round robin"
            field.add_haproxy(base, None, args.haproxy, False)
            field.add_haproxy("… `cookie route insert indirect`", base, args.haproxy, True)

    def memory(self):
        self.results["memory"] = {}
        for name in self.results["cases"]:
            say(f"memory, {name}")
            case = by_name()[name]
            rig = (case, self.args.nginx, self.args.module, self.args.nginx)
            every, own = memory.allocations(measure(*rig, pairs=1), self.args.module)
            self.results["memory"][name] = {
                "allocations": every,
                "own": own,
                "pool": memory.pool_bytes(*rig),
            }

    def index(self):
        say("memory of the index, loading")
        rig = (by_name()["carried"], by_name()["base-id"], self.args.nginx, self.args.module, self.args.nginx)
        self.results["index"] = {
            "without `zone`": memory.index_bytes(*rig),
            "with `zone`": memory.index_bytes(*rig, zone=True),
        }

    def startup(self):
        count = 10_000
        self.results["startup"] = loading(self.args.nginx, self.args.module, "session_sticky;", count)
        self.results["startup"]["servers"] = count

    def run(self):
        self.instructions()
        if not self.args.quick:
            self.memory()
        self.index()
        self.startup()
        self.load()
        return self.results


def write(results):
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    (HERE / "cost.svg").write_text(report.plot(results), encoding="utf-8")
    head = "# Results of the benchmarks\n\nMade by `make bench`: [method](README.md#method).\n\n"
    (HERE / "results.md").write_text(head + report.markdown(results), encoding="utf-8")
    readme = HERE / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    readme.write_text(before + BEGIN + "\n" + report.summary(results) + "\n" + END + after, encoding="utf-8")


def main():
    args = arguments()
    results = Bench(args).run()
    if not args.quick:
        write(results)
    print(report.markdown(results))


main()
