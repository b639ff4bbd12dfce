"""A TCP proxy between a server and the host: the network, which a check cuts, or which swallows what it is given."""

import asyncio
import threading


class Proxy:
    """Runs in a thread of its own, so that it goes on while a check waits."""

    def __init__(self, port):
        self.target, self.mode, self.count = ("127.0.0.1", port), "pass", 0
        self.writers = set()
        self.loop = asyncio.new_event_loop()
        ready = threading.Event()
        threading.Thread(target=self._run, args=(ready,), daemon=True).start()
        ready.wait()

    def _run(self, ready):
        asyncio.set_event_loop(self.loop)

        async def serve():
            self.server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
            self.port = self.server.sockets[0].getsockname()[1]
            ready.set()

        self.loop.create_task(serve())
        self.loop.run_forever()

    async def _accept(self, reader, writer):
        self.count += 1
        self.writers.add(writer)
        try:
            if self.mode == "refuse":
                return
            other_reader, other_writer = await asyncio.open_connection(*self.target)
            self.writers.add(other_writer)
            await asyncio.gather(self._pump(reader, other_writer), self._pump(other_reader, writer))
        except OSError:
            pass
        finally:
            writer.transport.abort()

    async def _pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                while self.mode == "swallow":
                    await asyncio.sleep(0.02)
                writer.write(data)
                await writer.drain()
        except (OSError, RuntimeError):
            pass
        writer.close()
        self.writers.discard(writer)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def cut(self):
        """All connections there are."""
        def abort():
            for writer in list(self.writers):
                writer.transport.abort()
            self.writers.clear()
        self.loop.call_soon_threadsafe(abort)

    def set(self, mode):
        """pass; refuse: connections end at once; swallow: nothing gets through, and nobody is told."""
        self.mode = mode
        if mode == "refuse":
            self.cut()

    def close(self):
        self.cut()
        self.loop.call_soon_threadsafe(self.loop.stop)
