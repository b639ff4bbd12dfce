"""Three hosts and three NATS servers, a crowd of clients, refreshes at random nodes, and everything that can go wrong meanwhile.

Usage: chaos.py [--seed N] [--seconds S] [--clients N] [--nats PROGRAM] [--component FILE] [--keep FOLDER] PROGRAM

PROGRAM      roster-host
--seed       of the faults and of what the application says; without it a new one, which is printed
--nats       nats-server; "off": hosts without a cluster, of which only one makes sense (--nodes a)
--component  the built-in plugin, for what swaps it
--keep       where the history and the logs go when a rule is broken
"""

import argparse
import asyncio
import concurrent.futures
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import time

from rules import check
from rules import history
from attached import Attached
from cluster import Cluster
from contacts import Contacts, Refreshes, as_clients_have_it, request
from crowd import PASSWORD, Member
from rules.schedule import OF_HOSTS, schedule
from rules.story import presence_faults

WORKERS = 5  # of the application: each changes something and asks for a refresh until it is done
LOGINS = 24  # at once
HEALING = 60  # seconds after the last fault until everything has to be well


class Run:
    def __init__(self, arguments, folder):
        self.arguments, self.folder = arguments, folder
        self.random = random.Random(arguments.seed)
        self.history = history.History(os.path.join(folder, "history.jsonl"))
        self.quiet, self.over = asyncio.Event(), asyncio.Event()  # no more changes; no more clients
        self.crowd, self.servers, self.tasks, self.locks = [], [], [], {}

    def note(self, event, **fields):
        self.history.note(event, **fields)

    async def whole(self):
        arguments = self.arguments
        # Programs are started and waited for in threads.
        asyncio.get_running_loop().set_default_executor(concurrent.futures.ThreadPoolExecutor(32))
        users = [f"user{n}" for n in range(max(2, arguments.clients * 4 // 5))]
        # One client in five is the second of its user.
        owners = users + users[:arguments.clients - len(users)]
        # Of each node's attached server some of the same users.
        mirrored = {name: users[n::20] for n, name in enumerate(arguments.nodes)}
        clients = {f"{user}-{n}": user for n, user in enumerate(owners)}
        clients |= {f"attached-{name}/{user}": user for name, of_name in mirrored.items() for user in of_name}
        self.note("begin", seed=arguments.seed, nodes=list(arguments.nodes), node_timeout=arguments.node_timeout,
                  clients=clients, request_timeout=arguments.request_timeout)
        self.application = await Contacts(self.history, arguments.seed, users).start()
        self.cluster = Cluster(self.folder, arguments.program, self.application.address, users, PASSWORD,
                               nats=None if arguments.nats == "off" else arguments.nats, component=arguments.component, names=arguments.nodes,
                               node_timeout=arguments.node_timeout, request_timeout=arguments.request_timeout, log=arguments.log)
        self.refreshes = Refreshes(self.history, arguments.request_timeout + 10, self.confirmed)
        gate = asyncio.Semaphore(LOGINS)
        self.crowd = [Member(f"{user}-{n}", user, self.history, gate) for n, user in enumerate(owners)]
        self.of_user = {}
        for member in self.crowd:
            self.of_user.setdefault(member.user, []).append(member)
        try:
            await self.cluster.start()
            began = time.monotonic()
            self.servers = [Attached(host, mirrored[name], self.history) for name, host in self.cluster.hosts.items()]
            self.start(*(member.live(self.choose, self.over) for member in self.crowd), *(server.live(self.over) for server in self.servers))
            await self.until("all clients are here", self.all_here)
            print(f"cluster: {len(self.crowd)} clients are here after {time.monotonic() - began:.1f} s", flush=True)
            self.start(*(self.watch(host) for host in self.cluster.hosts.values()))
            faults = schedule(arguments.seed, arguments.seconds, list(arguments.nodes), [server.name for server in self.cluster.nats])
            workers = [asyncio.create_task(self.work()) for _ in range(WORKERS)]
            moving = asyncio.create_task(self.move())
            self.start(self.chat())
            begun = time.monotonic()
            await asyncio.gather(*(self.fault(fault, begun) for fault in faults))
            await asyncio.sleep(max(0, begun + arguments.seconds - time.monotonic()))
            self.quiet.set()
            moving.cancel()
            await self.until("all nodes are live", self.cluster.all_live, thread=True)
            done, late = await asyncio.wait(workers, timeout=HEALING)
            for worker in done:
                worker.result()
            for worker in late:
                worker.cancel()
            await self.until("all clients are here again", self.all_here)
            await self.until("everybody sees who is there", self.presence_is_right)
            await asyncio.gather(*(one.finish() for one in self.crowd + self.servers))
        finally:
            self.note("end")
            self.over.set()
            for task in self.tasks:
                task.cancel()
            for member in self.crowd:
                member.cut()
            for server in self.servers:
                server.leave()
            await asyncio.to_thread(self.cluster.close)
            self.history.close()

    def start(self, *coroutines):
        self.tasks += [asyncio.create_task(one) for one in coroutines]

    async def until(self, what, look, thread=False):
        end = time.monotonic() + HEALING
        while not (await asyncio.to_thread(look) if thread else look()):
            for task in self.tasks:
                if task.done() and not task.cancelled():
                    task.result()
            if time.monotonic() > end:
                # The rules say what is missing.
                return print(f"cluster: not within {HEALING} s: {what}", flush=True)
            await asyncio.sleep(0.05)

    # The clients

    def choose(self, before):
        others = [host for host in self.cluster.hosts.values() if host is not before]
        return self.random.choice(others or [before])

    def all_here(self):
        return all(member.ready and member.online for member in self.crowd) and all(
            len(server.ready) == len(server.users) for server in self.servers)

    def confirmed(self, refresh, users):
        for user in users:
            for server in self.servers:
                server.fence(refresh, user)
            for member in self.of_user[user]:
                member.fence(refresh)

    def presence_is_right(self):
        there = {member.user: set() for member in self.crowd}
        for member in self.crowd:
            there[member.user].add(member.jid)
        rosters = {user: as_clients_have_it(roster) for user, roster in self.application.rosters.items()}
        return not any(presence_faults(member.user, member.seen, rosters, there) for member in self.crowd)

    async def move(self):
        """Clients that go, and come back elsewhere."""
        while True:
            await asyncio.sleep(self.random.expovariate(2))
            self.random.choice(self.crowd).leave_at_once()

    async def chat(self):
        while not self.over.is_set():
            await asyncio.sleep(self.random.expovariate(20))
            self.random.choice(self.crowd).chat()

    # The application

    async def work(self):
        while not self.quiet.is_set():
            await asyncio.sleep(self.random.expovariate(self.arguments.rate / WORKERS))
            users = {}
            for user in self.random.sample(self.application.users, self.random.choice((1, 1, 1, 3))):
                users |= self.application.change(user)
            pause, end = 0.1, None
            while True:
                node = self.random.choice(list(self.cluster.hosts.values()))
                done, after = await self.refreshes.ask(node, users)
                if done:
                    break
                if self.quiet.is_set():
                    end = end or time.monotonic() + HEALING
                    if time.monotonic() > end:
                        return
                pause = min(1.0, pause * 2)
                await asyncio.sleep(min(after, 1) if after is not None else pause * self.random.uniform(0.5, 1))

    # The faults

    async def fault(self, fault, begun):
        await asyncio.sleep(max(0, begun + fault.at - time.monotonic()))
        # What takes longer than planned, such as a start, is waited for.
        async with self.locks.setdefault(fault.target.split("/")[0] if fault.kind in OF_HOSTS else "engine", asyncio.Lock()):
            await (self.swap(fault.target) if fault.kind == "swap" else self.outage(fault))

    async def outage(self, fault):
        mode = self.random.choice(("swallow", "swallow", "drop"))
        self.note("fault", kind=fault.kind, target=fault.target, phase="begin", mode=mode)
        await asyncio.to_thread(self.cluster.begin, fault.kind, fault.target, mode)
        await asyncio.sleep(fault.seconds)
        await asyncio.to_thread(self.cluster.end, fault.kind, fault.target)
        self.note("fault", kind=fault.kind, target=fault.target, phase="end")

    async def swap(self, node):
        if not self.cluster.component:
            return
        self.note("fault", kind="swap", target=node, phase="begin")
        try:
            status, _, body = await request("PUT", self.cluster.hosts[node].admin, "/plugin", self.cluster.next_component(),
                                            ["Authorization: Bearer operator"], timeout=60)
            said = f"{status} {body[:200].decode(errors='replace')}"
        except (OSError, TimeoutError) as error:
            said = repr(error)
        self.note("fault", kind="swap", target=node, phase="end", said=said)

    async def watch(self, host):
        """What the node says of itself."""
        while True:
            began, state, view = self.history.now(), "silent", None
            if self.cluster.nats:
                try:
                    status, _, body = await request("GET", host.admin, "/cluster", headers=["Authorization: Bearer operator"], timeout=1)
                    found = json.loads(body) if status == 200 else {}
                    state, view = found.get("state", f"status {status}"), found.get("view")
                except (OSError, TimeoutError, ValueError):
                    pass
            elif host.process.poll() is None:
                state = "live"
            self.note("node", node=host.name, state=state, view=view, began=began)
            await asyncio.sleep(0.2)


def keep(run, folder):
    """The history and the logs; where the history is."""
    target = tempfile.mkdtemp(prefix="cluster-", dir=folder)
    for one in [*run.cluster.nats, *run.cluster.hosts.values()]:
        with open(os.path.join(target, f"{one.name}.log"), "w") as log:
            log.write(one.output())
    return shutil.copy(run.history.path, target)


def one(arguments):
    with tempfile.TemporaryDirectory() as folder:
        run, error = Run(arguments, folder), None
        print(f"cluster: seed {arguments.seed}, {arguments.seconds:.0f} s", flush=True)
        try:
            asyncio.run(run.whole())
        except Exception as caught:  # The rules are asked all the same, and the history kept.
            error = caught
        good = check.report(history.read(run.history.path))
        if good and error is None:
            return True
        kept = keep(run, arguments.keep)
        print(f"cluster: FAILED with --seed {arguments.seed}; the history is {kept}, the logs are beside it", file=sys.stderr)
        if error is not None:
            raise error
        return False


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("Usage: ")[1].split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--seconds", type=float, default=40)
    parser.add_argument("--clients", type=int, default=300)
    parser.add_argument("--rate", type=float, default=15, help="changes a second")
    parser.add_argument("--nodes", default="abc")
    parser.add_argument("--nats", default="nats-server")
    parser.add_argument("--node-timeout", type=float, default=2.0)
    parser.add_argument("--request-timeout", type=float, default=8.0)
    parser.add_argument("--component")
    parser.add_argument("--log", default="", help="more of the table [log]")
    parser.add_argument("--keep")
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if not one(arguments):
        sys.exit(1)


if __name__ == "__main__":
    main()
