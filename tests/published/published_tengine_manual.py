"""Tengine's manual: its two examples unchanged, and its statements about each parameter."""

import re

from clock import Clock
from lab import curl, equal, md5

A, B = "192.168.0.1:80", "192.168.0.2:80"

EXAMPLE_1 = """
# default: cookie=route mode=insert fallback=on
upstream foo {
    server 192.168.0.1;
    server 192.168.0.2;
    session_sticky;
}

server {
    listen 127.0.0.1:80;
    location / {
        proxy_pass http://foo;
    }
}
"""

EXAMPLE_2 = """
# insert + indirect mode:
upstream test {
    session_sticky session_sticky cookie=uid domain=www.xxx.com fallback=on path=/ mode=insert option=indirect;
    server  127.0.0.1:8080;
}

server {
    listen 127.0.0.1:80;
    location / {
        # You need configure session_sticky_hide_cookie in insert + indirect mode or prefix mode.
        # It removes the cookie before sending to backend server, and the backend server will not
        # receive and process this extra cookie.
        session_sticky_hide_cookie upstream=test;
        proxy_pass http://test;
    }
}
"""

FRONT = "http://127.0.0.1/"


def with_parameters(parameters, more=""):
    text = EXAMPLE_1.replace("session_sticky;", f"session_sticky {parameters};")
    return text.replace("proxy_pass", f"{more}\n        proxy_pass")


def says_cookie(handler):
    """Answers with its address and the Cookie field it received; /sets sets a cookie."""
    fields = {"Set_Cookie": "NAME=VALUE; Path=/; HttpOnly"} if handler.path == "/sets" else {}
    address = ":".join(map(str, handler.server.server_address))
    handler.reply(f"{address}\n{handler.headers.get('Cookie', '')}\n", **fields)


def start(lab, parameters=None, more="", env=None):
    for where in (A, B):
        lab.backend(where, where, says_cookie)
    lab.nginx(EXAMPLE_1 if parameters is None else with_parameters(parameters, more), env=env)


def ask(cookie=None, path="", status=200):
    """(the server, the Cookie field it received, the response)"""
    answer = curl(FRONT + path, *(["--cookie", cookie] if cookie else []))
    equal(answer.status, status, f"the status: {answer.body}")
    server, sent = (answer.body.split("\n") + ["", ""])[:2]
    return server, sent, answer


def test_example_1(lab):
    """Example 1: two clients, two servers, and each stays on its own"""
    start(lab)
    homes = []
    for _ in range(2):
        home, _, answer = ask()
        homes.append(home)
        equal(answer.all("Set-Cookie"), [f"route={md5(home)}; Path=/"], "the cookie")
        for _ in range(5):
            server, sent, answer = ask(f"route={md5(home)}")
            equal((server, answer.all("Set-Cookie")), (home, []), "a later visit")
            equal(sent, f"route={md5(home)}", "the cookie seen by the server")
    equal(sorted(homes), [A, B], "the servers of two clients")


def test_example_2(lab):
    """Example 2, with the directive's deprecated name: uid, for www.xxx.com, and the server never sees it"""
    backend = lab.backend("only", "127.0.0.1:8080", says_cookie)
    nginx = lab.nginx(EXAMPLE_2)
    ident = md5("127.0.0.1:8080")
    jar = lab.root / "jar"
    options = ("--resolve", "www.xxx.com:80:127.0.0.1", "--cookie", str(jar), "--cookie-jar", str(jar))
    jar.touch()
    answer = curl("http://www.xxx.com/", *options)
    equal(answer.all("Set-Cookie"), [f"uid={ident}; Domain=www.xxx.com; Path=/"], "the cookie")
    answer = curl("http://www.xxx.com/", *options)
    equal(answer.all("Set-Cookie"), [], "the cookies set for a client that has it")
    # The cookie is not valid for another host of the same server block.
    answer = curl("http://yyy.com/", *options, "--resolve", "yyy.com:80:127.0.0.1")
    equal(len(answer.all("Set-Cookie")), 1, "the number of cookies set for another host")
    equal([cookie for _, cookie in backend.seen], [None] * 3, "the Cookie fields seen by the server")
    log = nginx.error_log.read_text()
    assert re.search(r"\[warn\].*session_sticky", log), "the name that stands twice is worth a [warn]"


def test_cookie_domain_path(lab):
    """cookie, domain, path: the name, and the attributes of these names"""
    start(lab, "cookie=name domain=your_domain path=/your_path")
    home, _, answer = ask()
    equal(answer.one("Set-Cookie"), f"name={md5(home)}; Domain=your_domain; Path=/your_path", "the cookie")
    equal(ask(f"name={md5(B)}")[0], B, "the server named in the cookie")


def test_maxage(lab):
    """maxage: without it a session cookie, with it Max-Age, and Expires at that time from now"""
    clock = Clock(lab, 1700000000)
    start(lab, "maxage=3600", env=clock.env)
    field = ask()[2].one("Set-Cookie")
    parts = re.search(r"; Max-Age=3600; Expires=Tue, 14 Nov 2023 23:13:(\d\d) GMT$", field)
    assert parts and 20 <= int(parts[1]) <= 29, field


def test_prefix(lab):
    """mode=prefix: NAME=SRV~VALUE for the client, NAME=VALUE for the server; nginx sets no cookie of its own"""
    start(lab, "cookie=NAME mode=prefix", "session_sticky_hide_cookie upstream=foo;")
    equal(ask()[2].all("Set-Cookie"), [], "the cookies set if the server sets none")
    home, _, answer = ask(path="sets")
    equal(answer.all("Set-Cookie"), [f"NAME={md5(home)}~VALUE; Path=/; HttpOnly"], "the cookie")
    for _ in range(4):
        server, sent, _ = ask(f"NAME={md5(home)}~VALUE")
        equal((server, sent), (home, "NAME=VALUE"), "what the server gets back")


def test_rewrite(lab):
    """mode=rewrite: the server's own cookie, with the server's ID as its value"""
    start(lab, "cookie=NAME mode=rewrite")
    equal(ask()[2].all("Set-Cookie"), [], "the cookies set if the server sets none")
    home, _, answer = ask(path="sets")
    equal(answer.all("Set-Cookie"), [f"NAME={md5(home)}; Path=/; HttpOnly"], "the cookie")
    equal({ask(f"NAME={md5(home)}")[0] for _ in range(4)}, {home}, "the servers for the cookie")


def test_option(lab):
    """option: indirect hides the cookie from the server, direct does not"""
    start(lab, "option=indirect", "session_sticky_hide_cookie upstream=foo;")
    equal(ask(f"a=b; route={md5(A)}; c=d")[1], "a=b; c=d", "what the server sees")
    lab.close()
    start(lab, "option=direct", "session_sticky_hide_cookie upstream=foo;")
    equal(ask(f"a=b; route={md5(A)}")[1], f"a=b; route={md5(A)}", "what the server sees with direct")


def test_maxidle_and_maxlife(lab):
    """maxidle, maxlife: each ends a session, but not earlier"""
    clock = Clock(lab, 1700000000)
    start(lab, "maxidle=60 maxlife=600", env=clock.env)
    now = clock.now()
    for last, first, holds in ((50, 50, True), (50, 590, True), (65, 65, False), (10, 605, False)):
        home, _, answer = ask(f"route={md5(B)}|{now - last}|{now - first}")
        began = int(answer.cookie("route").split("|")[2])
        equal(began == now - first, holds, f"a session of {first} s, idle for {last} s, continues")
        assert not holds or home == B, "a continued session is not on its server"


def test_fallback(lab):
    """fallback: on, another server answers and takes the session; off, the client gets 502"""
    lab.backend(A, A, says_cookie)
    lab.nginx(EXAMPLE_1)
    for _ in range(3):
        server, _, answer = ask(f"route={md5(B)}")
        equal((server, answer.cookie("route")), (A, md5(A)), "with fallback=on")
    lab.close()
    lab.backend(A, A, says_cookie)
    lab.nginx(with_parameters("fallback=off"))
    for _ in range(3):
        equal(ask(f"route={md5(B)}", status=502)[2].cookie("route"), None, "with fallback=off")
        equal(ask(f"route={md5(A)}")[0], A, "a session on the other server")


def test_hash(lab):
    """hash: the server in plain text, or its MD5, which is the default"""
    start(lab, "hash=plain")
    home, _, answer = ask()
    equal(answer.cookie("route"), home, "with hash=plain")
    equal(ask(f"route={B}")[0], B, "the server for it")
    lab.close()
    start(lab, "hash=md5")
    home, _, answer = ask()
    equal(answer.cookie("route"), md5(home), "with hash=md5")
