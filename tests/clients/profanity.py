"""profanity, a client with a terminal for its face: john and marie each in a terminal of their own. What is waited for is what
stands on the screen. Its log says which mechanism it took, and has the stanzas for when something is not seen."""

import os
import shutil
import subprocess
import sys
import tempfile
import time

import pexpect
import pyte

from fixture import FIRST
from scenario import TIMEOUT, expect, read_setup, refresh

SETUP = read_setup()
ROWS, COLUMNS = 60, 160


class Client:
    def __init__(self, user, folder):
        self.user, self.home = user, os.path.join(folder, user)
        self.log = os.path.join(self.home, "profanity.log")
        authorities = os.path.join(self.home, "authorities")
        for path in (authorities, os.path.join(self.home, "config"), os.path.join(self.home, "data", "profanity")):
            os.makedirs(path)
        shutil.copy(SETUP["ca"], os.path.join(authorities, "ca.pem"))
        subprocess.run(["openssl", "rehash", authorities], check=True, timeout=TIMEOUT)
        self.authorities = authorities
        with open(os.path.join(self.home, "data", "profanity", "accounts"), "w") as accounts:
            accounts.write(f"[{user}@localhost]\nenabled=true\njid={user}@localhost\nserver=localhost\n"
                           f"port={SETUP['ports']['xmpp']}\npassword={SETUP['passwords'][user]}\n"
                           "resource=profanity\ntls.policy=force\n")
        environment = {**os.environ, "HOME": self.home, "XDG_CONFIG_HOME": os.path.join(self.home, "config"),
                       "XDG_DATA_HOME": os.path.join(self.home, "data"), "TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}
        self.screen = pyte.Screen(COLUMNS, ROWS)
        self.bytes = pyte.ByteStream(self.screen)
        self.terminal = pexpect.spawn("profanity", ["--log", "DEBUG", "--logfile", self.log], env=environment,
                                      dimensions=(ROWS, COLUMNS))

    def look(self):
        """What has come by now is on the screen."""
        try:
            self.bytes.feed(self.terminal.read_nonblocking(65536, timeout=0.05))
        except (pexpect.TIMEOUT, pexpect.EOF):
            pass

    def type(self, line):
        self.terminal.send(f"{line}\r")

    def shows(self, text):
        return any(text in line for line in self.screen.display)

    def wait(self, what, condition):
        end = time.monotonic() + TIMEOUT
        while not condition():
            if time.monotonic() > end:
                raise AssertionError(f"{self.user}: not within {TIMEOUT} s: {what}")
            for client in CLIENTS:
                client.look()

    def wait_for(self, text):
        self.wait(f"shows {text!r}", lambda: self.shows(text))

    def panel(self):
        """The roster at the right of the screen, without the rooms below it: {heading: [lines]}."""
        found, heading = {}, None
        # The input line has a title above it, and neither is the roster's.
        for line in self.screen.display[1:-2]:
            text = line[COLUMNS * 3 // 4:].strip()
            if text.endswith(")") and text.rpartition(" ")[2].strip("()").isdigit():
                heading = text.rpartition(" ")[0]
                found[heading] = []
            elif text and heading:
                found[heading].append(text)
        return found

    def wait_for_contacts(self, *names):
        def same():
            return sorted(name for heading, lines in self.panel().items() if heading != "Rooms" for name in lines) == sorted(names)
        self.wait(f"the roster shows {names}", same)

    def stanzas(self):
        with open(self.log, errors="replace") as log:
            return [line.strip() for line in log if "RECV: " in line or "SENT: " in line]

    def close(self):
        self.terminal.close(force=True)


def log_in(client):
    client.wait_for("Type '/help' to show complete help.")
    # No authority that profanity knows has signed the certificate.
    client.type(f"/connect {client.user}@localhost")
    client.wait_for("TLS certificate verification failed")
    client.type("/tls deny")
    client.wait_for("Login failed.")
    client.type(f"/tls certpath set {client.authorities}")
    client.wait_for("Certificate path set to")
    client.type(f"/connect {client.user}@localhost")
    client.wait_for("logged in successfully")
    client.wait_for("[TLS]")
    mechanisms = [line.partition('mechanism="')[2].partition('"')[0] for line in client.stanzas() if "SENT: <auth " in line]
    expect(f"{client.user}: mechanism", ["SCRAM-SHA-256"], mechanisms)
    print(f"  {client.user}: STARTTLS, {mechanisms[0]}")


def everything(john, marie):
    log_in(john)
    john.wait_for_contacts("Marie")
    john.type("/roster")
    john.wait_for("marie@localhost (Marie) - both - Friends")

    for what, name in (("added", "Aaron"), ("renamed", "Aaron the Second"), ("removed", None)):
        told = {"aaron@localhost": {"name": name}} if name else {}
        refresh(SETUP, "john", {**FIRST["john"], **told})
        john.wait_for_contacts("Marie", *([name] if name else []))
        print(f"  john sees the contact that was {what}")

    log_in(marie)
    john.wait("marie is online", lambda: "Marie" in john.panel().get("Online", []))
    marie.wait("john is online", lambda: "John" in marie.panel().get("Online", []))
    marie.type('/status set away "lunch"')
    john.wait("marie is away", lambda: "Marie" in john.panel().get("Away", []))
    john.wait_for("lunch")

    john.type("/msg marie@localhost Hello & <welcome> to you")
    marie.wait_for("<< chat message: John/profanity (win 2)")
    marie.type("/win 2")
    marie.wait_for("John/profanity: Hello & <welcome> to you")
    marie.type("Hello yourself")
    john.wait_for("Marie/profanity: Hello yourself")

    # The window with the roster.
    john.type("/win 1")
    john.wait("marie is still away", lambda: "Marie" in john.panel().get("Away", []))
    marie.type("/quit")
    john.wait("marie is offline", lambda: "Marie" in john.panel().get("Offline", []))
    print("  presence and messages went both ways")
    john.type("/quit")
    john.terminal.expect(pexpect.EOF, timeout=TIMEOUT)


with tempfile.TemporaryDirectory() as folder:
    CLIENTS = [Client(user, folder) for user in ("john", "marie")]
    try:
        everything(*CLIENTS)
    except Exception as error:
        for client in CLIENTS:
            screen = [line.rstrip() for line in client.screen.display if line.strip()]
            print(f"--- {client.user}'s screen:", *screen, f"--- stanzas of {client.user}:", *client.stanzas(),
                  sep="\n  ", file=sys.stderr)
        sys.exit(f"profanity: {error or type(error).__name__}")
    finally:
        for client in CLIENTS:
            client.close()
