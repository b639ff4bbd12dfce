"""The users' clients: they keep their rosters with their versions, come back at another node when they lose theirs, and note what they are told."""

import asyncio
import os
import random
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "shared"))
from xmpp_client import CLIENT, ROSTER, Client, Refused, contact_of  # noqa: E402: beside this folder

PASSWORD = "only for tests"
LOGIN = 15  # seconds, for a login; then another node is tried


def contact(item):
    told = contact_of(item)
    return {"name": told["name"], "groups": told["groups"]}


class Member(Client):
    """Notes in `history` what it is told. `gate`: so many log in at once."""

    def __init__(self, name, user, history, gate):
        super().__init__(user, "localhost", PASSWORD, None, resource=name)
        self.name, self.history, self.gate = name, history, gate
        self.node, self.count, self.ready, self.leaving = None, 0, False, False
        self.sent = 0
        self.seen = set()  # full JIDs that are available
        self.noted = False  # that it has come, and not that it has gone
        self.waiting = {}  # id: (future, what to do with the answer before anything else is read)

    # What it is told

    def take(self, element):
        query = element.find(f"{ROSTER}query")
        kind, own = element.get("type"), element.get("id")
        if element.tag != f"{CLIENT}iq":
            if element.tag == f"{CLIENT}presence" and kind in (None, "unavailable"):
                (self.seen.add if kind is None else self.seen.discard)(element.get("from"))
            if element.tag == f"{CLIENT}message" and kind == "chat":
                self.history.note("message", client=self.name, sender=element.get("from"), text=element.findtext(f"{CLIENT}body"))
            if not element.tag.startswith(CLIENT):
                self.stanzas.append(element)
                self.news.set()
        elif kind == "set" and query is not None:
            for item in query:
                told = None if item.get("subscription") == "remove" else contact(item)
                if told is None:
                    self.roster.pop(item.get("jid"), None)
                else:
                    self.roster[item.get("jid")] = told
                self.history.note("push", client=self.name, jid=item.get("jid"), contact=told, version=query.get("ver"))
            self.version = query.get("ver") or self.version
            self.send(f"<iq type='result' id='{own}'/>")
        elif own in self.waiting:
            future, then = self.waiting.pop(own)
            if kind != "error":
                then(element)
            if future and not future.done():
                future.set_exception(Refused("".join(element.itertext()) or kind)) if kind == "error" else future.set_result(element)
        elif kind in ("get", "set"):
            self.send(f"<iq type='result' id='{own}'/>")  # A ping of the server's.

    async def read(self):
        await super().read()
        for future, _ in self.waiting.values():
            if future and not future.done():
                future.set_exception(ConnectionError("the stream ended"))
        self.waiting = {}

    async def ask(self, kind, body, to=None, then=lambda _: None):
        self.number += 1
        own, future = f"q{self.number}", asyncio.get_running_loop().create_future()
        self.waiting[own] = future, then
        self.send(f"<iq type='{kind}' id='{own}'{f' to={to!r}' if to else ''}>{body}</iq>")
        return await asyncio.wait_for(future, self.timeout)

    def got_roster(self, element):
        query = element.find(f"{ROSTER}query")
        if query is not None:
            self.roster, self.version = {item.get("jid"): contact(item) for item in query}, query.get("ver")
        self.history.note("roster", client=self.name, contacts=None if query is None else self.roster, version=query is not None and self.version)

    def fence(self, refresh):
        """What it had been told when the refresh was answered has come before the answer to this."""
        if self.ready and self.online:
            self.number += 1
            self.waiting[f"q{self.number}"] = None, lambda _: self.history.note("pong", client=self.name, refresh=refresh)
            self.send(f"<iq type='get' id='q{self.number}' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")

    def chat(self):
        """Says something to somebody who is there, with numbers that grow."""
        if self.ready and self.online and (others := sorted(self.seen - {self.jid})):
            self.sent += 1
            self.send(f"<message type='chat' to='{random.choice(others)}'><body>{self.count} {self.sent}</body></message>")

    # Its life

    async def come(self, node):
        self.node, self.address, self.count, self.waiting = node, ("127.0.0.1", node.xmpp), self.count + 1, {}
        self.history.note("login", client=self.name, user=self.user, node=node.name, connection=self.count)
        self.noted = True
        self.seen.clear()
        await self.log_in()
        self.stanzas.clear()
        version = self.version or ""
        for _ in range(20):
            try:
                await self.ask("get", f"<query xmlns='jabber:iq:roster' ver='{version}'/>", then=self.got_roster)
                break
            except Refused:
                await asyncio.sleep(0.5)
        else:
            raise Refused("it has no roster")
        # What belongs to the answer was queued with it.
        await self.ask("get", "<ping xmlns='urn:xmpp:ping'/>", to="localhost", then=lambda _: self.history.note("ready", client=self.name))
        self.ready = True
        self.send("<presence/>")

    def went(self, event, **fields):
        if self.noted:
            self.history.note(event, client=self.name, **fields)
            self.noted = False
        self.ready = False
        self.cut()

    def leave_at_once(self):
        """It goes, and will come back elsewhere."""
        self.leaving = True
        self.news.set()

    async def live(self, choose, over, wait=0.1):
        """Comes, and comes back, until `over`. `choose(other_than)` says where to."""
        pause = wait
        while not over.is_set():
            node = choose(self.node)
            try:
                async with self.gate:
                    await asyncio.wait_for(self.come(node), LOGIN)
                pause = wait
                while self.online and not self.leaving and not over.is_set():
                    self.news.clear()
                    await self.news.wait()
                if over.is_set() and self.online:
                    return
                self.went("left" if self.leaving else "lost", **({} if self.leaving else {"why": "the stream ended"}))
            except (OSError, Refused, TimeoutError, AssertionError) as error:
                # A login that comes to nothing is no connection that was lost.
                self.went("left", why=f"{type(error).__name__} {error}"[:200].strip())
            self.leaving = False
            pause = min(2.0, pause * 2)
            await asyncio.sleep(pause * random.uniform(0.5, 1))

    async def finish(self):
        """Its roster as the server has it."""
        answer = await self.ask("get", "<query xmlns='jabber:iq:roster'/>")
        query = answer.find(f"{ROSTER}query")
        self.history.note("final", client=self.name, contacts={item.get("jid"): contact(item) for item in query},
                          jid=self.jid, seen=sorted(self.seen))
