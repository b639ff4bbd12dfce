//! `plugin check`, `inspect` and `run`: what is said of a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use roster_host::plugin::BUILT_IN;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::program::{Ended, run};
use crate::support::web_app::WebApp;

const PAGED_CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest/examples/paged-roster/conformance");

/// A folder with the built-in plugin as a file.
fn built_in() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("built-in.wasm");
    fs::write(&path, BUILT_IN).unwrap();
    (folder, path)
}

fn plugin(command: &str, file: &Path, more: &[&str]) -> Ended {
    run([&["plugin", command, file.to_str().unwrap()], more].concat())
}

/// The row of one step: is it good, and what does it say?
fn row<'r>(report: &'r Value, step: &str) -> (bool, &'r str) {
    let rows = report["steps"].as_array().unwrap();
    let row = rows.iter().find(|row| row["step"] == step).unwrap_or_else(|| panic!("no step {step}: {report}"));
    (row["ok"] == true, row["detail"].as_str().unwrap())
}

#[test]
fn a_good_plugin_is_found_good_whatever_its_protocol() {
    let (_folder, built_in) = built_in();
    let paged = Path::new(test_guests::PAGED_ROSTER);
    for (file, more, cases, code) in [
        // The protocol is found out by the settings it takes.
        (&*built_in, &[][..], "http-roster-admin: 250 of 250 passed", 0),
        (&built_in, &["--protocol", "none"], "none are wanted", 0),
        (paged, &["--cases", PAGED_CASES], "paged-roster: 35 of 35 passed", 0),
        // Whether it does what it should nobody can say, and a build must not take that for a yes.
        (paged, &[], "it speaks no protocol that this program has cases for", 3),
        (paged, &["--setting", "api_url=http://app.example.org/v1"], "it speaks no protocol", 3),
        (paged, &["--protocol", "none"], "none are wanted", 0),
    ] {
        let ended = plugin("check", file, &[more, &["--json"]].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(code), ""), "{more:?}: {}", ended.stdout);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        assert_eq!((&report["ok"], &report["failed_cases"]), (&json!(true), &json!([])), "{report}");
        assert!(row(&report, "cases").1.starts_with(cases), "{report}");
        assert_eq!(row(&report, "interface"), (true, "xmpp:roster@0.1.0"));
        let table = plugin("check", file, more).stdout;
        assert!(table.lines().skip(1).all(|line| line.contains(" ok ") || line.contains(" not tried ")), "{table}");
    }
}

#[test]
fn what_was_not_tried_is_said_and_what_to_do_about_it() {
    let (folder, built_in) = built_in();
    let text = folder.path().join("text");
    fs::write(&text, b"hello").unwrap();
    let (paged, hostile) = (Path::new(test_guests::PAGED_ROSTER), Path::new(test_guests::HOSTILE));
    let all = ["interface", "imports", "settings", "rehearse", "cases"];
    for (file, more, code, not_tried, says) in [
        (&*built_in, &[][..], 0, &[][..], ""),
        (paged, &["--cases", PAGED_CASES], 0, &[], "fetch: read an answer of another protocol, and said so"),
        (paged, &[], 3, &["settings", "cases"], "hence exit code 3; in a CI, give the plugin's own with --cases PATH"),
        (paged, &["--protocol", "none"], 0, &["settings", "cases"], "fetch: not tried without settings"),
        (paged, &["--setting", "api_url=http://app/v1"], 3, &["cases"], "or say --protocol none if there are none"),
        (&text, &[], 1, &all, "compile failed"),
        (hostile, &["--setting", "rehearsal=trap"], 1, &["cases"], "it speaks no protocol"),
        (&built_in, &["--setting", "http_roster_url=http://app"], 1, &["cases"], "a step before failed"),
    ] {
        let ended = plugin("check", file, &[more, &["--json"]].concat());
        assert_eq!(ended.code, Some(code), "{more:?}: {}", ended.stdout);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        let rows = report["steps"].as_array().unwrap();
        let steps = ["read", "compile", "interface", "imports", "settings", "rehearse", "cases"];
        assert_eq!(rows.iter().map(|row| row["step"].as_str().unwrap()).collect::<Vec<_>>(), steps, "{report}");
        let found: Vec<_> = rows.iter().filter(|row| row["not_tried"] == true).map(|row| &row["step"]).collect();
        assert_eq!(found, not_tried, "{report}");
        let table = plugin("check", file, more).stdout;
        assert!(table.contains(says), "{more:?}: {table}");
        assert_eq!(
            table.lines().filter(|line| line[..24.min(line.len())].contains(" not tried")).count(),
            not_tried.len()
        );
    }
}

#[test]
fn a_bad_plugin_is_refused_at_its_step() {
    let (folder, built_in) = built_in();
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    };
    let hostile = Path::new(test_guests::HOSTILE);
    for (what, path, more, step, says) in [
        ("text", &*file("text", b"hello"), &[][..], "compile", "not WebAssembly"),
        ("a core module", &file("core", b"\0asm\x01\0\0\0"), &[], "compile", "core module"),
        ("cut off", &file("cut", &BUILT_IN[..BUILT_IN.len() / 2]), &[], "compile", "cannot be used"),
        ("another world", &file("empty", b"\0asm\x0d\0\x01\0"), &[], "interface", "exports no xmpp:roster/hooks"),
        ("another version", Path::new(test_guests::NEXT), &[], "interface", "xmpp:roster@0.2.0-test"),
        ("a trap", hostile, &["--setting", "rehearsal=trap"], "rehearse", "trapped"),
        ("a loop", hostile, &["--setting", "rehearsal=loop"], "rehearse", "cpu_time"),
        ("wrong settings", &built_in, &["--setting", "http_roster_url=http://app"], "settings", "http_roster_url"),
        ("another protocol", hostile, &["--protocol", "http-roster-admin"], "cases", "of 223 passed"),
    ] {
        let ended = plugin("check", path, &[more, &["--json"]].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(1), ""), "{what}: {}", ended.stdout);
        let report: Value = serde_json::from_str(&ended.stdout).unwrap();
        let (good, detail) = row(&report, step);
        assert!(!good && detail.contains(says), "{what}: {report}");
        assert!(plugin("check", path, more).stdout.contains("FAILED"), "{what}");
    }
}

#[test]
fn what_cannot_be_checked_is_exit_code_2() {
    let (folder, built_in) = built_in();
    let odd = folder.path().join("odd.json");
    fs::write(&odd, r#"{"protocol": 7}"#).unwrap();
    for (file, more, says) in [
        (Path::new("no-such.wasm"), &[][..], "no-such.wasm"),
        (&built_in, &["--protocol", "gopher"], "expected none or one of: http-roster-admin"),
        (&built_in, &["--cases", "no-such-folder"], "no-such-folder"),
        (&built_in, &["--cases", odd.to_str().unwrap()], "odd: "),
        (&built_in, &["--config", "no-such.toml"], "no-such.toml"),
    ] {
        let ended = plugin("check", file, more);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{more:?}");
        assert!(ended.only_line().contains(says), "{more:?}: {}", ended.stderr);
    }
    assert_eq!(run(["plugin", "check", "x.wasm", "--setting", "nothing"]).code, Some(2));
    assert_eq!(run(["plugin", "check"]).code, Some(2));
}

#[test]
fn a_component_says_what_it_is_without_being_run() {
    let ended = plugin("inspect", Path::new(test_guests::PAGED_ROSTER), &["--json"]);
    assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""));
    let found: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((&found["kind"], &found["xmpp_roster"]), (&json!("component"), &json!("0.1.0")));
    assert_eq!(found["exports"], json!(["xmpp:roster/hooks@0.1.0"]));
    let imports = found["imports"].as_array().unwrap();
    assert!(imports.contains(&json!("xmpp:roster/store@0.1.0")), "{found}");
    assert_eq!(found["bytes"], json!(fs::metadata(test_guests::PAGED_ROSTER).unwrap().len()));
    assert_eq!(found["sha256"].as_str().unwrap().len(), 64);

    let (folder, _) = built_in();
    let stamped = folder.path().join("stamped.wasm");
    // The custom section `version` behind everything else.
    fs::write(&stamped, [BUILT_IN, b"\0\x0d\x07version1.2.3"].concat()).unwrap();
    let ended = plugin("inspect", &stamped, &[]);
    assert!(ended.stdout.contains("  version      1.2.3\n"), "{}", ended.stdout);
    for (name, bytes) in [("text", &b"hello"[..]), ("core module", b"\0asm\x01\0\0\0")] {
        let path = folder.path().join("other");
        fs::write(&path, bytes).unwrap();
        assert_eq!(plugin("inspect", &path, &[]).code, Some(1), "{name}");
    }
}

#[test]
fn the_built_in_plugin_can_send_nothing_by_itself() {
    let (_folder, built_in) = built_in();
    let found: Value = serde_json::from_str(&plugin("inspect", &built_in, &["--json"]).stdout).unwrap();
    let imports: Vec<_> = found["imports"].as_array().unwrap().iter().map(|import| import.as_str().unwrap()).collect();
    assert!(imports.contains(&"wasi:config/store@0.2.0-rc.1"), "{imports:?}");
    for sends in ["wasi:http/", "wasi:sockets/"] {
        assert!(!imports.iter().any(|import| import.starts_with(sends)), "{imports:?}");
    }
}

#[test]
fn one_call_shows_its_requests_and_what_came_of_them() {
    let (folder, built_in) = built_in();
    let app = WebApp::start();
    app.answer("john", 200, r#"{"marie@x": {"name": "Marie", "groups": ["G"]}, "@@bad": {}}"#, Duration::ZERO);
    let url = app.roster_url();
    let fetched = plugin("run", &built_in, &["--user", "john", "--url", &url]);
    assert_eq!((fetched.code, fetched.stderr.as_str()), (Some(0), ""), "{}", fetched.stdout);
    for part in [
        &format!("GET {}\n  200, ", url.replace("%s", "john")),
        "1 contact\n  marie@x \"Marie\", both, in \"G\"\n",
        "warning: left out the contact \"@@bad\"",
        " ms in all, ",
    ] {
        assert!(fetched.stdout.contains(part), "{part:?} is not in {}", fetched.stdout);
    }
    let roster = folder.path().join("roster.json");
    fs::write(&roster, r#"{"version": 1, "contacts": [{"jid": "old@x", "subscription": "both", "groups": []}]}"#)
        .unwrap();
    let refreshed = plugin("run", &built_in, &["--user", "john", "--url", &url, "--roster", roster.to_str().unwrap()]);
    assert!(refreshed.stdout.contains("2 changes\n  + marie@x"), "{}", refreshed.stdout);
    assert!(refreshed.stdout.contains("  - old@x\n"), "{}", refreshed.stdout);

    app.answer("john", 500, "", Duration::ZERO);
    let failed = plugin("run", &built_in, &["--user", "john", "--url", &url]);
    assert!(failed.code == Some(1) && failed.stdout.contains("error: "), "{failed:?}");
    for (more, says) in [
        (&["--user", "john", "--url", "http://app/contacts"][..], "http_roster_url"),
        (&["--user", "a@b", "--url", &url], "a@b"),
        (&["--user", "john", "--url", &url, "--roster", "no-such.json"], "no-such.json"),
    ] {
        let ended = plugin("run", &built_in, more);
        assert!(ended.code == Some(2) && ended.only_line().contains(says), "{ended:?}");
    }
}

#[test]
fn what_a_plugin_spells_wrong_is_said_as_the_host_takes_it() {
    let roster = tempfile::tempdir().unwrap();
    let known = roster.path().join("roster.json");
    fs::write(&known, r#"{"contacts": [{"jid": "friend@localhost"}]}"#).unwrap();
    let app = WebApp::start();
    let url = app.roster_url();
    let domain = ["--user", "speller", "--domain", "localhost", "--url", &url];
    for more in [&[][..], &["--roster", known.to_str().unwrap()]] {
        let ended = plugin("run", Path::new(test_guests::HOSTILE), &[&domain, more].concat());
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        for line in [
            r#"  marie@localhost "1", both"#,
            "  straße@bücher.example, both",
            r#"  bell@localhost "b l", both, in "G ""#,
            r#"warning: left out the contact "@": its localpart (before the @) is empty"#,
            r#"warning: left out the contact "john@": its domain is empty"#,
            r#"warning: left out the contact "a b@example.com": its localpart (before the @) has the character U+0020"#,
            r#"warning: left out the contact "a\u{ad}b@example.com": its localpart (before the @) has the character U+00AD"#,
            r#"warning: left out the contact "☃.example": its domain has the character ☃ (U+2603)"#,
            r#"warning: left out the contact "speller@localhost": it is the user"#,
            r#"warning: the name of contact "bell@localhost" has a character that XML cannot carry"#,
        ] {
            // The changes are listed with a sign in front.
            let line = line.trim_start();
            assert!(ended.stdout.contains(line), "{line}: {}", ended.stdout);
        }
        assert!(!ended.stdout.contains("Marie"), "{}", ended.stdout);
    }
}

#[test]
fn what_a_file_says_of_itself_does_nothing_to_a_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("odd.wasm");
    for (version, shown) in [
        (&b"\x1b[2Jx"[..], "\\u{1b}[2Jx"),
        (b"\nkind", "\\nkind"),
        ("\u{202e}ab".as_bytes(), "\\u{202e}ab"),
        ("\u{2028}ab".as_bytes(), "\\u{2028}ab"),
        ("\u{9b}2Jx".as_bytes(), "\\u{9b}2Jx"),
    ] {
        let (name, odd) = (b"xmpp:roster/hooks@0.1.0".as_slice(), [b"xmpp:roster/hooks@".as_slice(), version].concat());
        let mut bytes = BUILT_IN.to_vec();
        let places = bytes.windows(name.len()).enumerate().filter(|(_, found)| *found == name);
        for at in places.map(|(at, _)| at).collect::<Vec<_>>() {
            bytes[at..at + odd.len()].copy_from_slice(&odd);
        }
        fs::write(&path, bytes).unwrap();
        for (command, more) in [("inspect", &[][..]), ("inspect", &["--json"]), ("check", &[]), ("check", &["--json"])]
        {
            let Ended { stdout, stderr, .. } = plugin(command, &path, more);
            let odd = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{2028}'..='\u{202e}'));
            assert!(!(stdout.clone() + &stderr).contains(odd), "{command} {more:?}: {stdout:?} {stderr:?}");
            if more.is_empty() && command == "inspect" {
                let line = stdout.lines().find(|line| line.trim_start().starts_with("xmpp:roster ")).unwrap();
                assert!(line.ends_with(shown), "{line:?}");
            }
        }
    }
}

#[test]
fn a_name_or_argument_that_breaks_the_line_does_nothing_to_a_terminal_and_begins_no_line() {
    const ODD: &str = "a\nforged: line\u{1b}[2J\u{202e}\u{2028}\r.wasm";
    let folder = tempfile::tempdir().unwrap();
    let odd = folder.path().join(ODD);
    let (missing, odd) = (odd.with_extension("gone"), odd.to_str().unwrap());
    let missing = missing.to_str().unwrap();
    fs::write(odd, BUILT_IN).unwrap();
    let config = folder.path().join("odd.toml");
    let host = "[[host]]\ndomain = 'x.example'\nsettings = { http_roster_url = 'http://127.0.0.1:9/%s' }\n";
    let path = serde_json::to_string(odd).unwrap().replace("\\u001b", "\\u001B");
    fs::write(&config, format!("sinks.json_lines.path = {path}\n{host}plugin = {path}\n")).unwrap();
    let config = config.to_str().unwrap();
    let accounts = folder.path().join("accounts.txt");
    let accounts = accounts.to_str().unwrap();
    let cases: [&[&str]; 24] = [
        &["plugin", "inspect", missing],
        &["plugin", "inspect", odd],
        &["plugin", "check", missing],
        &["plugin", "check", odd, "--protocol", ODD],
        &["plugin", "check", odd, "--cases", missing],
        &["plugin", "check", odd, "--against", missing],
        &["plugin", "check", odd, "--config", missing],
        &["plugin", "check", odd, "--setting", ODD],
        &["plugin", "run", missing, "--user", "john", "--url", "http://127.0.0.1:9/%s"],
        &["plugin", "run", odd, "--user", ODD, "--url", "http://127.0.0.1:9/%s"],
        &["plugin", "run", odd, "--user", "john", "--url", ODD],
        &["plugin", "swap", missing],
        &["plugin", "swap", odd, "--admin", "http://127.0.0.1:9", "--token-file", missing],
        &["plugin", "status", "--admin", ODD],
        &["plugin", "rollback", "--to", ODD],
        &["fetch", ODD, "--config", config],
        &["fetch", "john", "--config", config, "--host", ODD],
        &["account", "add", ODD, "--file", accounts],
        &["account", "list", "--file", missing],
        &["account", "import", missing, "--file", accounts],
        &["--config", missing],
        &["--config", config, "--check-config"],
        &["--config", config, "--http-listen", ODD],
        &[ODD],
    ];
    for arguments in cases {
        let Ended { stdout, stderr, .. } = run(arguments);
        let all = stdout + &stderr;
        let odd = |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{2028}'..='\u{202e}'));
        assert!(!all.contains(odd), "{arguments:?}: {all:?}");
        assert!(!all.lines().any(|line| line.starts_with("forged")), "{arguments:?}: {all}");
        assert!(all.contains("forged"), "it is named: {arguments:?}: {all}");
    }
}

#[test]
fn the_built_in_plugin_can_be_had_as_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("own.wasm");
    assert_eq!(plugin("built-in", &file, &[]).code, Some(0));
    assert_eq!(fs::read(&file).unwrap(), BUILT_IN);
    let refused = plugin("built-in", folder.path(), &[]);
    assert!(refused.code == Some(2) && refused.only_line().contains(folder.path().to_str().unwrap()), "{refused:?}");
}
