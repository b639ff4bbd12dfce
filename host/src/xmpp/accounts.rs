//! Accounts that are given and not read: those of the demo, and of programs that embed the host.

use std::collections::HashMap;

use async_trait::async_trait;
use roster_xmpp::accounts::table::Account;
use roster_xmpp::accounts::{Accounts, AccountsUnavailable, ScramHash, Stored, Verdict};

use crate::config::Secret;
use crate::model::Username;

pub(super) struct FixedAccounts(HashMap<Username, Account>);

impl FixedAccounts {
    pub(super) fn new(passwords: &[(Username, Secret)]) -> Self {
        Self(passwords.iter().map(|(user, password)| (user.clone(), Account::new(password.reveal()))).collect())
    }
}

#[async_trait]
impl Accounts for FixedAccounts {
    fn has_credentials(&self) -> bool {
        true
    }

    async fn credentials(&self, user: &Username, hash: ScramHash) -> Result<Option<Stored>, AccountsUnavailable> {
        let credentials = self.0.get(user).and_then(|account| account.get(hash)).cloned();
        Ok(credentials.map(|credentials| Stored { credentials, disabled: false }))
    }

    async fn verify_plain(&self, user: &Username, password: &str) -> Result<Verdict, AccountsUnavailable> {
        let known = self.0.get(user).and_then(Account::strongest);
        Ok(if known.is_some_and(|credentials| credentials.is_of(password)) {
            Verdict::Accepted
        } else {
            Verdict::Refused
        })
    }
}
