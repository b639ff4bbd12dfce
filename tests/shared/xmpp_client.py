"""A client that says little and remembers all it is told: for crowds, and for what other libraries would hide.

It keeps its roster as RFC 6121 section 2.6 says, with the version, over reconnects.
"""

import asyncio
import base64
import time
import xml.etree.ElementTree as ET

TIMEOUT = 30  # seconds, for anything to happen on a busy machine
ROSTER = "{jabber:iq:roster}"
CLIENT = "{jabber:client}"


def contact_of(item):
    return {"name": item.get("name"), "subscription": item.get("subscription"), "ask": item.get("ask"),
            "groups": sorted(group.text for group in item.iter(f"{ROSTER}group"))}


class Refused(Exception):
    """Something was answered with an error; the stanza is the argument."""


class Client:
    timeout = TIMEOUT

    def __init__(self, user, domain, password, address, resource="test"):
        self.user, self.domain, self.password, self.address, self.resource = user, domain, password, address, resource
        self.bare = f"{user}@{domain}"
        self.jid = None
        self.reader = self.writer = self.task = None
        self.stanzas = []  # all that came
        self.pushes, self.versions = [], []  # (jid, contact or None); the version each came with
        self.roster, self.version = {}, None
        self.news = asyncio.Event()
        self.number = 0
        self.online = False

    # The stream

    async def connect(self):
        self.reader, self.writer = await asyncio.wait_for(asyncio.open_connection(*self.address), TIMEOUT)
        self.forget()
        self.online = True
        self.task = asyncio.create_task(self.read())

    async def read(self):
        self.open_parser()
        try:
            while data := await self.reader.read(65536):
                self.feed(data)
        except (ConnectionError, ET.ParseError):
            pass
        finally:
            self.online = False
            self.news.set()

    def open_parser(self):
        self.parser, self.depth, self.root = ET.XMLPullParser(["start", "end"]), 0, None

    def feed(self, data):
        # After the login there is a new stream, with a declaration of its own.
        if self.depth and b"<?xml" in data:
            self.open_parser()
        self.parser.feed(data)
        for event, element in self.parser.read_events():
            if event == "start":
                self.depth += 1
                self.root = element if self.depth == 1 else self.root
            else:
                self.depth -= 1
                if self.depth == 1:
                    self.root.remove(element)
                    self.take(element)

    def take(self, element):
        query = element.find(f"{ROSTER}query")
        if element.tag == f"{CLIENT}iq" and element.get("type") == "set" and query is not None:
            for item in query:
                contact = contact_of(item)
                gone = contact["subscription"] == "remove"
                self.pushes.append((item.get("jid"), None if gone else contact))
                if gone:
                    self.roster.pop(item.get("jid"), None)
                else:
                    self.roster[item.get("jid")] = contact
            self.version = query.get("ver") or self.version
            self.versions.append(self.version)
            self.send(f"<iq type='result' id='{element.get('id')}'/>")
        self.stanzas.append(element)
        self.news.set()

    def send(self, text):
        self.writer.write(text.encode())

    async def wait(self, what, condition):
        """Until `condition` gives something that is not None or False: that. `what` says it to people."""
        end = time.monotonic() + self.timeout
        while True:
            found = condition()
            if found is not None and found is not False:
                return found
            if not self.online and what != "offline":
                ended = self.find("{http://etherx.jabber.org/streams}error")()
                if ended is not None:
                    raise Refused(ET.tostring(ended, encoding="unicode"))
                raise ConnectionError(f"{self.bare}: the stream ended before: {what}")
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), max(0.01, end - time.monotonic()))
            except asyncio.TimeoutError:
                told = "\n  ".join(ET.tostring(stanza, encoding="unicode") for stanza in self.stanzas[-20:])
                raise AssertionError(f"{self.bare}: not within {self.timeout} s: {what}; the last it was told:\n  {told}") from None

    def find(self, tag, **attributes):
        def look():
            for element in self.stanzas:
                if element.tag == tag and all(element.get(name) == value for name, value in attributes.items()):
                    self.stanzas.remove(element)
                    return element
            return None
        return look

    # Login

    async def log_in(self):
        """Until it is bound. Raises Refused with the stanza if it may not."""
        await self.authenticate()
        answer = await self.ask("set", f"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>{self.resource}</resource></bind>")
        self.jid = answer.find(".//{urn:ietf:params:xml:ns:xmpp-bind}jid").text
        return self

    async def resume(self, session, handled=0):
        """XEP-0198: what was not acknowledged comes again."""
        await self.authenticate()
        self.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{session}' h='{handled}'/>")
        await self.wait("resumed", self.find("{urn:xmpp:sm:3}resumed"))

    async def authenticate(self):
        await self.connect()
        opened = (f"<?xml version='1.0'?><stream:stream to='{self.domain}' version='1.0' xmlns='jabber:client' "
                  "xmlns:stream='http://etherx.jabber.org/streams'>")
        self.send(opened)
        features = "{http://etherx.jabber.org/streams}features"
        await self.wait("features", self.find(features))
        await self.log_in_with_password()
        await self.wait("success", self.find("{urn:ietf:params:xml:ns:xmpp-sasl}success"))
        self.open_parser()
        self.send(opened)
        await self.wait("features", self.find(features))

    async def log_in_with_password(self):
        """Up to the server's last word."""
        secret = base64.b64encode(f"\0{self.user}\0{self.password}".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")

    async def ask(self, kind, body, to=None):
        self.number += 1
        own = f"q{self.number}"
        self.send(f"<iq type='{kind}' id='{own}'{f' to={to!r}' if to else ''}>{body}</iq>")
        answer = await self.wait(f"an answer to {body}", self.find(f"{CLIENT}iq", id=own))
        if answer.get("type") == "error":
            raise Refused(ET.tostring(answer, encoding="unicode"))
        return answer

    async def get_roster(self, versioned=True):
        """Whether the whole roster came, and not "nothing changed"."""
        version = f" ver='{self.version or ''}'" if versioned else ""
        answer = await self.ask("get", f"<query xmlns='jabber:iq:roster'{version}/>")
        query = answer.find(f"{ROSTER}query")
        if query is None:
            return False
        self.roster = {item.get("jid"): contact_of(item) for item in query}
        self.version = query.get("ver")
        return True

    async def come(self):
        await self.log_in()
        await self.get_roster()
        self.send("<presence/>")
        await self.wait("its own presence", self.find(f"{CLIENT}presence", **{"from": self.jid}))
        return self

    # What it is told

    async def pushed(self, address, contact):
        """Waits for this push, and forgets it and those before it."""
        def look():
            if (address, contact) in self.pushes:
                del self.pushes[:self.pushes.index((address, contact)) + 1]
                return True
            return None
        await self.wait(f"a push of {address}: {contact}", look)

    async def shown(self, sender, kind=None):
        """Waits for presence of this kind (None: available) from a bare or full address."""
        def look():
            for element in self.stanzas:
                if element.tag == f"{CLIENT}presence" and element.get("type") == kind:
                    if element.get("from", "") == sender or element.get("from", "").startswith(sender + "/"):
                        self.stanzas.remove(element)
                        return element
            return None
        return await self.wait(f"presence {kind or 'available'} of {sender}", look)

    async def round_trip(self):
        """What the server had to say before now has come."""
        await self.ask("get", "<ping xmlns='urn:xmpp:ping'/>", to=self.domain)

    def presences(self):
        return [(element.get("from"), element.get("type")) for element in self.stanzas if element.tag == f"{CLIENT}presence"]

    def forget(self):
        self.stanzas, self.pushes, self.versions = [], [], []

    async def leave(self):
        if self.online:
            try:
                self.send("<presence type='unavailable'/></stream:stream>")
                await asyncio.wait_for(self.writer.drain(), TIMEOUT)
            except ConnectionError:
                pass
            await self.wait("offline", lambda: not self.online)
        self.cut()

    def cut(self):
        """As when the network goes away."""
        if self.writer:
            self.writer.transport.abort()
        if self.task:
            self.task.cancel()
        self.online = False
