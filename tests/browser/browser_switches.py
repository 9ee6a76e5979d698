"""A browser with switches: TLS in front of nginx, consent, logout, POST, caches."""

import time
from urllib.parse import urlsplit

import pages
from browser_cookies import FRONT, SERVERS, browse, certificate, in_frame, names_in, stays, wanders
from lab import equal, md5

# The address of the nginx with the module.
INSIDE = "127.0.0.9:8081"

IDS = {md5(where) for where in SERVERS.values()}


def answers(name):
    """The usual pages, and below /NAME/ some that change the cookie NAME, or are public."""
    page = pages.answer(name)

    def handle(handler):
        cookie, _, last = urlsplit(handler.path).path.strip("/").partition("/")
        if last == "login":
            return handler.reply("welcome", Set_Cookie=f"{cookie}=of-{name}; Path=/; HttpOnly")
        if last == "logout":
            ends = "Max-Age=0; Expires=Thu, 01-Jan-1970 00:00:10 GMT"
            return handler.reply("bye", Set_Cookie=f"{cookie}=; {ends}; Path=/; HttpOnly")
        if last == "news":
            return handler.reply(name, Cache_Control="public, max-age=600")
        return page(handler)

    return handle


def start(lab, maps="", in_front="", **policies):
    """Two servers, nginx with a location /NAME/ for each NAME=policy, and another nginx in front of it, which
    terminates TLS for every name. Returns the servers."""
    servers = [lab.backend(name, where, answers(name)) for name, where in SERVERS.items()]
    certificate(lab)
    lines = " ".join(f"server {where};" for where in SERVERS.values())
    upstreams = "".join(
        f"upstream {name} {{ {lines} session_sticky {policy}; }}\n" for name, policy in policies.items()
    )
    locations = "".join(f"location /{name}/ {{ proxy_pass http://{name}; }}\n" for name in policies)
    lab.nginx(f"""
    map $http_x_forwarded_proto $tls {{ https 1; default 0; }}
    {maps}
    {upstreams}
    upstream none {{ {lines} }}
    server {{ listen {INSIDE}; {locations} location / {{ proxy_pass http://none; }} }}
    """)
    lab.nginx(
        f"""
    {"proxy_cache_path cache keys_zone=news:1m;" if in_front else ""}
    server {{
        listen {FRONT}:80;
        listen {FRONT}:443 ssl;
        ssl_certificate {lab.root}/cert.pem;
        ssl_certificate_key {lab.root}/key.pem;
        location / {{
            proxy_pass http://{INSIDE};
            proxy_set_header X-Forwarded-Proto $scheme;
            {in_front}
        }}
    }}
    """,
        module=False,
    )
    return servers


def fetched(browser, path, **options):
    """The text that a script gets from there."""
    return browser.run("return (await fetch(given[0], given[1])).text();", path, options)


def test_tls_in_front(lab):
    """secure=$variable with TLS terminated in front of nginx: Secure over https, and over http a cookie that works
    there"""
    start(lab, app="cookie=app secure=$tls")
    tls = browse(lab)
    stays(tls, "https://app.test/app/")
    equal(tls.cookie("app")["secure"], True, "Secure, set over https")
    plain = browse(lab)
    stays(plain, "http://app.test/app/")
    equal(plain.cookie("app")["secure"], False, "Secure, set over http")
    # It is sent over https as well, and not replaced.
    stays(plain, "https://app.test/app/")
    equal(plain.cookie("app")["secure"], False, "Secure, after a visit over https")


def test_http_after_https(lab):
    """secure=$variable, a site on both: over http a browser neither sends the Secure cookie nor accepts another"""
    start(lab, app="cookie=app secure=$tls")
    browser = browse(lab)
    stays(browser, "https://app.test/app/")
    kept = browser.cookie("app")["value"]
    wanders(browser, "http://app.test/app/")
    equal(browser.cookie("app")["value"], kept, "the cookie of https")


def test_host_prefix(lab):
    """__Host- and secure=$variable: kept over https, for this host only; over http the browser rejects it"""
    start(lab, app="cookie=__Host-app secure=$tls httponly samesite=lax")
    browser = browse(lab)
    wanders(browser, "http://app.test/app/")
    assert "__Host-app" not in browser.names(), "it was accepted over http"
    stays(browser, "https://app.test/app/")
    cookie = browser.cookie("__Host-app")
    wanted = ("app.test", "/", True, True)
    equal(tuple(cookie[name] for name in ("domain", "path", "secure", "httpOnly")), wanted, "the cookie")
    browser.open("https://www.app.test/app/")
    assert "__Host-app" not in browser.seen(), "it was sent to another host of the same site"


def test_third_party(lab):
    """a frame in another site, with secure=$variable: it needs samesite=none, and https to the browser"""
    start(
        lab,
        apart="cookie=apart secure=$tls samesite=none partitioned",
        shared="cookie=shared secure=$tls samesite=none",
        lax="cookie=lax secure=$tls samesite=lax",
    )
    browser = browse(lab)
    for name in ("apart", "shared"):
        homes = {site: {in_frame(browser, site, name) for _ in range(4)} for site in ("other.test", "third.test")}
        equal(
            [len(servers) for servers in homes.values()],
            [1, 1],
            f"the number of servers of the frame {name} in each site",
        )
    kept = [key[3] for key in browser.cookies() if key[0] == "apart"]
    equal(sorted(kept), ["https://other.test", "https://third.test"], "the sites with the partitioned cookie")
    equal(browser.cookie("shared")["secure"], True, "the other")
    servers = {in_frame(browser, "other.test", "lax") for _ in range(4)}
    equal(servers, set(SERVERS), "the servers of the frame with samesite=lax")

    plain = browse(lab)
    for name in ("apart", "shared"):
        wanders(plain, f"http://app.test/{name}/")
    equal({"apart", "shared"} & set(plain.names()), set(), "the cookies accepted over http, without Secure")


def test_third_party_where_others_are_blocked(lab):
    """a browser that blocks third-party cookies keeps the partitioned one"""
    start(
        lab,
        apart="cookie=apart secure=$tls samesite=none partitioned",
        shared="cookie=shared secure=$tls samesite=none",
    )
    browser = browse(lab, third_party=False)
    equal(len({in_frame(browser, "other.test", "apart") for _ in range(4)}), 1, "the number of servers, partitioned")
    equal({in_frame(browser, "other.test", "shared") for _ in range(4)}, set(SERVERS), "the servers, not partitioned")


def test_logging_out(lab):
    """preserve: the application deletes the cookie in the browser, and the next visit is a first visit"""
    start(
        lab,
        direct="cookie=direct preserve",
        indirect="cookie=indirect preserve option=indirect maxidle=1h",
        without="cookie=without option=indirect",
    )
    browser = browse(lab)
    for name in ("direct", "indirect"):
        for _ in range(2):
            stays(browser, f"http://app.test/{name}/")
            assert name in browser.names(), f"{name} is kept"
            browser.open(f"http://app.test/{name}/logout")
            assert name not in browser.names(), f"{name} is forgotten"
            browser.open("http://app.test/")
            assert name not in names_in(browser.seen()), f"{name} was sent"
    home = stays(browser, "http://app.test/without/")
    browser.open("http://app.test/without/logout")
    equal(
        browser.cookie("without")["value"], md5(SERVERS[home]), "without preserve, it is set again in the same response"
    )
    equal(stays(browser, "http://app.test/without/"), home, "the server of the session, which continues")


def test_logging_out_of_a_shared_cookie(lab):
    """mode=prefix preserve: logging in adds the ID to the application's cookie, logging out deletes it"""
    start(lab, prefix="cookie=prefix mode=prefix preserve", rewrite="cookie=rewrite mode=rewrite preserve")
    browser = browse(lab)
    for name in ("prefix", "rewrite"):
        wanders(browser, f"http://app.test/{name}/")
        for _ in range(2):
            browser.open(f"http://app.test/{name}/login")
            value = browser.cookie(name)["value"]
            equal(value.split("~")[0] in IDS, True, f"an ID at the beginning of {value}")
            stays(browser, f"http://app.test/{name}/")
            browser.open(f"http://app.test/{name}/logout")
            assert name not in browser.names(), f"{name} is forgotten"
        wanders(browser, f"http://app.test/{name}/")


def test_consent(lab):
    """if=: no cookie is set before the visitor consents, and none is followed after consent is withdrawn"""
    start(lab, maps="map $cookie_consent $consents { yes 1; default 0; }", app="cookie=app if=$consents httponly")
    browser = browse(lab)
    wanders(browser, "http://app.test/app/")
    assert "app" not in browser.names(), "a cookie before consent"
    browser.run("document.cookie = 'consent=yes; Path=/; Max-Age=600';")
    home = stays(browser, "http://app.test/app/")
    equal(browser.cookie("app")["value"], md5(SERVERS[home]), "the cookie after consent")
    browser.run("document.cookie = 'consent=no; Path=/';")
    wanders(browser, "http://app.test/app/")
    assert "app" in names_in(browser.seen()), "the browser no longer sends it"
    browser.run("document.cookie = 'consent=yes; Path=/';")
    equal(stays(browser, "http://app.test/app/"), home, "the server after renewed consent")


def test_post_only(lab):
    """postonly: reading sets no cookie; submitting a form does, and later requests stay on its server"""
    start(lab, app="cookie=app postonly")
    browser = browse(lab)
    wanders(browser, "http://app.test/app/")
    assert "app" not in browser.names(), "a cookie after reading"
    browser.driver.execute_script(
        "const form = document.createElement('form'); form.method = 'post'; form.action = '/app/';"
        "document.body.append(form); form.submit();"
    )
    assert "app" in browser.names(), "no cookie after the form"
    home = browser.server()
    equal(stays(browser, "http://app.test/app/"), home, "the server after the form")
    equal(fetched(browser, "/app/who", method="POST", body="x")[0], home, "the server for a script's POST")


def test_refresh(lab):
    """refresh=: the cookie is kept while it is fresh; without it, each visit replaces it"""
    start(lab, young="cookie=young maxidle=1h refresh=10m", each="cookie=each maxidle=1h")
    browser = browse(lab)
    values = {}
    for name in ("young", "each"):
        browser.open(f"http://app.test/{name}/")
        values[name] = browser.cookie(name)["value"]
    time.sleep(2.1)
    for name, is_renewed in (("young", False), ("each", True)):
        stays(browser, f"http://app.test/{name}/")
        equal(browser.cookie(name)["value"] != values[name], is_renewed, f"{name} is renewed after two seconds")


CACHE = (
    "proxy_cache news; proxy_ignore_headers Set-Cookie; proxy_cache_key $request_uri; "
    "add_header X-Cache $upstream_cache_status;"
)


def test_a_cache_in_front(lab):
    """nocache: a cache that stores Set-Cookie sends no client another's session, and browsers cache pages as usual"""
    servers = start(lab, in_front=CACHE, kept="cookie=kept nocache", shared="cookie=shared")
    one, two = browse(lab), browse(lab)
    for browser in (one, two):
        browser.open("http://app.test/kept/news")
    assert one.cookie("kept")["value"] != two.cookie("kept")["value"], (
        "both have the same session, by chance or by the cache"
    )
    asked = sum(len(server.seen) for server in servers)
    again = [fetched(browser, "/kept/news") for browser in (one, two)]
    homes = [md5(SERVERS[name]) for name in again]
    equal(homes, [browser.cookie("kept")["value"] for browser in (one, two)], "the server of each page")
    equal(sum(len(server.seen) for server in servers), asked, "the requests to the servers, as browsers cached them")

    # What happens without it.
    for browser in (one, two):
        browser.open("http://app.test/shared/news")
    equal(one.cookie("shared")["value"], two.cookie("shared")["value"], "the second's session without nocache")
