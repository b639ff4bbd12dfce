"""Attacks by plugins, by whoever uploads one, and by callers who want to see a good plugin blamed."""

import json
import os
import signal
import threading
import time

from client import Http
from components import compile_bomb
from listeners import TOKEN
from observer import children


def second_host(hostile):
    """Another domain on the same host, whose plugin misbehaves."""
    return f"""
[[host]]
domain = "hostile.localhost"
plugin = "{hostile}"

[host.settings]
http_roster_url = "{{application}}/contacts/%s"

[host.client]
allow_origins = ["{{application}}"]
"""


def many_at_once(host, seconds, count, act):
    end = time.monotonic() + seconds

    def attack(n):
        while time.monotonic() < end:
            try:
                act(n)
            except (OSError, ValueError):
                time.sleep(0.05)

    threads = [threading.Thread(target=attack, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    time.sleep(max(0, end - time.monotonic()))


def spinning_calls(host, seconds):
    """All calls that one domain may make compute until their time is over."""
    def spin(n):
        http = Http(host.ports["http"], f"127.0.10.{1 + n}")
        http.request("POST", "http://hostile.localhost/roster_admin/refresh", b"loop!")

    many_at_once(host, seconds, 64, spin)


def hoarding_calls(host, seconds):
    """All calls that one domain may make take 24 MB and keep it for a while."""
    def hoard(n):
        http = Http(host.ports["admin"], f"127.0.11.{1 + n}")
        http.request("PUT", f"/sessions/hoarder-{n}?domain=hostile.localhost", headers=TOKEN)

    many_at_once(host, seconds, 64, hoard)


def large_requests(host, seconds):
    """Right after a swap, bodies as long as they may be: names without an end, one long name, blanks, nonsense."""
    admin = Http(host.ports["admin"])
    with open(os.environ["ABUSE_BUILT_IN"], "rb") as file:
        component = file.read()
    # Another digest, the same plugin: a custom section at its end.
    status, answer = admin.request("PUT", "/plugin", component + b"\x00\x05\x04note", [*TOKEN, "content-type: application/wasm"])
    if status != 200:
        return [f"the swap: {status} {answer[:200]}"]
    generation = json.loads(admin.request("GET", "/plugin", headers=TOKEN)[1])
    size = 4 << 20  # http.max_body
    bodies = [
        json.dumps([f"u{n}" for n in range(400_000)], separators=(",", ":")).encode()[:size],
        json.dumps([f"u{n}" for n in range(300_000)]).encode(),
        json.dumps(["u" * (size - 10)]).encode(),
        b"[" + b" " * (size - 2) + b"]",
        b"[" * size,
        b'["innocent"' + b',"innocent"' * 380_000 + b"]",
    ]
    faults, end = [], time.monotonic() + seconds
    while True:
        for body in bodies:
            status, answer = Http(host.ports["http"], "127.0.12.1").request("POST", "/roster_admin/refresh", body)
            if status not in (200, 400, 413):
                faults.append(f"{body[:12]!r}... of {len(body)} bytes: {status} {answer[:200]!r}")
        if time.monotonic() > end:
            break
    after = json.loads(admin.request("GET", "/plugin", headers=TOKEN)[1])
    if serving(after) != serving(generation):
        faults.append("a caller's bodies rolled the plugin back")
    return faults


def serving(answer):
    return answer["serves"]["generation"]


def hard_to_compile(host, seconds):
    """A component of 245 kB more than the built-in one that compiles for a minute and takes gigabytes."""
    with open(os.environ["ABUSE_BUILT_IN"], "rb") as file:
        built_in = file.read()
    admin, faults = Http(host.ports["admin"]), []
    status, answer = admin.request("PUT", "/plugin", built_in + b"\x00\x05\x04note", [*TOKEN, "content-type: application/wasm"])
    if status != 200:
        faults.append(f"the swap before: {status} {answer[:200]}")
    done = threading.Event()

    def upload():
        try:
            http = Http(host.ports["admin"], "127.0.13.1")
            status, answer = http.request("PUT", "/plugin", compile_bomb(built_in), [*TOKEN, "content-type: application/wasm"])
            if status == 200:
                faults.append("the component was taken")
            print(f"    the upload was answered {status} {answer[:300].decode(errors='replace')}", flush=True)
        except OSError as fault:
            print(f"    the upload was not answered: {fault}", flush=True)
        done.set()

    threading.Thread(target=upload, daemon=True).start()
    # How long it takes to reach a bound depends on the machine: the rollback is asked for as soon as it is being compiled.
    deadline = time.monotonic() + 20
    while not (compiling := children(host.pid)) and not done.is_set() and time.monotonic() < deadline:
        time.sleep(0.002)
    if not compiling:
        faults.append("the component was not seen being compiled: this proves nothing")
    began = time.monotonic()
    try:
        status, answer = Http(host.ports["admin"], "127.0.13.2").request("POST", "/plugin/rollback", headers=TOKEN)
        if status != 200:
            faults.append(f"the rollback: {status} {answer[:200]!r}")
        print(f"    the rollback took {(time.monotonic() - began) * 1000:.0f} ms", flush=True)
    except OSError as fault:
        faults.append(f"the rollback: {fault} after {time.monotonic() - began:.1f} s")
    done.wait(timeout=seconds)
    return faults


def device_in_the_place_of_a_file(host, seconds):
    """The watched file becomes a link to a device that never ends."""
    path = os.path.join(host.folder, "plugin.wasm")
    os.symlink("/dev/zero", path + ".new")
    os.rename(path + ".new", path)
    time.sleep(min(seconds, 5))
    os.kill(host.pid, signal.SIGHUP)
    time.sleep(min(seconds, 3))
    return []
