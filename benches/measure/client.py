"""A client with one kept-alive connection, and the cookies that it sends."""

import base64
import hashlib
import hmac
import re
import socket
import time

from .programs import KEY, die, servers

REQUEST = (
    b"GET /index.html HTTP/1.1\r\nHost: example.test\r\nUser-Agent: measure/1.0\r\nAccept: */*\r\n"
    b"Accept-Encoding: gzip, deflate\r\n"
)


def position(place, count):
    return {"first": 0, "middle": count // 2, "last": count - 1}[place]


def md5_id(server):
    """What hash=md5, and nginx's own sticky, call the server."""
    return hashlib.md5(server.encode()).hexdigest()


def mac(key, text):
    return hmac.digest(key, text.encode(), "sha256")


def keyed_id(server):
    """What hash=hmac calls the server."""
    return mac(KEY.encode(), server)[:16].hex()


def signed(text):
    """What `sign` makes of a value with stamps, of the cookie `route`."""
    derived = mac(KEY.encode(), "\0signature of cookie route")
    signature = base64.urlsafe_b64encode(mac(derived, text)[:16]).decode().rstrip("=")
    return f"{text}|{signature}"


def cookie_value(kind, place, count, port):
    """The value of the cookie `route`, or None for a client that has none."""
    if kind == "none":
        return None
    if kind == "learned":
        return session(0)
    server = servers(count, port)[position(place, count)]
    name = md5_id(server)
    if kind == "id":
        return name
    if kind == "keyed":
        return keyed_id(server)
    if kind in ("stamps", "signed"):
        # seen before, so that the answer says it anew
        now = int(time.time())
        text = f"{name}|{now - 60}|{now - 600}"
        return signed(text) if kind == "signed" else text
    if kind == "prefix":
        return f"{name}~session-of-the-application"
    return die(f"no such cookie: {kind}")


def session(number):
    """The ID of a session of the application, as long as the ID of a server."""
    return hashlib.md5(str(number).encode()).hexdigest()


def cookies(value):
    """Other cookies come along, before and after."""
    ours = f"route={value}; " if value else ""
    return f"theme=dark; lang=en-GB; {ours}_ga=GA1.2.1234567890.1234567890"


class Client:
    def __init__(self, address, value=None):
        self.carry(value)
        self.socket = socket.create_connection(address, 60)
        self.socket.settimeout(120)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def carry(self, value):
        """From now on with this cookie."""
        self.request = REQUEST + f"Cookie: {cookies(value)}\r\n\r\n".encode()

    def log_in(self, session):
        """One request with which the application begins this session."""
        usual = self.request
        self.request = usual.replace(b"/index.html", f"/login?id={session}".encode(), 1)
        self.get()
        self.request = usual

    def _more(self):
        data = self.socket.recv(65536)
        if not data:
            die(f"the connection was closed after {self.rest[:200]!r}")
        self.rest += data

    def get(self):
        """One request; the header of its answer, which must be 200."""
        self.socket.sendall(self.request)
        while b"\r\n\r\n" not in self.rest:
            self._more()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if not length or b" 200 " not in head.split(b"\r\n")[0]:
            die(f"not an answer from behind: {head!r}")
        length = int(length.group(1))
        while len(self.rest) < length:
            self._more()
        self.rest = self.rest[length:]
        return head

    def repeat(self, times):
        head = b""
        for _ in range(times):
            head = self.get()
        return head


def set_cookies(head):
    return re.findall(rb"^set-cookie: ([^\r\n]+)", head, re.IGNORECASE | re.MULTILINE)


def log_in(client, sessions=1):
    """The session that is measured begins, and then others on its server, which need no walk over all servers."""
    client.log_in(session(0))
    client.carry(session(0))
    for other in range(1, sessions):
        client.log_in(session(other))
