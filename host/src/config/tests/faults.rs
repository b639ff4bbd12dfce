//! Every fault is one line that names file, line and key.

use super::super::Problem;
use super::{LEAST, faults, parse};

#[test]
fn a_fault_names_the_file_the_line_the_key_and_the_reason() {
    let table = [
        (
            format!("{LEAST}client.conect_timeout = '2s'"),
            "t.toml:4: host[0].client.conect_timeout: unknown key; did you mean connect_timeout?",
        ),
        (format!("[http]\n\nlissen = 'off'\n{LEAST}"), "t.toml:3: http.lissen: unknown key; did you mean listen?"),
        (format!("sinks.json_lines = 'x.jsonl'\n{LEAST}"), "t.toml:1: sinks.json_lines: expected a table"),
        (
            format!("{LEAST}[[host]]\n[host.settings]\nhttp_roster_url = 'http://x/%s'"),
            "t.toml:4: host[1].domain: is missing",
        ),
        ("x = [".into(), "t.toml:1: unclosed array, expected `]`"),
        ("a = 1\n\n= 2".into(), "t.toml:3: unquoted keys cannot be empty, expected letters, numbers, `-`, `_`"),
        (format!("{LEAST}domain = 'x'"), "t.toml:4: domain: duplicate key"),
        (format!("{LEAST}[http]\nlisten = 'off'\n'listen' = 'password'"), "t.toml:6: listen: duplicate key"),
        ("log.format = 'xml'\n".to_owned() + LEAST, "t.toml:1: log.format: \"xml\": expected \"text\" or \"json\""),
        (
            format!("{LEAST}\"a b\" = 1"),
            "t.toml:4: host[0].\"a b\": unknown key; known here: domain, plugin, accounts, http_auth_url, http_auth_cache, settings, client, limits, store, swap",
        ),
        (
            format!("{LEAST}\"a\\n\\u001b\" = 1"),
            "t.toml:4: host[0].\"a\\n\\u{1b}\": unknown key; known here: domain, plugin, accounts, http_auth_url, http_auth_cache, settings, client, limits, store, swap",
        ),
    ];
    for (text, line) in table {
        let error = parse(&text).expect_err(line);
        assert_eq!(error.to_string(), line);
    }
}

#[test]
fn all_faults_are_told_in_the_order_of_the_file() {
    let text = "shutdown_timeout = 10\n[http]\nmax_body = 'big'\nlisten = 'localhost'\n[admin]\nmax_streams = 0\n";
    let lines = parse(text).expect_err("four faults").to_string();
    assert_eq!(
        lines.lines().collect::<Vec<_>>(),
        [
            "t.toml: host: is missing; there has to be at least one [[host]]",
            "t.toml:1: shutdown_timeout: 10: expected a duration such as \"10s\" or \"500ms\"",
            "t.toml:3: http.max_body: \"big\": expected a number of bytes, or a size such as \"10MB\" or \"10MiB\"",
            "t.toml:4: http.listen: \"localhost\": expected an IP address and a port, such as \"127.0.0.1:5280\", or \"off\"",
            "t.toml:6: admin.max_streams: 0: expected 1 to 1000000",
        ]
    );
}

#[test]
fn a_file_full_of_faults_does_not_fill_the_terminal() {
    let text = (0..5000).map(|n| format!("k{n} = 1\n")).collect::<String>() + LEAST;
    let error = parse(&text).expect_err("unknown keys");
    assert_eq!(error.problems().len(), 51);
    assert!(error.to_string().ends_with("t.toml: and 4950 more"), "{error}");
}

/// What stands before and in the host, and the one fault it is.
const ONE_FAULT: &[(&str, &str, &str)] = &[
    ("shutdown_timeout = '0s'", "", "shutdown_timeout: 0s: expected 1ms to 1year"),
    (
        "log.filter = 'info=loud'",
        "",
        "log.filter: \"info=loud\": expected a filter such as \"info\" or \"info,roster_host::plugin=debug\"",
    ),
    (
        "http.request_timeout = '10 parsecs'",
        "",
        "http.request_timeout: \"10 parsecs\": expected a duration such as \"10s\" or \"500ms\"",
    ),
    (
        "http.max_body = -1",
        "",
        "http.max_body: -1: expected a number of bytes, or a size such as \"10MB\" or \"10MiB\"",
    ),
    ("http.max_body = 0", "", "http.max_body: 0: expected 1 to 1073741824"),
    ("http.max_requests = 1.5", "", "http.max_requests: 1.5: expected a whole number"),
    ("http.cors_origins = 'https://x'", "", "http.cors_origins: expected an array, such as [\"...\"]"),
    (
        "http.cors_origins = ['https://x', '*']",
        "",
        "http.cors_origins[1]: \"*\": not a URL: relative URL without a base; expected an origin such as \"https://app.example.org\"",
    ),
    ("http.token = ''", "", "http.token: is empty"),
    (
        "http.token = 'two words'",
        "",
        "http.token: a token is made of visible ASCII characters, without spaces and line breaks",
    ),
    ("http.token = 't'\nhttp.token_file = 'f'", "", "http.token_file: token is given too; give one of the two"),
    ("http.token_file = 'no-such'", "", "http.token_file: no such file: no-such"),
    (
        "admin.listen = '0.0.0.0:5282'",
        "",
        "admin.listen: 0.0.0.0:5282 is not a loopback address: admin.token or admin.token_file is needed",
    ),
    ("admin.listen = '127.0.0.1:5280'", "", "admin.listen: 127.0.0.1:5280: http.listen has it already"),
    ("sinks.json_lines = {}", "", "sinks.json_lines.path: is missing"),
    ("sinks.json_lines.path = '/no/such/folder/x'", "", "sinks.json_lines.path: no such folder: /no/such/folder"),
    ("sinks.json_lines.path = '/'", "", "sinks.json_lines.path: is a folder: /"),
    ("", "plugin = 'no-such.wasm'", "host[0].plugin: no such file: no-such.wasm"),
    (
        "",
        "plugin = 'oci://reg.example/a'",
        "host[0].plugin: \"oci://reg.example/a\": it has neither a tag nor a digest; expected a name such as \"oci://registry.example.org/team/plugin:1.0@sha256:...\"",
    ),
    (
        "",
        "plugin = 'oci://a:1'",
        "host[0].plugin: \"oci://a:1\": it names no registry; expected a name such as \"oci://registry.example.org/team/plugin:1.0@sha256:...\"",
    ),
    (
        "",
        "plugin = 'oci://me:hush@reg.example/a:1'",
        "host[0].plugin: it contains a user name or password; give these as username and password of [registry]",
    ),
    (
        "",
        "plugin = 'oci://reg.example/a:1'",
        "host[0].plugin: its registry may not be asked; add \"https://reg.example\" to registry.allow_origins",
    ),
    (
        "registry.allow_origins = ['https://other.example']",
        "plugin = 'oci://reg.example/a:1'",
        "host[0].plugin: its registry may not be asked; add \"https://reg.example\" to registry.allow_origins",
    ),
    ("registry = { username = 'me', auth_origins = [] }", "", "registry.password: is missing; there is a username"),
    ("registry.password = 'hush'", "", "registry.username: is missing; there is a password"),
    (
        "registry = { username = 'me', password = 'hush' }",
        "",
        "registry.auth_origins: is missing: without it nobody gets the name and password; list who does",
    ),
    ("", "settings.x = 1979-05-27", "host[0].settings.x: 1979-05-27: expected no date; a text has to be in quotes"),
    ("", "settings.x = 1.5", "host[0].settings.x: expected a string, a whole number, true or false"),
    (
        "",
        "settings.domain = 'example.com'",
        "host[0].settings.domain: the host sets this one itself, from the key domain of [[host]]",
    ),
    (
        "",
        "[[host]]\ndomain = 'Example.COM.'\nsettings.http_roster_url = 'http://x/%s'",
        "host[1].domain: example.com: host[0] has it already",
    ),
    (
        "",
        "[[host]]\ndomain = 'a@b'\nsettings.http_roster_url = 'http://x/%s'",
        "host[1].domain: \"a@b\": it has the character @ (U+0040), which is not allowed there; expected an XMPP domain such as \"example.com\"",
    ),
    (
        "",
        "[[host]]\ndomain = 'b'",
        "host[1].settings.http_roster_url: is missing; expected a URL such as \"http://app.example.org/contacts/%s\"",
    ),
    (
        "",
        "[[host]]\ndomain = 'b'\nsettings.http_roster_url = []",
        "host[1].settings.http_roster_url: expected a string, a whole number, true or false",
    ),
    (
        "",
        "[[host]]\ndomain = 'b'\nsettings.http_roster_url = 'app/%s?key=hunter2'",
        "host[1].settings.http_roster_url: not a URL: relative URL without a base; expected a URL such as \"http://app.example.org/contacts/%s\"",
    ),
    (
        "",
        "[[host]]\ndomain = 'b'\nsettings.http_roster_url = 'ftp://app/%s'",
        "host[1].settings.http_roster_url: the scheme is neither http nor https; expected a URL such as \"http://app.example.org/contacts/%s\"",
    ),
    (
        "",
        "[[host]]\ndomain = 'b'\nsettings.http_roster_url = 'http://u:hunter2@app/%s'",
        "host[1].settings.http_roster_url: it contains a user name or password; give these as username and password of [host.client]",
    ),
    (
        "",
        "client.allow_origins = ['https://app.example.org/contacts']",
        "host[0].client.allow_origins[0]: \"https://app.example.org/contacts\": it has a path, query or fragment; an origin ends after the host name and port; expected an origin such as \"https://app.example.org\"",
    ),
    (
        "",
        "client.allow_origins = ['https://u:hunter2@app.example.org']",
        "host[0].client.allow_origins[0]: it contains a user name or password; expected an origin such as \"https://app.example.org\"",
    ),
    (
        "",
        "client.allow_addresses = ['169.254.0.0/33']",
        "host[0].client.allow_addresses[0]: \"169.254.0.0/33\": expected a network such as \"169.254.0.0/16\" or one address",
    ),
    ("", "client.connect_timeout = '0s'", "host[0].client.connect_timeout: 0s: expected 1ms to 1year"),
    ("", "client.username = 'u'", "host[0].client.username: is given without password or password_file"),
    ("", "client.password = 'p'", "host[0].client.username: is missing; there is a password"),
    (
        "",
        "client.username = 'a:b'\nclient.password = 'p'",
        "host[0].client.username: contains a colon or a control character, which Basic authentication cannot send",
    ),
    (
        "",
        "client.username = 'u'\nclient.password = 'p'\nclient.bearer_token = 't'",
        "host[0].client.bearer_token: username or password is given too; give either these or a bearer token",
    ),
    ("", "limits.max_memory = '5GiB'", "host[0].limits.max_memory: 5368709120: expected 65536 to 4294967296"),
    ("", "limits.reuse_instances = 'yes'", "host[0].limits.reuse_instances: \"yes\": expected true or false"),
    ("", "limits.max_calls_per_instance = 0", "host[0].limits.max_calls_per_instance: 0: expected 1 to 4294967295"),
    ("", "store.grace = '1000 years'", "host[0].store.grace: 1000years: expected 0s to 1year"),
];

#[test]
fn each_fault_has_its_line() {
    for (top, host, line) in ONE_FAULT {
        assert_eq!(faults(top, host), [*line], "{top} {host}");
    }
}

#[test]
fn a_host_that_is_no_list_of_tables_is_explained() {
    for (text, line) in [
        ("host = 3", "t.toml:1: host: expected tables that begin with [[host]]"),
        ("[host]\ndomain = 'x'", "t.toml:1: host: write [[host]], with two pairs of brackets: there may be several"),
        ("host = []", "t.toml:1: host: is empty; there has to be at least one [[host]]"),
        ("host = [3]", "t.toml:1: host[0]: expected a table"),
        ("", "t.toml: host: is missing; there has to be at least one [[host]]"),
    ] {
        assert_eq!(parse(text).expect_err(line).to_string(), line);
    }
}

#[test]
fn nodes_have_names_tokens_and_one_of_the_domains() {
    let two = "[[host]]\ndomain = 'b.example'\nsettings.http_roster_url = 'http://b.example/%s'\n";
    for (attach, more, expected) in [
        ("", "", vec!["attach.node: is missing; there has to be at least one [[attach.node]]"]),
        (
            "[attach.node]\nname = 'a'",
            "",
            vec!["attach.node: write [[attach.node]], with two pairs of brackets: there may be several"],
        ),
        (
            "[[attach.node]]\nname = 'a b'\n[[attach.node]]\ntoken = 'x'",
            "",
            vec![
                "attach.node[0].token: is missing; give token or token_file",
                "attach.node[0].name: \"a b\": expected a name such as \"prosody-1\": 1 to 64 letters, digits, dots, hyphens \
                 and underscores",
                "attach.node[1].name: is missing",
            ],
        ),
        (
            "[[attach.node]]\nname = 'a'\ntoken = 'x'\n[[attach.node]]\nname = 'a'\ntoken = 'y'",
            "",
            vec!["attach.node[1].name: a: attach.node[0] has it already"],
        ),
        (
            "[[attach.node]]\nname = 'a'\ntoken = 'x'\ndomain = 'c.example'",
            "",
            vec!["attach.node[0].domain: c.example: no [[host]] has this domain"],
        ),
        (
            "[[attach.node]]\nname = 'a'\ntoken = 'x'",
            two,
            vec!["attach.node[0].domain: is missing; with several [[host]] it has to say which of them this is"],
        ),
        (
            "listen = '127.0.0.1:5280'\nkey = '/'\n[[attach.node]]\nname = 'a'\ntoken = 'x'",
            "",
            vec![
                "attach.certificate: is missing; certificate and key go together",
                "attach.key: not a file: /",
                "attach.listen: 127.0.0.1:5280: http.listen has it already",
            ],
        ),
    ] {
        let text = format!("[attach]\n{attach}\n{LEAST}{more}");
        let error = parse(&text).expect_err(&text);
        let mut found: Vec<_> =
            error.problems().iter().map(|found| format!("{}: {}", found.key().unwrap_or(""), found.reason())).collect();
        let mut expected: Vec<_> = expected.into_iter().map(str::to_owned).collect();
        found.sort();
        expected.sort();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn what_xmpp_clients_could_not_use_is_a_fault() {
    const CERTIFICATE: &str =
        "needs certificate and key, or those of [http.tls]; to do without encryption, set require_encryption to false";
    for (top, host, expected) in [
        ("[xmpp]", "", vec![format!("xmpp: {CERTIFICATE}")]),
        (
            "xmpp.key = '/'",
            "",
            vec![
                "xmpp.certificate: is missing; certificate and key go together".to_owned(),
                "xmpp.key: not a file: /".to_owned(),
            ],
        ),
        (
            "http.listen = '0.0.0.0:5280'\nxmpp.require_encryption = false\nxmpp.websocket_behind_tls = true",
            "",
            vec![
                "xmpp.websocket_behind_tls: http.listen is not a loopback address: clients could reach it without the \
                  proxy, and without TLS"
                    .to_owned(),
            ],
        ),
        (
            "xmpp.require_encryption = false\nxmpp.websocket_url = 'https://chat.example.org'",
            "",
            vec!["xmpp.websocket_url: expected a URL such as \"wss://chat.example.org/xmpp-websocket\"".to_owned()],
        ),
        (
            "",
            "accounts = '/'\nhttp_auth_url = 'https://a/'",
            vec!["host[0].http_auth_url: accounts is given too; give one of the two".to_owned()],
        ),
        (
            "",
            "http_auth_url = 'https://u:hush@a/'",
            vec![
                "host[0].http_auth_url: it contains a user name or password; those sent are the ones of who logs in"
                    .to_owned(),
            ],
        ),
        (
            "",
            "http_auth_url = '/check?key=hush'",
            vec!["host[0].http_auth_url: not a URL: relative URL without a base; expected a URL such as \"https://app.example.org/check-password\"".to_owned()],
        ),
        (
            "[xmpp]\nrequire_encryption = false\nlimits.max_stanza = '9kB'\nlimits.stanzas_burst = 0\ntimeouts.ping = '0s'",
            "",
            vec![
                "xmpp.limits.max_stanza: 9000: expected 10000 to 16777216".to_owned(),
                "xmpp.limits.stanzas_burst: 0: expected 1 to 1000000".to_owned(),
                "xmpp.timeouts.ping: 0s: expected 1ms to 1year".to_owned(),
            ],
        ),
    ] {
        let found = faults(top, host);
        assert!(!found.concat().contains("hush"), "{found:?}");
        assert_eq!(found, expected);
    }
}

#[test]
fn faults_of_one_table_do_not_hide_each_other() {
    let found = faults("http.tls.certificate = '/no/such.pem'\nhttp.tls.key = '/'\nhttp.tls.listen = 'off'", "");
    assert_eq!(
        found,
        [
            "http.tls.certificate: no such file: /no/such.pem",
            "http.tls.key: not a file: /",
            "http.tls.listen: \"off\": expected an IP address and a port, such as \"127.0.0.1:5281\"",
        ]
    );
    assert_eq!(faults("http.tls = {}", ""), ["http.tls.certificate: is missing", "http.tls.key: is missing"]);
    assert_eq!(
        faults("", "client.password = 12345"),
        ["host[0].client.password: expected a string", "host[0].client.username: is missing; there is a password"]
    );
}

#[test]
fn where_a_plugin_with_another_url_may_ask_and_who_gets_the_credentials_has_to_be_said() {
    // Any file: it is not read here.
    let plugin = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let url = "https://app.example.org";
    let host = format!("[[host]]\ndomain = 'b'\nplugin = '{plugin}'\nsettings.api_url = '{url}/v1'\n");
    let allowed = format!("client.allow_origins = ['{url}']\n");
    let nobody = "host[0].client.auth_origins: is missing: there are credentials, and without http_roster_url and this list \
        they are sent to nobody; list the origins that get them";
    for (client, faults, warnings) in [
        (
            "",
            &[
                "host[0].client.allow_origins: is missing: the setting api_url is a URL, and without this list the plugin \
                may not ask anybody; write [\"https://app.example.org\"], or [] if it sends no requests",
            ][..],
            &[][..],
        ),
        (&format!("{allowed}client.bearer_token = 't'\n"), &[nobody], &[]),
        (&format!("{allowed}client.username = 'u'\nclient.password = 'p'\n"), &[nobody], &[]),
        (&allowed, &[], &[]),
        (&format!("{allowed}client.bearer_token = 't'\nclient.auth_origins = ['{url}']\n"), &[], &[]),
        ("client.allow_origins = []\n", &[], &["allow_origins: is empty: the plugin cannot send any request"]),
        (
            "client.allow_origins = ['https://other.example.org']\n",
            &[],
            &["allow_origins: does not contain https://app.example.org, the origin of api_url"],
        ),
    ] {
        let (found, told) = match parse(&format!("{host}{client}")) {
            Ok(config) => (Vec::new(), config.warnings),
            Err(error) => {
                let line = |problem: &Problem| format!("{}: {}", problem.key().unwrap_or("-"), problem.reason());
                (error.problems().iter().map(line).collect(), Vec::new())
            }
        };
        assert_eq!(found, faults, "{client}");
        assert_eq!(told.len(), warnings.len(), "{client}: {told:?}");
        assert!(told.iter().zip(warnings).all(|(told, warning)| told.ends_with(warning)), "{client}: {told:?}");
    }
}
