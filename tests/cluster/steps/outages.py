"""Nodes that die or are restarted, and an engine that is not there."""

import asyncio
import time

from steps.stage import SOON, expect


async def back(stage, *names):
    """The nodes are there again, and all are live."""
    await asyncio.gather(*(asyncio.to_thread(stage.node(name).start) for name in names))
    await stage.cluster.until("all nodes are live", stage.cluster.all_live)


async def node_killed(stage):
    """a node is killed: its users are unavailable for the others, whose connections stay; who comes back is seen again"""
    stage.say("victim", "witness", "third")
    stage.say("witness", "victim")
    stage.say("third", "victim")
    victim, witness, third = await stage.come(("victim", "a"), ("witness", "b"), ("third", "c"))
    for client in (witness, third):
        await client.shown(victim.jid)
    killed = time.monotonic()
    stage.node("a").kill()
    for client in (witness, third):
        await client.shown(victim.jid, "unavailable")
    took = time.monotonic() - killed
    (again,) = await stage.come(("victim", "b", "again"))
    await third.shown(again.jid)
    stage.say("victim", "witness", "third", "aaron")
    await stage.refreshed("c", "victim", within=SOON)
    await stage.has_been_told(again)
    expect("the others' connections", [True, True], [witness.online, third.online])
    await back(stage, "a")
    return f"unavailable after {took:.1f} s"


async def login_while_the_owner_is_dead(stage):
    """who logs in at B while A, which may own the roster, is dead gets the application's roster; of thirty users A owns ten"""
    users = [f"orphan{n}" for n in range(30)]
    for user in users:
        stage.say(user, "marie")
    # Half of them are known to their owners.
    before = await stage.come(*((user, "a") for user in users[::2]))
    stage.node("a").kill()
    began = time.monotonic()
    clients = await stage.come(*((user, "b") for user in users))
    took = time.monotonic() - began
    for client in clients:
        await stage.has_been_told(client)
    expect("the connections of the dead node", [False] * 15, [client.online for client in before])
    for user in users:
        stage.say(user, "marie", "aaron")
    await stage.refreshed("c", *users, within=SOON)
    await asyncio.gather(*(stage.has_been_told(client) for client in clients))
    await back(stage, "a")
    return f"thirty logins in {took:.1f} s"


async def no_engine(stage):
    """all NATS servers are down: logins are served, refreshes are answered 503 with Retry-After; then all is well without a restart"""
    for user in ("patient", "newcomer"):
        stage.say(user, "marie")
    (patient,) = await stage.come(("patient", "a"))
    processes = [host.process.pid for host in stage.cluster.hosts.values()]
    await asyncio.to_thread(stage.cluster.begin, "engine-down", "all", None)
    await stage.cluster.until("all nodes are fenced", lambda: all(
        (host.status() or {}).get("state") == "fenced" for host in stage.cluster.hosts.values()), SOON)
    began = time.monotonic()
    (newcomer,) = await stage.come(("newcomer", "b"))
    took = time.monotonic() - began
    await stage.has_been_told(newcomer)
    stage.say("patient", "marie", "aaron")
    stage.say("newcomer", "marie", "aaron")
    for node in "abc":
        status, headers, _ = await stage.refresh(node, "patient", "newcomer")
        expect(f"the answer of {node}, with a number of seconds to wait", (503, True), (status, headers.get("retry-after", "").isdigit()))
    await asyncio.to_thread(stage.cluster.end, "engine-down", "all")
    began = time.monotonic()
    await stage.cluster.until("all nodes are live", stage.cluster.all_live)
    healed = time.monotonic() - began
    await stage.refreshed("c", "patient", "newcomer", within=SOON)
    await asyncio.gather(*(stage.has_been_told(client) for client in (patient, newcomer)))
    expect("no node was restarted", processes, [host.process.pid for host in stage.cluster.hosts.values()])
    return f"a login in {took:.1f} s without NATS; live {healed:.1f} s after it is back"


async def node_stopped(stage):
    """a node that was stopped for longer than it takes to be given up comes back by itself, with its clients, who miss nothing"""
    stage.say("sleeper", "marie")
    (sleeper,) = await stage.come(("sleeper", "a"))
    stage.node("a").halt()
    try:
        stage.say("sleeper", "marie", "aaron")
        began = time.monotonic()
        await stage.refreshed("b", "sleeper", within=2 * SOON)
        took = time.monotonic() - began
        await asyncio.sleep(stage.cluster.node_timeout)
    finally:
        stage.node("a").go_on()
    await sleeper.wait("the push", lambda: any(jid == "aaron@localhost" for jid, _ in sleeper.pushes))
    await stage.cluster.until("all nodes are live", stage.cluster.all_live)
    await stage.has_been_told(sleeper)
    stage.say("sleeper", "marie")
    await stage.refreshed("c", "sleeper", within=SOON)
    await stage.has_been_told(sleeper)
    return f"a refresh elsewhere took {took:.1f} s"


async def rolling_restart(stage):
    """each node is restarted in turn: refreshes at the others go on, and only its own clients lose their connections"""
    users = ("rolling-a", "rolling-b", "rolling-c")
    for user in users:
        stage.say(user, "marie")
    clients = dict(zip("abc", await stage.come(*((user, user[-1]) for user in users))))
    for turn, name in enumerate("abc"):
        others = [node for node in "abc" if node != name]
        stopping = asyncio.create_task(asyncio.to_thread(stage.node(name).stop))
        for n, node in enumerate(others * 3):
            for user in users:
                stage.say(user, "marie", friend=f"Friend {turn} {n}")
            await stage.refreshed(node, *users, within=SOON)
            for other in others:
                await stage.has_been_told(clients[other])
        await stopping
        expect(f"the connections but that of {name}", [True, True], [clients[other].online for other in others])
        await back(stage, name)
        (clients[name],) = await stage.come((f"rolling-{name}", name, f"again {turn}"))
        await stage.has_been_told(clients[name])


async def status(stage):
    """every node says who is there and which of them are live"""
    for name in "abc":
        found = stage.node(name).status()
        expect(f"node and state of {name}", (name, "live"), (found["node"], found["state"]))
        expect("the nodes", ["a", "b", "c"], sorted(one["name"] for one in found["nodes"]))


STEPS = [status, node_killed, login_while_the_owner_is_dead, node_stopped, no_engine, rolling_restart]
