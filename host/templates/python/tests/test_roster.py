import json
import unittest

import roster
import support

BODY = '[{"address": "marie@example.com", "name": "Marie"}]'
GIVEN = {"friends_url": "https://app.example.org/friends/%s"}


class RosterTest(unittest.TestCase):
    def test_the_application_is_asked_for_the_user(self):
        settings = roster.configure(GIVEN.get)
        self.assertEqual(roster.request(settings, "a#b")[0], "https://app.example.org/friends/a%23b")
        self.assertRaises(support.Wrong, roster.request, settings, "..")

    def test_a_setting_that_cannot_work_is_named(self):
        for url in (None, "app", "http://app/friends"):
            with self.assertRaises(support.Wrong) as raised:
                roster.configure({"friends_url": url}.get)
            self.assertEqual(raised.exception.key, "friends_url")

    def test_friends_become_contacts(self):
        [marie] = roster.contacts(json.loads(BODY))
        self.assertEqual((marie.jid, marie.name), ("marie@example.com", "Marie"))

    def test_what_is_no_list_of_friends_is_an_error(self):
        for answer in ({"people": 7}, None, [7], [{"address": 7}]):
            self.assertRaises((TypeError, LookupError, AttributeError), lambda: roster.contacts(answer))

    def test_only_an_entity_tag_is_sent_back(self):
        self.assertEqual(support.etag(['"v1"']), '"v1"')
        self.assertIsNone(support.etag(["*"]))
