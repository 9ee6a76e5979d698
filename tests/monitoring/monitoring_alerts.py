"""docs/alerts.yml: promtool checks the rules, and evaluates each with tests/monitoring/alerts.yml."""

import re
import subprocess
from pathlib import Path

from lab import curl, equal

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "docs/alerts.yml"
CASES = Path(__file__).with_name("alerts.yml")

HTTP = """
upstream app { server 127.0.0.1:7001; server 127.0.0.1:7002 drain; session_sticky; }
server {
    listen 127.0.0.1:7000;
    location /status { session_sticky_status; }
    location / { proxy_pass http://app; }
}
server { listen 127.0.0.1:7001; listen 127.0.0.1:7002; return 200 "ok"; }
"""


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    equal(done.returncode, 0, f"promtool {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")


def alerts():
    return re.findall(r"^ +- alert: (\w+)$", RULES.read_text(), re.MULTILINE)


def test_rules(_):
    """promtool accepts the rules, and each fires exactly when it should"""
    promtool("check", "rules", RULES)
    promtool("test", "rules", CASES)
    cases = re.split(r"exp_alerts:", CASES.read_text())
    tried = {True: set(), False: set()}
    for before, after in zip(cases, cases[1:], strict=False):
        tried[not after.startswith(" []")].add(re.findall(r"alertname: (\w+)", before)[-1])
    for fires, names in tried.items():
        equal(names, set(alerts()), f"alerts evaluated with fires={fires}")
    return f"{len(alerts())} alerts"


def test_page(_):
    """docs/operations.md describes what to do for each alert"""
    page = (ROOT / "docs/operations.md").read_text()
    section = page[page.index("\n## Alerts\n") : page.index("\n## Capacity\n")]
    equal(
        re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE), alerts(), "the table of alerts, in the order of the rules"
    )


def test_metrics(lab):
    """the rules use existing metrics and labels"""
    lab.nginx(HTTP)
    curl("http://127.0.0.1:7000/")
    metrics = curl("http://127.0.0.1:7000/status?format=prometheus").body
    rules = re.sub(r"^(?:#| +summary:).*$", "", RULES.read_text(), flags=re.MULTILINE)
    for name, matcher in set(re.findall(r"(session_sticky_\w+)(?:\{(\w+=~?\"[^\"]+\")\})?", rules)):
        label, _, words = matcher.partition("=")
        for word in words.strip('~"').split("|"):
            wanted = rf"^{name}\{{.*\b{label}=\"{word}\"" if label else rf"^{name}[{{ ]"
            equal(bool(re.search(wanted, metrics, re.MULTILINE)), True, f"{name} with {label} {word}")
