"""By hand: the same users at a Prosody attached to roster-host and at one with `mod_http_roster_admin`, in turns in one run.

MODULES is a folder that has the community modules `mod_http_roster_admin` and `mod_block_subscriptions`; the first needs Debian's
lua-cjson. The change is one contact more or one less: the reference does not push names. The application and all clients are this
one process of Python ("clients").

Usage: reference.py [--users 2000] [--contacts 50] [--rounds 4] [--gc MODE] [--reference-first] PROGRAM MODULES     (a release build)
"""

import argparse
import asyncio
import gc
import os
import resource
import statistics
import sys
import tempfile
import time
import types

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import world  # noqa: E402: adds the folders of tests/shared and tests/clients
import fixture
from bench import Meter, contacts, log_in
from xmpp_client import Client
from servers.prosody import Prosody
from scenario import PASSWORD
from server import free_ports

OURSELVES = types.SimpleNamespace(pid=os.getpid())


class Reference(Prosody):
    """Configured as the README of the module says."""

    name = "reference"
    loaded = '"http_roster_admin", "block_subscriptions", "storage_memory", "http"'
    virtual_host = """\
VirtualHost "{domain}"
    ssl = {{ key = "{folder}/key.pem", certificate = "{folder}/chain.pem" }}
    storage = {{ roster = "memory" }}
    http_roster_url = "{url}/contacts/%s"
{more}
"""


class Attached(Prosody):
    name = "attached"


class Side:
    """One server with its users. `refresh` tells it that theirs have changed, and gives its answer."""

    def __init__(self, server, users, count, application, refresh, processes):
        self.name, self.server, self.users, self.count = server.name, server, users, count
        self.application, self.refresh, self.processes = application, refresh, {**processes, "clients": OURSELVES}
        self.clients = [Client(user, "localhost", PASSWORD, server.address) for user in users]
        for client in self.clients:
            client.timeout = 120
        self.times = {"pushed": [], "unchanged": []}

    def say(self, extra):
        self.application.say({user: contacts(user, self.count + extra) for user in self.users})

    def report(self, what, took, used):
        print(f"{self.name}: {what}: {took:.2f} s, {len(self.users) / took:.0f} users a second ({used})", flush=True)

    async def log_in(self):
        meter = Meter(self.processes)
        await log_in(self.clients)
        self.report("first logins", *meter.read())
        for client in self.clients:
            if len(client.roster) != self.count:
                raise SystemExit(f"{self.name}: {client.bare} has {len(client.roster)} contacts")
        # Without presence the reference fails when a contact is added.
        for client in self.clients:
            client.send("<presence/>")
            await client.round_trip()

    async def change(self, number):
        extra = 1 - number % 2
        self.say(extra)
        for client in self.clients:
            client.forget()
        meter = Meter(self.processes)
        refreshing = asyncio.create_task(asyncio.to_thread(self.refresh, self.users))
        await asyncio.gather(*(client.wait("the push", lambda client=client: len(client.roster) == self.count + extra)
                               for client in self.clients))
        took = time.perf_counter() - meter.began
        self.check(await refreshing)
        self.times["pushed"].append(took)
        self.report(f"one contact {'more' if extra else 'less'} for each, until the last push", took, meter.read()[1])

    async def unchanged(self):
        meter = Meter(self.processes)
        self.check(await asyncio.to_thread(self.refresh, self.users))
        took, used = meter.read()
        self.times["unchanged"].append(took)
        self.report("nothing changed", took, used)

    def check(self, answer):
        if (answer.get("updated"), answer.get("errors")) != (len(self.users), 0):
            raise SystemExit(f"{self.name} answered {answer}")


async def measure(sides, rounds):
    for side in sides:
        side.say(0)
        await side.log_in()
    gc.collect()
    gc.freeze()
    for number in range(rounds):
        for side in sides:
            await side.change(number)
        for side in sides:
            await side.unchanged()
    for side in sides:
        print(f"{side.name}: medians: " + ", ".join(f"{what} {statistics.median(times):.2f} s" for what, times in side.times.items()))
        for client in side.clients:
            client.cut()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("Usage: ")[1].strip())
    parser.add_argument("program")
    parser.add_argument("modules")
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--contacts", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--gc", default="generational", help="of both Prosodys")
    parser.add_argument("--reference-first", action="store_true", help="turns begin with the reference")
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    users = [f"user{n}" for n in range(arguments.users)]
    accounts = {"localhost": dict.fromkeys(users, PASSWORD)}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as other:
        fixture.make_certificates(folder)
        fixture.make_certificates(other)
        host = world.Host(arguments.program, folder, {"one": ("localhost", "secret")}, free_ports(3), 'ack_timeout = "30s"').start()
        host.application.server.socket.listen(4096)  # The reference opens a connection for each user at once.
        (http,) = free_ports(1)
        collector = f'gc = {{ mode = "{arguments.gc}" }}\n'
        attached = Attached(folder, {"localhost": (host.url, "one", "secret")}, accounts, more=collector)
        Reference.modules = os.path.abspath(arguments.modules)
        reference = Reference(other, {"localhost": (host.application.address, "", "")}, accounts,
                              more=collector + f'http_ports = {{ {http} }}\nhttp_interfaces = {{ "127.0.0.1" }}\nhttps_ports = {{ }}\n')

        def refresh(users):
            return world.call("POST", f"http://127.0.0.1:{http}/roster_admin/refresh", users, domain="localhost")[1]

        try:
            attached.start()
            reference.start()
            sides = [Side(attached, users, arguments.contacts, host.application, host.refresh,
                          {"host": host.program.process, "prosody": attached.process}),
                     Side(reference, users, arguments.contacts, host.application, refresh, {"prosody": reference.process})]
            asyncio.run(measure(sides[::-1] if arguments.reference_first else sides, arguments.rounds))
        finally:
            attached.stop()
            reference.stop()
            host.close()


if __name__ == "__main__":
    main()
