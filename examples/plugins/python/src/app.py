"""The five hooks of the world roster-plugin (wit/hooks.wit). A hook raises Err to return the error of its result."""

import json
import re

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import types as wit

import document
import roster
import settings


MAX_BODY = 10 * 1024 * 1024
# An entity tag (RFC 9110 section 8.8.3). Nothing else may be sent back.
ETAG = re.compile(r'(W/)?"[!#-~\x80-\U0010ffff]*"')
HEADERS = [
    wit.Header("accept", "application/json, text/plain, */*"),
    wit.Header("user-agent", "roster-plugin-python"),
]


class Hooks(exports.Hooks):
    def check(self):
        try:
            settings.load()
        except settings.Wrong as wrong:
            raise Err(wit.ConfigError(wrong.key, wrong.reason)) from None
        return wit.Needs(["etag"])

    def make_request(self, user, tag):
        """The tag is the ETag, if it is one that can be sent back."""
        condition = [wit.Header("if-none-match", tag.decode())] if tag else []
        try:
            url = settings.load().url_of(user)
        except settings.Wrong as wrong:
            raise Err(misconfigured(wrong)) from None
        return wit.Request(wit.Method_Get(), url, HEADERS + condition, b"")

    def read_response(self, user, tag, known, response, state):
        """The whole roster: the host works out what has changed."""
        if response.status == 304 and tag:
            return wit.Step_Unchanged()
        if response.status != 200:
            raise Err(wit.FetchError_Status(response.status))
        if len(response.body) > MAX_BODY:
            raise Err(wit.FetchError_TooLarge())
        try:
            contacts, warnings = roster.decode(response.body, f"{user}@{settings.load().domain}")
        except settings.Wrong as wrong:
            raise Err(misconfigured(wrong)) from None
        except document.Malformed as reason:
            raise Err(wit.FetchError_Malformed(f"{reason}; expected a JSON object whose keys are JIDs")) from None
        etags = [header.value for header in response.headers]
        etag = etags[0].encode() if len(etags) == 1 and len(etags[0]) <= 1024 and ETAG.fullmatch(etags[0]) else None
        return wit.Step_Roster(wit.Roster(contacts, etag, warnings))

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


def misconfigured(wrong):
    return wit.FetchError_Misconfigured(f"{wrong.key} {wrong.reason}")


def outcome_of(right, counts):
    return answer(200 if right else 500, "roster update complete" if right else "roster update failed", counts)


def answer(status, message, counts):
    body = {"status": "ok" if status == 200 else "error", "message": message, **counts}
    return wit.Reply(status, "application/json", json.dumps(body, ensure_ascii=False).encode())
