"""A server of other make at each node (docs/attach.md), as plainly as it can be spoken: it keeps its users' rosters and acknowledges what it is told.

Events wait in the stream while it asks, so what an answer contains is known before the next event is looked at.
"""

import asyncio
import json

from contacts import request

TIMEOUT = 15  # seconds, for an answer


def contacts_of(roster):
    return {one["jid"]: contact_of(one) for one in roster}


def contact_of(one):
    return {"name": one.get("name"), "groups": sorted(one["groups"])}


class Attached:
    """Its users are clients in the history, with the server's name before theirs. `hold`: it acknowledges nothing."""

    def __init__(self, host, users, history=None):
        self.host, self.name, self.users, self.history = host, f"attached-{host.name}", list(users), history
        self.base = f"/attach/v1/{self.name}"
        self.hold, self.epoch, self.writer = False, None, None
        self.versions, self.rosters, self.contained = dict.fromkeys(users), {}, dict.fromkeys(users, 0)
        self.ready, self.seq, self.events, self.count = set(), 0, 0, 0

    def note(self, event, of, **fields):
        if self.history:
            self.history.note(event, client=f"{self.name}/{of}", **fields)

    async def call(self, method, path, value=None):
        body = b"" if value is None else json.dumps(value).encode()
        return await request(method, self.host.attach, self.base + path, body, ["Authorization: Bearer secret"], timeout=TIMEOUT)

    async def live(self, over, pause=0.2):
        while not over.is_set():
            self.count += 1
            for user in self.users:
                self.note("login", user, user=user, node=self.host.name, connection=self.count)
            try:
                await self.follow()
                why = "the event stream ended"
            except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError) as error:
                why = f"{type(error).__name__} {error}"
            if over.is_set():
                return
            for user in self.users:
                # A login that comes to nothing is no connection that was lost.
                self.note("lost" if user in self.ready else "left", user, why=why)
            self.ready.clear()
            await asyncio.sleep(pause)

    async def follow(self):
        reader, self.writer = await asyncio.open_connection("127.0.0.1", self.host.attach)
        try:
            self.writer.write(f"GET {self.base}/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer secret\r\n\r\n".encode())
            kind = None
            while line := await reader.readline():
                if line.startswith(b"event: "):
                    kind = line[7:].strip().decode()
                elif line.startswith(b"data: "):
                    await self.take(kind, json.loads(line[6:]))
        finally:
            self.writer.transport.abort()

    async def take(self, kind, data):
        if kind == "hello":
            self.epoch = data["epoch"]
            await self.sync()
        elif kind == "resync":
            await self.sync()
        elif kind == "changes":
            for one in data["rosters"]:
                await self.changed(one, data["seq"])
            self.seq, self.events = data["seq"], self.events + 1
            if not self.hold:
                await self.acknowledge()

    async def sync(self):
        status, _, body = await self.call("POST", "/sync", [{"user": user, "version": self.versions[user]} for user in self.users])
        lines = [json.loads(line) for line in unchunked(body).splitlines()] if status == 200 else []
        if not lines or not lines[-1].get("done"):
            raise ValueError(f"a sync was answered {status}, and ended before its end")
        told = {line["user"]: line for line in lines[:-1]}
        for user in self.users:
            line = told.get(user)
            if line is None:
                self.contained[user] = lines[-1]["seq"]
                self.note("roster", user, contacts=None, version=None)
                self.is_ready(user)
            elif "contacts" in line:
                self.whole(user, line["contacts"], line["version"], line["seq"])
            # Else its roster comes as an event.
        self.seq = lines[-1]["seq"]
        await self.acknowledge()

    def whole(self, user, contacts, version, seq):
        self.rosters[user], self.versions[user], self.contained[user] = contacts_of(contacts), version, seq
        self.note("roster", user, contacts=self.rosters[user], version=None)
        self.is_ready(user)

    def is_ready(self, user):
        if user not in self.ready:
            self.ready.add(user)
            self.note("ready", user)

    async def changed(self, one, seq):
        user = one["user"]
        if seq <= self.contained[user]:
            return
        if "contacts" in one:
            self.whole(user, one["contacts"], one["to"], self.contained[user])
        elif one["from"] == self.versions[user]:
            for change in one["changes"]:
                jid = change["put"]["jid"] if "put" in change else change["remove"]
                contact = contact_of(change["put"]) if "put" in change else None
                self.rosters[user] = {other: what for other, what in self.rosters[user].items() if other != jid}
                if contact is not None:
                    self.rosters[user][jid] = contact
                self.note("push", user, jid=jid, contact=contact, version=None)
            self.versions[user] = one["to"]
        elif one["to"] != self.versions[user]:
            status, headers, body = await self.call("PUT", f"/users/{user}")
            if status == 200:
                found = json.loads(body)
                self.whole(user, found["contacts"], found["version"], found["seq"])

    async def acknowledge(self):
        status, _, body = await self.call("POST", "/ack", {"epoch": self.epoch, "seq": self.seq})
        if status != 204:
            raise ValueError(f"an acknowledgement was answered {status} {body[:200]}")

    def fence(self, refresh, user):
        """A refresh has been answered: what was acknowledged before that is here."""
        if user in self.ready:
            self.note("pong", user, refresh=refresh)

    async def finish(self):
        for user in self.users:
            _, _, body = await self.call("GET", f"/rosters/{user}")
            self.note("final", user, contacts=contacts_of(json.loads(body).get("contacts", [])))

    def leave(self):
        if self.writer:
            self.writer.transport.abort()


def unchunked(body):
    """The text of an answer in chunks (RFC 9112, section 7.1)."""
    text, rest = b"", body
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size or b"0", 16)
        text, rest = text + rest[:length], rest[length + 2:]
        if length == 0:
            break
    return text
