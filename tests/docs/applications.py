"""The applications of docs/application, each run as its first line says: a host gets a roster from it, hears of a change, and is
answered 304 for what it has already. And the ten lines of docs/bulk.md, with a database behind them."""

import json
import os
import shutil
import subprocess
import tempfile

from common import DOCS, HERE, VENV, Fault, accepts, ask, end, expect, free_port, start, start_host, until
from snippets import blocks

FOLDER = os.path.join(DOCS, "application")


def flask(port):
    return [os.path.join(VENV, "flask"), "--app", "app", "run", "--port", str(port)], {}


def django(port):
    return [os.path.join(VENV, "python"), "app.py", "runserver", "--noreload", str(port)], {}


def express(port):
    return ["node", "app.js"], {"PORT": str(port)}


def php(port):
    return ["php", "-S", f"127.0.0.1:{port}", "app.php"], {"PHP_CLI_SERVER_WORKERS": "4"}


KINDS = {"flask": flask, "django": django, "express": express, "php": php}


def check(program):
    expect(sorted(KINDS) == sorted(os.listdir(FOLDER)), f"docs/application has {os.listdir(FOLDER)}; known are {list(KINDS)}")
    for name, started_by in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            try_one(program, name, started_by, folder)
        print(f"  {name}: its roster, a change and 304", flush=True)
    for block in blocks():
        if block.page == "docs/bulk.md" and block.language in BULK:
            with tempfile.TemporaryDirectory() as folder:
                try_bulk(block, folder)
            print(f"  {block.language}: many users in one request", flush=True)


# What the page leaves to the reader, and how it is run.
BULK = {
    "python": ("""
class Database:
    def roster(self, user):
        return 1, {"marie@example.com": {}}
database = Database()
""", "app.py", flask),
    "php": ("""<?php
$database = new class { function roster(string $user) { return [1, ['marie@example.com' => (object) []]]; } };
""", "app.php", php),
}


def try_bulk(block, folder):
    database, name, started_by = BULK[block.language]
    with open(os.path.join(folder, name), "w") as file:
        file.write(database + block.text)
    port = free_port()
    command, variables = started_by(port)
    application = start(command, folder, subprocess.DEVNULL, variables)
    try:
        until(f"{block.place} listens", lambda: application.poll() is None and accepts(port))
        status, _, answer = ask("POST", f"http://127.0.0.1:{port}/contacts", '{"john": null, "marie": "\\"1\\"", "7": "\\"0\\""}',
                                    {"Content-Type": "application/json"})
        new = ['"1"', {"marie@example.com": {}}]
        expect(status == 200 and json.loads(answer) == {"john": new, "marie": None, "7": new}, f"{block.place}: {status} {answer}")
    finally:
        end(application)


def try_one(program, name, started_by, folder):
    # Away from the tree: PHP's writes beside itself, and Python's caches.
    shutil.copytree(os.path.join(FOLDER, name), folder, dirs_exist_ok=True)
    if name == "express":
        os.symlink(os.path.join(HERE, "node_modules"), os.path.join(folder, "node_modules"))
    port, http, admin = free_port(), free_port(), free_port()
    command, variables = started_by(port)
    environment = {**variables, "REFRESH_URL": f"http://127.0.0.1:{http}/roster_admin/refresh", "no_proxy": "*"}
    with open(os.path.join(folder, "log"), "w") as log:
        application = start(command, folder, log, environment)
    host = None
    try:
        until(f"{name} listens", lambda: application.poll() is None and accepts(port))
        host = start_host(program, folder, f"""
[http]
listen = "127.0.0.1:{http}"
[admin]
listen = "127.0.0.1:{admin}"
[[host]]
domain = "example.com"
[host.settings]
http_roster_url = "http://127.0.0.1:{port}/contacts/%s"
""")
        follow(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{http}", f"http://127.0.0.1:{admin}")
    except Fault as fault:
        with open(os.path.join(folder, "log")) as log:
            raise Fault(f"{name}: {fault}\n{log.read()}{''.join(host.log) if host else ''}") from None
    finally:
        if host:
            host.stop()
        end(application)


def contacts(answer):
    return {contact["jid"]: contact.get("name") for contact in json.loads(answer)["contacts"]}


def bytes_read(admin):
    """Of all bodies that the application has sent the host."""
    _, _, metrics = ask("GET", f"{admin}/metrics")
    return next(line.rpartition(" ")[2] for line in metrics.splitlines() if line.startswith("roster_host_client_response_bytes_total"))


def follow(application, http, admin):
    status, _, answer = ask("PUT", f"{admin}/sessions/john")
    expect(status == 200 and contacts(answer) == {"marie@example.com": "Marie"}, f"john's first roster: {status} {answer}")

    status, _, answer = ask("PUT", f"{application}/friends/john/aaron")
    expect(status == 204, f"a change at the application: {status} {answer}")
    # The application has posted before it answered, so the host knows.
    _, _, answer = ask("GET", f"{admin}/rosters/john")
    expect("aaron@example.com" in contacts(answer), f"john after the change: {answer}")

    _, headers, _ = ask("GET", f"{application}/contacts/john")
    expect(headers["ETag"], "no ETag")
    status, _, _ = ask("GET", f"{application}/contacts/john", headers={"If-None-Match": headers["ETag"]})
    expect(status == 304, f"answered {status} to If-None-Match")
    before = bytes_read(admin)
    status, _, answer = ask("POST", f"{http}/roster_admin/refresh", '["john"]')
    expect(status == 200 and json.loads(answer)["updated"] == 1, f"a refresh without a change: {status} {answer}")
    expect(bytes_read(admin) == before, "the host was not answered 304 in a refresh without a change")

    status, _, answer = ask("PUT", f"{admin}/sessions/z%C3%B3e")
    expect(status == 200 and contacts(answer) == {}, f"somebody without contacts: {status} {answer}")
