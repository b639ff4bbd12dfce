//! Who is whose friend in the sample application, and what it says of that in its own words.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::DOMAIN;

/// People and friendships the sample keeps at most: it is open to whoever can reach it.
const MOST_PEOPLE: usize = 1000;

/// Friendship is mutual here; an application of yours may see that otherwise.
#[derive(Default)]
pub(super) struct People {
    names: BTreeMap<String, String>,
    friends: BTreeMap<String, BTreeSet<String>>,
}

impl People {
    pub(super) fn sample() -> Self {
        let mut people = Self::default();
        for (user, name) in [("john", "John"), ("marie", "Marie"), ("michael", "Michael"), ("aaron", "Aaron")] {
            people.names.insert(user.to_owned(), name.to_owned());
        }
        for (one, other) in [("john", "marie"), ("john", "michael"), ("marie", "aaron")] {
            people.befriend(one, other);
        }
        people
    }

    /// No more fit.
    pub(super) fn is_full(&self) -> bool {
        self.friends.len() >= MOST_PEOPLE || self.names.len() >= MOST_PEOPLE
    }

    pub(super) fn befriend(&mut self, one: &str, other: &str) {
        for (one, other) in [(one, other), (other, one)] {
            self.friends.entry(one.to_owned()).or_default().insert(other.to_owned());
        }
    }

    pub(super) fn unfriend(&mut self, one: &str, other: &str) {
        for (one, other) in [(one, other), (other, one)] {
            if let Some(friends) = self.friends.get_mut(one) {
                friends.remove(other);
            }
        }
    }

    /// A new name; the friends who will see it.
    pub(super) fn rename(&mut self, user: String, name: String) -> Vec<String> {
        let friends = self.friends(&user).cloned().collect();
        self.names.insert(user, name);
        friends
    }

    pub(super) fn name(&self, user: &str) -> String {
        self.names.get(user).cloned().unwrap_or_else(|| user.to_owned())
    }

    pub(super) fn friends(&self, user: &str) -> impl Iterator<Item = &String> {
        self.friends.get(user).into_iter().flatten()
    }

    /// The answer of the protocol: contact address to what is known of the contact.
    pub(super) fn contacts(&self, user: &str) -> Map<String, Value> {
        let contact = |friend: &String| (format!("{friend}@{DOMAIN}"), json!({ "name": self.name(friend) }));
        self.friends(user).map(contact).collect()
    }

    /// Everybody, for the page.
    pub(super) fn all(&self) -> Value {
        let everybody: BTreeSet<&String> = self.names.keys().chain(self.friends.keys()).collect();
        let person = |user: &&String| json!({ "user": user, "name": self.name(user), "friends": self.friends(user).collect::<Vec<_>>() });
        everybody.iter().map(person).collect()
    }
}
