"""Attacks on a running host, each with a bound: what it may take of memory, and how long those who behave may wait meanwhile.

Usage: run.py [--built-in FILE] [--hostile FILE] [--long] [--table] [--only ATTACK] PROGRAM

PROGRAM     roster-host
--built-in  the built-in plugin's component, --hostile the test plugin that misbehaves: without them attacks that need them
            are "not tried"
--long      each attack lasts half a minute instead of a few seconds
--only      this attack; can be given several times
--table     the result as a table in Markdown
"""

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
from typing import Callable, NamedTuple

import decoys
import endpoint
import listeners
import outputs
import plugins
import whole_requests
from host import PASSWORD, Host, prepare
from observer import Observer

MIB = 1 << 20


class Attack(NamedTuple):
    run: Callable
    memory: int = 64  # MiB more than before, at most
    ping: float = 0.5  # seconds for 99 of 100 pings of who behaves, and for refreshes
    refresh: float = 1.0
    short: float = 4  # seconds
    # Refreshes that run may finish: limits.call_timeout is 20 s.
    end: float = 25  # seconds from SIGTERM to exit code 0
    needs: str = ""  # built-in, hostile
    setup: dict = {}  # of the host
    pipe: bool = False  # with a pipe in its folder that nobody reads

    @property
    def name(self):
        return self.run.__name__.replace("_", "-")


# The budget of the endpoint is 64 MiB in these hosts.
BUDGET = 64 + 40

ATTACKS = [
    Attack(endpoint.long_namespace_names, memory=BUDGET),
    Attack(endpoint.unread_websocket_pings),
    Attack(endpoint.empty_websocket_frames),
    Attack(endpoint.tiny_elements_to_sleepers, memory=BUDGET),
    Attack(endpoint.unread_roster_gets, memory=BUDGET),
    Attack(endpoint.parallel_guesses),
    Attack(decoys.unknown_names, setup={"more": decoys.SECOND_DOMAIN}),
    Attack(endpoint.half_handshakes),
    Attack(endpoint.floods_of_connections),
    Attack(endpoint.thousands_for_a_sleeper),
    Attack(listeners.slow_bodies),
    Attack(listeners.idle_connections),
    Attack(listeners.http2_pings),
    Attack(listeners.http2_settings),
    Attack(listeners.http2_resets),
    Attack(listeners.http2_streams),
    Attack(whole_requests.cheap_requests),
    Attack(listeners.large_bodies, memory=160),
    Attack(listeners.informational_answers),
    Attack(listeners.one_byte_chunks),
    # What takes so long is the application, which is one thread of Python.
    Attack(listeners.large_answers, memory=400, refresh=5,
           setup={"top": 'limits.total_memory = "128MiB"', "store": 'max_bytes = "64MiB"\ngrace = "0s"\nstale_if_error = "0s"'}),
    Attack(listeners.burst, memory=500, short=60, setup={"store": 'grace = "0s"\nstale_if_error = "0s"'}),
    Attack(outputs.unread_events, memory=160),
    Attack(outputs.stuck_outputs, end=8, setup={"more": outputs.EVENTS_TO_STANDARD_OUTPUT, "stuck": True}),
    Attack(outputs.hostile_texts, needs="built-in", memory=128),
    Attack(outputs.stuck_pipe, end=8, setup={"more": outputs.EVENTS_TO_PIPE}, pipe=True),
    Attack(plugins.spinning_calls, needs="hostile"),
    Attack(plugins.hoarding_calls, needs="hostile", memory=200, setup={"top": 'limits.total_memory = "128MiB"'}),
    Attack(plugins.large_requests, needs="built-in", memory=256, setup={"plugin": 'plugin = "plugin.wasm"'}),
    Attack(plugins.hard_to_compile, needs="built-in", memory=128, short=60, setup={"plugin": 'plugin = "plugin.wasm"'}),
    Attack(plugins.device_in_the_place_of_a_file, needs="built-in", setup={"plugin": 'plugin = "plugin.wasm"'}),
]


def attacking(attack, host, seconds, pipe):
    # Attackers have machines of their own; here they must not take the host's.
    os.nice(10)
    try:
        pipe.send(attack.run(host, seconds) or [])
    except BaseException:
        pipe.send([traceback.format_exc()])


def tried(attack, arguments, folder):
    """What was seen, and what was wrong with it."""
    setup = dict(attack.setup)
    if "plugin" in setup:
        path = os.path.join(folder, "plugin.wasm")
        if os.path.lexists(path):
            os.remove(path)
        shutil.copy(arguments.built_in, path)
    if attack.needs == "hostile":
        setup["more"] = plugins.second_host(arguments.hostile)
    with_pipe = outputs.full_pipe(folder) if attack.pipe else None
    host = Host(arguments.program, folder, **setup)
    try:
        observer = Observer(host.pid, host.ports, PASSWORD)
        seconds = max(30, attack.short) if arguments.long else attack.short
        ours, theirs = multiprocessing.Pipe()
        attacker = multiprocessing.Process(target=attacking, args=(attack, host, seconds, theirs), daemon=True)
        attacker.start()
        faults = ours.recv() if ours.poll(seconds + 90) else ["the attack did not end"]
        attacker.kill()
        attacker.join()
        seen = observer.end()
        faults += [f"{len(seen['faults'])} of who behaves, such as {seen['faults'][0]}"] if seen["faults"] else []
        grown = (seen["peak"] - seen["before"]) / MIB
        if grown > attack.memory:
            faults.append(f"{grown:.0f} MiB more than before; {attack.memory} may be")
        for what in ("ping", "refresh"):
            if seen[what] > getattr(attack, what):
                faults.append(f"{what}s took {seen[what] * 1000:.0f} ms; {getattr(attack, what) * 1000:.0f} may be")
        if not seen["pings"] or not seen["refreshes"]:
            faults.append("nobody behaved: this proves nothing")
    finally:
        asked = time.monotonic()
        code = host.close()
        if with_pipe:
            os.close(with_pipe)
    took = time.monotonic() - asked
    if code != 0 or took > attack.end:
        faults.append(f"the host ended with {code} after {took:.1f} s")
    faults += [f"the log has {line[:300]!r}" for line in host.log if outputs.does_something(line)][:1]
    if faults:
        told = [line for line in host.log if '"level":"INFO"' not in line]
        print("--- the last warnings in the host's log:\n" + "".join(line[:400].rstrip() + "\n" for line in told[-5:]), file=sys.stderr)
    return seen, faults


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=os.path.abspath)
    parser.add_argument("--built-in", type=os.path.abspath)
    parser.add_argument("--hostile", type=os.path.abspath)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--table", action="store_true")
    parser.add_argument("--only", dest="attacks", action="append", default=[])
    arguments = parser.parse_args()
    names = {attack.name: attack for attack in ATTACKS}
    for name in arguments.attacks:
        if name not in names:
            sys.exit(f"abuse: no attack is called {name}; there are {', '.join(names)}")
    os.environ["ABUSE_BUILT_IN"] = arguments.built_in or ""
    rows, failed = [], []
    for name in arguments.attacks or names:
        attack = names[name]
        if attack.needs and not getattr(arguments, attack.needs.replace("-", "_")):
            print(f"{name}: not tried; it needs --{attack.needs}", flush=True)
            continue
        # Each has files of its own: one may leave them broken.
        with tempfile.TemporaryDirectory() as folder:
            prepare(arguments.program, folder)
            seen, faults = tried(attack, arguments, folder)
        verdict = "; ".join(faults) or "within its bounds"
        compiler = f", compiler {seen['compiler'] / MIB:.0f} MiB" if seen["compiler"] else ""
        print(f"{name}: peak {seen['peak'] / MIB:.0f} MiB ({(seen['peak'] - seen['before']) / MIB:+.0f}){compiler}, CPU {seen['cpu']:.2f}, "
              f"ping {seen['ping'] * 1000:.1f} ms, refresh {seen['refresh'] * 1000:.1f} ms: {verdict}", flush=True)
        rows.append((attack, seen, faults))
        failed += [name] if faults else []
    if arguments.table:
        print("\n| Attack | Memory, bound | p99 of a ping, bound | p99 of a refresh, bound |\n|---|---|---|---|")
        for attack, seen, _ in rows:
            print(f"| {attack.run.__doc__} | +{(seen['peak'] - seen['before']) / MIB:.0f} MiB, {attack.memory} | "
                  f"{seen['ping'] * 1000:.1f} ms, {attack.ping * 1000:.0f} | {seen['refresh'] * 1000:.1f} ms, {attack.refresh * 1000:.0f} |")
    if failed:
        sys.exit(f"abuse: FAILED: {', '.join(failed)}")


if __name__ == "__main__":
    main()
