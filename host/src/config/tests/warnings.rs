//! What is allowed and probably not meant.

use super::good;

#[test]
fn each_doubt_has_its_warning() {
    for (top, host, warnings) in [
        ("", "", &[] as &[&str]),
        (
            "http.listen = '0.0.0.0:5280'",
            "",
            &[
                "t.toml:1: http.listen: 0.0.0.0:5280 is not a loopback address and there is no http.token: whoever reaches it can ask for refreshes",
            ],
        ),
        ("http.listen = '0.0.0.0:5280'\nhttp.token = 't'", "", &[]),
        (
            "",
            "http_auth_url = 'http://app.example.org/check?key=hush'",
            &["t.toml:5: host[0].http_auth_url: http://app.example.org is not https: passwords can be read on the way"],
        ),
        ("", "http_auth_url = 'http://127.0.0.1:8000/check'", &[]),
        ("", "http_auth_cache = '5s'", &["t.toml:5: host[0].http_auth_cache: there is no http_auth_url"]),
        ("http.listen = '[::ffff:127.0.0.1]:5280'", "", &[]),
        (
            "registry.allow_origins = ['http://reg.example']",
            "plugin = 'oci://reg.example/a:1'",
            &[
                "t.toml:1: registry.allow_origins: http://reg.example is not https: what comes from there may be somebody else's",
                "t.toml:5: host[0].plugin: a tag and no digest: whoever may write to the registry decides what runs here; add @sha256:...",
                "t.toml:5: host[0].plugin: there is no plugin_cache, so the host cannot start while the registry is away",
            ],
        ),
        (
            "http.listen = 'off'",
            "",
            &["t.toml:1: http.listen: off, and there is no [http.tls]: nothing can ask for a refresh over HTTP"],
        ),
        (
            "",
            "client.total_timeout = '20s'",
            &[
                "t.toml:2: host[0].limits.call_timeout: 20s is not longer than client.total_timeout (20s): a call that waits for a slow application is stopped before it can say so",
            ],
        ),
        ("", "client.total_timeout = '20s'\nlimits.call_timeout = '21s'", &[]),
        (
            "",
            "client.allow_origins = []",
            &["t.toml:5: host[0].client.allow_origins: is empty: the plugin cannot send any request"],
        ),
        (
            "",
            "client.allow_origins = ['https://app.example.org']",
            &[
                "t.toml:5: host[0].client.allow_origins: does not contain http://app.example.org, the origin of http_roster_url",
            ],
        ),
        (
            "",
            "client.bearer_token = 't'",
            &[
                "t.toml:5: host[0].client.auth_origins: http://app.example.org is not https: the credentials can be read on the way",
            ],
        ),
        (
            "",
            "client.bearer_token = 't'\nclient.auth_origins = []",
            &["t.toml:6: host[0].client.auth_origins: is empty: the credentials are sent to nobody"],
        ),
        (
            "",
            "client.bearer_token = 't'\nclient.auth_origins = ['https://b']",
            &[
                "t.toml:6: host[0].client.auth_origins: https://b is not among allow_origins: nothing is ever sent there",
            ],
        ),
        (
            "",
            "[[host]]\ndomain = 'b'\nsettings.http_roster_url = 'http://localhost:8000/%s'\nclient.bearer_token = 't'",
            &[],
        ),
    ] {
        assert_eq!(good(top, host).warnings, warnings, "{top} {host}");
    }
}

#[test]
fn limits_that_do_not_fit_each_other_are_told_and_the_defaults_fit() {
    for (top, host, says) in [
        ("", "", &[] as &[&str]),
        ("http.max_body = '8MiB'", "", &["http.max_body", "host[0].limits.max_memory", "for bodies of 4194304 bytes"]),
        ("", "limits.max_memory = '32MiB'", &["http.max_body", "for bodies of 1048576 bytes and not for 4194304"]),
        ("http.max_body = '8MiB'", "limits.max_memory = '256MiB'", &[]),
        ("", "limits.max_memory = '2GiB'", &["host[0].limits.max_memory", "limits.total_memory"]),
        ("limits.total_memory = '4GiB'", "limits.max_memory = '2GiB'", &[]),
        ("limits.total_memory = '64MiB'", "", &["host[0].limits.max_memory", "67108864 (limits.total_memory)"]),
    ] {
        let warnings = good(top, host).warnings;
        assert_eq!(warnings.len(), usize::from(!says.is_empty()), "{top} {host}: {warnings:?}");
        assert!(says.iter().all(|word| warnings.iter().any(|line| line.contains(word))), "{top} {host}: {warnings:?}");
    }
}
