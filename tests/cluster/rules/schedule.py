"""What goes wrong when: the same for the same seed."""

import random
from typing import NamedTuple

QUIET = 3.0  # seconds at the beginning without faults; at the end everything is well again


class Fault(NamedTuple):
    at: float
    kind: str
    target: str
    seconds: float

    def __str__(self):
        return f"{self.at:6.2f} s  {self.kind} {self.target}" + (f" for {self.seconds:.2f} s" if self.seconds else "")


# How often, and for how long: shorter and longer than it takes to be missed.
OF_HOSTS = {"kill": (4, 0.2, 4.0), "stop": (4, 0.1, 7.0), "cut": (3, 0.2, 8.0), "cut-link": (2, 0.2, 6.0), "swap": (3, 0, 0), "restart": (1, 0, 0)}
OF_ENGINE = {"kill-nats": (4, 0.2, 5.0), "stop-nats": (3, 0.2, 5.0), "cut-nats": (3, 0.2, 6.0), "engine-down": (1, 1.0, 6.0)}
PAUSE_OF_HOSTS, PAUSE_OF_ENGINE = (0.2, 3.0), (2.0, 7.0)


def lane(chance, seconds, kinds, targets, pause, first):
    """One fault after another."""
    t, found = first, []
    while True:
        t += chance.uniform(*pause)
        kind = chance.choices(list(kinds), [kinds[kind][0] for kind in kinds])[0]
        _, least, most = kinds[kind]
        # Mostly short ones, so that there are many.
        takes = round(least + (most - least) * chance.random() ** 2, 2)
        if t + takes > seconds:
            return found
        found.append(Fault(round(t, 2), kind, targets(kind), takes))
        t += takes


def schedule(seed, seconds, nodes, servers):
    """Of hosts at most two are out of order at once, of NATS servers one, but for `engine-down`, which is all of them."""
    chance = random.Random(seed)
    shuffled = list(nodes)

    def of_host(pool):
        def target(kind):
            node = chance.choice(pool)
            return f"{node}/{chance.choice(servers)}" if kind == "cut-link" and servers else node
        return target

    def of_engine(kind):
        if kind == "engine-down":
            return "all"
        return "/".join(sorted(chance.sample(servers, 2))) if kind == "cut-nats" else chance.choice(servers)

    kinds = {kind: how for kind, how in OF_HOSTS.items() if servers or "cut" not in kind}
    # Each lane has nodes of its own, so no node is in two faults at once.
    chance.shuffle(shuffled)
    half = max(1, len(shuffled) // 2)
    lanes = [lane(chance, seconds, kinds, of_host(pool), PAUSE_OF_HOSTS, QUIET) for pool in (shuffled[:half], shuffled[half:]) if pool]
    if servers:
        lanes.append(lane(chance, seconds, OF_ENGINE, of_engine, PAUSE_OF_ENGINE, QUIET))
    return sorted(fault for one in lanes for fault in one)
