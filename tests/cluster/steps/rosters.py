"""Rosters: whoever is told, and before what."""

import asyncio
import time

from attached import Attached
from steps.stage import SOON, expect


async def refresh_at_another_node(stage):
    """a refresh at node B reaches a client at A before B answers, and a login at C has it too"""
    stage.say("john", "marie")
    (john,) = await stage.come(("john", "a"))
    for node in "bcab":
        stage.say("john", "marie", aaron=f"Aaron {node}")
        await stage.refreshed(node, "john")
        await stage.has_been_told(john)
    (late,) = await stage.come(("john", "c", "late"))
    await stage.has_been_told(late)


async def user_at_two_nodes(stage):
    """a user who is logged in at A and C is told at both, and at the one that is left"""
    stage.say("double", "marie")
    one, two = await stage.come(("double", "a", "one"), ("double", "c", "two"))
    for n, node in enumerate("abc"):
        stage.say("double", "marie", friend=f"Friend {n}")
        await stage.refreshed(node, "double")
        await asyncio.gather(*(stage.has_been_told(client) for client in (one, two)))
    await one.leave()
    stage.say("double", "marie")
    await stage.refreshed("b", "double")
    await stage.has_been_told(two)


async def many_users_in_one_refresh(stage):
    """a refresh of many users, with owners and clients all over, is answered when all were told; so are three at once"""
    users = [f"many{n}" for n in range(30)]
    for user in users:
        stage.say(user, "marie")
    clients = await stage.come(*((user, "abc"[n % 3]) for n, user in enumerate(users)))
    for user in users:
        stage.say(user, "marie", "aaron")
    await stage.refreshed("a", *users)
    await asyncio.gather(*(stage.has_been_told(client) for client in clients))
    for user in users:
        stage.say(user, "marie", aaron="Another")
    await asyncio.gather(*(stage.refreshed(node, *users) for node in "abc"))
    await asyncio.gather(*(stage.has_been_told(client) for client in clients))
    for client in clients:
        pushed = [address for address, _ in client.pushes if address == "aaron@localhost"]
        expect(f"pushes to {client.jid}", ["aaron@localhost"] * 2, pushed)


async def fetched_once(stage):
    """a roster is fetched once, wherever the user logs in"""
    stage.say("once", "marie")
    before = stage.application.asked
    await stage.come(*(("once", node, f"on {node}") for node in "abc"))
    expect("requests to the application", 1, stage.application.asked - before)


async def unchanged(stage):
    """a refresh that finds nothing new is ok, and pushes nothing"""
    stage.say("same", "marie")
    (same,) = await stage.come(("same", "a"))
    for node in "abc":
        await stage.refreshed(node, "same")
    await stage.has_been_told(same)
    expect("pushes", [], same.pushes)


async def application_fails(stage):
    """while the application fails a refresh says so, at whichever node, and what is there stays"""
    stage.say("failing", "marie")
    (client,) = await stage.come(("failing", "a"))
    stage.application.down = True
    try:
        for node in "abc":
            _, _, reply = await stage.refresh(node, "failing")
            expect(f"updated and errors at {node}", (0, 1), (reply.get("updated"), reply.get("errors")))
    finally:
        stage.application.down = False
    stage.say("failing", "marie", "aaron")
    await stage.refreshed("b", "failing")
    await stage.has_been_told(client)


async def attached_server(stage):
    """an attached server of C acknowledges before the refresh at A is answered; one that does not is named"""
    stage.say("attached", "marie")
    attached, over = Attached(stage.node("c"), ["attached"]), asyncio.Event()
    living = asyncio.create_task(attached.live(over))
    try:
        await attached_until("it has its users", attached, lambda: attached.ready)
        stage.say("attached", "marie", "aaron")
        attached.hold = True
        asked = asyncio.create_task(stage.refresh("a", "attached"))
        await attached_until("the change", attached, lambda: attached.events)
        await asyncio.sleep(0.3)
        expect("the refresh is answered before it is acknowledged", False, asked.done())
        await attached.acknowledge()
        status, _, reply = await asked
        expect("the answer", (200, None), (status, reply.get("unconfirmed")))
        stage.say("attached", "marie")
        _, _, reply = await stage.refresh("a", "attached")
        expect("who has not confirmed", [attached.name], reply.get("unconfirmed"))
    finally:
        over.set()
        attached.leave()
        await living


async def attached_until(what, attached, look):
    end = time.monotonic() + SOON
    while not look():
        if time.monotonic() > end:
            raise AssertionError(f"{attached.name}: not within {SOON} s: {what}")
        await asyncio.sleep(0.01)


async def event_stream(stage):
    """a reader of the event stream of C is told of what a refresh at A has found for a session there"""
    stage.say("events", "marie")
    status, _ = await stage.admin("PUT", "c", "/sessions/events?resource=one")
    expect("the session", 200, status)
    reader, writer = await asyncio.open_connection("127.0.0.1", stage.node("c").admin)
    try:
        writer.write(b"GET /events?user=events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer operator\r\n\r\n")
        await asyncio.wait_for(reader.readuntil(b": roster events"), SOON)
        stage.say("events", "marie", aaron="From another node")
        await stage.refreshed("a", "events")
        await asyncio.wait_for(reader.readuntil(b"From another node"), 1)
    finally:
        writer.transport.abort()
        await stage.admin("DELETE", "c", "/sessions/events?resource=one")


async def another_plugin(stage):
    """one node has another plugin than the others, and everybody is still told everything"""
    stage.say("plugin", "marie")
    clients = await stage.come(("plugin", "a"), ("plugin", "b", "two"))
    status, body = await stage.admin("PUT", "b", "/plugin", stage.cluster.next_component())
    expect(f"the swap ({body[:200]})", 200, status)
    for n, node in enumerate("abc"):
        stage.say("plugin", "marie", aaron=f"Aaron {n}")
        await stage.refreshed(node, "plugin")
        await asyncio.gather(*(stage.has_been_told(client) for client in clients))


STEPS = [refresh_at_another_node, user_at_two_nodes, many_users_in_one_refresh, fetched_once, unchanged, application_fails, attached_server,
         event_stream, another_plugin]
