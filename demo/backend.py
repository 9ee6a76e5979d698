"""An upstream server: responds with its name and the Cookie header of the request.

backend.py NAME ADDRESS PORT. Exits at the end of standard input, so that it does not outlive the program that has
started it. Prints "listening" to standard output, or the reason why it cannot listen.
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
