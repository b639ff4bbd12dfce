"""packaging/monitoring: Prometheus takes the rules and its configuration, each alert has a test, and a Prometheus that reads a running
host has something to show in every panel of the dashboard."""

import json
import os
import re
import shutil
import tempfile
import time
import urllib.parse

import yaml

from common import ROOT, Application, ask, end, expect, free_port, lonely_node, run, start, start_host, tool, until
from snippets import files

FOLDER = os.path.join(ROOT, "packaging", "monitoring")
NAME = re.compile(r"\b(?:roster_host|process)_[a-z_0-9]+")


def check(program):
    promtool = tool("promtool")
    run([promtool, "check", "rules", "alerts.yml"], FOLDER)
    run([promtool, "check", "config", "prometheus.yml"], FOLDER)
    run([promtool, "test", "rules", "alerts_test.yml"], FOLDER)
    alerts = [rule for group in read("alerts.yml")["groups"] for rule in group["rules"]]
    fired = {test["alertname"] for one in read("alerts_test.yml")["tests"] for test in one["alert_rule_test"] if test.get("exp_alerts")}
    expect(fired == {rule["alert"] for rule in alerts}, f"alerts without a test that fires them: {[rule['alert'] for rule in alerts if rule['alert'] not in fired]}")
    shown = [(panel["title"], target["expr"]) for panel in dashboard()["panels"] for target in panel.get("targets", [])]
    shown += [(one["name"], one["expr"]) for one in dashboard()["annotations"]["list"]]
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        host, application = busy_host(program, folder)
        node = None
        try:
            node = lonely_node(program, other)
            there = metrics(host) | metrics(node)
            for what, expression in [*shown, *((rule["alert"], rule["expr"]) for rule in alerts)]:
                unknown = set(NAME.findall(expression)) - there
                expect(not unknown, f"{what}: the host has no {unknown}")
            panels([host, node], folder, shown, alerts)
        finally:
            host.stop()
            if node:
                node.stop()
            application.close()
    print(f"  {len(alerts)} alerts, {len(shown)} expressions of the dashboard", flush=True)


def read(name):
    with open(os.path.join(FOLDER, name)) as file:
        return yaml.safe_load(file)


def dashboard():
    with open(os.path.join(FOLDER, "dashboard.json")) as file:
        return json.load(file)


def busy_host(program, folder):
    """With every listener, after something of each kind has happened."""
    files(program, folder)
    application = Application({"john": {"marie@example.com": {}}})
    host = start_host(program, folder, f"""
[http]
listen = "127.0.0.1:0"
[http.tls]
listen = "127.0.0.1:0"
certificate = "tls/chain.pem"
key = "tls/key.pem"
[admin]
listen = "127.0.0.1:0"
[sinks.json_lines]
path = "events.jsonl"
[xmpp]
listen = "127.0.0.1:0"
tls_listen = "127.0.0.1:0"
[attach]
listen = "127.0.0.1:0"
[[attach.node]]
name = "prosody"
token_file = "prosody-token"
domain = "example.com"
[[host]]
domain = "example.com"
accounts = "accounts.txt"
[host.settings]
http_roster_url = "{application.address}/contacts/%s"
[[host]]
domain = "example.org"
[host.settings]
http_roster_url = "http://127.0.0.1:{free_port()}/contacts/%s"
""")
    work(host)
    return host, application


def work(host):
    admin, http = (f"http://127.0.0.1:{host.ports[name]}" for name in ("admin", "http"))
    ask("PUT", f"{admin}/sessions/john")
    ask("PUT", f"{admin}/sessions/john?domain=example.org")
    ask("POST", f"{http}/roster_admin/refresh", '["john"]', {"Host": "example.com"})
    ask("POST", f"{admin}/plugin/reload")


def metrics(host):
    """The names of all series of the host."""
    _, _, page = ask("GET", f"http://127.0.0.1:{host.ports['admin']}/metrics")
    return {re.match(r"[a-z_0-9]+", line)[0] for line in page.splitlines() if not line.startswith("#")} | {
        # Families without a series yet.
        f"{name}{'_total' if kind == 'counter' else ''}" for name, kind in re.findall(r"^# TYPE (\S+) (counter|gauge)$", page, re.M)}


def panels(hosts, folder, shown, alerts):
    port, data = free_port(), os.path.join(folder, "prometheus")
    configuration = read("prometheus.yml")
    scrape = configuration["scrape_configs"][0]
    expect(scrape["static_configs"][0]["targets"] == ["127.0.0.1:5282"], "prometheus.yml reads another address than admin.listen has by default")
    scrape["scrape_interval"] = "500ms"
    scrape["static_configs"][0]["targets"] = [f"127.0.0.1:{host.ports['admin']}" for host in hosts]
    with open(os.path.join(folder, "prometheus.yml"), "w") as file:
        yaml.safe_dump(configuration, file)
    shutil.copy(os.path.join(FOLDER, "alerts.yml"), folder)
    with open(os.path.join(folder, "log"), "w") as log:
        prometheus = start([tool("prometheus"), "--config.file=prometheus.yml", f"--storage.tsdb.path={data}",
                            f"--web.listen-address=127.0.0.1:{port}"], folder, log)
    with open(os.path.join(ROOT, "docs", "metrics.md")) as file:
        manual = file.read()
    try:
        until("Prometheus has read it", lambda: query(port, f'count_over_time(up{{job="{scrape["job_name"]}"}}[1m]) > 2'))
        work(hosts[0])
        time.sleep(1.5)
        for what, expression in shown:
            for name, value in (("$instance", ".*"), ("$domain", ".*"), ("$__rate_interval", "1m")):
                expression = expression.replace(name, value)
            # What happens in the record of a dashboard is there only when it does.
            expression = expression.removesuffix(" > 0")
            expect(query(port, expression), f"the dashboard's \"{what}\" has nothing to show: {expression}")
        for rule in alerts:
            # Without the threshold there has to be a value.
            value = re.sub(r"\s(==|>|<)\s[^)]*$", "", rule["expr"].strip())
            # And there need not have been trouble of that kind, as long as the manual knows the kind.
            for kind in re.findall(r'outcome=~?"([^"]*)"', value):
                expect(all(f"`{one}`" in manual for one in kind.split("|")), f"{rule['alert']}: docs/metrics.md knows no outcome {kind}")
            value = re.sub(r'outcome=~?"[^"]*"', 'outcome=~".+"', value)
            expect(value != rule["expr"].strip() and query(port, value), f"{rule['alert']} watches what is not there: {value}")
    finally:
        end(prometheus)


def query(port, expression):
    _, _, answer = ask("GET", f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
    answer = json.loads(answer) if answer.startswith("{") else {"status": "not up"}
    expect(answer["status"] in ("success", "not up"), f"{expression}: {answer}")
    return answer.get("data", {}).get("result")
