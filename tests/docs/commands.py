"""The commands that the pages show, typed one after the other, answer what the pages say. A page whose commands nothing types is a
fault, and so is a command here that is on no page."""

import os
import re
import shutil
import tempfile

from common import ROOT, Application, Fault, expect, until
from session import Session, commands, link_target
from snippets import blocks

# Typed elsewhere, or not to be typed.
ELSEWHERE = {
    "profanity": "by .ci/clients",
    "roster-host plugin new my-roster --lang rust      # or js, python": "by .ci/plugins",
    "sh my-roster/ci.sh                                # builds it, tests it, checks it": "by .ci/plugins",
    "roster-host plugin test my_roster.wasm --cases cases": "by .ci/plugins",
}
# Whose servers only .ci/examples installs, and runs as the page says.
PAGES_ELSEWHERE = ("docs/wasm-servers.md",)
SECRET = "s3cret"


def check(program):
    pages = {}
    for block in blocks():
        if block.language in ("", "console"):
            pages.setdefault(block.page, []).append(block)
    typed = 0
    for page, shown in pages.items():
        if page in PAGES_ELSEWHERE or not any(to_type(block) for block in shown):
            continue
        scenario = SCENARIOS.get(page)
        expect(scenario, f"{page} shows commands, and nothing types them")
        with tempfile.TemporaryDirectory() as folder:
            session = Session(program, folder)
            try:
                scenario(session)
                typed += play(session, shown)
            finally:
                session.close()
        print(f"  {page}", flush=True)
    print(f"  {typed} commands", flush=True)


def to_type(block):
    return [command for command, _ in commands(block.text) if command not in ELSEWHERE]


def play(session, shown):
    typed = 0
    for block in shown:
        if not block.text.startswith("$ "):
            if block.text.startswith(SHOWN_BEFORE):
                session.expect(block.text, 0)
            continue
        for command, answer in commands(block.text):
            if command in ELSEWHERE:
                continue
            try:
                instead(session, command, answer)
            except Fault as fault:
                raise Fault(f"{block.place}: $ {command}\n{fault}") from None
            typed += 1
    return typed


# The beginnings of blocks that show what has been said without a command of the page.
SHOWN_BEFORE = ("Open http", "event: changed")


def instead(session, command, answer):
    """Types it, or what does the same here."""
    if command.startswith("cargo run --release -- "):
        arguments = command.partition(" -- ")[2].partition("#")[0].split()
        stop_demo(session)
        start_demo(session, *arguments)
    elif command.startswith("roster-host account add "):
        # It asks at a terminal.
        with open(os.path.join(session.folder, "typed"), "w") as file:
            file.write(f"{SECRET}\n{SECRET}\n")
        session.play(f'script --quiet --return --command "{command}" /dev/null', answer, "typed")
    elif "ROSTER_HOST_ADMIN_TOKEN=..." in command:
        session.play(command.replace("ROSTER_HOST_ADMIN_TOKEN=...", f"ROSTER_HOST_ADMIN_TOKEN={token(session)}"), answer)
    else:
        BEFORE.get(command, lambda _: None)(session)
        session.play(command.replace("target/release/roster-host", "roster-host"), answer)


def token(session):
    return re.search(r"ROSTER_HOST_ADMIN_TOKEN=(\S+)", session.output)[1]


def start_demo(session, *arguments):
    flags = {"http": "--http-listen", "admin": "--admin-listen", "demo": "--demo-listen", "xmpp": "--xmpp-listen",
             "xmpps": "--xmpp-tls-listen"}
    where = [part for name, flag in flags.items() for part in (flag, f"127.0.0.1:{session.port(name)}")]
    since = len(session.output)
    session.demo = session.start(["roster-host", *where, *arguments], "admin")
    # It listens before it has read the plugin, which must not change under it.
    until("the demo is up", lambda: session.demo.poll() is not None or "marie has connected" in session.output[since:])
    expect(session.demo.poll() is None, f"the demo ended:\n{session.output[since:]}")


def stop_demo(session):
    session.demo.terminate()
    expect(session.demo.wait(timeout=30) == 0, "the demo did not stop")


def configure(session, text):
    listeners = f"""
[http]
listen = "127.0.0.1:{session.port("http")}"
[admin]
listen = "127.0.0.1:{session.port("admin")}"
"""
    with open(os.path.join(session.folder, "roster-host.toml"), "w") as file:
        file.write(listeners + session.translate(text))


def smallest():
    """The README's configuration."""
    return next(block.text for block in blocks() if block.page == "README.md" and block.language == "toml")


def with_demo(session):
    configure(session, smallest())
    start_demo(session)
    link_target(session.folder)


def with_folder(session):
    configure(session, smallest())


def with_plugins(session):
    with_demo(session)
    # Where building the host leaves them.
    built, paged = (os.path.join(ROOT, "target", "plugin", "wasm32-wasip2", "plugin", f"{name}.wasm")
                    for name in ("http_roster_admin", "paged_roster"))
    for source, name in ((built, "http_roster_admin.wasm"), (built, "my_roster.wasm"), (paged, "paged_roster.wasm")):
        shutil.copyfile(source, os.path.join(session.folder, name))


def with_application(session):
    configure(session, smallest() + f'\n[host.client]\nbearer_token = "{SECRET}"\n')
    Application({
        "john": {"marie@example.com": {"name": "Marie", "groups": ["Friends"]}, "michael@example.com": {"name": 7}},
    }, session.port("application"))


def with_node(session):
    """A host with the node of the page, and its application, which `rename` changes."""
    session.application = Application({
        "john": {"marie@localhost": {"name": "Marie", "groups": ["Work"]}}, "marie": {},
    }, session.port("application"))
    configure(session, smallest().replace("example.com", "localhost") + f"""
[attach]
listen = "127.0.0.1:{session.port("attach")}"
ack_timeout = "30s"
[[attach.node]]
name = "prosody"
token = "{SECRET}"
""")
    session.start(["roster-host", "--config", "roster-host.toml"], "attach")


def rename(session):
    session.application.say({"john": {"marie@localhost": {"name": "Marie 2", "groups": ["Work"]}}})


# What happens before some of them.
BEFORE = {"""curl http://127.0.0.1:5280/roster_admin/refresh -d '["john"]' &     # the application says so""": rename}

SCENARIOS = {
    "README.md": with_demo,
    "docs/application.md": with_folder,
    "docs/attach.md": with_node,
    "docs/clients.md": with_folder,
    "docs/demo.md": with_demo,
    "docs/operating.md": with_application,
    "docs/plugins.md": with_plugins,
}
