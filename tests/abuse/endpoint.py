"""Attacks on the XMPP endpoint, before login and after it."""

import asyncio
import ssl
import threading
import time

from client import TIMEOUT, STREAM, Xmpp, connect, send_all, websocket, websocket_frame
from host import ATTACKERS, PASSWORD


def address(n):
    return f"127.0.{1 + n // 200}.{1 + n % 200}"


def in_parallel(count, act):
    threads = [threading.Thread(target=act, args=(n,), daemon=True) for n in range(count)]
    for thread in threads:
        thread.start()
    return threads


def long_namespace_names(host, seconds):
    """Connections without a login: a namespace name of 4,900 characters, and as many elements in it as fit."""
    element = f"<a xmlns='{'n' * 4900}'>" + "<b/>" * 1240
    end, streams = time.monotonic() + seconds, []
    for n in range(400):
        stream = connect(host.ports["xmpp"], address(n))
        send_all(stream, (STREAM + element).encode(), 1)
        streams.append(stream)
    time.sleep(max(0, end - time.monotonic()))
    for stream in streams:
        stream.close()


def unread_websocket_pings(host, seconds):
    """Pings as long as they may be; what is answered is never read."""
    end = time.monotonic() + seconds
    pings = websocket_frame(9, b"p" * 125) * 2000

    def attack(n):
        stream = websocket(host.ports["http"], address(n))
        while time.monotonic() < end and send_all(stream, pings, 1):
            pass
        stream.close()

    for thread in in_parallel(4, attack):
        thread.join()


def empty_websocket_frames(host, seconds):
    """Pongs and empty continuations of one message."""
    end = time.monotonic() + seconds
    frames = (websocket_frame(10) + websocket_frame(0, final=False)) * 4000

    def attack(n):
        stream = websocket(host.ports["http"], address(n))
        stream.sendall(websocket_frame(1, final=False))
        while time.monotonic() < end and send_all(stream, frames, 1):
            pass
        stream.close()

    for thread in in_parallel(2, attack):
        thread.join()


def log_in(host, n, **options):
    return Xmpp(host.ports["xmpp"], address(n), **options).log_in(ATTACKERS[n], PASSWORD, "attack")


def tiny_elements_to_sleepers(host, seconds):
    """Ten sessions that sleep, and one that sends each of them messages of tiny elements."""
    for n in range(10):
        sleeper = log_in(host, n).resumable()
        sleeper.send("<presence/>")
        sleeper.ping("there")
        sleeper.close()
    message = "".join(f"<message to='{ATTACKERS[n]}@localhost/attack'><x xmlns='x'>{'<a/>' * 25000}</x></message>" for n in range(10))
    end = time.monotonic() + seconds

    def attack(n):
        sender = log_in(host, 20 + n)
        while time.monotonic() < end and send_all(sender.stream, message.encode(), 1):
            pass
        sender.close()

    for thread in in_parallel(4, attack):
        thread.join()


def unread_roster_gets(host, seconds):
    """Sessions with large rosters that ask for them again and again, and read nothing."""
    gets = "".join(f"<iq type='get' id='{n}'><query xmlns='jabber:iq:roster'/></iq>" for n in range(500)).encode()
    end = time.monotonic() + seconds

    def attack(n):
        reader = log_in(host, n, receive_buffer=4096)
        while time.monotonic() < end and send_all(reader.stream, gets, 1):
            pass
        time.sleep(max(0, end - time.monotonic()))
        reader.close()

    for thread in in_parallel(20, attack):
        thread.join()


def parallel_guesses(host, seconds):
    """Hundreds of wrong passwords at once from one address, for one account that exists and others that do not."""
    wrong, refused, end = [], [], time.monotonic() + seconds

    def attack(n):
        while time.monotonic() < end:
            try:
                client = Xmpp(host.ports["xmpp"], "127.0.9.9")
                client.send(STREAM)
                client.expect("</stream:features>")
                answer = client.plain("attacker0" if n % 2 else f"nobody{n}", "wrong")
                (wrong if "not-authorized" in answer else refused).append(answer)
                client.close()
            except OSError:
                time.sleep(0.05)

    for thread in in_parallel(100, attack):
        thread.join()
    faults = []
    if len(wrong) > 21:
        faults.append(f"{len(wrong)} guesses were looked at; 20 may be")
    if not wrong:
        faults.append("no guess was looked at: this proves nothing")
    return faults


def half_handshakes(host, seconds):
    """TLS that begins and never goes on, from one address, as fast as it can."""
    hello = ssl.MemoryBIO()
    context = ssl.create_default_context()
    try:
        context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    hello = hello.read()

    async def handshakes(port, end):
        while time.monotonic() < end:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.8.8", 0))
                writer.write(hello)
                await asyncio.wait_for(reader.read(1), 1)
                writer.transport.abort()
            except (OSError, asyncio.TimeoutError):
                await asyncio.sleep(0.001)

    async def all_of_them():
        end = time.monotonic() + seconds
        ports = [host.ports["https"], host.ports["xmpps"]]
        await asyncio.gather(*(handshakes(ports[n % 2], end) for n in range(60)))

    asyncio.run(all_of_them())
    # Somebody else gets in meanwhile, and soon after.
    context = ssl.create_default_context(cafile=f"{host.folder}/chain.pem")
    with context.wrap_socket(connect(host.ports["xmpps"]), server_hostname="localhost"):
        pass


def floods_of_connections(host, seconds):
    """Connections that are opened, and left or closed, as fast as they can be."""
    async def connections(port, end):
        kept = []
        while time.monotonic() < end:
            try:
                kept.append((await asyncio.open_connection("127.0.0.1", port, local_addr=("127.0.8.9", 0)))[1])
            except OSError:
                await asyncio.sleep(0.001)
            if len(kept) > 100:
                kept.pop(0).transport.abort()

    async def all_of_them():
        end = time.monotonic() + seconds
        ports = [host.ports["http"], host.ports["xmpp"]]
        await asyncio.gather(*(connections(ports[n % 2], end) for n in range(10)))

    asyncio.run(all_of_them())


def thousands_for_a_sleeper(host, seconds):
    """Messages to a session that sleeps, until it would be ended: it has to be there when its client comes back."""
    sleeper = log_in(host, 0)
    sleeper.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    enabled = sleeper.expect("/>")
    previd = enabled.split("id='")[1].split("'")[0] if "id='" in enabled else enabled.split('id="')[1].split('"')[0]
    sleeper.close()
    sender = log_in(host, 1)
    sender.send(f"<message to='{ATTACKERS[0]}@localhost/attack' type='chat'><body>x</body></message>" * 3000)
    sender.stream.settimeout(seconds + TIMEOUT)
    sender.ping("sent")
    sender.close()
    back = Xmpp(host.ports["xmpp"])
    back.send(STREAM)
    back.expect("</stream:features>")
    back.plain(ATTACKERS[0], PASSWORD)
    back.send(STREAM)
    back.expect("</stream:features>")
    back.send(f"<resume xmlns='urn:xmpp:sm:3' previd='{previd}' h='0'/>")
    answer = back.expect("<resumed", "<failed")
    back.close()
    return [] if "<resumed" in answer else [f"the session was ended by a stranger: {answer[-300:]}"]
