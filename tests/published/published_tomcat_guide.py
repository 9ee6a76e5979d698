"""docs/guides/tomcat.md with real Tomcats: sessions, logins that change the ID, and Tomcats that stop."""

import re
from pathlib import Path

from lab import equal
from published_tomcat import FRONT, TOMCATS, Tomcat, User

PAGE = Path(__file__).resolve().parents[2] / "docs/guides/tomcat.md"


def start(lab, number, route=lambda name: ""):
    """Starts both Tomcats, and nginx with the file of this number."""
    whole = re.compile(r"^```nginx\n(# /etc/nginx/nginx\.conf\n.*?)^```$", re.MULTILINE | re.DOTALL)
    file = whole.findall(PAGE.read_text())[number]
    http = re.search(r"^http \{\n(.*)^\}$", file, re.MULTILINE | re.DOTALL)[1]
    for address, name in (("192.0.2.1:8080", "tomcat1"), ("192.0.2.2:8080", "tomcat2")):
        assert address in http, f"{address} is not in the file"
        http = http.replace(address, TOMCATS[name])
    http = http.replace("listen 80;", f"listen {FRONT.removeprefix('http://')}:80;")
    tomcats = {name: Tomcat(lab, name, route(name)) for name in TOMCATS}
    for tomcat in tomcats.values():
        tomcat.start()
    lab.nginx(http.replace("/var/log/nginx/", f"{lab.root}/"))
    return tomcats


def stays(lab):
    """Two users are on two Tomcats, before and after a login that changes the ID of their sessions."""
    users = [User(lab, name) for name in ("first", "second")]
    homes = [user.visit().page["server"] for user in users]
    equal(set(homes), set(TOMCATS), "the Tomcats of two users")
    for user, home in zip(users, homes, strict=True):
        before = user.visit().page
        login = user.visit(page="login.jsp")
        assert login.page["session"] != before["session"], "the login did not change the ID"
        equal(login.cookie("JSESSIONID"), login.page["session"], "the cookie is Tomcat's own")
        for visit in range(3, 6):
            page = user.visit().page
            equal((page["server"], page["visits"]), (home, str(visit)), "a visit after the login")
            equal(page["session"], login.page["session"], "its session")
    return users, homes


def test_cookie_beside(lab):
    """A, `follow=JSESSIONID`: nginx's cookie is set and deleted along with Tomcat's, and changes with a move"""
    tomcats = start(lab, 0)
    users, homes = stays(lab)
    assert "route" in users[0].jar.read_text(), "nginx did not set its cookie"
    users[1].visit(page="logout.jsp")
    assert "route" not in users[1].jar.read_text(), "the cookie was not deleted by a logout"
    tomcats[homes[0]].stop()
    moved = users[0].visit().page
    equal((moved["server"], moved["visits"]), (homes[1], "1"), "the first visit after the Tomcat was stopped")
    equal(users[0].visit().page["visits"], "2", "the visits of the new session")


def test_route(lab):
    """B, `mode=route`: nginx follows the jvmRoute, sets no cookie, and follows the new session after a move"""
    tomcats = start(lab, 1, route=lambda name: name)
    users, homes = stays(lab)
    for user, home in zip(users, homes, strict=True):
        session = user.visit().page["session"]
        assert session.endswith(f".{home}"), session
        assert "route" not in user.jar.read_text(), "nginx set a cookie"
        stranger = User(lab, f"stranger-{home}")
        equal(stranger.visit(f";jsessionid={session}").page["server"], home, "the server for the ID in the URL")
    tomcats[homes[0]].stop()
    moved = users[0].visit().page
    equal((moved["server"], moved["visits"]), (homes[1], "1"), "the first visit after the Tomcat was stopped")
    tomcats[homes[0]].start()
    equal(users[0].visit().page["visits"], "2", "the visits of the new session after the Tomcat is back")
