"""A client of HTTP/2 and HTTP/3 that reads requests from its standard input, line by line, and uses one connection.

    multiplex.py h2c|h2|h3 PORT

Each line is a JSON object:

    {"ask": ID, "method": "GET", "path": "/", "fields": [[NAME, VALUE], ...], "body": TEXT, "end": true}
        sends a request on a new stream, and does not wait; all but ID and path may be omitted.
        Several "cookie" fields are sent as given, in this order. A body must fit into one frame.
    {"say": ID, "body": TEXT, "end": true}
        sends more of its body
    {"reset": ID}       resets the request (RST_STREAM; RESET_STREAM and STOP_SENDING)
    {"answer": ID}      waits for the end of the response, and prints
        {"status": "200", "fields": [[NAME, VALUE], ...], "body": TEXT}, or {"failed": WHY}

The server is 127.0.0.1; its certificate is not verified. The connection is closed at the end of the input.
"""

import asyncio
import contextlib
import json
import ssl
import sys

from aioquic.asyncio import QuicConnectionProtocol, connect
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection
from aioquic.h3.events import DataReceived, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import ConnectionTerminated, StreamReset
from h2 import events as h2
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.exceptions import StreamClosedError

PATIENCE = 60


class Answers:
    """The data received so far, by stream."""

    def __init__(self):
        self.streams = {}
        self.over = None

    def of(self, stream):
        new = {"fields": [], "body": b"", "done": asyncio.get_running_loop().create_future()}
        answer = self.streams.setdefault(stream, new)
        if self.over:
            self.failed(stream, self.over)
        return answer

    def header(self, stream, fields):
        self.of(stream)["fields"] += fields

    def data(self, stream, data):
        self.of(stream)["body"] += data

    def ended(self, stream):
        done = self.of(stream)["done"]
        if not done.done():
            done.set_result(None)

    def failed(self, stream, why):
        done = self.streams[stream]["done"]
        if not done.done():
            done.set_result(why)

    def all_failed(self, why):
        self.over = self.over or why
        for stream in self.streams:
            self.failed(stream, why)

    async def told(self, stream):
        answer = self.of(stream)
        try:
            why = await asyncio.wait_for(asyncio.shield(answer["done"]), PATIENCE)
        except asyncio.TimeoutError:
            why = "nothing came"
        if why:
            return {"failed": why}
        status = [value for name, value in answer["fields"] if name == ":status"]
        return {
            # A header block before the last is an interim response.
            "status": status[-1] if status else "none",
            "fields": [field for field in answer["fields"] if not field[0].startswith(":")],
            "body": answer["body"].decode(),
        }


class Http2:
    def __init__(self, reader, writer):
        self.reader = reader
        self.writer = writer
        self.answers = Answers()
        config = H2Configuration(client_side=True, header_encoding="utf-8", validate_outbound_headers=False)
        self.connection = H2Connection(config)
        self.connection.initiate_connection()
        self.flush()
        self.receiving = asyncio.create_task(self.receive())

    def flush(self):
        self.writer.write(self.connection.data_to_send())

    async def receive(self):
        try:
            while data := await self.reader.read(65536):
                for event in self.connection.receive_data(data):
                    self.handle(event)
                self.flush()
        except OSError as error:
            self.answers.all_failed(str(error))
        self.answers.all_failed("closed")

    def handle(self, event):
        match event:
            case h2.ResponseReceived() | h2.InformationalResponseReceived() | h2.TrailersReceived():
                self.answers.header(event.stream_id, list(event.headers))
            case h2.DataReceived():
                self.answers.data(event.stream_id, event.data)
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case h2.StreamEnded():
                self.answers.ended(event.stream_id)
            case h2.StreamReset():
                self.answers.of(event.stream_id)
                self.answers.failed(event.stream_id, "reset")

    def ask(self, fields, body, end):
        stream = self.connection.get_next_available_stream_id()
        self.answers.of(stream)
        self.connection.send_headers(stream, fields, end_stream=end and not body)
        if body:
            self.connection.send_data(stream, body, end_stream=end)
        self.flush()
        return stream

    def say(self, stream, body, end):
        self.connection.send_data(stream, body, end_stream=end)
        self.flush()

    def reset(self, stream):
        # The complete response may already be there.
        with contextlib.suppress(StreamClosedError):
            self.connection.reset_stream(stream, ErrorCodes.CANCEL)
        self.flush()


class Http3(QuicConnectionProtocol):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.answers = Answers()
        self.http = H3Connection(self._quic)

    def quic_event_received(self, event):
        match event:
            case StreamReset():
                self.answers.of(event.stream_id)
                self.answers.failed(event.stream_id, "reset")
            case ConnectionTerminated():
                self.answers.all_failed(event.reason_phrase or "closed")
        for received in self.http.handle_event(event):
            match received:
                case HeadersReceived():
                    fields = [(name.decode(), value.decode()) for name, value in received.headers]
                    self.answers.header(received.stream_id, fields)
                case DataReceived():
                    self.answers.data(received.stream_id, received.data)
            if getattr(received, "stream_ended", False):
                self.answers.ended(received.stream_id)

    def ask(self, fields, body, end):
        stream = self._quic.get_next_available_stream_id()
        self.answers.of(stream)
        fields = [(name.encode(), value.encode()) for name, value in fields]
        self.http.send_headers(stream, fields, end_stream=end and not body)
        if body:
            self.http.send_data(stream, body, end_stream=end)
        self.transmit()
        return stream

    def say(self, stream, body, end):
        self.http.send_data(stream, body, end_stream=end)
        self.transmit()

    def reset(self, stream):
        self._quic.reset_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        self._quic.stop_stream(stream, ErrorCode.H3_REQUEST_CANCELLED)
        self.transmit()


async def obey(connection, scheme):
    lines = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    streams = {}
    while line := await lines.readline():
        order = json.loads(line)
        if "ask" in order:
            fields = [
                (":method", order.get("method", "GET")),
                (":scheme", scheme),
                (":authority", "localhost"),
                (":path", order["path"]),
            ]
            fields += [tuple(field) for field in order.get("fields", [])]
            streams[order["ask"]] = connection.ask(fields, order.get("body", "").encode(), order.get("end", True))
        elif "say" in order:
            connection.say(streams[order["say"]], order.get("body", "").encode(), order.get("end", True))
        elif "reset" in order:
            connection.reset(streams[order["reset"]])
        else:
            print(json.dumps(await connection.answers.told(streams[order["answer"]])), flush=True)


async def main(protocol, port):
    if protocol == "h3":
        configuration = QuicConfiguration(
            is_client=True, alpn_protocols=H3_ALPN, verify_mode=ssl.CERT_NONE, server_name="localhost"
        )
        async with connect("127.0.0.1", port, configuration=configuration, create_protocol=Http3) as connection:
            await obey(connection, "https")
        return
    tls = None
    if protocol == "h2":
        tls = ssl.create_default_context()
        tls.check_hostname = False
        tls.verify_mode = ssl.CERT_NONE
        tls.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    connection = Http2(reader, writer)
    await obey(connection, "https" if tls else "http")
    connection.receiving.cancel()
    writer.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
