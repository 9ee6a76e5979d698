"""Visits to an nginx with the module: a session sticks, others are distributed, and no worker dies."""

import re
import subprocess
import time

LETTERS = "ABC"
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


def ask(folder, cookie=None):
    """The letter of the server, and the cookie that was set."""
    command = ["curl", "--silent", "--include", "--unix-socket", f"{folder}/nginx.sock", "http://app/"]
    if cookie:
        command += ["--cookie", cookie]
    head, _, body = subprocess.run(command, stdout=subprocess.PIPE, text=True).stdout.partition("\n\n")
    found = re.search(r"^Set-Cookie: ([^;]*)", head, re.MULTILINE)
    return body, found and found[1]


def assert_sticks(test, folder, nginx, module=None, zone=""):
    """A first visit and many more, with the cookie and without; the module is loaded, unless it is in this nginx."""
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
    log = folder / "error.log"
    log.unlink(missing_ok=True)
    process = subprocess.Popen([nginx, "-p", folder, "-c", folder / "nginx.conf", "-e", log])
    try:
        end = time.monotonic() + 10
        while not (folder / "nginx.pid").exists():
            test.assertIsNone(process.poll(), log.read_text() if log.exists() else "")
            test.assertLess(time.monotonic(), end)
            time.sleep(0.05)
        first, cookie = ask(folder)
        test.assertTrue(cookie and cookie.startswith("route="), log.read_text())
        bound = [ask(folder, cookie) for _ in range(20)]
        others = [ask(folder)[0] for _ in range(6)]
    finally:
        process.terminate()
        process.wait(10)
    test.assertEqual(bound, [(first, None)] * 20)
    test.assertEqual(sorted(others), sorted(LETTERS * 2))
    test.assertNotIn("exited on signal", log.read_text())
