"""A real Prometheus scrapes the metrics, and each query of docs/grafana-dashboard.json returns data."""

import json
import re
import subprocess
import urllib.parse
import urllib.request
from pathlib import Path

from lab import curl, equal, md5, soon

DASHBOARD = json.loads((Path(__file__).resolve().parents[2] / "docs/grafana-dashboard.json").read_text())

HTTP = """
upstream app {
    server 127.0.0.1:7001 weight=2;
    server 127.0.0.1:7002;
    server 127.0.0.1:7003 drain;
    server 127.0.0.1:7009 down;
    session_sticky;
}
upstream strict { server 127.0.0.1:7001; server 127.0.0.1:7009 down; session_sticky cookie=strict fallback=off; }
upstream "odd \\"\\\\" { server "unix:/tmp/\u00e9\\"\\\\n"; session_sticky cookie=odd; }
server {
    listen 127.0.0.1:7000;
    location /status { session_sticky_status; }
    location ~ ^/(app|strict)/ { proxy_pass http://$1; }
}
server { listen 127.0.0.1:7001; listen 127.0.0.1:7002; listen 127.0.0.1:7003; return 200 "ok"; }
"""

PROMETHEUS = """
global: { scrape_interval: 1s }
scrape_configs:
  - job_name: nginx
    metrics_path: /status
    static_configs: [{ targets: ["127.0.0.1:7000"] }]
"""

API = "http://127.0.0.1:7090/api/v1/"


def api(path, **parameters):
    url = f"{API}{path}?{urllib.parse.urlencode(parameters)}"
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as response:
        return json.load(response)["data"]


def asked(query):
    return api("query", query=query)["result"]


def number(query):
    result = asked(query)
    return float(result[0]["value"][1]) if len(result) == 1 else f"{len(result)} results"


def scraped(lab):
    """Starts nginx and Prometheus, and returns after the first scrape."""
    lab.nginx(HTTP)
    config = lab.root / "prometheus.yml"
    config.write_text(PROMETHEUS)
    lab.process(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={lab.root / 'data'}",
            "--web.listen-address=127.0.0.1:7090",
        ],
        log="prometheus.log",
    )

    def is_up():
        try:
            return number("up") == 1
        except OSError:
            return False

    assert soon(is_up, 30), (lab.root / "prometheus.log").read_text()[-1000:]


def visits():
    for server in ["", "", "127.0.0.1:7001", "127.0.0.1:7003", "127.0.0.1:7009"]:
        curl("http://127.0.0.1:7000/app/", "--cookie", f"route={md5(server)}" if server else "")
    curl("http://127.0.0.1:7000/strict/", "--cookie", f"strict={md5('127.0.0.1:7009')}")


def queries():
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$upstream", ".*").replace("$__rate_interval", "1m")


def test_scraping(lab):
    """it accepts all metrics, without being configured for a format"""
    scraped(lab)
    visits()
    bound = 'session_sticky_requests_total{upstream="app",server="127.0.0.1:7001",status="bound"}'
    assert soon(lambda: number(bound) == 1), bound
    draining = 'server="127.0.0.1:7003"'
    for query, wanted in [
        ('sum(session_sticky_requests_total{upstream="app"})', 5),
        ('session_sticky_requests_total{upstream="strict",server="127.0.0.1:7009",status="refused"}', 1),
        (f'session_sticky_server_state{{{draining},state="draining"}}', 1),
        (f"session_sticky_server_leaving_requests{{{draining}}}", 1),
        ('session_sticky_server_weight{upstream="odd \\"\\\\",server="unix:/tmp/\u00e9\\"\\\\n"}', 1),
    ]:
        equal(number(query), float(wanted), query)
    equal(number("scrape_samples_scraped - scrape_samples_post_metric_relabeling"), 0.0, "samples that were dropped")
    kinds = {name: said[0]["type"] for name, said in api("metadata").items() if name.startswith("session_sticky_")}
    counters = {name for name, kind in kinds.items() if kind == "counter"}
    equal(counters, {name for name in kinds if name.endswith("_total")}, "counters")
    log = (lab.root / "prometheus.log").read_text()
    equal(re.findall(r"level=(?:warn|error).*(?:scrape|duplicate).*", log), [], "Prometheus's warnings and errors")
    return f"{int(number('scrape_samples_scraped'))} samples, {len(kinds)} metrics"


def test_dashboard(lab):
    """each query of the dashboard returns data"""
    scraped(lab)

    def without_answer():
        visits()
        return [f"{title}: {query}" for title, query in queries() if not asked(query)]

    soon(lambda: not without_answer(), 30)
    equal(without_answer(), [], "queries without data")
    names = set(re.findall(r"session_sticky_\w+_\w+|session_sticky_info", json.dumps(DASHBOARD)))
    equal(names - set(api("label/__name__/values")), set(), "metrics that do not exist")
    return f"{len(list(queries()))} queries"


def test_promtool(lab):
    """promtool reports nothing"""
    lab.nginx(HTTP)
    visits()
    metrics = curl("http://127.0.0.1:7000/status?format=prometheus").body
    done = subprocess.run(["promtool", "check", "metrics"], input=metrics.encode(), capture_output=True, check=False)
    equal((done.returncode, done.stdout + done.stderr), (0, b""), "promtool's report")
