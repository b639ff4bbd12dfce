"""What this application is asked, and what its answers mean. Plain values: tested without a host."""

from support import Contact, url_template


def configure(get):
    """What is read of the settings: `get(key)` is what the operator wrote, or None."""
    return url_template("friends_url", get("friends_url"))


def request(url, user):
    """What to ask for this user's roster: URL and headers."""
    return url(user), {"accept": "application/json"}


def contacts(answer):
    """The contacts that the answer, `[{"address": "marie@example.com", "name": "Marie"}]`, means."""
    return [Contact(friend["address"], friend.get("name")) for friend in answer]
