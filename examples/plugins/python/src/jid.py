"""Addresses: the nodeprep and nameprep of RFC 6122, for which Python has the tables, and not the PRECIS of RFC 7622.
They agree on nearly every address there is."""

import ipaddress
import re
import stringprep
import unicodedata

LONGEST = 1023
LABEL = re.compile(r"(?!-)[a-z0-9_\u0080-\U0010ffff-]{1,63}(?<!-)")
RESERVED = set("\"&'/:<>@")
FORBIDDEN = (
    stringprep.in_table_c11_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4,
    stringprep.in_table_c5, stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8, stringprep.in_table_c9,
)


class Invalid(Exception):
    """Not a JID."""


def bare(text):
    """The normalised bare JID of a bare or full JID. Raises Invalid."""
    address, slash, resource = text.partition("/")
    if slash and (not fits(resource) or any(stringprep.in_table_c21_c22(c) for c in resource)):
        raise Invalid("its resource (after the /) is not valid")
    local, at, rest = address.partition("@")
    if not at:
        return domain(address)
    local = fold(local)
    if not fits(local) or any(c in RESERVED or any(table(c) for table in FORBIDDEN) for c in local):
        raise Invalid("its localpart (before the @) is not valid")
    return f"{local}@{domain(rest)}"


def domain(text):
    if text.startswith("[") and text.endswith("]"):
        try:
            return f"[{ipaddress.IPv6Address(text[1:-1])}]"
        except ValueError:
            raise Invalid("its domain is not valid") from None
    name = fold(text).removesuffix(".")
    if not fits(name) or not all(LABEL.fullmatch(label) for label in name.split(".")):
        raise Invalid("its domain is not valid")
    return name


def fold(text):
    if text.isascii():
        return text.lower()
    kept = (c for c in text if not stringprep.in_table_b1(c))
    return unicodedata.normalize("NFKC", "".join(map(stringprep.map_table_b2, kept)))


def fits(part):
    return 0 < len(part.encode("utf-8", "surrogatepass")) <= LONGEST
