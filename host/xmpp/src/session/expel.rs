//! Who has lost the account does not stay: not logged in, and not waiting to come back.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tracing::info;

use super::shared::{Hosted, Shared};

/// From the removal of an account to the end of its sessions, at most.
const INTERVAL: Duration = Duration::from_secs(5);

/// Looks until the endpoint stops.
pub(crate) async fn watch(shared: Arc<Shared>) {
    loop {
        tokio::select! {
            () = shared.stopped() => return,
            () = sleep(INTERVAL) => {}
        }
        for hosted in shared.domains().by_name.values() {
            look(hosted).await;
        }
    }
}

async fn look(Hosted { domain, accounts }: &Hosted) {
    let online = domain.online();
    if online.is_empty() {
        return;
    }
    for user in accounts.gone(online).await {
        info!(%user, domain = domain.name(), "the account is gone or disabled; its sessions end");
        domain.expel(&user);
    }
}
