"""Stanzas: the clients of all nodes are one domain."""

import asyncio

from xmpp_client import CLIENT, Refused
from steps.stage import SOON, expect

CARBONS = "<enable xmlns='urn:xmpp:carbons:2'/>"
PING = "<ping xmlns='urn:xmpp:ping'/>"


async def friends(stage, one, other):
    """Both have each other as contacts, and nobody else."""
    stage.say(one, other)
    stage.say(other, one)


def body_of(found):
    return found.findtext(f"{CLIENT}body")


async def message(client, sender=None):
    """The next one, from that full JID."""
    wanted = {"from": sender} if sender else {}
    return await client.wait(f"a message of {sender}", client.find(f"{CLIENT}message", **wanted))


async def presence_across(stage):
    """presence, show and away, the unavailable of who leaves and of whose connection breaks, and probes at a login"""
    await friends(stage, "romeo", "juliet")
    (romeo,) = await stage.come(("romeo", "a"))
    (juliet,) = await stage.come(("juliet", "b"))
    await romeo.shown(juliet.jid)
    await juliet.shown(romeo.jid)
    juliet.send("<presence><show>dnd</show><status>busy</status></presence>")
    expect("the show", "dnd", (await romeo.shown(juliet.jid)).findtext(f"{CLIENT}show"))
    (late,) = await stage.come(("romeo", "c", "late"))
    expect("the show, at a login", "dnd", (await late.shown(juliet.jid)).findtext(f"{CLIENT}show"))
    await late.shown(romeo.jid)
    await romeo.shown(late.jid)
    await juliet.shown(late.jid)
    await romeo.leave()
    for client in (juliet, late):
        await client.shown(romeo.jid, "unavailable")
    late.cut()
    await juliet.shown(late.jid, "unavailable")


async def presence_of_who_is_a_contact(stage):
    """a contact that a refresh adds or removes is seen, or not seen any more, at once"""
    for user in ("tristan", "isolde"):
        stage.say(user)
    tristan, isolde = await stage.come(("tristan", "a"), ("isolde", "c"))
    await friends(stage, "tristan", "isolde")
    await stage.refreshed("b", "tristan", "isolde")
    await tristan.shown(isolde.jid)
    await isolde.shown(tristan.jid)
    for user in ("tristan", "isolde"):
        stage.say(user)
    await stage.refreshed("b", "tristan", "isolde")
    await tristan.shown(isolde.jid, "unavailable")
    await isolde.shown(tristan.jid, "unavailable")


async def messages_across(stage):
    """messages to full and bare JIDs, in the order in which they were sent; an error for who is not there"""
    await friends(stage, "hero", "leander")
    hero, leander, tablet = await stage.come(("hero", "a"), ("leander", "b"), ("leander", "c", "tablet"))
    for n in range(40):
        hero.send(f"<message type='chat' to='{leander.jid}'><body>{n}</body></message>")
    got = [body_of(await message(leander, hero.jid)) for _ in range(40)]
    expect("the messages", [str(n) for n in range(40)], got)
    hero.send("<message type='chat' to='leander@localhost'><body>to all</body></message>")
    for client in (leander, tablet):
        expect("the message to the bare JID", "to all", body_of(await message(client, hero.jid)))
    leander.send(f"<message type='chat' to='{tablet.jid}'><body>to myself</body></message>")
    expect("to one's own other resource", "to myself", body_of(await message(tablet, leander.jid)))
    hero.send("<message type='chat' id='lost' to='nobody@localhost'><body>?</body></message>")
    expect("what comes back", "lost", (await hero.wait("an error", hero.find(f"{CLIENT}message", type="error"))).get("id"))


async def questions_across(stage):
    """an IQ to a client of another node is answered by it; one to a resource that is not there with service-unavailable"""
    await friends(stage, "alice", "bob")
    alice, bob = await stage.come(("alice", "a"), ("bob", "b"))
    await alice.shown(bob.jid)
    alice.send(f"<iq type='get' id='who' to='{bob.jid}'><query xmlns='jabber:iq:version'/></iq>")
    asked = await bob.wait("the question", bob.find(f"{CLIENT}iq", id="who", type="get"))
    expect("who asks", alice.jid, asked.get("from"))
    bob.send(f"<iq type='result' id='who' to='{alice.jid}'><query xmlns='jabber:iq:version'><name>tests</name></query></iq>")
    answer = await alice.wait("the answer", alice.find(f"{CLIENT}iq", id="who", type="result"))
    expect("who answers", bob.jid, answer.get("from"))
    try:
        await alice.ask("get", PING, to="bob@localhost/elsewhere")
    except Refused as refused:
        expect("service-unavailable", True, "service-unavailable" in str(refused))
    else:
        raise AssertionError("an IQ to nobody was answered as if somebody was there")


async def carbons_across(stage):
    """the user's other resources, at other nodes, have copies of what comes and of what goes"""
    await friends(stage, "orpheus", "eurydice")
    orpheus, copy, eurydice = await stage.come(("orpheus", "a"), ("orpheus", "c", "copy"), ("eurydice", "b"))
    await copy.ask("set", CARBONS)
    # The other nodes hear of it a moment later.
    await asyncio.sleep(0.3)
    for sender, recipient, direction in ((eurydice, orpheus, "received"), (orpheus, eurydice, "sent")):
        sender.send(f"<message type='chat' to='{recipient.jid}'><body>{direction}</body></message>")
        expect("the message", direction, body_of(await message(recipient, sender.jid)))
        carbon = await message(copy, "orpheus@localhost")
        expect(f"a copy of what was {direction}", True, carbon.find(f"{{urn:xmpp:carbons:2}}{direction}") is not None)
        expect("the copy", direction, next(carbon.iter(f"{CLIENT}body")).text)


async def the_same_full_jid(stage):
    """who binds a resource that is bound at another node takes its place, and messages reach the new one"""
    await friends(stage, "twin", "sister")
    (sister,) = await stage.come(("sister", "c"))
    (old,) = await stage.come(("twin", "a", "same"))
    (new,) = await stage.come(("twin", "b", "same"))
    ended = await old.wait("offline", lambda: not old.online and old.find("{http://etherx.jabber.org/streams}error")())
    expect("conflict", True, ended.find("{urn:ietf:params:xml:ns:xmpp-streams}conflict") is not None)
    await asyncio.sleep(0.3)
    expect("the new one is there", True, new.online)
    sister.send(f"<message type='chat' to='{new.jid}'><body>which?</body></message>")
    expect("the message", "which?", body_of(await message(new, sister.jid)))
    sister.forget()
    new.send("<presence><show>away</show></presence>")
    expect("the show", "away", (await sister.shown(new.jid)).findtext(f"{CLIENT}show"))
    expect("unavailable of the one that is there", [], [one for one in sister.presences() if one[1] == "unavailable"])


async def resuming_elsewhere(stage):
    """a client that wants to resume its session at another node is refused, and can bind a resource instead"""
    stage.say("wanderer", "marie")
    (one,) = await stage.come(("wanderer", "a"))
    one.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    enabled = await one.wait("enabled", one.find("{urn:xmpp:sm:3}enabled"))
    one.cut()
    other = stage.client("wanderer", "b")
    await other.authenticate()
    other.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{enabled.get('id')}' h='0'/>")
    failed = await other.wait("failed", other.find("{urn:xmpp:sm:3}failed"))
    expect("item-not-found", True, failed.find("{urn:ietf:params:xml:ns:xmpp-stanzas}item-not-found") is not None)
    bound = await other.ask("set", "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'><resource>again</resource></bind>")
    other.jid = bound.find(".//{urn:ietf:params:xml:ns:xmpp-bind}jid").text
    await other.get_roster()
    await stage.has_been_told(other)
    # Where it is, it can.
    back = stage.client("wanderer", "a")
    await back.resume(enabled.get("id"))
    stage.say("wanderer", "marie", "aaron")
    await stage.refreshed("c", "wanderer")
    await asyncio.wait_for(back.pushed("aaron@localhost", {"name": "Aaron", "subscription": "both", "ask": None, "groups": []}), SOON)


STEPS = [presence_across, presence_of_who_is_a_contact, messages_across, questions_across, carbons_across, the_same_full_jid, resuming_elsewhere]
