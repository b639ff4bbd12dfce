"""What the pages show is what it says it is: configurations are read by the program, JSON by a parser, code by its language."""

import configparser
import glob
import json
import os
import re
import tempfile
import tomllib

from markdown_it import MarkdownIt

from common import DOCS, ROOT, Fault, expect, run, tool

# Of a page that is about one key there is only a part. What it needs to be a whole configuration, and the files it names.
HOST = """
[[host]]
domain = "example.com"
"""
SETTINGS = """
[host.settings]
http_roster_url = "http://127.0.0.1:8000/contacts/%s"
"""
# Keys of other programs' files, which only have to be TOML.
OTHERS = ("spin_manifest_version",)
SECRETS = ("registry.password", "prosody-token", "prosody.token", "ejabberd.token", "token", "nats.password")


class Block:
    """A fenced block: its language, text, and where it is."""

    def __init__(self, page, token):
        self.page = os.path.relpath(page, ROOT)
        self.line = token.map[0] + 1
        self.language = token.info.strip()
        self.text = token.content

    @property
    def place(self):
        return f"{self.page}:{self.line}"


def blocks():
    """Those of the README and of the manual."""
    pages = [os.path.join(ROOT, "README.md"), os.path.join(ROOT, "CONTRIBUTING.md"), *sorted(glob.glob(os.path.join(DOCS, "*.md")))]
    for page in pages:
        with open(page) as file:
            for token in MarkdownIt().parse(file.read()):
                if token.type == "fence":
                    yield Block(page, token)


def check(program):
    counts = {}
    with tempfile.TemporaryDirectory() as folder:
        files(program, folder)
        for block in blocks():
            look = LANGUAGES.get(block.language)
            expect(look is not None, f"{block.place}: nothing looks at blocks of \"{block.language}\"")
            try:
                look(block, program, folder)
            except (Fault, ValueError, SyntaxError) as fault:
                raise Fault(f"{block.place}: {fault}\n{block.text}") from None
            counts[block.language] = counts.get(block.language, 0) + 1
    shown = ", ".join(f"{count} of {language or 'commands'}" for language, count in sorted(counts.items()))
    print(f"  blocks: {shown}", flush=True)


def files(program, folder):
    """What the configurations of the pages name."""
    os.mkdir(os.path.join(folder, "tls"))
    run([tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90",
         "-subj", "/CN=example.com", "-addext", "subjectAltName=DNS:example.com,DNS:example.org", "-keyout", "tls/key.pem",
         "-out", "tls/chain.pem"], folder)
    for secret in SECRETS:
        with open(os.path.join(folder, secret), "w") as file:
            file.write("s3cret-of-" + secret)
    run([program, "account", "add", "john", "--file", "accounts.txt"], folder, given="secret\n")


def configuration(block, program, folder):
    text = block.text
    if any(key in tomllib.loads(text) for key in OTHERS):
        return
    whole = text
    if not re.search(r"^\[\[host\]\]", text, re.M):
        # Tables of a host go below it, others above.
        whole = HOST + text if re.search(r"^\[host\.", text, re.M) else text + HOST
    if "[host.settings]" not in whole:
        whole += SETTINGS
    elif "http_roster_url" not in whole:
        whole = whole.replace("[host.settings]\n", SETTINGS.lstrip())
    # Folders of a service are not there.
    whole = re.sub(r'"/var/(cache|lib)/[^"]*"', lambda found: json.dumps(os.path.join(folder, found[1])), whole)
    if "plugin_cache" not in whole:
        # The plugin is compiled once for all of them.
        whole = f"plugin_cache = {json.dumps(os.path.join(folder, 'cache'))}\n{whole}"
    whole = re.sub(r'"/etc/roster-host/([^"]*)"', r'"\1"', whole)
    with open(os.path.join(folder, "roster-host.toml"), "w") as file:
        file.write(whole)
    run([program, "--config", "roster-host.toml", "--check-config"], folder)


def parsed(block, _program, _folder):
    # Where the page leaves something out it has three dots, as a member or at the end of a text.
    json.loads(re.sub(r",\s*\.\.\.", "", block.text))


def python(block, _program, _folder):
    compile(block.text, block.place, "exec")


def php(block, _program, _folder):
    run([tool("php"), "-l"], given="<?php\n" + block.text)


def shell(block, _program, _folder):
    run(["bash", "-n"], given=block.text)


def proxy(block, _program, _folder):
    """Those files are in packaging/, and looked at there."""


def elsewhere(_block, _program, _folder):
    """Looked at by another check: diffs by .ci/plugins, commands by `commands`, Lua by .ci/attach with a configuration of its own."""


def unit(block, _program, _folder):
    """A file of systemd: sections of keys and values, which may be repeated."""
    parser = configparser.RawConfigParser(strict=False, delimiters="=")
    parser.read_string(block.text)
    expect(parser.sections() and all(parser[section] for section in parser.sections()), "a section without a key")


def rust(block, _program, _folder):
    """The same program is an example of the crate, which is compiled and run."""
    with open(os.path.join(ROOT, "host", "examples", "serve.rs")) as file:
        example = re.sub(r"^//!.*\n+", "", file.read(), flags=re.M)
    expect(block.text == example, "it is not host/examples/serve.rs")


LANGUAGES = {"toml": configuration, "json": parsed, "python": python, "php": php, "sh": shell, "rust": rust, "ini": unit,
             "lua": elsewhere, "diff": elsewhere, "": elsewhere, "console": elsewhere}
