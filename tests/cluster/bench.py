"""By hand: what several nodes cost. Refreshes of unchanged users and the CPU for each; what one refresh waits for more; messages and bytes of
NATS; and how long a changed roster takes to all nodes. One host alone, one with a cluster, and three, one after another.

Usage: bench.py [--users 1000] [--seconds 5] [--nats PROGRAM] PROGRAM     (a release build, a quiet machine)
"""

import argparse
import asyncio
import functools
import itertools
import json
import multiprocessing
import os
import statistics
import tempfile
import time

from cluster import Cluster
from contacts import request
from crowd import PASSWORD
from xmpp_client import Client
from server import seconds_used

CONTACTS = 10
CHANGING = "changing"  # the user whose roster is another each time


class Answers(asyncio.Protocol):
    """The application, as quick as it can be here."""

    def __init__(self, number):
        self.number = number

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        for head in data.split(b"\r\n\r\n")[:-1]:
            changing = head.split(b" ", 2)[1].endswith(b"/" + CHANGING.encode())
            self.transport.write(answer(self.number.value if changing else 0))


@functools.lru_cache(maxsize=4)
def answer(n):
    body = json.dumps({f"contact{k}@localhost": {"name": f"Contact {k or n}", "groups": ["Friends"]} for k in range(CONTACTS)})
    return f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode()


def serve(pipe, number):
    async def run():
        server = await asyncio.get_running_loop().create_server(lambda: Answers(number), "127.0.0.1", 0, backlog=1024)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()
    asyncio.run(run())


class Meter:
    """What was used since it was made."""

    def __init__(self, cluster):
        self.cluster, self.began = cluster, time.perf_counter()
        self.hosts, self.nats, self.traffic = self.now()

    def now(self):
        servers = [server.asked("/varz") for server in self.cluster.nats]
        hosts, nats = self.cluster.hosts.values(), self.cluster.nats
        return (sum(seconds_used(host.process.pid) for host in hosts), sum(seconds_used(server.process.pid) for server in nats),
                (sum(one["in_msgs"] for one in servers), sum(one["in_bytes"] for one in servers)))

    def read(self):
        """Seconds, CPU of the hosts, CPU of NATS, messages and bytes."""
        took = time.perf_counter() - self.began
        hosts, nats, traffic = self.now()
        return took, hosts - self.hosts, nats - self.nats, traffic[0] - self.traffic[0], traffic[1] - self.traffic[1]


async def refresh(host, users):
    status, _, body = await request("POST", host.http, "/roster_admin/refresh", users, timeout=60)
    reply = json.loads(body)
    if status != 200 or reply["errors"]:
        raise SystemExit(f"bench: a refresh was answered {status} {reply}")
    return reply["updated"]


async def sessions(hosts, users):
    """A session for each user, spread over the nodes."""
    where, queue = itertools.cycle(hosts), list(users)

    async def worker():
        while queue:
            user, host = queue.pop(), next(where)
            status, _, body = await request("PUT", host.admin, f"/sessions/{user}?resource=one", headers=["Authorization: Bearer operator"])
            if status != 200:
                raise SystemExit(f"bench: a session was answered {status} {body[:200]}")
    await asyncio.gather(*(worker() for _ in range(16)))


async def measure(cluster, number, users, seconds):
    hosts, found = list(cluster.hosts.values()), {}
    await sessions(hosts, users)
    where = itertools.cycle(hosts)

    # What goes on without any refresh.
    meter = Meter(cluster)
    await asyncio.sleep(2)
    took, idle_hosts, idle_nats, idle_messages, idle_bytes = meter.read()
    rate = [idle / took for idle in (idle_hosts, idle_nats, idle_messages, idle_bytes)]

    def without_idle(meter):
        took, *used = meter.read()
        return took, *(max(0, one - took * idle) for one, idle in zip(used, rate))

    body, done = json.dumps(users).encode(), 0
    await refresh(next(where), body)
    meter, end = Meter(cluster), time.perf_counter() + seconds

    async def worker():
        nonlocal done
        while time.perf_counter() < end:
            done += await refresh(next(where), body)
    await asyncio.gather(*(worker() for _ in range(2)))
    took, used, nats, messages, traffic = without_idle(meter)
    found["users a second"], found["CPU of hosts, µs a user"] = done / took, used / done * 1e6
    found["CPU of NATS, µs a user"], found["NATS messages a user"], found["NATS bytes a user"] = nats / done * 1e6, messages / done, traffic / done

    times, count, meter = [], 300, Meter(cluster)
    for n in range(count):
        began = time.perf_counter()
        await refresh(next(where), json.dumps([users[n % len(users)]]).encode())
        times.append(time.perf_counter() - began)
    _, _, _, messages, traffic = without_idle(meter)
    found["one refresh, unchanged, ms at the median"] = statistics.median(times) * 1000
    found["NATS messages for it"], found["NATS bytes for it"] = messages / count, traffic / count

    clients = [Client(CHANGING, "localhost", PASSWORD, ("127.0.0.1", hosts[n % len(hosts)].xmpp), f"r{n}") for n in range(3)]
    for client in clients:
        await client.come()
        client.forget()
    told, answered, count, meter = [], [], 200, Meter(cluster)
    for n in range(count):
        number.value += 1
        began = time.perf_counter()
        asked = asyncio.create_task(refresh(next(where), json.dumps([CHANGING]).encode()))
        asked.add_done_callback(lambda _, began=began: answered.append(time.perf_counter() - began))

        async def last(client, n=n):
            await client.wait("a push", lambda: len(client.pushes) > n)
            return time.perf_counter() - began
        told.append(max(await asyncio.gather(*(last(client) for client in clients))))
        await asked
    _, _, _, messages, traffic = without_idle(meter)
    found["a change told to three clients, ms at the median"] = statistics.median(told) * 1000
    found["the same, 99th percentile"] = sorted(told)[int(count * 0.99)] * 1000
    found["its answer, ms at the median"] = statistics.median(answered) * 1000
    found["NATS messages for a change"], found["NATS bytes for a change"] = messages / count, traffic / count
    for client in clients:
        client.cut()
    return found


async def setup(arguments, address, number, names, nats):
    users = [f"user{n}" for n in range(arguments.users)]
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(folder, arguments.program, address, [CHANGING], PASSWORD, nats=nats, names=names, node_timeout=10.0, request_timeout=60.0,
                          linked=False, log='filter = "warn"')
        try:
            await cluster.start()
            return await measure(cluster, number, users, arguments.seconds)
        finally:
            cluster.close()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("Usage: ")[1].strip())
    parser.add_argument("program")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--nats", default="nats-server")
    arguments = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    number = multiprocessing.Value("i", 1)
    application = multiprocessing.Process(target=serve, args=(theirs, number), daemon=True)
    application.start()
    setups = {"one alone": ("a", None)}
    if arguments.nats != "off":
        setups |= {"one, cluster": ("a", arguments.nats), "three, cluster": ("abc", arguments.nats)}
    address, found = f"http://127.0.0.1:{ours.recv()}", {}
    try:
        for name, (names, nats) in setups.items():
            print(f"bench: {name} ...", flush=True)
            found[name] = asyncio.run(setup(arguments, address, number, names, nats))
    finally:
        application.kill()
    alone = found["one alone"]
    print(f"{arguments.users} users with {CONTACTS} contacts; three processes share {os.cpu_count()} cores\n")
    print(f"{'':52}" + "".join(f"{name:>16}" for name in found))
    for what in alone:
        print(f"{what:52}" + "".join(f"{one[what]:16.2f}" for one in found.values()))
    print(f"{'CPU of hosts for a user, times that of one alone':52}"
          + "".join(f"{one['CPU of hosts, µs a user'] / alone['CPU of hosts, µs a user']:16.2f}" for one in found.values()))


if __name__ == "__main__":
    main()
