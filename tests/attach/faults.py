"""What goes wrong between a server, the host and the application; after it everybody has what the application says, and has
been told every change once, in order, as far as he was there.

Each check has a stage of its own: one host, a proxy before it, one or more servers.
"""

import asyncio
import os
import time

from checker import check_order, check_rosters, roster
from xmpp_client import TIMEOUT, Client, Refused
from server import free_ports
from servers.proxy import Proxy
from scenario import ANSWER, PASSWORD, Place, expect
from web import ask
from world import Host

TOKEN = "only-for-tests"
PATIENT = '\nack_timeout = "20s"'  # On a busy machine a server may take its time; what is late is not what is looked for.


class Stage:
    def __init__(self, folder, program, server_class, root, component=None):
        self.folder, self.program, self.server_class, self.root, self.component = folder, program, server_class, root, component
        self.servers, self.places, self.host, self.proxy = [], [], None, None

    def begin(self, users, settings="", nodes=("one",), domains=("localhost",), server_settings="", host_settings=""):
        """Starts host, proxy and one server for each node, with these users. `domains`: of each server."""
        if "ack_timeout" not in settings:
            settings += PATIENT
        names = {f"{node}-{n}" if n else node: domain for node in nodes for n, domain in enumerate(domains)}
        self.host = Host(self.program, self.folder, {name: (domain, TOKEN) for name, domain in names.items()}, free_ports(3), settings)
        self.host.start()
        self.proxy = Proxy(self.host.ports["attach"])
        for node in nodes:
            attached = {domain: (self.proxy.url, f"{node}-{n}" if n else node, TOKEN) for n, domain in enumerate(domains)}
            self.add_server(node, attached, users, more=server_settings, host_more=host_settings)
        return self.places[0]

    def add_server(self, name, attached, users, **more):
        folder = os.path.join(self.folder, f"server-{name}")
        os.makedirs(folder)
        for file in ("key.pem", "chain.pem"):
            os.link(os.path.join(self.folder, file), os.path.join(folder, file))
        accounts = {domain: {user: PASSWORD for user in users} for domain in attached}
        server = self.server_class(folder, attached, accounts, root=self.root, **more)
        server.start()
        self.servers.append(server)
        self.places.append(Place(server, self.host))
        return self.places[-1]

    def nodes(self):
        return {node["node"]: node for node in self.host.admin("GET", "/attach")[1]["nodes"]}

    async def until(self, what, condition, timeout=TIMEOUT):
        end = time.monotonic() + timeout
        while not (found := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"not within {timeout} s: {what}")
            await asyncio.sleep(0.05)
        return found

    async def until_node(self, name="one", **expected):
        def look():
            node = self.nodes()[name]
            return all(node[key] == value for key, value in expected.items())
        await self.until(f"node {name} has {expected}", look)

    async def until_logged(self, text, server=0, count=1):
        await self.until(f"the server logs {text!r}", lambda: self.servers[server].log().count(text) >= count)

    def logs(self):
        host = self.host.log[-4000:] if self.host else ""
        return f"--- the host's log:\n{host}" + "".join(f"\n--- a server's log:\n{server.log()[-6000:]}" for server in self.servers)

    async def close(self):
        for place in self.places:
            await place.leave()
        for server in self.servers:
            server.stop()
        if self.proxy:
            self.proxy.close()
        if self.host:
            self.host.close()


def one(name):
    return {"friend@localhost": {"name": name}}


async def has(clients, name):
    """All are told that the friend has this name."""
    for client in clients:
        await client.wait(f"the friend is called {name}", lambda: client.roster.get("friend@localhost", {}).get("name") == name)


async def host_killed_and_back(stage):
    """host killed and back: who is online goes on, logins get what was last known or are refused, then all is made up for"""
    place = stage.begin(["john", "marie", "stranger"])
    app = stage.host.application
    app.say({"john": one("n0"), "marie": one("n0"), "stranger": one("n0")})
    john, marie = await place.come("john", "marie")
    await place.change({"john": one("n1"), "marie": one("n1")})
    await has([john, marie], "n1")
    await marie.leave()
    await stage.until_node(users=1)
    await place.change({"marie": one("n2")})
    app.say({"john": one("n2")})
    stage.host.kill()
    await stage.until_logged("roster-host is away")
    second = await place.client("john", "two").come()
    expect("who is online already", roster(one("n1")), second.roster)
    before = marie.version
    await marie.log_in()
    expect("the whole roster came, of what was last known", False, await marie.get_roster())
    expect("the version that was last known", before, marie.version)
    marie.send("<presence/>")
    try:
        await place.client("stranger").log_in()
        raise AssertionError("a login without a copy was let in")
    except Refused as refused:
        # An error of the stream has no type.
        if "resource-constraint" not in str(refused) or "iq" in str(refused) and "'wait'" not in str(refused).replace('"', "'"):
            raise
    await john.round_trip()
    stage.host.start()
    await has([john, second, marie], "n2")
    check_order(john, "friend@localhost", ["n1", "n2"])
    check_order(marie, "friend@localhost", ["n2"])
    await stage.until_node(users=2)
    await place.change({"john": one("n3")})
    await has([john, second], "n3")
    (stranger,) = await place.come("stranger")
    await check_rosters([john, second, marie, stranger], app.said)
    log = stage.servers[0].log()
    for text in ("marie gets the contacts that were last known", "A login of stranger was refused", "roster-host is back"):
        expect(f"lines with {text!r}", True, text in log)


async def server_killed_and_back(stage):
    """server killed and back: no ghosts after the lease, versions count on, nothing is missed"""
    place = stage.begin(["john", "marie"], settings='lease = "2s"')
    app = stage.host.application
    app.say({"john": one("n0"), "marie": one("n0")})
    john, marie = await place.come("john", "marie")
    await stage.until_node(users=2, live=True)
    stage.servers[0].kill()
    await stage.until_node(users=0)
    answer = await place.change({"john": one("n1")}, confirmed=False)
    expect("the answer for who is not there", ANSWER | {"updated": 1}, answer)
    john.cut(), marie.cut()
    stage.servers[0].start()
    await john.log_in()
    await marie.log_in()
    expect("the whole roster of john, which has changed", True, await john.get_roster())
    expect("the whole roster of marie, which has not", False, await marie.get_roster())
    await place.change({"marie": one("n1")})
    await has([marie], "n1")
    # Restarted by its operator, within the lease: nothing is left of who is not there any more.
    stage.servers[0].stop()
    john.cut(), marie.cut()
    stage.servers[0].start()
    await marie.log_in()
    expect("the whole roster of marie after a restart", False, await marie.get_roster())
    await stage.until_node(users=1, live=True)
    await place.change({"marie": one("n2")})
    await has([marie], "n2")
    await check_rosters([marie], app.said)


async def stream_cut(stage):
    """the connection cut again and again while contacts change: every change once, in order"""
    place = stage.begin(["john", "marie"])
    app = stage.host.application
    app.say({"john": one("n0"), "marie": one("n0")})
    john, marie = await place.come("john", "marie")
    names = [f"n{n}" for n in range(1, 61)]
    for n, name in enumerate(names):
        if n % 6 == 3:
            stage.proxy.cut()
        await place.change({"john": one(name), "marie": one(name)}, confirmed=False)
    await has([john, marie], names[-1])
    for client in (john, marie):
        check_order(client, "friend@localhost", names, every=False)
    await stage.until_node(live=True, users=2, lag=0)
    await place.change({"john": one("last")})
    await check_rosters([john, marie], app.said)


async def silent_network(stage):
    """a network that swallows everything: noticed without being told, and made up for"""
    place = stage.begin(["john"], settings='keepalive = "500ms"\nack_timeout = "1s"')
    app = stage.host.application
    app.say({"john": one("n0")})
    (john,) = await place.come("john")
    stage.proxy.set("swallow")
    answer = await place.change({"john": one("n1")}, confirmed=False)
    expect("who has not confirmed", ["one"], answer.get("unconfirmed"))
    await stage.until_logged("The event stream was cut")
    stage.proxy.set("refuse")
    await place.change({"john": one("n2")}, confirmed=False)
    stage.proxy.set("pass")
    await has([john], "n2")
    check_order(john, "friend@localhost", ["n1", "n2"], every=False)
    await stage.until_node(live=True, lag=0)
    await place.change({"john": one("n3")})
    await check_rosters([john], app.said)


async def beyond_the_ring(stage):
    """more events than the host keeps while the server is away: everything is compared, and right"""
    place = stage.begin(["john", "marie"], settings="ring_events = 4\nack_timeout = \"50ms\"")
    app = stage.host.application
    app.say({"john": one("n0"), "marie": one("n0")})
    john, marie = await place.come("john", "marie")
    stage.proxy.set("refuse")
    names = [f"n{n}" for n in range(1, 21)]
    for name in names:
        await place.change({"john": one(name)}, confirmed=False)
    await place.change({"marie": {}}, confirmed=False)
    stage.proxy.set("pass")
    await has([john], names[-1])
    check_order(john, "friend@localhost", names, every=False)
    await stage.until_logged("asks for everything to be compared")
    await stage.until_node(live=True, lag=0)
    await place.change({"john": one("last")})
    await check_rosters([john, marie], app.said)


async def same_user_at_two_nodes(stage):
    """two nodes with the same user: both are pushed to before the answer; one that dies is named, and the other goes on"""
    place = stage.begin(["john"], nodes=("one", "two"), settings='lease = "2s"')
    app = stage.host.application
    app.say({"john": one("n0")})
    clients = [await Client("john", "localhost", PASSWORD, server.address).come() for server in stage.servers]
    for n in range(1, 21):
        await place.change({"john": one(f"n{n}")})
        for client in clients:
            await client.round_trip()
            expect("the last push when the refresh was answered", f"n{n}", client.pushes[-1][1]["name"])
    for client in clients:
        check_order(client, "friend@localhost", [f"n{n}" for n in range(1, 21)])
    stage.servers[1].kill()
    clients[1].cut()
    await place.change({"john": one("n21")}, confirmed=False)
    await has(clients[:1], "n21")
    await stage.until_node("two", users=0)
    await place.change({"john": one("n22")})
    await has(clients[:1], "n22")
    stage.servers[1].start()
    await clients[1].log_in()
    await clients[1].get_roster()
    await place.change({"john": one("n23")})
    await check_rosters(clients, app.said)
    clients[0].cut(), clients[1].cut()


async def application_down_at_login(stage):
    """application down at a login: refused with "wait", or what was last known; pushed when it can be had again"""
    place = stage.begin(["john", "marie"], host_settings="    roster_host_login_timeout = 5")
    app = stage.host.application
    app.say({"john": one("n0"), "marie": one("n0")})
    (john,) = await place.come("john")
    await john.leave()
    await stage.until_node(users=0)
    stage.host.stop()
    stage.host.start()  # So that it has nothing in memory.
    await stage.until_node(live=True)
    app.down = True
    try:
        await place.client("marie").log_in()
        raise AssertionError("a login without a roster was let in")
    except Refused as refused:
        if "resource-constraint" not in str(refused):
            raise
    await john.come()
    expect("what was last known", roster(one("n0")), john.roster)
    app.say({"john": one("n1"), "marie": one("n1")})
    app.down = False
    (marie,) = await place.come("marie")
    await place.change({"john": one("n1")})
    await has([john], "n1")
    await check_rosters([john, marie], app.said)
    await stage.until_node(users=2)
    await marie.leave()
    await stage.until_node(users=1)


async def slow_application(stage):
    """a slow application and resources that come meanwhile: one fetch, and nobody is given an empty roster"""
    place = stage.begin(["john", "marie", "hasty"])
    app = stage.host.application
    app.say({user: one("n0") for user in ("john", "marie", "hasty")})
    await stage.until_node(live=True)
    app.delay, app.slow = 2, {"john", "hasty"}
    began = time.monotonic()
    clients = [place.client("john", f"r{n}") for n in range(4)]
    logins = [asyncio.create_task(client.come()) for client in clients]
    hasty = place.client("hasty")
    gone = asyncio.create_task(hasty.log_in())
    await asyncio.sleep(0.5)
    (marie,) = await place.come("marie")
    expect("others wait for a slow answer", True, time.monotonic() - began < 2)
    # Who gives up while his roster is fetched leaves nothing behind.
    hasty.cut()
    gone.cancel()
    await asyncio.gather(*logins)
    for client in clients:
        expect("the roster", roster(one("n0")), client.roster)
    expect("fetches", 1, app.requests.count("john"))
    late = await place.client("john", "late").come()
    expect("the roster of who came late", roster(one("n0")), late.roster)
    app.delay = 0
    await place.change({"john": one("n1")})
    await has([*clients, late], "n1")
    await stage.until_node(users=2)
    await check_rosters([*clients, late, marie], app.said)
    expect("errors in the server's log", False, "traceback" in stage.servers[0].log().lower())


async def swap_with_a_crowd(stage):
    """the plugin is swapped while 200 users are online and contacts change: every change once, in order"""
    users = [f"user{n}" for n in range(200)]
    place = stage.begin(users)
    app = stage.host.application
    app.say({user: one("n0") for user in users})
    clients = [place.client(user) for user in users]
    for start in range(0, len(clients), 20):
        await asyncio.gather(*(client.come() for client in clients[start:start + 20]))
    await stage.until_node(users=200)
    component = open(stage.component, "rb").read() if stage.component else None
    names = [f"n{n}" for n in range(1, 13)]

    async def swap():
        for note in (b"one", b"two"):
            await asyncio.sleep(0.5)
            headers = {"Authorization": "Bearer operator", "Content-Type": "application/wasm"}
            status, _, _ = await asyncio.to_thread(ask, "PUT", f"http://127.0.0.1:{stage.host.ports['admin']}/plugin",
                                                   component + b"\x00\x05\x04" + note + b"!", headers)
            expect("the answer to the swap", 200, status)

    swapping = asyncio.create_task(swap() if component else asyncio.sleep(0))
    took = []
    for name in names:
        began = time.perf_counter()
        await place.change({user: one(name) for user in users})
        took.append(time.perf_counter() - began)
    await swapping
    await has(clients, names[-1])
    for client in clients:
        check_order(client, "friend@localhost", names)
    await check_rosters(clients, app.said)
    return f"{'two swaps' if component else 'NO SWAP: no component was given'}; a refresh of 200 took {sorted(took)[len(took) // 2] * 1000:.0f} ms"


async def several_domains(stage):
    """two virtual hosts of one server, each a node of its own; the same node for both is refused"""
    place = stage.begin(["john"], domains=("localhost", "other.test"))
    app = stage.host.application
    app.say({"john": one("n0")})
    here = await Client("john", "localhost", PASSWORD, stage.servers[0].address).come()
    there = await Client("john", "other.test", PASSWORD, stage.servers[0].address).come()
    await stage.until_node("one", users=1)
    await stage.until_node("one-1", users=1)
    await place.change({"john": one("n1")})
    await has([here], "n1")
    await there.round_trip()
    expect("pushes of a domain that was not refreshed", [], there.pushes)
    expect("the answer", ANSWER | {"updated": 1}, await asyncio.to_thread(stage.host.refresh, ["john"], "other.test"))
    await has([there], "n1")
    here.cut()
    await stage.until_node("one", users=0)
    await stage.until_node("one-1", users=1)
    there.cut()
    node = (stage.proxy.url, "one", TOKEN)
    stage.add_server("twice", {"localhost": node, "other.test": node}, ["john"])
    await stage.until_logged("each virtual host needs a node of its own", server=1)


async def replaced(stage):
    """a second server with the name of the first: said in the log, no quarrel, and the first one's users are not lost"""
    place = stage.begin(["john"])
    app = stage.host.application
    app.say({"john": one("n0")})
    (john,) = await place.come("john")
    stage.add_server("same", {"localhost": (stage.proxy.url, "one", TOKEN)}, ["john"])
    await stage.until_logged("Another process is attached")
    await john.round_trip()
    second = await place.client("john", "two").come()
    expect("the roster while replaced", roster(one("n0")), second.roster)
    await asyncio.sleep(2)
    expect("streams taken back at once", 1, stage.servers[0].log().count("Another process is attached"))


async def module_reloaded(stage):
    """the module is reloaded, unloaded and loaded while users are online and one is logging in"""
    place = stage.begin(["john", "marie"])
    app, server = stage.host.application, stage.servers[0]
    app.say({"john": one("n0"), "marie": one("n0")})
    (john,) = await place.come("john")
    for n in range(1, 4):
        told = await asyncio.to_thread(server.shell, "module", "reload", "roster_host", "localhost")
        expect(f"what the shell says ({told})", True, "OK" in told)
        await stage.until_node(live=True, users=1)
        await place.change({"john": one(f"n{n}")}, confirmed=False)
        await has([john], f"n{n}")
    app.delay = 2
    marie = place.client("marie")
    login = asyncio.create_task(marie.log_in())
    await asyncio.sleep(0.5)
    await asyncio.to_thread(server.shell, "module", "reload", "roster_host", "localhost")
    try:
        await login
    except Refused as refused:
        if "resource-constraint" not in str(refused):
            raise
    app.delay = 0
    await asyncio.to_thread(server.shell, "module", "unload", "roster_host", "localhost")
    app.say({"john": one("n5")})
    await asyncio.to_thread(server.shell, "module", "load", "roster_host", "localhost")
    await place.change({"john": one("n5")}, confirmed=False)
    await has([john], "n5")
    marie.cut()
    (marie,) = await place.come("marie")
    await stage.until_node(live=True, users=2)
    await place.change({"marie": one("n6")})
    await has([marie], "n6")
    check_order(john, "friend@localhost", ["n1", "n2", "n3", "n5"])
    await check_rosters([john, marie], app.said)
    expect("errors in the server's log", False, "traceback" in server.log().lower())


async def resumed_session(stage):
    """a client whose connection was cut and who resumes (XEP-0198) is told what changed meanwhile, once"""
    place = stage.begin(["john"])
    app = stage.host.application
    app.say({"john": one("n0")})
    (john,) = await place.come("john")
    john.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    enabled = await john.wait("enabled", john.find("{urn:xmpp:sm:3}enabled"))
    john.cut()
    await asyncio.sleep(0.2)
    await place.change({"john": one("n1")}, confirmed=False)
    await place.change({"john": one("n2")}, confirmed=False)
    await stage.until_node(users=1)
    await john.resume(enabled.get("id"))
    await has([john], "n2")
    check_order(john, "friend@localhost", ["n1", "n2"])
    await place.change({"john": one("n3")})
    await has([john], "n3")
    await check_rosters([john], app.said)


CHECKS = [host_killed_and_back, server_killed_and_back, stream_cut, silent_network, beyond_the_ring, same_user_at_two_nodes,
          application_down_at_login, slow_application, swap_with_a_crowd, several_domains, replaced, module_reloaded, resumed_session]
