"""One allocation fails, and nginx continues: each allocation, as far as the time allows"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import configurations
import dns
import lab
from failing import Failing, Names

END = time.monotonic() + float(os.environ["MEMORY_SECONDS"])
# A response that takes longer than this will not arrive: no running process holds a lock that long.
LIMIT = 3
NO_RESPONSE = "no response"
# How often a failed reload is followed by one with enough memory.
SOUND_RELOAD_EVERY = 10

ENDED = re.compile(r"worker process (\d+) (exited on signal|exited with fatal code|exited with code) (\d+)")


def test_configuration(lab):
    """A configuration is read, or nginx -t reports that it cannot be"""
    share = Share(0.4)
    findings = Findings()
    threads = os.cpu_count()
    readers = [Reader(lab, lab.root / f"failing-{thread}") for thread in range(threads)]
    runs = readers[0].runs()

    def read(reader, mine):
        for name, number in mine:
            if share.is_used():
                break
            reader.read(name, number, findings)

    with ThreadPoolExecutor(threads) as pool:
        ordered = runs.ordered()
        for done in [pool.submit(read, reader, ordered[i::threads]) for i, reader in enumerate(readers)]:
            done.result()
    return findings.judge(runs, lambda: misses_of_plain_nginx(lab))


def test_first_request(lab):
    """The first request of a worker gets a response or none, and the next one is served as usual"""
    return requests(lab, Share(0.5), Server.fresh_worker)


def test_warm_request(lab):
    """The same for the requests of a worker that has served each of them before"""
    return requests(lab, Share(0.4), Server.worker)


def test_reload(lab):
    """A failed reload affects neither the master, nor its workers and their requests; a later one works"""
    return reloads(lab, Share(0.5), ["64k"])


def test_reload_with_other_zones(lab):
    """The same if learned sessions are copied into a zone of another size; they keep their servers"""
    return reloads(lab, Share(1), ["64k", "128k"])


def reloads(lab, share, zones):
    """Makes the allocations of reloads fail, with these sizes of the zones of learned sessions in sequence."""
    findings = Findings()
    server = Server(lab)
    wanted = server.ask(*configurations.BOUND)
    kept = server.ask(*configurations.KEPT)
    server.resize(zones)
    server.reload(0)
    runs = Runs()
    runs.add("reload", server.failing)
    for done, (part, number) in enumerate(runs.ordered()):
        if share.is_used():
            break
        before = server.workers()
        server.resize(zones)
        failure = server.reload(number)
        said = server.said()
        outcome = server.ended() or next((how for _, how in ends(said)), None)
        if not outcome:
            failed = "start worker process" not in said
            if failed and server.workers() != before:
                outcome = "other workers after a reload that failed"
            elif (got := server.ask(*configurations.BOUND)) != wanted:
                outcome = f"then {got} instead of {wanted}"
            elif (got := server.ask(*configurations.KEPT)) != kept:
                outcome = f"then the learned session is with {got} instead of {kept}"
            elif done % SOUND_RELOAD_EVERY == 0 and not server.reloads():
                outcome = "no later reload works"
        findings.add(part, failure, outcome)
        if outcome:
            server.restart()
            kept = server.ask(*configurations.KEPT)
    return findings.judge(runs)


# --- how long, and in which order


class Share:
    """A share of the remaining time."""

    def __init__(self, part):
        now = time.monotonic()
        self.end = now + (END - now) * part

    def is_used(self):
        return time.monotonic() > self.end


class Runs:
    """Which allocation of which part is to fail."""

    def __init__(self):
        self.all = []
        self.places = {}

    def add(self, part, failing):
        """All allocations of a part, which were only counted."""
        for number, place in enumerate(failing.places(), 1):
            self.places.setdefault(place, (part, number))
            self.all.append((part, number))

    def ordered(self):
        """First one allocation for each call stack; then all others."""
        first = list(self.places.values())
        known = set(first)
        return spread(first) + spread([run for run in self.all if run not in known])


def spread(items):
    """Reordered so that whatever is done when the time is over is spread evenly over all."""
    bits = max(len(items) - 1, 1).bit_length()
    order = (int(f"{index:0{bits}b}"[::-1], 2) for index in range(1 << bits))
    return [items[index] for index in order if index < len(items)]


# --- findings


class Findings:
    def __init__(self):
        self.tried = 0
        self.missed = []

    def add(self, part, failure, outcome):
        """Records the outcome of failing that allocation of the part: nothing, if all was well. There may have been
        fewer this time.
        """
        self.tried += failure is not None
        if outcome:
            self.missed.append((part, failure, outcome))

    def judge(self, runs, plain=None):
        """Reports how much was tried, or fails. Failures of nginx itself do not count: `plain` determines these."""
        names = Names(failure for _, failure, _ in self.missed if failure)
        own = [miss for miss in self.missed if is_known_of_nginx(miss, names)]
        if plain and any(failure and not names.site(failure) for _, failure, _ in self.missed):
            known = {(failure.frames, outcome) for _, failure, outcome in plain().missed if failure}
            own += [miss for miss in self.missed if miss[1] and (miss[1].frames, miss[2]) in known]
        self.missed = [miss for miss in self.missed if miss not in own]
        text = f"{self.tried} of {len(runs.all)} allocations, which are at {len(runs.places)} places"
        if own:
            text += f"; {len(own)} are misses of nginx itself"
        if self.missed:
            raise lab.Findings(f"{len(self.missed)} of {text}\n{self}")
        return text

    def __str__(self):
        names = Names(failure for _, failure, _ in self.missed if failure)
        groups = defaultdict(list)
        for part, failure, outcome in self.missed:
            calls = names.calls(failure) if failure else []
            site = failure and names.site(failure) or next(iter(calls), "")
            groups[site, outcome].append((part, failure, calls))
        lines = []
        for (site, outcome), runs in sorted(groups.items()):
            lines.append(f"{site}: {outcome}, {len(runs)} times")
            lines += [f"    {part}: {failure or 'none failed'}" for part, failure, _ in runs[:3]]
            lines += [f"        {call}" for call in runs[0][2][:8]]
        return "\n".join(f"        {line}" for line in lines)


def is_known_of_nginx(miss, names):
    """ngx_http_upstream_init_request() for a request that was passed to another upstream before: without memory for the
    record of an upstream, it finalizes the request before a cleanup handler is set, so that it counts as finished. No
    module has been called by then. Without debugging information in nginx, this is all that can be seen.
    """
    _, failure, outcome = miss
    if outcome != NO_RESPONSE or names.site(failure):
        return False
    wanted = [call for call in names.calls(failure) if " src/http/" in call]
    return not wanted or wanted[0].startswith("ngx_http_upstream_init_request ")


def ends(log):
    """Workers that exited abnormally, and how, according to the master's log."""
    for worker, how, code in ENDED.findall(log):
        if how == "exited on signal":
            yield int(worker), signal_name(int(code))
        elif code != "0":
            yield int(worker), f"{how} {code}"


def signal_name(number):
    with contextlib.suppress(ValueError):
        return f"signal {number} ({signal.Signals(number).name})"
    return f"signal {number}"


# --- nginx -t


class Reader:
    """Reads each of the configurations."""

    def __init__(self, lab, control, module=True):
        self.failing = Failing(control)
        self.commands = {
            name: lab.configuration(text if module else configurations.without_module(text), module=module)
            for name, text in configurations.CONFIGURATIONS.items()
        }

    def runs(self):
        runs = Runs()
        for name in self.commands:
            self.run(name, 0)
            self.failing.end()
            runs.add(name, self.failing)
        return runs

    def run(self, name, number):
        command = self.commands[name]
        # Before this, libc and OpenSSL start.
        self.failing.begin(number, opened=Path(command[2]) / "nginx.conf")
        environment = {**os.environ, **self.failing.environment}
        return subprocess.run([*command, "-t"], env=environment, capture_output=True, timeout=60)

    def read(self, name, number, findings):
        done = self.run(name, number)
        outcome = None
        if done.returncode < 0:
            outcome = signal_name(-done.returncode)
        elif b"panicked" in done.stderr or done.returncode not in (0, 1):
            outcome = f"exit code {done.returncode}: {done.stderr.decode()}"
        findings.add(f"nginx -t ({name})", self.failing.end(), outcome)


def misses_of_plain_nginx(lab):
    """The behavior of nginx alone when it reads the configurations and an allocation fails, one for each place."""
    findings = Findings()
    reader = Reader(lab, lab.root / "failing-plain", module=False)
    for name, number in reader.runs().places.values():
        reader.read(name, number, findings)
    return findings


# --- nginx with a worker


class Server:
    """A master with one worker, and upstream servers."""

    resolves = False

    def __init__(self, lab):
        self.lab = lab
        self.failing = Failing(lab.root / "failing")
        lab.nginx(configurations.BEHIND, module=False)
        if not Server.resolves:
            dns.serve(configurations.RESOLVER)
            Server.resolves = True
        self.start()

    def start(self):
        self.process = self.lab.nginx(configurations.HTTP, env=self.failing.environment)
        self.read = self.zones = 0
        assert lab.soon(self.idle_worker), "no worker begins to wait for requests"
        for request in configurations.REQUESTS:
            assert self.ask(*request) != NO_RESPONSE, f"{request}: no response"

    def resize(self, zones):
        """Sets the next of these sizes of the zones of learned sessions for the next reload."""
        self.zones = (self.zones + 1) % len(zones)
        self.lab.rewrite(self.process, configurations.http(zones[self.zones]))

    def restart(self):
        """Restarts nginx after a miss, which may have left it in any state."""
        workers = self.workers() or self.last_workers
        for process in (self.process.pid, *workers):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self.process.wait()
        lab.soon(lambda: not lab.listens(configurations.FRONT))
        self.start()

    def workers(self):
        with contextlib.suppress(OSError):
            children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
            self.last_workers = [int(process) for process in children.split()]
            return self.last_workers
        return []

    def worker(self):
        return quickly(self.workers)[-1]

    def idle_worker(self):
        """The worker, if there is one and it is waiting for events."""
        workers = self.workers()
        return workers[0] if workers == [self.failing.control.waiting] else None

    def fresh_worker(self):
        """A worker that has not served a request."""
        old = self.worker()

        def successor():
            # Once is not always enough: nginx misses a signal that arrives just before it begins to wait.
            if old in self.workers():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(old, signal.SIGTERM)
            worker = self.idle_worker()
            return worker if worker != old else None

        new = quickly(successor)
        assert new, "no new worker"
        return new

    def said(self):
        """The new lines of the error log."""
        with open(self.process.error_log) as log:
            log.seek(self.read)
            text = log.read()
            self.read = log.tell()
        return text

    def ended(self):
        """How the master ended; None if it is running."""
        code = self.process.poll()
        if code is None:
            return None
        return signal_name(-code) if code < 0 else f"exit code {code}"

    def reload(self, number):
        """Reloads while the allocation with that number fails; returns that failure."""
        self.said()
        self.failing.begin(number, self.process.pid)
        self.process.send_signal(signal.SIGHUP)
        control = self.failing.control
        quickly(lambda: control.settled or self.process.poll() is not None)
        done = self.failing.end()
        # Workers that are shutting down.
        quickly(lambda: len(self.workers()) == 1 or self.process.poll() is not None)
        return done

    def reloads(self):
        """Whether a reload with enough memory works."""
        old = self.worker()
        self.reload(0)
        return quickly(lambda: self.idle_worker() not in (None, old))

    def ask(self, path, cookie, method="GET"):
        """A response's body and cookies, whose values may vary: or that there was none."""
        request = f"{method} {path} HTTP/1.0\r\nHost: example.com\r\n" + (f"Cookie: {cookie}\r\n" if cookie else "")
        response = b""
        try:
            with socket.create_connection(lab.endpoint(configurations.FRONT), LIMIT) as connection:
                connection.settimeout(LIMIT)
                connection.sendall(f"{request}\r\n".encode())
                while more := connection.recv(65536):
                    response += more
        except TimeoutError:
            return NO_RESPONSE
        except OSError:
            pass
        if not response:
            return "closed"
        head, _, body = response.decode().partition("\r\n\r\n")
        names = re.findall(r"(?m)^Set-Cookie: ([^=]*)", head)
        status = head.split()[1]
        told = body if status == "200" and not path.startswith(configurations.CHANGING) else ""
        return f"{status} {told} {' '.join(names)}"


def quickly(condition, seconds=LIMIT):
    """Like soon(), for conditions that take a millisecond."""
    end = time.monotonic() + seconds
    while not (result := condition()) and time.monotonic() < end:
        time.sleep(0.0005)
    return result


def requests(lab, share, worker):
    """Makes the allocations of a worker fail for each of the requests; the function returns the worker."""
    findings = Findings()
    server = Server(lab)
    runs, wanted = Runs(), {}
    # The one of the two addresses that is no longer in DNS.
    both = [("/lingers", f"li={address}:8081") for address in dns.ADDRESSES]
    quickly(lambda: not any(server.ask(*request).endswith(" li") for request in both))
    for request in configurations.REQUESTS:
        process = worker(server)
        server.failing.begin(0, process)
        server.ask(*request)
        server.failing.end()
        runs.add(request, server.failing)
        wanted[request] = server.ask(*request)
    for request, number in runs.ordered():
        if share.is_used():
            break
        process = worker(server)
        server.said()
        server.failing.begin(number, process)
        got = server.ask(*request)
        failure = server.failing.end()
        again = server.ask(*request)
        outcome = next((how for worker, how in ends(server.said()) if worker == process), None)
        if not outcome and got == NO_RESPONSE:
            outcome = got
        elif not outcome and again != wanted[request]:
            outcome = f"then {again} instead of {wanted[request]}"
        part = f"{' '.join([*request[2:], request[0]])} with the cookie {request[1]}"
        findings.add(part, failure, outcome)
        if again == NO_RESPONSE:
            findings.add(part, failure, "no response to the next request")
            server.restart()
    return findings.judge(runs)
