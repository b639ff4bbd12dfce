"""slixmpp: john by STARTTLS, marie by direct TLS. What is waited for is what slixmpp's own events and roster say."""

import asyncio
import logging
import ssl
import sys
from pathlib import Path

import slixmpp

from fixture import FIRST
from scenario import TIMEOUT, Seen, expect, read_setup, refresh

logging.disable()  # A certificate that is refused is what is asked for here.
SETUP = read_setup()
MARIE, JOHN = FIRST["john"]["marie@localhost"], FIRST["marie"]["john@localhost"]


def contacts_of(roster):
    return {str(jid): {"name": item["name"], "groups": sorted(item["groups"]), "subscription": item["subscription"]}
            for jid, item in roster["items"].items()}


class Client(slixmpp.ClientXMPP):
    def __init__(self, user, direct_tls, ca="ca"):
        super().__init__(f"{user}@localhost/slixmpp", SETUP["passwords"][user])
        self.user, self.seen, self.stanzas = user, Seen(user), []
        self.enable_plaintext, self.enable_starttls, self.enable_direct_tls = False, not direct_tls, direct_tls
        # No other authority counts, and an authority that counts makes no certificate for another name good.
        self.ssl_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.ca_certs = Path(SETUP[ca])
        self.add_filter("in", self.note)
        self.add_event_handler("session_start", lambda _: self.seen.add("session"))
        self.add_event_handler("roster_update", lambda iq: self.seen.add("roster", iq["type"], contacts_of(iq["roster"])))
        self.add_event_handler("changed_status", lambda p: self.seen.add("presence", str(p["from"]), p["type"], p["status"]))
        self.add_event_handler("message", lambda m: self.seen.add("message", str(m["from"]), m["type"], m["body"]))
        self.add_event_handler("failed_all_auth", lambda _: self.seen.add("no login"))
        self.add_event_handler("ssl_invalid_chain", lambda _: self.seen.add("certificate refused"))
        self.add_event_handler("disconnected", lambda _: self.seen.add("disconnected"))
        self.port = SETUP["ports"]["xmpps" if direct_tls else "xmpp"]

    def note(self, stanza):
        self.stanzas.append(str(stanza))
        return stanza

    def start(self):
        self.connect("127.0.0.1", self.port)

    async def log_in(self):
        self.start()
        await self.seen.wait("session")
        expect(f"{self.user}: TLS", True, self.socket_tls().version() in ("TLSv1.2", "TLSv1.3"))
        expect(f"{self.user}: verification", ssl.CERT_REQUIRED, self.socket_tls().context.verify_mode)
        mechanism = self.plugin["feature_mechanisms"].mech.name
        expect(f"{self.user}: mechanism", True, mechanism in ("SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"))
        print(f"  {self.user}: {self.socket_tls().version()}, {mechanism}")

    def socket_tls(self):
        return self.transport.get_extra_info("ssl_object")

    async def get(self, expected):
        found = contacts_of((await self.get_roster(timeout=TIMEOUT))["roster"])
        expect(f"{self.user}: the roster", expected, found)
        await self.seen.wait("roster", "result", expected)


def contact(name, *groups, subscription="both"):
    return {"name": name, "groups": list(groups), "subscription": subscription}


async def a_stranger_is_not_trusted():
    client = Client("john", False, ca="stranger")
    client.start()
    await client.seen.wait("certificate refused")
    client.abort()


async def everything(john, marie):
    await john.log_in()
    await marie.log_in()
    await john.get({"marie@localhost": contact("Marie", "Friends")})
    await marie.get({"john@localhost": contact("John")})

    for (name, told, pushed) in (
        ("added", {"name": "Aaron", "groups": ["New"]}, contact("Aaron", "New")),
        ("renamed", {"name": "Aaron the Second"}, contact("Aaron the Second")),
        ("removed", None, contact("", subscription="remove")),
    ):
        contacts = {"marie@localhost": MARIE} | ({"aaron@localhost": told} if told else {})
        await asyncio.to_thread(refresh, SETUP, "john", contacts)
        await john.seen.wait("roster", "set", {"aaron@localhost": pushed})
        print(f"  john was pushed the contact that was {name}")
    # It names the version of the last push (XEP-0237), and nothing has changed since.
    await john.get({})

    john.send_presence()
    marie.send_presence(pstatus="here")
    await john.seen.wait("presence", "marie@localhost/slixmpp", "available", "here")
    await marie.seen.wait("presence", "john@localhost/slixmpp", "available", "")
    marie.send_presence(pshow="away", pstatus="lunch")
    await john.seen.wait("presence", "marie@localhost/slixmpp", "away", "lunch")

    john.send_message("marie@localhost", "Hello & <welcome> ☕", mtype="chat")
    await marie.seen.wait("message", "john@localhost/slixmpp", "chat", "Hello & <welcome> ☕")
    marie.send_message("john@localhost/slixmpp", "Hello yourself", mtype="chat")
    await john.seen.wait("message", "marie@localhost/slixmpp", "chat", "Hello yourself")

    await marie.disconnect()
    await marie.seen.wait("disconnected")
    await john.seen.wait("presence", "marie@localhost/slixmpp", "unavailable", "")
    print("  presence and messages went both ways")
    await john.disconnect()
    await john.seen.wait("disconnected")


async def main():
    await a_stranger_is_not_trusted()
    john, marie = Client("john", False), Client("marie", True)
    try:
        await everything(john, marie)
    except BaseException as error:
        for client in (john, marie):
            print(f"--- stanzas {client.user} received:", *client.stanzas, sep="\n  ", file=sys.stderr)
            client.abort()
        sys.exit(f"slixmpp: {error or type(error).__name__}")


asyncio.run(main())
