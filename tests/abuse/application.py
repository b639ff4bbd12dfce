"""The web application, in a process of its own. What a user's name begins with decides how it behaves."""

import asyncio
import json
import multiprocessing


CONTACTS = {f"contact{n}@localhost": {"name": f"Contact {n}", "subscription": "both"} for n in range(10)}
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n"


def response(text):
    return OK + b"content-length: %d\r\n\r\n" % len(text) + text


async def answer(user, writer, count):
    """Answers one request; false if the connection is over with it."""
    kind = user.partition("-")[0]
    if kind == "hang":
        await asyncio.sleep(3600)
    elif kind == "informational":
        # Answers that are none, as long as somebody reads them.
        while True:
            writer.write(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n" * 200)
            await writer.drain()
    elif kind == "bytes":
        # 4,000 contacts, one byte a chunk.
        text = json.dumps({f"c{n}@localhost": {"name": f"C {n}"} for n in range(4000)}).encode()
        writer.write(OK + b"transfer-encoding: chunked\r\n\r\n")
        writer.write(b"".join(b"1\r\n" + text[n:n + 1] + b"\r\n" for n in range(len(text))) + b"0\r\n\r\n")
        await writer.drain()
        return True
    elif kind == "changing":
        # Another answer each time, with what does something to whoever shows it.
        contacts = {f"c{n}@localhost": {"name": f"{count} \x1b[2J\nforged \u202e\u2028", "groups": ["\x9b\r"]} for n in range(300)}
        writer.write(response(json.dumps(contacts).encode()))
        await writer.drain()
        return True
    elif kind == "large":
        contacts = {f"c{n}-{count}@localhost": {"name": "x" * 1000} for n in range(5000)}
        writer.write(response(json.dumps(contacts).encode()))
        await writer.drain()
        return True
    else:
        writer.write(response(json.dumps(CONTACTS).encode()))
        await writer.drain()
    return True


async def connection(reader, writer):
    count = 0
    try:
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            user = head.split(b" ", 2)[1].rpartition(b"/")[2].decode()
            count += 1
            if not await answer(user, writer, count):
                break
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        pass
    finally:
        writer.close()


async def serve(pipe):
    server = await asyncio.start_server(connection, "127.0.0.1", 0, backlog=1024)
    pipe.send(server.sockets[0].getsockname()[1])
    await server.serve_forever()


def main(pipe):
    try:
        asyncio.run(serve(pipe))
    except KeyboardInterrupt:
        pass


class Application:
    def __init__(self):
        ours, theirs = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=main, args=(theirs,), daemon=True)
        self.process.start()
        self.address = f"http://127.0.0.1:{ours.recv()}"

    def close(self):
        self.process.kill()
        self.process.join()
