//! What makes two loaded plugins the same: the code, and everything it is given.

use super::digest::Digest;
use crate::config::{ClientAuth, ClientConfig, HostConfig};

/// The digest of a component's own digest, its settings, its limits and what it is granted.
///
/// Never shown: settings and credentials are part of it, and short ones could be guessed from it.
pub(in crate::plugin) fn of(code: Digest, host: &HostConfig) -> Digest {
    let mut parts = vec![code.as_bytes().to_vec(), host.domain.clone().into_bytes()];
    for (key, value) in &host.settings {
        parts.push(key.clone().into_bytes());
        parts.push(value.clone().into_bytes());
    }
    parts.push(format!("{:?}", host.limits).into_bytes());
    parts.push(granted(&host.client));
    Digest::of_parts(parts.iter().map(Vec::as_slice))
}

/// Where requests may go and how. The way the configuration is shown hides the credentials, so these are added.
fn granted(client: &ClientConfig) -> Vec<u8> {
    let mut granted = format!("{client:?}").into_bytes();
    match &client.auth {
        None => {}
        Some(ClientAuth::Basic { password: secret, .. } | ClientAuth::Bearer(secret)) => {
            granted.extend_from_slice(secret.reveal().as_bytes());
        }
    }
    granted
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::time::Duration;

    use super::*;
    use crate::config::Secret;

    #[test]
    fn another_code_setting_limit_or_grant_makes_another_plugin() {
        let code = Digest::of(b"code");
        let host = HostConfig::for_application("example.com", "http://127.0.0.1:8000/%s").unwrap();
        let same = of(code, &host);
        assert_eq!(of(code, &host.clone()), same);
        assert_ne!(of(Digest::of(b"other"), &host), same);
        type Change = fn(&mut HostConfig);
        let changes: [(&str, Change); 7] = [
            ("domain", |host| host.domain.push('x')),
            ("a setting more", |host| drop(host.settings.insert("key".into(), String::new()))),
            ("a setting", |host| {
                drop(host.settings.insert("http_roster_url".into(), "http://127.0.0.1:8000/%s/".into()))
            }),
            ("limits", |host| host.limits.cpu_time += Duration::from_millis(1)),
            ("origins", |host| host.client.allow_origins.clear()),
            ("a token", |host| host.client.auth = Some(ClientAuth::Bearer(Secret::new("a")))),
            ("another token", |host| host.client.auth = Some(ClientAuth::Bearer(Secret::new("b")))),
        ];
        let mut seen = vec![same];
        for (what, change) in changes {
            let mut other = host.clone();
            change(&mut other);
            let other = of(code, &other);
            assert!(!seen.contains(&other), "{what}");
            seen.push(other);
        }
    }
}
