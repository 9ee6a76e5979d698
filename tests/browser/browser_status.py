"""The page of session_sticky_status: each state, buttons, keyboard, and names with markup."""

import subprocess
import threading

from lab import curl, equal, md5, soon
from selenium.webdriver.common.keys import Keys
from status_page import StatusPage

A, B, C = SERVERS = [f"127.0.0.{number}:8080" for number in (2, 3, 4)]
APP = "http://127.0.0.1/"
STATUS = "location /status { session_sticky_status; session_sticky_control on; allow 127.0.0.1; deny all; }"


def servers(addresses):
    """Servers run by this nginx, which answer with their address."""
    return "".join(f"server {{ listen {each}; return 200 $server_addr:$server_port; }}\n" for each in addresses)


def configuration(lines, sticky="session_sticky;", status=STATUS, more=""):
    lines = "".join(f"server {line};\n" for line in lines)
    return f"""
    upstream app {{ zone app 256k; {lines} {sticky} }}
    server {{ listen 127.0.0.1:80; {more} {status} location / {{ proxy_pass http://app; }} }}
    """


def start(lab, lines=SERVERS, **more):
    """nginx in front of three running servers."""
    return lab.nginx(configuration(lines, **more) + servers(SERVERS))


def session():
    """The value of a new session, and its server."""
    answer = curl(APP)
    return answer.cookie("route"), answer.body


def visit(value, times=1):
    """The servers that requests of that session go to."""
    return [curl(APP, "-b", f"route={value}").body for _ in range(times)]


def first_visits(times):
    return {curl(APP).body for _ in range(times)}


def session_of(server):
    """The value of a session on that server."""
    return md5(server)


# --- figures


def test_all_well(lab):
    """no problem: each figure matches the requests; the policy is strict, and nothing violates it"""
    start(lab)
    value, home = session()
    equal(visit(value, 4), [home] * 4, "the servers of the session")
    curl(APP, "-b", "route=nobody")
    page = StatusPage(lab)
    equal(page.text("#headline"), "All 3 servers are up", "the headline")
    figures = page.figures()
    requests = {"bound": "4", "first visits": "2", "moved": "0", "lent": "0", "refused": "0", "off": "0"}
    equal(figures["Requests"], requests, "requests")
    verdicts = dict.fromkeys(("expired", "old", "down", "invalid", "forged", "unused"), "0")
    equal(figures["Verdicts"], {"valid": "4", "none": "1", "unknown": "1", **verdicts}, "verdicts")
    equal((figures["Actions"]["none"], figures["Actions"]["inserted"]), ("4", "2"), "actions")
    row = page.row(home)
    equal((row["state"], row["Bound"], row["First visits"], row["share"]), ("up", "4", "1", "83.3 %"), "its server")
    assert md5(home) in row["server"], row
    equal(page.rows()[2]["share"], "0.0 %", "the share of the third")
    policy = curl(page.url, "-H", "Accept: text/html").one("Content-Security-Policy")
    assert "default-src 'none'" in policy and "unsafe" not in policy, policy
    page.refreshed()
    page.look("well")
    equal(page.complaints(), [], "the browser's complaints")


def test_unavailable(lab):
    """a server that fails: since when sessions moved away, where to, and when it is tried again"""
    start(lab, lines=[A, B, "127.0.0.9:8080 max_fails=1 fail_timeout=60s"])
    answer = curl(APP, "-b", f"route={session_of('127.0.0.9:8080')}")
    assert answer.body in (A, B), answer.body
    page = StatusPage(lab)
    equal(page.text("#headline"), "1 unavailable, 2 up", "the headline")
    row = page.row("127.0.0.9:8080")
    equal((row["state"], row["Moved away"], row["Bound"]), ("unavailable", "1", "0"), "the server that fails")
    assert "tried again in " in row["notes"], row
    equal(page.row(answer.body)["Moved in"], "1", "the session's server now")
    assert page.driver.title.startswith("1 unavailable"), page.driver.title
    page.look("unavailable")


def test_draining(lab):
    """draining servers: how many of their sessions' requests still arrive, and idle after a minute without any"""
    start(lab, lines=[A, f"{B} drain", C, "127.0.0.9:8080 down"])
    page = StatusPage(lab)
    page.change(A, "Drain")
    page.wait_for(A, state="draining")
    equal(visit(session_of(A), 3), [A] * 3, "the servers of the session while its server drains")
    page.wait(lambda: "by control\n3 bound in the last minute, last " in page.row(A)["notes"], "the requests since")
    row = page.row(B)
    notes = "draining\nby the configuration\nno connection, no bound request since the drain or a restart"
    equal(row["notes"], notes, "the other")
    equal(row["buttons"], ["Down"], "the buttons of a server drained by the configuration")
    row = page.row("127.0.0.9:8080")
    equal((row["notes"], row["buttons"]), ("down\nby the configuration", []), "the server that is down")
    equal(page.text("#headline"), "1 down, 2 draining, 1 up", "the headline")
    page.look("draining")
    idle = "by control\nno connection, no bound request for 1 min"
    assert soon(lambda: page.row(A)["state"] == "draining idle" and idle in page.row(A)["notes"], 75), page.row(A)
    equal(page.row(B)["state"], "draining idle", "the other after a minute")
    equal(page.row(C)["state"], "up", "the server that does not drain")
    page.accessible("idle")
    page.picture("status-idle.png")


def test_forty(lab):
    """40 servers, one unavailable, one full, one draining: they come first; filter and order"""
    addresses = [f"127.0.1.{number}:8080" for number in range(1, 41)]
    gone, slow, away = addresses[12], addresses[29], addresses[33]
    lines = [*addresses]
    lines[12] += " max_fails=1 fail_timeout=60s"
    lines[29] += " max_conns=1"
    release = threading.Event()
    # It never answers.
    lab.backend("slow", slow, lambda _: release.wait(60))
    lab.stack.callback(release.set)
    alive = [each for each in addresses if each not in (gone, slow)]
    lab.nginx(configuration(lines) + servers(alive))
    for each in alive[:10]:
        equal(visit(session_of(each)), [each], "the server of a session")
    visit(session_of(gone))
    hanging = subprocess.Popen(
        ["curl", "-s", "-m", "60", "-b", f"route={session_of(slow)}", APP], stdout=subprocess.DEVNULL
    )
    lab.stack.callback(hanging.wait)
    lab.stack.callback(hanging.kill)
    page = StatusPage(lab)
    page.change(away, "Drain")
    page.wait(lambda: page.text("#headline") == "1 unavailable, 1 full, 1 draining, 37 up", "the headline")
    told = [line.split(" of ")[0] for line in page.text("#attention").splitlines()]
    equal(told, [f"unavailable {gone}", f"full {slow}", f"draining {away}"], "the servers listed first")
    assert page.row(slow)["Connections"] == "1 / 1", page.row(slow)
    page.look("forty")

    page.find("#trouble").click()
    equal([row["address"] for row in page.rows()], [gone, slow, away], "the servers that are not up")
    page.find("#trouble").click()
    page.find("#filter").send_keys("1.1:")
    equal([row["address"] for row in page.rows()], [addresses[0]], "the matching server")
    page.find("#attention a").click()
    equal((page.find("#filter").get_attribute("value"), len(page.rows())), ("", 40), "a link to one shows all")
    assert page.focused().startswith(gone), "the link does not lead there"
    page.find("#order option[value=state]").click()
    equal([row["address"] for row in page.rows()][:3], [gone, slow, away], "problems first")
    page.find("#order option[value=configured]").click()
    equal([row["address"] for row in page.rows()], addresses, "as configured")


def test_none_sticky(lab):
    """no sticky upstream: the page says so, and how to configure one"""
    start(lab, sticky="")
    page = StatusPage(lab)
    assert "No sticky upstream" in page.text("main") and "session_sticky;" in page.text("main"), page.text("body")
    equal(page.rows(), [], "servers")
    page.look("none")


def test_control_is_off(lab):
    """without session_sticky_control: no buttons"""
    start(lab, status="location /status { session_sticky_status; }")
    page = StatusPage(lab)
    equal([row["buttons"] for row in page.rows()], [[]] * 3, "the buttons")
    page.accessible("without control")


# --- refreshed in place


def test_refresh(lab):
    """new figures do not disturb focus, scrolling, open details and half-typed input; Pause stops them"""
    start(lab)
    page = StatusPage(lab)
    page.size(320)
    page.find(".explain summary").click()
    page.find(".explain input").send_keys("half-ty", Keys.LEFT)
    state = """
    const field = document.querySelector(".explain input"), { open } = document.querySelector(".explain");
    return [field.value, field.selectionStart, document.activeElement === field, open, scrollY, given[0].isConnected];
    """
    row = page.find("tbody tr")
    before = page.run(state, row)
    equal(before[:4], ["half-ty", 6, True, True], "before")
    assert before[4] > 0, "it is not scrolled"
    visit(session_of(A), 7)
    page.wait_for(A, Bound="7")
    page.refreshed()
    equal(page.run(state, row), before, "after two refreshes")

    page.size(1440)
    page.button(B, "Down").click()
    page.find("#for").send_keys("1")
    page.refreshed()
    equal((page.find("#for").get_attribute("value"), page.focused()), ("1", "1"), "half-typed, in the dialog")
    page.find("#cancel").click()

    page.find("#pause").click()
    visit(session_of(A))
    page.run("return new Promise(done => setTimeout(done, 4500));")
    equal(page.row(A)["Bound"], "7", "while it is paused")
    page.find("#pause").click()
    page.wait_for(A, Bound="8")


def test_nginx_does_not_answer(lab):
    """nginx stops: the page says so, and how old its figures are; when it is back, all is well again"""
    nginx = start(lab)
    visit(session_of(A), 3)
    page = StatusPage(lab)
    equal(page.row(A)["Bound"], "3", "before")
    nginx.terminate()
    nginx.wait()
    page.wait(lambda: page.shown("#failure"), "the failure is not shown")
    said = page.text("#failure")
    assert "Not up to date: no connection" in said and " s ago" in said, said
    equal((page.row(A)["Bound"], page.text("#headline")), ("3", "Last known: All 3 servers are up"), "the last figures")
    page.look("stale")
    start(lab)
    page.wait(lambda: not page.shown("#failure"), "the failure is still shown")
    page.wait_for(A, Bound="0")


# --- buttons


def test_drain_by_keyboard(lab):
    """Drain, Escape, Drain for 30m, Up, with keys only: all work, and the focus stays with the server"""
    start(lab)
    page = StatusPage(lab)

    def go_to(text):
        for _ in range(60):
            if page.focused().startswith(text):
                return
            page.press(Keys.TAB)
        raise AssertionError(f"Tab does not come to {text}")

    go_to(f"Drain {A}")
    page.press(Keys.ENTER)
    equal((page.shown("#dialog"), page.focused()), (True, "for"), "the dialog, and its focus")
    equal(page.text("#question"), f"Drain {A} of app?", "the question")
    page.accessible("the dialog")
    page.picture("status-dialog.png")
    for _ in range(5):
        page.press(Keys.TAB)
        # After the last one, the focus is on the browser's own buttons.
        behind = page.run("return document.activeElement.closest('header, main, footer') !== null;")
        assert not behind, f"Tab leaves the dialog: {page.focused()}"
    page.press(Keys.ESCAPE)
    equal((page.shown("#dialog"), page.focused()), (False, f"Drain {A}"), "after Escape")
    equal(page.row(A)["state"], "up", "after Escape")

    page.press(Keys.ENTER)
    page.press("30m", Keys.ENTER)
    page.wait_for(A, state="draining")
    assert "by control, down in " in page.row(A)["notes"], page.row(A)
    equal(page.focused(), f"Up {A}", "the focus, as Drain is gone")
    equal(first_visits(6), {B, C}, "the servers of first visits")
    equal(visit(session_of(A), 3), [A] * 3, "the servers of a session of its own")

    page.press(Keys.ENTER)
    equal(page.text("#question"), f"Bring {A} of app up?", "the question")
    go_to("Bring up")
    page.press(Keys.ENTER)
    page.wait_for(A, state="up")
    equal(page.focused(), f"Drain {A}", "the focus, as Up is gone")
    equal(first_visits(6), {A, B, C}, "the servers of first visits")


def test_down(lab):
    """Down moves sessions; the dialog warns about the last server that is up; it also shows nginx's errors"""
    start(lab)
    page = StatusPage(lab)
    page.button(A, "Down").click()
    assert not page.shown("#last-one"), "a warning, although others are up"
    page.find("#for").send_keys("a while", Keys.ENTER)
    page.wait(lambda: page.text("#error"), "an answer")
    assert page.text("#error").startswith("Not done: ") and "(400" in page.text("#error"), page.text("#error")
    equal(page.find("#for").get_attribute("value"), "a while", "the input")
    equal(page.row(A)["state"], "up", "after the error")
    page.accessible("an error in the dialog")
    page.find("#for").clear()
    page.find("#do").click()
    page.wait_for(A, state="down")
    assert visit(session_of(A))[0] in (B, C), "its session has not moved"
    page.wait_for(A, **{"Moved away": "1"})
    page.change(B, "Down")
    page.wait_for(B, state="down")
    page.button(C, "Drain").click()
    equal(page.text("#last-one"), "No other server of app is up.", "the warning")
    page.find("#cancel").click()
    page.change(A, "Up")
    page.wait_for(A, state="up")
    equal(visit(session_of(A)), [A], "the server of a session of its own")


def test_explain(lab):
    """Explain: the outcome for a session; its value is not logged"""
    log = lab.root / "access.log"
    start(lab, more=f"access_log {log};")
    page = StatusPage(lab)
    page.find(".explain summary").click()
    field = page.find(".explain input")

    def explain(value):
        field.clear()
        field.send_keys(value, Keys.ENTER)
        assert soon(lambda: value.removeprefix("route=") in page.text(".answer")), page.text(".answer")
        return page.text(".answer")

    said = explain(session_of(B))
    assert "goes to the server of the session: bound" in said and f"{B}, up" in said, said
    # With the cookie's name before it, as in the Cookie field.
    assert "bound" in explain(f"route={session_of(C)}"), page.text(".answer")
    said = explain("nobody")
    assert "unknown: " in said and ": new." in said, said
    page.accessible("an answer")
    page.picture("status-explain.png")
    page.change(B, "Down")
    page.wait_for(B, state="down")
    said = explain(session_of(B))
    assert ": moved." in said and "down" in said, said
    equal(page.row(B)["Moved away"], "0", "explaining counts nothing")
    logged = log.read_text()
    assert "/upstreams/app/explain" in logged and session_of(B) not in logged, logged


# --- names with markup

IMAGE, SCRIPT = "<img src=x onerror=window.hacked=1>", '"><script>window.hacked=1</script>'
NAMES = [IMAGE, SCRIPT, "__proto__", "a/b?c#d%2F&e"]
# nginx refuses addresses that lead above the root.
ABOVE = "../../.."
ID = "<img/src=x/onerror=window.hacked=1>"


def test_hostile_names(lab):
    """upstreams, IDs and sockets with markup, slashes and the like in their names: shown literally; Drain works"""
    names = [*NAMES, ABOVE]
    sockets = [f"unix:{lab.root}/{number}%2F<b>&?.sock" for number in range(len(names))]
    upstreams = "".join(
        f"upstream '{name}' {{ server '{socket}' 'id={ID}{number}'; server {A}; session_sticky hash=plain; }}\n"
        for number, (name, socket) in enumerate(zip(names, sockets, strict=True))
    )
    lab.nginx(f"{upstreams} server {{ listen 127.0.0.1:80; {STATUS} }}")
    page = StatusPage(lab)
    shown = [each.text for each in page.driver.find_elements("css selector", "h2 .text")]
    equal(shown, names, "the names of the upstreams")
    for number, socket in enumerate(sockets):
        assert f"{ID}{number}" in page.row(socket)["server"], page.row(socket)
    for socket in sockets[:-1]:
        page.change(socket, "Drain")
        page.wait_for(socket, state="draining")
    page.change(sockets[-1], "Drain")
    page.wait(lambda: "Not done: 400" in page.text("#error"), "the response for a name above the root")
    page.find("#cancel").click()
    equal(
        len([row for row in page.rows() if row["state"].startswith("draining")]), len(NAMES), "the servers that drain"
    )
    for details in page.driver.find_elements("css selector", ".explain")[:-1]:
        details.find_element("css selector", "summary").click()
        details.find_element("css selector", "input").send_keys(IMAGE, Keys.ENTER)
        assert soon(lambda each=details: IMAGE in each.find_element("css selector", ".answer").text), details.text
    page.look("hostile")
    equal(
        page.run("return [typeof window.hacked, document.querySelectorAll('img, b').length, document.scripts.length];"),
        ["undefined", 0, 1],
        "effects of the names",
    )
    equal(page.complaints(), [], "the browser's complaints")
