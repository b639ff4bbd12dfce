"""The web application: it owns the contacts, says them when it is asked, and asks nodes for refreshes until they are done."""

import asyncio
import hashlib
import json
import random

from rules.story import MARK

GROUPS = ("Friends", "Work", "Family", "Chess")
DELAYS = (0, 0, 0, 0.002, 0.01, 0.05, 0.3)  # seconds, of its answers


def as_clients_have_it(contacts):
    """A roster as a client is told it."""
    return {jid: {"name": contact.get("name"), "groups": sorted(contact.get("groups", []))} for jid, contact in contacts.items()}


class Contacts:
    """Contacts for each user, with a mark that says for the how manieth time the application speaks of the user."""

    def __init__(self, history, seed, users, others=6):
        self.history, self.random, self.users = history, random.Random(seed), list(users)
        self.rosters, self.spoken = {}, {}
        self.down, self.delays, self.asked = False, DELAYS, 0
        self.server = None
        friends = {user: set() for user in users}
        for user in users:
            for friend in self.random.sample(self.users, min(others // 2, len(self.users))):
                if friend != user:
                    friends[user].add(friend), friends[friend].add(user)
        for user in users:
            self.say(user, {f"{friend}@localhost": self.contact(friend) for friend in sorted(friends[user])})

    def contact(self, name):
        return {"name": f"{name.title()} {self.random.randrange(1000)}",
                "groups": self.random.sample(GROUPS, self.random.randrange(3))}

    def say(self, user, contacts):
        self.spoken[user] = self.spoken.get(user, 0) + 1
        self.rosters[user] = {**contacts, MARK: {"name": str(self.spoken[user])}}
        if self.history:
            self.history.note("say", user=user, n=self.spoken[user], contacts=as_clients_have_it(self.rosters[user]))

    def change(self, user):
        """Something about the user's contacts is another from now on: one comes, goes, or has another name or groups; who comes or goes
        mostly does so on both sides. Whose rosters are others now: {user: n}."""
        contacts, others = {jid: contact for jid, contact in self.rosters[user].items() if jid != MARK}, {}
        for _ in range(self.random.choice((1, 1, 1, 2, 4))):
            if contacts and self.random.random() < 0.3:
                jid = self.random.choice(sorted(contacts))
                contacts.pop(jid)
                others[jid.partition("@")[0]] = None
            elif (friend := self.random.choice(self.users)) != user:
                if f"{friend}@localhost" not in contacts:
                    others[friend] = self.contact(user)
                contacts[f"{friend}@localhost"] = self.contact(friend)
        self.say(user, contacts)
        for friend, contact in others.items():
            if friend in self.rosters and self.random.random() < 0.8:
                theirs = {jid: one for jid, one in self.rosters[friend].items() if jid not in (MARK, f"{user}@localhost")}
                self.say(friend, theirs if contact is None else {**theirs, f"{user}@localhost": contact})
            else:
                others = {one: what for one, what in others.items() if one != friend}
        return {one: self.spoken[one] for one in (user, *others)}

    # It is asked

    async def start(self):
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0, backlog=1024)
        self.address = f"http://127.0.0.1:{self.server.sockets[0].getsockname()[1]}"
        return self

    async def serve(self, reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                user = head.split(" ", 2)[1].rpartition("/")[2]
                self.asked += 1
                status, tag, body = self.answer(user)  # What it says now, however long it takes to say it.
                if delay := self.random.choice(self.delays):
                    await asyncio.sleep(delay)
                if tag and f'"{tag}"' in head:
                    status, body = "304 Not Modified", b""
                length = "" if status.startswith("304") else f"content-length: {len(body)}\r\n"
                etag = f'etag: "{tag}"\r\n' if tag else ""
                writer.write(f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\n{etag}{length}\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def answer(self, user):
        if self.down:
            return "503 Service Unavailable", None, b""
        body = json.dumps(self.rosters.get(user, {})).encode()
        return "200 OK", hashlib.sha256(body).hexdigest()[:16], body


async def request(method, port, path, body=b"", headers=(), timeout=30):
    """Status, headers and body of one answer; raises OSError or TimeoutError."""
    async def ask():
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            lines = [f"{method} {path} HTTP/1.1", "host: localhost", "connection: close", f"content-length: {len(body)}", *headers]
            writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            fields = dict(line.lower().split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
            length = fields.get("content-length")
            return int(head.split(" ", 2)[1]), fields, await (reader.read() if length is None else reader.readexactly(int(length)))
        except asyncio.IncompleteReadError as error:
            raise ConnectionError("the connection ended before the answer") from error
        finally:
            writer.transport.abort()
    return await asyncio.wait_for(ask(), timeout)


class Refreshes:
    """Asks nodes for refreshes, and notes what they answer. `confirmed` is called with each one that is ok."""

    def __init__(self, history, limit, confirmed):
        self.history, self.limit, self.confirmed, self.count = history, limit, confirmed, 0

    async def ask(self, node, users):
        """`users`: {user: n}. Whether it was ok, and else how long to wait before the next try, as far as the node says."""
        self.count += 1
        own = self.count
        self.history.note("refresh", id=own, node=node.name, users=users)
        try:
            status, headers, body = await request("POST", node.http, "/roster_admin/refresh", json.dumps(list(users)).encode(),
                                                  timeout=self.limit)
        except (OSError, TimeoutError) as error:
            self.history.note("answer", id=own, error=f"{type(error).__name__} {error}".strip())
            return False, None
        try:
            reply = json.loads(body)
        except ValueError:
            reply = {"text": body.decode(errors="replace")}
        self.history.note("answer", id=own, status=status, reply=reply, retry_after=headers.get("retry-after"))
        if status == 200 and reply.get("errors") == 0 and reply.get("updated") == len(users):
            self.confirmed(own, users)
            return True, None
        after = headers.get("retry-after", "")
        return False, int(after) if after.isdigit() else None
