"""LBSID: the transcripts of an article about Tengine's module, at the times shown in them.

Its load balancer is on 127.0.0.3:978 with a server on 127.0.0.3:821, and later on 10.10.117.238 with 10.0.23.20:80.
nginx runs with a clock set to the transcripts' times.
"""

import re

from clock import Clock
from lab import curl, equal, md5

# The values shown in the article's console, in insert mode and in rewrite mode.
INSERT = "session_sticky cookie=LBSID mode=insert option=indirect maxidle=30 maxlife=3600 fallback=on"
REWRITE = "session_sticky cookie=LBSID mode=rewrite option=indirect fallback=on"

LB = """
    upstream lb {{
        {sticky}
        {servers}
    }}
    server {{
        listen {front};
        location / {{
            session_sticky_hide_cookie upstream=lb;
            proxy_pass http://lb;
        }}
    }}
"""

A, B = "10.0.23.20:80", "10.0.23.21:80"
FRONT = "http://10.10.117.238/ok"

FIRST_TIME, PLAIN_TIME = 1556447041, 1571297169


class Value:
    """ID|LASTSEEN|FIRSTSEEN"""

    def __init__(self, response):
        text = response.cookie("LBSID")
        assert text, "no LBSID is set"
        parts = re.fullmatch(r"([^|]+)\|(\d{10})\|(\d{10})", text)
        assert parts, f"the form of {text}"
        self.id, self.last, self.first = parts[1], int(parts[2]), int(parts[3])
        self.text = text


def is_now(stamp, clock, what):
    # nginx's time is that of its last wake-up, and a busy machine may be slow.
    assert clock.now() - 5 <= stamp <= clock.now(), f"{what}: {stamp}, now {clock.now()}"


def start(lab, now, sticky, servers, front):
    clock = Clock(lab, now)
    lines = " ".join(f"server {where};" for where in servers)
    lab.nginx(LB.format(sticky=f"{sticky};", servers=lines, front=front), env=clock.env)
    return clock


def two(lab, sticky, answer=None):
    backends = {where: lab.backend(where, where, answer) for where in (A, B)}
    return start(lab, PLAIN_TIME, sticky, (A, B), "10.10.117.238:80"), backends


def ask(cookie=None):
    answer = curl(FRONT, *(["--cookie", cookie] if cookie else []))
    equal(answer.status, 200, "the status")
    return answer


def test_first_visit(lab):
    """127.0.0.3:978: the cookie of the first transcript, literally, and then the second, with both its timestamps"""
    lab.backend("821", "127.0.0.3:821")
    clock = start(lab, FIRST_TIME, INSERT, ["127.0.0.3:821"], "127.0.0.3:978")
    answer = curl("http://127.0.0.3:978/")
    equal(answer.body, "821\n", "the body")
    value = Value(answer)
    equal(value.id, "d349ca31adc862f4d7e6faa19e516d6d", "the id")
    equal(value.last, value.first, "the timestamps of a first visit are the same")
    assert 0 <= value.first - FIRST_TIME <= 5, f"the time of the transcript: {value.first}"

    clock.forward(5)
    # With the attribute in the Cookie header, as the article's curl sends it.
    first = FIRST_TIME
    answer = curl("http://127.0.0.3:978/", "--cookie", f"LBSID={value.id}|{first}|{first}; Path=/")
    equal(answer.body, "821\n", "the body")
    again = Value(answer)
    equal((again.id, again.first), (value.id, first), "the server and FIRSTSEEN")
    is_now(again.last, clock, "LASTSEEN is renewed")


def test_plain_ids_without_id(lab):
    """hash=plain, servers without id=: `10.0.23.20:80|STAMP|STAMP`, kept after 18 seconds, replaced after 31"""
    clock, _ = two(lab, f"{INSERT} hash=plain")
    first = Value(ask())
    equal((first.id, first.last), (A, first.first), "the first visit")
    is_now(first.first, clock, "FIRSTSEEN")

    clock.forward(18)
    kept = ask(f"LBSID={first.text}; Path=/")
    value = Value(kept)
    equal((kept.body, value.id, value.first), (f"{A}\n", A, first.first), "after 18 seconds, of 30")
    is_now(value.last, clock, "LASTSEEN is renewed")

    # Within 30 seconds of the last visit, but not of the first.
    clock.forward(18)
    value = Value(ask(f"LBSID={value.text}"))
    equal((value.id, value.first), (A, first.first), "36 seconds after the first visit")

    clock.forward(31)
    again = ask(f"LBSID={value.text}; Path=/")
    chosen = Value(again)
    # Round robin continues, with the other server.
    equal((again.body, chosen.id), (f"{B}\n", B), "the server chosen after 31 seconds")
    equal(chosen.last, chosen.first, "both timestamps are the same")
    is_now(chosen.first, clock, "both timestamps are new")


def test_maxidle(lab):
    """25 seconds are within maxidle=30, 31 are not; with md5 and with plain"""
    clock, _ = two(lab, INSERT)
    for idle, holds in ((25, True), (31, False)):
        now = clock.now()
        value = Value(ask(f"LBSID={md5(B)}|{now - idle}|{now - idle}"))
        equal(value.first == now - idle, holds, f"FIRSTSEEN is kept after {idle} seconds")
        equal(value.id == md5(B) or not holds, True, "the server of a continued session")


def test_maxlife(lab):
    """FIRSTSEEN is for maxlife: a session in constant use ends after an hour"""
    clock, _ = two(lab, INSERT)
    value = began = Value(ask())
    for age in range(25, 3600, 25):
        clock.set(began.first + age)
        value = Value(ask(f"LBSID={value.text}"))
        equal((value.id, value.first), (began.id, began.first), f"{age} s after the first visit")
    clock.set(began.first + 3601)
    value = Value(ask(f"LBSID={value.text}"))
    is_now(value.first, clock, "FIRSTSEEN after more than an hour")


def test_transcript_of_today(lab):
    """the article's cookies are years old today: a new session, both timestamps new"""
    clock, _ = two(lab, f"{INSERT} hash=plain")
    clock.set(PLAIN_TIME + 5 * 365 * 86400)
    for text in ("10.0.23.20:80|1571297169|1571297169", "10.0.23.20:80|15734169|1571297217"):
        value = Value(ask(f"LBSID={text}; Path=/"))
        equal(value.last, value.first, "both stamps")
        is_now(value.first, clock, "both stamps")


def test_the_cookie_is_hidden(lab):
    """option=indirect: only nginx uses the cookie, the servers do not see it"""
    _, backends = two(lab, INSERT)
    value = Value(ask())
    ask(f"LBSID={value.text}")
    ask(f"LBSID={value.text}; lang=zh")
    seen = [cookie for backend in backends.values() for _, cookie in backend.seen]
    equal(sorted(seen, key=str), [None, None, "lang=zh"], "the Cookie headers of the servers")


def test_rewrite(lab):
    """rewrite: there is a session only if the server sets LBSID, and its value is replaced by the server's ID"""

    def answer(handler):
        wanted = {"Set_Cookie": "LBSID=mine; Path=/shop; HttpOnly"} if handler.path == "/login" else {}
        handler.reply(f"{handler.server.server_address[0]}:80\n", **wanted)

    two(lab, REWRITE, answer)
    equal([ask().one("Set-Cookie") for _ in range(4)], [None] * 4, "the cookies set if no server sets it")
    login = curl("http://10.10.117.238/login")
    home = login.body.strip()
    equal(login.all("Set-Cookie"), [f"LBSID={md5(home)}; Path=/shop; HttpOnly"], "the cookie of the login")
    for _ in range(6):
        answer = ask(f"LBSID={md5(home)}")
        equal((answer.body.strip(), answer.one("Set-Cookie")), (home, None), "after the login")
    equal({ask().body.strip() for _ in range(4)}, {A, B}, "the servers of requests without it")
