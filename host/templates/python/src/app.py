"""The hooks of the world roster-plugin (wit/hooks.wit), for roster.py. A hook raises Err to return the error of its result."""

import json

from componentize_py_types import Err
from wit_world import exports
from wit_world.imports import types as wit
from wit_world.imports import wasi_config_store as store

import roster
import support


def configured(make):
    """What `make` returns of the settings; one that is wrong is the error of a hook that has such an error."""
    try:
        return make(roster.configure(store.get))
    except support.Wrong as wrong:
        raise Err(wit.FetchError_Misconfigured(str(wrong))) from None


def contact(found):
    subscription = wit.Subscription[found.subscription.upper()]
    return wit.Contact(found.jid, found.name, subscription, found.ask, found.groups)


class Hooks(exports.Hooks):
    def check(self):
        try:
            roster.configure(store.get)
        except support.Wrong as wrong:
            raise Err(wit.ConfigError(wrong.key, wrong.reason)) from None
        return wit.Needs(["etag"])

    def make_request(self, user, tag):
        """The tag is the ETag of the answer that the roster was read from."""
        url, headers = configured(lambda settings: roster.request(settings, user))
        if tag:
            headers = {**headers, "if-none-match": tag.decode()}
        headers = [wit.Header(name, value) for name, value in headers.items()]
        return wit.Request(wit.Method_Get(), url, headers, b"")

    def read_response(self, user, tag, known, response, state):
        """The whole roster: the host works out what has changed."""
        if response.status == 304 and tag:
            return wit.Step_Unchanged()
        if response.status != 200:
            raise Err(wit.FetchError_Status(response.status))
        try:
            contacts = [contact(found) for found in roster.contacts(json.loads(response.body))]
        except (ValueError, TypeError, LookupError, AttributeError) as error:
            raise Err(wit.FetchError_Malformed(f"the body: {error!r}")) from None
        etag = support.etag([header.value for header in response.headers if header.name == "etag"])
        return wit.Step_Roster(wit.Roster(contacts, etag and etag.encode(), []))

    def changed_users(self, body):
        try:
            return support.usernames(body)
        except ValueError as error:
            raise Err(wit.BadRequest(str(error))) from None

    def summary(self, outcome):
        match outcome:
            case wit.Outcome_Refused(wit.BadRequest(message)):
                status, body = support.refusal(message)
            case wit.Outcome_Single(updated):
                status, body = support.answer(updated, {})
            case wit.Outcome_Batch(wit.Counts(updated, errors, invalid)):
                counts = {"updated": updated, "errors": errors}
                status, body = support.answer(updated > 0 or errors == invalid, counts)
        return wit.Reply(status, "application/json", json.dumps(body).encode())
