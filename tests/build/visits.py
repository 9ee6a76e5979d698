"""Visits to an nginx with the module: sessions stick, also over a reload, and no worker crashes.

visits.py NGINX [MODULE]: with any nginx, which loads the module if one is given.
"""

import http.client
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from collections import Counter
from pathlib import Path

LETTERS = "ABC"
CLIENTS = 20
SERVER = """
    server {{ listen unix:{dir}/{letter}.sock; location / {{ root {dir}/{letter}; }} }}"""
CONFIGURATION = """{load}
daemon off;
user root;
worker_processes 1;
pid {dir}/nginx.pid;
error_log {dir}/error.log info;
events {{ }}
http {{
    access_log off;
    upstream app {{
        {zone}
        {servers}
        session_sticky;
    }}
    server {{ listen unix:{dir}/nginx.sock; location / {{ proxy_pass http://app; }} }}{backends}
}}
"""


class Connection(http.client.HTTPConnection):
    """An HTTP connection to a socket in the file system."""

    def __init__(self, path):
        super().__init__("app", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def ask(folder, cookie=None):
    """The letter of the server, and the cookie that was set."""
    connection = Connection(folder / "nginx.sock")
    try:
        connection.request("GET", "/", headers={"Cookie": cookie} if cookie else {})
        response = connection.getresponse()
        found = re.match("[^;]*", response.getheader("Set-Cookie", ""))[0]
        return response.read().decode(), found or None
    finally:
        connection.close()


def write_configuration(folder, module, zone):
    for letter in LETTERS:
        (folder / letter).mkdir(exist_ok=True)
        (folder / letter / "index.html").write_text(letter)
    text = CONFIGURATION.format(
        dir=folder,
        load=f"load_module {module};" if module else "",
        zone=zone,
        servers=" ".join(f"server unix:{folder}/{letter}.sock;" for letter in LETTERS),
        backends="".join(SERVER.format(dir=folder, letter=letter) for letter in LETTERS),
    )
    (folder / "nginx.conf").write_text(text)


def wait_for(test, process, log, is_done):
    """Waits until is_done returns true, while nginx is running."""
    end = time.monotonic() + 20
    while not is_done():
        text = log.read_text() if log.exists() else ""
        test.assertIsNone(process.poll(), text)
        test.assertLess(time.monotonic(), end, text)
        time.sleep(0.05)


def assert_sticks(test, folder, nginx, module=None, zone=""):
    """Checks repeated requests of clients before and after a reload; loads the module if one is given."""
    write_configuration(folder, module, zone)
    log = folder / "error.log"
    log.unlink(missing_ok=True)
    command = [nginx, "-p", folder, "-c", folder / "nginx.conf", "-e", log]
    tried = subprocess.run([*command, "-t"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    test.assertEqual(tried.returncode, 0, tried.stdout)
    (folder / "nginx.pid").unlink()
    process = subprocess.Popen(command)
    try:
        wait_for(test, process, log, (folder / "nginx.pid").exists)
        clients = [ask(folder) for _ in range(CLIENTS)]
        test.assertEqual(sorted(Counter(letter for letter, _ in clients).values()), [6, 7, 7], log.read_text())
        for letter, cookie in clients:
            test.assertRegex(cookie or "", "^route=[0-9a-f]{32}$", log.read_text())
            test.assertEqual([ask(folder, cookie) for _ in range(3)], [(letter, None)] * 3)
        process.send_signal(signal.SIGHUP)
        wait_for(test, process, log, lambda: "exited with code 0" in log.read_text())
        for letter, cookie in clients:
            test.assertEqual([ask(folder, cookie) for _ in range(2)], [(letter, None)] * 2)
    finally:
        process.terminate()
        process.wait(20)
    test.assertNotRegex(log.read_text(), r"exited on signal|\[(warn|error|crit|alert|emerg)\]")


def main(nginx, module=None):
    with tempfile.TemporaryDirectory() as folder:
        assert_sticks(unittest.TestCase(), Path(folder), nginx, module and Path(module).resolve(), "zone app 256k;")
    print(f"{CLIENTS} clients on {len(LETTERS)} servers stick, also over a reload: {nginx}")


if __name__ == "__main__":
    main(*sys.argv[1:])
