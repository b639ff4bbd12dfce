//! Versions of the package `xmpp:roster`, side by side: what differs between them, as the rest of the room sees it.
//!
//! A component says by the name of its export which version it was built for ([`find`]). Each version is a folder beside
//! this file (`v0_1`) with the generated bindings, what it adds to the linker, and the way from its types to the host's.
//! Everything else (limits, pool, deadlines, what is kept of an answer) is the same for all and knows none of them.

#[cfg(test)]
mod next;
mod v0_1;
mod version;

use wasmtime::Result;
use wasmtime::component::Linker;

pub(in crate::plugin) use self::version::*;
use crate::plugin::imports::state::State;

/// The versions this host serves, the newest first.
///
/// One that only tests have shows that there can be more.
const VERSIONS: &[&dyn Version] = &[
    #[cfg(test)]
    &self::next::Next,
    &v0_1::V0_1,
];

/// The version a component was built for, by the names of what it exports. With several, the newest this host serves.
///
/// Versions of one semver track (`0.1.*`, `1.*`) are one: their types only differ in what a component may leave out, and
/// [`Version::prepare`] compares what it does have. A pre-release is a track of its own.
pub(in crate::plugin) fn find<'a>(
    exports: impl Iterator<Item = &'a str>,
) -> std::result::Result<&'static dyn Version, NoVersion> {
    let found: Vec<&str> = exports.filter_map(number).collect();
    let served = VERSIONS.iter().find(|version| found.iter().any(|found| track(found) == track(version.number())));
    match (served, found.first()) {
        (Some(version), _) => Ok(*version),
        (None, Some(found)) => Err(NoVersion::Other((*found).to_owned())),
        (None, None) => Err(NoVersion::NoHooks),
    }
}

/// Adds the stores of all versions.
pub(in crate::plugin) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    VERSIONS.iter().try_for_each(|version| version.add_to_linker(linker))
}

/// The numbers of the versions this host serves, for people.
pub(in crate::plugin) fn served() -> String {
    VERSIONS.iter().rev().map(|version| version.number()).collect::<Vec<_>>().join(", ")
}

/// A component that this host has no version for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::plugin) enum NoVersion {
    /// It exports no hooks at all.
    NoHooks,
    /// It was built for this version.
    Other(String),
}

/// The version in the name of an export, if that is the hooks.
fn number(export: &str) -> Option<&str> {
    let rest = export.strip_prefix(HOOKS)?;
    if rest.is_empty() { Some("(none)") } else { rest.strip_prefix('@') }
}

/// What has to be equal for two versions to be one to us.
fn track(version: &str) -> &str {
    let version = version.split('+').next().unwrap_or(version);
    if version.contains('-') {
        return version;
    }
    let parts = if version.starts_with("0.") { 2 } else { 1 };
    version.match_indices('.').nth(parts - 1).map_or(version, |(end, _)| version.get(..end).unwrap_or(version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_in_the_name_of_the_export() {
        for (exports, expected) in [
            (&["xmpp:roster/hooks@0.1.0"][..], Ok("0.1.0")),
            (&["wasi:cli/run@0.2.3", "xmpp:roster/hooks@0.1.0"], Ok("0.1.0")),
            (&["xmpp:roster/hooks@0.1.7"], Ok("0.1.0")),
            (&["xmpp:roster/hooks@0.1.7+build.1"], Ok("0.1.0")),
            (&["xmpp:roster/hooks@0.9.0", "xmpp:roster/hooks@0.1.0"], Ok("0.1.0")),
            (&["xmpp:roster/hooks@0.1.0", "xmpp:roster/hooks@0.2.0-test"], Ok("0.2.0-test")),
            (&["xmpp:roster/hooks@0.2.0"], Err(NoVersion::Other("0.2.0".into()))),
            (&["xmpp:roster/hooks@0.9.0"], Err(NoVersion::Other("0.9.0".into()))),
            (&["xmpp:roster/hooks@0.10.0"], Err(NoVersion::Other("0.10.0".into()))),
            (&["xmpp:roster/hooks@0.1.0-rc.1"], Err(NoVersion::Other("0.1.0-rc.1".into()))),
            (&["xmpp:roster/hooks@1.0.0"], Err(NoVersion::Other("1.0.0".into()))),
            (&["xmpp:roster/hooks"], Err(NoVersion::Other("(none)".into()))),
            (&["xmpp:roster/hooksmith@0.1.0"], Err(NoVersion::NoHooks)),
            (&["xmpp:roster/store@0.1.0"], Err(NoVersion::NoHooks)),
            (&[], Err(NoVersion::NoHooks)),
        ] {
            let found = find(exports.iter().copied()).map(|version| version.number());
            assert_eq!(found, expected, "{exports:?}");
        }
    }

    #[test]
    fn a_track_is_what_semver_calls_compatible() {
        for (version, expected) in [
            ("0.1.0", "0.1"),
            ("0.12.3", "0.12"),
            ("1.0.0", "1"),
            ("12.3.4", "12"),
            ("0.2.0-test", "0.2.0-test"),
            ("7", "7"),
        ] {
            assert_eq!(track(version), expected);
        }
    }
}
