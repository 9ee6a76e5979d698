"""The measured cases: the configuration, the cookies sent by the client and by the upstream server, and the base.

The base of a case is round robin with the same nginx and a cookie of the same length.
"""

from dataclasses import dataclass

# the cookie set by the application with mode=rewrite and mode=prefix
APPLICATION = "route=session-of-the-application; Path=/; HttpOnly"

# with room for 100,000 sessions, also in nginx's own zone
LEARNED = "create=$upstream_cookie_route lookup=$cookie_route zone=sessions:32m"

KEYS = "key_file=keys"

STATUS = "session_sticky_status;"
CONTROL = f"{STATUS} session_sticky_control on; allow 127.0.0.1; deny all;"


@dataclass(frozen=True)
class Case:
    name: str
    #: the directives in the upstream block; None: the module is not loaded
    upstream: str | None
    #: the cookie sent by the client: none, id, keyed, stamps, signed, prefix; learned: the ID of a session that the
    #: application has started
    cookie: str
    base: str | None = None
    #: the directives in a separate server block
    endpoint: str = ""
    #: whether the upstream server sets the cookie
    sets: bool = False
    #: whether the response to the client sets the cookie
    answer_sets: bool = False
    #: whether the request is bound to the server that its cookie names
    bound: bool = False

    def title(self):
        return TITLES[self.name]


CASES = [
    Case("base", None, "none"),
    Case("base-id", None, "id"),
    Case("base-stamps", None, "stamps"),
    Case("base-signed", None, "signed"),
    Case("base-sets", None, "id", sets=True, answer_sets=True),
    Case("base-sets-prefix", None, "prefix", sets=True, answer_sets=True),
    Case("unused", "", "id", "base-id"),
    Case("carried", "session_sticky;", "id", "base-id", bound=True),
    Case("indirect", "session_sticky option=indirect;", "id", "base-id", bound=True),
    Case(
        "renewed",
        "session_sticky maxidle=1h maxlife=1d;",
        "stamps",
        "base-stamps",
        answer_sets=True,
        bound=True,
    ),
    Case("keyed", f"session_sticky hash=hmac {KEYS};", "keyed", "base-id", bound=True),
    Case("fresh", "session_sticky maxidle=1h maxlife=1d refresh=6m;", "stamps", "base-stamps", bound=True),
    Case(
        "signed",
        f"session_sticky maxidle=1h maxlife=1d sign {KEYS};",
        "signed",
        "base-signed",
        answer_sets=True,
        bound=True,
    ),
    Case(
        "signed-fresh",
        f"session_sticky maxidle=1h maxlife=1d refresh=6m sign {KEYS};",
        "signed",
        "base-signed",
        bound=True,
    ),
    Case("follow", "session_sticky follow=lang;", "id", "base-id", bound=True),
    Case("first-visit", "session_sticky;", "none", "base", answer_sets=True),
    Case("counted", "session_sticky;", "id", "base-id", endpoint=STATUS, bound=True),
    Case("counted-first", "session_sticky;", "none", "base", endpoint=STATUS, answer_sets=True),
    Case("controlled", "session_sticky;", "id", "base-id", endpoint=CONTROL, bound=True),
    Case("controlled-first", "session_sticky;", "none", "base", endpoint=CONTROL, answer_sets=True),
    Case(
        "prefix",
        "session_sticky mode=prefix;",
        "prefix",
        "base-sets-prefix",
        sets=True,
        answer_sets=True,
        bound=True,
    ),
    Case(
        "rewrite",
        "session_sticky mode=rewrite;",
        "id",
        "base-sets",
        sets=True,
        answer_sets=True,
        bound=True,
    ),
    Case("route", "session_sticky mode=route lookup=$cookie_route;", "id", "base-id", bound=True),
    Case("learned", f"session_sticky mode=learn {LEARNED};", "learned", "base-id", bound=True),
]

# nginx's own `sticky`, available since 1.29.6
OWN_CASES = [
    Case("base", None, "none"),
    Case("base-id", None, "id"),
    # every response sets the cookie again
    Case("own-carried", "sticky cookie route;", "id", "base-id", answer_sets=True, bound=True),
    Case("own-first-visit", "sticky cookie route;", "none", "base", answer_sets=True),
    Case("own-route", "sticky route $cookie_route;", "id", "base-id", bound=True),
    Case("own-learned", f"sticky learn {LEARNED};", "learned", "base-id", bound=True),
]

TITLES = {
    "base": "round robin, no session cookie",
    "base-id": "round robin, cookies of the same length",
    "base-stamps": "round robin, cookies of the same length as with stamps",
    "base-signed": "round robin, cookies of the same length as with stamps and a signature",
    "base-sets": "round robin, the upstream server sets the cookie",
    "base-sets-prefix": "round robin, the upstream server sets the cookie, longer request",
    "unused": "module loaded, not used",
    "carried": "insert: request of a session",
    "indirect": "insert, `option=indirect`: request of a session",
    "renewed": "insert, `maxidle=` and `maxlife=`: stamps renewed",
    "keyed": "`hash=hmac`: request of a session",
    "fresh": "`refresh=`: request of a session, stamps are fresh",
    "signed": "`sign`: stamps renewed",
    "signed-fresh": "`sign` and `refresh=`: request of a session, stamps are fresh",
    "follow": "`follow=`: request of a session",
    "first-visit": "insert: first request, sets the cookie",
    "counted": "`session_sticky_status`: request of a session",
    "counted-first": "`session_sticky_status`: first request",
    "controlled": "`session_sticky_control`: request of a session",
    "controlled-first": "`session_sticky_control`: first request",
    "prefix": "prefix: request of a session, the upstream server sets the cookie",
    "rewrite": "rewrite: request of a session, the upstream server sets the cookie",
    "route": "route: the application's cookie names the server",
    "learned": "learn: request of a learned session",
    "own-carried": "nginx's own `sticky cookie`: request of a session",
    "own-first-visit": "nginx's own `sticky cookie`: first request",
    "own-route": "nginx's own `sticky route`",
    "own-learned": "nginx's own `sticky learn`: request of a learned session",
}


def by_name(cases=None):
    return {case.name: case for case in cases or CASES}
