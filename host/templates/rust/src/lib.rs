//! A roster plugin: asks the application for a user's friends, and reads its answer.

use serde::Deserialize;
use xmpp_roster_plugin::{
    Call, ConfigError, Contact, FetchError, Plugin, Request, Response, Roster, Settings, Step, UrlTemplate, export,
};

/// What is read of the settings.
pub struct Friends {
    url: UrlTemplate,
}

export!(Friends);

/// An element of the answer, `[{"address": "marie@example.com", "name": "Marie"}]`.
#[derive(Deserialize)]
struct Friend {
    address: String,
    name: Option<String>,
}

impl From<Friend> for Contact {
    fn from(friend: Friend) -> Self {
        Self { name: friend.name, ..Self::new(friend.address) }
    }
}

impl Plugin for Friends {
    fn new(settings: &Settings) -> Result<Self, ConfigError> {
        Ok(Self { url: settings.url_template("friends_url")? })
    }

    fn make_request(&self, user: &str, tag: Option<&[u8]>) -> Result<Request, FetchError> {
        Ok(Request::get(self.url.url(user)?).accept_json().if_none_match(tag))
    }

    fn read_response(&self, call: &Call<'_>, response: &Response) -> Result<Step, FetchError> {
        if call.is_not_modified(response) {
            return Ok(Step::Unchanged);
        }
        let friends: Vec<Friend> = response.json()?;
        Ok(Roster::of(friends.into_iter().map(Contact::from)).with_tag(response.tag()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &str = r#"[{"address": "marie@example.com", "name": "Marie"}]"#;

    fn plugin() -> Friends {
        Friends::new(&Settings::of([("friends_url", "https://app.example.org/friends/%s")])).unwrap()
    }

    #[test]
    fn the_application_is_asked_for_the_user() {
        let request = plugin().make_request("a#b", None).unwrap();
        assert_eq!(request.url, "https://app.example.org/friends/a%23b");
    }

    #[test]
    fn friends_become_contacts() {
        let response = Response::ok(BODY).with_header("etag", "\"v1\"");
        let step = plugin().read_response(&Call::first("john"), &response).unwrap();
        let Step::Roster(roster) = step else { panic!("expected a roster: {step:?}") };
        assert_eq!(roster.contacts[0].jid, "marie@example.com");
        assert_eq!(roster.contacts[0].name.as_deref(), Some("Marie"));
        assert_eq!(roster.tag.as_deref(), Some(&b"\"v1\""[..]));
    }

    #[test]
    fn what_is_no_list_of_friends_is_an_error() {
        for response in [Response::status(404), Response::ok("<html>"), Response::ok("{}")] {
            assert!(plugin().read_response(&Call::first("john"), &response).is_err());
        }
    }
}
