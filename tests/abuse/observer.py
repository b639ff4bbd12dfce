"""Who behaves, in a process of its own: a session that pings, an application that asks for refreshes. It also looks at how
much memory the host has, and the compiler that the host may have started."""

import multiprocessing
import os
import threading
import time

from client import Http, Xmpp

PAUSE = 0.01  # seconds between two pings, and between two refreshes


def percentile(values, part):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else float("inf")


def status(pid, field):
    """A figure of /proc/PID/status in bytes; 0 if the process is gone."""
    try:
        with open(f"/proc/{pid}/status") as lines:
            return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(field)), 0)
    except (FileNotFoundError, ProcessLookupError):
        return 0


def forget_peak(pid):
    """From here on VmHWM is the peak since now."""
    with open(f"/proc/{pid}/clear_refs", "w") as file:
        file.write("5")


def children(pid):
    try:
        found = []
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += [int(child) for child in file.read().split()]
        return found
    except (FileNotFoundError, ProcessLookupError):
        return []


def cpu_seconds(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def repeat(stop, times, faults, what, act):
    """Calls `act` again and again; how long each took, and what went wrong."""
    while not stop.is_set():
        began = time.monotonic()
        try:
            act()
            times.append(time.monotonic() - began)
        except Exception as fault:
            times.append(time.monotonic() - began)
            faults.append(f"{what}: {fault}")
            time.sleep(0.1)
        stop.wait(PAUSE)


def observe(pipe, pid, ports, password):
    client = Xmpp(ports["xmpp"]).log_in("innocent", password, "phone")
    client.send("<iq type='get' id='roster'><query xmlns='jabber:iq:roster'/></iq><presence/>")
    client.expect("id='roster'")
    http = Http(ports["http"])

    def ping(count=iter(range(10 ** 9))):
        client.ping(f"ping{next(count)}")

    def refresh():
        fine, answer = http.refresh(["innocent"])
        if not fine:
            raise ConnectionError(answer)

    for _ in range(20):
        ping()
        refresh()
    stop, pings, refreshes, faults = threading.Event(), [], [], []
    threads = [threading.Thread(target=repeat, args=(stop, pings, faults, "ping", ping), daemon=True),
               threading.Thread(target=repeat, args=(stop, refreshes, faults, "refresh", refresh), daemon=True)]
    before = status(pid, "VmRSS")
    forget_peak(pid)
    cpu, began, compiler = cpu_seconds(pid), time.monotonic(), 0
    for thread in threads:
        thread.start()
    pipe.send("observing")
    while not pipe.poll(0.05):
        for child in children(pid):
            compiler = max(compiler, status(child, "VmHWM"))
    # A last one that takes long is among what counts.
    stop.set()
    for thread in threads:
        thread.join(timeout=60)
    took = time.monotonic() - began
    pipe.send({
        "before": before, "peak": status(pid, "VmHWM"), "compiler": compiler,
        "cpu": (cpu_seconds(pid) - cpu) / took, "pings": len(pings), "refreshes": len(refreshes),
        "ping": percentile(pings, 0.99), "refresh": percentile(refreshes, 0.99), "faults": faults,
    })


class Observer:
    """Begins at once; `end` says what was seen."""

    def __init__(self, pid, ports, password):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=observe, args=(theirs, pid, ports, password), daemon=True)
        self.process.start()
        theirs.close()
        self.pipe.recv()

    def end(self):
        self.pipe.send("end")
        seen = self.pipe.recv()
        self.process.join()
        return seen
