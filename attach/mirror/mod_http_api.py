"""The seam to a server, and ejabberd's mod_http_api behind it.

Another server is a class with the same four methods (MongooseIM: GraphQL `account.listUsers`, `roster.listContacts`, `roster.addContact`,
`roster.deleteContact`, and `roster.subscribeToAll` for subscriptions; Openfire: REST `users`, `users/{user}/roster`).
"""

import http.client
import json
import threading
import urllib.parse

TIMEOUT = 30  # seconds, for one call


class Failed(Exception):
    """The server has not done it; the argument says why."""


class Ejabberd:
    def __init__(self, url, domain, authorization=None):
        """`url`: where mod_http_api is, as http://127.0.0.1:5280/api. `authorization`: a header, if it wants one."""
        self.url, self.domain = urllib.parse.urlsplit(url.rstrip("/")), domain
        self.headers = {"Content-Type": "application/json"} | ({"Authorization": authorization} if authorization else {})
        self.local = threading.local()
        self.many = True  # Groups as a list, since 24.02; before, as one string with semicolons.

    def users(self):
        return self.call("registered_users", host=self.domain)

    def roster(self, user):
        """{jid: contact}, contacts as the attach API has them."""
        contacts = {}
        for item in self.call("get_roster", user=user, host=self.domain):
            contact = contacts.setdefault(item["jid"], {"name": item["nick"], "subscription": item["subscription"], "groups": set()})
            contact["groups"] |= set(item["groups"]) if "groups" in item else {item["group"]} - {""}
        return contacts

    def put(self, user, jid, contact):
        local, _, host = jid.rpartition("@")
        fixed = dict(localuser=user, localhost=self.domain, user=local, host=host, nick=contact["name"], subs=contact["subscription"])
        if self.many:
            try:
                return self.call("add_rosteritem", **fixed, groups=sorted(contact["groups"]))
            except Failed as failed:
                if "argument" not in str(failed):
                    raise
                self.many = False
        self.call("add_rosteritem", **fixed, group=";".join(sorted(contact["groups"])))

    def remove(self, user, jid):
        """ejabberd takes the user out of the contact's roster, too, as when a client does it: whoever asks puts that right."""
        local, _, host = jid.rpartition("@")
        self.call("delete_rosteritem", localuser=user, localhost=self.domain, user=local, host=host)

    def wanted(self, contact):
        """A contact as this server can have it: nothing is waited for (`ask`), and with 23.01 a group has no semicolon."""
        groups = set(contact.get("groups", []))
        if not self.many:
            groups = {part for group in groups for part in group.split(";") if part}
        return {"name": contact.get("name", ""), "subscription": contact.get("subscription", "both"), "groups": groups}

    def call(self, command, **arguments):
        body = json.dumps(arguments).encode()
        for again in (True, False):
            connection = getattr(self.local, "connection", None)
            fresh = connection is None
            if fresh:
                kind = http.client.HTTPSConnection if self.url.scheme == "https" else http.client.HTTPConnection
                connection = self.local.connection = kind(self.url.netloc, timeout=TIMEOUT)
            try:
                connection.request("POST", f"{self.url.path}/{command}", body, self.headers)
                response = connection.getresponse()
                text = response.read()
                break
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                self.local.connection = None
                if fresh or not again:
                    raise Failed(f"{command}: {error or type(error).__name__}") from None
        try:
            value = json.loads(text)
        except ValueError:
            value = text[:200].decode(errors="replace")
        if response.status != 200 or command.endswith("_rosteritem") and value not in (0, {"res": 0}, ""):
            raise Failed(f"{command}: {response.status}: {value}")
        return value
