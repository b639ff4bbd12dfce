"""Three hosts and three NATS servers, and what has to be seen on them, step by step.

Usage: scenario.py [--nats PROGRAM] [--component FILE] [--only STEP]... PROGRAM

PROGRAM      roster-host
--nats       nats-server; "off": the steps that make sense on one host alone, on one
--component  the built-in plugin, for what swaps it
"""

import argparse
import asyncio
import sys
import tempfile
import time
import traceback

from cluster import Cluster
from contacts import Contacts
from crowd import PASSWORD
from steps.stage import Stage
from steps import outages, rosters, stanzas

LIMIT = 90  # seconds, for one step
STEPS = rosters.STEPS + stanzas.STEPS + outages.STEPS
OF_SEVERAL = [*outages.STEPS, stanzas.resuming_elsewhere]  # make no sense on one host
USERS = ["john", "double", "once", "same", "failing", "attached", "events", "plugin", "romeo", "juliet", "tristan", "isolde", "hero",
         "leander", "alice", "bob", "orpheus", "eurydice", "twin", "sister", "wanderer", "victim", "witness", "third", "patient", "newcomer",
         "sleeper", "rolling-a", "rolling-b", "rolling-c"] + [f"{name}{n}" for name in ("many", "orphan") for n in range(30)]


async def one(step, stage):
    """Whether it went well."""
    name, began = step.__name__.replace("_", "-"), time.monotonic()
    try:
        found = await asyncio.wait_for(step(stage), LIMIT)
    except Exception as error:
        print(f"--- {name}: {''.join(traceback.format_exception(error))}", file=sys.stderr)
        return False
    finally:
        await stage.leave()
    print(f"cluster: {name}: {step.__doc__}: seen, in {time.monotonic() - began:.1f} s{f' ({found})' if found else ''}", flush=True)
    return True


async def all_of_them(arguments, chosen):
    failed, alone = [], arguments.nats == "off"
    with tempfile.TemporaryDirectory() as folder:
        application = Contacts(None, 1, [])
        application.delays = (0,)
        await application.start()
        cluster = Cluster(folder, arguments.program, application.address, USERS, PASSWORD, nats=None if alone else arguments.nats,
                          component=arguments.component, names="a" if alone else "abc", linked=False, log=arguments.log)
        try:
            await cluster.start()
            for step in chosen:
                if not await one(step, Stage(cluster, application, alone)):
                    failed.append(step.__name__)
                    print(cluster.logs(), file=sys.stderr)
                    if not await asyncio.to_thread(cluster.all_live):
                        print("cluster: no further step was tried: not all nodes are live", file=sys.stderr)
                        break
        finally:
            await asyncio.to_thread(cluster.close)
    return failed


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("Usage: ")[1].split("\n")[0])
    parser.add_argument("program")
    parser.add_argument("--nats", default="nats-server")
    parser.add_argument("--component")
    parser.add_argument("--log", default="", help="more of the table [log]")
    parser.add_argument("--only", action="append", default=[])
    arguments = parser.parse_args()
    known = {step.__name__.replace("_", "-"): step for step in STEPS}
    for name in arguments.only:
        if name not in known:
            sys.exit(f"cluster: no step is called {name}; there are {', '.join(known)}")
    chosen = [known[name] for name in arguments.only or known]
    if arguments.nats == "off":
        chosen = [step for step in chosen if step not in OF_SEVERAL]
    failed = asyncio.run(all_of_them(arguments, chosen))
    if failed:
        sys.exit(f"cluster: FAILED: {', '.join(failed)}")
    print(f"cluster: all {len(chosen)} steps seen")


if __name__ == "__main__":
    main()
