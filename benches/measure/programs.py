"""The measured programs: nginx with and without modules, and HAProxy.

They use addresses in 127.0.0.0/8 only. The upstream servers are one more nginx, which never runs under valgrind.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

# nginx treats an environment variable with this name as the list of sockets inherited from a previous binary.
os.environ.pop("NGINX", None)


def die(text):
    raise SystemExit(f"error: {text}")


def free_port():
    """Returns a port on which no process listens, on any address."""
    with socket.socket() as probe:
        probe.bind(("0.0.0.0", 0))
        return probe.getsockname()[1]


def servers(count, port):
    """Returns the addresses of the upstream servers. One process listens on all of them."""
    return [f"127.1.{i // 250}.{i % 250 + 1}:{port}" for i in range(count)]


class Scratch:
    """A temporary directory for all files that a program writes."""

    def __init__(self):
        self.path = tempfile.mkdtemp(prefix="bench-")
        os.chmod(self.path, 0o755)
        os.mkdir(os.path.join(self.path, "logs"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def file(self, name, text=None):
        path = os.path.join(self.path, name)
        if text is not None:
            with open(path, "w", encoding="ascii") as file:
                file.write(text)
        return path


class Running:
    """A started program, which is stopped by its process ID."""

    def __init__(self, command, log, tool=(), cpus=None, env=None):
        self.log = log
        pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                [*tool, *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                preexec_fn=pin,
                env=env,
            )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    @property
    def pid(self):
        return self.process.pid

    def alive(self):
        if self.process.poll() is not None:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                die(f"{self.process.args[0]} ended by itself:\n{log.read()[-2000:]}")

    def wait_for(self, address, seconds=120):
        """Waits until connections to this address are accepted."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.alive()
            try:
                socket.create_connection(address, 1).close()
                return self
            except OSError:
                time.sleep(0.05)
        return die(f"nothing listens on {address} after {seconds} s")

    def stop(self):
        # A signal that arrives just before epoll_wait() is not handled until the next event.
        for _ in range(20):
            if self.process.poll() is not None:
                return
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(1)
                return
            except subprocess.TimeoutExpired:
                pass
        self.process.kill()
        self.process.wait()


def paths(scratch, name):
    """Returns directives that keep the temporary files of nginx in the scratch directory."""
    return "".join(
        f"{kind}_temp_path {scratch.file(name)}.{kind}; "
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )


def head(scratch, name):
    return (
        f"daemon off; master_process off; pid {scratch.file(name)}.pid; error_log {scratch.file(name)}.error error;\n"
    )


class Backend:
    """The upstream servers: one process that listens on one port of all addresses."""

    # A login starts a session of the application.
    PLAIN = (
        "location / { return 200 'hello from the backend\\n'; } "
        "location = /login { add_header Set-Cookie 'route=$arg_id; Path=/'; return 200 'welcome\\n'; }"
    )
    # sets the cookie, which mode=rewrite and mode=prefix require
    SETS = "location / {{ add_header Set-Cookie '{}'; return 200 'hello from the backend\\n'; }}"

    def __init__(self, scratch, nginx, sets=None, log=None, cpus=None, more="", location=None):
        self.port = free_port()
        location = location or (self.SETS.format(sets) if sets else self.PLAIN)
        access = f"log_format a $server_addr; access_log {log} a" if log else "access_log off"
        conf = scratch.file(
            f"backend-{self.port}.conf",
            head(scratch, f"backend-{self.port}")
            + "events { worker_connections 8192; }\n"
            + f"http {{ {access}; keepalive_requests 100000000; keepalive_timeout 600s;\n"
            + paths(scratch, f"backend-{self.port}")
            + f"\n{more} server {{ listen 0.0.0.0:{self.port} backlog=4096; {location} }} }}\n",
        )
        self.running = Running(
            [nginx, "-p", scratch.path, "-c", conf], scratch.file("backend.log"), cpus=cpus
        ).wait_for(("127.0.0.1", self.port))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.running.stop()


# The key for IDs and signatures. It need not be secret, because no data leaves the machine.
KEY = "a key for measurements"

# malloc may find the blocks of a request's pool in holes left by the configuration, or may have to split a block for
# each of them. The difference is 300 instructions, and a single additional map may cause it. These are the numbers of
# additional maps.
LAYOUTS = (0, 1, 2, 3, 5, 8, 13)


class Proxy:
    """The configuration of an nginx as a proxy. `layout` changes its heap layout."""

    def __init__(self, nginx, modules=(), upstream="", endpoint="", zone=False, count=2, pool="16k", layout=0):
        self.nginx = nginx
        self.modules = tuple(modules)
        self.upstream = upstream
        self.endpoint = endpoint
        self.zone = zone
        self.count = count
        self.pool = pool
        self.layout = layout

    @classmethod
    def of(cls, case, nginx, module, **options):
        """Returns the proxy for a case. The module is not loaded if the case has no directives for the upstream."""
        modules = [module] if module and case.upstream is not None else []
        return cls(nginx, modules, case.upstream or "", case.endpoint, **options)

    def conf(self, scratch, backend_port, address, keepalive=64, more=""):
        """Writes a configuration with one process without a master, and persistent connections on both sides."""
        loads = "".join(f"load_module {module};\n" for module in self.modules)
        # about 1,100 bytes a server
        zone = f"zone u {max(256, self.count * 2)}k;" if self.zone else ""
        pool = f"request_pool_size {self.pool};" if self.pool else ""
        scratch.file("keys", f"{KEY}\n")
        # in a separate server block, because another location would affect the measured requests
        endpoint = f"server {{ listen unix:{scratch.path}/status; {self.endpoint} }}\n" if self.endpoint else ""
        lines = "\n".join(f"server {address};" for address in servers(self.count, backend_port))
        return scratch.file(
            "proxy.conf",
            loads
            + head(scratch, "proxy")
            + "events { worker_connections 8192; }\n"
            + "http { access_log off; keepalive_requests 100000000; keepalive_timeout 600s; "
            + f"{pool}\n{paths(scratch, 'proxy')}\n"
            + "".join(f"map $http_x{i} $unused{i} {{ default 0; a 1; b 2; }}\n" for i in range(self.layout))
            + f"upstream u {{ {self.upstream} {zone}\n{lines}\n"
            + f"keepalive {keepalive}; keepalive_requests 100000000; }}\n"
            + f"server {{ listen {address[0]}:{address[1]}; location / {{ proxy_http_version 1.1; "
            + 'proxy_set_header Connection ""; proxy_pass http://u; } '
            + f"}}\n{endpoint}{more}}}\n",
        )

    def command(self, scratch, conf):
        return [self.nginx, "-p", scratch.path, "-c", conf]
