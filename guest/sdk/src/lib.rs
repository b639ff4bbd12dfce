//! For authors of roster plugins: what every plugin needs, so that a plugin is a request and the reading of its response.
//!
//! A plugin is a component of the world `xmpp:roster/roster-plugin` (`wit/`). It sends nothing and waits for nothing: it says
//! what to ask for a user's roster ([`Plugin::make_request`]) and what the response means ([`Plugin::read_response`]). The host
//! asks, keeps the roster, and works out what has changed. Here is one for an application that answers with a JSON array of
//! friends:
//!
//! ```
//! use serde::Deserialize;
//! use xmpp_roster_plugin::{
//!     Call, ConfigError, Contact, FetchError, Plugin, Request, Response, Roster, Settings, Step, UrlTemplate,
//! };
//!
//! pub struct Friends {
//!     url: UrlTemplate,
//! }
//!
//! #[derive(Deserialize)]
//! struct Friend {
//!     address: String,
//!     nick: Option<String>,
//! }
//!
//! impl Plugin for Friends {
//!     fn new(settings: &Settings) -> Result<Self, ConfigError> {
//!         Ok(Self { url: settings.url_template("friends_url")? })
//!     }
//!
//!     fn make_request(&self, user: &str, tag: Option<&[u8]>) -> Result<Request, FetchError> {
//!         Ok(Request::get(self.url.url(user)?).accept_json().if_none_match(tag))
//!     }
//!
//!     fn read_response(&self, call: &Call<'_>, response: &Response) -> Result<Step, FetchError> {
//!         if call.is_not_modified(response) {
//!             return Ok(Step::Unchanged);
//!         }
//!         let friends: Vec<Friend> = response.json()?;
//!         let contact = |friend: Friend| Contact { name: friend.nick, ..Contact::new(friend.address) };
//!         Ok(Roster::of(friends.into_iter().map(contact)).with_tag(response.tag()).into())
//!     }
//! }
//!
//! xmpp_roster_plugin::export!(Friends);
//!
//! // A test needs no host: everything is a value.
//! let plugin = Friends::new(&Settings::of([("friends_url", "https://app.example.org/friends/%s")]))?;
//! assert_eq!(plugin.make_request("a/b", None)?.url, "https://app.example.org/friends/a%2Fb");
//! let response = Response::ok(r#"[{"address": "marie@example.com", "nick": "Marie"}]"#);
//! let Step::Roster(roster) = plugin.read_response(&Call::first("john"), &response)? else { panic!("a roster") };
//! assert_eq!(roster.contacts[0].jid, "marie@example.com");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - [`plugin`]: the trait, and what [`export!`] makes of it. [`call`]: what a response is read for. [`bulk`]: many users in one
//!   request
//! - [`settings`], [`url`]: what the operator wrote. [`etag`]: validators
//! - `message`, `contact`: constructors of the interface's types. [`refresh`]: refresh requests and what they are answered with
//! - [`warnings`]: what was left out, bounded. `http` (feature `http`): a request of the plugin's own
//! - [`bindings`]: what wit-bindgen makes of `wit/`; its types are those of this crate, native and on `wasm32`

pub mod bulk;
pub mod call;
mod contact;
pub mod etag;
#[cfg(feature = "http")]
pub mod http;
mod message;
pub mod plugin;
pub mod refresh;
pub mod settings;
pub mod url;
pub mod warnings;

pub use bindings::xmpp::roster::types::{
    BadRequest, Change, ConfigError, Contact, Counts, Delta, FetchError, FollowUp, Header, Method, Needs, Outcome,
    PackedContacts, Reply, Request, Response, Roster, Step, Subscription,
};
pub use call::{Call, Known};
pub use contact::{TooLong, UnknownSubscription};
pub use plugin::Plugin;
pub use settings::Settings;
pub use url::UrlTemplate;
pub use warnings::Warnings;

/// What wit-bindgen makes of `wit/`. Generated code is not held to the crate's lints.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction, rustdoc::all)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "wit",
        world: "roster-plugin",
        generate_all,
        pub_export_macro: true,
        export_macro_name: "export_component",
        // State that goes from one request to the next is often made of these, and tests compare them.
        additional_derives: [PartialEq, Eq, serde::Serialize, serde::Deserialize],
        additional_derives_ignore: ["snapshot"],
    });
}
