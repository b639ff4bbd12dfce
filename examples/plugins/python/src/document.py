"""A body as JSON. Python takes more than JSON allows, forgets keys that are there twice, and parses by recursion, which a
component's stack is too small for: all three are mended here."""

import json
import re

# Nesting deeper than this has no meaning in the protocol.
DEEPEST = 50
STRING = r'"(?:[^"\\]|\\.)*"'
TOKENS = re.compile(rf"{STRING}|[\[\]{{}}]", re.DOTALL)
NOT_BRACKETS = re.compile(rf"{STRING}|[^\[\]{{}}\"]+|\"", re.DOTALL)
LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class Malformed(Exception):
    """A body that is not JSON, or not the JSON that was expected."""


class Pairs(list):
    """A JSON object with all its entries."""


def parse(body):
    """The JSON value of a body, its objects as Pairs. Raises Malformed."""
    try:
        text = body.removeprefix(b"\xef\xbb\xbf").decode()
        if not text.strip():
            raise Malformed("the body is empty")
        value = json.loads(shallow(text), parse_constant=refuse, object_pairs_hook=Pairs)
    except ValueError as error:
        raise Malformed(f"the body is not JSON: {error}") from None
    return value


def whole(text):
    """An escape can say half of a surrogate pair, and UTF-8 cannot."""
    return LONE_SURROGATE.sub("\ufffd", text)


def refuse(constant):
    raise ValueError(f"{constant} is no JSON")


def shallow(text):
    """The text, with `null` for what is nested too deep to mean anything."""
    if not is_deep(text):
        return text
    depth, start, kept = 0, 0, []
    for token in TOKENS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == DEEPEST:
                kept.append(text[start : token.start()])
        elif token[0] in "]}":
            if depth == DEEPEST:
                kept.append("null")
                start = token.end()
            depth -= 1
    # What is never closed ends here, and is no JSON.
    return "".join(kept) + (text[start:] if depth < DEEPEST else "")


def is_deep(text):
    """Without a loop over the characters: takes away the innermost pairs until there are none."""
    brackets = NOT_BRACKETS.sub("", text)
    for _ in range(DEEPEST):
        rest = brackets.replace("[]", "").replace("{}", "")
        if rest == brackets:
            break
        brackets = rest
    return len(brackets) >= DEEPEST


def kind(value):
    """The kind of a JSON value, for people."""
    match value:
        case None:
            return "null"
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case Pairs():
            return "an object"
        case list():
            return "an array"
    return "a number"
