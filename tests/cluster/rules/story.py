"""A history, put in order for the rules of check.py: who was connected where, what was refreshed, which node was out of order when."""

import dataclasses

AFTER = 0.3  # seconds that a node has to find out that it was stopped or cut off
MARK = "mark@localhost"  # the contact whose name says for the how manieth time the application speaks
OUT_OF_ORDER = ("kill", "stop", "cut", "restart")  # the faults during which a node does not have to take part


@dataclasses.dataclass
class Connection:
    """One login of one client. `told`: what came, in order: (event, roster as it is after it)."""

    client: str
    user: str
    node: str
    began: float
    ready: float | None = None
    ended: float | None = None
    end: dict | None = None
    told: list = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class Refresh:
    id: int
    node: str
    users: dict
    began: float
    answer: dict | None = None

    @property
    def confirmed(self):
        """The application was told that all of them were updated."""
        reply = self.answer and self.answer.get("reply")
        return bool(reply) and self.answer["status"] == 200 and reply.get("errors") == 0 and reply.get("updated") == len(self.users)


def number(roster):
    """For the how manieth time the application spoke when it said this."""
    mark = roster.get(MARK)
    return int(mark["name"]) if mark else 0


def presence_faults(user, seen, rosters, there):
    """What a client of `user` should not see, or does not. `there`: {user: full JIDs}. Who has the other as a contact while the other has not is
    left to the endpoint's own tests."""
    faults = []
    for other, jids in there.items():
        has, is_had = f"{other}@localhost" in rosters[user], f"{user}@localhost" in rosters[other]
        if other == user or has and is_had:
            faults += [f"{jid} is there and is not seen" for jid in sorted(jids - seen)]
        elif not has and not is_had:
            faults += [f"{jid} is no contact and is seen" for jid in sorted(jids & seen)]
    everybody = set().union(*there.values())
    return faults + [f"{jid} is not there and is seen" for jid in sorted(seen - everybody)]


class Story:
    def __init__(self, events):
        self.events = events
        self.begin = next((event for event in events if event["event"] == "begin"), None) or {"nodes": [], "clients": {}}
        self.said, self.connections, self.refreshes, self.finals = {}, [], {}, {}
        self.faults = {}  # (kind, target): [(begin, end)]
        self.polls = {node: [] for node in self.begin["nodes"]}
        self.over = events[-1]["t"] if events else 0
        open_connections, rosters, open_faults = {}, {}, {}
        for event in events:
            kind, client = event["event"], event.get("client")
            if kind == "say":
                self.said.setdefault(event["user"], []).append((event["t"], event["contacts"]))
            elif kind == "refresh":
                self.refreshes[event["id"]] = Refresh(event["id"], event["node"], event["users"], event["t"])
            elif kind == "answer":
                self.refreshes[event["id"]].answer = event
            elif kind == "login":
                open_connections[client] = Connection(client, event["user"], event["node"], event["t"])
                self.connections.append(open_connections[client])
            elif kind in ("roster", "push", "ready", "pong"):
                connection = open_connections[client]
                if kind == "roster" and event.get("contacts") is not None:
                    rosters[client] = event["contacts"]
                elif kind == "push":
                    rosters[client] = {jid: one for jid, one in rosters.get(client, {}).items() if jid != event["jid"]}
                    if event["contact"] is not None:
                        rosters[client][event["jid"]] = event["contact"]
                elif kind == "ready":
                    connection.ready = event["t"]
                connection.told.append((event, rosters.get(client, {})))
            elif kind in ("left", "lost"):
                connection = open_connections.pop(client)
                connection.ended, connection.end = event["t"], event
            elif kind == "final":
                self.finals[client] = event
            elif kind == "node":
                self.polls[event["node"]].append((event["began"], event["t"], event["state"]))
            elif kind == "fault" and event["phase"] == "begin":
                open_faults.setdefault((event["kind"], event["target"]), []).append(event["t"])
            elif kind == "fault":
                one = event["kind"], event["target"]
                self.faults.setdefault(one, []).append((open_faults[one].pop(0), event["t"]))
        for one, begun in open_faults.items():
            self.faults.setdefault(one, []).extend((began, self.over) for began in begun)
        self.confirmed = {}  # user: [(when, n)]
        for refresh in self.refreshes.values():
            for user, n in refresh.users.items() if refresh.confirmed else ():
                self.confirmed.setdefault(user, []).append((refresh.answer["t"], n))
        self.out_of_order = {node: self._out_of_order(node) for node in self.polls}

    def _out_of_order(self, node):
        """When the node did not have to take part: a fault, until it has been seen well again; and when it said so itself."""
        polls, found = self.polls[node], []
        for kind in OUT_OF_ORDER:
            for began, ended in self.faults.get((kind, node), []):
                well = [answered for asked, answered, state in polls if asked >= ended + AFTER and state == "live"]
                found.append((began, well[0] if well else self.over))
        for place, (_, _, state) in enumerate(polls):
            if state != "live":
                before = polls[place - 1][0] if place else 0
                after = polls[place + 1][1] if place + 1 < len(polls) else self.over
                found.append((before, after))
        return found

    def in_order(self, node, began, ended):
        return not any(first <= ended and began <= last for first, last in self.out_of_order.get(node, []))

    def fault_between(self, kinds, target, began, ended):
        return any(first <= ended and began <= last for kind in kinds for first, last in self.faults.get((kind, target), []))

    def latest(self, user):
        return len(self.said.get(user, []))

    def said_by(self, user, t):
        """How often the application had spoken of the user."""
        return sum(1 for when, _ in self.said.get(user, []) if when <= t)
