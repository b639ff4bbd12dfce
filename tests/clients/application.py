"""The web application of these checks: it owns the contacts, and does what it is told.

GET /contacts/USER    what the host asks
PUT /contacts/USER    what a check says the contacts are from now on: the same JSON
"""

import http.server
import json
import threading

FIRST = {
    "john": {"marie@localhost": {"name": "Marie", "groups": ["Friends"]}},
    "marie": {"john@localhost": {"name": "John"}},
}


class Application:
    """Serves from a thread of its own until it is closed."""

    def __init__(self):
        self.contacts = {user: json.dumps(contacts).encode() for user, contacts in FIRST.items()}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 30
            disable_nagle_algorithm = True

            def answer(self, status, body=b""):
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def user(self):
                _, _, user = self.path.rpartition("/contacts/")
                return user

            def do_GET(self):
                if not outer.asked(self.user()):
                    return self.answer(503)
                contacts = outer.contacts.get(self.user())
                self.answer(200, contacts) if contacts is not None else self.answer(404)

            def do_PUT(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                json.loads(body)
                outer.contacts[self.user()] = body
                self.answer(204)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 512  # A host asks for many at once.

        self.server = Server(("127.0.0.1", 0), Handler)
        self.address = "http://127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def asked(self, user):
        """Whether it answers the host as it should. For checks of what happens when it does not, or not at once."""
        return True

    def close(self):
        self.server.shutdown()
        self.server.server_close()
