"""What a cluster is made of: NATS servers and hosts, processes in folders of their own that are killed, stopped and cut off."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "shared"))
from server import TIMEOUT, Server  # noqa: E402: beside this folder
from web import ask  # noqa: E402

NATS = """\
server_name: "{name}"
listen: "127.0.0.1:{client}"
http: "127.0.0.1:{monitor}"
ping_interval: "1s"
ping_max: 2
write_deadline: "2s"
jetstream {{ store_dir: "{folder}/jetstream", max_mem: 64MB, max_file: 256MB }}
cluster {{
  name: "tests"
  listen: "127.0.0.1:{route}"
  # Nobody learns a way around the links.
  advertise: "127.0.0.1:{nowhere}"
  no_advertise: true
  routes: [{routes}]
}}
"""

HOST = """\
plugin_cache = "{cache}"
shutdown_timeout = "5s"

[log]
format = "json"
{log}

[http]
listen = "127.0.0.1:{http}"
request_timeout = "{request_timeout}s"
requests_per_second = 0

[admin]
listen = "127.0.0.1:{admin}"
token = "operator"

[attach]
listen = "127.0.0.1:{attach}"
ack_timeout = "2s"

[[attach.node]]
name = "attached-{name}"
token = "secret"

[xmpp]
listen = "127.0.0.1:{xmpp}"
tls_listen = "off"
require_encryption = false
allow_unencrypted_plain_auth = true

[xmpp.limits]
max_connections_per_address = 10000
connections_per_second = 0

[xmpp.login]
failures_per_address = 1000
failures_per_account = 2000

[[host]]
domain = "localhost"
accounts = "accounts.txt"
{plugin}
[host.settings]
http_roster_url = "{application}/contacts/%s"
{cluster}
"""

CLUSTER = """
[cluster]
servers = [{servers}]
node = "{name}"
replicas = {replicas}
node_timeout = "{node_timeout}s"
"""


class Process(Server):
    """With a name and a folder."""

    def __init__(self, name, folder):
        self.name, self.folder = name, os.path.join(folder, name)
        os.makedirs(self.folder)

    def write(self, name, text):
        with open(os.path.join(self.folder, name), "w") as file:
            file.write(text)

    def signal(self, number):
        self.process.send_signal(number)

    def halt(self):
        self.signal(signal.SIGSTOP)

    def go_on(self):
        self.signal(signal.SIGCONT)

    def wait_for(self, what, look):
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            if look():
                return
            if self.process.poll() is not None:
                break
            time.sleep(0.02)
        raise RuntimeError(f"{self.name}: {what}: not seen\n{self.output()[-3000:]}")

    def get(self, port, path, timeout=2):
        status, _, text = ask("GET", f"http://127.0.0.1:{port}{path}", headers={"Authorization": "Bearer operator"}, timeout=timeout)
        if status != 200:
            raise OSError(f"{self.name}: {path}: {status} {text}")
        return json.loads(text or "null")


class NatsServer(Process):
    def __init__(self, program, name, folder, ports):
        """`ports`: client, monitor, route, and one where nobody is."""
        super().__init__(name, folder)
        self.program = shutil.which(program) and os.path.abspath(shutil.which(program))
        if not self.program:
            raise RuntimeError(f"there is no {program}")
        self.client, self.monitor, self.route, self.nowhere = ports

    def configure(self, routes):
        self.write("nats.conf", NATS.format(name=self.name, folder=self.folder, client=self.client, monitor=self.monitor, route=self.route,
                                            nowhere=self.nowhere, routes=", ".join(f'"nats-route://127.0.0.1:{port}"' for port in routes)))

    def start(self):
        self.spawn([self.program, "-c", "nats.conf"])
        self.wait_for("it answers", lambda: self.asked("/varz"))

    def asked(self, path):
        try:
            return self.get(self.monitor, path)
        except OSError:
            return None


class Host(Process):
    def __init__(self, program, name, folder, ports):
        super().__init__(name, folder)
        self.program = os.path.abspath(program)
        self.http, self.admin, self.xmpp, self.attach = ports

    def configure(self, accounts, cluster="", plugin=None, log="", **settings):
        self.write("accounts.txt", accounts)
        os.chmod(os.path.join(self.folder, "accounts.txt"), 0o600)
        if plugin:
            with open(os.path.join(self.folder, "plugin.wasm"), "wb") as file:
                file.write(plugin)
        self.write("roster-host.toml", HOST.format(
            name=self.name, http=self.http, admin=self.admin, xmpp=self.xmpp, attach=self.attach, log=log, cluster=cluster,
            plugin='plugin = "plugin.wasm"' if plugin else "", **settings))

    def start(self):
        self.spawn([self.program, "--config", "roster-host.toml"])
        self.wait_for("it is up", self.is_up)

    def is_up(self):
        try:
            return ask("GET", f"http://127.0.0.1:{self.admin}/readyz", timeout=1)[0] == 200
        except OSError:
            return False

    def status(self):
        """What it says of itself and of the others; None if nothing."""
        try:
            return self.get(self.admin, "/cluster", timeout=1)
        except (OSError, ValueError):
            return None


def make_accounts(program, folder, users, password):
    """The text of a file of accounts."""
    name = os.path.join(folder, "accounts-of-all.txt")
    subprocess.run([program, "account", "import", "--file", name], check=True, stdout=subprocess.DEVNULL, timeout=10 * TIMEOUT,
                   input="".join(f"{user}:{password}\n" for user in users).encode())
    with open(name) as file:
        return file.read()
