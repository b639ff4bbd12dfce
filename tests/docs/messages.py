"""Each warning and error that a host can log (the demo aside) is in the manual, and a message that the manual explains is in the sources."""

import glob
import os
import re

from common import DOCS, ROOT, expect

# A text that is made elsewhere.
MADE = "{"
SHORTEST = 15  # characters of a message, so that it is found in a log


def check(program):
    sources = {path: read(path) for folder in ("host/src", "host/xmpp/src") for path in glob.glob(f"{ROOT}/{folder}/**/*.rs", recursive=True)
               if not re.search("tests|demo", os.path.relpath(path, ROOT))}
    logged = {message: os.path.relpath(path, ROOT) for path, text in sources.items() for message in warnings(text)}
    expect(len(logged) > 50, f"only {len(logged)} messages found")
    shown = {page: list(messages(read(page))) for page in sorted(glob.glob(f"{DOCS}/*.md"))}
    every = [one for found in shown.values() for one in found]
    missing = [f"{path}: {message}" for message, path in logged.items()
               if not message.startswith(MADE) and not any(one in message for one in every)]
    expect(not missing, "no page explains\n  " + "\n  ".join(missing))
    said = "\n".join(joined(text) for text in sources.values())
    for page, found in shown.items():
        for message in found:
            expect(message in said, f"{os.path.relpath(page, ROOT)}: the host never says: {message}")
    print(f"  {len(logged)} messages in the sources, {len(every)} in the manual", flush=True)


def read(path):
    with open(path) as file:
        return file.read()


def joined(text):
    """As the compiler reads a text that goes on in the next line."""
    return re.sub(r"\\\n\s*", "", text).replace('\\"', '"')


def warnings(text):
    """The text of each `warn!` and `error!`: the last one that is no value of a field."""
    for macro in re.finditer(r"\b(?:warn|error)!\(", text):
        texts, depth = [], 1
        for part in re.finditer(r'"(?:[^"\\]|\\.)*"|[()]', text[macro.end():], re.S):
            if part[0] in "()":
                depth += 1 if part[0] == "(" else -1
                if not depth:
                    break
            elif depth == 1:
                texts.append(joined(part[0][1:-1]))
        if texts and len(texts[0]) >= SHORTEST:
            yield texts[0]


def messages(page):
    """The code in the first column of tables of messages."""
    inside = False
    for line in page.splitlines():
        if not line.startswith("|"):
            inside = False
        elif line.startswith("| Message |"):
            inside = True
        elif inside and not line.startswith("|---"):
            yield from re.findall(r"`([^`]+)`", line.split("|")[1])
