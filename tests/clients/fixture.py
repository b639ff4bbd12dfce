"""What a client finds: certificates, accounts, the web application, and a running host of its own."""

import os
import secrets
import subprocess
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "shared"))
from running import TIMEOUT, Program  # noqa: E402: beside this folder
from web import Application  # noqa: E402

FIRST = {
    "john": {"marie@localhost": {"name": "Marie", "groups": ["Friends"]}},
    "marie": {"john@localhost": {"name": "John"}},
}

CONFIG = """\
plugin_cache = "cache"

[log]
format = "json"

[http]
listen = "127.0.0.1:0"

[http.tls]
listen = "127.0.0.1:0"
certificate = "chain.pem"
key = "key.pem"

[admin]
listen = "127.0.0.1:0"

[xmpp]
listen = "127.0.0.1:0"
tls_listen = "127.0.0.1:0"
require_encryption = true

[[host]]
domain = "localhost"
accounts = "accounts.txt"

[host.settings]
http_roster_url = "{application}/contacts/%s"
"""


def openssl(folder, *arguments):
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT)
    if done.returncode:
        raise SystemExit(f"clients: openssl {arguments[0]}: {done.stderr}")


def make_certificates(folder):
    """An authority that only the clients know (ca.pem), a certificate of its for localhost, and an authority that signed
    nothing here (stranger.pem)."""
    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc", "-days", "2"]
    for name in ("ca", "stranger"):
        openssl(folder, "req", "-x509", *curve, "-subj", f"/CN=roster-host clients {name}",
                "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", f"{name}-key.pem", "-out", f"{name}.pem")
    openssl(folder, "req", *curve, "-subj", "/CN=localhost", "-keyout", "key.pem", "-out", "request.pem")
    with open(os.path.join(folder, "extensions"), "w") as extensions:
        extensions.write("subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n"
                         "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n")
    openssl(folder, "x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem", "-days", "2",
            "-extfile", "extensions", "-out", "chain.pem")


def make_accounts(program, folder):
    passwords = {user: f"{user} {secrets.token_urlsafe(9)} ü" for user in ("john", "marie")}
    for user, password in passwords.items():
        subprocess.run([program, "account", "add", user, "--file", "accounts.txt"], cwd=folder, check=True,
                       input=password.encode(), timeout=TIMEOUT)
    return passwords


class Running:
    """The host and its application. `setup` is what a client is told."""

    def __init__(self, program, folder, passwords):
        self.application = Application(FIRST)
        with open(os.path.join(folder, "roster-host.toml"), "w") as config:
            config.write(CONFIG.format(application=self.application.address))
        try:
            self.program = Program(program, folder)
        except SystemExit:
            self.application.close()
            raise
        ports = self.program.ports
        self.setup = {
            "ports": ports,
            "ca": os.path.join(folder, "ca.pem"),
            "stranger": os.path.join(folder, "stranger.pem"),
            "passwords": passwords,
            "application": self.application.address,
            "refresh": f"http://127.0.0.1:{ports['http']}/roster_admin/refresh",
        }

    @property
    def log(self):
        return self.program.log

    def close(self):
        """Stops both; the exit code of the host."""
        code = self.program.stop()
        self.application.close()
        return code
