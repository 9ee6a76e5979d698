"""Two layers of proxies: an application asks the Internet through a front that is sticky to two forward proxies.

The front is on 127.0.0.1:2200, the forward proxies on 127.0.0.1:9000 and 9001, and the Internet is the article's
program on 127.0.0.1:2233, which sets a cookie of its own.
"""

import re
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

from lab import curl, equal, md5

FRONT, SITE = "127.0.0.1:2200", "http://127.0.0.1:2233"
BROKEN, WORKING = "127.0.0.1:9000", "127.0.0.1:9001"

UPSTREAM = """
    upstream proxies {
        STICKY;
        server 127.0.0.1:9000;
        server 127.0.0.1:9001;
    }
    server {
        listen 127.0.0.1:2200;
        location / {
            proxy_pass http://proxies;
            # A proxy needs the name of the site.
            proxy_set_header Host $http_host;
            # What the front itself was asked.
            add_header X-Front "$request" always;
        }
    }
"""

# A forward proxy adds to Via what it is. The broken one has no way out: what it connects to is closed.
FORWARD = """
    server {{
        listen {where};
        location / {{
            proxy_pass {out};
            proxy_set_header Host $http_host;
            add_header Via {where} always;
        }}
    }}
"""


def site(handler):
    """The article's program: `/` sets the cookie `age`, `/wc` says what it is."""
    url = urlsplit(handler.path)
    if url.path == "/wc":
        age = SimpleCookie(handler.headers.get("Cookie", "")).get("age")
        return handler.reply(age.value if age else "None")
    age = parse_qs(url.query).get("age", ["25"])[0]
    return handler.reply("Hello, world!", Set_Cookie=f"age={age}; Path=/; Max-Age=3600")


def start(lab, broken="http://127.0.0.1:1", sticky="session_sticky"):
    internet = lab.backend("internet", "127.0.0.1:2233", site)
    out = "http://$http_host$request_uri"
    lab.nginx(
        UPSTREAM.replace("STICKY", sticky)
        + FORWARD.format(where=BROKEN, out=broken or out)
        + FORWARD.format(where=WORKING, out=out)
    )
    return internet


def ask(path, *options):
    answer = curl(SITE + path, "--proxy", FRONT, *options)
    # It is a proxy that curl talks to: the whole address is in the request line.
    equal(answer.one("X-Front"), f"GET {SITE}{path} HTTP/1.1", "what the front is asked")
    return answer


def cookies(jar):
    """The cookies in curl's file: {name: (value, whether it ends with the session)}."""
    lines = [line.removeprefix("#HttpOnly_").split("\t") for line in jar.read_text().splitlines()]
    return {line[5]: (line[6], line[4] == "0") for line in lines if len(line) == 7}


def test_without_cookies(lab):
    """without cookies the requests are shared out: a 502 of the one proxy, a 200 of the other, each with its route"""
    start(lab)
    first, second, third = ask("/"), ask("/"), ask("/")
    equal([first.status, second.status, third.status], [502, 200, 502], "the statuses of three requests")
    equal(first.cookie("route"), md5(BROKEN), "the route cookie, on the 502 too")
    equal(second.cookie("route"), md5(WORKING), "the route cookie of the 200")
    assert re.fullmatch(r"route=[0-9a-f]{32}; Path=/", first.one("Set-Cookie")), first.one("Set-Cookie")


def test_two_cookies_side_by_side(lab):
    """with a cookie file: the site's cookie and the route, side by side, and every later request through that proxy"""
    internet = start(lab)
    jar = lab.root / "cookie.txt"
    ask("/")
    answer = ask("/", "--cookie-jar", str(jar))
    equal(answer.status, 200, "the status")
    equal(answer.body, "Hello, world!", "the body")
    equal(len(answer.all("Set-Cookie")), 2, "the number of cookies that are set")
    equal(cookies(jar), {"age": ("25", False), "route": (md5(WORKING), True)}, "the cookies that curl keeps")
    for _ in range(10):
        answer = ask("/wc", "--cookie", str(jar))
        equal((answer.status, answer.one("Via"), answer.body), (200, WORKING, "25"), "a later request")
        equal(answer.all("Set-Cookie"), [], "what a later request sets")
    path, sent = internet.seen[-1]
    equal(path, "/wc", "the path that the site is asked")
    equal(set(sent.split("; ")), {"age=25", f"route={md5(WORKING)}"}, "the Cookie that the site is sent")


def test_the_failing_proxy_is_stuck_to(lab):
    """a session that begins with a 502 stays with that proxy: nothing tells the front that another would do better"""
    start(lab)
    jar = lab.root / "cookie.txt"
    equal(ask("/", "--cookie-jar", str(jar)).status, 502, "the first status")
    equal(cookies(jar), {"route": (md5(BROKEN), True)}, "the cookies that curl keeps")
    for _ in range(5):
        answer = ask("/wc", "--cookie", str(jar))
        equal((answer.status, answer.one("Via")), (502, BROKEN), "a later request")


def test_two_applications(lab):
    """both proxies work: two applications, one each, and the site's cookie follows the application"""
    start(lab, broken=None)
    routes = {}
    for name, age in (("first", "31"), ("second", "32")):
        jar = lab.root / name
        ask(f"/?age={age}", "--cookie-jar", str(jar))
        routes[name] = cookies(jar)["route"][0]
        for _ in range(5):
            answer = ask("/wc", "--cookie", str(jar))
            equal((md5(answer.one("Via")), answer.body), (routes[name], age), "a later request")
    equal(set(routes.values()), {md5(BROKEN), md5(WORKING)}, "the routes of two applications")
