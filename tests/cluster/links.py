"""The network between the nodes and the NATS servers, and between these: proxies, in a process of their own, that are cut at will.

A link passes what it is given (`pass`), holds all of it back and tells nobody (`swallow`), or ends connections at once (`drop`).
"""

import asyncio
import multiprocessing


class Half(asyncio.Protocol):
    """One side of a connection."""

    def __init__(self, link, peer=None):
        self.link, self.peer, self.transport, self.waiting = link, peer, None, []

    def connection_made(self, transport):
        self.transport = transport
        self.link.halves.add(self)
        if self.link.mode == "drop":
            transport.abort()
        elif self.peer is None:
            self.connecting = asyncio.ensure_future(self.connect())
        self.hold()

    async def connect(self):
        while self.link.mode == "swallow":
            await asyncio.sleep(0.05)
        try:
            _, other = await asyncio.get_running_loop().create_connection(lambda: Half(self.link, self), "127.0.0.1", self.link.target)
        except OSError:
            return self.transport.abort()
        self.peer = other
        if self.transport.is_closing():
            return other.transport.abort()
        other.transport.write(b"".join(self.waiting))
        self.waiting.clear()

    def hold(self):
        if self.link.mode == "swallow":
            self.transport.pause_reading()
        else:
            self.transport.resume_reading()

    def data_received(self, data):
        if self.peer is None or self.peer.transport is None:
            self.waiting.append(data)
        else:
            self.peer.transport.write(data)

    def pause_writing(self):
        if self.peer and self.peer.transport:
            self.peer.transport.pause_reading()

    def resume_writing(self):
        if self.peer and self.peer.transport:
            self.peer.hold()

    def connection_lost(self, error):
        self.link.halves.discard(self)
        if self.peer and self.peer.transport:
            self.peer.transport.abort() if error else self.peer.transport.close()


class Link:
    def __init__(self, target):
        self.target, self.mode, self.halves = target, "pass", set()

    async def listen(self):
        server = await asyncio.get_running_loop().create_server(lambda: Half(self), "127.0.0.1", 0)
        return server, server.sockets[0].getsockname()[1]

    def set(self, mode):
        self.mode = mode
        for half in list(self.halves):
            half.transport.abort() if mode == "drop" else half.hold()


async def serve(pipe):
    links, servers, over = {}, [], asyncio.Event()
    asked = asyncio.Queue()
    asyncio.get_running_loop().add_reader(pipe.fileno(), lambda: asked.put_nowait(pipe.recv()))
    while not over.is_set():
        names, what = await asked.get()
        if what is None:
            return
        if isinstance(what, int):
            links[names] = Link(what)
            server, port = await links[names].listen()
            servers.append(server)
            pipe.send(port)
            continue
        for name in names:
            links[name].set(what)
        pipe.send(None)


def main(pipe):
    try:
        asyncio.run(serve(pipe))
    except (KeyboardInterrupt, EOFError):
        pass


class Links:
    def __init__(self):
        self.pipe, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=main, args=(theirs,), daemon=True)
        self.process.start()
        self.names = []

    def add(self, name, target):
        """The port where it is reached."""
        self.names.append(name)
        self.pipe.send((name, target))
        return self.pipe.recv()

    def set(self, names, mode):
        self.pipe.send((names, mode))
        self.pipe.recv()

    def close(self):
        self.pipe.send((None, None))
        self.process.join(timeout=5)
        self.process.kill()
