"""What the application said, held against what clients were told."""


def roster(contacts):
    """A roster as a client has it, from what the application says."""
    return {jid: {"name": contact.get("name"), "subscription": contact.get("subscription", "both"),
                  "ask": contact.get("ask"), "groups": sorted(contact.get("groups", []))} for jid, contact in contacts.items()}


def difference(expected, found):
    lines = []
    for jid in sorted(expected.keys() | found.keys()):
        if expected.get(jid) != found.get(jid):
            lines.append(f"{jid}: expected {expected.get(jid)}, found {found.get(jid)}")
    return lines


async def check_rosters(clients, said):
    """Each client's roster, as its pushes made it, and as the server has it, is what the application said. `said(user)`."""
    faults = []
    for client in clients:
        await client.round_trip()
        expected = roster(said(client.user))
        faults += [f"{client.bare} as pushed: {line}" for line in difference(expected, client.roster)]
        await client.get_roster(versioned=False)
        faults += [f"{client.bare} as asked: {line}" for line in difference(expected, client.roster)]
    if faults:
        raise AssertionError("rosters that are not what the application says:\n  " + "\n  ".join(faults[:20]))


def check_order(client, jid, names, every=True):
    """The names that `jid` was pushed with: all of them (`every`), or some (who was away is told the last), each once, in the
    order they were given, the last one last."""
    pushed = [contact["name"] for address, contact in client.pushes if address == jid and contact]
    if every:
        if pushed != names:
            raise AssertionError(f"{client.bare}: {jid} was pushed as {pushed}, the application said {names}")
        return
    places = [names.index(name) for name in pushed]
    if places != sorted(set(places)) or not pushed or pushed[-1] != names[-1]:
        raise AssertionError(f"{client.bare}: {jid} was pushed as {pushed}, out of the order of {names}")
