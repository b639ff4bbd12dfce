"""Whole requests, as cheap as they can be and as many as there can be."""

import threading
import time

from client import PREFACE, Http, connect, frame
from listeners import TOKEN
from observer import cpu_seconds

# Of one core, with what those who behave cost; and answers in a second: http.requests_per_second on each of two listeners, and
# those who behave.
MOST_CPU, MOST_ANSWERS = 0.5, 2 * 2000 + 300
AT_ONCE = 50


def http1(path, more=""):
    return f"GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}\r\n".encode() * AT_ONCE


def pipelined(port, source, data, end):
    """Sends before it has read what the last ones were answered."""
    while time.monotonic() < end:
        stream = connect(port, source)
        try:
            stream.sendall(data)
            while time.monotonic() < end:
                stream.sendall(data)
                answers = 0
                while answers < AT_ONCE:
                    read = stream.recv(1 << 16)
                    if not read:
                        raise ConnectionError
                    answers += read.count(b"HTTP/1.1 ")
        except OSError:
            time.sleep(0.05)
        finally:
            stream.close()


def streams(port, source, _, end):
    """The same in HTTP/2, all fields of the head from the static table."""
    head = bytes([0x82, 0x86, 0x84, 0x01, 9]) + b"localhost"
    while time.monotonic() < end:
        stream, number = connect(port, source), 1
        try:
            stream.sendall(PREFACE)
            while time.monotonic() < end:
                stream.sendall(b"".join(frame(1, 5, number + 2 * n, head) for n in range(AT_ONCE)))
                number += 2 * AT_ONCE
                stream.settimeout(20)
                # As many answers: a frame of its own for the head of each.
                read = 0
                while read < AT_ONCE * 60:
                    more = stream.recv(1 << 16)
                    if not more:
                        raise ConnectionError
                    read += len(more)
        except OSError:
            time.sleep(0.05)
        finally:
            stream.close()


def counted(host, name, labels=""):
    """The sum of a counter, of all its labels or of these."""
    _, text = Http(host.ports["admin"], "127.0.0.88").request("GET", "/metrics", headers=TOKEN)
    return sum(float(line.split()[1]) for line in text.decode().splitlines() if line.startswith(f"roster_host_{name}_total{labels}"))


def cheap_requests(host, seconds):
    """The cheapest complete requests without a pause, from one address, over HTTP/1 and HTTP/2, to all listeners."""
    end = time.monotonic() + 60 + seconds
    source = "127.0.15.1"
    attacks = [(pipelined, "http", http1("/nothing")), (pipelined, "http", http1("/roster_admin/refresh", "authorization: Bearer x\r\n")),
               (streams, "http", b""), (pipelined, "admin", http1("/healthz")), (pipelined, "admin", http1("/rosters"))]
    for act, listener, data in attacks * 2:
        threading.Thread(target=act, args=(host.ports[listener], source, data, end), daemon=True).start()
    # What may come at once is used up first.
    deadline = time.monotonic() + 60
    while counted(host, "http_requests_delayed") < 1000 and time.monotonic() < deadline:
        time.sleep(0.2)
    faults = [] if time.monotonic() < deadline else ["no request had to wait: this proves nothing"]
    before, answers, began = cpu_seconds(host.pid), counted(host, "http_requests"), time.monotonic()
    time.sleep(seconds)
    answers, took = counted(host, "http_requests") - answers, time.monotonic() - began
    cpu, rate = (cpu_seconds(host.pid) - before) / took, answers / took
    print(f"    {rate:.0f} answers a second and {cpu:.2f} of a core once the requests wait", flush=True)
    if cpu > MOST_CPU:
        faults.append(f"{cpu:.2f} of a core; {MOST_CPU} may be")
    if rate > MOST_ANSWERS:
        faults.append(f"{rate:.0f} answers a second; {MOST_ANSWERS} may be")
    return faults
