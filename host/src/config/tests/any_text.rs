//! No text makes the loader panic, break a line, or tell a secret.

use std::path::Path;

use proptest::prelude::*;

use super::{Config, LEAST, parse};

const EXAMPLE: &str = include_str!("../../../roster-host.example.toml");
const PASSWORD: &str = "hunter2";

/// Is every fault one line, and none of them a secret?
fn check(text: &str) {
    let Err(error) = parse(text) else { return };
    assert!(!error.problems().is_empty());
    for problem in error.problems() {
        let line = problem.to_string();
        assert!(line.starts_with("t.toml:") && !line.contains(char::is_control), "{line:?}");
        assert!(!line.contains(PASSWORD), "{line:?}");
    }
}

/// Pieces that a configuration is made of, right and wrong.
fn piece() -> impl Strategy<Value = String> {
    let known = EXAMPLE.lines().map(|line| line.trim_start_matches('#').to_owned()).collect::<Vec<_>>();
    prop_oneof![
        6 => prop::sample::select(known),
        1 => "[a-z_.]{1,12} = [0-9a-z\"'\\[\\]{}=, .:-]{0,12}",
        1 => "\\[{1,2}[a-z.\"]{0,12}\\]{1,2}",
        1 => "\\PC{0,20}",
    ]
}

proptest! {
    #[test]
    fn any_text_at_all(text in any::<String>()) {
        check(&text);
    }

    #[test]
    fn any_mixture_of_lines(pieces in prop::collection::vec(piece(), 0..40)) {
        check(&pieces.join("\n"));
    }

    #[test]
    fn any_cut_of_the_example(from in 0..EXAMPLE.len(), to in 0..EXAMPLE.len(), what in "\\PC{0,3}") {
        let uncommented = EXAMPLE.replace("\n#", "\n").replace("\n#", "\n");
        let cut = |at: usize| uncommented.get(at..).or_else(|| uncommented.get(at + 1..)).unwrap_or_default();
        check(&format!("{}{what}{}", &LEAST, cut(from.min(to))));
    }

    #[test]
    fn any_value_of_a_secret(key in "password|bearer_token|passwrd", broken in "[ -~]{0,6}") {
        let quoted = format!("\"{PASSWORD}{broken}\"");
        for value in [quoted.as_str(), &format!("[{quoted}]"), &format!("{{ x = {quoted} }}"), &format!("{PASSWORD}{broken}")] {
            check(&format!("{LEAST}client.{key} = {value}\n"));
        }
    }
}

#[test]
fn a_deep_or_long_text_is_refused_in_good_time() {
    let deep = format!("x = {}", "[".repeat(100_000));
    let dotted = vec!["a"; 100_000].join(".") + " = 1";
    let long_name =
        format!("[{}]\n", "k".repeat(300_000)) + &(0..50_000).map(|n| format!("k{n}=1\n")).collect::<String>();
    for text in [deep, dotted, long_name] {
        assert!(parse(&text).is_err());
    }
}

#[test]
fn what_is_shown_for_debugging_holds_no_secret() {
    let text = format!(
        "http.token = '{PASSWORD}'\nadmin.token = '{PASSWORD}'\n{LEAST}settings.api_key = '{PASSWORD}'\n\
         client.username = 'u'\nclient.password = '{PASSWORD}'\n"
    );
    let config = Config::parse(&text, Path::new("t.toml")).expect("right");
    assert_eq!(config.http.token.as_ref().map(|token| token.reveal()), Some(PASSWORD));
    assert!(!format!("{config:?}").contains(PASSWORD));
}
