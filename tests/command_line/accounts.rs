//! `roster-host account ...`: who may log in to the XMPP endpoint.

use std::fs;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::support::program::{Ended, TIMEOUT, run_with_input};
use crate::support::setup::{Setup, one_host};
use crate::support::stream::Stream;

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
        (&["passwd", "marie"], "other", format!("marie has no account in {shown}")),
        (&["disable", "marie"], "", format!("marie has no account in {shown}")),
        (&["enable", "marie"], "", format!("marie has no account in {shown}")),
        (&["passwd", "john"], "\n", "no password on standard input".to_owned()),
        (
            &["add", "#x"],
            "other",
            "#x cannot have an account in a file: a line that begins with # is a comment there".to_owned(),
        ),
        (&["import"], "", "standard input has no accounts in it".to_owned()),
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
    Stream::open(address).plain(user, PASSWORD).contains("<success")
}

/// Waits until that is so. The file is looked at again within seconds.
fn until(address: SocketAddr, user: &str, expected: bool) {
    let began = Instant::now();
    while lets_in(address, user) != expected {
        assert!(began.elapsed() < TIMEOUT, "{user}: never {expected}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// A host with the accounts in `accounts.txt`.
fn setup() -> Setup {
    let top = "[xmpp]\nlisten = '127.0.0.1:0'\nrequire_encryption = false\nallow_unencrypted_plain_auth = true\n\
               login.failures_per_address = 100000\nlogin.failures_per_account = 200000\n";
    let host =
        one_host("http://127.0.0.1:9/%s").replace("[host.settings]", "accounts = 'accounts.txt'\n[host.settings]");
    Setup::with(&format!("{top}{host}"))
}

#[test]
fn a_running_host_sees_who_was_added_and_removed() {
    let setup = setup();
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

#[test]
fn a_disabled_account_is_out_and_looks_like_one_with_another_password() {
    let setup = setup();
    let file = setup.path("accounts.txt");
    ok(&file, &["import"], &format!("john:{PASSWORD}\nmarie:{PASSWORD}\n"));
    let host = setup.start(&[]);
    let address = host.listening().xmpp.unwrap();
    let mut session = Stream::open(address);
    assert!(session.plain("john", PASSWORD).contains("<success"));
    let again = "<stream:stream to='example.com' version='1.0' xmlns='jabber:client' \
                 xmlns:stream='http://etherx.jabber.org/streams'>";
    session.ask(again, &["</stream:features>"]);
    session.ask("<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", &["</iq>"]);
    assert_eq!(ok(&file, &["disable", "john"], ""), "");
    assert_eq!(ok(&file, &["list"], ""), "john (disabled)\nmarie\n");
    let told = session.ask("", &["</stream:stream>"]);
    assert!(told.contains("<not-authorized "), "the session ends: {told}");
    let (right, wrong) =
        (Stream::open(address).plain("john", PASSWORD), Stream::open(address).plain("john", "something else"));
    assert_eq!(right, wrong);
    assert!(right.contains("<not-authorized/>"), "{right}");
    assert!(lets_in(address, "marie"));

    let told = ok(&file, &["passwd", "john"], PASSWORD);
    assert!(told.contains("still disabled") && told.contains("account enable john --file "), "{told}");
    assert!(!lets_in(address, "john"));
    assert_eq!(ok(&file, &["enable", "john"], ""), "");
    until(address, "john", true);
    assert_eq!(ok(&file, &["passwd", "john"], "another"), "");
    until(address, "john", false);
    assert!(Stream::open(address).plain("john", "another").contains("<success"));
    let log = host.stop().stderr;
    assert!(log.contains("reason=account-disabled") && log.contains("gone or disabled"), "{log}");
}

#[test]
fn many_are_imported_or_none() {
    let folder = tempfile::tempdir().unwrap();
    let (file, input) = (folder.path().join("accounts.txt"), folder.path().join("people.csv"));
    let many: String = (0..200).map(|n| format!("user{n}:{PASSWORD} {n}\n")).collect();
    assert_eq!(ok(&file, &["import"], &many), "200 accounts imported\n");
    assert_eq!(ok(&file, &["list"], "").lines().count(), 200);
    let before = fs::read_to_string(&file).unwrap();
    fs::write(&input, format!("new:{PASSWORD}\nuser7:{PASSWORD}\n{PASSWORD}\nnew:x\n")).unwrap();
    let ended = account(&file, &["import", input.to_str().unwrap()], "");
    let expected = format!(
        "roster-host: nothing was imported from {}\n  line 2: the user has an account already; --replace gives it a new \
         password\n  line 3: has no colon; expected user:password\n  line 4: is for the same user as line 1\n",
        input.display()
    );
    assert_eq!((ended.code, ended.stderr, ended.stdout), (Some(2), expected, String::new()));
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    ok(&file, &["disable", "user7"], "");
    let more = format!("user7:{PASSWORD}\nnew:{PASSWORD}\n");
    let told = ok(&file, &["import", "--replace"], &more);
    assert_eq!(told, "2 accounts imported\n1 of them were disabled before, and still are\n");
    assert_eq!(ok(&file, &["list"], "").lines().filter(|line| line.contains("disabled") || *line == "new").count(), 2);
}

/// Runs it on a terminal. Each answer is typed once the prompt is there and the terminal shows nothing; what it has shown.
fn on_a_terminal(file: &Path, words: &str, answers: &[&str]) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_roster-host");
    let command = format!("tty; exec '{program}' account {words} --file '{}'", file.display());
    let mut script = Command::new("script");
    script.args(["--quiet", "--return", "--command", &command, "/dev/null"]);
    let mut child = script.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut keyboard, mut screen) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut shown = String::new();
    let mut byte = [0];
    for answer in answers {
        let prompts = shown.matches("): ").count() + shown.matches("again: ").count();
        while shown.matches("): ").count() + shown.matches("again: ").count() == prompts {
            assert_eq!(screen.read(&mut byte).unwrap(), 1, "{shown}");
            shown.push(char::from(byte[0]));
        }
        let tty = shown.lines().next().unwrap().trim().to_owned();
        let began = Instant::now();
        loop {
            let modes = Command::new("stty").args(["-F", &tty, "-a"]).output().unwrap();
            if String::from_utf8(modes.stdout).unwrap().contains(" -echo ") {
                break;
            }
            assert!(began.elapsed() < TIMEOUT, "it shows what is typed: {shown}");
            std::thread::sleep(Duration::from_millis(10));
        }
        keyboard.write_all(format!("{answer}\n").as_bytes()).unwrap();
    }
    screen.read_to_string(&mut shown).unwrap();
    (child.wait().unwrap().code(), shown)
}

#[test]
fn a_password_that_is_typed_is_asked_for_twice_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts.txt");
    for (words, answers, code, says) in [
        ("add john", &[PASSWORD, "t0adStool"][..], 2, "the two passwords are not the same; nothing was changed"),
        ("add john", &[""], 2, "the password is empty; nothing was changed"),
        ("add john", &[PASSWORD, PASSWORD], 0, "The same again: "),
        ("add john", &[], 2, "john has an account in "),
        ("passwd john", &[PASSWORD, PASSWORD], 0, "New password of john"),
        ("passwd ghost", &[], 2, "ghost has no account in "),
        ("import", &[], 2, "say which file to import"),
    ] {
        let before = fs::read_to_string(&file).unwrap_or_default();
        let (ended, shown) = on_a_terminal(&file, words, answers);
        assert!(ended == Some(code) && shown.contains(says) && !shown.contains("t0ad"), "{words}: {ended:?} {shown}");
        assert_eq!(fs::read_to_string(&file).unwrap_or_default() != before, code == 0, "{words}");
    }
}
