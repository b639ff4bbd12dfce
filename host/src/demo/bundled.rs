//! The plugins that the demo brings along, so that there is something to swap to.

use std::sync::LazyLock;

use crate::plugin::{BUILT_IN, Digest};

/// A plugin, and the part of the sample application's API that it speaks to.
pub(super) struct Bundled {
    pub(super) name: &'static str,
    pub(super) component: &'static [u8],
    /// The paths of that part begin so.
    pub(super) api: &'static str,
    /// As receipts have it. The page asks for it with every click.
    digest: LazyLock<String>,
}

/// The example `guest/examples/paged-roster`. Nothing where the host was built around a plugin of somebody's own
/// (`ROSTER_PLUGIN_WASM`).
const PAGED_ROSTER: &[u8] = include_bytes!(env!("ROSTER_DEMO_PLUGIN_WASM"));

static ALL: [Bundled; 2] = [
    Bundled {
        name: "http-roster-admin",
        component: BUILT_IN,
        api: "/contacts/",
        digest: LazyLock::new(|| Digest::of(BUILT_IN).to_string()),
    },
    Bundled {
        name: "paged-roster",
        component: PAGED_ROSTER,
        api: "/v1/",
        digest: LazyLock::new(|| Digest::of(PAGED_ROSTER).to_string()),
    },
];

/// Those that there are.
pub(super) fn all() -> impl Iterator<Item = &'static Bundled> {
    ALL.iter().filter(|bundled| !bundled.component.is_empty())
}

/// The one of this name.
pub(super) fn named(name: &str) -> Option<&'static Bundled> {
    all().find(|bundled| bundled.name == name)
}

impl Bundled {
    /// As receipts have it.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }
}
