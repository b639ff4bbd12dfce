"""Hosts that do what no roster-host does, played by stand_in.py: the server says what is wrong, asks again with pauses, and
serves its users as far as it can. And what an operator can get wrong in the configuration."""

import asyncio
import json
import time

from checker import roster
from xmpp_client import Client, Refused
from scenario import PASSWORD, expect
from servers.stand_in import StandIn

USERS = ["john", "marie"]


class Setting:
    def __init__(self, stage):
        self.stage, self.host = stage, StandIn("localhost")
        self.host.rosters = {user: {"friend@localhost": {"name": "n0"}} for user in USERS}

    def start(self, **more):
        self.stage.add_server("one", {"localhost": (self.host.url, "node", "secret")}, USERS, **more)
        self.server = self.stage.servers[0]
        return self

    def client(self, user):
        return Client(user, "localhost", PASSWORD, self.server.address)

    async def change(self, name, *users):
        return await asyncio.to_thread(self.host.change, {user: {"friend@localhost": {"name": name}} for user in users or USERS})

    async def refused(self, user):
        client = self.client(user)
        try:
            await client.log_in()
        except Refused as refused:
            if "resource-constraint" not in str(refused):
                raise
        else:
            raise AssertionError("a login without a roster was let in")
        finally:
            client.cut()

    async def logged(self, text, count=1):
        await self.stage.until_logged(text, count=count)

    def calls(self, name):
        return [call for call, _ in self.host.calls].count(name)


def named(name):
    return roster({"friend@localhost": {"name": name}})


async def refused_at_the_door(stage):
    """wrong token, another version of the API, another domain, something else at that address: said, and tried again later"""
    setting = Setting(stage)
    host = setting.host
    host.token = "another"
    setting.start()
    await setting.logged("refuses the token of this node")
    await setting.refused("john")
    for change, text in ((lambda: setattr(host, "api", 2), "roster-host speaks version 2 of the attach API and this module version 1"),
                         (lambda: (setattr(host, "api", 1), setattr(host, "domain", "other.test")), "is for other.test and not for localhost"),
                         (lambda: host.fault.update(info=lambda handler: handler.answer(200, ["hello"]) or True),
                          "is not the [attach] listener of a roster-host")):
        host.token = "secret"
        change()
        setting.server.stop()
        setting.server.start()
        await setting.logged(text)
    calls = setting.calls("info")
    await asyncio.sleep(3)
    expect("calls while it is refused", 0, setting.calls("info") - calls)


async def garbage(stage):
    """answers that are garbage, or half an answer: nobody is given a wrong roster, and it is asked again"""
    setting = Setting(stage)
    host = setting.host
    whole = json.dumps(host.whole("john"))

    def half(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(whole)))
        handler.end_headers()
        handler.wfile.write(whole[:40].encode())
        handler.close_connection = True
        return True

    bad = [lambda handler: handler.answer(200, "a string") or True, lambda handler: handler.answer(200, {"version": 0, "contacts": []}) or True,
           lambda handler: handler.answer(200, {"version": 1.5e300, "contacts": []}) or True,
           lambda handler: handler.answer(200, {"version": 5}) or True, lambda handler: handler.answer(304) or True,
           lambda handler: handler.answer(500, ["?"]) or True, half]
    setting.start()
    await setting.logged("In step with roster-host")
    for answer in bad:
        host.fault["PUT"] = answer
        await setting.refused("john")
    host.fault = {}
    john = await setting.client("john").come()
    expect("the roster", named("n0"), john.roster)

    # Events that cannot be read, or whose change does not fit: compared, and right at the end.
    for n, event in enumerate(("event: changes\ndata: {\n\n", "event: changes\nid: x\ndata: {\"seq\": \"?\"}\n\n",
                               "event: changes\ndata: {\"seq\":1,\"rosters\":[{\"user\":\"john\",\"from\":7,\"to\":8,\"changes\":[]}]}\n\n",
                               "event: unknown\ndata: x\n\n", "event: resync\ndata: {}\n\n", ": comment\n\n", "nonsense\n\n")):
        host.send(event)
        host.rosters["john"] = {"friend@localhost": {"name": f"m{n}"}}
        host.send("event: resync\ndata: {\"reason\":\"a check\"}\n\n")
        await john.wait(f"m{n}", lambda: john.roster["friend@localhost"]["name"] == f"m{n}")

    # A sync that ends in the middle of a line.
    def cut(handler):
        host.fault.pop("sync")
        handler.stream("application/x-ndjson")
        handler.chunk(json.dumps(host.whole("john"))[:30])
        handler.close_connection = True
        return True

    host.fault["sync"] = cut
    host.rosters["john"] = {"friend@localhost": {"name": "last"}}
    host.send("event: resync\ndata: {\"reason\":\"a check\"}\n\n")
    await setting.logged("could not be brought in step")
    await john.wait("last", lambda: john.roster["friend@localhost"]["name"] == "last")
    expect("confirmed", True, await setting.change("more", "john"))
    john.cut()


async def silent_host(stage):
    """a host that accepts connections and never answers: logins end in time, with what was last known or refused"""
    setting = Setting(stage).start(host_more="    roster_host_login_timeout = 2")
    host = setting.host
    john = await setting.client("john").come()
    await john.leave()
    await asyncio.sleep(1)

    def silent(_handler):
        time.sleep(60)
        return True

    host.fault = {"PUT": silent}
    began = time.monotonic()
    await setting.refused("marie")
    expect("the refusal came in time", True, time.monotonic() - began < 6)
    john = await setting.client("john").come()
    expect("what was last known", named("n0"), john.roster)
    await setting.logged("john gets the contacts that were last known")
    host.fault = {}
    john.cut()


async def overtaken_answers(stage):
    """events that overtake the answer they belong behind, in every order: the roster is right, and never goes back"""
    setting = Setting(stage).start()
    host = setting.host
    await setting.logged("In step with roster-host")
    for n in range(12):
        user = USERS[n % 2]
        old = host.whole(user)
        seq = host.seq
        held = []

        def late(handler, user=user, old=old, seq=seq, n=n, held=held):
            with host.lock:
                host.users.add(user)
            for m in range(n % 4):
                host.change_unseen(user, f"p{n}-{m}")
            answer = [{**old, "seq": seq}, {**host.whole(user), "seq": host.seq}][n // 4 % 2]
            time.sleep(0.2)
            if not held:
                held.append(1)
                handler.answer(200, answer)
                return True
            return False

        host.fault["PUT"] = late
        client = await setting.client(user).come()
        host.fault = {}
        expected = host.rosters[user]["friend@localhost"]["name"]
        await client.wait(f"{expected} (case {n})", lambda: client.roster["friend@localhost"]["name"] == expected)
        await client.round_trip()
        expect(f"the roster of case {n}", named(expected), client.roster)
        expect(f"case {n} is confirmed", True, await setting.change(f"q{n}", user))
        await client.round_trip()
        expect(f"the last push of case {n}", f"q{n}", client.roster["friend@localhost"]["name"])
        await client.leave()
        await asyncio.sleep(0.2)


async def overtaken_events(stage):
    """events that an answer has overtaken: nothing is told twice, nor what is not so any more"""
    setting = Setting(stage).start()
    host = setting.host
    await setting.logged("In step with roster-host")
    john = await setting.client("john").come()
    for names in (["b", "a"], ["b", "c", "b"], ["d", "b", "d"], ["e", "f"]):
        await john.leave()
        await asyncio.sleep(0.2)
        host.held = []
        for name in names:
            host.change_unseen("john", name)
        await john.come()
        expect("the roster", named(names[-1]), john.roster)
        host.send_held()
        await setting.stage.until("all are confirmed", lambda: host.acked == host.seq)
        await john.round_trip()
        expect(f"pushes of {names}, which the roster had already", [], john.pushes)
        expect("a change is confirmed", True, await setting.change("a", "john"))
        await john.round_trip()
        expect("the pushes", ["a"] if names[-1] != "a" else [], [contact["name"] for _, contact in john.pushes])
    john.cut()


async def several_refreshes_in_one_event(stage):
    """one event with several changes of one user: each is pushed, in order, and nothing is asked again"""
    setting = Setting(stage).start()
    host = setting.host
    john, marie = [await setting.client(user).come() for user in USERS]
    asked = setting.calls("PUT")
    for names in (["a", "b", "c"], ["d", "e", "d"]):
        john.forget()
        host.change_unseen("john", *names)
        await setting.stage.until("all are confirmed", lambda: host.acked == host.seq)
        await john.round_trip()
        expect("the pushes", names, [contact["name"] for _, contact in john.pushes])
    expect("PUTs", asked, setting.calls("PUT"))
    john.cut(), marie.cut()


async def misconfigured(stage):
    """what is missing in the configuration is said in one line, and nobody is let in with contacts that are not his"""
    setting = Setting(stage).start(host_more='    roster_host_token = nil\n    roster_host_token_file = "nowhere"')
    await setting.logged("roster_host_token_file cannot be read")
    await setting.refused("john")


CHECKS = [refused_at_the_door, garbage, silent_host, overtaken_answers, overtaken_events, several_refreshes_in_one_event, misconfigured]
