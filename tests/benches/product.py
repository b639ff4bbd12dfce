"""By hand: what a user of the built program gets, on a quiet machine.

- Users with a session at the XMPP endpoint, rosters served by nginx, all of them refreshed by `POST /roster_admin/refresh` when nothing has
  changed: beside what `wrk` gets from the same nginx.
- Many users in one request (docs/bulk.md) beside each alone, of an application as they are: the manual's lines for Flask, under gunicorn.
- Logins of users whose rosters are fetched together (docs/bulk.md): how many a second, and what a session takes of CPU and memory.

Prints one table; with --all also the ratios of the Rust benches: component/native and bulk/single.

Usage: product.py PROGRAM [--users 1000] [--logins 10000] [--contacts 10 100] [--seconds 5] [--rounds 5] [--all]

PROGRAM is a release build. Needs nginx and wrk, and from PyPI flask and gunicorn.
"""

import argparse
import asyncio
import base64
import contextlib
import functools
import hashlib
import hmac
import json
import multiprocessing
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, "..", "shared"))
from running import Program  # noqa: E402: beside this folder
from server import Server, free_ports, resident, seconds_used  # noqa: E402
from web import ask  # noqa: E402
from xmpp_client import Client  # noqa: E402

PASSWORD = "secret"
SASL = "urn:ietf:params:xml:ns:xmpp-sasl"
CONNECTIONS = 64  # of wrk, and what limits.max_concurrent_calls is by default

# What Debian's nginx.conf says too, but for the kept connections: a head and its file in one packet.
NGINX = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  etag off;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=20000;
  keepalive_requests 1000000000;
  default_type application/json;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen 127.0.0.1:{port} backlog=4096; root {folder}/rosters; }}
}}
"""

HOST = """\
[log]
format = "json"

[http]
listen = "127.0.0.1:0"
requests_per_second = 0

[admin]
listen = "127.0.0.1:0"

[xmpp]
listen = "127.0.0.1:0"
tls_listen = "off"
require_encryption = false
allow_unencrypted_plain_auth = true

[xmpp.limits]
max_connections = 20000
max_connections_per_address = 20000
connections_per_second = 0
memory = "1GiB"

[[host]]
domain = "localhost"
accounts = "accounts.txt"

[host.settings]
{settings}
"""


def contacts_of(user, count):
    return {f"{user}-{n}@localhost": {"name": f"Contact {n}", "groups": ["Friends"]} for n in range(count)}


class Application(Server):
    """A program that serves rosters."""

    def serves(self, url):
        """Waits until it does."""
        for _ in range(200):
            with contextlib.suppress(OSError):
                if ask("GET", url)[0] == 200:
                    return
            time.sleep(0.05)
        self.stop()
        raise SystemExit(f"{self.process.args[0]} does not serve {url}: {self.output()}")


class Nginx(Application):
    """Serves the rosters as files."""

    def __init__(self, folder, users, count):
        self.folder, (self.port,) = folder, free_ports(1)
        os.makedirs(os.path.join(folder, "rosters"))
        for user in users:
            with open(os.path.join(folder, "rosters", user), "w") as file:
                json.dump(contacts_of(user, count), file)
        with open(os.path.join(folder, "nginx.conf"), "w") as file:
            # The superuser's folder is nobody else's to read.
            file.write(NGINX.format(folder=folder, port=self.port, user="user root;" if os.getuid() == 0 else ""))
        self.spawn(["nginx", "-p", folder, "-c", "nginx.conf"])
        self.settings = f'http_roster_url = "http://127.0.0.1:{self.port}/%s"'
        self.serves(f"http://127.0.0.1:{self.port}/{users[0]}")


FLASK = """\
from flask import Flask, request

app, version, roster = Flask(__name__), 1, {roster}

@app.get("/contacts/<user>")
def contacts(user):
    etag = f'"{{version}}"'
    if request.headers.get("If-None-Match") == etag:
        return "", 304
    return roster, {{"ETag": etag}}

@app.post("/contacts")
def contacts_of_many():
    etag = f'"{{version}}"'
    return {{user: None if held == etag else [etag, roster] for user, held in request.json.items()}}
"""


class FlaskApplication(Application):
    """A framework, and JSON made for each request; two processes, as on two cores."""

    def __init__(self, folder, count):
        os.makedirs(folder)
        with open(os.path.join(folder, "application.py"), "w") as file:
            file.write(FLASK.format(roster=contacts_of("user", count)))
        (self.port,) = free_ports(1)
        self.folder = folder
        self.spawn([sys.executable, "-m", "gunicorn", "--bind", f"127.0.0.1:{self.port}", "--workers", "2", "--threads", "8",
                    "--keep-alive", "60", "--log-level", "error", "application:app"])
        self.url = f"http://127.0.0.1:{self.port}/contacts"
        self.serves(f"{self.url}/user")

    def used(self):
        """Processor seconds of its processes."""
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children") as file:
            return sum(seconds_used(int(pid)) for pid in file.read().split())


class BulkApplication(asyncio.Protocol):
    """As little as it takes to answer for many users in one request, in a process of its own."""

    count = 0

    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        head, found, body = self.data.partition(b"\r\n\r\n")
        length = int((re.search(rb"content-length: *(\d+)", head, re.I) or [0, 0])[1])
        if not found or len(body) < length:
            return
        self.data = b""
        if head.startswith(b"POST"):
            said = {user: contacts_of(user, self.count) for user in json.loads(body)}
        else:
            said = contacts_of(head.split(b" ", 2)[1].rpartition(b"/")[2].decode(), self.count)
        said = json.dumps(said).encode()
        self.transport.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(said), said))

    @classmethod
    def serve(cls, pipe, count):
        cls.count = count

        async def run():
            server = await asyncio.get_running_loop().create_server(cls, "127.0.0.1", 0, backlog=1024)
            pipe.send(server.sockets[0].getsockname()[1])
            await server.serve_forever()
        asyncio.run(run())

    @classmethod
    def start(cls, count):
        here, there = multiprocessing.Pipe()
        process = multiprocessing.Process(target=cls.serve, args=(there, count), daemon=True)
        process.start()
        url = f"http://127.0.0.1:{here.recv()}/contacts"
        return process, f'http_roster_url = "{url}/%s"\nhttp_roster_bulk_url = "{url}"'


class ScramClient(Client):
    """Logs in with SCRAM-SHA-256, so that the password costs the host next to nothing; all here have the same salt, so the client too."""

    @staticmethod
    @functools.cache
    def salted(salt, iterations):
        return hashlib.pbkdf2_hmac("sha256", PASSWORD.encode(), base64.b64decode(salt), iterations)

    async def log_in_with_password(self):
        def tell(tag, more, text):
            self.send(f"<{tag} xmlns='{SASL}'{more}>{base64.b64encode(text.encode()).decode()}</{tag}>")
        first = f"n={self.user},r={os.urandom(12).hex()}"
        tell("auth", " mechanism='SCRAM-SHA-256'", "n,," + first)
        challenge = await self.wait("a challenge", self.find(f"{{{SASL}}}challenge"))
        challenge = base64.b64decode(challenge.text).decode()
        nonce, salt, iterations = (part[2:] for part in challenge.split(",")[:3])
        last = f"c=biws,r={nonce}"
        key = hmac.digest(self.salted(salt, int(iterations)), b"Client Key", "sha256")
        signature = hmac.digest(hashlib.sha256(key).digest(), f"{first},{challenge},{last}".encode(), "sha256")
        proof = bytes(a ^ b for a, b in zip(key, signature))
        tell("response", "", f"{last},p={base64.b64encode(proof).decode()}")


@contextlib.contextmanager
def running(program, users, settings):
    """A host with an account for each user."""
    with tempfile.TemporaryDirectory() as folder:
        accounts = os.path.join(folder, "accounts.txt")
        subprocess.run([program, "account", "import", "--file", accounts], check=True, stdout=subprocess.DEVNULL, input=f"{users[0]}:{PASSWORD}\n".encode())
        with open(accounts) as file:
            keys = next(line for line in file if line.startswith(users[0])).removeprefix(users[0])
        with open(accounts, "w") as file:
            file.writelines(user + keys for user in users)  # The same keys for all: they are worked out once.
        with open(os.path.join(folder, "roster-host.toml"), "w") as file:
            file.write(HOST.format(settings=settings))
        host = Program(os.path.abspath(program), folder)
        try:
            yield host
        finally:
            host.stop()


async def log_in(users, host):
    """With roster and presence, some at a time."""
    queue, clients = list(users), []

    async def worker():
        while queue:
            client = await ScramClient(queue.pop(), "localhost", PASSWORD, ("127.0.0.1", host.ports["xmpp"])).come()
            client.forget()
            clients.append(client)
    await asyncio.gather(*(worker() for _ in range(64)))
    return clients


def wrk(nginx, users, seconds):
    """Requests a second: one thread, each user in turn."""
    script = os.path.join(nginx.folder, "wrk.lua")
    with open(script, "w") as file:
        file.write(f"local n = 0\nfunction request() n = (n + 1) % {len(users)}; return wrk.format('GET', '/user' .. n) end\n")
    said = subprocess.run(["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", script, f"http://127.0.0.1:{nginx.port}"], check=True,
                          capture_output=True, text=True).stdout
    if "Non-2xx" in said:
        raise SystemExit(f"wrk: {said}")
    return float(re.search(r"Requests/sec:\s*([\d.]+)", said).group(1))


def refresh(host, users, seconds):
    """Users a second, the CPU of one in seconds, and how many were refreshed."""
    done, used, began = 0, seconds_used(host.process.pid), time.perf_counter()
    while time.perf_counter() < began + seconds:
        status, _, body = ask("POST", f"http://127.0.0.1:{host.ports['http']}/roster_admin/refresh", users, {"content-type": "application/json"})
        if status != 200 or json.loads(body)["errors"]:
            raise SystemExit(f"a refresh was answered {status} {body}")
        done += len(users)
    return done / (time.perf_counter() - began), (seconds_used(host.process.pid) - used) / done, done


async def unchanged(arguments, count):
    users = [f"user{n}" for n in range(arguments.users)]
    with tempfile.TemporaryDirectory() as folder:
        nginx = Nginx(os.path.join(folder, "nginx"), users, count)
        try:
            with running(arguments.program, users, nginx.settings) as host:
                clients = await log_in(users, host)
                samples = []
                for _ in range(arguments.rounds):
                    alone = await asyncio.to_thread(wrk, nginx, users, arguments.seconds)
                    samples.append((alone, *await asyncio.to_thread(refresh, host, users, arguments.seconds)))
                for client in clients:
                    client.cut()
        finally:
            nginx.stop()
    alone, rate, cpu, _ = (statistics.median(column) for column in zip(*samples))
    ratio = statistics.median(rate / alone for alone, rate, _, _ in samples)
    print(f"| refresh of {len(users):,} users, {count} contacts, nothing changed | {rate:,.0f} users/s | {alone:,.0f} requests/s (wrk) | {ratio:.2f} | "
          f"{cpu * 1e6:.0f} µs of CPU a user |", flush=True)


async def together(arguments, count):
    users = [f"user{n}" for n in range(arguments.users)]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        application = FlaskApplication(os.path.join(folder, "application"), count)
        stack.callback(application.stop)
        alone = f'http_roster_url = "{application.url}/%s"'
        hosts = [stack.enter_context(running(arguments.program, users, settings))
                 for settings in (f'{alone}\nhttp_roster_bulk_url = "{application.url}"', alone)]
        clients = [client for host in hosts for client in await log_in(users, host)]
        samples = []
        for _ in range(arguments.rounds):
            sample = []
            for host in hosts:
                used, (rate, cpu, done) = application.used(), await asyncio.to_thread(refresh, host, users, arguments.seconds)
                sample += [rate, cpu, (application.used() - used) / done]
            samples.append(sample)
        for client in clients:
            client.cut()
    rate, cpu, app, rate_alone, cpu_alone, app_alone = (statistics.median(column) for column in zip(*samples))
    ratio = statistics.median(sample[0] / sample[3] for sample in samples)
    print(f"| the same, an application in Flask, {count} contacts, together | {rate:,.0f} users/s | {rate_alone:,.0f} users/s (each alone) | {ratio:.1f} | "
          f"{cpu * 1e6:.0f} and {cpu_alone * 1e6:.0f} µs of CPU a user; the application's {app * 1e6:.1f} and {app_alone * 1e6:.0f} |", flush=True)


async def logins(arguments, count):
    users = [f"user{n}" for n in range(arguments.logins)]
    application, settings = BulkApplication.start(count)
    try:
        with running(arguments.program, users, settings) as host:
            before, used, began = resident(host.process), seconds_used(host.process.pid), time.perf_counter()
            clients = await log_in(users, host)
            took, used = time.perf_counter() - began, seconds_used(host.process.pid) - used
            each = (resident(host.process) - before) / len(users)
            for client in clients:
                client.cut()
    finally:
        application.kill()
    print(f"| {len(users):,} logins, {count} contacts, fetched together | {len(users) / took:,.0f} logins/s | | | {used / len(users) * 1e6:,.0f} µs of CPU, "
          f"{each / 1000:.1f} kB resident a session |", flush=True)


def rust_bench(flags, sides):
    """Rows of side_by_side as rows of the table."""
    said = subprocess.run(["cargo", "bench", "--locked", "-p", "roster-tests", "--bench", "side_by_side", "--", *flags], check=True, capture_output=True,
                          text=True).stdout
    for name, one, other, ratio, rest in re.findall(r"^(\S.*?) {2,}(\d+) +(\d+) +([\d.]+) *(.*)$", said, re.M):
        print(f"| {name} | {int(one):,} users/s ({sides[0]}) | {int(other):,} users/s ({sides[1]}) | {ratio} | {rest} |", flush=True)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("Usage: ")[1].strip())
    parser.add_argument("program")
    parser.add_argument("--users", type=int, default=1000)
    parser.add_argument("--logins", type=int, default=10_000)
    parser.add_argument("--contacts", type=int, nargs="+", default=[10, 100])
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--all", action="store_true")
    arguments = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print("| what | this | beside | ratio | |\n|---|---|---|---|---|")
    for count in arguments.contacts if arguments.users else []:
        asyncio.run(unchanged(arguments, count))
        asyncio.run(together(arguments, count))
    if arguments.logins:
        asyncio.run(logins(arguments, max(arguments.contacts)))
    if arguments.all:
        rust_bench([], ("component", "native"))
        rust_bench(["--bulk"], ("bulk", "single"))


if __name__ == "__main__":
    main()
