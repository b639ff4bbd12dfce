"""What the operator wrote: http_roster_url, with %s for the username, and the domain."""

import re
from dataclasses import dataclass
from urllib.parse import quote

from wit_world.imports import wasi_config_store as store

URL_KEY = "http_roster_url"
AUTHORITY = re.compile(r"(?:\[[0-9a-f:.]+\]|[\w.-]+)(?::(\d+))?", re.IGNORECASE | re.ASCII)
DOT_SEGMENT = re.compile(r"(\.|%2e){1,2}", re.IGNORECASE)


class Wrong(Exception):
    """A setting that cannot work."""

    def __init__(self, key, reason):
        super().__init__(f"{key} {reason}")
        self.key, self.reason = key, reason


@dataclass
class Settings:
    origin: str
    pieces: list
    domain: str

    def url_of(self, user):
        """The URL for a user: all but RFC 3986's unreserved characters are encoded."""
        if not user:
            raise Wrong(URL_KEY, "has no address for this user: a username is missing")
        path = quote(user, safe="").join(self.pieces)
        if any(DOT_SEGMENT.fullmatch(segment) for segment in path.split("?")[0].split("/")):
            raise Wrong(URL_KEY, "has no address for this user: it would be a dot segment of the path")
        return self.origin + path


def load():
    """The settings, checked. Raises Wrong."""
    url, domain = store.get(URL_KEY), store.get("domain")
    if url is None:
        raise Wrong(URL_KEY, "is missing; expected a URL with %s for the username")
    if domain is None:
        raise Wrong("domain", "is missing; expected the XMPP domain")
    if not re.fullmatch(r"[^\s@/]+", domain):
        raise Wrong("domain", "is not a domain such as example.com")
    return Settings(*parse(url), domain.lower())


def parse(text):
    found = re.fullmatch(r"(https?)://([^/?#]*)(.*)", text, re.IGNORECASE | re.DOTALL)
    if not found:
        raise Wrong(URL_KEY, "does not begin with http:// or https://")
    scheme, authority, path = found.groups()
    if "@" in authority:
        raise Wrong(URL_KEY, "has credentials in it; give them to the host")
    host = AUTHORITY.fullmatch(authority)
    if not host:
        raise Wrong(URL_KEY, "has no host that is a name or an address")
    if not 0 < int(host[1] or 80) < 65536:
        raise Wrong(URL_KEY, "has a port that is not a number from 1 to 65535")
    if re.search(r"#|[^!-~]", path):
        raise Wrong(URL_KEY, "has a fragment, a space or a character beyond ASCII in it")
    template = path if path.startswith("/") else f"/{path}"
    pieces = [piece.replace("\0", "%") for piece in template.replace("%%", "\0").split("%s")]
    if len(pieces) < 2:
        raise Wrong(URL_KEY, "has no %s to put the username into")
    return f"{scheme.lower()}://{authority}", pieces
