"""docs/status.schema.json describes the responses of session_sticky_status."""

import json
import urllib.parse
from pathlib import Path

import jsonschema
from lab import curl, equal, md5

SCHEMA = json.loads((Path(__file__).resolve().parents[2] / "docs/status.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)

HTTP = """
upstream app {
    server 127.0.0.1:7001 weight=2 max_conns=5;
    server 127.0.0.1:7002 backup;
    server 127.0.0.1:7009 down;
    session_sticky maxidle=1h;
}
upstream drains {
    server 127.0.0.1:7001;
    server 127.0.0.1:7002 drain;
    session_sticky cookie=drains hash=plain accept=md5,haproxy;
}
upstream asks {
    server 127.0.0.1:7001;
    server 127.0.0.1:7002;
    session_sticky cookie=asks hash=plain drain_if=$arg_asks;
}
upstream fails {
    server 127.0.0.1:7008 max_fails=1 fail_timeout=60s;
    server 127.0.0.1:7001;
    session_sticky cookie=fails;
}
upstream prefix { server 127.0.0.1:7001; session_sticky cookie=app mode=prefix; }
upstream route  { server 127.0.0.1:7001 route=a; session_sticky mode=route lookup=$arg_route; }
upstream learn {
    server 127.0.0.1:7001;
    session_sticky mode=learn lookup=$arg_id create=$upstream_http_x zone=learned:64k;
}
upstream signed {
    server 127.0.0.1:7001;
    session_sticky cookie=signed hash=hmac sign maxidle=1h key_file=KEYS preserve if=$arg_sticks;
}
upstream "odd \u00e9\\"" { server "unix:/tmp/\u00e9\\""; session_sticky cookie=odd; }
server {
    listen 127.0.0.1:7000;
    location /status { session_sticky_status; }
    location ~ ^/(app|drains|asks|fails|prefix|signed)/ { proxy_pass http://$1; }
}
server { listen 127.0.0.1:7001; listen 127.0.0.1:7002; return 200 "ok"; }
"""


def start(lab):
    keys = lab.root / "keys"
    keys.write_text("a key for this test only\n")
    keys.chmod(0o600)
    lab.nginx(HTTP.replace("KEYS", str(keys)))


def value_of(path, *options):
    response = curl(f"http://127.0.0.1:7000{path}", *options)
    value = json.loads(response.body)
    errors = [f"{error.json_path}: {error.message}" for error in VALIDATOR.iter_errors(value)]
    equal(errors, [], f"the schema's errors for {path}")
    return value


def test_documents(lab):
    """every response matches the schema, with servers in any state"""
    start(lab)
    cookies = {
        "/app/": "",
        "/drains/": "drains=127.0.0.1:7002",
        "/asks/?asks=1": "asks=127.0.0.1:7002",
        "/fails/": f"fails={md5('127.0.0.1:7008')}",
        "/prefix/": "",
        "/signed/": "",
        "/signed/?sticks=1": "signed=nobody",
    }
    for path, cookie in cookies.items():
        curl(f"http://127.0.0.1:7000{path}", "--cookie", cookie)
    whole = value_of("/status?format=json")
    upstreams = whole["upstreams"]
    counts = {upstream["name"]: upstream for upstream in upstreams}["signed"]
    equal((counts["verdicts"]["unused"], counts["verdicts"]["forged"]), (1, 1), "verdicts of signed cookies")
    equal((counts["requests"]["off"], counts["actions"]["none"]), (1, 1), "requests that are off")
    servers = {
        (upstream["name"], server["address"]): server for upstream in upstreams for server in upstream["servers"]
    }
    equal(servers["drains", "127.0.0.1:7002"]["leaving"]["last_minute"], 1, "requests of a draining server")
    asks = servers["asks", "127.0.0.1:7002"]
    equal((asks["state"], asks["control"], asks["configured"]), ("draining", None, "up"), "a server that asks to drain")
    assert asks["asked_until"] >= whole["now"], asks
    equal(servers["asks", "127.0.0.1:7001"]["asked_until"], None, "a server that does not")
    equal(servers["fails", "127.0.0.1:7008"]["state"], "unavailable", "a server that failed")
    equal({server["state"] for server in servers.values()}, {"up", "draining", "down", "unavailable"}, "states")
    equal({upstream["mode"] for upstream in whole["upstreams"]}, {"insert", "prefix", "route", "learn"}, "modes")
    for upstream in whole["upstreams"]:
        if "\ufffd" not in upstream["name"]:
            name = urllib.parse.quote(upstream["name"], safe="")
            equal(value_of(f"/status/upstreams/{name}")["upstreams"][0]["name"], upstream["name"], "one upstream")


def test_explanations(lab):
    """explanations and errors match the schema"""
    start(lab)
    address = "127.0.0.1:7001"
    for upstream, value, would in [
        ("app", md5(address), "bound"),
        ("app", f"{md5(address)}|1|1", "new"),
        ("app", md5("127.0.0.1:7009"), "moved"),
        ("drains", "127.0.0.1:7002", "bound"),
        ("drains", md5(address), "bound"),
        ("prefix", f"{md5('127.0.0.1:7009')}~x", "lent"),
        ("route", "a", "bound"),
        ("learn", "unheard of", "new"),
        ("signed", md5(address), "new"),
        ("signed", curl("http://127.0.0.1:7000/signed/?sticks=1").cookie("signed"), "bound"),
        ("app", '\xff"\\', "new"),
    ]:
        said = value_of(f"/status/upstreams/{upstream}/explain?value={urllib.parse.quote(value)}")
        equal(said["would"], would, f"{upstream} {value}")
    wrong = ["?format=xml", "/upstreams/nobody", "/upstreams/app/servers/nobody", "/upstreams/app/explain"]
    for path in wrong:
        assert "error" in value_of(f"/status{path}"), path
    assert "error" in value_of("/status", "--request", "DELETE")


def test_schema(_):
    """the schema is valid, and rejects other documents"""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for wrong in [{}, {"version": 2}, {"error": ""}, [], {"error": "x", "more": 1}]:
        assert not VALIDATOR.is_valid(wrong), wrong
