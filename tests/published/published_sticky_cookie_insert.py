"""`sticky_cookie_insert` as in the article: clients with one address are distinguished by a cookie for 3evip.cn."""

import re

from lab import curl, equal, md5

# Both names are in tests/published/hosts.
SERVERS = {"backend1.example.com": "192.168.0.1:80", "backend2.example.com": "192.168.0.2:80"}

CONFIGURATION = """
upstream backend {
    server backend1.example.com;
    server backend2.example.com;
    sticky_cookie_insert srv_id expires=1h domain=3evip.cn path=/;
}
server {
    listen 127.0.0.1:80;
    location / { proxy_pass http://backend; }
}
"""


def start(lab):
    backends = {name: lab.backend(name, where) for name, where in SERVERS.items()}
    lab.nginx(CONFIGURATION)
    return backends


def visit(jar, host="3evip.cn"):
    jar.touch()
    options = ("--resolve", f"{host}:80:127.0.0.1", "--cookie", str(jar), "--cookie-jar", str(jar))
    answer = curl(f"http://{host}/", *options)
    equal(answer.status, 200, "the status")
    return answer


def test_cookie(lab):
    """srv_id for an hour, for 3evip.cn and the hosts below it, with the MD5 of the server's address"""
    start(lab)
    answer = visit(lab.root / "jar")
    fields = answer.all("Set-Cookie")
    equal(len(fields), 1, "the number of cookies")
    value, *attributes = fields[0].split("; ")
    equal(value, f"srv_id={md5(SERVERS[answer.body.strip()])}", "the cookie")
    attributes = {each.split("=")[0].lower(): each for each in attributes}
    equal(attributes["domain"].split("=")[1], "3evip.cn", "its domain")
    equal(attributes["path"].split("=")[1], "/", "its path")
    equal(attributes["max-age"].split("=")[1], "3600", "its age")
    assert re.search(r" GMT$", attributes["expires"]), attributes["expires"]


def test_clients_of_one_address(lab):
    """two clients behind one address: each stays, and unlike with ip_hash they may have different servers"""
    start(lab)
    homes = []
    for name in ("first", "second"):
        jar = lab.root / name
        homes.append(visit(jar).body)
        equal([visit(jar).body for _ in range(5)], [homes[-1]] * 5, "the servers of later visits")
        equal(visit(jar, "www.3evip.cn").body, homes[-1], "the server for a host below the domain")
    equal(len(set(homes)), 2, "the number of servers of two clients")


def test_server_dies(lab):
    """a server stops: its clients move, and stay on the new server"""
    backends = start(lab)
    jar = lab.root / "jar"
    home = visit(jar).body.strip()
    backends[home].close()
    new = visit(jar).body.strip()
    assert new != home, "the stopped server answered"
    equal([visit(jar).body.strip() for _ in range(4)], [new] * 4, "the servers of later visits")
