"""Runs real XMPP clients against the host: for each of them a host, a web application, and a script that uses the client.

Usage: run.py PROGRAM [CLIENT...]
"""

import json
import os
import subprocess
import sys
import tempfile
import time

import fixture

HERE = os.path.dirname(os.path.abspath(__file__))
LIMIT = 120  # seconds, for one client

SETUP = object()  # where the name of the file goes that a client finds its setup in

# What is run, and with what.
CLIENTS = {
    "slixmpp": [sys.executable, "slixmpp_client.py", SETUP],
    "xmpp.js": ["node", "xmpp_js.mjs", SETUP, "STARTTLS", "direct TLS"],
    "xmpp.js-websocket": ["node", "xmpp_js.mjs", SETUP, "WebSocket", "WebSocket"],
    "strophe.js": ["node", "strophe.mjs", SETUP],
    "profanity": [sys.executable, "profanity.py", SETUP],
    "go-sendxmpp": [sys.executable, "go_sendxmpp.py", SETUP],
}


def run(program, folder, passwords, name):
    """Whether the client saw all it had to."""
    running = fixture.Running(program, folder, passwords)
    setup = os.path.join(folder, f"{name}.json")
    with open(setup, "w") as file:
        json.dump(running.setup, file)
    # A proxy has no way to what listens here.
    environment = {**os.environ, "no_proxy": "*", "NO_PROXY": "*", "PYTHONDONTWRITEBYTECODE": "1",
                   "NODE_EXTRA_CA_CERTS": running.setup["ca"]}
    command = [setup if part is SETUP else part for part in CLIENTS[name]]
    began = time.monotonic()
    fault = None
    try:
        done = subprocess.run(command, cwd=HERE, env=environment, timeout=LIMIT, stdin=subprocess.DEVNULL)
        if done.returncode:
            fault = f"exit code {done.returncode}"
    except subprocess.TimeoutExpired:
        fault = f"not done within {LIMIT} s"
    took = time.monotonic() - began
    code = running.close()
    log = "".join(running.log)
    if fault is None and code != 0:
        fault = f"the host ended with exit code {code}"
    if fault is None and any(password in log for password in passwords.values()):
        fault = "a password is in the host's log"
    if fault is not None:
        print(f"--- the host's log:\n{log}\nclients: {name}: {fault}", file=sys.stderr)
        return False
    print(f"clients: {name}: all seen, in {took:.1f} s", flush=True)
    return True


def main():
    program, names = os.path.abspath(sys.argv[1]), sys.argv[2:] or list(CLIENTS)
    unknown = [name for name in names if name not in CLIENTS]
    if unknown:
        sys.exit(f"clients: no client is called {unknown[0]}; there are {', '.join(CLIENTS)}")
    with tempfile.TemporaryDirectory() as folder:
        fixture.make_certificates(folder)
        passwords = fixture.make_accounts(program, folder)
        failed = [name for name in names if not run(program, folder, passwords, name)]
    if failed:
        sys.exit(f"clients: FAILED: {', '.join(failed)}")


main()
