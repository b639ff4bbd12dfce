"""Judges a history: each rule says what it has found against it.

Usage: python3 -m rules.check HISTORY     (in tests/cluster)
"""

import re
import sys
from typing import NamedTuple

from rules import history
from rules.story import Story, number, presence_faults

SLACK = 2.0  # seconds that an answer may be later than its deadline, on a busy machine
SHOWN, LONGEST = 8, 400  # of one rule; characters
TOO_LATE = 1.5  # times node_timeout: who has been cut off for so long knows it


class Found(NamedTuple):
    rule: str
    t: float
    text: str

    def __str__(self):
        return f"{self.rule}, at {self.t:.3f} s: {self.text}"


def differences(expected, found):
    lines = [f"{jid} is {found.get(jid)} and not {expected.get(jid)}" for jid in sorted(expected.keys() | found.keys())
             if expected.get(jid) != found.get(jid)]
    return "; ".join(lines[:3]) + (f"; and {len(lines) - 3} more" if len(lines) > 3 else "")


def ends_with_the_roster(story):
    """Every client ends with what the application says, as it was pushed and as the server has it."""
    held = {connection.client: connection for connection in story.connections}
    for client, user in story.begin["clients"].items():
        if client not in story.finals:
            yield story.over, f"{client} was not there at the end"
            continue
        expected = story.said[user][-1][1] if user in story.said else {}
        connection = held.get(client)
        pushed = connection.told[-1][1] if connection and connection.told else {}
        for how, found in (("as pushed", pushed), ("as asked", story.finals[client]["contacts"])):
            if found != expected:
                yield story.finals[client]["t"], f"{client} ends with another roster, {how}: {differences(expected, found)}"


def sees_who_is_there(story):
    """At the end contacts see each other's clients, and none that are gone."""
    there, rosters = {}, {user: said[-1][1] for user, said in story.said.items()}
    finals = {client: final for client, final in story.finals.items() if "jid" in final}
    for client, final in finals.items():
        there.setdefault(story.begin["clients"][client], set()).add(final["jid"])
    for client, final in finals.items():
        for fault in presence_faults(story.begin["clients"][client], set(final["seen"]), rosters, there):
            yield final["t"], f"{client}: {fault}"


def no_change_is_lost(story):
    """When a client has been told everything so far, its roster is one that the application said: all of it."""
    for connection in story.connections:
        for event, roster in connection.told:
            if event["event"] not in ("ready", "pong"):
                continue
            n, t = number(roster), event["t"]
            if not 1 <= n <= story.said_by(connection.user, t):
                yield t, f"{connection.client} has roster {n} of {connection.user}, which the application has not said"
            elif roster != (expected := story.said[connection.user][n - 1][1]):
                yield t, f"{connection.client} has roster {n} of {connection.user} in part: {differences(expected, roster)}"


def no_change_is_doubled(story):
    """A push says something new. (Who was cut off between the pushes of one version may be told them again at the next login.)"""
    for connection in story.connections:
        before, ready = {}, False
        for event, roster in connection.told:
            ready = ready or event["event"] == "ready"
            if event["event"] == "push" and ready and roster == before:
                yield event["t"], f"{connection.client} was pushed {event['jid']} again, as {event['contact']}"
            before = roster


def no_change_is_out_of_order(story):
    """What a client has does not get older while it is connected."""
    for connection in story.connections:
        newest = 0
        for event, roster in connection.told:
            n = number(roster)
            if event["event"] in ("push", "ready") and n < newest:
                yield event["t"], f"{connection.client} was told roster {n} of {connection.user} after {newest}"
            newest = n  # A roster get is answered with what there is: see the next rule.


def logins_have_what_was_confirmed(story):
    """Who logs in has at least what a refresh was answered ok for before that, but at a node that is cut off or stopped."""
    for connection in story.connections:
        needed = max((n for t, n in story.confirmed.get(connection.user, []) if t < connection.began), default=1)
        for event, roster in connection.told:
            if event["event"] == "ready" and number(roster) < needed and story.in_order(connection.node, connection.began, event["t"]):
                yield event["t"], (f"{connection.client} was given roster {number(roster)} of {connection.user} at {connection.node}, which was "
                                   f"in order, and {needed} had been confirmed")


def told_before_the_answer(story):
    """No refresh is answered "ok" before every client of its users had been pushed what the application said when it began. Not
    meant are clients that logged in meanwhile, or at a node that was killed, stopped, cut off or fenced meanwhile, and attached servers
    that are named in the answer. What counts is what came before the answer to a ping that was sent after that to the refresh."""
    for connection in story.connections:
        if connection.ready is None:
            continue
        for event, roster in connection.told:
            if event["event"] != "pong":
                continue
            refresh = story.refreshes[event["refresh"]]
            needed, answered = refresh.users[connection.user], refresh.answer["t"]
            if not refresh.confirmed or connection.ready >= refresh.began or not story.in_order(connection.node, refresh.began, answered):
                continue
            if number(roster) < needed and connection.client.partition("/")[0] not in refresh.answer["reply"].get("unconfirmed", []):
                yield answered, (f"refresh {refresh.id} at {refresh.node} was answered ok, and {connection.client} at {connection.node} had "
                                 f"roster {number(roster)} of {connection.user}, not {needed}")


def read_version(text):
    """The epoch and the number; None if it is not of that form."""
    found = re.fullmatch(r"(.*?)[^0-9a-zA-Z]?(\d+)", text or "")
    return (found[1], int(found[2])) if found else None


def versions_never_go_back(story):
    """Within an epoch, at one client."""
    newest = {}
    for connection in story.connections:
        for event, _ in connection.told:
            if event["event"] in ("roster", "push") and (version := read_version(event.get("version"))):
                one = connection.client, version[0]
                if version[1] < newest.get(one, 0):
                    yield event["t"], f"{connection.client} was given version {event['version']} after {newest[one]}"
                newest[one] = max(newest.get(one, 0), version[1])


def answered_in_time(story):
    """Each refresh is answered within its deadline, unless its node was killed or stopped."""
    limit = story.begin.get("request_timeout", 0) + SLACK
    for refresh in story.refreshes.values():
        answer = refresh.answer
        ended = answer["t"] if answer else story.over
        if story.fault_between(("kill", "stop", "restart"), refresh.node, refresh.began, ended):
            continue
        if answer is None:
            yield ended, f"refresh {refresh.id} at {refresh.node} was never answered"
        elif "error" in answer:
            yield ended, f"refresh {refresh.id} at {refresh.node}: {answer['error']}"
        elif ended - refresh.began > limit:
            yield ended, f"refresh {refresh.id} at {refresh.node} was answered after {ended - refresh.began:.1f} s"


def refused_as_promised(story):
    """A refresh is done, or refused with 503 and Retry-After. A node that knows that it is cut off does none."""
    long_enough = TOO_LATE * story.begin.get("node_timeout", 0)
    for refresh in story.refreshes.values():
        answer = refresh.answer
        if answer is None or "error" in answer:
            continue
        if answer["status"] not in (200, 503):
            yield answer["t"], f"refresh {refresh.id} at {refresh.node} was answered {answer['status']}"
        if answer["status"] == 503 and not re.fullmatch(r"\d+", answer.get("retry_after") or ""):
            yield answer["t"], f"refresh {refresh.id} at {refresh.node} was refused without Retry-After"
        cuts = story.faults.get(("cut", refresh.node), []) + story.faults.get(("engine-down", "all"), [])
        if answer["status"] == 200 and any(began + long_enough < refresh.began and answer["t"] < ended for began, ended in cuts):
            yield answer["t"], f"refresh {refresh.id} was answered 200 by {refresh.node}, which was cut off"


def only_its_own_connections_end(story):
    """A connection ends because its client leaves or its node is killed."""
    for connection in story.connections:
        if connection.end and connection.end["event"] == "lost":
            if not story.fault_between(("kill", "restart"), connection.node, connection.began, connection.ended):
                yield connection.ended, f"{connection.client} lost its connection to {connection.node}: {connection.end['why']}"


def logins_are_served(story):
    """Who comes to a node that is in order gets a roster, whatever is wrong with others."""
    for connection in story.connections:
        if connection.ready is None and connection.end and (why := connection.end.get("why")):
            if story.in_order(connection.node, connection.began, connection.ended):
                yield connection.ended, f"{connection.client} could not log in at {connection.node}, which was in order: {why}"


def messages_keep_their_order(story):
    """Of one sender a client has no message twice, and none after a later one."""
    latest, connections = {}, {}
    for event in story.events:
        if event["event"] == "login":
            connections[event["client"]] = event["connection"]
        elif event["event"] == "message":
            one = event["client"], connections[event["client"]], event["sender"]
            numbers = tuple(int(part) for part in event["text"].split())
            if numbers <= latest.get(one, ()):
                yield event["t"], f"{event['client']} was told message {numbers} of {event['sender']} after {latest[one]}"
            latest[one] = max(latest.get(one, ()), numbers)


def everything_is_confirmed(story):
    """Whoever asks again until it is ok gets there: what the application said last of each user was confirmed."""
    for user in story.said:
        confirmed = max((n for _, n in story.confirmed.get(user, [])), default=1)
        if confirmed < story.latest(user):
            yield story.over, f"roster {story.latest(user)} of {user} was never confirmed, only {confirmed}"


def it_has_an_end(story):
    """The run went on to its end, with refreshes."""
    if not story.events or story.events[-1]["event"] != "end":
        yield story.over, "the history has no end"
    if not any(refresh.confirmed for refresh in story.refreshes.values()):
        yield story.over, "no refresh was confirmed"


RULES = (ends_with_the_roster, sees_who_is_there, no_change_is_lost, no_change_is_doubled, no_change_is_out_of_order,
         logins_have_what_was_confirmed, told_before_the_answer, versions_never_go_back, answered_in_time, refused_as_promised,
         only_its_own_connections_end, logins_are_served, messages_keep_their_order, everything_is_confirmed, it_has_an_end)


def judge(events):
    story = Story(events)
    return [Found(rule.__name__.replace("_", " "), t, text) for rule in RULES for t, text in rule(story)]


def summary(events):
    """What the rules had to look at, for people."""
    story = Story(events)
    refreshes = list(story.refreshes.values())
    answered = sorted(one.answer["t"] - one.began for one in refreshes if one.confirmed)
    refused = sum(1 for one in refreshes if one.answer and one.answer.get("status") == 503)
    checked = sum(1 for connection in story.connections for event, _ in connection.told if event["event"] == "pong")
    pushes = sum(1 for event in events if event["event"] == "push")
    logins = sum(1 for connection in story.connections if connection.ready is not None)
    faults = sum(len(times) for times in story.faults.values())
    middle = f", {answered[len(answered) // 2] * 1000:.0f} ms at the median" if answered else ""
    messages = sum(1 for event in events if event["event"] == "message")
    return (f"{len(story.begin['clients'])} clients, {logins} logins, {faults} faults, {pushes} pushes, {messages} messages, {len(refreshes)} "
            f"refreshes: {len(answered)} confirmed{middle}, {refused} refused; {checked} times a client was asked what it had been told")


def report(events):
    """Prints what was found; whether it is nothing."""
    found = judge(events)
    for rule in RULES:
        of_rule = [one for one in found if one.rule == rule.__name__.replace("_", " ")]
        for one in of_rule[:SHOWN]:
            print(f"cluster: {str(one)[:LONGEST]}")
        if len(of_rule) > SHOWN:
            print(f"cluster: {of_rule[0].rule}: and {len(of_rule) - SHOWN} more")
    print(f"cluster: {summary(events)}; {len(found)} times a rule was broken", flush=True)
    return not found


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__.strip())
    sys.exit(0 if report(history.read(sys.argv[1])) else 1)
