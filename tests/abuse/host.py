"""A host of its own for each attack, with bounds that are small enough to be reached."""

import json
import os
import queue
import subprocess
import threading

from application import Application

PATIENCE = 60  # seconds, for anything to happen on a busy machine
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
                           "-keyout", "key.pem", "-out", "chain.pem"], cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    if made.returncode:
        raise SystemExit(f"abuse: openssl: {made.stderr}")
    lines = "".join(f"{user}:{PASSWORD}\n" for user in ["innocent", *ATTACKERS])
    subprocess.run([program, "account", "import", "--file", "accounts.txt"], cwd=folder, check=True, input=lines.encode(),
                   stdout=subprocess.DEVNULL, timeout=PATIENCE)


class Host:
    def __init__(self, program, folder, top="", http="", plugin="", settings="", limits="", store="", more=""):
        self.application = Application()
        self.folder, self.log = folder, []
        text = CONFIG.format(top=top, http=http, plugin=plugin, settings=settings, limits=limits, store=store,
                             application=self.application.address)
        with open(os.path.join(folder, "roster-host.toml"), "w") as config:
            config.write(text + more.replace("{application}", self.application.address))
        self.process = subprocess.Popen([program, "--config", "roster-host.toml"], cwd=folder, text=True,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        ready = queue.Queue()
        threading.Thread(target=self._read, args=(ready,), daemon=True).start()
        try:
            where = ready.get(timeout=PATIENCE)
        except queue.Empty:
            where = None
        if where is None:
            self.close()
            raise SystemExit("abuse: the host did not start:\n" + "".join(self.log))
        self.ports = {name: int(where[name].rpartition(":")[2]) for name in ("http", "https", "admin", "xmpp", "xmpps")}
        self.pid = self.process.pid

    def _read(self, ready):
        for line in self.process.stderr:
            # The last lines say enough, and an attack may cause many.
            self.log = self.log[-2000:] + [line]
            try:
                fields = json.loads(line)
            except ValueError:
                continue
            if fields.get("message") == "roster-host is up":
                ready.put(fields)
        ready.put(None)

    def close(self):
        """Stops it as an operator does; the exit code."""
        self.process.terminate()
        try:
            code = self.process.wait(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = None
        self.process.wait()
        self.application.close()
        return code
