"""WebSocket behind nginx: ip_hash with the article's headers and `map`, and with a cookie."""

from lab import curl, equal, md5
from websocket import Client, Server

SERVERS = {"86": "172.17.15.86:8723", "85": "172.17.15.85:8723"}

# The article's configuration, except for the names of the log and the port.
MAP = """
  map $http_upgrade $connection_upgrade {
    default upgrade;
    ''      close;
  }
"""
SERVER = """
server {
    listen       80;
    server_name localhost;
    location / {
      proxy_pass http://websocket;
      proxy_read_timeout 300s;
      proxy_set_header Host $host;
      proxy_set_header X-Real-IP $remote_addr;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
        }
    }
"""
IP_HASH = """
  upstream websocket {
    ip_hash;
    server 172.17.15.86:8723 weight=2;
    server 172.17.15.85:8723 weight=2;
  }
"""
BY_COOKIE = """
  upstream websocket {
    server 172.17.15.86:8723 weight=2;
    server 172.17.15.85:8723 weight=2;
    session_sticky;
  }
"""
# Both: ip_hash without a cookie, and the cookie otherwise.
BY_BOTH = BY_COOKIE.replace("session_sticky;", "session_sticky;\n    ip_hash;")

FRONT = "127.0.0.1:80"


def start(lab, upstream):
    servers = {name: Server(lab, name, where) for name, where in SERVERS.items()}
    lab.nginx(MAP + upstream + SERVER)
    return servers


def speaker(client, text):
    """The server that answers, and the number of messages of this connection there."""
    answer = client.say(text)
    assert answer, f"no answer to {text!r}"
    name, count, echo = answer.split(" ", 2)
    equal(echo, text, "the echo")
    return name, int(count)


def test_ip_hash(lab):
    """ip_hash with the article's headers: one address, one server; the module is loaded but not used"""
    servers = start(lab, IP_HASH)
    homes = set()
    for number in range(6):
        client = Client(FRONT, f"/chat?id={number}")
        equal(client.response.one("Upgrade"), "websocket", "Upgrade in the response")
        equal(client.response.one("Connection").lower(), "upgrade", "Connection in the response")
        equal(client.response.one("Set-Cookie"), None, "a cookie, with ip_hash alone")
        homes.update(speaker(client, f"message {at}")[0] for at in range(5))
        client.close()
    equal(len(homes), 1, "the number of servers for one address")
    head = servers[homes.pop()].heads[0]
    for field in ("Upgrade: websocket", "Connection: upgrade", "X-Real-IP: 127.0.0.1", "X-Forwarded-For: 127.0.0.1"):
        assert field in head, f"the server did not receive {field!r}: {head}"


def test_map(lab):
    """the `map`: a request other than WebSocket is passed with `Connection: close`"""
    start(lab, BY_COOKIE)
    answer = curl("http://127.0.0.1/")
    equal(answer.status, 200, "the status")
    assert answer.body.endswith("connection=close\n"), answer.body


def test_conversation_stays(lab):
    """session_sticky: the 101 sets the cookie, a connection stays, and reconnects to its server, twenty times"""
    start(lab, BY_COOKIE)
    homes = {}
    for name in ("first", "second"):
        client = Client(FRONT, f"/chat?id={name}")
        cookie = client.response.cookie("route")
        home, _ = speaker(client, "hello")
        homes[name] = home
        equal(cookie, md5(SERVERS[home]), "the cookie of the 101")
        for count in range(2, 11):
            equal(speaker(client, f"message {count}"), (home, count), "a message of the same connection")
        client.close()
        for count in range(11, 31):
            again = Client(FRONT, f"/chat?id={name}", f"route={cookie}")
            equal(again.response.one("Set-Cookie"), None, "the cookie set by a reconnection")
            equal(speaker(again, "back"), (home, count), "a message after a reconnection")
            again.close()
    equal(set(homes.values()), set(SERVERS), "the servers of two connections from one address")


def test_without_cookie_it_wanders(lab):
    """the same without the cookie: a reconnection does not find its server"""
    start(lab, BY_COOKIE)
    seen = set()
    for _ in range(4):
        client = Client(FRONT, "/chat?id=lost")
        seen.add(speaker(client, "hello")[0])
        client.close()
    equal(seen, set(SERVERS), "the servers of four connections without a cookie")


def test_page_and_socket(lab):
    """the page sets the cookie, and its WebSocket connects to the same server"""
    start(lab, BY_COOKIE)
    for _ in range(4):
        page = curl("http://127.0.0.1/")
        client = Client(FRONT, "/chat", f"route={page.cookie('route')}")
        equal(speaker(client, "hello")[0], page.body.split(" ")[0], "the server of the WebSocket")
        client.close()


def test_cookie_over_ip_hash(lab):
    """ip_hash and session_sticky in one upstream: the cookie takes precedence over the address"""
    start(lab, BY_BOTH)
    homes = set()
    for name, where in SERVERS.items():
        client = Client(FRONT, "/chat", f"route={md5(where)}")
        equal(speaker(client, "hello")[0], name, "the server named in the cookie")
        client.close()
        client = Client(FRONT, "/chat")
        homes.add(speaker(client, "hello")[0])
        client.close()
    equal(len(homes), 1, "the number of servers without a cookie, by address")


def test_server_dies(lab):
    """a connection's server stops: the connection ends, the next one moves to the other server and stays there"""
    servers = start(lab, BY_COOKIE)
    client = Client(FRONT, "/chat?id=x")
    cookie = client.response.cookie("route")
    home, _ = speaker(client, "hello")
    servers[home].close()
    equal(client.say("anyone?"), None, "the answer of a stopped server")
    moved = Client(FRONT, "/chat?id=x", f"route={cookie}")
    new, count = speaker(moved, "hello")
    assert new != home, "the stopped server answered"
    equal(count, 1, "the number of messages there, which starts over")
    cookie = moved.response.cookie("route")
    equal(cookie, md5(SERVERS[new]), "the cookie of the new server")
    moved.close()
    again = Client(FRONT, "/chat?id=x", f"route={cookie}")
    equal(speaker(again, "hello"), (new, 2), "a message on the new server")
    again.close()
