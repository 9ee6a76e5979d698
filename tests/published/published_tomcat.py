"""Two Tomcats behind nginx: a login, a Tomcat that is stopped and started again.

First with nginx's own cookie, as in the article. The second half has the author's actual goal: Tomcat's own
JSESSIONID, which contains the server.
"""

import os
import re
import shutil
from pathlib import Path

from lab import curl, equal, listens, md5, soon

HERE = Path(__file__).resolve().parent
CATALINA_HOME = "/usr/share/tomcat10"
TOMCATS = {"tomcat1": "172.25.12.2:8080", "tomcat2": "172.25.12.3:8080"}
FRONT = "http://172.25.12.1"

SERVER_XML = """<Server port="-1">
  <Service name="Catalina">
    <Connector address="{address}" port="{port}" protocol="HTTP/1.1" maxThreads="10" minSpareThreads="1"/>
    <Engine name="Catalina" defaultHost="localhost"{route}>
      <Host name="localhost" appBase="webapps" autoDeploy="false" deployOnStartup="true" startStopThreads="1"/>
    </Engine>
  </Service>
</Server>
"""

NGINX = """
    upstream tomcat {{
        server 172.25.12.2:8080;
        server 172.25.12.3:8080;
        {sticky}
    }}
    server {{
        listen 172.25.12.1:80;
        location ~ \\.jsp$ {{
            proxy_pass http://tomcat;
            proxy_connect_timeout 2s;
        }}
    }}
"""


class Tomcat:
    """Debian's tomcat10 with a few pages, in its own folder."""

    def __init__(self, lab, name, route=""):
        self.lab, self.name, self.where = lab, name, TOMCATS[name]
        self.base = lab.root / name
        for folder in ("conf", "webapps/ROOT/WEB-INF", "logs", "temp", "work"):
            (self.base / folder).mkdir(parents=True)
        address, port = self.where.split(":")
        text = SERVER_XML.format(address=address, port=port, route=route and f' jvmRoute="{route}"')
        (self.base / "conf/server.xml").write_text(text)
        # Only the part of Debian's configuration that declares the JSP servlet.
        shutil.copy(f"{CATALINA_HOME}/skel/conf/web.xml", self.base / "conf/web.xml")
        for page in (HERE / "tomcat").glob("*.jsp"):
            shutil.copy(page, self.base / "webapps/ROOT/")
        self.process = None

    def start(self):
        env = {
            "CATALINA_HOME": CATALINA_HOME,
            "CATALINA_BASE": str(self.base),
            "CATALINA_OPTS": f"-Xmx128m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Dtomcat.name={self.name}",
        }
        command = ["sh", f"{CATALINA_HOME}/bin/catalina.sh", "run"]
        self.process = self.lab.process(command, env=env, log=f"{self.name}.log", cwd=self.base)

        def ready():
            log = (self.lab.root / f"{self.name}.log").read_text()
            assert self.process.poll() is None, f"{self.name} does not start: {log[-2000:]}"
            return listens(self.where)

        assert soon(ready, 60), f"{self.name} does not listen on {self.where}"

    def stop(self):
        """Like shutdown.sh: an orderly shutdown, which writes the sessions to disk."""
        self.process.terminate()
        self.process.wait(30)

    def forget(self):
        """Starts it without its sessions, like the user's Tomcat."""
        for file in self.base.rglob("SESSIONS.ser"):
            file.unlink()


def start_both(lab, sticky, route=lambda name: ""):
    tomcats = {name: Tomcat(lab, name, route(name)) for name in TOMCATS}
    for tomcat in tomcats.values():
        tomcat.start()
    lab.nginx(NGINX.format(sticky=sticky))
    return tomcats


class User:
    """A browser's cookies, kept by curl."""

    def __init__(self, lab, name):
        self.jar, self.name = lab.root / f"{name}.cookies", name
        self.jar.touch()

    def visit(self, query="", page="test.jsp"):
        response = curl(f"{FRONT}/{page}{query}", "--cookie", str(self.jar), "--cookie-jar", str(self.jar))
        equal(response.status, 200, f"the status for {self.name}: {response.body}")
        response.page = dict(line.split("=", 1) for line in response.body.splitlines() if "=" in line)
        return response


def login_and_failover(lab, sticky):
    tomcats = start_both(lab, sticky)
    user = User(lab, "lnmp")
    first = user.visit("?user=lnmp")
    home = first.page["server"]
    equal(first.cookie("route"), md5(TOMCATS[home]), "the route cookie")
    assert first.cookie("JSESSIONID"), "Tomcat did not set its own cookie"

    for visit in range(2, 7):
        page = user.visit().page
        equal((page["server"], page["user"], page["visits"]), (home, "lnmp", str(visit)), "a visit after the login")
        assert f"route={md5(TOMCATS[home])}" in page["cookies"], "option=direct: Tomcat did not see both cookies"

    # Another user is on the other one, so the login does not stay by chance.
    other = User(lab, "other")
    away = other.visit("?user=other").page["server"]
    assert away != home, "round robin did not select the other Tomcat"

    tomcats[home].stop()
    moved = user.visit()
    equal(moved.page["server"], away, "the server after the user's Tomcat was stopped")
    equal(moved.cookie("route"), md5(TOMCATS[away]), "the route cookie after that")
    equal((moved.page["user"], moved.page["visits"]), ("", "1"), "the user and visits on the other Tomcat")
    for visit in range(2, 5):
        page = user.visit().page
        equal((page["server"], page["visits"]), (away, str(visit)), "a later visit on the second Tomcat")
    page = other.visit().page
    equal((page["server"], page["user"], page["visits"]), (away, "other", "2"), "the other user, who did not move")

    tomcats[home].start()
    page = user.visit("?user=again").page
    equal((page["server"], page["visits"]), (away, "5"), "a visit after the first Tomcat is back")


def test_login_and_failover(lab):
    """two Tomcats: the login is kept, its Tomcat is stopped, the user moves, it is started again"""
    login_and_failover(lab, "session_sticky;")


def test_own_cookie_carries_the_server(lab):
    """`session_sticky cookie=JSESSIONID mode=prefix`: Tomcat's cookie contains the server, nothing else is set,
    and Tomcat does not see the server"""
    start_both(lab, "session_sticky cookie=JSESSIONID mode=prefix;")
    homes = set()
    for name in ("first", "second"):
        user = User(lab, name)
        answer = user.visit(f"?user={name}")
        home, session = answer.page["server"], answer.page["session"]
        homes.add(home)
        equal(len(answer.all("Set-Cookie")), 1, "the number of cookies that are set")
        equal(answer.cookie("JSESSIONID"), f"{md5(TOMCATS[home])}~{session}", "JSESSIONID")
        field = answer.one("Set-Cookie")
        assert re.search(r"; Path=/; HttpOnly$", field), f"not Tomcat's attributes: {field}"
        for visit in range(2, 6):
            answer = user.visit()
            equal(answer.all("Set-Cookie"), [], "the cookies that a later visit sets")
            page = answer.page
            equal((page["server"], page["user"], page["visits"]), (home, name, str(visit)), "a later visit")
            equal((page["session"], page["cookies"]), (session, f"JSESSIONID={session}"), "what Tomcat sees")
    equal(homes, set(TOMCATS), "the Tomcats of two users")


def test_own_cookie_failover(lab):
    """the same, one Tomcat stopped: Tomcat gives the user a new session, whose cookie contains the other server"""
    tomcats = start_both(lab, "session_sticky cookie=JSESSIONID mode=prefix;")
    user = User(lab, "user")
    first = user.visit("?user=u").page
    away = next(name for name in TOMCATS if name != first["server"])
    tomcats[first["server"]].stop()
    moved = user.visit()
    equal((moved.page["server"], moved.page["user"], moved.page["visits"]), (away, "", "1"), "the first visit after")
    equal(moved.page["cookies"], f"JSESSIONID={first['session']}", "the cookies sent to the other Tomcat")
    equal(moved.cookie("JSESSIONID"), f"{md5(TOMCATS[away])}~{moved.page['session']}", "the new cookie")
    tomcats[first["server"]].forget()
    tomcats[first["server"]].start()
    page = user.visit().page
    equal((page["server"], page["visits"]), (away, "2"), "the visit after the first Tomcat came back")


def test_logging_out(lab):
    """the same with `preserve`: a cookie deleted by Tomcat is deleted in the browser, and the next visit is a first
    visit"""
    start_both(lab, "session_sticky cookie=JSESSIONID mode=prefix preserve;")
    user = User(lab, "user")
    homes = []
    for name in ("once", "again"):
        page = user.visit(f"?user={name}").page
        equal((page["user"], page["visits"], page["cookies"]), (name, "1", ""), "the first visit")
        equal([user.visit().page["visits"] for _ in range(3)], ["2", "3", "4"], "the counted visits")
        left = user.visit(page="logout.jsp")
        equal(left.page["server"], page["server"], "the server of the logout")
        equal(len(left.all("Set-Cookie")), 1, "the number of cookies it sets")
        field = left.one("Set-Cookie")
        assert re.fullmatch(r"JSESSIONID=; Max-Age=0; Expires=Thu, 01[ -]Jan[ -]1970 00:00:10 GMT; Path=/", field), (
            field
        )
        assert "JSESSIONID" not in user.jar.read_text(), "the browser still has it"
        homes.append(page["server"])
    equal(set(homes), set(TOMCATS), "the servers of the two sessions, by round robin")


def test_jvm_route_may_stay(lab):
    """Tomcats with `jvmRoute`, as Apache requires: the session ID ends with it, and nginx's ID is before it"""
    start_both(lab, "session_sticky cookie=JSESSIONID mode=prefix;", route=lambda name: name)
    user = User(lab, "user")
    first = user.visit()
    home, session = first.page["server"], first.page["session"]
    assert session.endswith(f".{home}"), session
    equal(first.cookie("JSESSIONID"), f"{md5(TOMCATS[home])}~{session}", "JSESSIONID")
    equal([user.visit().page["visits"] for _ in range(3)], ["2", "3", "4"], "the counted visits")


assert os.path.isdir(CATALINA_HOME), "tomcat10-user is not installed"
