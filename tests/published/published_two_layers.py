"""Two layers of proxies: an application reaches the Internet through a front that is sticky to two forward proxies.

The front is on 127.0.0.1:2200, the forward proxies on 127.0.0.1:9000 and 9001, and the Internet is the article's
program on 127.0.0.1:2233, which sets its own cookie.
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
            # A forward proxy needs the site's name.
            proxy_set_header Host $http_host;
            # The request line received by the front.
            add_header X-Front "$request" always;
        }
    }
"""

# A forward proxy adds its name to Via. The broken one connects to a closed port.
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
    """The article's program: `/` sets the cookie `age`, `/wc` returns it."""
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
    # curl talks to a proxy: the request line contains the complete URL.
    equal(answer.one("X-Front"), f"GET {SITE}{path} HTTP/1.1", "the request line at the front")
    return answer


def cookies(jar):
    """The cookies in curl's file: {name: (value, whether it is a session cookie)}."""
    lines = [line.removeprefix("#HttpOnly_").split("\t") for line in jar.read_text().splitlines()]
    return {line[5]: (line[6], line[4] == "0") for line in lines if len(line) == 7}


def test_without_cookies(lab):
    """requests without cookies are load-balanced: a 502 from one proxy, a 200 from the other, each with its route"""
    start(lab)
    first, second, third = ask("/"), ask("/"), ask("/")
    equal([first.status, second.status, third.status], [502, 200, 502], "the statuses of three requests")
    equal(first.cookie("route"), md5(BROKEN), "the route cookie, on the 502 too")
    equal(second.cookie("route"), md5(WORKING), "the route cookie of the 200")
    assert re.fullmatch(r"route=[0-9a-f]{32}; Path=/", first.one("Set-Cookie")), first.one("Set-Cookie")


def test_two_cookies_side_by_side(lab):
    """with a cookie file: the site's cookie and the route together, and every later request through that proxy"""
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
        equal(answer.all("Set-Cookie"), [], "the cookies set by a later request")
    path, sent = internet.seen[-1]
    equal(path, "/wc", "the path requested from the site")
    equal(set(sent.split("; ")), {"age=25", f"route={md5(WORKING)}"}, "the Cookie field at the site")


def test_the_failing_proxy_is_stuck_to(lab):
    """a session that begins with a 502 stays with that proxy: the front cannot know that the other one would succeed"""
    start(lab)
    jar = lab.root / "cookie.txt"
    equal(ask("/", "--cookie-jar", str(jar)).status, 502, "the first status")
    equal(cookies(jar), {"route": (md5(BROKEN), True)}, "the cookies that curl keeps")
    for _ in range(5):
        answer = ask("/wc", "--cookie", str(jar))
        equal((answer.status, answer.one("Via")), (502, BROKEN), "a later request")


def test_two_applications(lab):
    """both proxies work: two applications, one each, and the site's cookie stays with the application"""
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
