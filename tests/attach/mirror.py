"""attach/mirror against a real ejabberd that has no module of ours: what the application says is what the server's own API says.

Usage: mirror.py [--root FOLDER] PROGRAM
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time

import world  # adds the folders of tests/shared and tests/clients
from servers.ejabberd import Ejabberd
from scenario import PASSWORD, expect
from server import free_ports

import fixture

MIRROR = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "attach", "mirror")
sys.path.append(MIRROR)
import mod_http_api  # noqa: E402: beside the mirror

TOKEN, DOMAIN = "secret", "localhost"


class Stage:
    def __init__(self, folder, program, root):
        self.folder = folder
        self.host = world.Host(program, folder, {"mirror": (DOMAIN, TOKEN)}, free_ports(3)).start()
        self.server = Ejabberd(folder, {}, {DOMAIN: {user: PASSWORD for user in ("john", "marie")}}, root=root, domain=DOMAIN,
                               roster="{versioning: true, access: none}").start()
        self.api = mod_http_api.Ejabberd(f"http://127.0.0.1:{self.server.api}/api", DOMAIN)
        with open(os.path.join(folder, "token"), "w") as token:
            token.write(TOKEN)
        self.process = None

    def start(self, *more):
        log = open(os.path.join(self.folder, "mirror.log"), "ab")
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(MIRROR, "mirror.py"), "--host", self.host.url, "--node", "mirror",
             "--token-file", os.path.join(self.folder, "token"), "--server", f"http://127.0.0.1:{self.server.api}/api",
             "--domain", DOMAIN, "--state", os.path.join(self.folder, "state"), "--users-every", "1", *more], stderr=log)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def until(self, user, timeout=120):
        """The server has what the application says."""
        end = time.monotonic() + timeout
        while True:
            there = self.api.roster(user)
            expected = {jid: self.api.wanted(contact) for jid, contact in self.host.application.said(user).items()}
            if there == expected:
                return
            if time.monotonic() > end:
                with open(os.path.join(self.folder, "mirror.log")) as log:
                    raise AssertionError(f"the roster of {user}: expected {expected}, found {there}\n{log.read()[-3000:]}")
            time.sleep(0.05)

    def close(self):
        if self.process:
            self.kill()
        self.server.stop()
        self.host.close()


def everything(stage):
    say, change = stage.host.application.say, stage.host.change
    first = {"marie@localhost": {"name": "Marie", "groups": ["A", "B"]}, "x@elsewhere.test": {"name": "X", "subscription": "to"}}
    say({"john": first, "marie": {"john@localhost": {"name": "John"}}, "late": {"john@localhost": {}}})
    stage.start()
    stage.until("john")
    stage.until("marie")
    print("  all rosters were brought in step")

    expect("a change is confirmed", None, change({"john": {"marie@localhost": {"name": "M"}}}).get("unconfirmed"))
    expect("the roster when the refresh was answered", {"marie@localhost": {"name": "M", "subscription": "both", "groups": set()}},
           stage.api.roster("john"))
    change({"john": {}})
    stage.until("john")
    stage.until("marie")
    print("  who is removed by one keeps the other")

    stage.server.call("register", user="late", host=DOMAIN, password=PASSWORD)
    stage.until("late")
    print("  a new account has its roster")

    many = {f"u{n}@elsewhere.test": {"name": f"U{n}"} for n in range(300)}
    stage.host.change({"john": many})
    while not 20 < len(stage.api.roster("john")) < 300:
        time.sleep(0.01)
    stage.kill()
    there = len(stage.api.roster("john"))
    change({"marie": {}})
    stage.start()
    stage.until("john")
    stage.until("marie")
    print(f"  it was killed when {there} of 300 contacts were there, and went on")

    stage.host.kill()
    say({"john": {"marie@localhost": {"name": "again"}}})
    stage.host.start()
    stage.until("john")
    stage.server.stop()
    change({"john": {"marie@localhost": {"name": "and again"}}})
    stage.server.start()
    stage.until("john")
    print("  host and server were restarted")

    stage.api.put("john", "stranger@elsewhere.test", {"name": "", "subscription": "both", "groups": set()})
    stage.kill()
    stage.start("--verify")
    stage.until("john")
    print("  what somebody changed at the server was put right")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("Usage: ")[1].strip())
    parser.add_argument("program")
    parser.add_argument("--root")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        fixture.make_certificates(folder)
        stage = Stage(folder, arguments.program, arguments.root)
        try:
            began = time.monotonic()
            everything(stage)
        finally:
            stage.close()
    print(f"attach: mirror: all seen, in {time.monotonic() - began:.1f} s")


main()
