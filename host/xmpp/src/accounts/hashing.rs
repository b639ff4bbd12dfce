//! Passwords are hashed elsewhere than where streams are served, and not too many at once: each takes milliseconds of a core,
//! or, with very many iterations, a good part of a second.

use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use tokio::sync::Semaphore;

use super::decoy::Decoys;
use super::table::Account;
use super::{AccountsUnavailable, Verdict};

/// All cores but one, of all endpoints together. Who waits for a turn is turned away by the login's deadline.
static TURNS: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let cores = available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new(cores.saturating_sub(1).max(1)))
});

/// Whether `password` is that of the account of `name`, if there is one; it takes as long if there is none.
pub(super) async fn verify(
    account: Option<&Account>,
    decoys: &Decoys,
    name: &str,
    password: &str,
) -> Result<Verdict, AccountsUnavailable> {
    let (decoy, password) = (decoys.strongest(name), password.to_owned());
    let known = account.and_then(|account| account.strongest().cloned());
    let disabled = account.is_some_and(|account| account.disabled);
    let is_known = known.is_some();
    let credentials = known.unwrap_or(decoy);
    let unavailable = |reason: &str| AccountsUnavailable { reason: reason.to_owned() };
    let turns = Arc::clone(&TURNS);
    let turn = turns.acquire_owned().await.map_err(|_| unavailable("the server is shutting down"))?;
    let hashed = tokio::task::spawn_blocking(move || {
        // The turn is over when the work is, also if nobody waits for it any more.
        let _turn = turn;
        credentials.is_of(&password)
    });
    let right = hashed.await.map_err(|_| unavailable("a password could not be hashed"))?;
    Ok(match (is_known && right, disabled) {
        (false, _) => Verdict::Refused,
        (true, false) => Verdict::Accepted,
        (true, true) => Verdict::Disabled,
    })
}
