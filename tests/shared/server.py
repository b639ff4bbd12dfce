"""What the XMPP servers that are started here have in common: a process in a folder of its own."""

import os
import random
import signal
import socket
import subprocess

from running import TIMEOUT

TICK = os.sysconf("SC_CLK_TCK")


def free_ports(count):
    """Below those that the kernel gives to whoever connects: who is started again finds his port free."""
    found = []
    while len(found) < count:
        with socket.socket() as one:
            port = random.randrange(15000, 32000)
            try:
                one.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in found:
            found.append(port)
    return found


def seconds_used(pid):
    """Of CPU."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def resident(process):
    """Bytes of memory."""
    with open(f"/proc/{process.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Server:
    """Has a `folder`, to whose file `output` goes what the process says to its terminal."""

    process = None

    def spawn(self, command, environment=None):
        self.process = subprocess.Popen(command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL,
                                        stdout=open(os.path.join(self.folder, "output"), "ab"), stderr=subprocess.STDOUT)

    def stop(self):
        """As an operator does."""
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=TIMEOUT)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait(timeout=TIMEOUT)

    def output(self):
        return self.read("output")

    def read(self, name):
        try:
            with open(os.path.join(self.folder, name), errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""
