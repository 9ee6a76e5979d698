"""docker/compose.yaml, brought up by podman-compose: nginx and three servers."""

import contextlib
import json
from collections import Counter

from engine import ROOT, Container, Visitor, attempt, call
from lab import curl, equal, listens, soon

PROJECT = "sticky"
URL = "http://127.0.0.1:8080"
COMPOSE = ["podman-compose", "--project-name", PROJECT, "--file", f"{ROOT}/docker/compose.yaml"]


def containers():
    listed = json.loads(call("podman", "ps", "--all", "--format", "json"))
    return {entry["Labels"]["com.docker.compose.service"]: entry for entry in listed}


def down():
    call(*COMPOSE, "down", "--timeout", "1")


def up(lab):
    lab.stack.callback(down)
    call(*COMPOSE, "up", "--detach", "--no-build")
    assert soon(ready, 30), "the demo does not answer: " + "".join(
        Container(entry["Id"]).logs() for entry in containers().values()
    )


def ready():
    """It answers, and no server is unavailable because nginx started before it."""
    with contextlib.suppress(AssertionError):
        return curl(f"{URL}/").status == 200 and states() == ["up"] * 3
    return False


def sessions():
    (upstream,) = json.loads(curl(f"{URL}/status?format=json").body)["upstreams"]
    return upstream


def states():
    return [server["state"] for server in sessions()["servers"]]


def test_visits(lab):
    """Five visits with a jar stay on one server, and twelve clients spread over all three."""
    up(lab)
    homes = Counter()
    for _ in range(12):
        visitor = Visitor(lab, f"{URL}/")
        visits = [visitor.server() for _ in range(5)]
        equal(len(set(visits)), 1, f"servers of the visits {visits}")
        homes[visits[0]] += 1
    # the workers share one round robin: the upstream has a zone
    equal(homes, {"a": 4, "b": 4, "c": 4}, "the number of clients of each server")


def test_status(lab):
    """The status page shows the three servers and their counts; the server sees the cookie."""
    up(lab)
    visitor = Visitor(lab, f"{URL}/")
    home = visitor.server()
    assert visitor.get().body.split("\n")[1].startswith("Cookie: route="), "the server sees no cookie"
    page = curl(f"{URL}/status")
    equal(page.one("Content-Type"), "text/html; charset=utf-8", "the type of the page")
    equal((sessions()["name"], states()), ("demo", ["up"] * 3), "upstream, and its servers")
    address = Container(containers()[home]["Id"]).address()
    (server,) = [server for server in sessions()["servers"] if server["address"] == f"{address}:80"]
    equal(server["requests"]["bound"], 1, "visits of its session, as it counts")


def test_server_that_stops(lab):
    """A server is stopped: its client is moved to another by the next request, and stays there."""
    up(lab)
    visitor = Visitor(lab, f"{URL}/")
    home = visitor.server()
    Container(containers()[home]["Id"]).stop()
    moved = visitor.get()
    equal(moved.status, 200, "the response")
    new = moved.body.split("\n")[0]
    assert new in "abc" and new != home, f"from {home} to {new}"
    assert moved.cookie("route"), "no new cookie"
    equal([visitor.server() for _ in range(4)], [new] * 4, "the visits that follow")
    return f"from {home} to {new}"


def test_published(lab):
    """The port is published only on 127.0.0.1; the front has a read-only root; `down` removes everything."""
    up(lab)
    front = containers()["nginx"]
    equal([(port["host_ip"], port["host_port"]) for port in front["Ports"]], [("127.0.0.1", 8080)], "published")
    container = Container(front["Id"])
    equal(container.inspect(".HostConfig.ReadonlyRootfs"), True, "read-only")
    equal(container.exec("id", "-u").strip(), "101", "its user")
    assert soon(container.is_healthy), "not healthy"
    down()
    equal(containers(), {}, "containers")
    assert not listens("127.0.0.1:8080"), "something listens"
    equal(attempt("podman", "network", "exists", f"{PROJECT}_default").returncode, 1, "the network is gone")
