"""A real Prosody on loopback: its own data folder and configuration, ports the system picks, as the current user."""

import os
import re
import shutil
import socket
import subprocess
import time

from server import TIMEOUT, Server, free_ports

MODULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "attach", "prosody")

# What Debian enables, without what needs other programs; and what people add.
CONFIG = """\
run_as_root = true
daemonize = false
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
certificates = "{folder}"
plugin_paths = {{ "{modules}" }}
admin_socket = "{folder}/prosody.sock"
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {c2s} }}
c2s_direct_tls_ports = {{ {direct_tls} }}
c2s_direct_tls_ssl = {{ key = "{folder}/key.pem", certificate = "{folder}/chain.pem" }}
component_ports = {{ {component} }}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
modules_enabled = {{
    "saslauth", "tls", "disco", "private", "vcard4", "vcard_legacy", "version", "uptime", "time", "ping",
    "pep", "blocklist", "bookmarks", "carbons", "mam", "smacks", "csi_simple", "admin_shell",
    {loaded},
}}
modules_disabled = {{ "s2s", "offline" }}
limits = {{ c2s = {{ rate = "10mb/s" }} }}
log = {{ {{ levels = {{ min = "{level}" }}, to = "file", filename = "{folder}/prosody.log" }} }}
{more}
"""

VIRTUAL_HOST = """\
VirtualHost "{domain}"
    ssl = {{ key = "{folder}/key.pem", certificate = "{folder}/chain.pem" }}
    roster_host_url = "{url}"
    roster_host_node = "{node}"
    roster_host_token = "{token}"
{more}
"""

COMPONENT = """\
Component "elsewhere.test"
    component_secret = "only for tests"
"""


class Prosody(Server):
    """One process of a server. `attached`: for each domain (url, node, token). Another server is plugged in by a class with the
    same methods and `name`, `domain`, `address`, `folder`."""

    name = "prosody"
    modules, loaded, virtual_host = MODULES, '"roster", "roster_host"', VIRTUAL_HOST

    def __init__(self, folder, attached, users, root=None, level="info", more="", host_more=""):
        """`users`: {domain: {user: password}}. `root`: where a Prosody is unpacked that is not the installed one."""
        self.folder, self.attached, self.root = folder, attached, root
        self.domain = next(iter(attached))
        c2s, direct_tls, component = free_ports(3)
        self.address = ("127.0.0.1", c2s)
        self.direct_tls = ("127.0.0.1", direct_tls)
        self.component = ("127.0.0.1", component, "elsewhere.test", "only for tests")
        os.makedirs(os.path.join(folder, "data"), exist_ok=True)
        for domain, accounts in users.items():
            self.add_accounts(domain, accounts)
        hosts = "".join(self.virtual_host.format(domain=domain, folder=folder, url=url, node=node, token=token, more=host_more)
                        for domain, (url, node, token) in attached.items())
        self.config = os.path.join(folder, "prosody.cfg.lua")
        with open(self.config, "w") as config:
            config.write(CONFIG.format(folder=folder, modules=self.modules, loaded=self.loaded, c2s=c2s, direct_tls=direct_tls,
                                       component=component, level=level, more=more) + hosts + COMPONENT)
        self.program = shutil.which("prosody") or "/usr/bin/prosody"
        self.control = shutil.which("prosodyctl") or "/usr/bin/prosodyctl"
        if root:
            self.program = self.from_root("prosody")
            self.control = self.from_root("prosodyctl")

    def from_root(self, program):
        with open(os.path.join(self.root, "usr/bin", program)) as file:
            text = file.read()
        text = re.sub(r"^(CFG_(?:SOURCE|PLUGIN)DIR=')", lambda match: match[1] + self.root, text, flags=re.M)
        path = os.path.join(self.folder, program)
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o755)
        return path

    def add_accounts(self, domain, accounts):
        def encoded(name):
            return re.sub(r"[^A-Za-z0-9]", lambda char: f"%{ord(char[0]):02x}", name)

        folder = os.path.join(self.folder, "data", encoded(domain), "accounts")
        os.makedirs(folder, exist_ok=True)
        for user, password in accounts.items():
            with open(os.path.join(folder, f"{encoded(user)}.dat"), "w") as account:
                account.write(f'return {{ ["password"] = "{password}" }};\n')

    def start(self):
        # What it says before it has its log.
        self.spawn([self.program, "-F", "--config", self.config])
        end = time.monotonic() + TIMEOUT
        while True:
            try:
                socket.create_connection(self.address, timeout=TIMEOUT).close()
                return self
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.kill()
                    raise RuntimeError(f"prosody did not start:\n{self.output()}\n{self.log()}") from None
                time.sleep(0.02)

    def shell(self, *words):
        done = subprocess.run([self.control, "--config", self.config, "shell", *words], cwd=self.folder, capture_output=True,
                              text=True, timeout=TIMEOUT)
        return done.stdout + done.stderr

    def log(self):
        return self.read("prosody.log")
