//! Accounts that are given and not read: those of a demo, and of programs that embed an endpoint.

use async_trait::async_trait;
use roster_model::Username;

use super::credentials::{ScramCredentials, ScramHash, random};
use super::decoy::Decoys;
use super::table::Table;
use super::{Accounts, AccountsUnavailable, Stored, Verdict, hashing};

/// See the module.
pub struct FixedAccounts {
    table: Table,
    /// With a secret of this process: the salts of accounts that are made anew at each start are new then, too.
    decoys: Decoys,
}

impl FixedAccounts {
    /// These, and no others.
    pub fn new(table: Table) -> Self {
        let decoys = Decoys::like(&random::<32>(), table.values());
        Self { table, decoys }
    }
}

#[async_trait]
impl Accounts for FixedAccounts {
    fn has_credentials(&self) -> bool {
        true
    }

    fn decoy(&self, domain: &str, name: &str, hash: ScramHash) -> Option<ScramCredentials> {
        Some(self.decoys.credentials(domain, name, hash))
    }

    async fn credentials(&self, user: &Username, hash: ScramHash) -> Result<Option<Stored>, AccountsUnavailable> {
        Ok(self.table.get(user).and_then(|account| account.stored(hash)))
    }

    async fn verify_plain(&self, user: &Username, password: &str) -> Result<Verdict, AccountsUnavailable> {
        hashing::verify(self.table.get(user), &self.decoys, user.as_str(), password).await
    }
}
