"""The most expensive single requests: Cookie headers of 32 kB, and pages with thousands of subrequests.

Each location of a proxy has another configuration of the module. The requests are compared with those to the same
locations of a second proxy, which does not load the module.
"""

import os
import socket
from dataclasses import dataclass

from .callgrind import Traced
from .client import md5_id
from .programs import Backend, Scratch, die, free_port, head, paths

SIZE = 32 * 1024
INCLUDES = 2000
# for one field of this size, or for several
BUFFERS = "large_client_header_buffers 8 64k;"
# a repetitive name that is longer than any register
LONG = "a" * 300
ACCEPT = "accept=md5,index,nginx,raw,sha1,haproxy"

# the shape that is sent as four fields
IN_FOUR = "name=~;, in four fields"


@dataclass(frozen=True)
class Setting:
    """A configuration to which expensive Cookie headers are sent."""

    name: str
    #: the directives in the upstream block
    upstream: str
    cookie: str = "route"
    #: additional directives in the location
    location: str = ""


SETTINGS = [
    Setting("insert", "session_sticky;"),
    Setting("limits", "session_sticky maxidle=1h maxlife=1d;"),
    Setting("accept, limits, indirect", f"session_sticky option=indirect maxidle=1h {ACCEPT};"),
    Setting("transfer", "sticky transfer;"),
    Setting("indirect", "session_sticky option=indirect;"),
    Setting("prefix", "session_sticky mode=prefix;"),
    Setting("prefix, accept", f"session_sticky mode=prefix {ACCEPT};"),
    Setting("indirect, s", "session_sticky option=indirect cookie=s;", "s"),
    Setting("prefix, s", "session_sticky mode=prefix cookie=s;", "s"),
    Setting("indirect, aaaa", "session_sticky option=indirect cookie=aaaa;", "aaaa"),
    Setting("prefix, aaaa", "session_sticky mode=prefix cookie=aaaa;", "aaaa"),
    Setting("indirect, 300 a", f"session_sticky option=indirect cookie={LONG};", LONG),
    Setting("two rules", "session_sticky option=indirect;", location="session_sticky_hide_cookie upstream=other;"),
]


def shapes(name, ids):
    """Returns fields of nearly SIZE bytes, by the pieces they consist of."""
    first, start = name[0], name[:-1]
    pieces = {
        "the name": name,
        "the name;": f"{name};",
        "its first letter;": f"{first};",
        "its start=;": f"{start}=;",
        "name=;": f"{name}=;",
        "name=x; ": f"{name}=x; ",
        "name=~;": f"{name}=~;",
        'name="~;': f'{name}="~;',
        "name=x~y; ": f"{name}=x~y; ",
        "name=an id, old stamps; ": f"{name}={ids[0]}|1|1; ",
        "name=ends of an id; ": f"{name}={'.' * 70}; ",
        "name=ends of a stamp; ": f"{name}={'|' * 70}; ",
    }
    fields = {what: piece * (SIZE // len(piece)) for what, piece in pieces.items()}
    # text after two such pairs is searched in a different way than text after one
    for what, piece in {";": ";", "its first letter;": f"{first};", "x;": "x;"}.items():
        fields[f"two name=~; and then {what}"] = f"{name}=~;" * 2 + piece * (SIZE // len(piece))
    for what in ("|", "."):
        fields[f"name= and then {what}"] = f"{name}=" + what * SIZE
    fields[IN_FOUR] = fields["name=~;"]
    fields["a valid one at the end"] = f"{name}=x; " * (SIZE // len(f"{name}=x; ")) + f"{name}={ids[0]}"
    return {what: field[:SIZE] for what, field in fields.items()}


@dataclass(frozen=True)
class Page:
    """A page with many subrequests."""

    name: str
    #: the URIs of the page and of the included part
    uri: str
    part: str


PAGES = [
    Page("parts from a cache, hidden from a sticky upstream", "/pages/cached.html", "/cached/part"),
    Page("parts from files, no sticky upstream", "/pages/files.html", "/files/part"),
    Page("parts from a plain upstream's cache", "/pages/plain.html", "/plain/part"),
    Page("the page from a sticky upstream, parts from its cache", "/sticky/cached.html", "/cached/part"),
    Page("the page after a redirect, parts from a cache", "/led/cached.html", "/cached/part"),
    Page("parts led from one location to another that hides", "/pages/led.html", "/missing/part"),
    Page("parts from a sticky upstream", "/pages/visits.html", "/visits/part"),
]


class Measured:
    """An nginx with all these locations under callgrind. With `module`, they contain the module's directives."""

    def __init__(self, scratch, nginx, module, port, env=None):
        self.scratch = scratch
        self.port = free_port()
        conf = scratch.file("proxy.conf", self.conf(module, port))
        command = [nginx, "-p", scratch.path, "-c", conf]
        self.warm = set()
        self.traced = Traced(scratch, command, ("127.0.0.1", self.port), env)
        self.traced.total()
        self.empty = self.traced.total()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.traced.running.stop()

    def conf(self, module, port):
        def upstream(name, text, count=2):
            text = text if module else ""
            lines = "".join(f"server 127.1.0.{i + 1}:{port};" for i in range(count))
            return f"upstream {name} {{ {text} {lines} keepalive 8; }}\n"

        def location(path, name, text="", own=""):
            return f"location {path} {{ {text} {own if module else ''} proxy_pass http://{name}; }}\n"

        cache = "proxy_cache c; proxy_cache_valid 1h; proxy_cache_key $uri; add_header X-Cache $upstream_cache_status;"
        return (
            (f"load_module {module};\n" if module else "")
            + head(self.scratch, "proxy")
            + "events { worker_connections 4096; }\n"
            + f"http {{ access_log off; {BUFFERS} {paths(self.scratch, 'proxy')}\n"
            + f"proxy_cache_path {self.scratch.file('cache')} keys_zone=c:10m;\n"
            + "keepalive_requests 100000000; keepalive_timeout 600s; proxy_http_version 1.1; "
            + 'proxy_set_header Connection "";\n'
            + "".join(upstream(f"u{i}", setting.upstream) for i, setting in enumerate(SETTINGS))
            + upstream("other", "session_sticky option=indirect cookie=router;")
            + upstream("plain", "")
            + f"server {{ listen 127.0.0.1:{self.port}; root {self.scratch.path};\n"
            + "".join(location(f"/{i}/", f"u{i}", own=s.location) for i, s in enumerate(SETTINGS))
            + "location /pages/ { ssi on; }\n"
            + "location /led/ { ssi on; try_files /none @pages; }\n"
            + "location @pages { ssi on; rewrite ^/led/(.*) /pages/$1 break; }\n"
            + location("/sticky/", f"u{INDIRECT}", "ssi on; rewrite ^/sticky/(.*) /pages/$1 break;")
            + location("/cached/", f"u{INDIRECT}", cache)
            + location("/plain/", "plain", cache)
            + location("/visits/", f"u{INDIRECT}")
            + "location /files/ { }\n"
            + "location /missing/ { error_page 404 = @cached; }\n"
            + location("@cached", f"u{INDIRECT}", cache)
            + "} }\n"
        )

    def cost(self, uri, fields, expect):
        """Returns the instructions of a request, after another request to the same location."""
        if uri not in self.warm:
            self.warm.add(uri)
            self.get(uri, [], expect)
            self.traced.total()
        self.get(uri, fields, expect)
        return self.traced.total() - self.empty

    def get(self, uri, fields, expect):
        cookies = "".join(f"Cookie: {field}\r\n" for field in fields)
        request = f"GET {uri} HTTP/1.0\r\nHost: example.test\r\nConnection: close\r\n{cookies}\r\n"
        with socket.create_connection(("127.0.0.1", self.port), 60) as client:
            client.settimeout(300)
            client.sendall(request.encode())
            answer = b""
            while data := client.recv(1 << 20):
                answer += data
        first = answer.split(b"\r\n", 1)[0]
        if b" 200 " not in first or answer.count(b"PART") != expect:
            die(f"{uri}: {first!r}, {answer.count(b'PART')} parts instead of {expect}")


INDIRECT = [setting.name for setting in SETTINGS].index("indirect")


def write_pages(scratch):
    for folder in ("pages", "files"):
        os.mkdir(os.path.join(scratch.path, folder))
    for page in PAGES:
        name = os.path.basename(page.uri)
        include = f'<!--# include virtual="{page.part}" -->\n'
        scratch.file(f"pages/{name}", include * INCLUDES)
    scratch.file("files/part", "PART")


class Worst:
    """Measures each request once with the module and once without it."""

    def __init__(self, nginx, module, env=None):
        self.nginx, self.module, self.env = nginx, module, env

    def cookies(self):
        """Yields (configuration, shape, instructions of plain nginx, instructions with the module)."""
        with Scratch() as plain, Scratch() as sticky, Scratch() as behind, self.backend(behind) as backend:
            ids = [md5_id(f"127.1.0.{i + 1}:{backend.port}") for i in range(2)]
            with self.measured(plain, None, backend) as base, self.measured(sticky, self.module, backend) as ours:
                known = {}
                for number, setting in enumerate(SETTINGS):
                    for what, field in shapes(setting.cookie, ids).items():
                        fields = quarters(field) if what == IN_FOUR else [field]
                        key = tuple(fields)
                        if key not in known:
                            known[key] = base.cost("/0/", fields, 1)
                        yield setting.name, what, known[key], ours.cost(f"/{number}/", fields, 1)

    def pages(self):
        """Yields the same for pages."""
        with Scratch() as plain, Scratch() as sticky, Scratch() as behind, self.backend(behind) as backend:
            for scratch in (plain, sticky, behind):
                write_pages(scratch)
            cookie = [f"a=b; route={md5_id(f'127.1.0.2:{backend.port}')}; c=d"]
            with self.measured(plain, None, backend) as base, self.measured(sticky, self.module, backend) as ours:
                for page in PAGES:
                    costs = [one.cost(page.uri, cookie, INCLUDES) for one in (base, ours)]
                    yield page.name, f"{INCLUDES} subrequests", *costs

    def backend(self, scratch):
        return Backend(scratch, self.nginx, more=f"{BUFFERS} root {scratch.path};", location=BEHIND)

    def measured(self, scratch, module, backend):
        return Measured(scratch, self.nginx, module, backend.port, self.env)


BEHIND = "location / { return 200 PART; } location /pages/ { }"


def quarters(field):
    quarter = len(field) // 4
    return [field[i * quarter : (i + 1) * quarter] for i in range(4)]
