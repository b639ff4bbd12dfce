"""The application's JSON to contacts."""

import json
import re

from wit_world.imports.types import Contact, Subscription

import jid
from document import Malformed, Pairs, kind, parse, whole

MOST_WARNINGS = 20
SUBSCRIPTIONS = {name: Subscription[name.upper()] for name in ("none", "to", "from", "both")}
# What no name can have: control characters and line separators, and what XML cannot carry.
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
NOT_XML = re.compile("[\ufffe\uffff]")
UNFIT = "has characters that no name can have (control characters, halves of surrogate pairs); they are replaced"


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
        address = whole(key)
        try:
            address = jid.bare(address)
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
    """What cannot be used of a contact costs that, with one warning for each field, and not the contact."""
    def odd(what):
        warnings.append(f"contact {quoted(address)}: {what}")

    if entry is None:
        odd("it is null; expected an object; it counts as {}")
        entry = []
    if not isinstance(entry, list):
        raise LeftOut(f"it is {kind(entry)}; expected an object")
    if not isinstance(entry, Pairs) and entry:
        odd("it is an array that is not empty; expected an object; it has no fields and its subscription is none")
        entry = [("subscription", "none")]
    fields = dict(entry)
    ask = fields.get("ask")
    if not isinstance(ask, str | None):
        odd(f"its ask is {kind(ask)}; it is left out")
    name = read_name(fields.get("name"), odd)
    groups = read_groups(fields.get("groups", []), odd)
    return Contact(address, name, read_subscription(fields.get("subscription"), odd), ask == "subscribe", groups)


def read_name(name, odd):
    if name is not None and not isinstance(name, str):
        odd(f"its name is {kind(name)}; expected a string; it has no name now")
        return None
    if name is None or (fit := mended(name)) == name:
        return name
    odd(f"its name {UNFIT}")
    return fit


def read_groups(given, odd):
    if not isinstance(given, list):
        odd(f"its groups are {kind(given)}; expected an array of strings or an object; it has no groups now")
        return []
    faults, groups = [], {}
    names = [group for group, _ in given] if isinstance(given, Pairs) else given
    if isinstance(given, Pairs) and any(re.fullmatch("[0-9]+", name) for name in names):
        faults.append("one of its groups has a number for a name; if the values are the names, send an array of strings")
    for group in names:
        if not isinstance(group, str):
            faults.append(f"one of its groups is {kind(group)}; that group is left out")
        elif not group:
            faults.append("one of its groups has no name; that group is left out")
        else:
            groups[mended(group)] = True
            if mended(group) != group:
                faults.append(f"one of its groups {UNFIT}")
    if faults:
        odd(faults[0])
    return list(groups)


def read_subscription(subscription, odd):
    """What is not understood shares nobody's presence."""
    if subscription is None:
        return Subscription.BOTH
    known = SUBSCRIPTIONS.get(subscription) if isinstance(subscription, str) else None
    if known is None:
        odd("its subscription is not none, to, from or both; it counts as none")
        return Subscription.NONE
    return known


def mended(text):
    return NOT_XML.sub("\ufffd", CONTROL.sub(" ", whole(text)))


def quoted(text):
    return json.dumps(text if len(text) <= 64 else f"{text[:64]}…", ensure_ascii=False)


def bounded(warnings):
    more = len(warnings) - MOST_WARNINGS
    return warnings if more <= 0 else [*warnings[:MOST_WARNINGS], f"and {more} more"]
