"""The image by itself, with minimal privileges."""

import json
import re

from engine import ROOT, attempt, start
from lab import curl, equal, soon

BUFFERING = """
server {
    listen 8080;
    location / {
        client_body_in_file_only on;
        proxy_pass http://127.0.0.1:8082;
    }
}

server {
    listen 127.0.0.1:8082;
    return 200 $content_length;
}
"""


def status(container):
    return json.loads(container.exec("curl", "--silent", "--fail", "http://127.0.0.1:8081/?format=json"))


def process(container, name):
    """A line of /proc/1/status, which belongs to nginx's master."""
    lines = container.exec("cat", "/proc/1/status").splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))


def test_without_root(lab):
    """It runs as the user 101, without any capability."""
    container = start(lab)
    equal(process(container, "Name"), "nginx", "the first process")
    equal(process(container, "Uid"), "101", "its user")
    equal(int(process(container, "CapEff"), 16), 0, "its capabilities")
    equal(container.exec("id", "-u").strip(), "101", "the user of other processes")


def test_read_only(lab):
    """Its root file system is read-only, and nginx keeps the body of a request in /tmp."""
    configuration = lab.root / "default.conf"
    configuration.write_text(BUFFERING)
    container = start(lab, "--volume", f"{configuration}:/etc/nginx/conf.d/default.conf:ro")
    said = container.attempt("touch", "/etc/nginx/conf.d/more.conf")
    assert said.returncode != 0 and "Read-only file system" in said.stderr, f"{said.returncode}: {said.stderr}"
    body = lab.root / "body"
    body.write_bytes(b"x" * 300_000)
    response = curl(f"http://{container.address()}:8080/", "--data-binary", f"@{body}", "--header", "Expect:")
    equal((response.status, response.body), (200, "300000"), "the response to POST")
    (size,) = container.exec("sh", "-c", "cat /tmp/nginx-client-body/* | wc -c").split()
    equal(size, "300000", "bytes in the file with the body")


def test_configuration(lab):
    """nginx -t in the container succeeds without other output."""
    container = start(lab)
    said = container.attempt("nginx", "-t")
    equal(said.returncode, 0, "nginx -t")
    lines = [line for line in said.stderr.splitlines() if "syntax is ok" not in line]
    equal(len(lines), 1, f"lines of {said.stderr!r}")
    assert "test is successful" in lines[0], said.stderr


def test_status(lab):
    """The status shows the version of the module, only inside the container."""
    container = start(lab)
    version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)[1]
    equal(status(container)["module"], version, "the module")
    said = container.exec("sh", "-c", "nginx -v 2>&1").strip()
    equal(f"nginx version: nginx/{status(container)['nginx']}", said, "nginx")
    outside = attempt("curl", "--silent", "--max-time", "5", f"http://{container.address()}:8081/")
    equal(outside.returncode, 7, "curl from outside, which cannot connect")


def test_health(lab):
    """It is healthy; it is not if its nginx.conf has no server for the health check."""
    container = start(lab)
    assert soon(container.is_healthy), "not healthy"
    equal(container.inspect(".State.Health.Status"), "healthy", "its state")
    other = lab.root / "nginx.conf"
    other.write_text((ROOT / "docker/nginx.conf").read_text().replace("127.0.0.1:8081", "127.0.0.1:8082"))
    container = start(lab, "--volume", f"{other}:/etc/nginx/nginx.conf:ro")
    assert not container.is_healthy(), "healthy, although nothing answers the health check"


def test_logs(lab):
    """Requests are in the container's log, with the status of their session."""
    container = start(lab)
    curl(f"http://{container.address()}:8080/there")
    line = soon(lambda: next((line for line in container.logs().splitlines() if "GET /there" in line), None))
    assert line, container.logs()
    # neither a server nor a session: nginx's own page
    assert line.endswith('"-" - -'), line


def test_stops(lab):
    """It stops on SIGQUIT, after its requests, with status 0."""
    container = start(lab)
    container.stop()
    equal(container.inspect(".State.ExitCode"), 0, "its exit code")
    assert "signal 3 (SIGQUIT) received" in container.logs(), container.logs()
