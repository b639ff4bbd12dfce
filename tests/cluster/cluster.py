"""A cluster on this machine: NATS servers, hosts, and the links between them, in a folder."""

import asyncio
import os
import time

from links import Links
from nodes import CLUSTER, TIMEOUT, Host, NatsServer, make_accounts
from server import free_ports

SWAPS = 64  # modules that differ in their digests alone


def variant(component, number):
    """The same component with another digest: a custom section at its end (Core specification, 5.5.3), which nobody reads."""
    text = b"\x07variant" + str(number).encode()
    return component + b"\x00" + bytes([len(text)]) + text


class Cluster:
    """Without `nats`, a program, hosts that know nothing of each other."""

    def __init__(self, folder, program, application, users, password, nats=None, component=None, names="abc", node_timeout=2.0,
                 request_timeout=8.0, replicas=3, linked=True, log=""):
        self.folder, self.node_timeout, self.request_timeout = folder, node_timeout, request_timeout
        self.component = None
        if component:
            with open(component, "rb") as file:
                self.component = file.read()
        self.links = Links() if nats and linked else None
        ports = free_ports(4 * (len(names) + replicas))
        self.nats = [NatsServer(nats, f"nats-{n}", folder, [ports.pop() for _ in range(4)]) for n in range(replicas if nats else 0)]
        self.hosts = {name: Host(program, name, folder, [ports.pop() for _ in range(4)]) for name in names}
        self.swapped = 0
        for server in self.nats:
            server.configure([self.link(server, other, other.route) for other in self.nats if other is not server])
        accounts = make_accounts(program, folder, users, password)
        for host in self.hosts.values():
            servers = ", ".join(f'"nats://127.0.0.1:{self.link(host, server, server.client)}"' for server in self.nats)
            cluster = CLUSTER.format(servers=servers, name=host.name, replicas=replicas, node_timeout=node_timeout) if nats else ""
            host.configure(accounts, cluster, self.component, log, cache=os.path.join(folder, "cache"), application=application,
                           request_timeout=request_timeout)

    def link(self, one, other, port):
        return self.links.add(f"{one.name}/{other.name}", port) if self.links else port

    async def start(self):
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in self.nats))
        # Nobody waits until these have found each other: machines start at the same time, too.
        for host in self.hosts.values():  # The first one compiles the plugin, the others find it in the cache.
            await asyncio.to_thread(host.start)
        await self.until("all nodes are live", self.all_live)
        return self

    async def until(self, what, look, timeout=TIMEOUT):
        end = time.monotonic() + timeout
        while not await asyncio.to_thread(look):
            if time.monotonic() > end:
                raise AssertionError(f"not within {timeout} s: {what}; the nodes say: "
                                     f"{ {name: host.status() for name, host in self.hosts.items()} }")
            await asyncio.sleep(0.1)

    def live(self, host):
        if not self.nats:
            return host.process.poll() is None
        status = host.status()
        return bool(status) and status["state"] == "live" and status["ready"] and len(status["nodes"]) == len(self.hosts)

    def all_live(self):
        return all(self.live(host) for host in self.hosts.values())

    # Faults

    def names(self, target):
        """The links of a host, of a pair, or of what is between two."""
        if "/" in target:
            one, other = target.split("/")
            return [name for name in self.links.names if name in (f"{one}/{other}", f"{other}/{one}")]
        return [name for name in self.links.names if name.startswith(f"{target}/")]

    def server(self, name):
        return next(server for server in self.nats if server.name == name)

    def begin(self, kind, target, mode):
        """Quick. `mode`: how a link is cut."""
        if kind == "kill":
            self.hosts[target].kill()
        elif kind == "stop":
            self.hosts[target].halt()
        elif kind in ("cut", "cut-link", "cut-nats"):
            self.links.set(self.names(target), mode)
        elif kind == "kill-nats":
            self.server(target).kill()
        elif kind == "stop-nats":
            self.server(target).halt()
        elif kind == "engine-down":
            for server in self.nats:
                server.kill()

    def end(self, kind, target):
        if kind == "restart":
            self.hosts[target].stop()
        if kind in ("kill", "restart"):
            self.hosts[target].start()
        elif kind == "stop":
            self.hosts[target].go_on()
        elif kind in ("cut", "cut-link", "cut-nats"):
            self.links.set(self.names(target), "pass")
        elif kind == "kill-nats":
            self.server(target).start()
        elif kind == "stop-nats":
            self.server(target).go_on()
        elif kind == "engine-down":
            for server in self.nats:
                server.start()

    def next_component(self):
        self.swapped += 1
        return variant(self.component, self.swapped % SWAPS)

    def close(self):
        for host in self.hosts.values():
            if host.process and host.process.poll() is None:
                host.go_on()
                host.stop()
        for server in self.nats:
            if server.process and server.process.poll() is None:
                server.go_on()
                server.stop()
        if self.links:
            self.links.close()

    def logs(self, last=3000):
        return "".join(f"--- {one.name}:\n{one.output()[-last:]}\n" for one in [*self.nats, *self.hosts.values()])
