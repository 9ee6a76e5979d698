"""A WebSocket server that keeps its conversations in memory, and a client: the parts of RFC 6455 for short texts."""

import base64
import contextlib
import hashlib
import os
import socket
import struct
import threading

from lab import PATIENCE, Response, endpoint

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, CLOSE = 0x1, 0x8


def accept_key(key):
    return base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()


def read_head(stream):
    lines = []
    while (line := stream.readline().decode().rstrip("\r\n")) != "":
        lines.append(line)
    return "\r\n".join(lines)


def frame(opcode, payload, mask=b""):
    """A whole message of less than 126 bytes; clients must mask theirs."""
    assert len(payload) < 126
    if mask:
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return struct.pack("BB", 0x80 | opcode, (0x80 if mask else 0) | len(payload)) + mask + payload


def read_frame(stream):
    head = stream.read(2)
    if len(head) < 2:
        return None, b""
    mask = stream.read(4) if head[1] & 0x80 else b""
    payload = stream.read(head[1] & 0x7F)
    if mask:
        payload = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return head[0] & 0xF, payload


class Server:
    """Answers each message with its name and the number of messages in the conversation. `?id=` names the conversation,
    so that a client that reconnects to the same server continues it, and starts over on another.
    """

    def __init__(self, lab, name, where):
        self.name, self.counts, self.heads = name, {}, []
        self.listener = socket.create_server(endpoint(where))
        self.connections = []
        lab.stack.callback(self.close)
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection = self.listener.accept()[0]
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self.talk, args=(connection,), daemon=True).start()

    def talk(self, connection):
        with connection, connection.makefile("rb") as stream:
            head = read_head(stream)
            if not head:
                return
            self.heads.append(head)
            request = Response("HTTP/1.1 0\r\n" + head, "")
            if (request.one("Upgrade") or "").lower() != "websocket":
                body = f"{self.name} connection={request.one('Connection')}\n"
                connection.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
                return
            key = accept_key(request.one("Sec-WebSocket-Key"))
            connection.sendall(
                "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
                f"Sec-WebSocket-Accept: {key}\r\n\r\n".encode()
            )
            conversation = head.split(" ")[1]
            try:
                while (message := read_frame(stream))[0] == TEXT:
                    count = self.counts[conversation] = self.counts.get(conversation, 0) + 1
                    connection.sendall(frame(TEXT, f"{self.name} {count} {message[1].decode()}".encode()))
            except OSError:
                return

    def close(self):
        """Stops like a process: it no longer listens, and its connections are closed."""
        # Only a shutdown wakes a thread that waits in accept().
        for each in (self.listener, *self.connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class Client:
    def __init__(self, where, path, cookie=None, source=None):
        self.socket = socket.create_connection(endpoint(where), PATIENCE, source_address=source and (source, 0))
        self.stream = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            f"{f'Cookie: {cookie}' + chr(13) + chr(10) if cookie else ''}\r\n".encode()
        )
        self.response = Response(read_head(self.stream), "")
        assert self.response.status == 101, f"the handshake is answered {self.response.status}"
        assert self.response.one("Sec-WebSocket-Accept") == accept_key(key), "the handshake has the wrong key"

    def say(self, text):
        """The server's answer, None if it is gone."""
        try:
            self.socket.sendall(frame(TEXT, text.encode(), os.urandom(4)))
            opcode, payload = read_frame(self.stream)
        except OSError:
            return None
        return payload.decode() if opcode == TEXT else None

    def close(self):
        self.socket.sendall(frame(CLOSE, b"", os.urandom(4)))
        self.stream.close()
        self.socket.close()
