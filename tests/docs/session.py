"""A shell that is typed what a page shows, and whether it says what the page says it does.

An answer may differ from the page's in numbers, in digests and identifiers, and where the page has three dots. An identifier of the
page that stands for another one here does so in later commands, too."""

import os
import re
import subprocess
import threading
import time

from common import ROOT, Fault, accepts, end, expect, free_port, until

# What listens where in the manual.
NAMES = {"http": 5280, "admin": 5282, "demo": 5283, "attach": 5284, "application": 8000, "xmpp": 5222, "xmpps": 5223}
DEADLINE = 20  # seconds, for an answer
DONE = "--- that was it"
TOKEN = re.compile(r"""(?P<dots>\.\.\.)|(?P<pairs>\b(?:[0-9A-F]{2}:)+)|(?P<id>\b(?=[a-f]*[0-9])[0-9a-f]{8,}\b|\b[0-9]{9,}\b)|(?P<number>[0-9]+)|(?P<space>\s+)|(?P<text>.)""",
                   re.S)


def commands(text):
    """Each command of a block with the lines below it, which are its answer."""
    found = []
    for line in text.splitlines():
        if line.startswith("$ "):
            found.append((line[2:], []))
        elif found:
            found[-1][1].append(line)
    return [(command, "\n".join(answer)) for command, answer in found]


class Session:
    """`folder` is where it is typed; `roster-host` there is the program. Ports of the manual are others here."""

    def __init__(self, program, folder):
        self.folder = folder
        self.ports = {port: free_port() for port in NAMES.values()}
        self.known = {}
        self.output = ""
        self.started = []
        self._write_program(program)
        environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "no_proxy": "*", "CURL_HOME": folder}
        self.shell = subprocess.Popen(["bash", "--norc"], cwd=folder, env=environment, text=True, bufsize=1, stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _write_program(self, program):
        """Its commands for a running host find this one without being told."""
        os.mkdir(os.path.join(self.folder, "bin"))
        path = os.path.join(self.folder, "bin", "roster-host")
        with open(path, "w") as file:
            file.write(f"""#!/bin/sh
case "$1 $2" in
    "plugin swap" | "plugin reload" | "plugin rollback" | "plugin status" | "attach status")
        exec {program} "$@" --admin http://127.0.0.1:{self.ports[NAMES["admin"]]} ;;
esac
exec {program} "$@"
""")
        os.chmod(path, 0o755)
        with open(os.path.join(self.folder, ".curlrc"), "w") as file:
            file.write(f'silent\nshow-error\nmax-time = {2 * DEADLINE}\nnoproxy = "*"\n')

    def _read(self):
        for line in self.shell.stdout:
            self.output += line

    def port(self, name):
        return self.ports[NAMES[name]]

    def start(self, command, name):
        """Something that runs beside the shell until this ends or it is stopped; it is there when it listens."""
        process = subprocess.Popen(command, cwd=self.folder, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, start_new_session=True,
                                   env={**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"})
        reader = threading.Thread(target=self._copy, args=(process,), daemon=True)
        reader.start()
        self.started.append(process)
        until(f"{command[0]} listens", lambda: process.poll() is not None or accepts(self.port(name)))
        expect(process.poll() is None, f"{' '.join(command)} ended:\n{self.output}")
        return process

    def _copy(self, process):
        for line in process.stdout:
            self.output += line

    def translate(self, text):
        for here, there in [*self.ports.items(), *self.known.items()]:
            text = re.sub(rf"\b{here}\b", str(there), text)
        return text

    def shown(self):
        """All that was said, with the ports of the manual."""
        text = self.output
        for there, here in self.ports.items():
            text = re.sub(rf"\b{here}\b", str(there), text)
        # Said only where it is not the default.
        return text.replace(f" --admin http://127.0.0.1:{NAMES['admin']}", "")

    def type(self, command, given="/dev/null"):
        """Types a command, and waits until the shell has done it, or started it if it stays."""
        done = f"{DONE} {len(self.output)}"
        if re.search(r"\bcurl -N", command) and not command.rstrip().endswith("&"):
            command += " &"
        self.shell.stdin.write(f"{{ {self.translate(command)}\n}} <{given}; echo '{done}'\n")
        until(f"the end of: {command}", lambda: done in self.output)
        if "&" in command and "http.server" in command:
            until("the application", lambda: accepts(self.port("application")))
        if "&" in command and "roster-host" in command:
            until("the host", lambda: accepts(self.port("admin")))

    def expect(self, text, since, again=None):
        """The text is among what was said, sooner or later."""
        pattern, names = pattern_of(text)
        asked = time.monotonic()
        deadline = asked + DEADLINE
        while time.monotonic() < deadline:
            found = pattern.search(self.shown(), since)
            if found:
                self.known.update({name: found[group] for group, name in names.items() if found[group] != name})
                return
            time.sleep(0.2)
            if again and time.monotonic() > asked + 2:
                self.type(again)
                asked = time.monotonic()
        raise Fault(f"not seen within {DEADLINE} s:\n{text}\nbut:\n{self.shown()[since:][-1500:]}")

    def play(self, command, answer, given="/dev/null"):
        since = len(self.shown())
        self.type(command, given)
        asks_only = re.match(r"(curl \S+$|roster-host (plugin|attach) status)", command)
        self.expect(answer, since if "&" not in command else 0, again=command if asks_only else None)

    def close(self):
        for process in self.started:
            end(process)
        # What the shell has started is of its session, which is of its own.
        try:
            os.killpg(self.shell.pid, 15)
            self.shell.wait(timeout=10)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            self.shell.kill()
            self.shell.wait()


def pattern_of(text):
    """What is the same as a text of the manual, and which of its groups has which identifier."""
    parts, names = [], {}
    for token in TOKEN.finditer(text.strip()):
        if token["dots"]:
            parts.append(".*?")
        elif token["pairs"]:
            parts.append("(?:[0-9A-F]{2}:)+")
        elif token["id"]:
            name = token["id"]
            group = next((group for group, known in names.items() if known == name), None)
            if group is None:
                group = f"id{len(names)}"
                names[group] = name
                parts.append(f"(?P<{group}>[0-9a-f]+)")
            else:
                parts.append(f"(?P={group})")
        elif token["number"]:
            parts.append("[0-9]+")
        elif token["space"]:
            parts.append(r"\s+")
        else:
            parts.append(re.escape(token["text"]))
    return re.compile("".join(parts), re.S), names


def link_target(folder):
    """The repository's commands name what cargo makes by where it is."""
    os.symlink(os.path.join(ROOT, "target"), os.path.join(folder, "target"))
