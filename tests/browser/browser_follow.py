"""A browser with sessions that follow the application's: logging in, out, and in as another user."""

from urllib.parse import urlsplit

import pages
from browser_cookies import FRONT, SERVERS, browse, names_in, stays, wanders
from lab import equal, md5


def answers(name):
    """The usual pages, and below /NAME/ some that begin and end a session of the application."""
    page = pages.answer(name)

    def handle(handler):
        first, _, last = urlsplit(handler.path).path.strip("/").partition("/")
        if last == "login":
            lives = "Max-Age=600; " if first == "kept" else ""
            return handler.reply("welcome", Set_Cookie=f"sid=of-{name}; {lives}Path=/{first}; HttpOnly; SameSite=Lax")
        if last == "logout":
            return handler.reply("bye", Set_Cookie=f"sid=; Max-Age=0; Path=/{first}; HttpOnly; SameSite=Lax")
        return page(handler)

    return handle


def start(lab, **policies):
    """Two servers, and nginx with a location /NAME/ for each NAME=policy."""
    for name, where in SERVERS.items():
        lab.backend(name, where, answers(name))
    lines = " ".join(f"server {where};" for where in SERVERS.values())
    upstreams = "".join(
        f"upstream {name} {{ {lines} session_sticky {policy}; }}\n" for name, policy in policies.items()
    )
    locations = "".join(f"location /{name}/ {{ proxy_pass http://{name}; }}\n" for name in policies)
    lab.nginx(f"{upstreams} server {{ listen {FRONT}:80; {locations} }}")


def logs_in(browser, path):
    """Logs in, and returns the session's server, on which it stays."""
    browser.open(f"{path}login")
    home = browser.cookie("sid")["value"].removeprefix("of-")
    equal(browser.cookie("route")["value"], md5(SERVERS[home]), "the server of the module's cookie")
    equal(stays(browser, path), home, "the server of the session")
    return home


def test_users_of_one_browser(lab):
    """log in, log out, log in as another user, who may get another server and keeps it"""
    start(lab, app="follow=sid path=/app httponly")
    browser = browse(lab)
    homes = set()
    for turn in range(4):
        wanders(browser, "http://app.test/app/")
        assert "route" not in browser.names(), "an anonymous visitor has a cookie"
        homes.add(logs_in(browser, "http://app.test/app/"))
        browser.open("http://app.test/app/logout")
        equal(set(browser.names()) & {"sid", "route"}, set(), "the cookies after logging out")
        # One more page every second time, so that the users begin on different servers.
        for _ in range(1 + turn % 2):
            browser.open("http://app.test/app/")
        assert "route" not in names_in(browser.seen()), "it was sent after logging out"
    equal(homes, set(SERVERS), "the servers of the users")


def test_attributes(lab):
    """the module's cookie lasts as long as the application's, with the same path"""
    start(lab, kept="follow=sid", brief="follow=sid cookie=route2 path=/")
    browser = browse(lab)
    browser.open("http://app.test/kept/login")
    ours, theirs = browser.cookie("route"), browser.cookie("sid")
    for name in ("domain", "path", "sameSite"):
        equal(ours[name], theirs[name], name)
    assert abs(ours["expires"] - theirs["expires"]) <= 1, "they expire at different times"
    browser.open("http://app.test/brief/login")
    equal(browser.cookie("route2")["session"], True, "it ends with the browser's session")
    equal(browser.cookie("route2")["path"], "/", "the path of the directive")


def test_an_anonymous_page_beside_a_session(lab):
    """a session for one folder, and pages of another, which are load-balanced"""
    start(lab, app="follow=sid cookie=route", shop="follow=basket cookie=route")
    browser = browse(lab)
    home = logs_in(browser, "http://app.test/app/")
    wanders(browser, "http://app.test/shop/")
    equal(stays(browser, "http://app.test/app/"), home, "the server of the session")
