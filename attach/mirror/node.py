"""A node of the attach API (docs/attach.md), as far as a mirror needs it. One connection for calls, one for events; no threads."""

import http.client
import json
import ssl
import time
import urllib.parse

TIMEOUT = 30  # seconds, for an answer
MAX_LINE = 64 << 20


class Refused(Exception):
    """The host answered with an error; the argument says which."""


class Node:
    def __init__(self, url, name, token, authorities=None):
        self.url = urllib.parse.urlsplit(url)
        self.base = f"{self.url.path.rstrip('/')}/attach/v1/{urllib.parse.quote(name, safe='')}"
        self.headers = {"Authorization": f"Bearer {token}", "User-Agent": "roster-mirror"}
        self.tls = ssl.create_default_context(cafile=authorities) if self.url.scheme == "https" else None
        self.calls = None
        self.events, self.stream, self.last, self.epoch = None, None, None, None

    def connect(self, timeout):
        if self.tls:
            return http.client.HTTPSConnection(self.url.netloc, timeout=timeout, context=self.tls)
        return http.client.HTTPConnection(self.url.netloc, timeout=timeout)

    def call(self, method, path, body=None, good=(200, 204)):
        """The open response. A connection that was kept may be closed by now: then once more."""
        data = None if body is None else json.dumps(body).encode()
        for again in (True, False):
            fresh = self.calls is None
            self.calls = self.calls or self.connect(TIMEOUT)
            try:
                self.calls.request(method, self.base + path, data, self.headers)
                response = self.calls.getresponse()
                break
            except (OSError, http.client.HTTPException):
                self.calls.close()
                self.calls = None
                if fresh or not again:
                    raise
        if response.status in good:
            return response
        text = response.read(65536)
        try:
            said = json.loads(text)["message"]
        except (ValueError, KeyError, TypeError):
            said = "no message"
        raise Refused(f"{response.status}: {said}")

    def about(self):
        return json.loads(self.call("GET", "").read())

    def sync(self, users):
        """`users`: {user: version or None}. Gives each line; the last one has `done`."""
        response = self.call("POST", "/sync", [{"user": user, "version": version} for user, version in users.items()])
        done = False
        while line := response.readline(MAX_LINE):
            value = json.loads(line)
            done = done or "done" in value
            yield value
        if not done:
            raise OSError("the answer to a sync was cut")

    def user(self, user):
        return json.loads(self.call("PUT", f"/users/{urllib.parse.quote(user, safe='')}", {}).read())

    def leave(self, user):
        self.call("DELETE", f"/users/{urllib.parse.quote(user, safe='')}").read()

    def ack(self, seq):
        self.call("POST", "/ack", {"epoch": self.epoch, "seq": seq}, good=(204, 409)).read()

    def open(self, keepalive):
        """After this, read()."""
        self.close()
        self.events = self.connect(4 * keepalive)
        headers = dict(self.headers, Accept="text/event-stream", **({"Last-Event-ID": self.last} if self.last else {}))
        self.events.request("GET", self.base + "/events", headers=headers)
        self.stream = self.events.getresponse()
        if self.stream.status != 200:
            raise Refused(f"{self.stream.status}: the events cannot be had")

    def read(self):
        """The next (event, data), or (None, None) for a sign of life. Raises OSError when the stream is over, or silent for too long."""
        event, data, own = "message", [], None
        while line := self.stream.readline(MAX_LINE):
            line = line.rstrip(b"\r\n").decode()
            if line.startswith(":"):
                return None, None
            if line:
                name, _, value = line.partition(":")
                value = value.removeprefix(" ")
                if name == "event":
                    event = value
                elif name == "data":
                    data.append(value)
                elif name == "id":
                    own = value
            elif data or event != "message":
                self.last = own or self.last
                value = json.loads("\n".join(data) or "{}")
                if event == "hello":
                    if value["epoch"] != self.epoch:
                        self.last = None
                    self.epoch = value["epoch"]
                return event, value
        raise OSError("the stream of events ended")

    def close(self):
        for connection in (self.calls, self.events):
            if connection:
                connection.close()
        self.calls = self.events = self.stream = None


def pause(attempt):
    """Between two attempts to connect."""
    from random import random
    time.sleep(min(30, 0.5 * 2 ** min(attempt, 6)) * (0.5 + random()))
