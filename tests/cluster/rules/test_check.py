"""Each rule of check.py finds what it is for, and nothing in a history that keeps the promises.

Usage: python3 -m unittest rules.test_check     (in tests/cluster)
"""

import copy
import unittest

from rules import check


def roster(n, **others):
    return {"mark@localhost": {"name": str(n)}, **{f"{jid}@localhost": {"name": name} for jid, name in others.items()}}


def good():
    """Two clients of john at two nodes and one of marie; two refreshes; a node is killed and its client comes back elsewhere."""
    one, two, three = roster(1), roster(2, aaron="Aaron"), roster(3, aaron="Aaron")
    events, t = [], 0.0

    def add(event, **fields):
        nonlocal t
        t = round(t + 0.5, 3)
        events.append({"t": t, "event": event, **fields})

    def came(client, user, node, connection, contacts, version):
        add("login", client=client, user=user, node=node, connection=connection)
        add("roster", client=client, contacts=contacts, version=version)
        add("ready", client=client)

    def pushed(client, jid, name, version):
        add("push", client=client, jid=f"{jid}@localhost", contact={"name": name}, version=version)

    def nodes():
        for node in "abc":
            add("node", node=node, state="live", began=t)

    add("begin", seed=1, nodes=["a", "b", "c"], clients={"john-1": "john", "john-2": "john", "marie-1": "marie"}, node_timeout=2.0,
        request_timeout=5.0)
    add("say", user="john", n=1, contacts=one)
    add("say", user="marie", n=1, contacts=one)
    came("john-1", "john", "a", 1, one, "x-1")
    came("john-2", "john", "b", 1, one, "y-1")
    came("marie-1", "marie", "c", 1, one, "z-1")
    nodes()
    add("say", user="john", n=2, contacts=two)
    add("refresh", id=1, node="c", users={"john": 2})
    for client, epoch in (("john-1", "x"), ("john-2", "y")):
        pushed(client, "aaron", "Aaron", None)
        pushed(client, "mark", "2", f"{epoch}-2")
    for n in (1, 2):
        add("message", client="john-1", sender="marie@localhost/marie-1", text=f"1 {n}")
    add("answer", id=1, status=200, reply={"status": "ok", "updated": 1, "errors": 0}, retry_after=None)
    add("pong", client="john-1", refresh=1)
    add("pong", client="john-2", refresh=1)
    add("fault", kind="kill", target="b", phase="begin")
    add("lost", client="john-2", why="closed")
    add("say", user="john", n=3, contacts=three)
    add("refresh", id=2, node="b", users={"john": 3})
    add("answer", id=2, error="refused")
    add("refresh", id=3, node="c", users={"john": 3})
    add("answer", id=3, status=503, reply={"status": "error"}, retry_after="1")
    add("login", client="john-2", user="john", node="a", connection=2)
    add("roster", client="john-2", contacts=two, version="x-2")
    add("ready", client="john-2")
    add("refresh", id=4, node="c", users={"john": 3})
    pushed("john-1", "mark", "3", "x-3")
    pushed("john-2", "mark", "3", "x-3")
    add("answer", id=4, status=200, reply={"status": "ok", "updated": 1, "errors": 0}, retry_after=None)
    add("pong", client="john-1", refresh=4)
    add("pong", client="john-2", refresh=4)
    add("fault", kind="kill", target="b", phase="end")
    nodes()
    for client, contacts in (("john-1", three), ("john-2", three), ("marie-1", one)):
        jid = f"{client.partition('-')[0]}@localhost/{client}"
        own = [f"john@localhost/john-{n}" for n in (1, 2)]
        add("final", client=client, contacts=contacts, jid=jid, seen=own if client.startswith("john") else [jid])
    add("end")
    return events


def place(events, event, **fields):
    """Of the first event like that."""
    return next(n for n, one in enumerate(events) if one["event"] == event and all(one.get(k) == v for k, v in fields.items()))


def change(events, event, like, **fields):
    events[place(events, event, **like)].update(fields)


def drop(events, event, **like):
    del events[place(events, event, **like)]


def add(events, before, event, **fields):
    """Before the first event `before`, which is its place."""
    events.insert(before, {"t": events[before]["t"], "event": event, **fields})


def swap(events, one, other):
    events[one], events[other] = events[other], events[one]
    events[one]["t"], events[other]["t"] = events[other]["t"], events[one]["t"]


# What is done to a good history, and the rule that has to find it.
def another_roster_at_the_end(events):
    change(events, "final", {"client": "marie-1"}, contacts=roster(1, stranger="Stranger"))


def a_client_that_never_came_back(events):
    drop(events, "final", client="john-2")


def an_own_client_not_seen(events):
    change(events, "final", {"client": "john-2"}, seen=["john@localhost/john-2"])


def a_contact_not_seen(events):
    """john and marie have each other."""
    for event in events:
        if event["event"] in ("say", "roster", "final"):
            event["contacts"] = {**event["contacts"], "john@localhost": {"name": "John"}, "marie@localhost": {"name": "Marie"}}


def a_stranger_seen(events):
    events[place(events, "final", client="marie-1")]["seen"].append("john@localhost/john-1")


def a_ghost_seen(events):
    events[place(events, "final", client="marie-1")]["seen"].append("marie@localhost/killed")


def the_last_push_missing_and_unseen(events):
    drop(events, "push", client="john-1", version="x-3")
    drop(events, "pong", client="john-1", refresh=4)


def one_change_of_two_missing(events):
    drop(events, "push", client="john-1", jid="aaron@localhost")


def a_roster_that_nobody_said(events):
    change(events, "roster", {"client": "marie-1"}, contacts=roster(9))


def a_push_twice(events):
    add(events, place(events, "pong", client="john-1", refresh=1), "push", client="john-1", jid="aaron@localhost",
        contact={"name": "Aaron"}, version="x-2")


def an_older_push_after_a_newer(events):
    add(events, place(events, "pong", client="john-1", refresh=4), "push", client="john-1", jid="mark@localhost", contact={"name": "2"},
        version="x-3")


def an_older_roster_at_a_node_in_order(events):
    change(events, "roster", {"client": "john-2", "version": "x-2"}, contacts=roster(1), version="x-1")


def a_push_after_the_answer(events):
    push = events.pop(place(events, "push", client="john-2", jid="mark@localhost", version="y-2"))
    after = place(events, "pong", client="john-2", refresh=1)
    events.insert(after + 1, {**push, "t": events[after]["t"]})


def an_ok_without_a_push(events):
    for jid in ("aaron@localhost", "mark@localhost"):
        drop(events, "push", client="john-2", jid=jid)


def an_ok_without_an_attached_server(events):
    an_ok_without_a_push(events)
    events[0]["clients"] = {client if client != "john-2" else "attached-b/john": user for client, user in events[0]["clients"].items()}
    for event in events:
        if event.get("client") == "john-2":
            event["client"] = "attached-b/john"


def an_ok_while_another_node_is_out(events):
    drop(events, "push", client="john-1", version="x-3")
    add(events, place(events, "refresh", id=4), "node", node="b", state="fenced", began=1.0)


def a_version_that_goes_back(events):
    change(events, "push", {"client": "john-1", "version": "x-3"}, version="x-1")


def a_version_that_goes_back_at_a_login(events):
    change(events, "roster", {"client": "john-2", "version": "x-2"}, version="y-1")


def an_answer_too_late(events):
    change(events, "answer", {"id": 1}, t=events[place(events, "refresh", id=1)]["t"] + 8)


def no_answer(events):
    drop(events, "answer", id=3)


def no_answer_of_a_node_in_order(events):
    change(events, "refresh", {"id": 2}, node="a")


def a_refusal_without_retry_after(events):
    change(events, "answer", {"id": 3}, retry_after=None)


def another_status(events):
    change(events, "answer", {"id": 3}, status=500)


def a_refresh_done_by_a_node_cut_off(events):
    add(events, 1, "fault", kind="cut", target="c", phase="begin")
    add(events, place(events, "final", client="john-1"), "fault", kind="cut", target="c", phase="end")


def a_connection_of_another_node_lost(events):
    add(events, place(events, "say", n=3), "lost", client="marie-1", why="closed")


def a_connection_lost_before_the_kill(events):
    swap(events, place(events, "fault", phase="begin"), place(events, "lost"))


def a_login_refused(events):
    ready = place(events, "ready", client="marie-1")
    events[ready] = {"t": events[ready]["t"], "event": "left", "client": "marie-1", "why": "Refused"}
    add(events, ready + 1, "login", client="marie-1", user="marie", node="b", connection=2)
    add(events, ready + 2, "roster", client="marie-1", contacts=roster(1), version="y-1")
    add(events, ready + 3, "ready", client="marie-1")


def a_message_twice(events):
    change(events, "message", {"text": "1 2"}, text="1 1")


def messages_out_of_order(events):
    change(events, "message", {"text": "1 1"}, text="1 3")


def never_confirmed(events):
    change(events, "answer", {"id": 4}, reply={"status": "ok", "updated": 1, "errors": 1})


def a_user_not_counted(events):
    change(events, "answer", {"id": 4}, reply={"status": "ok", "updated": 0, "errors": 0})


def no_end(events):
    drop(events, "end")


BROKEN = [
    (another_roster_at_the_end, "ends with the roster"),
    (a_client_that_never_came_back, "ends with the roster"),
    (an_own_client_not_seen, "sees who is there"),
    (a_contact_not_seen, "sees who is there"),
    (a_stranger_seen, "sees who is there"),
    (a_ghost_seen, "sees who is there"),
    (the_last_push_missing_and_unseen, "ends with the roster"),
    (one_change_of_two_missing, "no change is lost"),
    (a_roster_that_nobody_said, "no change is lost"),
    (a_push_twice, "no change is doubled"),
    (an_older_push_after_a_newer, "no change is out of order"),
    (an_older_roster_at_a_node_in_order, "logins have what was confirmed"),
    (a_push_after_the_answer, "told before the answer"),
    (an_ok_without_a_push, "told before the answer"),
    (an_ok_without_an_attached_server, "told before the answer"),
    (an_ok_while_another_node_is_out, "told before the answer"),
    (a_version_that_goes_back, "versions never go back"),
    (a_version_that_goes_back_at_a_login, "versions never go back"),
    (an_answer_too_late, "answered in time"),
    (no_answer, "answered in time"),
    (no_answer_of_a_node_in_order, "answered in time"),
    (a_refusal_without_retry_after, "refused as promised"),
    (another_status, "refused as promised"),
    (a_refresh_done_by_a_node_cut_off, "refused as promised"),
    (a_connection_of_another_node_lost, "only its own connections end"),
    (a_connection_lost_before_the_kill, "only its own connections end"),
    (a_login_refused, "logins are served"),
    (a_message_twice, "messages keep their order"),
    (messages_out_of_order, "messages keep their order"),
    (never_confirmed, "everything is confirmed"),
    (a_user_not_counted, "everything is confirmed"),
    (no_end, "it has an end"),
]


# What is not held against a node, because it was out of order: nothing of `rule` is found.
def not_told_at_a_node_that_was_stopped(events):
    an_ok_without_a_push(events)
    add(events, place(events, "refresh", id=1), "fault", kind="stop", target="b", phase="begin")
    add(events, place(events, "answer", id=1), "fault", kind="stop", target="b", phase="end")


def not_told_at_a_node_that_was_fenced(events):
    an_ok_without_a_push(events)
    add(events, place(events, "refresh", id=1), "node", node="b", state="fenced", began=events[place(events, "refresh", id=1)]["t"])


def not_told_at_an_attached_server_that_is_named(events):
    an_ok_without_an_attached_server(events)
    events[place(events, "answer", id=1)]["reply"]["unconfirmed"] = ["attached-b"]


def not_told_who_came_meanwhile(events):
    an_ok_without_a_push(events)
    ready = place(events, "ready", client="john-2")
    events.insert(place(events, "answer", id=1), {**events.pop(ready), "t": events[place(events, "answer", id=1)]["t"]})


def older_at_a_node_that_was_cut_off(events):
    an_older_roster_at_a_node_in_order(events)
    add(events, place(events, "login", connection=2), "fault", kind="cut", target="a", phase="begin")
    add(events, place(events, "refresh", id=4), "fault", kind="cut", target="a", phase="end")


def a_login_refused_by_a_node_that_was_killed(events):
    a_login_refused(events)
    add(events, place(events, "login", client="marie-1"), "fault", kind="kill", target="c", phase="begin")
    add(events, place(events, "say", n=2), "fault", kind="kill", target="c", phase="end")


def older_than_what_is_not_confirmed_yet(events):
    an_older_roster_at_a_node_in_order(events)
    change(events, "answer", {"id": 1}, reply={"status": "ok", "updated": 0, "errors": 1})


EXCUSED = [
    (a_login_refused_by_a_node_that_was_killed, "logins are served"),
    (not_told_at_a_node_that_was_stopped, "told before the answer"),
    (not_told_at_a_node_that_was_fenced, "told before the answer"),
    (not_told_at_an_attached_server_that_is_named, "told before the answer"),
    (not_told_who_came_meanwhile, "told before the answer"),
    (older_at_a_node_that_was_cut_off, "logins have what was confirmed"),
    (older_than_what_is_not_confirmed_yet, "logins have what was confirmed"),
]


class Rules(unittest.TestCase):
    def test_a_good_history_is_good(self):
        self.assertEqual(check.judge(good()), [])

    def test_each_fault_is_found(self):
        for broken, rule in BROKEN:
            with self.subTest(broken.__name__):
                events = copy.deepcopy(good())
                broken(events)
                self.assertIn(rule, {found.rule for found in check.judge(events)})

    def test_each_rule_is_tried(self):
        self.assertEqual({rule for _, rule in BROKEN}, {rule.__name__.replace("_", " ") for rule in check.RULES})

    def test_what_is_excused_is_not_held_against_a_node(self):
        for excused, rule in EXCUSED:
            with self.subTest(excused.__name__):
                events = copy.deepcopy(good())
                excused(events)
                self.assertEqual([found for found in check.judge(events) if found.rule == rule], [])

    def test_an_empty_history_is_not_good(self):
        self.assertTrue(check.judge([]))


if __name__ == "__main__":
    unittest.main()
