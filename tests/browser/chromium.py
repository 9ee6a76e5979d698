"""Debian's headless chromium, each with its own profile, driven by chromedriver."""

import os
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

PATIENCE = 20

# It must not contact other hosts; the tests' network has none.
ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-sync",
    "--ignore-certificate-errors",
    "--window-size=520,420",
    "--hide-scrollbars",
)


class Browser:
    """`names` maps host names to addresses. `profile` is a folder; a browser with the same folder has its cookies.
    `third_party`: whether the frames and scripts of one site may use the cookies of another.
    """

    def __init__(self, lab, names=(), profile=None, third_party=True):
        self.profile = profile or tempfile.mkdtemp(prefix="profile.", dir=lab.root)
        options = Options()
        options.binary_location = "/usr/bin/chromium"
        for argument in ARGUMENTS:
            options.add_argument(argument)
        # Chromium's settings: block none, and block third-party cookies.
        options.add_experimental_option("prefs", {"profile.cookie_controls_mode": 0 if third_party else 1})
        rules = ", ".join(f"MAP {name} {address}" for name, address in dict(names).items())
        if rules:
            options.add_argument(f"--host-resolver-rules={rules}")
        options.add_argument(f"--user-data-dir={self.profile}")
        log = os.path.join(lab.root, "chromedriver.log")
        service = Service(executable_path="/usr/bin/chromedriver", log_output=log)
        self.driver = webdriver.Chrome(options=options, service=service)
        self.driver.set_page_load_timeout(PATIENCE)
        self.driver.set_script_timeout(PATIENCE)
        self.closed = False
        lab.stack.callback(self.close)

    def close(self):
        """Closes it like a user, so that persistent cookies are written to disk."""
        if not self.closed:
            self.closed = True
            self.driver.quit()

    def open(self, url):
        self.driver.get(url)

    def reload(self):
        self.driver.refresh()

    def new_tab(self, url):
        self.driver.switch_to.new_window("tab")
        self.driver.get(url)

    def text(self, css):
        return self.driver.find_element("css selector", css).text

    def server(self):
        """The name of the server of this page."""
        return self.text("#server")

    def seen(self):
        """The Cookie field that the server received for this page."""
        return self.text("#cookies")

    def run(self, script, *arguments):
        """The value of a promise, or of an expression."""
        return self.driver.execute_async_script(
            "const done = arguments[arguments.length - 1], given = [...arguments].slice(0, -1);"
            f"Promise.resolve((async (...given) => {{ {script} }})(...given))"
            ".then(done, error => done('error: ' + error));",
            *arguments,
        )

    def document_cookie(self):
        return self.run("return document.cookie;")

    def cookies(self):
        """Every cookie of this profile: {(name, domain, path, partition): cookie}."""
        found = self.driver.execute_cdp_cmd("Storage.getCookies", {})["cookies"]
        return {(each["name"], each["domain"], each["path"], partition(each)): each for each in found}

    def cookie(self, name):
        found = [each for key, each in self.cookies().items() if key[0] == name]
        assert len(found) == 1, f"{len(found)} cookies of the name {name}: {found}"
        return found[0]

    def names(self):
        return sorted(key[0] for key in self.cookies())

    def picture(self, file):
        self.driver.save_screenshot(str(file))


def partition(cookie):
    key = cookie.get("partitionKey")
    return key.get("topLevelSite") if isinstance(key, dict) else key
