"""The web application that checks script, and the one HTTP client of all that is in Python here.

Two have an application of their own. That of tests/abuse misbehaves down to the bytes, in a process of its own: what it costs is not among
what is measured. That of tests/cluster is in the event loop of its crowd, so that what it says and what was asked are one history, in order.
"""

import http.server
import json
import threading
import time
import urllib.error
import urllib.request

from running import TIMEOUT

# A proxy has no way to what listens here.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(method, url, body=None, headers=(), timeout=TIMEOUT):
    """Status, headers and text; also of an answer that is an error. What is neither bytes nor text is sent as JSON."""
    if body is not None and not isinstance(body, bytes):
        body = (body if isinstance(body, str) else json.dumps(body)).encode()
    asked = urllib.request.Request(url, body, dict(headers), method=method)
    try:
        with OPENER.open(asked, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read().decode()


class Application:
    """Owns the contacts: {user: {jid: contact}}. `delay`, in seconds, and `down` are for all users, or for those of a set.

    GET /contacts/USER    what the host asks
    PUT /contacts/USER    what a check in another process says the contacts are from now on: the same JSON
    """

    def __init__(self, contacts=None, port=0):
        self.contacts = {}
        self.say(contacts or {})
        self.delay, self.slow, self.down = 0, None, False
        self.lock, self.requests = threading.Lock(), []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            disable_nagle_algorithm = True

            def answer(self, status, body=b""):
                self.send_response_only(status)  # The manual shows all of what comes.
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def user(self):
                return self.path.rpartition("/")[2]

            def do_GET(self):
                if not outer.asked(self.user()):
                    return self.answer(503)
                contacts = outer.contacts.get(self.user())
                self.answer(200, contacts) if contacts is not None else self.answer(404)

            def do_PUT(self):
                outer.say({self.user(): json.loads(self.rfile.read(int(self.headers["Content-Length"])))})
                self.answer(204)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512  # A host asks for many at once.

            def handle_error(self, *_):
                pass  # A host that is killed does not wait for its answers.

        self.server = Server(("127.0.0.1", port), Handler)
        self.address = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def say(self, rosters):
        """What it says of these users from now on."""
        for user, contacts in rosters.items():
            self.contacts[user] = json.dumps(contacts).encode()

    def said(self, user):
        return json.loads(self.contacts.get(user, b"{}"))

    def asked(self, user):
        """Notes it. Whether the answer is the contacts."""
        with self.lock:
            self.requests.append(user)
        if self.delay and (self.slow is None or user in self.slow):
            time.sleep(self.delay)
        return not (self.down is True or self.down and user in self.down)

    def close(self):
        self.server.shutdown()
        self.server.server_close()
