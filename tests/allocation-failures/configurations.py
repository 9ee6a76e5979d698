"""Configurations and requests that together reach every allocation of the module."""

import base64
import hmac
import re
import tempfile
import time
from pathlib import Path

import lab

# Servers that answer, and an address without a listener.
A, B, GONE = "127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8083"
FRONT = "127.0.0.1:8080"
# The resolver for names at run time: dns.py.
RESOLVER = "127.0.0.1:8053"
MD5 = lab.md5(A)


# Removed at the end of this process.
FOLDER = tempfile.TemporaryDirectory(prefix="keys-")


def key_file(name, *lines, mode=0o600):
    """Writes a key file, and returns its path."""
    file = Path(FOLDER.name) / name
    file.write_text("".join(f"{line}\n" for line in lines))
    file.chmod(mode)
    return file


KEY, OLD_KEY = "the key of these requests", "the key that was before it"
ONE_KEY = key_file("one", KEY)
TWO_KEYS = key_file("two", KEY, "# before", OLD_KEY)
KEY_TWICE = key_file("twice", KEY, OLD_KEY, KEY, mode=0o644)
NO_KEY = key_file("none", "short")


def mac(key, text):
    return hmac.digest(key, text.encode(), "sha256")


def key_id(address, *keys):
    """The keyed ID of a server."""
    return ".".join(mac(key.encode(), address).hex()[:32] for key in keys)


def signed(cookie, text, *keys):
    """A value as signed by a proxy with these keys."""
    macs = (mac(mac(key.encode(), f"\0signature of cookie {cookie}"), text) for key in keys)
    return f"{text}|" + ".".join(base64.urlsafe_b64encode(one[:16]).decode().rstrip("=") for one in macs)


NOW = int(time.time())

# max_fails=0: a request that fails for lack of memory must not count against a server.
SERVERS = f"server {A} max_fails=0; server {B} max_fails=0;"
NAMED = f"server {A} id=a max_fails=0; server {B} id=b max_fails=0;"

UPSTREAMS = {
    "insert": f"{SERVERS} session_sticky;",
    "indirect": f"""zone indirect 128k; {NAMED}
        session_sticky cookie=i option=indirect hash=plain maxidle=1h maxlife=2h
                       accept=md5,nginx,haproxy,sha1,raw,index;""",
    "keyed": f"{SERVERS} session_sticky cookie=k accept=hmac-md5,hmac-sha1,plain hmac_key=secret;",
    "prefix": f"{SERVERS} session_sticky mode=prefix cookie=s; keepalive 2;",
    "rewrite": f"{SERVERS} session_sticky mode=rewrite cookie=s;",
    "variables": f"""zone variables 128k; {SERVERS}
        session_sticky cookie=v domain=$host path=$arg_path samesite=$arg_samesite maxage=1h secure=auto httponly
                       partitioned attr=Priority=High attr=x-$;""",
    "index": f"zone index 128k; {SERVERS} sticky name=x hash=index domain=example.com path=/ expires=1h;",
    "sha1": f"{SERVERS} sticky name=h hash=sha1 secure httponly;",
    "hmac": f"{SERVERS} sticky name=m hmac=sha1 hmac_key=secret no_fallback;",
    "text": f"least_conn; {SERVERS} sticky name=w text=raw;",
    "transfer": f"zone transfer 128k; {SERVERS} sticky transfer name=s delimiter=.;",
    "hidden": f"{SERVERS} sticky name=s hide_cookie;",
    "cookie": f"zone cookie 128k; {SERVERS} sticky cookie n expires=1h domain=.$host samesite=$arg_samesite path=/n;",
    "old": f"{SERVERS} sticky_cookie_insert o expires=max domain=example.com path=/;",
    "gone": f"server {GONE} id=g; server {B} id=b max_fails=0; session_sticky cookie=d hash=plain;",
    "down": f"""zone down 128k; server {A} id=a down; server {B} id=b max_fails=0; server {GONE} id=g backup;
        session_sticky cookie=d hash=plain;""",
    "strict": f"""server {GONE} id=g; server {A} id=a down; server {B} id=b max_fails=0;
        session_sticky cookie=f hash=plain fallback=off;""",
    "unknown": f"server {GONE} id=g; server {B} id=b max_fails=0; session_sticky cookie=u hash=plain fallback=unknown;",
    "lent": f"""zone lent 128k; server {GONE} id=g drain; {NAMED}
        session_sticky cookie=l hash=plain rebind=off maxidle=1h;""",
    "shared": f"""random two; server {A} id=a max_fails=0; server {B} id=a max_fails=0;
        session_sticky cookie=e hash=plain full=over;""",
    "hashed": f"hash $uri consistent; {SERVERS} session_sticky cookie=c option=indirect;",
    "routed": f"zone routed 128k; {NAMED} session_sticky mode=route lookup=$arg_to lookup=$cookie_to fallback=off;",
    "route": f"{NAMED} sticky route $cookie_TO $http_x_to;",
    "learned": f"""{SERVERS}
        session_sticky mode=learn create=$upstream_cookie_s lookup=$arg_s lookup=$cookie_s zone=sessions:SIZE;""",
    "learnt": f"""zone learnt 128k; {SERVERS} keepalive 2;
        sticky learn create=$upstream_cookie_t lookup=$cookie_t zone=others:SIZE timeout=1h header;""",
    "keys": f"""zone keys 128k; {SERVERS}
        session_sticky cookie=a key_file={ONE_KEY} hash=hmac sign maxidle=10h refresh=1h nocache preserve
                       accept=md5,haproxy,unsigned;""",
    "two-keys": f"""{SERVERS}
        session_sticky cookie=b key_file={TWO_KEYS} sign maxlife=10h postonly nocache secure=$arg_secure
                       domain=$host;""",
    "keyed-prefix": f"""{SERVERS} keepalive 2;
        session_sticky mode=prefix cookie=s key_file={TWO_KEYS} hash=hmac accept=md5 nocache preserve;""",
    "by-keys": f"{SERVERS} session_sticky cookie=g key_file={TWO_KEYS} accept=hmac option=indirect if=$arg_if;",
    "others": f"""{NAMED}
        session_sticky cookie=z accept=ingress,jvmroute,traefik,bigip,angie,caddy accept_name=shop-web-80
                       accept_key=secret;""",
    "follows": f"""{SERVERS}
        session_sticky cookie=j follow=s key_file={ONE_KEY} sign maxidle=1h secure=$arg_secure domain=$arg_domain
                       nocache preserve;""",
    "follows-some": f"{SERVERS} session_sticky cookie=y follow=u* option=indirect maxage=1h if=$arg_if;",
    "if": f"{SERVERS} session_sticky mode=rewrite cookie=s if=yes$arg_if nocache;",
    "preserves": f"{SERVERS} sticky name=s preserve;",
    "asking": f"""zone asking 128k; server {A} max_fails=0; server {GONE} max_fails=0;
        session_sticky cookie=d drain_if=$arg_asks$upstream_http_x_asks drain_time=1h;""",
    # Names with two addresses each: nginx-tests/hosts
    "names": "server pair.test:8081 max_fails=0; server pair.test:8082 max_fails=0; sticky name=p;",
    # Of the two addresses, DNS has one, and the other was removed.
    "lingers": f"""zone lingers 128k; resolver {RESOLVER} valid=1s ipv6=off;
        server changing.test:8081 resolve max_fails=0;
        session_sticky cookie=li hash=plain accept=md5 linger=1h;""",
    "reserve": "server local.test:8081 max_fails=0; server pair.test:8082 backup; session_sticky cookie=q accept=sha1;",
}

LOCATIONS = (
    "\n".join(f"location /{name} {{ proxy_pass http://{name}; }}" for name in UPSTREAMS)
    + """
location /chosen {
    session_sticky_hide_cookie upstream=indirect upstream=prefix;
    set $before $http_cookie;
    set $pool indirect;
    proxy_pass http://$pool;
}
location /page { ssi on; proxy_pass http://insert/page; }
location /exposed { session_sticky_hide_cookie upstream=prefix; set $pool indirect; proxy_pass http://$pool; }
location /redirected { proxy_pass http://insert/redirect; }
location /intercepted {
    proxy_intercept_errors on;
    error_page 503 = @indirect;
    proxy_pass http://variables/unavailable;
}
location /tried { try_files /none @indirect; }
location @indirect { proxy_pass http://indirect; }
location /location { sticky_no_fallback; proxy_pass http://insert; }
location /renewed { proxy_pass http://learned/renewed; }
location /handed-on { proxy_pass http://learned/redirect; }
location /whose { proxy_pass http://learned/whose; }
location /early {
    if ($session_sticky_verdict = down) { return 503 $session_sticky_previous; }
    proxy_set_header X-Early "$session_sticky_verdict $session_sticky_previous";
    add_header X-Late $session_sticky_previous always;
    proxy_pass http://by-keys;
}
location /asked {
    proxy_set_header X-Early "$session_sticky_verdict $session_sticky_previous";
    proxy_pass http://routed;
}
location /quiet { sticky_hide_cookie; proxy_pass http://cookie; }
location /cached { proxy_pass http://keys/cached; }
location /ends { proxy_pass http://keyed-prefix/ends; }
location /logs-out { proxy_pass http://follows/logs-out; }
location /logs-in { proxy_pass http://follows/redirect-to-followed; }
location /both { proxy_pass http://by-keys/redirect-to-keys; }
location /status { session_sticky_status; }
location /logged {
    add_header X-Session "$session_sticky_status $session_sticky_id" always;
    add_header X-Served "$session_sticky_server $session_sticky_first_seen" always;
    proxy_set_header X-Early "$session_sticky_verdict $session_sticky_previous";
    add_header X-Cookie "$http_cookie $cookie_i $cookie_u $cookie_v $cookie_w $cookie_x $cookie_y" always;
    proxy_pass http://indirect;
}
"""
)


def http(zones):
    """The content of the http block, with this size for the zones of learned sessions."""
    upstreams = "\n".join(f"upstream {name} {{ {text} }}" for name, text in UPSTREAMS.items())
    return (
        upstreams.replace("SIZE", zones)
        + f"\nserver {{ listen {FRONT}; session_sticky_hide_cookie upstream=indirect; {LOCATIONS} }}"
    )


HTTP = http("64k")

# More subrequests than a list part holds.
PAGE = '<!--# include virtual="/redirected" -->' * 20

# The servers, without the module.
BEHIND = "".join(
    f"""
    server {{
        listen 127.0.0.1:{port};
        listen 127.0.0.2:{port};
        listen 127.0.0.3:{port};
        add_header Set-Cookie "s=session; Path=/; HttpOnly" always;
        add_header Set-Cookie "t=other" always;
        location / {{ return 200 ok; }}
        location = /redirect {{
            add_header Set-Cookie "s=redirect";
            add_header X-Accel-Redirect /indirect;
            return 200;
        }}
        location = /redirect-to-keys {{ add_header X-Accel-Redirect /keys; return 200; }}
        location = /cached {{ add_header Cache-Control "public, s-maxage=60, max-age=60"; return 200 ok; }}
        location = /redirect-to-followed {{
            add_header Set-Cookie "s=session; Path=/app";
            add_header X-Accel-Redirect /follows;
            return 200;
        }}
        location = /logs-out {{
            add_header Set-Cookie "s=; Max-Age=0; Path=/old; Domain=x.test";
            add_header Set-Cookie "s=; Expires=Thu, 01 Jan 1970 00:00:00 GMT";
            return 200 ok;
        }}
        location = /ends {{ add_header Set-Cookie "s=; Max-Age=0"; return 200 ok; }}
        location = /unavailable {{ return 503; }}
        location = /renewed {{ add_header X-Server {port}; return 200 ok; }}
        location = /whose {{ add_header X-Server {port}; return 200 {port}; }}
        location = /page {{ default_type text/html; return 200 '{PAGE}'; }}
    }}
    """
    for port in (8081, 8082)
)

BY_KEY, BY_KEYS = key_id(A, KEY), key_id(A, KEY, OLD_KEY)
STAMPS = f"{NOW - 60}|{NOW - 600}"
OLD_STAMPS = f"{NOW - 7200}|{NOW - 7200}"

# the suffix that ingress-nginx adds to the key of a session
INGRESS = lab.md5(lab.md5("shop-web-80") + "shop-web-80")

# path, the Cookie of the request, and its method if it is not GET; most cookies name A by its MD5
BOUND = ("/indirect", "x=1; i=a; y=2")
REQUESTS = [
    BOUND,
    ("/insert", None),
    ("/insert", f"route={MD5}"),
    ("/insert", "route=nobody; y=2"),
    ("/indirect", None),
    ("/indirect", "i=a|1|1"),
    ("/indirect", f"i={MD5}"),
    ("/indirect", "i=nobody; i=b; i=a; i=~; i=|"),
    ("/keyed", "k=nobody"),
    ("/keyed", None),
    ("/prefix", None),
    ("/prefix", f"s={MD5}~session; t=1"),
    ("/prefix", "s=nobody~session"),
    ("/rewrite", f"s={MD5}"),
    ("/rewrite", None),
    ("/variables?path=/a&samesite=lax", f"v=nobody; v={MD5}"),
    ("/variables?path=/a&samesite=lax", None),
    ("/variables?path=a;b", None),
    ("/index", "x=0"),
    ("/index", None),
    ("/sha1", None),
    ("/hmac", None),
    ("/hmac", "m=nobody"),
    ("/text", "w=127.0.0.1:8081"),
    ("/text", None),
    ("/transfer", f"s={MD5}.session"),
    ("/transfer", None),
    ("/hidden", None),
    ("/cookie?samesite=none", None),
    ("/cookie", f"n={MD5}"),
    ("/old", None),
    ("/others", f"z=1784523424.123.41.7919|{INGRESS}"),
    ("/others", "z=session.a"),
    ("/others", "z=16777343.37151.0000"),
    ("/others", "z=http://127.0.0.1:8081"),
    ("/gone", "d=g"),
    ("/gone", None),
    ("/down", "d=a"),
    ("/down", "d=g"),
    ("/strict", "f=g"),
    ("/strict", "f=a"),
    ("/strict", "f=nobody"),
    ("/unknown", "u=g"),
    ("/unknown", "u=nobody"),
    ("/lent", "l=g"),
    ("/lent", "l=g|1|1"),
    ("/shared", "e=a"),
    ("/hashed", f"c=nobody; a=1; c={MD5}"),
    ("/names", None),
    ("/names", f"p={lab.md5('pair.test:8081')}"),
    ("/reserve", f"q={MD5}"),
    ("/lingers", "li=127.0.0.2:8081"),
    ("/lingers", f"li={lab.md5('127.0.0.3:8081')}"),
    ("/lingers", "li=nobody"),
    ("/chosen", f"i=a; s={MD5}~session; x=1"),
    ("/exposed", "i=a"),
    ("/page", f"route={MD5}; i=a; x=1"),
    ("/tried", f"s={MD5}~session; i=a; x=1"),
    ("/redirected", None),
    ("/redirected", f"route={MD5}; i=b; x=1"),
    ("/intercepted", f"v={MD5}; i=a"),
    ("/tried", "i=b; i=a"),
    ("/location", "route=nobody"),
    ("/quiet", None),
    ("/logged", "x=1; i=a; y=2"),
    ("/early?if=1", f"g={MD5}; g={BY_KEYS}"),
    ("/early?if=1", f"g={BY_KEYS}"),
    ("/asked", "to=b"),
    ("/status", None),
    ("/status?format=json", None),
    ("/status?format=prometheus", None),
    ("/status/upstreams/index", None),
    ("/status/upstreams/index/servers/127.0.0.1%3A8081", None),
    ("/status/upstreams/nobody", None),
    ("/routed?to=a", None),
    ("/routed", "x=1; to=b"),
    ("/routed", "to=nobody"),
    ("/route", "to=a"),
    ("/route", "TO=nobody"),
    ("/learned", None),
    ("/learned", "s=session"),
    ("/learned?s=another", "s=session"),
    ("/learned", "s=nobody"),
    ("/renewed", "s=session"),
    ("/handed-on", "s=session"),
    ("/learnt", None),
    ("/learnt", "t=other"),
    ("/keys", None),
    ("/keys", f"a={signed('a', f'{BY_KEY}|{STAMPS}', KEY)}"),
    ("/keys", f"a={signed('a', f'{BY_KEY}|{OLD_STAMPS}', KEY)}"),
    ("/keys", f"a={signed('a', f'{MD5}|{STAMPS}', KEY)}"),
    ("/keys", f"a={BY_KEY}|{STAMPS}; x=1; a={signed('b', f'{BY_KEY}|{STAMPS}', KEY)}"),
    ("/cached", None),
    ("/two-keys?secure=1", f"b={signed('b', f'{MD5}|{OLD_STAMPS}', OLD_KEY)}", "POST"),
    ("/two-keys", "b=nobody", "POST"),
    ("/two-keys", "b=nobody"),
    ("/keyed-prefix", f"s={BY_KEYS}~session"),
    ("/keyed-prefix", f"s={key_id(A, OLD_KEY)}~session"),
    ("/keyed-prefix", f"s={MD5}~session; s=x"),
    ("/ends", f"s={BY_KEYS}~session"),
    ("/by-keys?if=1", f"g={BY_KEYS}"),
    ("/by-keys", f"g={BY_KEYS}"),
    ("/both?if=1", f"g={BY_KEYS}; a=nobody"),
    ("/if", f"s={MD5}"),
    ("/preserves", f"s={MD5}"),
    ("/asking?asks=1", f"d={MD5}"),
    ("/asking?asks=1", None),
    ("/asking", f"d={MD5}"),
    ("/follows", None),
    ("/follows?secure=1&domain=x.test", f"s=session; j={signed('j', f'{MD5}|{STAMPS}', KEY)}"),
    ("/follows", "j=nobody"),
    ("/logs-out", "s=session; j=nobody"),
    ("/logs-in", None),
    ("/follows-some?if=1", f"u1=session; y={MD5}"),
    ("/follows-some?if=1", "u1=session"),
    ("/follows-some?if=1", f"y={MD5}"),
    ("/follows-some", f"u1=session; y={MD5}"),
]
# Paths with different responses each time.
CHANGING = "/status"
# The learned session whose server must survive a reload: it is the body of the response.
KEPT = ("/whose", "s=session")

# Configurations with warnings or errors, whose messages are also created.
WARNED = {
    "means nothing": "session_sticky mode=rewrite maxage=1h domain=x.test path=/ httponly secure cookie=$x;",
    "twice": "session_sticky path=a domain=a domain=b partitioned samesite=none maxage=0 maxage=0;",
    "expires=0": "sticky_cookie_insert o expires=0;",
    "keys that nothing reads": f"session_sticky key_file={ONE_KEY};",
    "no stamps to sign": f"session_sticky key_file={ONE_KEY} sign refresh=1h;",
    "nothing is unsigned": "session_sticky accept=unsigned;",
    "a key twice, for all to read": f"session_sticky hash=hmac key_file={KEY_TWICE};",
    "follows nothing": "session_sticky mode=prefix follow=a;",
    "follows a variable": "session_sticky follow=$a;",
    "of a cookie": "session_sticky mode=route lookup=$cookie_a cookie=a maxage=1h path=/ httponly;",
}
REFUSED = {
    "no parameter": "session_sticky nonsense=1;",
    "no value": "session_sticky mode=nonsense;",
    "no time": "session_sticky maxidle=nonsense;",
    "no form": "session_sticky accept=md5,nonsense;",
    "no name": "session_sticky cookie=a,b;",
    "name with conditions": "session_sticky cookie=__Host-x domain=x.test;",
    "no name to follow": "session_sticky follow=a,b;",
    "follows itself": "session_sticky cookie=a follow=a*;",
    "twice": "session_sticky; session_sticky;",
    "no key": "session_sticky accept=hmac-md5;",
    "no key file": "session_sticky hash=hmac;",
    "no such key file": "session_sticky hash=hmac key_file=/nowhere;",
    "a short key": f"session_sticky hash=hmac key_file={NO_KEY};",
    "refreshed when it is over": "session_sticky maxidle=1h refresh=1h;",
    "two modules' directives": "session_sticky; sticky transfer;",
    "no id": f"server {B} id=a|b; session_sticky;",
    "no lookup": "session_sticky mode=learn create=$cookie_a zone=z:64k;",
    "no variable": "session_sticky mode=route lookup=$;",
    "no such variable": "session_sticky mode=route lookup=$nonsense;",
    "no zone": "session_sticky mode=learn create=$cookie_a lookup=$cookie_b zone=z:1;",
    "a zone twice": f"""session_sticky mode=learn create=$cookie_a lookup=$cookie_b zone=z:64k; }}
        upstream other {{ server {B}; session_sticky mode=learn create=$cookie_a lookup=$cookie_b zone=z:64k;""",
    "a long id": f"server {B} id={'i' * 40}; session_sticky mode=learn create=$cookie_a lookup=$cookie_b zone=z:64k;",
    "no parameter of a server": f"server {B} nonsense=1; session_sticky;",
}
HIDING = {
    "no such upstream": "session_sticky_hide_cookie upstream=nobody;",
    "no parameter to hide": "session_sticky_hide_cookie nonsense;",
    "its deprecated name": "session_sticky_header upstream=indirect;",
}


def small(directives, location=""):
    return f"""
    upstream small {{ server {A}; {directives} }}
    upstream indirect {{ server {A}; server {B}; session_sticky option=indirect; }}
    server {{ listen {FRONT}; location / {{ {location} proxy_pass http://small; }}
              location /indirect {{ proxy_pass http://indirect; }} }}
    """


CONFIGURATIONS = {
    "all directives": HTTP,
    "all directives, and nothing counts": HTTP.replace("session_sticky_status;", ""),
    **{f"a warning: {name}": small(text) for name, text in WARNED.items()},
    "a warning: cookies of one name": small(f"server {B}; session_sticky;"),
    "a warning: an id that nothing reads": small(f"server {B} id=b; session_sticky cookie=x;"),
    **{f"an error: {name}": small(text) for name, text in REFUSED.items()},
    **{f"hiding: {name}": small("session_sticky;", text) for name, text in HIDING.items()},
}


def without_module(text):
    """The same for nginx alone."""
    text = re.sub(r"\b(session_sticky|sticky)\w*( [^;]*)?;", "", text)
    return re.sub(r" (id=\S+?|drain)(?=[ ;])", "", text)
