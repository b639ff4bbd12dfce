"""A real ejabberd on loopback: its own spool and configuration, ports the system picks, as the current user."""

import functools
import glob
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from server import TIMEOUT, Server, free_ports
from web import OPENER

MODULE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "attach", "ejabberd")

# What Debian enables, without what needs other programs or ports; and what people add.
CONFIG = """\
hosts: [{domains}]
loglevel: {level}
certfiles: ["{folder}/both.pem"]
auth_password_format: plain
auth_method: internal
disable_sasl_mechanisms: [SCRAM-SHA-512, SCRAM-SHA-512-PLUS, X-OAUTH2]
shaper: {{}}
acl: {{local: {{user_regexp: ""}}}}
access_rules: {{local: {{allow: local}}, c2s: {{allow: all}}}}
api_permissions: {{tests: {{who: {{ip: 127.0.0.0/8}}, what: "*"}}}}
listen:
  - {{port: {c2s}, ip: 127.0.0.1, module: ejabberd_c2s, starttls: true, backlog: 1000}}
  - {{port: {tls}, ip: 127.0.0.1, module: ejabberd_c2s, tls: true}}
  - {{port: {component}, ip: 127.0.0.1, module: ejabberd_service, hosts: {{"elsewhere.test": {{password: "only for tests"}}}}}}
  - {{port: {api}, ip: 127.0.0.1, module: ejabberd_http, request_handlers: {{/api: mod_http_api}}}}
{more}
modules:
  mod_adhoc: {{}}
  mod_admin_extra: {{}}
  mod_announce: {{}}
  mod_avatar: {{}}
  mod_blocking: {{}}
  mod_bosh: {{}}
  mod_caps: {{}}
  mod_carboncopy: {{}}
  mod_client_state: {{}}
  mod_disco: {{}}
  mod_last: {{}}
  mod_mam: {{}}
  mod_offline: {{}}
  mod_ping: {{}}
  mod_privacy: {{}}
  mod_private: {{}}
  mod_pubsub: {{plugins: [flat, pep]}}
  mod_push: {{}}
  mod_roster: {roster}
  mod_stream_mgmt: {{}}
  mod_time: {{}}
  mod_vcard: {{}}
  mod_vcard_xupdate: {{}}
  mod_version: {{}}
"""

VIRTUAL_HOST = """\
  {domain}:
    modules:
      mod_roster_host: {{url: "{url}", node: "{node}", token: "{token}"{more}}}
"""

ATTACHED = "{db_type: attach, versioning: true, store_current_id: true}"
# Checks name the options of the module as Prosody has them.
OPTIONS = re.compile(r"^ *(\w+) = (.*)\n?", re.M)
OPTION_NAMES = {"roster_host_login_timeout": "fetch_timeout"}


def newest(*patterns):
    found = sorted(path for pattern in patterns for path in glob.glob(pattern))
    return found[-1] if found else None


@functools.cache
def built(ejabberd, libraries):
    """The module as the documented command builds and installs it, away from the tree. Once: it takes seconds of Erlang's compiler."""
    folder = tempfile.TemporaryDirectory()
    source, modules = (os.path.join(folder.name, name) for name in ("source", "modules"))
    shutil.copytree(MODULE, source, ignore=shutil.ignore_patterns("ebin"))
    owner = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    subprocess.run(["make", "-s", "-C", source, "check", "install", f"EJABBERD={ejabberd}", f"LIBS={libraries}",
                    f"MODULES={modules}", f"OWNER={owner}"], check=True, stdout=subprocess.DEVNULL)
    return folder


class Ejabberd(Server):
    """One process of a server. `attached`: for each domain (url, node, token)."""

    name = "ejabberd"
    # ejabberd does not start with an option that cannot be used, and says which.
    unfit = {"misconfigured"}

    def __init__(self, folder, attached, users, root=None, level="info", more="", host_more="", domain=None, roster=None):
        """`users`: {domain: {user: password}}. `root`: where an ejabberd is unpacked that is not the installed one. `domain`: if it is
        attached to nothing; `roster`: other options of mod_roster."""
        self.folder, self.attached, self.users = folder, attached, users
        self.domain = domain or next(iter(attached))
        c2s, tls, component, self.api = free_ports(4)
        self.address = ("127.0.0.1", c2s)
        self.direct_tls = ("127.0.0.1", tls)
        self.component = ("127.0.0.1", component, "elsewhere.test", "only for tests")
        base = root or "/"
        beam = newest(os.path.join(base, "usr/lib/*/ejabberd-*/ebin/ejabberd.app"))
        if not beam:
            raise SystemExit(f"attach: there is no ejabberd in {base}: apt-get install ejabberd erlang-dev")
        self.ejabberd = os.path.dirname(os.path.dirname(beam))
        # With XEP-0388, of which 23.01 knows nothing, @xmpp/client 0.14 enables XEP-0198 a second time and then forgets the session.
        self.resumes = os.path.basename(self.ejabberd).startswith("ejabberd-23.")
        self.libraries = os.path.join(root, "usr/lib/erlang/lib") if root else ""
        for name in ("spool", "conf"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        shutil.copytree(os.path.join(built(self.ejabberd, self.libraries).name, "modules"), os.path.join(folder, "modules"), dirs_exist_ok=True)
        with open(os.path.join(folder, "both.pem"), "w") as both:
            for name in ("key.pem", "chain.pem"):
                with open(os.path.join(folder, name)) as part:
                    both.write(part.read())
        self.options = OPTIONS.sub(lambda match: f", {OPTION_NAMES[match[1]]}: {match[2]}", host_more).rstrip()
        self.config = os.path.join(folder, "ejabberd.yml")
        self.settings = CONFIG.format(domains=", ".join(attached) or domain, folder=folder, level=level, c2s=c2s, tls=tls, component=component,
                                      api=self.api, more=more, roster=roster or ATTACHED)
        self.write_config(attached)

    def write_config(self, attached):
        hosts = "".join(VIRTUAL_HOST.format(domain=domain, url=url, node=node, token=token, more=self.options)
                        for domain, (url, node, token) in attached.items())
        with open(self.config, "w") as config:
            config.write(self.settings + ("append_host_config:\n" + hosts if hosts else ""))

    def start(self):
        # Somebody else on this machine may have the port for a moment since it was picked, or since the last stop.
        for _ in range(10):
            if self.try_start():
                return self
            time.sleep(1)
        raise SystemExit(f"ejabberd did not start:\n{self.log()}")

    def try_start(self):
        environment = os.environ | {
            "ERL_LIBS": self.libraries, "EJABBERD_CONFIG_PATH": self.config, "HOME": self.folder,
            "EJABBERD_LOG_PATH": os.path.join(self.folder, "ejabberd.log"), "CONTRIB_MODULES_PATH": os.path.join(self.folder, "modules"),
            "CONTRIB_MODULES_CONF_DIR": os.path.join(self.folder, "conf"), "ERL_CRASH_DUMP_BYTES": "0"}
        # As ejabberdctl does, but for the distribution, which would need a port that others know.
        command = ["erl", "-noshell", "-noinput", "+sbwt", "none", "+sbwtdcpu", "none", "-pa", f"{self.ejabberd}/ebin",
                   "-mnesia", "dir", f'"{self.folder}/spool"', "-s", "ejabberd"]
        self.spawn(command, environment)
        end = time.monotonic() + TIMEOUT
        while True:
            try:
                self.call("status")
                break
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    self.kill()
                    if "eaddrinuse" in self.log()[-5000:]:
                        return False
                    raise SystemExit(f"ejabberd did not start:\n{self.log()}") from None
                time.sleep(0.05)
        # Each time: what Mnesia was told in the last seconds before it was killed is gone.
        for domain, accounts in self.users.items():
            for user, password in accounts.items():
                try:
                    self.call("register", user=user, host=domain, password=password)
                except urllib.error.HTTPError as error:
                    if error.code != 409:
                        raise
        return True

    def call(self, command, **arguments):
        """A command of ejabberdctl, over HTTP."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.api}/api/{command}", json.dumps(arguments).encode())
        with OPENER.open(request, timeout=TIMEOUT) as answer:
            return json.load(answer)

    def shell(self, *words):
        """What Prosody's shell does: `module`, then reload, unload or load, the module, the domain."""
        _, what, module, domain = words
        if what == "reload":
            return "OK" if self.call("restart_module", host=domain, module=f"mod_{module}") in (0, {"res": 0}) else "failed"
        self.write_config({name: node for name, node in self.attached.items() if what == "load" or name != domain})
        return f"OK {self.call('reload_config')}"

    def log(self):
        """What it says to its terminal: its file is written a little later."""
        return self.output()
