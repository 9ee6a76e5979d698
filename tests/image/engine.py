"""podman with the image that build/image-test.sh has built, and containers that are removed with the test."""

import json
import os
import subprocess
from pathlib import Path

from lab import curl, soon

ROOT = Path(__file__).resolve().parents[2]
IMAGE = os.environ["IMAGE"]

# An unprivileged container has to work with these options.
CONFINED = [
    "--read-only",
    "--read-only-tmpfs=false",
    "--tmpfs=/tmp",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
]


def call(*command, env=None):
    """Runs a command and returns its output; the test fails if the command does."""
    done = attempt(*command, env=env)
    assert done.returncode == 0, f"{' '.join(map(str, command))}: {done.stdout}{done.stderr}"
    return done.stdout


def attempt(*command, env=None):
    return subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=180,
        env={**os.environ, **(env or {})},
        check=False,
    )


class Container:
    def __init__(self, name):
        self.name = name

    def exec(self, *command):
        return call("podman", "exec", self.name, *command)

    def attempt(self, *command):
        return attempt("podman", "exec", self.name, *command)

    def inspect(self, template):
        return json.loads(call("podman", "inspect", "--format", f"{{{{json {template}}}}}", self.name))

    def address(self):
        (network,) = self.inspect(".NetworkSettings.Networks").values()
        return network["IPAddress"]

    def logs(self):
        done = attempt("podman", "logs", self.name)
        return done.stdout + done.stderr

    def is_healthy(self):
        return attempt("podman", "healthcheck", "run", self.name).returncode == 0

    def stop(self):
        call("podman", "stop", "--time", "10", self.name)


def start(lab, *options, image=IMAGE):
    """A container with nginx, which answers on port 8080 of its address."""
    container = Container(call("podman", "run", "--detach", *CONFINED, *options, image).strip())
    lab.stack.callback(call, "podman", "rm", "--force", "--time", "0", container.name)
    where = f"http://{container.address()}:8080/"
    assert soon(
        lambda: attempt("curl", "--silent", "--max-time", "2", "--output", "/dev/null", where).returncode == 0
    ), f"nginx does not answer: {container.logs()}"
    return container


class Visitor:
    """Keeps cookies in a jar of the real curl."""

    def __init__(self, lab, url):
        self.url = url
        self.jar = lab.root / f"jar-{len(list(lab.root.glob('jar-*')))}"
        self.jar.touch()

    def get(self):
        return curl(self.url, "--cookie", str(self.jar), "--cookie-jar", str(self.jar))

    def server(self):
        """The name of the server that answers a visit."""
        response = self.get()
        assert response.status == 200, f"{response.status}: {response.body}"
        return response.body.split("\n")[0]
