"""The host behind an attached server, and its application."""

import json
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path += [os.path.join(HERE, "..", folder) for folder in ("shared", "clients")]
from running import TIMEOUT, Program  # noqa: E402: beside this folder
from web import Application, ask  # noqa: E402

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

def call(method, url, body=None, token=None, domain=None):
    """Status and decoded body."""
    headers = ({"Host": domain} if domain else {}) | ({"Authorization": f"Bearer {token}"} if token else {})
    status, _, text = ask(method, url, body, headers)
    return status, json.loads(text or "null")


class Host:
    """roster-host with its nodes. Its ports stay the same over restarts: whoever is attached has to find it again."""

    def __init__(self, program, folder, nodes, ports, settings=""):
        """`nodes`: {name: (domain, token)}. `ports`: three that are free."""
        self.path, self.folder, self.application = os.path.abspath(program), folder, Application()
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
        self.program.process.wait(timeout=TIMEOUT)
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
