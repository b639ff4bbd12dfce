"""A `roster-host` in a folder of its own, for scripts that look at it from the outside."""

import json
import queue
import subprocess
import threading

TIMEOUT = 60  # seconds, for anything to happen on a busy machine
KEPT = 2000  # lines of the log, the last ones: an attack may cause many


class Program:
    """Runs with `roster-host.toml` of the folder, which has `log.format = "json"`. `ports`: of its listeners, by name. With `stuck`
    nobody reads its standard output, or its log once it is up."""

    def __init__(self, program, folder, stuck=False):
        self.log = []
        self.stuck = threading.Event() if stuck else None
        output = subprocess.PIPE if stuck else subprocess.DEVNULL
        self.process = subprocess.Popen([program, "--config", "roster-host.toml"], cwd=folder, text=True,
                                        stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE)
        ready = queue.Queue()
        self.reader = threading.Thread(target=self._read, args=(ready,), daemon=True)
        self.reader.start()
        try:
            where = ready.get(timeout=TIMEOUT)
        except queue.Empty:
            where = None
        if where is None:
            self.stop()
            raise SystemExit("the host did not start:\n" + "".join(self.log))
        names = ("http", "https", "admin", "xmpp", "xmpps", "attach")
        self.ports = {name: int(where[name].rpartition(":")[2]) for name in names if where.get(name, "off") != "off"}

    def _read(self, ready):
        for line in self.process.stderr:
            self.log = self.log[-KEPT:] + [line]
            try:
                fields = json.loads(line)
            except ValueError:
                continue
            if fields.get("message") == "roster-host is up":
                ready.put(fields)
                if self.stuck:
                    self.stuck.wait()
        ready.put(None)

    def stop(self):
        """Stops it as an operator does; the exit code, which is negative if it had to be killed."""
        self.process.terminate()
        try:
            code = self.process.wait(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        if self.stuck:
            self.stuck.set()
        self.reader.join(timeout=TIMEOUT)
        return code
