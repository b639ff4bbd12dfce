"""Addresses (RFC 7622), as far as Python's Unicode goes: PRECIS and IDNA2008 without the characters whose neighbours count
and without the rule for text from right to left. The host normalises what a plugin returns, and refuses what is left."""

import ipaddress
import re
import unicodedata

LONGEST = 1023
LABEL = re.compile(r"(?!-)[a-z0-9_\u0080-\U0010ffff-]{1,63}(?<!-)")
RESERVED = set("\"&'/:<>@ ")
LETTERS = {"Ll", "Lu", "Lo", "Lm", "Nd", "Mn", "Mc"}
# RFC 8264 section 9.6: letters that are none, and the other way round.
EXCEPTIONS = {"\u0640": False, "\u07fa": False, "\u3007": True, "\u06fd": True, "\u06fe": True, "\u0f0b": True}


class Invalid(Exception):
    """Not a JID."""


def bare(text):
    """The normalised bare JID of a bare or full JID. Raises Invalid."""
    address, slash, resource = text.partition("/")
    if slash and (not fits(resource) or any(unicodedata.category(c) == "Cc" for c in resource)):
        raise Invalid("its resource (after the /) is not valid")
    local, at, rest = address.partition("@")
    if not at:
        return domain(address)
    local = fold(local)
    if not fits(local) or not all(map(is_letter, local)) or RESERVED & set(local):
        raise Invalid("its localpart (before the @) is not valid")
    return f"{local}@{domain(rest)}"


def domain(text):
    if text.startswith("[") and text.endswith("]"):
        try:
            return f"[{ipaddress.IPv6Address(text[1:-1])}]"
        except ValueError:
            raise Invalid("its domain is not valid") from None
    name = ".".join(map(decoded, fold(text).replace("\u3002", ".").removesuffix(".").split(".")))
    if not fits(name) or not all(LABEL.fullmatch(label) and all(map(is_letter, label)) for label in name.split(".")):
        raise Invalid("its domain is not valid")
    return name


def decoded(label):
    """The Unicode of a label that is encoded for DNS (RFC 3492)."""
    if not label.startswith("xn--"):
        return label
    try:
        name = label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        raise Invalid("its domain is not valid") from None
    if name.isascii() or fold(name) != name or name.encode("punycode").decode("ascii") != label[4:]:
        raise Invalid("its domain is not valid")
    return name


def fold(text):
    """Width, case, NFC. Character by character: a capital sigma is the same letter wherever it stands."""
    if text.isascii():
        return text.lower()
    wide = (unicodedata.normalize("NFKC", c) if "\uff01" <= c <= "\uffee" or c == "\u3000" else c for c in text)
    return unicodedata.normalize("NFC", "".join(c.lower() for c in "".join(wide)))


def is_letter(c):
    if c.isascii():
        return "!" <= c <= "~"
    return EXCEPTIONS.get(c, unicodedata.category(c) in LETTERS and unicodedata.normalize("NFKC", c) == c)


def fits(part):
    return 0 < len(part.encode("utf-8", "surrogatepass")) <= LONGEST
