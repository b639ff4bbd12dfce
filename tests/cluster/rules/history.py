"""What took place, one JSON object a line, in the order in which it was seen: what a run writes and check.py reads.

Every event has `t`, the seconds since the run began, and `event`:

    begin     seed, nodes, clients {name: user}, node_timeout, request_timeout (seconds)
    say       user, n, contacts: what the application says of the user from now on, for the n-th time
    refresh   id, node, users {user: n}: the application asks a node; n is what it says now
    answer    id, status, and `reply`, `retry_after`; or `error`: there was none
    login     client, user, node, connection: it begins; the number of the connection is the client's
    roster    client, contacts, version: the answer to its roster get. Without contacts: nothing but the pushes that follow
    ready     client: it has been told everything that belongs to that answer
    push      client, jid, contact (None: removed), version
    pong      client, refresh: the answer to a ping that was sent after the answer to that refresh
    message   client, sender, text: what another client said, which is two numbers that grow: of its login, and of the message
    left      client: it goes; lost: client, why: its connection went
    fault     kind, target, phase ("begin", "end")
    node      node, state, began: what the node says of itself, and when it was asked
    final     client, contacts: what the server says at the end; jid, seen: the full JIDs that it has been told are available
    end

A user of an attached server is a client, too: `attached-a/john`. It has no ping and no presence; the answer to the refresh itself is its `pong`.
"""

import json
import time


class History:
    def __init__(self, path):
        self.path, self.began = path, time.monotonic()
        self.file = open(path, "w")

    def now(self):
        return round(time.monotonic() - self.began, 6)

    def note(self, event, **fields):
        self.file.write(json.dumps({"t": self.now(), "event": event, **fields}, separators=(",", ":")) + "\n")

    def close(self):
        self.file.close()


def read(path):
    with open(path) as file:
        return [json.loads(line) for line in file]
