"""Instructions per proxied request."""

import os

from .callgrind import Traced, slope
from .cases import APPLICATION
from .client import Client, cookie_value, log_in, position, set_cookies
from .programs import Backend, Proxy, Scratch, die, free_port, servers

# more than the idle keepalive connections to the upstream
IDLE = 70


def measure(
    case,
    nginx,
    module,
    backend_nginx,
    *,
    count=2,
    zone=False,
    place="middle",
    pool="16k",
    layout=0,
    sessions=10,
    requests=100,
    pairs=3,
    env=None,
):
    """Returns the Slope of a case. Exits if the requests were not handled as the case requires.

    sessions: the number of known sessions, if sessions are learned.
    """
    proxy = Proxy.of(case, nginx, module, zone=zone, count=count, pool=pool, layout=layout)
    with Scratch() as scratch:
        log = scratch.file("behind.log")
        with Backend(scratch, backend_nginx, APPLICATION if case.sets else None, log) as backend:
            address = ("127.0.0.1", free_port())
            conf = proxy.conf(scratch, backend.port, address)
            value = cookie_value(case.cookie, place, count, backend.port)
            traced = Traced(scratch, proxy.command(scratch, conf), address, env)
            with traced, Client(address) as client:
                # Each idle connection has a timer, so there must be as many as with the base.
                visits = min(count, IDLE)
                client.repeat(visits)
                if case.cookie == "learned":
                    # Advance round robin to the server that is to have the session.
                    on_the_way = (position(place, count) - visits) % count
                    client.repeat(on_the_way)
                    visits += on_the_way
                    log_in(client, sessions)
                client.carry(value)
                result = slope(traced, client, requests, pairs)
                if bool(set_cookies(client.get())) != case.answer_sets:
                    die(f"{case.name}: a Set-Cookie too few or too many")
            if case.bound:
                expect_one(log, visits, servers(count, backend.port)[position(place, count)])
    return result


def expect_one(log, visits, address):
    """Checks that every request after the first visits was passed to this server."""
    with open(log, encoding="ascii") as file:
        reached = set(file.read().split()[visits:])
    if reached != {address.rsplit(":", 1)[0]}:
        die(f"{os.path.basename(log)}: {sorted(reached)} instead of {address}")
