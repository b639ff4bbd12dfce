"""What no real host does: a host of the attach API in Python that a check breaks at will. Beside its faults it keeps the contract."""

import hashlib
import http.server
import json
import queue
import threading
import time
import urllib.parse

KEEPALIVE = 1  # seconds


class StandIn:
    """One node. `rosters`: {user: {jid: contact}}. `fault`: {call: function(handler) -> True if it has answered}."""

    def __init__(self, domain, node="node", token="secret", port=0):
        self.domain, self.node, self.token = domain, node, token
        self.rosters, self.users, self.calls = {}, set(), []
        self.fault, self.api, self.epoch, self.seq = {}, 1, f"{time.time_ns()}", 0
        self.acked, self.streams = 0, []
        self.held = None  # events that the network has not delivered yet, if it delivers none
        self.lock = threading.Condition()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60
            disable_nagle_algorithm = True

            def log_message(self, *_):
                pass

            def answer(self, status, value=None, **more):
                body = b"" if value is None else json.dumps(value).encode()
                self.send_response(status)
                for name, text in more.items():
                    self.send_header(name, text)
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def stream(self, kind):
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()

            def chunk(self, text):
                data = text.encode()
                self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

            def do(self):
                outer.do(self)

            do_GET = do_PUT = do_POST = do_DELETE = do

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512

            def handle_error(self, *_):
                pass  # Connections that are cut are what is asked for here.

        self.server = Server(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        for stream in self.streams:
            stream.put(None)
        self.server.shutdown()
        self.server.server_close()

    # Rosters

    def whole(self, user):
        contacts = [{"jid": jid, "subscription": "both", "groups": [], **contact}
                    for jid, contact in sorted(self.rosters.get(user, {}).items())]
        digest = hashlib.sha256(json.dumps(contacts).encode()).digest()
        return {"user": user, "version": int.from_bytes(digest[:8], "big") % (2**53 - 1) + 1, "contacts": contacts}

    def change(self, rosters):
        """New rosters of some users, as one batch; returns when they are confirmed, or not within 5 s (False)."""
        with self.lock:
            changed = []
            for user, new in rosters.items():
                old, before = self.rosters.get(user, {}), self.whole(user)
                self.rosters[user] = new
                after = self.whole(user)
                if user in self.users and before["version"] != after["version"]:
                    contacts = {contact["jid"]: contact for contact in after["contacts"]}
                    changes = [{"remove": jid} for jid in old if jid not in new]
                    changes += [{"put": contact} for jid, contact in contacts.items() if old.get(jid) != new[jid]]
                    changed.append({"user": user, "from": before["version"], "to": after["version"], "changes": changes})
            if changed:
                self.emit({"rosters": changed})
            seq = self.seq
            return self.lock.wait_for(lambda: self.acked >= seq, timeout=5)

    def change_unseen(self, user, *names):
        """One contact has another name, and then the next, all in one event; nobody waits for it to be confirmed."""
        with self.lock:
            rosters = []
            for name in names:
                before = self.whole(user)
                self.rosters[user] = {"friend@localhost": {"name": name}}
                after = self.whole(user)
                rosters.append({"user": user, "from": before["version"], "to": after["version"],
                                "changes": [{"put": after["contacts"][0]}]})
            self.emit({"rosters": rosters})

    def emit(self, data):
        self.seq += 1
        text = json.dumps({"seq": self.seq, **data})
        event = f"event: changes\nid: {self.epoch}-{self.seq}\ndata: {text}\n\n"
        if self.held is None:
            self.send(event)
        else:
            self.held.append(event)

    def send_held(self):
        with self.lock:
            held, self.held = self.held, None
            for event in held:
                self.send(event)

    def send(self, text):
        for stream in self.streams:
            stream.put(text)

    # The API

    def do(self, handler):
        length = int(handler.headers["Content-Length"] or 0)
        body = handler.rfile.read(length)
        prefix = f"/attach/v1/{self.node}"
        path = urllib.parse.urlsplit(handler.path).path
        call = {prefix: "info", f"{prefix}/sync": "sync", f"{prefix}/events": "events", f"{prefix}/ack": "ack"}.get(path)
        user = None
        if path.startswith(f"{prefix}/users/"):
            call, user = handler.command, urllib.parse.unquote(path.removeprefix(f"{prefix}/users/"))
        with self.lock:
            self.calls.append((call, user))
        if call in self.fault and self.fault[call](handler):
            return
        if handler.headers["Authorization"] != f"Bearer {self.token}":
            return handler.answer(401, {"status": "error", "message": "The token is not that of this node."})
        if call is None:
            return handler.answer(404, {"status": "error", "message": "There is no such path; version 1 is served."})
        getattr(self, f"do_{call}")(handler, user, body)

    def do_info(self, handler, _user, _body):
        handler.answer(200, {"api": self.api, "host": "stand-in 0", "node": self.node, "domain": self.domain, "epoch": self.epoch,
                             "lease_seconds": 30, "keepalive_seconds": KEEPALIVE, "max_users": 1000})

    def do_PUT(self, handler, user, _body):
        with self.lock:
            self.users.add(user)
            whole = {**self.whole(user), "seq": self.seq}
        tag = f'"{whole["version"]}"'
        if handler.headers["If-None-Match"] == tag:
            return handler.answer(304, None, ETag=tag, **{"Roster-Seq": str(whole["seq"])})
        handler.answer(200, whole, ETag=tag)

    def do_DELETE(self, handler, user, _body):
        with self.lock:
            self.users.discard(user)
            self.lock.notify_all()
        handler.answer(204)

    def do_sync(self, handler, _user, body):
        asked = json.loads(body)
        with self.lock:
            self.users = {one["user"] for one in asked}
            lines, seq = [{**self.whole(one["user"]), "seq": self.seq} for one in asked], self.seq
            self.lock.notify_all()
        lines = [line for line, one in zip(lines, asked) if line["version"] != one["version"]]
        handler.stream("application/x-ndjson")
        for line in lines:
            handler.chunk(json.dumps(line) + "\n")
        handler.chunk(json.dumps({"done": True, "same": len(asked) - len(lines), "sent": len(lines), "failed": 0,
                                  "epoch": self.epoch, "seq": seq}) + "\n")
        handler.wfile.write(b"0\r\n\r\n")

    def do_ack(self, handler, _user, body):
        told = json.loads(body)
        if told["epoch"] != self.epoch:
            return handler.answer(409, {"status": "error", "message": "That was another epoch."})
        with self.lock:
            self.acked = max(self.acked, told["seq"])
            self.lock.notify_all()
        handler.answer(204)

    def do_events(self, handler, _user, _body):
        stream = queue.Queue()
        with self.lock:
            for other in self.streams:
                other.put("event: replaced\ndata: {}\n\n")
                other.put(None)
            self.streams = [stream]
            stream.put(f"event: hello\ndata: {json.dumps({'epoch': self.epoch, 'seq': self.seq})}\n\n")
        handler.stream("text/event-stream")
        handler.close_connection = True
        try:
            while True:
                try:
                    text = stream.get(timeout=KEEPALIVE)
                except queue.Empty:
                    text = ":\n"
                if text is None:
                    return
                handler.chunk(text)
        except OSError:
            pass
