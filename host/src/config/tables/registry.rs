//! `[registry]`: where plugins may be had from that are no files.

use std::path::PathBuf;
use std::time::Duration;

use super::HostConfig;
use crate::config::files::SecretUse;
use crate::config::mistakes::place::At;
use crate::config::table::{otherwise, table};
use crate::config::values::kind::{existing_file, list, network, origin, secs, string, wait};
use crate::config::values::kind_secret::{SecretKeys, secret};
use crate::config::values::plugin_place::PluginPlace;
use crate::config::{Origin, Scheme, Secret};

table! {
    /// Registries of OCI artifacts, for virtual hosts whose `plugin` begins with `oci://`: docs/oci.md.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct RegistryConfig (check = check) {
        /// Which servers may be asked for plugins: registries (`https://registry.example.org`), and beside each where it gives out its
        /// tokens and where it redirects to, if these are others. Nobody else is asked.
        allow_origins: Vec<Origin> = Vec::new(), list("array of origins", origin());
        /// Link-local, metadata, multicast and unspecified addresses are refused even when an allowed name resolves to them. The
        /// networks and single addresses in this list are not.
        allow_addresses: Vec<ipnet::IpNet> = Vec::new(), list("array of networks", network());
        /// Who asks, where that has to be said.
        username: Option<String> = None, string().or_none();
        /// The password, or the access token that registries give out in its place.
        password: Option<Secret> = None, secret(SecretUse::Password);
        /// Which of the origins get name and password: the registry, or where it gives out its tokens.
        auth_origins: Vec<Origin> = Vec::new(), list("array of origins", origin());
        /// PEM certificates to trust instead of the system's.
        ca_file: Option<PathBuf> = None, otherwise(existing_file().or_none(), "the system's");
        /// How long it may take until a plugin is there, all requests for it together.
        timeout: Duration = secs(60), wait();
    }
}

fn check(registry: &mut RegistryConfig, at: &At<'_>) {
    let (named, has_password) = (at.has("username"), SecretKeys::is_given(at, "password"));
    if named != has_password {
        let (given, missing) = if named { ("username", "password") } else { ("password", "username") };
        at.key(missing).problem(format!("is missing; there is a {given}"));
    }
    if named && !at.has("auth_origins") {
        at.key("auth_origins").problem("is missing: without it nobody gets the name and password; list who does");
    }
    for origin in &registry.allow_origins {
        if origin.scheme() == Scheme::Http && !origin.is_loopback() {
            at.key("allow_origins")
                .warn(format!("{origin} is not https: what comes from there may be somebody else's"));
        }
    }
}

/// Whether the plugins of `[[host]]` may be had.
pub(super) fn beside_hosts(registry: &RegistryConfig, hosts: &[HostConfig], has_cache: bool, at: &At<'_>) {
    for (index, host) in hosts.iter().enumerate() {
        let Some(PluginPlace::Registry(artifact)) = &host.plugin else { continue };
        let at = at.index(index).key("plugin");
        if artifact.origin(&registry.allow_origins).is_none() {
            at.problem(format!(
                "its registry may not be asked; add \"https://{}\" to registry.allow_origins",
                artifact.registry()
            ));
        }
        if artifact.pinned().is_none() {
            at.warn("a tag and no digest: whoever may write to the registry decides what runs here; add @sha256:...");
        }
        if !has_cache {
            at.warn("there is no plugin_cache, so the host cannot start while the registry is away");
        }
    }
}
