"""Outputs that nobody reads, and texts that do something to whoever reads them."""

import json
import os
import subprocess
import time
import unicodedata

from client import Http, connect
from listeners import TOKEN, refresh_in_parallel
from whole_requests import counted

PIPE = "events.pipe"
EVENTS_TO_STANDARD_OUTPUT = """
[sinks.json_lines]
path = "-"
queue_bytes = "2MiB"
"""
EVENTS_TO_PIPE = f"""
[sinks.json_lines]
path = "{PIPE}"
queue_bytes = "2MiB"
"""


# A line that somebody else seems to have written, a cleared screen, text that is read backwards, and what ends lines for some.
ODD = "a\nroster-host: forged\x1b[2J\u202e\u2028\r"


def full_pipe(folder):
    """A pipe that is open, so that writing to it waits; what is written to it stays there."""
    path = os.path.join(folder, PIPE)
    os.mkfifo(path)
    return os.open(path, os.O_RDWR)


def events_and_lines(host, seconds):
    """Events of about 50 kB and log lines without an end; events have to be lost, or nothing was stuck."""
    refresh_in_parallel(host, seconds, [f"changing-{n}" for n in range(8)])
    lost = counted(host, 'events_lost', '{sink="json-lines"}')
    print(f"    {lost:.0f} events were not taken", flush=True)
    return [] if lost else ["no event was lost: this proves nothing"]


def stuck_outputs(host, seconds):
    """Nobody reads standard output, which has the events, nor the log; both get more than a pipe holds."""
    return events_and_lines(host, seconds)


def unread_events(host, seconds):
    """As many readers of /events as there may be, none of whom reads, while one roster of 5 MB after another changes."""
    readers = []
    for n in range(32):
        reader = connect(host.ports["admin"], f"127.0.17.{1 + n}")
        reader.sendall(b"GET /events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer operator\r\n\r\n")
        readers.append(reader)
    end, events = time.monotonic() + seconds, 0
    admin, http = Http(host.ports["admin"], "127.0.17.77"), Http(host.ports["http"], "127.0.17.77")
    admin.request("PUT", "/sessions/large-0", headers=TOKEN)
    while time.monotonic() < end:
        http.refresh(["large-0"])
        events += 1
    print(f"    {events} events", flush=True)
    for reader in readers:
        reader.close()
    return [] if events > 1 else ["too few events: this proves nothing"]


def stuck_pipe(host, seconds):
    """The events go to a named pipe that nobody reads."""
    return events_and_lines(host, seconds)


def does_something(text):
    return any(c != "\n" and (unicodedata.category(c) in ("Cc", "Zl", "Zp") or c in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
               for c in text) or any(line.startswith("roster-host: forged") for line in text.splitlines())


def hostile_texts(host, seconds):
    """Names of files, arguments, uploads, requests and an application's texts with line breaks and terminal sequences."""
    program, faults = host.program.process.args[0], []
    with open(os.environ["ABUSE_BUILT_IN"], "rb") as file:
        built_in = file.read()
    # A version in an export's name, and a section that is a text.
    name, version = b"xmpp:roster/hooks@0.1.0", b"xmpp:roster/hooks@\n\x1b[2J"
    odd = built_in.replace(name, version) + b"\x00" + bytes([8 + len(ODD.encode())]) + b"\x07version" + ODD.encode()
    path = os.path.join(host.folder, ODD + ".wasm")
    with open(path, "wb") as file:
        file.write(odd)
    config = os.path.join(host.folder, ODD + ".toml")
    with open(config, "w") as file:
        file.write(f"[[host]]\ndomain = {json.dumps(ODD)}\nplugin = {json.dumps(path)}\n{json.dumps(ODD)} = 1\n")
    for arguments in (["plugin", "inspect", path], ["plugin", "inspect", path + ".gone"], ["plugin", "inspect", "--json", path],
                      ["plugin", "check", path], ["--config", config, "--check-config"], ["--config", config + ".gone"],
                      ["fetch", ODD, "--config", "roster-host.toml"], ["account", "list", "--file", path], [ODD]):
        ended = subprocess.run([program, *arguments], cwd=host.folder, capture_output=True, timeout=60, check=False)
        shown = (ended.stdout + ended.stderr).decode(errors="replace")
        if does_something(shown) or not shown:
            faults.append(f"{arguments[:2]} prints {shown[:300]!r}")
    admin, http = Http(host.ports["admin"], "127.0.18.1"), Http(host.ports["http"], "127.0.18.1")
    end = time.monotonic() + seconds
    # What it answers has the contacts, as programs want them.
    admin.request("PUT", "/sessions/changing-1", headers=TOKEN)
    while True:
        answers = [admin.request("PUT", "/plugin", odd, [*TOKEN, "content-type: application/wasm"]),
                   http.request("POST", "/roster_admin/refresh", json.dumps([ODD, "changing-1"]).encode())]
        faults += [f"an answer: {body[:300]!r}" for _, body in answers if does_something(body.decode(errors="replace"))]
        if time.monotonic() > end or faults:
            return faults
