"""What the checks of the manual share: where things are, a host in a folder, requests, and how a fault is told."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
DOCS = os.path.join(ROOT, "docs")
sys.path.append(os.path.join(os.path.dirname(HERE), "shared"))

from running import TIMEOUT, Program  # noqa: E402
from web import Application, ask  # noqa: E402, F401: also for the checks

VENV = os.path.join(HERE, ".venv", "bin")
DEBIAN = os.path.join(HERE, ".debian")


class Fault(Exception):
    """Something that the manual says is not so."""


def expect(holds, what):
    if not holds:
        raise Fault(what)


def tool(name):
    """A program that `prepare` has installed, or the one that is on the path."""
    places = (VENV, os.path.join(DEBIAN, "usr/bin"), os.path.join(DEBIAN, "usr/sbin"), *os.environ["PATH"].split(":"), "/usr/sbin")
    for folder in places:
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    raise Fault(f"{name} is needed: tests/docs/prepare installs it")


def run(command, folder=ROOT, given="", environment=None, limit=TIMEOUT):
    """Its standard output; a fault with all that it said if it ends otherwise than well."""
    done = subprocess.run(command, cwd=folder, input=given, text=True, timeout=limit, env={**os.environ, **(environment or {})},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    expect(done.returncode == 0, f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def until(what, attempt):
    """The first true value of `attempt`, which may fail to connect until then."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end:
        try:
            found = attempt()
        except OSError:
            found = None
        if found:
            return found
        time.sleep(0.05)
    raise Fault(f"not within {TIMEOUT} s: {what}")


def accepts(port):
    """Somebody listens there."""
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT):
        return True


def start_host(program, folder, text):
    """A host with this configuration, on ports that the system picks unless it names some."""
    with open(os.path.join(folder, "roster-host.toml"), "w") as file:
        file.write('log.format = "json"\n' + text)
    return Program(program, folder)


def lonely_node(program, folder):
    """A node of a cluster that finds nobody: it has said so when it is up, which takes a while."""
    return start_host(program, folder, """
[http]
listen = "127.0.0.1:0"
[admin]
listen = "127.0.0.1:0"
[cluster]
node = "a"
servers = ["nats://127.0.0.1:9"]
[[host]]
domain = "example.com"
[host.settings]
http_roster_url = "http://127.0.0.1:9/%s"
""")


def start(command, folder, log, environment=None):
    """A program that runs until `end`, in a session of its own: what it starts ends with it. PHP's workers would stay."""
    return subprocess.Popen(command, cwd=folder, env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL, stdout=log,
                            stderr=log, start_new_session=True)


def end(process):
    """Stops a program that `start` has started."""
    try:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=10)
    except subprocess.TimeoutExpired:
        pass
    except ProcessLookupError:
        return
    # Those of its session that are still there.
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
