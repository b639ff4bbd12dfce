"""go-sendxmpp, which sends and prints messages and has no roster: john by STARTTLS, marie by direct TLS, each way.

The one in Debian 12 knows no SCRAM and sends the password, over TLS."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time

from scenario import TIMEOUT, expect, read_setup

SETUP = read_setup()


class Client:
    """A process with its output, what it was sent included (--debug)."""

    def __init__(self, user, home, *more, text=None, ca="ca"):
        port, way = (SETUP["ports"]["xmpps"], ["--tls"]) if user == "marie" else (SETUP["ports"]["xmpp"], [])
        environment = {**os.environ, "HOME": home, "SSL_CERT_FILE": SETUP[ca], "SSL_CERT_DIR": home}
        config = os.path.join(home, f"{user}.config")
        with open(config, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
            file.write(f"username: {user}@localhost\npassword: {SETUP['passwords'][user]}\njserver: localhost:{port}\n")
        self.user, self.output = user, []
        self.process = subprocess.Popen(["go-sendxmpp", "--debug", "--file", config, *way, *more], env=environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if text:
            self.process.stdin.write(text.encode())
        self.process.stdin.close()
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for part in iter(lambda: self.process.stdout.read1(65536), b""):
            self.output.append(part.decode(errors="replace"))

    def wait_for(self, *texts):
        """Each is a text, or a tag's name and parts that one tag of that name has, in any order."""
        def is_there(text, output):
            if isinstance(text, str):
                return text in output
            tags = re.findall(rf"<{text[0]} [^>]*>", output)
            return any(all(part in tag for part in text[1:]) for tag in tags)

        end = time.monotonic() + TIMEOUT
        while not all(is_there(text, "".join(self.output)) for text in texts):
            if time.monotonic() > end:
                raise AssertionError(f"{self.user}: expected within {TIMEOUT} s {texts!r}, was given:\n{''.join(self.output)}")
            time.sleep(0.02)

    def end(self):
        code = self.process.wait(timeout=TIMEOUT)
        self.reader.join(timeout=TIMEOUT)
        return code


def message(home, sender, receiver, text):
    listening = Client(receiver, home, "--listen")
    try:
        listening.wait_for("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", ("presence", f" from='{receiver}@localhost/"))
        sending = Client(sender, home, f"{receiver}@localhost", text=text)
        expect(f"{sender}'s exit code", 0, sending.end())
        # The line that a person reads.
        listening.wait_for(f" {sender}@localhost: {text}\n")
    finally:
        listening.process.kill()
        listening.end()


def presence(home):
    """Neither asks for a roster, and the application says that they are friends."""
    clients = john, marie = Client("john", home, "--listen"), Client("marie", home, "--listen")
    try:
        john.wait_for(("presence", " from='marie@localhost/"))
        marie.wait_for(("presence", " from='john@localhost/"))
        john.process.terminate()
        marie.wait_for(("presence", " from='john@localhost/", " type='unavailable'"))
    finally:
        for client in clients:
            client.process.kill()
            client.end()


def everything(home):
    stranger = Client("john", home, "marie@localhost", text="never sent", ca="stranger")
    expect("the exit code with an unknown authority", 1, stranger.end())
    stranger.wait_for("certificate signed by unknown authority")
    message(home, "john", "marie", "Hello & <welcome> ☕")
    message(home, "marie", "john", "Hello yourself")
    presence(home)
    print("  presence and messages went both ways, over STARTTLS and direct TLS, PLAIN")


with tempfile.TemporaryDirectory() as home:
    try:
        everything(home)
    except Exception as error:
        sys.exit(f"go-sendxmpp: {error or type(error).__name__}")
