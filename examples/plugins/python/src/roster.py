"""The application's JSON to contacts, and two lists of contacts to the changes between them."""

import json
import re

from wit_world.imports.xmpp_roster_types import Change_Put, Change_Remove, Contact, Subscription

import jid
from document import Malformed, Pairs, kind, parse

MOST_WARNINGS = 20
SUBSCRIPTIONS = {name: Subscription[name.upper()] for name in ("none", "to", "from", "both")}
# Control characters, and what XML cannot carry.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ufffe\uffff]")


class LeftOut(Exception):
    """A contact that cannot be kept."""


def decode(body, owner):
    """The contacts and the warnings. `owner` is the user's own JID. Raises Malformed."""
    value = parse(body)
    if not isinstance(value, list):
        raise Malformed(f"found {kind(value)}")
    if not isinstance(value, Pairs) and value:
        raise Malformed("found an array that is not empty")
    contacts, warnings = {}, []
    for key, entry in value:
        address = key
        try:
            address = jid.bare(key)
            if address == owner:
                raise LeftOut("it is the user")
            found = contact(address, entry, warnings)
            if address in contacts:
                warnings.append(f"contact {quoted(address)} is there twice; the last counts")
            contacts[address] = found
        except (LeftOut, jid.Invalid) as reason:
            warnings.append(f"left out the contact {quoted(address)}: {reason}")
    return list(contacts.values()), bounded(warnings)


def contact(address, entry, warnings):
    if not isinstance(entry, Pairs):
        raise LeftOut(f"it is {kind(entry)}; expected an object")
    fields = dict(entry)
    name, given = fields.get("name"), fields.get("groups", [])
    if name is not None and not isinstance(name, str):
        raise LeftOut(f"its name is {kind(name)}; expected a string")
    if CONTROL.search(name or ""):
        raise LeftOut("its name has a control character")
    if not isinstance(given, list):
        raise LeftOut(f"its groups are {kind(given)}; expected an object or an array of strings")
    groups = [group for group, _ in given] if isinstance(given, Pairs) else given
    for group in groups:
        if not isinstance(group, str):
            raise LeftOut(f"one of its groups is {kind(group)}; expected a string")
        if CONTROL.search(group):
            raise LeftOut("one of its groups has a control character")
    groups = dict.fromkeys(groups)
    subscription = fields.get("subscription", "both")
    known = SUBSCRIPTIONS.get(subscription) if isinstance(subscription, str) else None
    if known is None:
        warnings.append(f"contact {quoted(address)} has an unknown subscription; it counts as both")
    if "" in groups:
        del groups[""]
        warnings.append(f"contact {quoted(address)} has a group without a name, which is left out")
    return Contact(address, name, known or Subscription.BOTH, fields.get("ask") == "subscribe", list(groups))


def diff(before, after):
    """What turns `before` into `after`. The order of groups carries no meaning."""
    def content(one):
        return one.name, one.subscription, one.ask, sorted(one.groups)

    old = {one.jid: content(one) for one in before}
    changes = [Change_Put(one) for one in after if old.get(one.jid) != content(one)]
    gone = old.keys() - {one.jid for one in after}
    return changes + [Change_Remove(address) for address in sorted(gone)]


def quoted(text):
    return json.dumps(text if len(text) <= 64 else f"{text[:64]}…", ensure_ascii=False)


def bounded(warnings):
    more = len(warnings) - MOST_WARNINGS
    return warnings if more <= 0 else [*warnings[:MOST_WARNINGS], f"and {more} more"]
