"""Holds the manual against the built program.

Usage: run.py PROGRAM [CHECK...]
"""

import importlib
import os
import sys
import time

from common import Fault

# In this order; each is a module here with a function `check`.
CHECKS = ["pages", "snippets", "messages", "applications", "commands", "admin_api", "monitoring", "surroundings"]


def main():
    program = os.path.abspath(sys.argv[1])
    failed = 0
    for name in sys.argv[2:] or CHECKS:
        began = time.monotonic()
        print(f"--- {name}", flush=True)
        try:
            importlib.import_module(name).check(program)
        except Fault as fault:
            failed += 1
            print(f"docs: {name}: {fault}", file=sys.stderr, flush=True)
        else:
            print(f"docs: {name}: holds, in {time.monotonic() - began:.1f} s", flush=True)
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
