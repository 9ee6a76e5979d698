"""The demo's configurations in a browser: reloads, tabs, two browsers, a hidden cookie, and a server that stops."""

import os
import shutil
import time
from pathlib import Path

import pages
from chromium import Browser
from lab import early_log, equal, md5, soon

DEMO = Path(__file__).resolve().parents[2] / "demo/nginx.conf"
SERVERS = {name: f"127.55.0.{number}:18081" for number, name in enumerate("ABC", 1)}
FOO, LB, LB_SHORT = (f"http://127.55.0.10:{port}/" for port in (18001, 18003, 18004))
TEST = "http://www.xxx.com:18002/"


def start(lab):
    """demo/nginx.conf, and servers with a page."""
    servers = {name: lab.backend(name, where, pages.answer(name)) for name, where in SERVERS.items()}
    prefix = lab.root / "demo"
    (prefix / "logs").mkdir(parents=True)
    (prefix / "modules").mkdir()
    (prefix / "modules" / Path(os.environ["MODULE"]).name).symlink_to(os.environ["MODULE"])
    user = ["-g", "user root;"] if os.geteuid() == 0 else []
    nginx = os.environ["NGINX_UNDER_TEST"]
    command = [nginx, "-p", f"{prefix}/", *early_log(nginx, "logs/error.log"), "-c", str(DEMO), *user]
    process = lab.process(command, log="nginx.log")
    pid = prefix / "logs/nginx.pid"
    assert soon(lambda: pid.exists() and pid.read_text().strip() == str(process.pid)), "the demo's nginx does not start"
    return servers


def test_reloads_and_tabs(lab):
    """six reloads and two tabs stay on the server; the next browser gets the other, and stays there"""
    start(lab)
    homes = []
    for _ in range(2):
        browser = Browser(lab)
        browser.open(FOO)
        home = browser.server()
        homes.append(home)
        for visit in range(2, 8):
            browser.reload()
            equal((browser.server(), browser.text("#visits")), (home, str(visit)), "after a reload")
        for visit in range(8, 10):
            browser.new_tab(FOO)
            equal((browser.server(), browser.text("#visits")), (home, str(visit)), "in a new tab")
        cookie = browser.cookie("route")
        equal((cookie["value"], cookie["path"], cookie["session"]), (md5(SERVERS[home]), "/", True), "the cookie")
        assert f"route={cookie['value']}" in browser.seen(), "option=direct: the server sees it"
        browser.close()
    equal(sorted(homes), ["A", "B"], "the servers of two browsers")


def test_hidden(lab):
    """Example 2: the browser has uid for www.xxx.com; a reload sends it to nginx, but the server does not get it"""
    start(lab)
    browser = Browser(lab, names={"www.xxx.com": "127.55.0.10"})
    browser.open(TEST)
    cookie = browser.cookie("uid")
    equal((cookie["value"], cookie["domain"]), (md5(SERVERS["A"]), ".www.xxx.com"), "the cookie")
    for _ in range(3):
        browser.reload()
        assert browser.seen().startswith("shopping=") and "uid" not in browser.seen(), browser.seen()
        assert "uid=" in browser.document_cookie(), "not visible to the page's scripts, though it has no httponly"


def test_session_ends(lab):
    """maxidle=2: a browser that returns after three seconds gets a new session, and a new one of the server too"""
    start(lab)
    browser = Browser(lab)
    for _ in range(10):
        browser.open(LB_SHORT)
        home, visits = browser.server(), int(browser.text("#visits"))
        began = browser.cookie("LBSID")["value"].split("|")[2]
        opened = time.monotonic()
        browser.reload()
        # A busy machine may be too slow for this.
        if time.monotonic() - opened < 1:
            break
    equal((browser.server(), browser.text("#visits")), (home, str(visits + 1)), "a reload within two seconds")
    browser.run("return new Promise(done => setTimeout(done, 3500));")
    browser.reload()
    value = browser.cookie("LBSID")["value"].split("|")
    assert int(value[2]) > int(began), "FIRSTSEEN after three seconds"
    equal(value[0], md5(SERVERS[browser.server()]), "the server of the new session")
    assert browser.server() != home, "round robin did not select the next server"


def test_failover(lab):
    """the server stops: a reload shows another one, as does every later one, also after the first is back"""
    servers = start(lab)
    browser = Browser(lab)
    browser.open(LB)
    home = browser.server()
    for _ in range(3):
        browser.reload()
    equal((browser.server(), browser.text("#visits")), (home, "4"), "before the failover")
    browser.picture(lab.root / "failover-before.png")
    servers[home].close()
    browser.reload()
    new = browser.server()
    assert new != home, "the stopped server answered"
    equal(browser.text("#visits"), "1", "the other server's count of visits")
    for visit in range(2, 5):
        browser.reload()
        equal((browser.server(), browser.text("#visits")), (new, str(visit)), "after the failover")
    browser.picture(lab.root / "failover-after.png")
    equal(browser.cookie("LBSID")["value"].split("|")[0], md5(SERVERS[new]), "the cookie after the failover")
    lab.backend(home, SERVERS[home], pages.answer(home))
    for visit in range(5, 8):
        browser.reload()
        equal((browser.server(), browser.text("#visits")), (new, str(visit)), "the first server is back")
    for picture in sorted(lab.root.glob("failover-*.png")):
        assert picture.stat().st_size > 2000, f"{picture.name} shows nothing"
        if folder := os.environ.get("SCREENSHOTS"):
            shutil.copy(picture, folder)
