"""What every plugin needs: URLs with a username, contacts, validators, refresh requests."""

import json
import re
from dataclasses import dataclass, field
from urllib.parse import quote

ORIGIN = re.compile(r"https?://(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::\d+)?(?=[/?])", re.IGNORECASE | re.ASCII)
DOT_SEGMENT = re.compile(r"(^|/)(\.|%2e){1,2}($|[/?])", re.IGNORECASE)
# An entity tag (RFC 9110 section 8.8.3). Nothing else may be sent back.
ETAG = re.compile(r'(W/)?"[!#-~\x80-\U0010ffff]*"')


class Wrong(Exception):
    """A setting that cannot work."""

    def __init__(self, key, reason):
        super().__init__(f"{key} {reason}")
        self.key, self.reason = key, reason


def url_template(key, text):
    """The URL with %s for the username that a setting has to be, as a function of the username. Raises Wrong."""
    if text is None:
        raise Wrong(key, "is missing; expected a URL with %s for the username")
    origin = ORIGIN.match(text)
    if not origin:
        raise Wrong(key, "does not begin with http:// or https:// and a host")
    path = text[origin.end() :]
    if re.search(r"#|[^!-~]", path):
        raise Wrong(key, "has a fragment, a space or a character beyond ASCII in it")
    pieces = [piece.replace("\0", "%") for piece in path.replace("%%", "\0").split("%s")]
    if len(pieces) < 2:
        raise Wrong(key, "has no %s to put the username into")

    def url(user):
        target = quote(user, safe="").join(pieces)
        if not user or DOT_SEGMENT.search(target):
            raise Wrong(key, "has no address for this user")
        return origin[0] + target

    return url


@dataclass
class Contact:
    """A contact. The host normalises the JID."""

    jid: str
    name: str | None = None
    subscription: str = "both"
    ask: bool = False
    groups: list[str] = field(default_factory=list)

    def __post_init__(self):
        if not isinstance(self.jid, str):
            raise TypeError("a contact has no address (a string)")
        if not isinstance(self.name, str | None):
            raise TypeError(f"the name of {self.jid} is no string")
        if self.subscription not in ("none", "to", "from", "both"):
            raise TypeError(f"{self.jid} has no such subscription")
        if not isinstance(self.groups, list) or not all(isinstance(group, str) for group in self.groups):
            raise TypeError(f"the groups of {self.jid} are no list of strings")


def etag(values):
    """The ETag that can be sent back, if there is exactly one."""
    return values[0] if len(values) == 1 and len(values[0]) <= 1024 and ETAG.fullmatch(values[0]) else None


def usernames(body):
    """The usernames in the body of a refresh request: a JSON array. Raises ValueError."""
    try:
        users = json.loads(body)
    except ValueError:
        users = None
    if not isinstance(users, list) or not all(isinstance(user, str) for user in users):
        raise ValueError('expected a JSON array of usernames, such as ["john"]')
    return users


def answer(right, counts):
    """What the application is told about a refresh request: status and JSON."""
    message = "roster update complete" if right else "roster update failed"
    return (200 if right else 500), {"status": "ok" if right else "error", "message": message, **counts}


def refusal(message):
    """What it is told about one that makes no sense."""
    return 400, {"status": "error", "message": message, "updated": 0, "errors": 0}
