"""What users of an attached server have to see, whichever server it is.

A `Place` holds a server, which has

    name, domain            as text; `domain` is the one whose rosters are looked at
    address                 (host, port) of its clients: STARTTLS is offered and not required, PLAIN allowed without it
    direct_tls              (host, port) of its clients with direct TLS
    component               (host, port, name, secret) of an external component (XEP-0114), or None if it takes none
    start() stop() kill()   stop as an operator does; after each, start() finds the same data on the same ports
    log()                   as text

and a world, which has `change({user: contacts})`: the application says something new and tells the host; the host's answer.
Each check has users of its own, so that all can be made on one server.
"""

import asyncio
import fcntl
import hashlib
import socket
import struct
import termios
import time

from checker import check_rosters, roster
from xmpp_client import CLIENT, TIMEOUT, Client, Refused

PASSWORD = "only for tests"
ANSWER = {"status": "ok", "message": "roster update complete", "errors": 0}
EDIT = "<query xmlns='jabber:iq:roster'><item jid='{}' {}/></query>"
SUBSCRIPTION_TYPES = ("subscribe", "subscribed", "unsubscribe", "unsubscribed")


def expect(what, expected, found):
    if expected != found:
        raise AssertionError(f"{what}: expected {expected!r}, found {found!r}")


class Place:
    def __init__(self, server, world):
        self.server, self.world, self.clients = server, world, []

    def jid(self, user):
        return f"{user}@{self.server.domain}"

    def client(self, user, resource="one"):
        client = Client(user, self.server.domain, PASSWORD, self.server.address, resource)
        self.clients.append(client)
        return client

    async def come(self, *users):
        return [await self.client(user).come() for user in users]

    async def change(self, rosters, confirmed=True):
        """What `rosters` says counts from now on, and everybody has been told."""
        answer = await asyncio.to_thread(self.world.change, rosters)
        if confirmed:
            expect("the answer to the refresh", ANSWER | {"updated": len(rosters)}, answer)
        return answer

    async def leave(self):
        for client in self.clients:
            client.cut()
        self.clients = []


def contact(name=None, *groups, **more):
    return roster({"it": {"name": name, "groups": list(groups), **more}})["it"]


async def login_and_changes(place):
    """login, roster, a contact added, renamed, regrouped, removed; a name that needs escaping"""
    jid, friend, odd = place.jid("john"), place.jid("aaron"), "Aaron <the> \"2nd\" & ☕"
    marie = {place.jid("marie"): {"name": "Marie", "groups": ["Friends"]}}
    place.world.application.say({"john": marie})
    (john,) = await place.come("john")
    expect("the roster", roster(marie), john.roster)
    for told in ({"name": "Aaron", "groups": ["New"]}, {"name": odd, "groups": ["New"]}, {"name": odd, "groups": ["Old", "Work"]},
                 {"name": odd}, {}):
        await place.change({"john": marie | {friend: told}})
        await john.pushed(friend, contact(told.get("name"), *told.get("groups", [])))
    await place.change({"john": marie})
    await john.pushed(friend, None)
    await place.change({"john": marie})  # Nothing new.
    await john.round_trip()
    expect("pushes when nothing has changed", [], john.pushes)
    await check_rosters([john], place.world.application.said)
    expect("the user in pushes", None, john.roster.get(jid))


async def second_resource(place):
    """a second resource has the same roster, and both are pushed to; who has not asked for the roster is not"""
    user, friend = "second", place.jid("friend")
    place.world.application.say({user: {friend: {"name": "one"}}})
    (first,) = await place.come(user)
    other = await place.client(user, "two").come()
    silent = await place.client(user, "three").log_in()
    expect("the second resource's roster", first.roster, other.roster)
    await place.change({user: {friend: {"name": "two"}}})
    for client in (first, other):
        await client.pushed(friend, contact("two"))
    await silent.round_trip()
    expect("pushes to who has not asked", [], silent.pushes)
    await first.leave()
    await place.change({user: {friend: {"name": "three"}}})
    await other.pushed(friend, contact("three"))
    await check_rosters([other], place.world.application.said)


async def presence_both_ways(place):
    """presence goes both ways when contacts come and go in one refresh, in two, and at logins"""
    a, b = "presence-a", "presence-b"
    ja, jb = place.jid(a), place.jid(b)
    place.world.application.say({a: {}, b: {}})
    alice, bob = await place.come(a, b)
    alice.forget(), bob.forget()
    await place.change({a: {jb: {}}, b: {ja: {}}})
    await alice.shown(jb)
    await bob.shown(ja)
    await alice.round_trip(), await bob.round_trip()
    for client in (alice, bob):
        expect("presence of the same contact again", [], client.presences())
    bob.send("<presence><show>away</show></presence>")
    expect("the show", "away", (await alice.shown(jb)).findtext(f"{CLIENT}show"))
    await place.change({a: {}, b: {}})
    await alice.shown(jb, "unavailable")
    await bob.shown(ja, "unavailable")
    bob.forget(), alice.forget()
    bob.send("<presence/>")
    await bob.round_trip(), await alice.round_trip()
    expect("what alice sees of who is no contact any more", [], alice.presences())
    await place.change({a: {jb: {}}})
    await bob.shown(ja)
    await alice.round_trip()
    expect("what alice sees of who has not added her", [], alice.presences())
    await place.change({b: {ja: {}}})
    await alice.shown(jb)
    await bob.leave()
    await alice.shown(jb, "unavailable")
    (bob,) = await place.come(b)
    await alice.shown(jb)
    await bob.shown(ja)
    bob.cut()


async def one_sided_contacts(place):
    """whose presence it is decides, by his own roster alone: from, to, none, both on one side"""
    a, b = "sided-a", "sided-b"
    ja, jb = place.jid(a), place.jid(b)
    place.world.application.say({a: {jb: {}}, b: {}})
    bob, alice = await place.come(b, a)
    await bob.shown(ja)
    # Probing was answered by nobody's roster being rewritten.
    await check_rosters([alice, bob], place.world.application.said)
    alice.forget(), bob.forget()
    for told, seen in (("to", "unavailable"), ("from", None), ("none", "unavailable"), ("both", None)):
        await place.change({a: {jb: {"subscription": told}}})
        await alice.pushed(jb, contact(subscription=told))
        await bob.shown(ja, seen)
    await alice.round_trip()
    expect("what alice sees of bob, whose roster does not have her", [], alice.presences())
    await place.change({b: {ja: {"subscription": "from"}}})
    await alice.shown(jb)
    await place.change({a: {jb: {"subscription": "none", "ask": "subscribe"}}})
    await alice.pushed(jb, contact(subscription="none", ask="subscribe"))
    await check_rosters([alice, bob], place.world.application.said)


async def refused_edits(place):
    """clients cannot edit rosters: not-allowed, and nothing changes"""
    user, friend = "editor", place.jid("friend")
    place.world.application.say({user: {friend: {"name": "Friend"}}})
    (client,) = await place.come(user)
    other = await place.client(user, "two").come()
    for item in (EDIT.format(place.jid("new"), "name='New'"), EDIT.format(friend, "name='Renamed'"), EDIT.format(friend, "subscription='remove'"),
                 EDIT.format("@@", ""), "<query xmlns='jabber:iq:roster'/>"):
        for to in (None, place.jid(user)):
            try:
                await client.ask("set", item, to=to)
                raise AssertionError(f"{item} was taken")
            except Refused as refused:
                if "not-allowed" not in str(refused):
                    raise AssertionError(f"{item}: expected not-allowed, found {refused}") from None
    for one in (client, other):
        await one.round_trip()
        expect("pushes after refused edits", [], one.pushes)
    await check_rosters([client, other], place.world.application.said)


async def blocked_subscriptions(place):
    """subscription stanzas are blocked in every form of the address, out and in, and change nothing"""
    a, b, c = "blocked-a", "blocked-b", "blocked-c"
    ja, jb, jc = place.jid(a), place.jid(b), place.jid(c)
    strangers = {"romeo@elsewhere.test": {}, "julia@elsewhere.test": {"subscription": "none", "ask": "subscribe"}}
    place.world.application.say({a: {jb: {}} | strangers, b: {ja: {}} | strangers, c: strangers})
    alice, bob, carol = await place.come(a, b, c)
    await alice.shown(jb)
    await bob.shown(ja)
    for client in (alice, bob, carol):
        await client.round_trip()
        client.forget()
    forms = [jb, f"{jb}/one", f"{jb}/nowhere", jb.upper(), f" {jb}", f"{jb} ", f"\n{jb}\t", jc, f"{jc}/one", ja, f"{ja}/one", place.jid("nobody"),
             place.server.domain, f"{place.server.domain}/x", "somebody@elsewhere.invalid"]
    for kind in SUBSCRIPTION_TYPES:
        for form in forms:
            alice.send(f"<presence type='{kind}' to='{form}'/>")
        alice.send(f"<presence type='{kind}'/>")
    for client in (alice, bob, carol):
        await client.round_trip()
        found = [(who, what) for who, what in client.presences() if what != "error"]
        expect(f"presence told to {client.bare}", [], found)
        expect(f"pushes to {client.bare}", [], client.pushes)
    if place.server.component:
        await from_elsewhere(place, [alice, bob, carol])
    # Neither who is online, nor who comes later.
    await check_rosters([alice, bob, carol], place.world.application.said)
    await bob.leave()
    await alice.shown(jb, "unavailable")
    alice.send(f"<presence type='unsubscribe' to='{jb}'/><presence type='unsubscribed' to='{jb}'/>")
    await alice.round_trip()
    (bob,) = await place.come(b)
    expect("the roster of who was away", roster(place.world.application.said(b)), bob.roster)
    await alice.shown(jb)


async def from_elsewhere(place, clients):
    """The same stanzas from somebody who is not of this domain."""
    *address, name, secret = place.server.component
    reader, writer = await asyncio.open_connection(*address)
    writer.write(f"<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams' to='{name}'>".encode())
    opened = (await asyncio.wait_for(reader.readuntil(b">"), TIMEOUT)) + await asyncio.wait_for(reader.read(4096), TIMEOUT)
    stream = opened.decode().split(" id=")[1][1:].split(opened.decode().split(" id=")[1][0])[0]
    writer.write(f"<handshake>{hashlib.sha1((stream + secret).encode()).hexdigest()}</handshake>".encode())
    await asyncio.wait_for(reader.readuntil(b"<handshake"), TIMEOUT)
    for client in clients:
        for kind in SUBSCRIPTION_TYPES:
            for to in (client.bare, client.jid, client.bare.upper()):
                for sender in ("romeo", "julia", "nobody"):
                    writer.write(f"<presence from='{sender}@{name}' to='{to}' type='{kind}'/>".encode())
        # Whatever has to be told before this has been told.
        writer.write(f"<message from='romeo@{name}' to='{client.jid}' type='chat'><body>last</body></message>".encode())
    for client in clients:
        await client.wait("the component's message", client.find(f"{CLIENT}message", **{"from": f"romeo@{name}"}))
        expect(f"presence told to {client.bare}", [], [told for told in client.presences() if told[1] in SUBSCRIPTION_TYPES])
        expect(f"pushes to {client.bare}", [], client.pushes)
    writer.close()


def waiting(client):
    """What the kernel holds for this client, which has not read it yet."""
    fd = client.writer.get_extra_info("socket").fileno()
    count = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, b"\0\0\0\0"))[0]
    with socket.fromfd(fd, socket.AF_INET, socket.SOCK_STREAM) as copy:
        return copy.recv(count, socket.MSG_PEEK | socket.MSG_DONTWAIT) if count else b""


async def pushed_before_the_answer(place, times=200):
    """pushes have reached clients before the refresh is answered, 200 times in a row"""
    users = [f"first-{n}" for n in range(3)]
    friend = place.jid("friend")
    place.world.application.say({user: {} for user in users})
    clients = await place.come(*users)
    took = []
    for n in range(times):
        for client in clients:
            await client.round_trip()
        began = time.perf_counter()
        # Nothing is read meanwhile: this thread waits for the answer.
        answer = place.world.change({user: {friend: {"name": f"n{n}"}} for user in users})
        took.append(time.perf_counter() - began)
        expect("the answer to the refresh", ANSWER | {"updated": len(users)}, answer)
        for client in clients:
            if f"n{n}".encode() not in (there := waiting(client)):
                raise AssertionError(f"refresh {n} was answered before {client.bare} was pushed to; {there!r} was there")
    for client in clients:
        await client.round_trip()
        expect("the pushes", [f"n{n}" for n in range(times)], [pushed["name"] for _, pushed in client.pushes])
    await check_rosters(clients, place.world.application.said)
    took.sort()
    return f"p50 {took[len(took) // 2] * 1000:.1f} ms, p99 {took[len(took) * 99 // 100] * 1000:.1f} ms"


async def versions(place):
    """versioning: "nothing changed" only when nothing has changed; over reconnects, and when cut off between two pushes"""
    user, friend = "versions", place.jid("friend")
    say = place.world.application.say
    say({user: {friend: {"name": "one"}}})
    (client,) = await place.come(user)
    one = client.version

    async def again(expected, what):
        await client.leave()
        await client.log_in()
        expect(f"the whole roster came {what}", expected, await client.get_roster())
        expect(f"the roster {what}", roster(place.world.application.said(user)), client.roster)

    await again(False, "when nothing has changed")
    await place.change({user: {friend: {"name": "two"}}})
    await client.pushed(friend, contact("two"))
    await again(False, "after a push")
    await client.leave()
    say({user: {friend: {"name": "three"}}})
    await place.change({user: {friend: {"name": "three"}}})  # For who is not there.
    await client.log_in()
    expect("the whole roster came after a change while away", True, await client.get_roster())
    await place.change({user: {friend: {"name": "one"}}})
    await client.pushed(friend, contact("one"))
    expect("the version of equal contents", one, client.version)
    await client.leave()
    # Whoever was cut off after the first of two pushes has neither the old roster nor the new one.
    await client.log_in()
    await client.get_roster()
    before = dict(client.roster), client.version
    await place.change({user: {friend: {"name": "four"}, place.jid("other"): {}}})
    await client.wait("two pushes", lambda: len(client.pushes) == 2)
    first = client.versions[-2]
    await client.leave()
    for contents in ({friend: {"name": "four"}, place.jid("other"): {}}, {friend: {"name": "one"}}):
        await place.change({user: contents})
        client.version = first
        await client.log_in()
        expect("the whole roster came to who was cut off between two pushes", True, await client.get_roster())
        await client.leave()
    client.roster, client.version = before
    await client.log_in()
    await client.get_roster()
    expect("the roster", roster(place.world.application.said(user)), client.roster)
    for other in ("0", "1", "2", "nonsense", "-1", "9007199254740993"):
        client.version = other
        expect(f"the whole roster came for version {other}", True, await client.get_roster())
    client.version = ""
    expect("the whole roster came for no version", True, await client.get_roster())


CHECKS = [login_and_changes, second_resource, presence_both_ways, one_sided_contacts, refused_edits, blocked_subscriptions,
          pushed_before_the_answer, versions]

USERS = ["john", "marie", "second", "presence-a", "presence-b", "sided-a", "sided-b", "editor", "blocked-a", "blocked-b", "blocked-c",
         "first-0", "first-1", "first-2", "versions"]
