"""What the checks written in Python have in common: telling the application and the host, and waiting for what follows."""

import asyncio
import json
import os
import sys
import time

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "shared"))
from web import ask  # noqa: E402: beside this folder

TIMEOUT = 30  # seconds, for anything to happen on a busy machine


def read_setup():
    with open(sys.argv[1]) as file:
        return json.load(file)


def expect(what, expected, found):
    if expected != found:
        raise AssertionError(f"{what}: expected {expected!r}, found {found!r}")


def refresh(setup, user, contacts):
    """The application's contacts of `user` change, and it tells the host, which has told the clients when it answers."""
    expect("the answer to the change", 204, ask("PUT", f"{setup['application']}/contacts/{user}", contacts)[0])
    _, _, told = ask("POST", setup["refresh"], [user])
    expect("the answer to the refresh", {"status": "ok", "message": "roster update complete", "updated": 1, "errors": 0}, json.loads(told))


class Seen:
    """What a client was given, in order."""

    def __init__(self, who):
        self.who, self.all, self.news = who, [], asyncio.Event()

    def add(self, *what):
        self.all.append(what)
        self.news.set()

    async def wait(self, *what):
        """Until the client was given exactly `what`, which is then forgotten."""
        end = time.monotonic() + TIMEOUT
        while what not in self.all:
            self.news.clear()
            try:
                await asyncio.wait_for(self.news.wait(), end - time.monotonic())
            except asyncio.TimeoutError:
                given = "\n".join(f"    {one!r}" for one in self.all) or "    nothing"
                raise AssertionError(f"{self.who}: expected within {TIMEOUT} s:\n    {what!r}\n  was given:\n{given}") from None
        self.all.remove(what)
