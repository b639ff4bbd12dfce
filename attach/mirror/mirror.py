#!/usr/bin/env python3
"""Keeps the rosters of all users of a server in step with an application, through the server's admin API: for servers where no module can
be installed. See README.md for what that cannot do.

Usage: mirror.py --host URL --node NAME --token-file FILE --server URL --domain DOMAIN --state FILE [--cacert FILE] [--authorization-file FILE]
                 [--verify] [--parallel 4] [--users-every 60]
"""

import argparse
import concurrent.futures
import http.client
import json
import logging
import sqlite3
import sys
import threading
import time

import node as attach
from mod_http_api import Ejabberd, Failed

PROGRESS = 10  # seconds between two lines of the log about work that takes long
ROUNDS = 3  # A removal changes the contact's roster, too; putting that right must not go on for ever.
RETRY = 10  # seconds


class State:
    """What each user's roster has to be, and its version once the server has it. A version is forgotten before the server is changed, so
    that what was cut short is done again."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self.base.execute("PRAGMA journal_mode=WAL")
        self.base.execute("CREATE TABLE IF NOT EXISTS rosters (user TEXT PRIMARY KEY, version INTEGER, target INTEGER, contacts TEXT)")

    def all(self):
        with self.lock:
            return dict(self.base.execute("SELECT user, version FROM rosters"))

    def get(self, user):
        with self.lock:
            row = self.base.execute("SELECT target, contacts FROM rosters WHERE user = ?", (user,)).fetchone()
        return (row[0], json.loads(row[1])) if row else (None, None)

    def want(self, user, version, contacts):
        with self.lock:
            self.base.execute("REPLACE INTO rosters VALUES (?, NULL, ?, ?)", (user, version, json.dumps(contacts)))

    def done(self, user, version):
        with self.lock:
            self.base.execute("UPDATE rosters SET version = target WHERE user = ? AND target = ?", (user, version))

    def undone(self, users):
        with self.lock:
            self.base.executemany("UPDATE rosters SET version = NULL WHERE user = ?", [(user,) for user in users])

    def forget(self, user):
        with self.lock:
            self.base.execute("DELETE FROM rosters WHERE user = ?", (user,))


class Mirror:
    def __init__(self, host, server, state, domain, parallel=4, users_every=60):
        self.host, self.server, self.state, self.domain, self.users_every = host, server, state, domain, users_every
        self.pool = concurrent.futures.ThreadPoolExecutor(parallel)
        self.known, self.listed, self.failed, self.tried, self.unacked = set(), 0, set(), 0, None

    def one(self, user):
        """Makes the user's roster at the server what it has to be. The local contacts whose own roster this may have changed."""
        version, wanted = self.state.get(user)
        if wanted is None:
            return set()
        wanted = {jid: self.server.wanted(contact) for jid, contact in wanted.items()}
        touched = set()
        there = self.server.roster(user)
        changes = [jid for jid in there if jid not in wanted], [jid for jid in wanted if there.get(jid) != wanted[jid]]
        for jid in changes[0]:
            self.server.remove(user, jid)
            local, _, domain = jid.rpartition("@")
            if domain == self.domain and local in self.known:
                touched.add(local)
        for jid in changes[1]:
            self.server.put(user, jid, wanted[jid])
        self.state.done(user, version)
        return touched

    def bring(self, users):
        """All of them, some at once, each user by one; then those whose rosters were changed on the way."""
        users = set(users)
        for _ in range(ROUNDS):
            tasks = {self.pool.submit(self.one, user): user for user in users}
            touched, told = set(), time.monotonic()
            for number, task in enumerate(concurrent.futures.as_completed(tasks)):
                user = tasks[task]
                if time.monotonic() - told > PROGRESS:
                    told = time.monotonic()
                    logging.info("%s of %s rosters have been looked at", number, len(tasks))
                try:
                    touched |= task.result()
                    self.failed.discard(user)
                except Failed as failed:
                    if user not in self.failed:
                        logging.warning("The roster of %s is not in step: %s. It is tried again", user, failed)
                    self.failed.add(user)
            if not touched:
                return
            self.state.undone(touched)
            users = touched
        logging.warning("The rosters of %s are changed by each other's; they are looked at again", ", ".join(sorted(users)[:5]))
        self.failed |= users

    def list_users(self):
        """Whether there are others than before."""
        users = set(self.server.users())
        self.listed = time.monotonic()
        changed = users != self.known
        for user in self.known - users:
            self.state.forget(user)
            self.failed.discard(user)
        self.known = users
        return changed

    def sync(self):
        versions = self.state.all()
        users, seq = [], None
        for line in self.host.sync({user: versions.get(user) for user in self.known}):
            if "done" in line:
                seq = line.get("seq")
                logging.info("Compared with roster-host: %s rosters are the same, %s differ, %s cannot be had", line["same"], line["sent"],
                             line["failed"])
            elif "error" in line:
                logging.warning("The roster of %s cannot be had: %s", line["user"], line["error"])
            else:
                users.append(self.take(line))
        self.finish(users, seq)

    def take(self, roster):
        """A whole roster. The user."""
        contacts = {contact["jid"]: contact for contact in roster["contacts"]}
        self.state.want(roster["user"], roster["version"] if "version" in roster else roster["to"], contacts)
        return roster["user"]

    def changes(self, event):
        users = []
        for roster in event["rosters"]:
            user = roster["user"]
            version, contacts = self.state.get(user)
            if user not in self.known or version == roster["to"]:
                continue
            if "contacts" in roster:
                users.append(self.take(roster))
            elif version == roster["from"]:
                for change in roster["changes"]:
                    if "put" in change:
                        contacts[change["put"]["jid"]] = change["put"]
                    else:
                        contacts.pop(change["remove"], None)
                self.state.want(user, roster["to"], contacts)
                users.append(user)
            else:
                users.append(self.take(self.host.user(user)))
        self.finish(users, event["seq"])

    def finish(self, users, seq):
        self.bring(users)
        if seq is not None:
            self.unacked = seq
        self.confirm()

    def confirm(self):
        """Only when everybody has what was said up to there."""
        if self.unacked is not None and not self.failed:
            self.host.ack(self.unacked)
            self.unacked = None

    def idle(self):
        """On each sign of life of the host."""
        if time.monotonic() - self.listed > self.users_every and self.list_users():
            self.sync()
        if self.failed and time.monotonic() - self.tried > RETRY:
            self.tried = time.monotonic()
            self.bring(self.failed)
            self.confirm()

    def verify(self):
        """Not only what has changed at the application: what somebody has changed at the server."""
        self.state.undone(self.state.all())

    def attached(self):
        """Until the connection ends, which raises."""
        about = self.host.about()
        if about["api"] != 1 or about["domain"] != self.domain:
            sys.exit(f"mirror: the node is for {about['domain']}, API {about['api']}; this is for {self.domain}, API 1")
        self.host.open(about["keepalive_seconds"])
        logging.info("Attached to %s", about["host"])
        while True:
            event, data = self.host.read()
            if event in ("hello", "resync"):
                self.list_users()
                self.sync()
            elif event == "changes":
                self.changes(data)
            elif event == "replaced":
                sys.exit("mirror: another process is attached as this node")
            self.idle()

    def run(self):
        attempt = 0
        while True:
            began = time.monotonic()
            try:
                self.attached()
            except (OSError, http.client.HTTPException, attach.Refused, Failed, ValueError) as error:
                attempt = 0 if time.monotonic() - began > 60 else attempt + 1
                logging.warning("Not attached: %s. It is tried again", error or type(error).__name__)
            self.host.close()
            attach.pause(attempt)


def read(path):
    with open(path) as file:
        return file.read().strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    for name in ("host", "node", "token-file", "server", "domain", "state"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("cacert", "authorization-file"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--verify", action="store_true", help="look at all rosters of the server, not only at those that differ")
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--users-every", type=float, default=60)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    host = attach.Node(arguments.host, arguments.node, read(arguments.token_file), arguments.cacert)
    authorization = read(arguments.authorization_file) if arguments.authorization_file else None
    server = Ejabberd(arguments.server, arguments.domain, authorization)
    mirror = Mirror(host, server, State(arguments.state), arguments.domain, arguments.parallel, arguments.users_every)
    if arguments.verify:
        mirror.verify()
    try:
        mirror.run()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
