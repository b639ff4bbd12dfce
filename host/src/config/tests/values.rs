//! What is written and what it becomes.

use std::time::Duration;

use super::super::{ClientAuth, LogFormat, Origin};
use super::good;

fn texts(origins: &[Origin]) -> Vec<String> {
    origins.iter().map(Origin::to_string).collect()
}

#[test]
fn durations_are_read() {
    for (written, millis) in [("500ms", 500), ("10s", 10_000), ("1m 30s", 90_000), ("2h", 7_200_000), ("1ms", 1)] {
        let config = good(&format!("http.request_timeout = '{written}'"), "");
        assert_eq!(config.http.request_timeout, Duration::from_millis(millis), "{written}");
    }
    assert_eq!(good("", "store.grace = '0s'").hosts[0].store.grace, Duration::ZERO);
}

#[test]
fn sizes_are_read() {
    for (written, bytes) in [
        ("1234", 1234),
        ("'1234'", 1234),
        ("'10MB'", 10_000_000),
        ("'10MiB'", 10 << 20),
        ("'64 KiB'", 64 << 10),
        ("'1.5kB'", 1500),
        ("1_000", 1000),
    ] {
        assert_eq!(good(&format!("http.max_body = {written}"), "").http.max_body, bytes, "{written}");
    }
    assert_eq!(good("", "limits.max_memory = '4GiB'").hosts[0].limits.max_memory, 4 << 30);
}

#[test]
fn listeners_can_be_moved_and_turned_off() {
    let config = good("http.listen = '[::1]:80'\nadmin.listen = 'off'\nlog.format = 'json'", "");
    assert_eq!(config.http.listen, Some("[::1]:80".parse().unwrap()));
    assert_eq!(config.admin.listen, None);
    assert_eq!(config.log.format, LogFormat::Json);
    // The system chooses both ports, so they are no clash.
    let config = good("http.listen = '127.0.0.1:0'\nadmin.listen = '127.0.0.1:0'", "");
    assert_eq!(config.http.listen, config.admin.listen);
}

#[test]
fn domains_are_normalised() {
    for (written, normal) in
        [("Chat.Example.ORG", "chat.example.org"), ("b.", "b"), ("BÜCHER.example", "bücher.example")]
    {
        let host = format!("[[host]]\ndomain = '{written}'\nsettings.http_roster_url = 'http://x/%s'");
        assert_eq!(good("", &host).hosts[1].domain, normal);
    }
}

#[test]
fn settings_become_texts() {
    let config = good("", "settings.text = 'a'\nsettings.number = 7\nsettings.flag = true\nsettings.\"x.y\" = ''");
    let settings: Vec<_> = config.hosts[0].settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(
        settings,
        [
            ("flag", "true"),
            ("http_roster_url", "http://app.example.org/contacts/%s"),
            ("number", "7"),
            ("text", "a"),
            ("x.y", ""),
        ]
    );
}

#[test]
fn the_application_is_the_only_place_requests_may_go_unless_told_otherwise() {
    let client = &good("", "").hosts[0].client;
    assert_eq!(texts(&client.allow_origins), ["http://app.example.org"]);
    assert_eq!(texts(&client.auth_origins), ["http://app.example.org"]);

    let client =
        &good("", "client.allow_origins = ['http://APP.example.org:80', 'https://b', 'https://b:443']").hosts[0].client;
    assert_eq!(texts(&client.allow_origins), ["http://app.example.org", "https://b"]);
    assert_eq!(texts(&client.auth_origins), ["http://app.example.org"]);

    let networks = &good("", "client.allow_addresses = ['169.254.10.0/24', 'fe80::1']").hosts[0].client.allow_addresses;
    assert_eq!(networks.iter().map(ToString::to_string).collect::<Vec<_>>(), ["169.254.10.0/24", "fe80::1/128"]);
}

#[test]
fn credentials_are_read() {
    let auth = |text| good("", text).hosts[0].client.auth.clone();
    assert_eq!(auth(""), None);
    let Some(ClientAuth::Basic { username, password }) = auth("client.username = ''\nclient.password = 'a:b'") else {
        panic!("an empty user-id is one (RFC 7617)")
    };
    assert_eq!((username.as_str(), password.reveal()), ("", "a:b"));
    let Some(ClientAuth::Bearer(token)) = auth("client.bearer_token = 'a.b-c='") else { panic!("no token") };
    assert_eq!(token.reveal(), "a.b-c=");
}

#[test]
fn another_plugin_need_not_have_a_url() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("p.wasm");
    std::fs::write(&plugin, "x").unwrap();
    let host = |settings: &str| format!("[[host]]\ndomain = 'b'\nplugin = '{}'\n{settings}", plugin.display());
    for settings in ["", "settings.http_roster_url = 'ldap://directory/'"] {
        let config = good("", &host(settings));
        assert_eq!(config.hosts[1].client.allow_origins, []);
    }
    let config = good("", &host("settings.http_roster_url = 'https://app:8443/%s'"));
    assert_eq!(texts(&config.hosts[1].client.allow_origins), ["https://app:8443"]);
}

#[test]
fn as_many_connections_are_kept_as_there_are_calls_unless_told_otherwise() {
    for (written, kept) in [
        ("", 64),
        ("limits.max_concurrent_calls = 200", 200),
        ("limits.max_concurrent_calls = 8", 8),
        ("limits.max_concurrent_calls = 200\nclient.max_idle_connections = 64", 64),
        ("client.max_idle_connections = 0", 0),
        ("client.idle_timeout = '1s'", 64),
    ] {
        assert_eq!(good("", written).hosts[0].client.max_idle_connections, kept, "{written}");
    }
}
