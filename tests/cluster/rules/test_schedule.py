"""What chaos.py may do at once.

Usage: python3 -m unittest rules.test_schedule     (in tests/cluster)
"""

import unittest

from rules.schedule import OF_ENGINE, OF_HOSTS, QUIET, schedule

NODES, SERVERS = ["a", "b", "c"], ["nats-0", "nats-1", "nats-2"]


def overlapping(faults):
    return any(one.at + one.seconds > other.at for one, other in zip(faults, faults[1:]))


class Schedules(unittest.TestCase):
    def test_the_same_seed_is_the_same(self):
        self.assertEqual(schedule(7, 60, NODES, SERVERS), schedule(7, 60, NODES, SERVERS))
        self.assertNotEqual(schedule(7, 60, NODES, SERVERS), schedule(8, 60, NODES, SERVERS))

    def test_bounds(self):
        for seed in range(200):
            with self.subTest(seed):
                faults = schedule(seed, 60, NODES, SERVERS)
                self.assertTrue(all(QUIET <= fault.at and fault.at + fault.seconds <= 60 for fault in faults))
                engine = [fault for fault in faults if fault.kind in OF_ENGINE]
                self.assertFalse(overlapping(engine), "two faults of NATS servers at once")
                for node in NODES:
                    own = [fault for fault in faults if fault.kind in OF_HOSTS and fault.target.split("/")[0] == node]
                    self.assertFalse(overlapping(own), "a node in two faults at once")
                for fault in faults:
                    others = {one.target.split("/")[0] for one in faults if one.kind in OF_HOSTS
                              and one.at <= fault.at <= one.at + one.seconds}
                    self.assertLessEqual(len(others), 2)

    def test_every_kind_comes(self):
        found = {fault.kind for seed in range(40) for fault in schedule(seed, 60, NODES, SERVERS)}
        self.assertEqual(found, {*OF_HOSTS, *OF_ENGINE})

    def test_without_an_engine_nothing_is_cut(self):
        found = {fault.kind for seed in range(40) for fault in schedule(seed, 60, ["a"], [])}
        self.assertEqual(found, {"kill", "stop", "swap", "restart"})


if __name__ == "__main__":
    unittest.main()
