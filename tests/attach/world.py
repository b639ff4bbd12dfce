"""What stands behind an attached server: the web application, which a check can make slow or fail, and the host."""

import json
import os
import sys
import threading
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "clients"))
sys.path.append(os.path.join(HERE, ".."))
from application import Application  # noqa: E402: beside this folder
from running import PATIENCE, Program  # noqa: E402

CONFIG = """\
plugin_cache = "cache"

[log]
format = "json"

[http]
listen = "127.0.0.1:{http}"

[admin]
listen = "127.0.0.1:{admin}"
token = "operator"

[attach]
listen = "127.0.0.1:{attach}"
{settings}
{nodes}
{domains}
"""

NODE = """\
[[attach.node]]
name = "{name}"
domain = "{domain}"
token = "{token}"
"""

DOMAIN = """\
[[host]]
domain = "{domain}"

[host.settings]
http_roster_url = "{application}/contacts/%s"
"""

OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def call(method, url, body=None, token=None, domain=None):
    """Status and decoded body."""
    request = urllib.request.Request(url, None if body is None else json.dumps(body).encode(), method=method)
    if domain:
        request.add_header("Host", domain)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    try:
        with OPENER.open(request, timeout=PATIENCE) as answer:
            return answer.status, json.loads(answer.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")


class Contacts(Application):
    """The application. `delay`, in seconds, and `down` are for all users, or for those of a set."""

    def __init__(self):
        super().__init__()
        self.contacts = {}
        self.server.handle_error = lambda *_: None  # A host that is killed does not wait for its answers.
        self.delay, self.slow, self.down = 0, None, False
        self.lock, self.requests = threading.Lock(), []

    def asked(self, user):
        with self.lock:
            self.requests.append(user)
        if self.delay and (self.slow is None or user in self.slow):
            time.sleep(self.delay)
        return not (self.down is True or self.down and user in self.down)

    def say(self, rosters):
        for user, contacts in rosters.items():
            self.contacts[user] = json.dumps(contacts).encode()

    def said(self, user):
        return json.loads(self.contacts.get(user, b"{}"))


class Host:
    """roster-host with its nodes. Its ports stay the same over restarts: whoever is attached has to find it again."""

    def __init__(self, program, folder, nodes, ports, settings=""):
        """`nodes`: {name: (domain, token)}. `ports`: three that are free."""
        self.path, self.folder, self.application = os.path.abspath(program), folder, Contacts()
        self.ports = dict(zip(("http", "admin", "attach"), ports))
        domains = sorted({domain for domain, _ in nodes.values()})
        with open(os.path.join(folder, "roster-host.toml"), "w") as config:
            config.write(CONFIG.format(
                **self.ports, settings=settings,
                nodes="\n".join(NODE.format(name=name, domain=domain, token=token) for name, (domain, token) in nodes.items()),
                domains="\n".join(DOMAIN.format(domain=domain, application=self.application.address) for domain in domains)))
        self.program = None
        self.url = f"http://127.0.0.1:{self.ports['attach']}"

    def start(self):
        try:
            self.program = Program(self.path, self.folder)
        except SystemExit as error:
            raise RuntimeError(error) from None
        return self

    def stop(self):
        if self.program:
            self.program.stop()
        self.program = None

    def kill(self):
        self.program.process.kill()
        self.program.process.wait(timeout=PATIENCE)
        self.program.stop()
        self.program = None

    def close(self):
        self.stop()
        self.application.close()

    @property
    def log(self):
        return "".join(self.program.log) if self.program else ""

    def refresh(self, users, domain="localhost"):
        return call("POST", f"http://127.0.0.1:{self.ports['http']}/roster_admin/refresh", users, domain=domain)[1]

    def change(self, rosters):
        """The application says something new, and tells the host: its answer."""
        self.application.say(rosters)
        return self.refresh(list(rosters))

    def admin(self, method, path, body=None):
        return call(method, f"http://127.0.0.1:{self.ports['admin']}{path}", body, token="operator")
