"""The five hooks of the world roster-plugin (wit/hooks.wit). A hook raises Err to return the error of its result."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import xmpp_roster_types as wit

import client
import document
import roster
import settings


class Hooks(exports.Hooks):
    def check(self):
        try:
            settings.load()
        except settings.Wrong as wrong:
            raise Err(wit.ConfigError(wrong.key, wrong.reason)) from None

    def fetch(self, user):
        return ask(user, None)

    def refresh(self, user, known):
        tag = known.tag()
        answer = ask(user, tag)
        if answer is None:
            return wit.Refreshed_Unchanged()
        changes = roster.diff(known.contacts(), answer.contacts)
        if not changes and not answer.warnings and answer.tag == tag:
            return wit.Refreshed_Unchanged()
        return wit.Refreshed_Changed(wit.Delta(changes, answer.tag, answer.warnings))

    def changed_users(self, body):
        expected = 'expected a JSON array of usernames, such as ["john"]'
        try:
            users = document.parse(body)
        except document.Malformed as reason:
            raise Err(wit.BadRequest(f"{expected}; {reason}")) from None
        if document.kind(users) != "an array":
            raise Err(wit.BadRequest(f"{expected}; found {document.kind(users)}"))
        for at, user in enumerate(users):
            if not isinstance(user, str):
                raise Err(wit.BadRequest(f"element {at} is {document.kind(user)}; expected a username (a string)"))
        return [document.whole(user) for user in users]

    def summary(self, outcome):
        """As the reference words it. A batch of which every user failed is an error; so is the one user asked for."""
        match outcome:
            case wit.Outcome_Refused(wit.BadRequest(message)):
                return answer(400, message, {"updated": 0, "errors": 0})
            case wit.Outcome_Single(updated):
                return outcome_of(updated, {})
            case wit.Outcome_Batch(wit.Counts(updated, errors, invalid)):
                return outcome_of(updated > 0 or errors == invalid, {"updated": updated, "errors": errors})


def ask(user, tag):
    """The user's roster, or None if it is still the one with this tag. The tag is the answer's ETag."""
    try:
        loaded = settings.load()
        path = loaded.url.target(user)
    except settings.Wrong as wrong:
        raise Err(wit.FetchError_Misconfigured(f"{wrong.key} {wrong.reason}")) from None
    status, etag, body = client.get(loaded.url, path, tag)
    if status == 304 and tag:
        return None
    if status != 200:
        raise Err(wit.FetchError_Status(status))
    try:
        contacts, warnings = roster.decode(body, f"{user}@{loaded.domain}")
    except document.Malformed as reason:
        raise Err(wit.FetchError_Malformed(f"{reason}; expected a JSON object whose keys are JIDs")) from None
    return wit.Roster(contacts, etag, warnings)


def outcome_of(right, counts):
    return answer(200 if right else 500, "roster update complete" if right else "roster update failed", counts)


def answer(status, message, counts):
    body = {"status": "ok" if status == 200 else "error", "message": message, **counts}
    return wit.Answer(status, "application/json", json.dumps(body, ensure_ascii=False).encode())
