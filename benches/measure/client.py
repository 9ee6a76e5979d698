"""A client with one persistent connection, and the cookies that it sends."""

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
    """Returns the ID of a server with hash=md5 and with nginx's own `sticky`."""
    return hashlib.md5(server.encode()).hexdigest()


def mac(key, text):
    return hmac.digest(key, text.encode(), "sha256")


def keyed_id(server):
    """Returns the ID of a server with hash=hmac."""
    return mac(KEY.encode(), server)[:16].hex()


def signed(text):
    """Signs a value with timestamps as `sign` does, for the cookie `route`."""
    derived = mac(KEY.encode(), "\0signature of cookie route")
    signature = base64.urlsafe_b64encode(mac(derived, text)[:16]).decode().rstrip("=")
    return f"{text}|{signature}"


def cookie_value(kind, place, count, port):
    """Returns the value of the cookie `route`, or None for a client without it."""
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
        # last seen in the past, so that the response sets the cookie again
        now = int(time.time())
        text = f"{name}|{now - 60}|{now - 600}"
        return signed(text) if kind == "signed" else text
    if kind == "prefix":
        return f"{name}~session-of-the-application"
    return die(f"no such cookie: {kind}")


def session(number):
    """Returns the ID of a session of the application. It has the same length as the ID of a server."""
    return hashlib.md5(str(number).encode()).hexdigest()


def cookies(value):
    """Returns a Cookie field with other cookies before and after this one."""
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
        """Sends this cookie from now on."""
        self.request = REQUEST + f"Cookie: {cookies(value)}\r\n\r\n".encode()

    def log_in(self, session):
        """Sends a request for which the application starts this session."""
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
        """Sends a request and returns the header of the response, whose status must be 200."""
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
    """Starts the measured session, then others on the same server, which need no round robin over all servers."""
    client.log_in(session(0))
    client.carry(session(0))
    for other in range(1, sessions):
        client.log_in(session(other))
