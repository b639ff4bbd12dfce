"""What a step finds: a cluster, an application that says what it is told to, clients that remember everything."""

import asyncio
import json
import time

from contacts import as_clients_have_it, request
from crowd import PASSWORD
from xmpp_client import Client

OK = {"status": "ok", "message": "roster update complete", "errors": 0}
SOON = 10  # seconds, for what has no deadline of its own, on a busy machine


def expect(what, expected, found):
    if expected != found:
        raise AssertionError(f"{what}: expected {expected!r}, found {found!r}")


class Stage:
    """`alone`: all nodes are one host, which is what several have to look like."""

    def __init__(self, cluster, application, alone=False):
        self.cluster, self.application, self.alone, self.clients = cluster, application, alone, []

    def node(self, name):
        return self.cluster.hosts["a" if self.alone else name]

    def client(self, user, node, resource="one"):
        client = Client(user, "localhost", PASSWORD, ("127.0.0.1", self.node(node).xmpp), resource)
        self.clients.append(client)
        return client

    async def come(self, *who):
        """`who`: (user, node) or (user, node, resource)."""
        return await asyncio.gather(*(self.client(*one).come() for one in who))

    def say(self, user, *friends, **names):
        """Friends by their names, and what others are called."""
        told = {f"{friend}@localhost": {"name": friend.title(), "groups": []} for friend in friends}
        self.application.say(user, {**told, **{f"{friend}@localhost": {"name": name, "groups": []} for friend, name in names.items()}})

    async def refresh(self, node, *users, timeout=30):
        """Status, headers, and what is said."""
        status, headers, body = await request("POST", self.node(node).http, "/roster_admin/refresh", json.dumps(users).encode(), timeout=timeout)
        return status, headers, json.loads(body)

    async def refreshed(self, node, *users, within=0):
        """It is done; if it is refused, another time, for so many seconds."""
        end = time.monotonic() + within
        while True:
            status, _, reply = await self.refresh(node, *users)
            if status == 503 and time.monotonic() < end:
                await asyncio.sleep(0.2)
                continue
            expect(f"the answer of {node}", (200, OK | {"updated": len(users)}), (status, reply))
            return reply

    async def admin(self, method, node, path, body=b""):
        status, _, answer = await request(method, self.node(node).admin, path, body, ["Authorization: Bearer operator"])
        return status, answer

    async def has_been_told(self, client, user=None):
        """What came before the answer to a ping that is sent now makes it the application's roster."""
        await client.round_trip()
        found = {jid: {"name": one["name"], "groups": one["groups"]} for jid, one in client.roster.items()}
        expect(f"the roster of {client.jid}", as_clients_have_it(self.application.rosters[user or client.user]), found)

    async def leave(self):
        for client in self.clients:
            client.cut()
        self.clients = []
