"""A real nginx with the module, upstream servers and clients, for the tests in tests/published, tests/browser and
tests/allocation-failures.

A test is a function whose name begins with `test_` and whose docstring describes what it shows; it gets a `Lab`, which
stops everything that it started, and may return additional text for its line. `run(...)` calls them, prints a line for
each, and ends with `N passed, N failed`.

build/lab.sh sets NGINX_UNDER_TEST, MODULE and LAB_DIR in the environment.
"""

import contextlib
import hashlib
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PATIENCE = 10

# Lines of an error log that may explain a failure.
TELLING = re.compile(r"\[(emerg|alert|crit|error|warn)\]|session_sticky")

HEAD = """
{load}
{user}
daemon off;
worker_processes 1;
pid nginx.pid;
error_log error.log info;
{env}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
"""


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def soon(condition, seconds=PATIENCE):
    """Calls it until it returns a true value, and returns that."""
    end = time.monotonic() + seconds
    while not (result := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return result


class Findings(AssertionError):
    """A complete explanation of a failed test: no line of the test or of a log is added."""


def equal(got, wanted, what):
    assert got == wanted, f"{what}: {got!r} instead of {wanted!r}"


def endpoint(text):
    address, port = text.split(":")
    return address, int(port)


def listens(where):
    with contextlib.suppress(OSError), socket.create_connection(endpoint(where), 1):
        return True
    return False


# --- a response


class Response:
    def __init__(self, head, body):
        lines = head.split("\r\n")
        self.version, self.status = lines[0].split(" ")[0], int(lines[0].split(" ")[1])
        self.fields = [tuple(line.split(": ", 1)) for line in lines[1:] if ": " in line]
        self.body = body

    def all(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def one(self, name):
        return next(iter(self.all(name)), None)

    def cookie(self, name):
        """The value of the cookie of that name set by this response, None if it sets none."""
        for field in self.all("Set-Cookie"):
            if field.startswith(f"{name}="):
                return field.split("=", 1)[1].split(";")[0]
        return None


def curl(url, *options):
    """The response that the real curl gets; cookies are given by options."""
    command = ["curl", "--silent", "--show-error", "--include", "--max-time", "30", "--noproxy", "", *options, url]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.decode()}"
    head, _, body = done.stdout.decode().partition("\r\n\r\n")
    return Response(head, body)


# --- upstream servers


class Backend:
    """An HTTP server. `answer(handler)` writes the response; `seen` has (path, Cookie) of each request."""

    def __init__(self, name, where, answer=None):
        self.name, self.seen = name, []
        self.connections = set()
        backend = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self):
                super().setup()
                backend.connections.add(self.connection)

            def finish(self):
                backend.connections.discard(self.connection)
                super().finish()

            def do_GET(self):
                backend.seen.append((self.path, self.headers.get("Cookie")))
                (answer or Handler.name_itself)(self)

            def do_POST(self):
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.do_GET()

            def name_itself(self):
                self.reply(f"{backend.name}\n")

            def reply(self, body, status=200, **fields):
                self.send_response(status)
                for field, value in fields.items():
                    self.send_header(field.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body.encode())))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(endpoint(where), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        # Including the connections kept by nginx, which is the default since 1.29.7.
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


# --- the environment of a test


class Lab:
    def __init__(self, root):
        self.root = Path(root)
        self.stack = contextlib.ExitStack()
        self.configurations = 0
        self.heads = {}

    def backend(self, name, where, answer=None):
        backend = Backend(name, where, answer)
        self.stack.callback(backend.close)
        return backend

    def process(self, command, *, env=None, log="process.log", cwd=None):
        """Starts a program that is stopped with the test, by its own process ID."""
        with open(self.root / log, "ab") as output:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, **(env or {})},
                cwd=cwd,
            )
        self.stack.callback(end, process)
        return process

    def configuration(self, http, *, env=None, module=True):
        """Writes a configuration with this inside `http { }`, and returns the command that starts nginx with it."""
        self.configurations += 1
        prefix = self.root / f"nginx-{self.configurations}"
        prefix.mkdir()
        text = HEAD.format(
            load=f"load_module {os.environ['MODULE']};" if module else "",
            # As root, nginx would run its worker as nobody, which has no access here.
            user="user root;" if os.geteuid() == 0 else "",
            # A worker has no other environment variables.
            env="".join(f"env {name};\n" for name in env or ()),
        )
        self.heads[prefix] = text
        self.write(prefix, http)
        nginx = os.environ["NGINX_UNDER_TEST"]
        return [nginx, "-p", f"{prefix}/", *early_log(nginx, "error.log"), "-c", "nginx.conf"]

    def write(self, prefix, http):
        (prefix / "nginx.conf").write_text(f"{self.heads[prefix]}{http}\n}}\n")

    def nginx(self, http, *, env=None, module=True):
        """Starts nginx with such a configuration, and waits until it listens."""
        command = self.configuration(http, env=env, module=module)
        prefix = Path(command[2])
        process = self.process(command, env=env, log="nginx.log")

        def ready():
            assert process.poll() is None, f"nginx does not start: {(self.root / 'nginx.log').read_text()}"
            pid = prefix / "nginx.pid"
            return pid.exists() and pid.read_text().strip() == str(process.pid)

        assert soon(ready), "nginx does not start in time"
        process.prefix = prefix
        process.error_log = prefix / "error.log"
        return process

    def rewrite(self, process, http):
        """Writes this inside `http { }` for the next reload of that nginx."""
        self.write(process.prefix, http)

    def close(self):
        self.stack.close()


def early_log(nginx, log):
    """The arguments for nginx's log before it reads error_log; none before nginx 1.19.5."""
    said = subprocess.run([nginx, "-h"], stderr=subprocess.PIPE, text=True, check=False).stderr
    return ["-e", log] if "\n  -e " in said else []


def end(process):
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


# --- the runner


def tests_of(module):
    return [value for name, value in vars(module).items() if name.startswith("test_")]


def run(modules):
    passed = failed = 0
    for module in modules:
        print(f"-- {module.__name__}: {module.__doc__.splitlines()[0]}", flush=True)
        for test in tests_of(module):
            with tempfile.TemporaryDirectory(prefix="test.", dir=os.environ["LAB_DIR"]) as root:
                lab = Lab(root)
                began = time.monotonic()
                try:
                    more = test(lab)
                    outcome, why = "ok  ", f": {more}" if more else ""
                except Findings as findings:
                    outcome, why = "FAIL", f": {findings}"
                except Exception as error:  # any exception is a failure
                    outcome = "FAIL"
                    trace = traceback.extract_tb(error.__traceback__)[1:]
                    where = ", ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in trace[:3])
                    why = f"\n        {where}: {type(error).__name__}: {error}"
                    for file in sorted(lab.root.glob("nginx-*/error.log")):
                        lines = [line for line in file.read_text().splitlines() if TELLING.search(line)]
                        why += "".join(f"\n        {line}" for line in lines[-5:])
                finally:
                    lab.close()
            passed, failed = passed + (outcome == "ok  "), failed + (outcome == "FAIL")
            told = " ".join((test.__doc__ or test.__name__).split())
            print(f"{outcome}  {told} ({time.monotonic() - began:.1f} s){why}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)
