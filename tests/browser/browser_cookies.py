"""How a browser treats the attributes: maxage over a restart, Secure, HttpOnly, SameSite, Partitioned, Path."""

import subprocess
import time

import pages
from chromium import Browser
from lab import equal, md5

SERVERS = {"A": "127.0.0.2:8080", "B": "127.0.0.3:8080"}

# All names end in .test, a reserved domain. app.test and www.app.test are one site, other.test is another.
FRONT = "127.0.0.1"
NAMES = {"app.test": FRONT, "www.app.test": FRONT, "other.test": FRONT, "third.test": FRONT}


def certificate(lab):
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-days", "2", "-subj", "/CN=app.test", "-keyout", "key.pem", "-out", "cert.pem"),
    ]
    subprocess.run(command, cwd=lab.root, check=True, capture_output=True)


def start(lab, **policies):
    """Two servers, and a location /NAME/ for each NAME=policy, over http and https, for every name."""
    for name, where in SERVERS.items():
        lab.backend(name, where, pages.answer(name))
    certificate(lab)
    lines = " ".join(f"server {where};" for where in SERVERS.values())
    upstreams = "".join(
        f"upstream {name} {{ {lines} session_sticky {policy}; }}\n" for name, policy in policies.items()
    )
    locations = "".join(
        f"location /{name}/ {{ proxy_pass http://{name}; proxy_set_header Host $host; }}\n" for name in policies
    )
    lab.nginx(f"""
    {upstreams}
    upstream none {{ {lines} }}
    server {{
        listen {FRONT}:80;
        listen {FRONT}:443 ssl;
        ssl_certificate {lab.root}/cert.pem;
        ssl_certificate_key {lab.root}/key.pem;
        {locations}
        location / {{ proxy_pass http://none; }}
    }}
    """)


def browse(lab, **more):
    return Browser(lab, names=NAMES, **more)


def stays(browser, url, visits=4):
    """The server of the session; checks that further visits stay there."""
    browser.open(url)
    home = browser.server()
    equal([visit_again(browser) for _ in range(visits)], [home] * visits, f"the servers of reloads of {url}")
    return home


def visit_again(browser):
    browser.reload()
    return browser.server()


def wanders(browser, url):
    browser.open(url)
    servers = {browser.server(), *(visit_again(browser) for _ in range(3))}
    equal(servers, set(SERVERS), f"the servers of {url} without a cookie")


def names_in(seen):
    return sorted(part.split("=")[0] for part in seen.split("; ") if "=" in part)


def test_restart(lab):
    """maxage: the session outlives the browser; without it, it does not"""
    start(lab, lasting="cookie=lasting maxage=1h", passing="cookie=passing")
    browser = browse(lab)
    homes = {name: stays(browser, f"http://app.test/{name}/") for name in ("lasting", "passing")}
    lasting = browser.cookie("lasting")
    assert 3500 < lasting["expires"] - time.time() < 3700, f"it expires at {lasting['expires']}"
    equal(browser.cookie("passing")["session"], True, "the other one ends with the browser's session")
    value = lasting["value"]
    browser.close()

    again = browse(lab, profile=browser.profile)
    names = again.names()
    assert "lasting" in names and "passing" not in names, f"the cookies after a restart: {names}"
    equal(again.cookie("lasting")["value"], value, "its value")
    equal(stays(again, "http://app.test/lasting/"), homes["lasting"], "the server after a restart")
    again.open("http://app.test/passing/")
    assert "passing" not in again.seen(), "it was sent on the first visit after a restart"
    assert "passing" in again.names(), "it was not set again"


def test_maxage_ends(lab):
    """maxage=2s: after three seconds the browser no longer sends it, and gets a new one"""
    start(lab, short="cookie=short maxage=2s", kept="cookie=kept maxage=1h")
    browser = browse(lab)
    for name in ("short", "kept"):
        browser.open(f"http://app.test/{name}/")
    browser.run("return new Promise(done => setTimeout(done, 3200));")
    for name, sent in (("short", False), ("kept", True)):
        browser.open(f"http://app.test/{name}/")
        equal(name in names_in(browser.seen()), sent, f"{name} is sent after three seconds")


def test_secure(lab):
    """secure: kept and sent over https only; secure=auto sets Secure only over https, and works over http as well"""
    start(lab, always="cookie=always secure", auto="cookie=auto secure=auto")
    browser = browse(lab)
    # The browser does not accept it over http.
    wanders(browser, "http://app.test/always/")
    assert "always" not in browser.names(), "a Secure cookie was accepted over http"
    stays(browser, "https://app.test/always/")
    equal(browser.cookie("always")["secure"], True, "the cookie over https is Secure")
    browser.open("http://app.test/always/")
    assert "always" not in names_in(browser.seen()), "it is sent over http"

    plain = browse(lab)
    stays(plain, "http://app.test/auto/")
    equal(plain.cookie("auto")["secure"], False, "with secure=auto over http")
    tls = browse(lab)
    stays(tls, "https://app.test/auto/")
    equal(tls.cookie("auto")["secure"], True, "with secure=auto over https")


def test_host_prefix(lab):
    """__Host-route: the browser accepts it with secure and path=/, for this host only"""
    start(lab, app="cookie=__Host-route secure path=/")
    browser = browse(lab)
    stays(browser, "https://app.test/app/")
    cookie = browser.cookie("__Host-route")
    equal((cookie["domain"], cookie["path"], cookie["secure"]), ("app.test", "/", True), "the cookie")
    browser.open("https://www.app.test/app/")
    assert "__Host-route" not in browser.seen(), "it was sent to another host of the same site"


def test_httponly(lab):
    """httponly: scripts cannot see the cookie, and it works nevertheless"""
    start(lab, closed="cookie=closed httponly", open="cookie=open")
    browser = browse(lab)
    for name in ("closed", "open"):
        stays(browser, f"http://app.test/{name}/")
        assert name in names_in(browser.seen()), "it was not sent to the server"
    equal(names_in(browser.document_cookie()), ["open", "shopping"], "the cookies visible to a script")
    # Nor can a script replace it.
    browser.run("document.cookie = 'closed=mine; Path=/';")
    assert browser.cookie("closed")["value"] in map(md5, SERVERS.values()), "a script replaced it"


SAME_SITE = {
    "strict": "cookie=strict samesite=strict secure",
    "lax": "cookie=lax samesite=lax secure",
    "none": "cookie=none samesite=none secure",
}


def test_samesite(lab):
    """samesite: a link from another site sends lax and none, a script of another site only none"""
    start(lab, **{f"s{name}": policy for name, policy in SAME_SITE.items()})
    browser = browse(lab)
    for name in SAME_SITE:
        stays(browser, f"https://app.test/s{name}/")
        equal(browser.cookie(name)["sameSite"], name.capitalize(), "the attribute in the browser")
    browser.open("https://app.test/snone/")
    equal(set(names_in(browser.seen())) - {"shopping"}, set(SAME_SITE), "cookies sent for a typed address")

    browser.open("https://other.test/?link=https://app.test/snone/")
    browser.driver.find_element("id", "link").click()
    equal(set(names_in(browser.seen())) - {"shopping"}, {"lax", "none"}, "cookies sent for a link from another site")
    browser.reload()

    browser.open("https://other.test/")
    ask = "return (await fetch(given[0], {credentials: 'include'})).text();"
    sent = browser.run(ask, "https://app.test/snone/who")
    equal(names_in(sent[sent.index("[") + 1 : -1]), ["none"], "cookies sent for a script of another site")
    servers = {browser.run(ask, "https://app.test/snone/who")[0] for _ in range(4)}
    equal(len(servers), 1, "the number of servers for such a script")
    servers = {browser.run(ask, "https://app.test/sstrict/who")[0] for _ in range(4)}
    equal(servers, set(SERVERS), "the servers with the strict cookie: each is a first visit")


def test_samesite_none_needs_secure(lab):
    """samesite=none without secure: the browser rejects it, as nginx's [warn] says"""
    start(lab, bare="cookie=bare samesite=none")
    browser = browse(lab)
    wanders(browser, "https://app.test/bare/")
    assert "bare" not in browser.names(), browser.names()


def in_frame(browser, site, app):
    """The server of that application of app.test, in a frame of another site's page."""
    browser.open(f"https://{site}/?frame=https://app.test/{app}/")
    browser.driver.switch_to.frame(0)
    server = browser.server()
    browser.driver.switch_to.default_content()
    return server


PARTITIONS = {
    "apart": "cookie=apart secure samesite=none partitioned",
    "shared": "cookie=shared secure samesite=none",
}


def in_two_sites(browser):
    """The server in each of two sites, by its partitioned cookie, which must match the browser's."""
    homes = {}
    for site in ("other.test", "third.test"):
        servers = [in_frame(browser, site, "apart") for _ in range(4)]
        equal(len(set(servers)), 1, f"the number of servers of the frame in {site}")
        homes[f"https://{site}"] = md5(SERVERS[servers[0]])
    kept = {key[3]: cookie["value"] for key, cookie in browser.cookies().items() if key[0] == "apart"}
    equal(kept, homes, "the sites with a cookie, and the server in each")
    equal(len(set(homes.values())), 2, "the number of servers: each site's frame was a first visit")


def test_partitioned(lab):
    """partitioned: the same frame in two sites has a session in each; without it, one for both"""
    start(lab, **PARTITIONS)
    browser = browse(lab)
    in_two_sites(browser)
    servers = {in_frame(browser, site, "shared") for site in ("other.test", "third.test") for _ in range(3)}
    equal(len(servers), 1, "the number of servers of the frame without Partitioned")
    equal(browser.cookie("shared").get("partitionKey"), None, "the site that its cookie is partitioned for")


def test_partitioned_where_others_are_blocked(lab):
    """a browser that blocks third-party cookies: the frame has a session only with partitioned"""
    start(lab, **PARTITIONS)
    browser = browse(lab, third_party=False)
    in_two_sites(browser)
    servers = {in_frame(browser, "other.test", "shared") for _ in range(4)}
    equal(servers, set(SERVERS), "the servers of the frame without Partitioned")
    assert "shared" not in browser.names(), browser.names()


def test_paths(lab):
    """two sites under one host name, /shop and /blog, with one cookie name and separate paths: neither uses the
    other's"""
    start(lab, shop="path=/shop", blog="path=/blog")
    browser = browse(lab)
    browser.open("http://app.test/shop/")
    shop = browser.server()
    # The other's round robin begins with the same server: one more request, so that they differ.
    browse(lab).open("http://app.test/blog/")
    browser.open("http://app.test/blog/")
    blog = browser.server()
    assert shop != blog, "the two sites have the same server, which proves nothing"
    for _ in range(4):
        for name, home in (("shop", shop), ("blog", blog)):
            browser.open(f"http://app.test/{name}/")
            equal(browser.server(), home, f"the server of /{name}")
            equal(browser.seen().count("route="), 1, f"the number of route cookies sent to /{name}")
    paths = sorted(key[2] for key in browser.cookies() if key[0] == "route")
    equal(paths, ["/blog", "/shop"], "the paths of the cookies")


def test_path_below_path(lab):
    """a site at `/`, and one below it with its own path and servers: the browser sends both cookies, each session
    stays"""
    start(lab)
    shop = {"C": "127.0.0.4:8080", "D": "127.0.0.5:8080"}
    for name, where in shop.items():
        lab.backend(name, where, pages.answer(name))
    lab.nginx(f"""
    upstream site {{ server {SERVERS["A"]}; server {SERVERS["B"]}; session_sticky path=/; }}
    upstream shop {{ server {shop["C"]}; server {shop["D"]}; session_sticky path=/shop; }}
    server {{
        listen {FRONT}:81;
        location / {{ proxy_pass http://site; }}
        location /shop/ {{ proxy_pass http://shop; }}
    }}
    """)
    for first, second in (("", "shop/"), ("shop/", "")):
        browser = browse(lab)
        homes = {}
        for path in (first, second):
            browser.open(f"http://app.test:81/{path}")
            homes[path] = browser.server()
        for _ in range(4):
            for path, home in homes.items():
                browser.open(f"http://app.test:81/{path}")
                equal(browser.server(), home, f"the server of /{path}")
        browser.open("http://app.test:81/shop/")
        equal(browser.seen().count("route="), 2, "the number of route cookies sent to /shop")
        values = {key[2]: cookie["value"] for key, cookie in browser.cookies().items() if key[0] == "route"}
        wanted = {"/": md5(SERVERS[homes[""]]), "/shop": md5(shop[homes["shop/"]])}
        equal(values, wanted, "the cookies by path")


def test_one_name_for_both_collides(lab):
    """two sites under one host name with one cookie and one path, and different servers: each overwrites the other's
    cookie"""
    start(lab, left="fallback=on")
    lab.backend("C", "127.0.0.4:8080", pages.answer("C"))
    lab.nginx(f"""
    upstream right {{ server 127.0.0.4:8080; session_sticky; }}
    server {{ listen {FRONT}:81; location / {{ proxy_pass http://right; }} }}
    """)
    browser = browse(lab)
    # Cookies do not distinguish ports.
    for _ in range(3):
        browser.open("http://app.test/left/")
        assert browser.cookie("route")["value"] in map(md5, SERVERS.values()), "the cookie of the left site"
        browser.open("http://app.test:81/")
        equal(browser.cookie("route")["value"], md5("127.0.0.4:8080"), "the cookie of the right site replaced it")
