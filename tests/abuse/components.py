"""Components that an attacker writes."""

LOCALS, LOOPS = 49_000, 1_000


def number(value):
    """LEB128."""
    out = bytearray()
    while True:
        byte, value = value & 0x7F, value >> 7
        if not value:
            return bytes([*out, byte])
        out.append(byte | 0x80)


def section(kind, content):
    return bytes([kind]) + number(len(content)) + content


def hard_module():
    """One function with many variables that live through many loops: registers are hard to find for them."""
    i64, block = b"\x7e", b"\x40"
    body = bytearray(number(1) + number(LOCALS) + i64)
    each = LOCALS // LOOPS
    for loop in range(LOOPS):
        body += b"\x03" + block
        for local in range(loop * each, (loop + 1) * each):
            body += b"\x20" + number(local) + b"\x22" + number((local * 7919 + 1) % LOCALS) + b"\x1a"
        body += b"\x20" + number(loop * each) + b"\xa7\x0d\x00"  # around again unless it is zero
        body += b"\x0b"
    body += b"\x0b"
    code = number(1) + number(len(body)) + bytes(body)
    return b"\0asm\x01\0\0\0" + section(1, b"\x01\x60\0\0") + section(3, b"\x01\0") + section(10, code)


def compile_bomb(component):
    """The component with one more module in it that nobody uses and that has to be compiled all the same."""
    return component + section(1, hard_module())
