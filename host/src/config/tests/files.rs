//! Files named in the configuration, secrets above all.

use std::fs;
use std::path::Path;

use super::super::ClientAuth;
use super::{Config, LEAST};

/// Loads a file with `text` from a folder in which there are `files`.
fn load(text: &str, files: &[(&str, &[u8])]) -> Result<Config, String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, content) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    let path = folder.path().join("roster-host.toml");
    fs::write(&path, text).unwrap();
    // Without the name of the folder, which is a different one each time.
    Config::load(&path).map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""))
}

#[test]
fn names_are_relative_to_the_folder_of_the_configuration() {
    let text =
        format!("sinks.json_lines.path = 'events.jsonl'\n{LEAST}plugin = 'plugins/p.wasm'\nclient.ca_file = 'ca.pem'");
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("plugins")).unwrap();
    for name in ["plugins/p.wasm", "ca.pem"] {
        fs::write(folder.path().join(name), "x").unwrap();
    }
    let config = Config::parse(&text, &folder.path().join("any-name")).unwrap();
    assert_eq!(config.sinks.json_lines.unwrap().path, folder.path().join("events.jsonl"));
    assert_eq!(config.hosts[0].plugin, Some(folder.path().join("plugins/p.wasm").into()));
    assert_eq!(config.hosts[0].client.ca_file, Some(folder.path().join("ca.pem")));
    let absolute = text.replace("'ca.pem'", &format!("'{}'", folder.path().join("ca.pem").display()));
    assert!(Config::parse(&absolute, &folder.path().join("any-name")).is_ok());
}

#[test]
fn standard_output_is_no_file() {
    let config = load(&format!("sinks.json_lines.path = '-'\n{LEAST}"), &[]).unwrap();
    assert_eq!(config.sinks.json_lines.unwrap().path, Path::new("-"));
}

#[test]
fn a_secret_is_read_without_the_line_break_at_its_end() {
    for (content, secret) in [
        ("s3cret", "s3cret"),
        ("s3cret\n", "s3cret"),
        ("s3cret\r\n", "s3cret"),
        (" a b \n", " a b "),
        ("pässword\n", "pässword"),
    ] {
        let text = format!("{LEAST}client.username = 'u'\nclient.password_file = 'pw'");
        let config = load(&text, &[("pw", content.as_bytes())]).unwrap();
        let Some(ClientAuth::Basic { username, password }) = &config.hosts[0].client.auth else { panic!("no auth") };
        assert_eq!((username.as_str(), password.reveal()), ("u", secret), "{content:?}");
    }
}

#[test]
fn a_token_is_read_from_its_file_wherever_one_can_be_given() {
    let text = format!("http.token_file = 'a'\nadmin.token_file = 'b'\n{LEAST}client.bearer_token_file = 'c'");
    let config = load(&text, &[("a", b"t-a\n"), ("b", b"t-b\n"), ("c", b"t-c\n")]).unwrap();
    assert_eq!(config.http.token.unwrap().reveal(), "t-a");
    assert_eq!(config.admin.token.unwrap().reveal(), "t-b");
    let Some(ClientAuth::Bearer(token)) = &config.hosts[0].client.auth else { panic!("no auth") };
    assert_eq!(token.reveal(), "t-c");
}

#[test]
fn a_bad_secret_file_is_named_and_its_content_is_not() {
    let reasons: [(&[u8], &str); 6] = [
        (b"", "the file is empty: token"),
        (b"\n", "the file is empty: token"),
        (b"hunter2 hunter2\n", "a token is made of visible ASCII characters, without spaces and line breaks"),
        (b"hunter2\n\n", "a token is made of visible ASCII characters, without spaces and line breaks"),
        (b"hunter2\xff", "not UTF-8 text: token"),
        (&[b'x'; 70_000], "longer than 65536 bytes: token"),
    ];
    for (content, reason) in reasons {
        let error = load(&format!("http.token_file = 'token'\n{LEAST}"), &[("token", content)]).unwrap_err();
        assert_eq!(error, format!("roster-host.toml:1: http.token_file: {reason}"));
    }
}

#[test]
fn a_configuration_that_cannot_be_read_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("c.toml");
    let line = |path: &Path| Config::load(path).unwrap_err().to_string();
    let name = path.display();
    assert_eq!(line(&path), format!("{name}: no such file"));
    fs::write(&path, b"a = 1\nb = '\xff'").unwrap();
    assert_eq!(line(&path), format!("{name}:2: not UTF-8 text"));
    fs::write(&path, vec![b'#'; 2 << 20]).unwrap();
    assert_eq!(line(&path), format!("{name}: longer than 1048576 bytes; is this the configuration?"));
    assert!(line(folder.path()).contains(": cannot be read: "), "{}", line(folder.path()));
}
