"""The two layers of proxies with nginx-sticky-module-ng's own line, `sticky;`: each response sets its cookie."""

from lab import equal, md5
from published_two_layers import BROKEN, WORKING, ask, cookies, start


def test_transcript(lab):
    """the transcript: a 502 with its route, a 200 with the other's, then one proxy for all requests"""
    internet = start(lab, sticky="sticky")
    first = ask("/")
    equal((first.status, first.all("Set-Cookie")), (502, [f"route={md5(BROKEN)}; Path=/"]), "the first request")
    jar = lab.root / "cookie.txt"
    answer = ask("/", "--cookie-jar", str(jar))
    equal((answer.status, answer.cookie("route")), (200, md5(WORKING)), "the second request")
    equal(cookies(jar), {"age": ("25", False), "route": (md5(WORKING), True)}, "the cookies that curl keeps")
    for _ in range(10):
        answer = ask("/wc", "--cookie", str(jar))
        equal((answer.status, answer.one("Via"), answer.body), (200, WORKING, "25"), "a later request")
        equal(answer.all("Set-Cookie"), [f"route={md5(WORKING)}; Path=/"], "the cookies it sets")
    pairs = set(internet.seen[-1][1].split("; "))
    equal(pairs, {"age=25", f"route={md5(WORKING)}"}, "the Cookie field at the site")


def test_the_failing_proxy_is_stuck_to(lab):
    """a session that begins with a 502 stays with that proxy, and each 502 sets its route"""
    start(lab, sticky="sticky")
    jar = lab.root / "cookie.txt"
    equal(ask("/", "--cookie-jar", str(jar)).status, 502, "the first status")
    for _ in range(5):
        answer = ask("/wc", "--cookie", str(jar))
        wanted = (502, BROKEN, [f"route={md5(BROKEN)}; Path=/"])
        equal((answer.status, answer.one("Via"), answer.all("Set-Cookie")), wanted, "a later request")
