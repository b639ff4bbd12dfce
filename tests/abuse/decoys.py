"""Who has no account has to look like who has one, in what is answered and in what it costs, however often it is asked."""

import base64
import os
import threading
import time

from client import STREAM, Xmpp
from host import ATTACKERS, TIMEOUT, Program
from observer import cpu_seconds

SASL = "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"
# xmpp.login.failures_per_address, and one that is under way.
MOST_LOOKED_AT = 20
# Of one core, while names are asked for as fast as can be.
MOST_CPU = 1.0
OTHER = "other.localhost"
SECOND_DOMAIN = f"""
[[host]]
domain = "{OTHER}"
accounts = "accounts.txt"

[host.settings]
http_roster_url = "{{application}}/contacts/%s"
"""
# One name to the server (RFC 8265): as it is, in capitals, in full width.
SPELLINGS = ["nobody-at-all", "NOBODY-at-ALL", "\uff4eobody-at-all"]
ADDRESSES = iter(f"127.0.{16 + n // 250}.{1 + n % 250}" for n in range(2000))


def begin(port, source, domain="localhost"):
    client = Xmpp(port, source)
    client.send(STREAM.replace("to='localhost'", f"to='{domain}'"))
    features = client.expect("</stream:features>")
    return client, features[features.index("<mechanisms"):features.index("</mechanisms>")]


def challenged(client, user):
    """What the server wants to see proved: salt and iterations. `None` if it does not say."""
    first = base64.b64encode(f"n,,n={user},r=attacker".encode()).decode()
    client.send(f"<auth {SASL} mechanism='SCRAM-SHA-256'>{first}</auth>")
    answer = client.expect("</challenge>", "</failure>")
    if "</failure>" in answer:
        return None
    text = base64.b64decode(answer.rpartition("</challenge>")[0].rpartition(">")[2]).decode()
    fields = dict(part.split("=", 1) for part in text.split(","))
    return base64.b64decode(fields["s"]), fields["i"], fields["r"]


def asked(port, user, domain="localhost"):
    """What is seen of a name: its salt and how that looks, what a wrong proof is answered, which mechanisms there are."""
    client, mechanisms = begin(port, next(ADDRESSES), domain)
    salt, iterations, nonce = challenged(client, user)
    proof = base64.b64encode(f"c=biws,r={nonce},p={base64.b64encode(bytes(32)).decode()}".encode()).decode()
    client.send(f"<response {SASL}>{proof}</response>")
    failure = client.expect("</failure>", "</stream:stream>")
    client.close()
    return salt, (len(salt), iterations, len(nonce), failure, mechanisms)


def cost_of_guesses(host, users):
    """What so many wrong passwords cost the host, seconds of CPU."""
    before = cpu_seconds(host.pid)
    for user in users:
        client, _ = begin(host.ports["xmpp"], next(ADDRESSES))
        client.plain(user, "wrong")
        client.close()
    return cpu_seconds(host.pid) - before


def same_to_look_at(host):
    port, faults = host.ports["xmpp"], []
    real = [asked(port, user) for user in ATTACKERS[:10]]
    made_up = [asked(port, f"nobody{n}") for n in range(10)]
    looks = [{look for _, look in of} for of in (real, made_up)]
    if looks[0] != looks[1]:
        faults.append(f"those with an account look like {looks[0]}, those without like {looks[1]}")
    if len({salt for salt, _ in made_up}) < 10:
        faults.append("names without an account share salts")
    salts = {spelling: asked(port, spelling)[0] for spelling in SPELLINGS * 2}
    if len(set(salts.values())) > 1:
        faults.append(f"a name without an account has another salt in another spelling: {salts}")
    if asked(port, SPELLINGS[0], OTHER)[0] in salts.values():
        faults.append("a name without an account has the same salt in another domain")
    # As after a restart, with the same files.
    again = Program(os.path.abspath(host.program.process.args[0]), host.folder)
    try:
        if asked(again.ports["xmpp"], SPELLINGS[0])[0] not in salts.values():
            faults.append("a name without an account has another salt after a restart")
    finally:
        again.stop()
    return faults


def unknown_names(host, seconds):
    """Names without an account, asked for as SCRAM and PLAIN allow it: compared with those that have one, then thousands of them."""
    faults = same_to_look_at(host)
    real, made_up = (cost_of_guesses(host, users) for users in (ATTACKERS[:30] * 2, [f"nobody{n}" for n in range(60)]))
    if not 0.5 < (made_up + 0.05) / (real + 0.05) < 2:
        faults.append(f"60 guesses cost {real:.2f} s with an account and {made_up:.2f} s without one")
    end, sources = time.monotonic() + seconds, [next(ADDRESSES) for _ in range(40)]
    looked_at, turned_away = dict.fromkeys(sources, 0), []
    before, began = cpu_seconds(host.pid), time.monotonic()

    def attack(source):
        number = 0
        while time.monotonic() < end:
            try:
                client, _ = begin(host.ports["xmpp"], source)
                number += 1
                if challenged(client, f"nobody-{source}-{number}"):
                    # An exchange that is broken off is a guess, too.
                    looked_at[source] += 1
                else:
                    turned_away.append(source)
                client.close()
            except (OSError, ValueError):
                time.sleep(0.05)

    threads = [threading.Thread(target=attack, args=(source,), daemon=True) for source in sources]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=seconds + TIMEOUT)
    cpu = (cpu_seconds(host.pid) - before) / (time.monotonic() - began)
    print(f"    60 guesses: {real:.2f} s of CPU with an account, {made_up:.2f} s without; then {sum(looked_at.values())} names were looked at, "
          f"{len(turned_away)} turned away, {cpu:.2f} of a core", flush=True)
    most = max(looked_at.values())
    if most > MOST_LOOKED_AT + 1:
        faults.append(f"{most} names of one address were looked at; {MOST_LOOKED_AT} may be")
    if cpu > MOST_CPU:
        faults.append(f"{cpu:.2f} of a core; {MOST_CPU} may be")
    if not turned_away:
        faults.append("nobody was turned away: this proves nothing")
    return faults
