//! Who may log in.
//!
//! - [`credentials`]: what is stored instead of a password
//! - [`file`](mod@file): a file of them
//! - `file_text`: its text, and what can be wrong with it
//! - `edit`: what changes such a file; `replace`: how it does so in one step
//! - [`fixed`]: accounts that are given
//! - [`decoy`]: what those are asked to prove who have none; `secret`: what it depends on
//! - `hashing`: where passwords are hashed
//! - [`table`]: the text of such a file
//! - [`http`]: the application checks passwords

pub mod credentials;
pub mod decoy;
mod edit;
pub mod file;
mod file_text;
pub mod fixed;
mod hashing;
pub mod http;
mod replace;
mod secret;
pub mod table;

use async_trait::async_trait;
use roster_model::Username;

pub use credentials::{ScramCredentials, ScramHash};

/// The accounts of one domain.
#[async_trait]
pub trait Accounts: Send + Sync + 'static {
    /// Whether [`Accounts::credentials`] knows any: whether SCRAM is offered. Not by default.
    fn has_credentials(&self) -> bool {
        false
    }

    /// Called before anybody is served: makes what has to be there.
    fn prepare(&self) {}

    /// What is made up for a `name` without an account, so that it looks like one that has one: it has to stay the same, also
    /// when the process is started again. The endpoint makes it up, with a secret of this process, if an implementation
    /// does not know better.
    fn decoy(&self, _domain: &str, _name: &str, _hash: ScramHash) -> Option<ScramCredentials> {
        None
    }

    /// What a password of `user` can be proved against; `None` if there is no such account.
    ///
    /// Must not take measurably longer for one that exists than for one that does not.
    async fn credentials(&self, _user: &Username, _hash: ScramHash) -> Result<Option<Stored>, AccountsUnavailable> {
        Ok(None)
    }

    /// Whether `password` is the password of `user`. The same holds for the time.
    async fn verify_plain(&self, user: &Username, password: &str) -> Result<Verdict, AccountsUnavailable>;

    /// Of `users`, who are logged in, those whose accounts are gone or may not be used any more: their sessions end. Asked
    /// every few seconds. Nobody, unless an implementation knows better.
    async fn gone(&self, _users: Vec<Username>) -> Vec<Username> {
        Vec::new()
    }
}

/// What [`Accounts::credentials`] finds.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The credentials.
    pub credentials: ScramCredentials,
    /// The account exists, and may not be used. Nobody is told: a login fails as with a wrong password.
    pub disabled: bool,
}

/// What [`Accounts::verify_plain`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The password is right.
    Accepted,
    /// There is no such account, or the password is wrong.
    Refused,
    /// The password is right, and the account may not be used.
    Disabled,
}

/// Nobody can say now who may log in. The text is for the log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct AccountsUnavailable {
    /// Why, in one line.
    pub reason: String,
}
