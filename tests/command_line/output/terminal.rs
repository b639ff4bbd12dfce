//! What is for people who look at a terminal: colours, unless NO_COLOR says otherwise, and how far something is. A file has neither.

use std::process::{Command, Stdio};

use roster_host::plugin::BUILT_IN;

use crate::support::setup::{Setup, one_host};

/// What a terminal is sent by the program, and by `script` of util-linux, which is one.
fn on_terminal(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let mut command = Command::new("script");
    let line = [&[env!("CARGO_BIN_EXE_roster-host")], arguments].concat().join(" ");
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null());
    command.env_remove("NO_COLOR").env("TERM", "xterm").envs(environment.iter().copied());
    String::from_utf8_lossy(&command.output().unwrap().stdout).into_owned()
}

fn in_file(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_roster-host")).args(arguments).env("TERM", "xterm").output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

/// Whether one of the sequences is in it that give characters a colour or a weight.
fn has_colours(text: &str) -> bool {
    let ends = |sequence: &str| sequence.trim_start_matches(|c: char| c.is_ascii_digit() || c == ';').starts_with('m');
    text.split("\u{1b}[").skip(1).any(ends)
}

#[test]
fn there_are_colours_on_a_terminal_unless_no_color_is_set() {
    let folder = tempfile::tempdir().unwrap();
    let (good, bad) = (folder.path().join("good.wasm"), folder.path().join("bad.wasm"));
    std::fs::write(&good, BUILT_IN).unwrap();
    std::fs::write(&bad, "no component").unwrap();
    let setup = Setup::with(&format!("http.listen = '0.0.0.0:5280'\n{}", one_host("http://127.0.0.1:9/%s")));
    let config = setup.config();
    let [good, bad, config] = [&good, &bad, &config].map(|path| path.to_str().unwrap());
    for (what, arguments, shown) in [
        ("the arguments are wrong", &["--nope"][..], "--nope"),
        ("help", &["--help"], "Usage"),
        ("an error", &["check", "--config", "missing.toml"], "missing.toml"),
        ("a verdict", &["plugin", "check", good], "compile"),
        ("a bad one", &["plugin", "check", bad], "FAILED"),
        ("a line of the log", &["check", "--config", config], "WARN"),
    ] {
        let with = on_terminal(arguments, &[]);
        assert!(with.contains(shown) && has_colours(&with), "{what}: {with:?}");
        let without = on_terminal(arguments, &[("NO_COLOR", "1")]);
        assert!(without.contains(shown) && !has_colours(&without), "{what}: {without:?}");
        let plain = in_file(arguments);
        assert!(plain.contains(shown) && !plain.contains('\u{1b}'), "{what}: {plain:?}");
    }
}

#[test]
fn how_far_something_is_is_shown_on_a_terminal_only_and_is_gone_at_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("good.wasm");
    std::fs::write(&plugin, BUILT_IN).unwrap();
    let people = folder.path().join("people.txt");
    std::fs::write(&people, (0..200).map(|n| format!("user{n}:secret\n")).collect::<String>()).unwrap();
    let setup = Setup::with(&one_host("http://127.0.0.1:9/%s"));
    let config = setup.config();
    let [plugin, people, config] = [&plugin, &people, &config].map(|path| path.to_str().unwrap());
    let accounts = folder.path().join("accounts.txt");
    let accounts = accounts.to_str().unwrap();
    for (arguments, progress, last) in [
        (&["plugin", "check", plugin][..], "compiling the plugin, and trying it", "cases"),
        (&["check", "--config", config], "compiling the plugins it names", "example.com"),
        (
            &["account", "import", people, "--replace", "--file", accounts],
            "of 200 passwords hashed",
            "200 accounts imported",
        ),
    ] {
        let shown = on_terminal(arguments, &[]);
        let (at_progress, at_last) = (shown.find(progress), shown.rfind(last));
        assert!(at_progress.is_some() && at_progress < at_last, "{arguments:?}: {shown:?}");
        assert!(!shown[shown.rfind(last).unwrap()..].contains(progress), "{arguments:?}: {shown:?}");
        let dumb = on_terminal(arguments, &[("TERM", "dumb")]);
        assert!(dumb.contains(last) && !dumb.contains(progress), "{arguments:?}: {dumb:?}");
        let plain = in_file(arguments);
        assert!(plain.contains(last) && !plain.contains(progress), "{arguments:?}: {plain:?}");
    }
}
