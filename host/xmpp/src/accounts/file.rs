//! Accounts in a file, managed with `roster-host account`.
//!
//! The file holds no passwords. One that is made is readable by its owner only; one that is there keeps owner and mode. It is read again when it has changed, so that an account
//! can be added while the server runs; a file that cannot be read any more leaves the accounts as they were.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use async_trait::async_trait;
use parking_lot::Mutex;
use roster_model::Username;
use tracing::{info, warn};

use super::credentials::{ScramCredentials, ScramHash, random};
use super::decoy::Decoys;
pub use super::edit::{add, import, list, load, remove, set_disabled, set_password};
pub use super::file_text::AccountsFileError;
use super::file_text::{parse, read};
use super::table::Table;
use super::{Accounts, AccountsUnavailable, Stored, Verdict, hashing, secret};

/// What tells one state of a file from another.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
    inode: u64,
}

impl Stamp {
    fn of(file: &Path) -> Option<Self> {
        let metadata = fs::metadata(file).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&metadata);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Self { modified: metadata.modified().ok(), length: metadata.len(), inode })
    }
}

/// The accounts of a file, for an endpoint.
pub struct AccountsFile {
    file: PathBuf,
    current: Arc<Mutex<(Option<Stamp>, Arc<Known>)>>,
    /// Held by who reads the file again.
    reading: Arc<tokio::sync::Mutex<()>>,
    /// Where the secret is, or can be made.
    places: Vec<PathBuf>,
    secret: OnceLock<[u8; 32]>,
}

/// What is known of one state of the file.
struct Known {
    table: Table,
    decoys: OnceLock<Decoys>,
}

impl Known {
    fn new(table: Table) -> Self {
        Self { table, decoys: OnceLock::new() }
    }

    fn decoys(&self, secret: &[u8; 32]) -> &Decoys {
        self.decoys.get_or_init(|| Decoys::like(secret, self.table.values()))
    }
}

impl AccountsFile {
    /// Reads the file.
    pub fn open(file: impl Into<PathBuf>) -> Result<Self, AccountsFileError> {
        let file = file.into();
        let stamp = Stamp::of(&file);
        let table = parse(&file, &read(&file)?)?;
        Ok(Self {
            places: vec![secret::beside(&file)],
            file,
            current: Arc::new(Mutex::new((stamp, Arc::new(Known::new(table))))),
            reading: Arc::default(),
            secret: OnceLock::new(),
        })
    }

    /// Where the secret for made-up salts is if it can be neither found nor made beside the file of accounts.
    #[must_use]
    pub fn or_secret_in(mut self, file: impl Into<PathBuf>) -> Self {
        self.places.push(file.into());
        self
    }

    fn current(&self) -> Arc<Known> {
        Arc::clone(&self.current.lock().1)
    }

    /// The accounts now. Looks at the file, and has it read when it is another; all who ask meanwhile wait for that.
    async fn known(&self) -> Arc<Known> {
        let stamp = Stamp::of(&self.file);
        if self.current.lock().0 == stamp {
            return self.current();
        }
        let turn = Arc::clone(&self.reading).lock_owned().await;
        let (file, current, secret) = (self.file.clone(), Arc::clone(&self.current), *self.secret());
        // A long file takes a good part of a second.
        let done = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            let stamp = Stamp::of(&file);
            if current.lock().0 == stamp {
                return;
            }
            let again = read(&file).and_then(|text| parse(&file, &text)).map(Known::new);
            if let Ok(known) = &again {
                known.decoys(&secret);
            }
            let mut current = current.lock();
            // Whatever comes of it, the same state of the file is not read again.
            current.0 = stamp;
            match again {
                Ok(known) => {
                    info!(file = %file.display(), accounts = known.table.len(), "the accounts were read again");
                    current.1 = Arc::new(known);
                }
                Err(error) => warn!(%error, "the accounts stay as they were"),
            }
        });
        if let Err(error) = done.await {
            warn!(%error, "the accounts stay as they were");
        }
        self.current()
    }

    /// Made when it is first needed: who only looks whether the accounts can be read leaves nothing behind.
    fn secret(&self) -> &[u8; 32] {
        self.secret.get_or_init(|| {
            secret::load_or_make(&self.places).unwrap_or_else(|error| {
                warn!(
                    file = %secret::beside(&self.file).display(), %error,
                    "the secret for the salts of names without an account can be neither read nor made, so these salts \
                     change with each start, which tells them from accounts; put 32 random bytes in the file"
                );
                random()
            })
        })
    }
}

#[async_trait]
impl Accounts for AccountsFile {
    fn has_credentials(&self) -> bool {
        true
    }

    fn prepare(&self) {
        self.current().decoys(self.secret());
    }

    fn decoy(&self, domain: &str, name: &str, hash: ScramHash) -> Option<ScramCredentials> {
        Some(self.current().decoys(self.secret()).credentials(domain, name, hash))
    }

    async fn credentials(&self, user: &Username, hash: ScramHash) -> Result<Option<Stored>, AccountsUnavailable> {
        Ok(self.known().await.table.get(user).and_then(|account| account.stored(hash)))
    }

    async fn verify_plain(&self, user: &Username, password: &str) -> Result<Verdict, AccountsUnavailable> {
        let known = self.known().await;
        hashing::verify(known.table.get(user), known.decoys(self.secret()), user.as_str(), password).await
    }

    async fn gone(&self, mut users: Vec<Username>) -> Vec<Username> {
        let known = self.known().await;
        users.retain(|user| known.table.get(user).is_none_or(|account| account.disabled));
        users
    }
}
