"""The page of session_sticky_status in a browser: its content, the focus, and axe-core's findings."""

import base64
import os
from pathlib import Path

from chromium import Browser
from lab import equal, soon
from selenium.webdriver.common.action_chains import ActionChains

# A phone, a tablet and a desktop.
WIDTHS = (320, 768, 1440)
SCHEMES = ("light", "dark")

ROWS = """
const text = node => node.innerText.trim().replaceAll("\u00a0", " ");
return [...document.querySelectorAll("tbody tr")].map(row => ({
    address: text(row.querySelector(".address")),
    server: text(row.cells[0]),
    state: text(row.querySelector(".state")).split("\\n")[0],
    notes: text(row.querySelector(".state")),
    share: text(row.querySelector(".share")),
    buttons: [...row.querySelectorAll("button")].filter(each => each.offsetParent).map(each => each.firstChild.data),
    ...Object.fromEntries([...row.querySelectorAll(".number")].map(cell => [cell.dataset.label, cell.textContent])),
}));
"""

FIGURES = """
return Object.fromEntries([...document.querySelectorAll(".figures section")].map(section => [
    section.querySelector("h3").textContent,
    Object.fromEntries([...section.querySelectorAll("dl div")].map(each => [
        each.querySelector("dt").textContent, each.querySelector("dd span").textContent,
    ])),
]));
"""

AXE = """
const found = await axe.run(document);
return found.violations.flatMap(rule => rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 200)}`));
"""


class StatusPage:
    def __init__(self, lab, url="http://127.0.0.1/status"):
        self.lab, self.url = lab, url
        self.browser = Browser(lab)
        self.driver = self.browser.driver
        self.run = self.browser.run
        self.open()

    def open(self):
        self.size(WIDTHS[-1])
        self.browser.open(self.url)
        assert soon(lambda: self.text("#asked") or self.shown("#failure")), "the page shows nothing"

    def find(self, css):
        return self.driver.find_element("css selector", css)

    def text(self, css):
        return self.find(css).text

    def shown(self, css):
        return self.find(css).is_displayed()

    def rows(self):
        """The row of each server, in the order of the page."""
        return self.run(ROWS)

    def row(self, address):
        found = [row for row in self.rows() if row["address"] == address]
        equal(len(found), 1, f"the number of rows of {address}")
        return found[0]

    def figures(self):
        """The figures of the first upstream, by heading and name."""
        return self.run(FIGURES)

    def wait(self, condition, what):
        assert soon(condition, 15), f"{what}: {self.text('body')!r}"

    def wait_for(self, address, **wanted):
        """Waits until a refresh shows these values."""

        def there():
            row = self.row(address)
            return all(row[key].startswith(value) for key, value in wanted.items())

        assert soon(there, 15), f"{address} instead of {wanted}: {self.row(address)}"

    def refreshed(self):
        """Waits for the next refresh."""
        before = self.text("#asked")
        self.wait(lambda: self.text("#asked") != before, "no refresh")

    def button(self, address, verb):
        """The button of a server."""
        for row in self.driver.find_elements("css selector", "tbody tr"):
            if row.find_element("css selector", ".address").text == address:
                for button in row.find_elements("css selector", ".control button"):
                    if button.is_displayed() and button.text.split()[0] == verb:
                        return button
        raise AssertionError(f"{address} has no button {verb}: {self.row(address)}")

    def change(self, address, verb, time=""):
        """Presses a button of a server, and confirms."""
        self.button(address, verb).click()
        if time:
            self.find("#for").send_keys(time)
        self.find("#do").click()

    def press(self, *keys):
        ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self):
        """The text of the focused element, or its id if it has none."""
        return self.run(
            "const node = document.activeElement; return (node.value ?? '') || node.textContent || node.id;"
        )

    def size(self, width):
        metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def scheme(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def accessible(self, what):
        # Runs in the browser's debugger, which the page's policy does not restrict.
        self.driver.execute_cdp_cmd("Runtime.evaluate", {"expression": Path(os.environ["AXE"]).read_text()})
        equal(self.run(AXE), [], f"what axe-core finds: {what}")

    def look(self, name):
        """On each screen, light and dark: nothing overflows on the right, axe-core finds nothing; a screenshot."""
        for width in WIDTHS:
            self.size(width)
            for scheme in SCHEMES:
                self.scheme(scheme)
                what = f"{name}, {width} px wide, {scheme}"
                wide = self.run("return document.documentElement.scrollWidth;")
                assert wide <= width, f"{what}: the page is {wide} px wide"
                self.accessible(what)
                self.picture(f"status-{name}-{width}-{scheme}.png")
        self.size(WIDTHS[-1])
        self.scheme(SCHEMES[0])

    def picture(self, file):
        folder = os.environ.get("SCREENSHOTS")
        if not folder:
            return
        # The heads of tables stay visible when scrolling.
        self.run("scrollTo(0, 0);")
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": min(size["height"], 8000), "scale": 1}
        shot = {"clip": clip, "captureBeyondViewport": True}
        data = self.driver.execute_cdp_cmd("Page.captureScreenshot", shot)["data"]
        (Path(folder) / file).write_bytes(base64.b64decode(data))

    def complaints(self):
        """The browser's messages about the page: failed scripts, and violations of its policy."""
        return [
            line["message"]
            for line in self.driver.get_log("browser")
            if "Failed to load resource" not in line["message"]
        ]
