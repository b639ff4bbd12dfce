"""Attacks on the HTTP listeners, and by the application on the HTTP client."""

import threading
import time

from client import PREFACE, Http, connect, frame, post_head, send_all
from observer import status

TOKEN = ["authorization: Bearer operator"]
SIXTY_FOUR = 64  # refresh requests worked on at once, by default


def slow_bodies(host, seconds):
    """More requests than are worked on at once announce bodies, and send a byte now and then."""
    head = b"POST /roster_admin/refresh HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5000000\r\n\r\n["
    streams = [connect(host.ports["http"], f"127.0.2.{1 + n % 20}") for n in range(3 * SIXTY_FOUR)]
    for stream in streams:
        send_all(stream, head, 1)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for stream in streams:
            send_all(stream, b" ", 0.1)
        time.sleep(0.5)
    for stream in streams:
        stream.close()


def idle_connections(host, seconds):
    """More connections than there may be, and nothing sent."""
    streams, end = [], time.monotonic() + seconds
    for n in range(1500):
        try:
            streams.append(connect(host.ports["http"], f"127.0.{3 + n // 200}.{1 + n % 200}", timeout=1))
        except OSError:
            break
    faults, stranger = [], Http(host.ports["http"], "127.0.0.77")
    for _ in range(20):
        fine, answer = stranger.refresh(["innocent"])
        if not fine:
            faults.append(f"who comes while all connections are taken: {answer}")
        stranger.close()
    time.sleep(max(0, end - time.monotonic()))
    for stream in streams:
        stream.close()
    return faults


def http2(host, seconds, connections, frames):
    """Sends the frames again and again, and reads what comes."""
    end = time.monotonic() + seconds

    def attack(n):
        while time.monotonic() < end:
            try:
                stream = connect(host.ports["http"], f"127.0.4.{1 + n}")
                stream.sendall(PREFACE)
                number = 1
                while time.monotonic() < end:
                    data, number = frames(number)
                    if send_all(stream, data, 1) < len(data):
                        break
                    stream.settimeout(0.001)
                    try:
                        while stream.recv(1 << 16):
                            pass
                        break
                    except TimeoutError:
                        pass
            except OSError:
                time.sleep(0.05)
            finally:
                stream.close()

    threads = [threading.Thread(target=attack, args=(n,), daemon=True) for n in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def http2_pings(host, seconds):
    """PING frames, each of which wants an answer."""
    pings = frame(6, 0, 0, b"12345678") * 2000
    http2(host, seconds, 4, lambda number: (pings, number))


def http2_settings(host, seconds):
    """SETTINGS frames, each of which wants an acknowledgement."""
    settings = frame(4, 0, 0) * 4000
    http2(host, seconds, 4, lambda number: (settings, number))


def http2_resets(host, seconds):
    """Requests that are taken back at once (rapid reset)."""
    def requests(number):
        if number > 1 << 29:
            raise OSError("no more numbers")
        data = b"".join(post_head(number + 2 * n, 10) + frame(3, 0, number + 2 * n, b"\0\0\0\x08") for n in range(500))
        return data, number + 1000
    http2(host, seconds, 4, requests)


def http2_streams(host, seconds):
    """Hundreds of requests on each connection whose bodies never come."""
    end, streams = time.monotonic() + seconds, []
    for n in range(20):
        stream = connect(host.ports["http"], f"127.0.5.{1 + n}")
        send_all(stream, PREFACE + b"".join(post_head(1 + 2 * m, 5_000_000) for m in range(300)), 1)
        streams.append(stream)
    time.sleep(max(0, end - time.monotonic()))
    for stream in streams:
        stream.close()


def large_bodies(host, seconds):
    """Bodies as long as they may be, from many addresses, kept one byte short of their end."""
    size = 4 << 20  # http.max_body
    head = b"POST /roster_admin/refresh HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % size
    end, streams = time.monotonic() + seconds, []
    for n in range(100):
        stream = connect(host.ports["http"], f"127.0.6.{1 + n}")
        send_all(stream, head + b" " * (size - 1), 1)
        streams.append(stream)
    time.sleep(max(0, end - time.monotonic()))
    for stream in streams:
        stream.close()


def refresh_in_parallel(host, seconds, users):
    """Connects these users and asks for refreshes of each; what is open when the attack is over is left alone."""
    end = time.monotonic() + seconds

    def attack(n):
        source = f"127.0.7.{1 + n}"
        while time.monotonic() < end:
            try:
                # Only who is connected is asked for. A first fetch that fails leaves the session.
                Http(host.ports["admin"], source).request("PUT", f"/sessions/{users[n]}", headers=TOKEN)
                Http(host.ports["http"], source).refresh([users[n]])
            except OSError:
                time.sleep(0.05)

    threads = [threading.Thread(target=attack, args=(n,), daemon=True) for n in range(len(users))]
    for thread in threads:
        thread.start()
    time.sleep(max(0, end - time.monotonic()))


def informational_answers(host, seconds):
    """The application answers 103 without an end."""
    refresh_in_parallel(host, seconds, [f"informational-{n}" for n in range(8)])


def one_byte_chunks(host, seconds):
    """The application sends each byte as a chunk of its own."""
    refresh_in_parallel(host, seconds, [f"bytes-{n}" for n in range(4)])


def large_answers(host, seconds):
    """The application answers many requests at once with 5 MB each."""
    refresh_in_parallel(host, seconds, [f"large-{n}" for n in range(40)])


def burst(host, seconds):
    """A burst of large rosters whose users leave at once: afterwards the host gives the memory back."""
    before = status(host.pid, "VmRSS")

    def visit(first):
        http = Http(host.ports["admin"], f"127.0.14.{1 + first}")
        for n in range(first, 60, 4):
            assert http.request("PUT", f"/sessions/large-{n}", headers=TOKEN)[0] == 200
        for n in range(first, 60, 4):
            assert http.request("DELETE", f"/sessions/large-{n}", headers=TOKEN)[0] == 204

    threads = [threading.Thread(target=visit, args=(first,), daemon=True) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    peak, end = status(host.pid, "VmRSS"), time.monotonic() + 20
    while (now := status(host.pid, "VmRSS")) > before + (40 << 20) and time.monotonic() < end:
        time.sleep(0.2)
    print(f"    {before >> 20} MiB before, {peak >> 20} at the end of it, {now >> 20} after {20 - (end - time.monotonic()):.0f} s", flush=True)
    return [] if now <= before + (40 << 20) else [f"20 s after the burst there are {(now - before) >> 20} MiB more than before; 40 may be"]
