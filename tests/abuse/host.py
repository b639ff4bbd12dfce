"""A host of its own for each attack, with bounds that are small enough to be reached."""

import os
import subprocess
import sys

from application import Application

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "shared"))
from running import TIMEOUT, Program  # noqa: E402: beside this folder

PASSWORD = "only for tests"
ATTACKERS = [f"attacker{n}" for n in range(40)]

CONFIG = """\
plugin_cache = "cache"
{top}
[log]
format = "json"

[http]
listen = "127.0.0.1:0"
{http}
[http.tls]
listen = "127.0.0.1:0"
certificate = "chain.pem"
key = "key.pem"

[admin]
listen = "127.0.0.1:0"
token = "operator"

[xmpp]
listen = "127.0.0.1:0"
tls_listen = "127.0.0.1:0"
require_encryption = false
allow_unencrypted_plain_auth = true

[xmpp.limits]
memory = "64MiB"

[[host]]
domain = "localhost"
accounts = "accounts.txt"
{plugin}
[host.settings]
http_roster_url = "{application}/contacts/%s"
{settings}
[host.limits]
{limits}
[host.store]
{store}
"""


def prepare(program, folder):
    """What all hosts share: a certificate and accounts."""
    made = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc",
                           "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                           "-keyout", "key.pem", "-out", "chain.pem"], cwd=folder, capture_output=True, text=True, timeout=TIMEOUT)
    if made.returncode:
        raise SystemExit(f"abuse: openssl: {made.stderr}")
    lines = "".join(f"{user}:{PASSWORD}\n" for user in ["innocent", *ATTACKERS])
    subprocess.run([program, "account", "import", "--file", "accounts.txt"], cwd=folder, check=True, input=lines.encode(),
                   stdout=subprocess.DEVNULL, timeout=TIMEOUT)


class Host:
    def __init__(self, program, folder, top="", http="", plugin="", settings="", limits="", store="", more="", stuck=False):
        self.application, self.folder = Application(), folder
        text = CONFIG.format(top=top, http=http, plugin=plugin, settings=settings, limits=limits, store=store,
                             application=self.application.address)
        with open(os.path.join(folder, "roster-host.toml"), "w") as config:
            config.write(text + more.replace("{application}", self.application.address))
        try:
            self.program = Program(program, folder, stuck)
        except SystemExit:
            self.application.close()
            raise
        self.ports, self.pid = self.program.ports, self.program.process.pid

    @property
    def log(self):
        return self.program.log

    def close(self):
        """Stops both; the exit code of the host."""
        code = self.program.stop()
        self.application.close()
        return code
