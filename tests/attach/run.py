"""Attaches a real XMPP server to the host, and looks at it as its users do.

Usage: run.py [--server NAME] [--root FOLDER] [--component FILE] [--level LEVEL] [--only CHECK]... PROGRAM

PROGRAM     roster-host
--root      a server that is unpacked there, instead of the installed one
--component the built-in plugin, for what swaps it
--only      this check; can be given several times
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
import traceback

from world import Host  # adds the folders of tests/shared and tests/clients
import faults
import libraries
import misbehaviour
import scenario
from servers.ejabberd import Ejabberd
from servers.prosody import Prosody

import fixture
from server import free_ports

LIMIT = 180  # seconds, for one check
SERVERS = {"prosody": Prosody, "ejabberd": Ejabberd}
STAGED = libraries.CHECKS + misbehaviour.CHECKS + faults.CHECKS


async def one(check, *arguments):
    """Whether it went well."""
    name, began = check.__name__.replace("_", "-"), time.monotonic()
    try:
        found = await asyncio.wait_for(check(*arguments), LIMIT)
    except Exception as error:
        print(f"--- {name}: {''.join(traceback.format_exception(error))}", file=sys.stderr)
        return False
    print(f"attach: {name}: {check.__doc__.splitlines()[0]}: seen, in {time.monotonic() - began:.1f} s{f' ({found})' if found else ''}",
          flush=True)
    return True


async def scenarios(arguments, chosen):
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        fixture.make_certificates(folder)
        host = Host(arguments.program, folder, {"one": ("localhost", "secret")}, free_ports(3), faults.PATIENT).start()
        accounts = {"localhost": {user: scenario.PASSWORD for user in scenario.USERS}}
        server = SERVERS[arguments.server](folder, {"localhost": (host.url, "one", "secret")}, accounts, root=arguments.root,
                                           level=arguments.level)
        try:
            server.start()
            for check in chosen:
                place = scenario.Place(server, host)
                if not await one(check, place):
                    failed.append(check.__name__)
                    print(f"--- the server's log:\n{server.log()[-5000:]}\n--- the host's log:\n{host.log[-5000:]}", file=sys.stderr)
                await place.leave()
        finally:
            server.stop()
            host.close()
    return failed


async def all_faults(arguments, chosen):
    failed = []
    for check in chosen:
        with tempfile.TemporaryDirectory() as folder:
            fixture.make_certificates(folder)
            stage = faults.Stage(folder, arguments.program, SERVERS[arguments.server], arguments.root, arguments.component)
            try:
                if not await one(check, stage):
                    failed.append(check.__name__)
                    print(stage.logs(), file=sys.stderr)
            finally:
                await stage.close()
    return failed


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("Usage: ")[1].split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--server", choices=SERVERS, default="prosody")
    parser.add_argument("--root")
    parser.add_argument("--component")
    parser.add_argument("--level", default="info", help="of the server's log")
    parser.add_argument("--only", action="append", default=[])
    arguments = parser.parse_args()
    arguments.program = os.path.abspath(arguments.program)
    known = {check.__name__.replace("_", "-"): check for check in scenario.CHECKS + STAGED}
    for name in arguments.only:
        if name not in known:
            sys.exit(f"attach: no check is called {name}; there are {', '.join(known)}")
    unfit = getattr(SERVERS[arguments.server], "unfit", set())
    chosen = [known[name] for name in arguments.only or known if name not in unfit]
    failed = []
    if plain := [check for check in chosen if check in scenario.CHECKS]:
        failed += asyncio.run(scenarios(arguments, plain))
    failed += asyncio.run(all_faults(arguments, [check for check in chosen if check in STAGED]))
    if failed:
        sys.exit(f"attach: FAILED: {', '.join(failed)}")
    print(f"attach: all {len(chosen)} checks seen")


main()
