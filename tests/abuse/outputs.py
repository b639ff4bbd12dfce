"""Outputs that nobody reads, and texts that do something to whoever reads them."""

import os
import time

from client import Http, connect
from listeners import TOKEN, refresh_in_parallel
from whole_requests import counted

PIPE = "events.pipe"
EVENTS_TO_STANDARD_OUTPUT = """
[sinks.json_lines]
path = "-"
"""
EVENTS_TO_PIPE = f"""
[sinks.json_lines]
path = "{PIPE}"
"""


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
