"""By hand: many users at one attached Prosody. How many log in a second, and how long a refresh of all takes until the last push.

Usage: bench.py [--users 2000] [--contacts 50] [--root FOLDER] [--gc MODE] PROGRAM     (a release build)
"""

import argparse
import asyncio
import os
import resource
import statistics
import sys
import tempfile
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import world  # noqa: E402: adds the folders of tests/shared and tests/clients
import fixture
from xmpp_client import Client
from servers.prosody import Prosody
from scenario import PASSWORD
from server import free_ports, resident, seconds_used


def contacts(user, count, changed=None):
    # Groups as the reference takes them, too: it fails at an array.
    all_of_them = {f"{user}-{n}@localhost": {"name": f"Contact {n}", "groups": {"Friends": True}} for n in range(count)}
    if changed:
        all_of_them[f"{user}-0@localhost"]["name"] = changed
    return all_of_them


class Meter:
    """What the processes used while something took place."""

    def __init__(self, processes):
        self.processes = processes
        self.used, self.began = {name: seconds_used(one.pid) for name, one in self.processes.items()}, time.perf_counter()

    def read(self):
        took = time.perf_counter() - self.began
        return took, ", ".join(f"{name} {seconds_used(one.pid) - self.used[name]:.2f} s of CPU, {resident(one) / 2**20:.0f} MiB"
                               for name, one in self.processes.items())


async def log_in(clients):
    """All of them, some at a time, each with its roster."""
    queue = list(clients)

    async def worker():
        while queue:
            client = queue.pop()
            await client.log_in()
            await client.get_roster(versioned=False)

    await asyncio.gather(*(worker() for _ in range(16)))


async def measure(host, server, users, count):
    processes = {"host": host.program.process, server.name: server.process}
    clients = [Client(user, "localhost", PASSWORD, server.address) for user in users]
    for client in clients:
        client.timeout = 120

    for times in ("first logins", "logins again"):
        meter = Meter(processes)
        await log_in(clients)
        took, used = meter.read()
        print(f"{times}: {len(users) / took:.0f} a second, with {count} contacts ({used})", flush=True)
        if times == "first logins":
            await asyncio.gather(*(client.leave() for client in clients))
            await asyncio.sleep(3)

    for client in clients:
        client.forget()
    refreshes = []
    for n in range(5):
        host.application.say({user: contacts(user, count, f"changed {n}") for user in users})
        meter = Meter(processes)
        refreshing = asyncio.create_task(asyncio.to_thread(host.refresh, users))
        await asyncio.gather(*(client.wait("the push", lambda client=client: len(client.pushes) > n) for client in clients))
        pushed, used = meter.read()
        answer = await refreshing
        answered, _ = meter.read()
        refreshes.append(pushed)
        print(f"refresh of all, one contact changed: last push after {pushed * 1000:.0f} ms, answered after {answered * 1000:.0f} ms, "
              f"{answer.get('unconfirmed', 'confirmed')} ({used})", flush=True)
    print(f"median until the last push: {statistics.median(refreshes) * 1000:.0f} ms")
    meter = Meter(processes)
    await asyncio.to_thread(host.refresh, users)
    took, used = meter.read()
    print(f"refresh of all, nothing changed: {took * 1000:.0f} ms ({used})")
    for client in clients:
        client.cut()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("Usage: ")[1].strip())
    parser.add_argument("program")
    parser.add_argument("--users", type=int, default=2000)
    parser.add_argument("--contacts", type=int, default=50)
    parser.add_argument("--root")
    parser.add_argument("--gc", default="incremental", help="of Prosody; its default is incremental")
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    users = [f"user{n}" for n in range(arguments.users)]
    with tempfile.TemporaryDirectory() as folder:
        fixture.make_certificates(folder)
        host = world.Host(arguments.program, folder, {"one": ("localhost", "secret")}, free_ports(3), 'ack_timeout = "30s"').start()
        server = Prosody(folder, {"localhost": (host.url, "one", "secret")}, {"localhost": dict.fromkeys(users, PASSWORD)}, root=arguments.root,
                         more=f'gc = {{ mode = "{arguments.gc}" }}')
        host.application.say({user: contacts(user, arguments.contacts) for user in users})
        try:
            server.start()
            asyncio.run(measure(host, server, users, arguments.contacts))
        finally:
            server.stop()
            host.close()


if __name__ == "__main__":
    main()
