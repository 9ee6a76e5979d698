"""nginx with session_sticky, three upstream servers, and clients with cookies.

Prints their requests and responses, and checks them. Exits with status 0 if all checks have passed.
"""

import hashlib
import http.client
import http.cookiejar
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

REPO = Path(__file__).resolve().parent.parent
CONF = REPO / "demo/nginx.conf"
NGINX = REPO / "objs/nginx"
MODULE = REPO / "objs/ngx_http_session_sticky_module.so"

SERVERS = {"A": "127.55.0.1:18081", "B": "127.55.0.2:18081", "C": "127.55.0.3:18081"}
FOO, TEST, LB, LB_SHORT = (f"127.55.0.10:{port}" for port in (18001, 18002, 18003, 18004))

MAX_IDLE = 2


def endpoint(text):
    address, port = text.split(":")
    return address, int(port)


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


# --- the transcript

failures = 0


def title(text):
    print(f"\n== {text}\n", flush=True)


def say(text):
    print(f"   {text}", flush=True)


def check(holds, text):
    global failures
    failures += not holds
    print(f"   {'ok  ' if holds else 'FAIL'}  {text}", flush=True)


# --- the servers, and nginx


class Servers:
    """The processes. All of them are terminated in any case, each by its process ID."""

    def __init__(self, root):
        self.root = root
        self.backends = {}
        self.nginx = None

    def start(self, name):
        where = SERVERS[name]
        process = subprocess.Popen(
            [sys.executable, "-B", REPO / "demo/backend.py", name, *where.split(":")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.backends[name] = process
        said = process.stdout.readline().strip()
        if said != "listening":
            raise SystemExit(f"error: server {name} on {where}: {said}")
        return process.pid

    def kill(self, name):
        process = self.backends.pop(name)
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()
        return process.pid

    def nginx_command(self, *more):
        # If nginx runs as root, its worker process runs as nobody, which cannot access this directory.
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        return [NGINX, "-p", f"{self.root}/", "-c", CONF, *user, *more]

    def test_nginx(self):
        (self.root / "logs").mkdir()
        (self.root / "modules").symlink_to(MODULE.parent)
        done = subprocess.run(self.nginx_command("-e", "stderr", "-t"), stderr=subprocess.PIPE, text=True, check=False)
        for line in done.stderr.splitlines():
            # Remove the time and the process ID.
            say(re.sub(r"^\d\S+ \S+ (\[\w+\]) \S+ ", r"\1 ", line).replace(f"{REPO}/", ""))
        return done.returncode == 0

    def start_nginx(self):
        log = self.root / "logs/error.log"
        self.nginx = subprocess.Popen(self.nginx_command("-e", log), stderr=subprocess.DEVNULL)
        # nginx writes its process ID when it listens. nginx -t has left an empty file.
        while (self.root / "logs/nginx.pid").read_text().strip() != str(self.nginx.pid):
            if self.nginx.poll() is not None:
                raise SystemExit(f"error: nginx does not start:\n{log.read_text()}")
            time.sleep(0.05)
        return self.nginx.pid

    def logged(self, *words):
        """Returns the last line of nginx's error log that contains all these words, from the module's name on."""
        for _ in range(20):
            for line in reversed((self.root / "logs/error.log").read_text().splitlines()):
                if all(word in line for word in words):
                    level = re.search(r"\[\w+\]", line).group()
                    text = line[line.index("session_sticky:") :].split(", client:")[0]
                    return f"{level} {text.split(' while ')[0]}"
            time.sleep(0.05)
        return None

    def end(self):
        if self.nginx:
            self.nginx.terminate()
            self.nginx.wait()
        for name in list(self.backends):
            self.kill(name)


# --- the clients


class Connection(http.client.HTTPConnection):
    """Connects to the demo's nginx, whatever the host in the URL is."""

    def __init__(self, host, *, via, **more):
        super().__init__(host, **more)
        self.via = endpoint(via)

    def connect(self):
        self.sock = socket.create_connection(self.via, self.timeout)


class Via(urllib.request.HTTPHandler):
    def __init__(self, via):
        super().__init__()
        self.via = via

    def http_open(self, request):
        return self.do_open(Connection, request, via=self.via)


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.server, self.seen = response.read().decode().splitlines()[:2]
        self.set_cookies = response.headers.get_all("Set-Cookie", [])

    def cookie(self, name):
        """Returns the value of the cookie of that name that this response sets."""
        for field in self.set_cookies:
            if field.startswith(f"{name}="):
                return field.split("=", 1)[1].split(";")[0]
        return None


class Client:
    """Keeps cookies as a browser does: Python's cookie jar decides which ones are sent."""

    def __init__(self, via, host=None, cookies=True):
        self.url = f"http://{host or via}/"
        self.jar = http.cookiejar.CookieJar()
        handlers = [Via(via), urllib.request.ProxyHandler({})]
        if cookies:
            handlers.append(urllib.request.HTTPCookieProcessor(self.jar))
        self.opener = urllib.request.build_opener(*handlers)

    def get(self, show=True, seen=False):
        request = urllib.request.Request(self.url)
        self.jar.add_cookie_header(request)
        sent = request.get_header("Cookie")
        answer = Answer(self.opener.open(request, timeout=10))
        if show:
            say(f"> GET {self.url}" + (f"   Cookie: {sent}" if sent else ""))
            if seen:
                say(f"      {answer.server} behind nginx sees: {answer.seen}")
            cookies = "".join(f"   Set-Cookie: {field}" for field in answer.set_cookies)
            say(f"< {answer.status} from {answer.server}{cookies}")
        return answer

    def give(self, name, value):
        """Adds a cookie to the jar, or changes its value."""
        for cookie in self.jar:
            if cookie.name == name:
                cookie.value = value
                return
        host = self.url.split("/")[2].split(":")[0]
        no_port, of_host, whole_path = (None, False), (host, False, False), ("/", True)
        self.jar.set_cookie(
            http.cookiejar.Cookie(0, name, value, *no_port, *of_host, *whole_path, False, None, True, None, None, {})
        )


# --- the demonstrations


def loading(servers):
    title("demo/nginx.conf: Tengine's configurations, in nginx")
    version = subprocess.run([NGINX, "-v"], stderr=subprocess.PIPE, text=True, check=True).stderr
    say("$ objs/nginx -v; objs/nginx -t -c demo/nginx.conf")
    say(version.strip())
    check(servers.test_nginx(), "nginx takes it; the [warn] is for a slip in Tengine's own example")
    for name, where in SERVERS.items():
        say(f"server {name} on {where}, process {servers.start(name)}")
    say(f"nginx on {FOO} and the three ports after it, process {servers.start_nginx()}")


def first_and_return_visits():
    title("1. The first visit, and those that follow   (Example 1: session_sticky;)")
    client = Client(FOO)
    first = client.get()
    home = first.server
    check(
        first.cookie("route") == md5(SERVERS[home]),
        f"the cookie names {home}: it is the MD5 of {SERVERS[home]}",
    )
    answers = [client.get(show=number < 1) for number in range(6)]
    say("  ... five more ...")
    check([answer.server for answer in answers] == [home] * 6, f"six return visits, all to {home}")
    check(not any(answer.set_cookies for answer in answers), "and nothing left to set")

    strangers = [Client(FOO, cookies=False).get(show=False).server for _ in range(6)]
    say("six visits by a client without cookies: " + " ".join(strangers))
    check(strangers.count("A") == strangers.count("B") == 3, "the balancer shares them out as before")

    second = Client(FOO)
    away = second.get(show=False).server
    say(f"another client was sent to {away}, and comes back:")
    check(second.get().server == away != home, f"each client keeps its own server, {home} and {away}")


def hidden_cookie():
    title("2. A cookie that the server does not see   (Example 2: cookie=uid ... option=indirect)")
    client = Client(TEST, host="www.xxx.com")
    first = client.get(seen=True)
    check("Domain=www.xxx.com" in "".join(first.set_cookies), "the cookie is for www.xxx.com")
    second = client.get(seen=True)
    check(second.seen == "no Cookie", "the client sends uid, the server gets no Cookie header at all")
    client.give("theme", "dark")
    third = client.get(seen=True)
    check(third.seen == "Cookie: theme=dark", "the client's other cookie comes through, alone")


def expiry(servers):
    title("3. A session that ends   (the article: cookie=LBSID ... maxidle=30)")
    client = Client(LB)
    first = client.get(seen=True)
    ident, last, begun = first.cookie("LBSID").split("|")
    check(
        ident == md5(SERVERS[first.server]) and last == begun,
        "the value is ID|LASTSEEN|FIRSTSEEN, and the session begins now",
    )
    now = int(time.time())
    say("the article's client comes back after 18 seconds: this one makes its cookie so much older")
    client.give("LBSID", f"{ident}|{now - 18}|{now - 18}")
    kept = client.get()
    _, last, begun = kept.cookie("LBSID").split("|")
    check(
        kept.server == first.server and int(last) >= now and int(begun) == now - 18,
        f"still {first.server}; LASTSEEN is new, FIRSTSEEN stays",
    )
    say("and then, after more than 30")
    client.give("LBSID", f"{ident}|{now - 31}|{now - 49}")
    check(int(client.get().cookie("LBSID").split("|")[2]) >= now, "a new session: FIRSTSEEN is now")

    say("")
    say(f"for real, with maxidle={MAX_IDLE}:")
    client = Client(LB_SHORT)
    home = client.get().server
    time.sleep(1)
    answer = client.get()
    _, last, begun = answer.cookie("LBSID").split("|")
    check(answer.server == home and int(last) > int(begun), "after one second the session goes on")
    say(f"  ... {MAX_IDLE + 2} seconds pass ...")
    time.sleep(MAX_IDLE + 2)
    # Round robin continues with the next server for this request, as for that of a new client.
    answer = client.get()
    ident, last, begun_anew = answer.cookie("LBSID").split("|")
    check(int(begun_anew) > int(begun) and last == begun_anew, "then it has ended, and another begins")
    check(
        answer.server != home and ident == md5(SERVERS[answer.server]),
        f"the balancer was free to choose: {answer.server}, not {home}",
    )
    line = servers.logged("[info]", "LBSID", "lb_short", "expired")
    say(f"nginx's error log, at level info: {line}")
    check(line is not None, "the log says why")


def failover(servers):
    title("4. A server that dies   (the same, fallback=on)")
    client = Client(LB)
    home = client.get().server
    say(f"# kill -9 {servers.kill(home)}, which is {home}")
    moved = client.get()
    new = moved.server
    check(
        moved.status == 200 and new != home and moved.cookie("LBSID").startswith(md5(SERVERS[new])),
        f"the client notices nothing: the session moved from {home} to {new}",
    )
    line = servers.logged("lb", "is not available")
    say(f"nginx's error log, at level info: {line}")
    check(line is not None and md5(SERVERS[home]) in line, "the log says which server, by its id")
    visits = [client.get(show=False).server for _ in range(6)]
    check(visits == [new] * 6, f"six more visits: all to {new}")
    say(f"# {home} is back, process {servers.start(home)}")
    check(client.get().server == new, f"the session stays on {new}, where its new home is")
    others = {Client(LB, cookies=False).get(show=False).server for _ in range(6)}
    say(f"six visits without cookies go to {', '.join(sorted(others))}: to {home} again when fail_timeout is over")


def interrupted(number, _):
    raise SystemExit(f"interrupted by signal {number}")


def main():
    for file in (NGINX, MODULE):
        if not file.exists():
            raise SystemExit(f"error: there is no {file.relative_to(REPO)}, run make")
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, interrupted)
    os.environ.pop("NGINX", None)

    root = Path(tempfile.mkdtemp(prefix="session-sticky-demo."))
    servers = Servers(root)
    try:
        loading(servers)
        first_and_return_visits()
        hidden_cookie()
        expiry(servers)
        failover(servers)
    finally:
        servers.end()
        shutil.rmtree(root)

    if failures:
        raise SystemExit(f"\n{failures} of the checks did not hold")
    print("\nAll held. nginx and the servers are stopped.")


main()
