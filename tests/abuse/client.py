"""The two protocols as plainly as they can be spoken: an attacker needs no more, and who behaves gets by with it."""

import base64
import json
import socket
import struct
import time

TIMEOUT = 30  # seconds, for one answer

STREAM = ("<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
          "xmlns:stream='http://etherx.jabber.org/streams'>")


def connect(port, source="127.0.0.1", timeout=TIMEOUT):
    """All of 127.0.0.0/8 is this machine, so one attacker can be many addresses."""
    stream = socket.create_connection(("127.0.0.1", port), timeout=timeout, source_address=(source, 0))
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return stream


def send_all(stream, data, seconds):
    """Sends until everything is sent, the other side has closed, or the time is over; how many bytes went out."""
    end, sent, view = time.monotonic() + seconds, 0, memoryview(data)
    while sent < len(view) and (left := end - time.monotonic()) > 0:
        stream.settimeout(left)
        try:
            sent += stream.send(view[sent:sent + 65536])
        except OSError:
            break
    return sent


class Xmpp:
    """A client that looks for words in what it is sent."""

    def __init__(self, port, source="127.0.0.1", receive_buffer=None):
        self.stream = connect(port, source)
        if receive_buffer:
            self.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.read = b""

    def send(self, text):
        self.stream.sendall(text.encode() if isinstance(text, str) else text)

    def expect(self, *words):
        """Reads until one of the words has come; everything up to it and with it."""
        words = [word.encode() for word in words]
        while True:
            found = [(at, word) for word in words if (at := self.read.find(word)) >= 0]
            if found:
                at, word = min(found)
                end = at + len(word)
                before, self.read = self.read[:end], self.read[end:]
                return before.decode(errors="replace")
            more = self.stream.recv(65536)
            if not more:
                raise ConnectionError(f"the stream ended before {words}: {self.read[-300:]}")
            self.read += more

    def log_in(self, user, password, resource):
        self.send(STREAM)
        self.expect("</stream:features>")
        answer = self.plain(user, password)
        if "<success" not in answer:
            raise ConnectionError(answer)
        self.send(STREAM)
        self.expect("</stream:features>")
        self.send("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                  f"<resource>{resource}</resource></bind></iq>")
        self.expect("</iq>")
        return self

    def plain(self, user, password):
        secret = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        self.send(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{secret}</auth>")
        return self.expect("<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>", "</failure>")

    def resumable(self):
        self.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
        self.expect("<enabled")
        self.expect(">")
        return self

    def ping(self, name):
        self.send(f"<iq type='get' id='{name}'><ping xmlns='urn:xmpp:ping'/></iq>")
        self.expect(f"id='{name}'")
        self.expect(">")

    def close(self):
        self.stream.close()


class Http:
    """One connection, kept open; requests one after another."""

    def __init__(self, port, source="127.0.0.1"):
        self.port, self.source, self.stream = port, source, None

    def request(self, method, path, body=b"", headers=()):
        """Status and body. Connects anew where the server has closed the connection meanwhile."""
        kept = self.stream is not None
        try:
            return self._request(method, path, body, headers)
        except (ConnectionError, TimeoutError):
            self.close()
            if not kept:
                raise
            return self._request(method, path, body, headers)

    def _request(self, method, path, body, headers):
        if self.stream is None:
            self.stream = connect(self.port, self.source)
        lines = [f"{method} {path} HTTP/1.1", f"host: 127.0.0.1:{self.port}", f"content-length: {len(body)}", *headers]
        self.stream.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        read = b""
        while b"\r\n\r\n" not in read:
            read += self._more()
        head, read = read.split(b"\r\n\r\n", 1)
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
        status = int(head.split(b" ", 2)[1])
        length = int(fields.get(b"content-length", 0))
        while len(read) < length:
            read += self._more()
        if fields.get(b"connection") == b"close":
            self.close()
        return status, read

    def _more(self):
        more = self.stream.recv(65536)
        if not more:
            raise ConnectionError("closed")
        return more

    def refresh(self, users):
        """Whether all of them were refreshed, and what was answered."""
        status, body = self.request("POST", "/roster_admin/refresh", json.dumps(users).encode())
        return status == 200 and json.loads(body).get("errors") == 0, f"{status} {body[:200]}"

    def close(self):
        if self.stream is not None:
            self.stream.close()
            self.stream = None


def frame(kind, flags, stream, payload=b""):
    """A frame of HTTP/2 (RFC 9113, section 4.1)."""
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0)


def post_head(stream, length):
    """HEADERS of a refresh request whose body comes later, without a table or Huffman codes (RFC 7541)."""
    def literal(name, value):
        return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
    # :method POST and :scheme http are in the static table.
    block = (b"\x83\x86" + literal(b":path", b"/roster_admin/refresh") + literal(b":authority", b"localhost")
             + literal(b"content-length", str(length).encode()))
    return frame(1, 4, stream, block)


def websocket(port, source="127.0.0.1"):
    """A connection that has been upgraded (RFC 6455, RFC 7395)."""
    stream = connect(port, source)
    stream.sendall(b"GET /xmpp-websocket HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n"
                   b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                   b"sec-websocket-protocol: xmpp\r\n\r\n")
    read = b""
    while b"\r\n\r\n" not in read:
        more = stream.recv(4096)
        if not more:
            raise ConnectionError("closed")
        read += more
    if b" 101 " not in read:
        raise ConnectionError(read.decode(errors="replace"))
    return stream


def websocket_frame(kind, payload=b"", final=True):
    """Masked with zeros, as short as can be: payloads up to 125 bytes."""
    return bytes([(0x80 if final else 0) | kind, 0x80 | len(payload)]) + bytes(4) + payload
