"""A gRPC service on 127.0.0.1: the parts of HTTP/2 that gRPC needs, without generated code.

    grpc.py NAME PORT

It prints "ready" when it listens, and exits when its standard input is closed. Each message is answered at once with a
message of the same text after "NAME ", so that both sides can take turns. The metadata of the response has
"x-server: NAME" and "x-cookie: " with the Cookie field it received, or "none"; the trailers are "grpc-status: 0", or
"grpc-status: 7" if the method is called Refuse, which sends nothing else (a "trailers-only" response).
"""

import asyncio
import sys

from h2 import events as h2
from h2.config import H2Configuration
from h2.connection import H2Connection


class Service(asyncio.Protocol):
    def __init__(self, name):
        self.name = name
        self.connection = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))
        self.read = {}

    def connection_made(self, transport):
        self.transport = transport
        self.connection.initiate_connection()
        self.flush()

    def flush(self):
        self.transport.write(self.connection.data_to_send())

    def data_received(self, data):
        for event in self.connection.receive_data(data):
            match event:
                case h2.RequestReceived():
                    self.called(event.stream_id, event.headers)
                case h2.DataReceived():
                    self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                    self.heard(event.stream_id, event.data)
                case h2.StreamEnded():
                    if self.read.pop(event.stream_id, None) is not None:
                        self.connection.send_headers(event.stream_id, [("grpc-status", "0")], end_stream=True)
                case h2.StreamReset():
                    self.read.pop(event.stream_id, None)
        self.flush()

    def called(self, stream, headers):
        # The Cookie may come in several fields (RFC 9113, 8.2.3).
        cookie = "; ".join(value for name, value in headers if name == "cookie") or "none"
        answer = [(":status", "200"), ("content-type", "application/grpc")]
        answer += [("x-server", self.name), ("x-cookie", cookie)]
        if dict(headers)[":path"].endswith("/Refuse"):
            self.connection.send_headers(stream, answer + [("grpc-status", "7")], end_stream=True)
            return
        self.connection.send_headers(stream, answer)
        self.read[stream] = b""

    def heard(self, stream, data):
        # A message: a byte that indicates compression, four with the length, and the content.
        text = self.read.get(stream)
        if text is None:
            return
        text += data
        while len(text) >= 5 and len(text) >= 5 + (length := int.from_bytes(text[1:5], "big")):
            message = self.name.encode() + b" " + text[5 : 5 + length]
            self.connection.send_data(stream, b"\0" + len(message).to_bytes(4, "big") + message)
            text = text[5 + length :]
        self.read[stream] = text


async def main(name, port):
    loop = asyncio.get_running_loop()
    await loop.create_server(lambda: Service(name), "127.0.0.1", port)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
