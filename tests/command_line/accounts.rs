//! `roster-host account ...`: who may log in to the XMPP endpoint.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::program::{Ended, PATIENCE, run_with_input};
use super::setup::{Setup, one_host};

const PASSWORD: &str = "t0adStool password, with a space";

fn account(file: &Path, words: &[&str], input: &str) -> Ended {
    run_with_input([&["account"], words, &["--file", file.to_str().unwrap()]].concat(), input)
}

/// Runs it; the password must be in nothing it writes, in no form.
fn ok(file: &Path, words: &[&str], input: &str) -> String {
    let ended = account(file, words, input);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{words:?}");
    let text = fs::read_to_string(file).unwrap();
    for shown in [&text, &ended.stdout] {
        assert!(!shown.contains(PASSWORD) && !shown.contains(&STANDARD.encode(PASSWORD)), "{words:?}: {shown}");
    }
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600, "{words:?}");
    ended.stdout
}

#[test]
fn accounts_are_added_listed_replaced_and_removed_and_passwords_are_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts.txt");
    let line = format!("{PASSWORD}\n");
    assert_eq!(ok(&file, &["add", "john"], &line), "");
    assert_eq!(ok(&file, &["add", "Marie"], PASSWORD), "");
    assert_eq!(ok(&file, &["list"], ""), "john\nmarie\n", "by the name in their addresses");
    let before = fs::read_to_string(&file).unwrap();
    ok(&file, &["add", "john", "--replace"], &format!("{PASSWORD}\r\nmore\n"));
    let after = fs::read_to_string(&file).unwrap();
    let of = |text: &str, user: &str| text.lines().find(|line| line.starts_with(user)).unwrap().to_owned();
    assert_ne!(of(&before, "john"), of(&after, "john"), "the same password, and another salt");
    assert_eq!(of(&before, "marie"), of(&after, "marie"));
    ok(&file, &["remove", "john"], "");
    assert_eq!(ok(&file, &["list"], ""), "marie\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left lying about");
}

#[test]
fn what_cannot_be_done_is_said_in_a_line_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts.txt");
    ok(&file, &["add", "john"], PASSWORD);
    let before = fs::read_to_string(&file).unwrap();
    let shown = file.display();
    let long = "x".repeat(2000);
    for (words, input, line) in [
        (&["add", "john"][..], "other", format!("john has an account in {shown} already")),
        (&["remove", "marie"], "", format!("marie has no account in {shown}")),
        (&["add", "marie"], "", "no password on standard input".to_owned()),
        (&["add", "marie"], &long, "the password is longer than 1023 bytes".to_owned()),
    ] {
        let ended = account(&file, words, input);
        assert_eq!(ended.only_line(), format!("roster-host: {line}"));
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{words:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), before, "{words:?}");
    }
    let ended = account(&file, &["add", "a@b"], PASSWORD);
    assert_eq!(ended.code, Some(2), "no such name: {ended:?}");
    let ended = account(&folder.path().join("none"), &["list"], "");
    assert!(ended.only_line().contains("cannot read the accounts in "), "{ended:?}");
}

/// Whether the host at `address` lets `user` in.
fn lets_in(address: SocketAddr, user: &str) -> bool {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut ask = |text: &str, ends: &[&str]| {
        stream.write_all(text.as_bytes()).unwrap();
        let (mut all, mut buffer) = (String::new(), [0; 4096]);
        while !ends.iter().any(|end| all.contains(end)) {
            let read = stream.read(&mut buffer).unwrap();
            assert!(read > 0, "closed after {all}");
            all.push_str(std::str::from_utf8(&buffer[..read]).unwrap());
        }
        all
    };
    let open = "<stream:stream to='example.com' version='1.0' xmlns='jabber:client' \
                xmlns:stream='http://etherx.jabber.org/streams'>";
    ask(open, &["</stream:features>"]);
    let credentials = STANDARD.encode(format!("\0{user}\0{PASSWORD}"));
    let auth = format!("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{credentials}</auth>");
    ask(&auth, &["<success", "</failure>"]).contains("<success")
}

/// Waits until that is so. The file is looked at again within seconds.
fn until(address: SocketAddr, user: &str, expected: bool) {
    let began = Instant::now();
    while lets_in(address, user) != expected {
        assert!(began.elapsed() < PATIENCE, "{user}: never {expected}");
        std::thread::sleep(std::time::Duration::from_millis(200));
    }
}

#[test]
fn a_running_host_sees_who_was_added_and_removed() {
    let top = "[xmpp]\nlisten = '127.0.0.1:0'\nrequire_encryption = false\nallow_unencrypted_plain_auth = true\n\
               login.failures_per_address = 100000\nlogin.failures_per_account = 200000\n";
    let host =
        one_host("http://127.0.0.1:9/%s").replace("[host.settings]", "accounts = 'accounts.txt'\n[host.settings]");
    let setup = Setup::with(&format!("{top}{host}"));
    let file = setup.path("accounts.txt");
    ok(&file, &["add", "marie"], PASSWORD);
    let host = setup.start(&[]);
    let address = host.listening().xmpp.unwrap();
    assert!(lets_in(address, "marie"));
    assert!(!lets_in(address, "john"));
    ok(&file, &["add", "john"], PASSWORD);
    until(address, "john", true);
    ok(&file, &["remove", "marie"], "");
    until(address, "marie", false);
    assert!(lets_in(address, "john"));
    let ended = host.stop();
    assert_eq!(ended.code, Some(0));
    assert!(!ended.stderr.contains(PASSWORD), "{}", ended.stderr);
}
