"""The clients of tests/clients, which other people have written, at an attached server: what they see is what they see at the
host itself. TLS is verified, and passwords are not sent."""

import asyncio
import json
import os
import subprocess
import sys

from fixture import FIRST
from scenario import PASSWORD

CLIENTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "clients")
LIMIT = 120  # seconds, for one client


async def run(stage, *command):
    stage.begin(["john", "marie"])
    stage.host.application.say(FIRST)
    server = stage.servers[0]
    setup = os.path.join(stage.folder, "setup.json")
    with open(setup, "w") as file:
        json.dump({
            "ports": {"xmpp": server.address[1], "xmpps": server.direct_tls[1]},
            "ca": os.path.join(stage.folder, "ca.pem"), "stranger": os.path.join(stage.folder, "stranger.pem"),
            "resumes": getattr(server, "resumes", True),
            "passwords": {user: PASSWORD for user in FIRST},
            "application": stage.host.application.address,
            "refresh": f"http://127.0.0.1:{stage.host.ports['http']}/roster_admin/refresh",
        }, file)
    environment = {**os.environ, "no_proxy": "*", "NO_PROXY": "*", "PYTHONDONTWRITEBYTECODE": "1",
                   "NODE_EXTRA_CA_CERTS": os.path.join(stage.folder, "ca.pem")}
    program, script, *more = command
    done = await asyncio.to_thread(subprocess.run, [program, script, setup, *more], cwd=CLIENTS, env=environment, timeout=LIMIT,
                                   stdin=subprocess.DEVNULL)
    if done.returncode:
        raise AssertionError(f"{script}: exit code {done.returncode}")


async def slixmpp(stage):
    """slixmpp (Python): STARTTLS and direct TLS, roster, changes, presence, messages"""
    await run(stage, sys.executable, "slixmpp_client.py")


async def xmpp_js(stage):
    """@xmpp/client (JavaScript): the same, and a session that is resumed"""
    await run(stage, "node", "xmpp_js.mjs", "STARTTLS", "direct TLS")


CHECKS = [slixmpp, xmpp_js]
