"""A server behind nginx: answers with its name, and with the Cookie header as it came.

backend.py NAME ADDRESS PORT. Ends when its standard input does, so that it does not outlive the one
who started it. Says "listening" on its standard output, or why it cannot.
"""

import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME, ADDRESS, PORT = sys.argv[1], sys.argv[2], int(sys.argv[3])


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        cookie = self.headers.get("Cookie")
        body = f"{NAME}\n{'no Cookie' if cookie is None else 'Cookie: ' + cookie}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def end_with_stdin():
    while os.read(0, 1):
        pass
    os._exit(0)


threading.Thread(target=end_with_stdin, daemon=True).start()
try:
    server = ThreadingHTTPServer((ADDRESS, PORT), Handler)
except OSError as error:
    print(error.strerror, flush=True)
    sys.exit(1)
print("listening", flush=True)
server.serve_forever()
