"""Throughput, latency and processor time under wrk, measured in pairs: a contender and its base alternately.

Absolute figures are not significant, because of run-to-run variation. The results are the ratios to the base, which
is measured immediately before or after, with their median and quartiles over all pairs.
"""

import os
import re
import statistics
import subprocess

from .client import cookie_value, cookies, md5_id
from .programs import Backend, Proxy, Running, Scratch, die, free_port, servers

TICKS = os.sysconf("SC_CLK_TCK")
UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}


def processors():
    """Returns a processor for the proxy and the others for wrk and upstream servers, so the proxy is the bottleneck."""
    cpus = sorted(os.sched_getaffinity(0))
    return ({cpus[0]}, set(cpus[1:])) if len(cpus) > 1 else (None, None)


class Contender:
    """A running proxy, and the cookie that its client sends."""

    def __init__(self, name, base, scratch, command, address, cookie):
        self.name, self.base, self.address, self.cookie = name, base, address, cookie
        self.running = Running(command, scratch.file("log"), cpus=processors()[0])
        self.running.wait_for(address)

    def processor_time(self):
        """Returns the seconds spent in user and kernel mode."""
        with open(f"/proc/{self.running.pid}/stat", encoding="ascii") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def round(self, connections, seconds):
        pin = (lambda: os.sched_setaffinity(0, processors()[1])) if processors()[1] else None
        before = self.processor_time()
        text = subprocess.run(
            [
                "wrk",
                "--threads",
                "1",
                "--connections",
                str(connections),
                "--duration",
                f"{seconds}s",
                "--latency",
                "--header",
                f"Cookie: {cookies(self.cookie)}",
                f"http://{self.address[0]}:{self.address[1]}/index.html",
            ],
            check=True,
            capture_output=True,
            text=True,
            preexec_fn=pin,
        ).stdout
        used = self.processor_time() - before
        if "Non-2xx" in text or "Socket errors" in text:
            die(f"{self.name}: {text}")
        requests = int(re.search(r"(\d+) requests in", text).group(1))
        return {
            "rate": float(re.search(r"Requests/sec: +([\d.]+)", text).group(1)),
            "p50": duration(text, "50%"),
            "p99": duration(text, "99%"),
            "cpu": used / requests,
        }


def duration(text, percentile):
    number, unit = re.search(rf"{percentile} +([\d.]+)(us|ms|s|m)\b", text).groups()
    return float(number) * UNITS[unit]


class Field:
    """Contenders, all running at the same time. Only one of them is measured at a time; the others are idle."""

    def __init__(self, count, backend_nginx):
        self.count = count
        self.backend_nginx = backend_nginx
        self.contenders = []
        self.opened = []

    def __enter__(self):
        self.scratch = self._open(Scratch())
        self.backend = self._open(Backend(self.scratch, self.backend_nginx, cpus=processors()[1]))
        return self

    def __exit__(self, *_):
        for thing in reversed(self.opened):
            thing.__exit__()

    def _open(self, thing):
        self.opened.append(thing.__enter__())
        return thing

    def _add(self, name, base, cookie, command):
        scratch = self._open(Scratch())
        address = ("127.0.0.1", free_port())
        value = cookie_value(cookie, "middle", self.count, self.backend.port)
        contender = Contender(name, base, scratch, command(scratch, address), address, value)
        self._open(contender.running)
        self.contenders.append(contender)

    def add_nginx(self, name, base, cookie, nginx, module, upstream):
        def command(scratch, address):
            proxy = Proxy(nginx, [module] if module else [], upstream, count=self.count)
            return proxy.command(scratch, proxy.conf(scratch, self.backend.port, address, keepalive=512))

        self._add(name, base, cookie, command)

    def add_haproxy(self, name, base, haproxy, sticky):
        def command(scratch, address):
            return [haproxy, "-db", "-f", self._haproxy_conf(scratch, address, sticky)]

        self._add(name, base, "id", command)

    def _haproxy_conf(self, scratch, address, sticky):
        port = self.backend.port
        lines = []
        for number, server in enumerate(servers(self.count, port)):
            # the same value as with the module, so that requests have the same length
            value = md5_id(server)
            lines.append(f"  server s{number} {server}" + (f" cookie {value}" if sticky else ""))
        return scratch.file(
            "haproxy.conf",
            "global\n  nbthread 1\n  maxconn 4096\n"
            "defaults\n  mode http\n  timeout connect 10s\n  timeout client 600s\n"
            "  timeout server 600s\n  http-reuse always\n"
            f"frontend f\n  bind {address[0]}:{address[1]}\n  default_backend b\n"
            "backend b\n  balance roundrobin\n"
            + ("  cookie route insert indirect\n" if sticky else "")
            + "\n".join(lines)
            + "\n",
        )

    def run(self, connections, seconds, rounds):
        """Returns name → the results of a contender and their ratios to its base."""
        by_name = {contender.name: contender for contender in self.contenders}
        for contender in self.contenders:
            contender.round(connections, 1)  # warm
        played = {name: [] for name in by_name}
        ratios = {name: [] for name in by_name}
        for number in range(rounds):
            for contender in self.contenders:
                if not contender.base:
                    continue
                pair = [by_name[contender.base], contender]
                # the two alternate in going first
                for one in pair if number % 2 == 0 else pair[::-1]:
                    played[one.name].append(one.round(connections, seconds))
                its, mine = (played[one.name][-1] for one in pair)
                ratios[contender.name].append({key: mine[key] / its[key] for key in mine})
        return {name: summary(played[name], ratios[name]) for name in by_name}


def summary(rounds, ratios):
    result = {"median": {key: statistics.median(one[key] for one in rounds) for key in rounds[0]}}
    if ratios:
        result["ratio"] = {key: spread([one[key] for one in ratios]) for key in ratios[0]}
    return result


def spread(values):
    """Returns the quartiles: 25 %, 50 %, 75 %."""
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")
