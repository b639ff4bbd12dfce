//! `plugin test`: an author's own cases.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::program::run;

const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guest/examples/paged-roster/conformance");

/// A file of cases about the setting `api_url`.
fn cases(cases: &Value) -> String {
    json!({"protocol": "mine", "about": "", "settings": {"api_url": "{app}/v1"}, "cases": cases}).to_string()
}

#[test]
fn what_came_of_an_authors_cases_is_told_by_the_exit_code() {
    let temporary = tempfile::tempdir().unwrap();
    let folder = |name: &str, files: &[(&str, String)]| {
        let folder = temporary.path().join(name);
        fs::create_dir(&folder).unwrap();
        files.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
        folder.to_str().unwrap().to_owned()
    };
    let takes = json!({"name": "a URL", "steps": [{"hook": "check", "expect": {"ok": true}}]});
    let refuses = json!({"name": "no \u{1b}[1m URL", "steps": [{"hook": "check", "expect": {"setting": "api_url"}}]});
    let one_fails =
        folder("one-fails", &[("a.json", cases(&json!([takes]))), ("b.json", cases(&json!([takes, refuses])))]);
    let none = folder("none", &[("a.json", cases(&json!([])))]);
    let empty = folder("empty", &[]);
    let wrong = folder("wrong", &[("a.json", cases(&json!([{"name": "a", "steps": [{"hook": "dance"}]}])))]);
    let paged = test_guests::PAGED_ROSTER;
    for (file, cases, code, says) in [
        (paged, CASES, 0, "35 passed, 0 failed\n"),
        (paged, &one_fails, 1, "  b: 1 of 2 passed\n    FAILED no \\u{1b}[1m URL\n"),
        (paged, &one_fails, 1, "2 passed, 1 failed\n"),
        (test_guests::HOSTILE, CASES, 1, "FAILED"),
        (paged, &none, 3, "nothing was tested\n"),
        (paged, &empty, 2, "no file that ends with .json"),
        (paged, &wrong, 2, "dance"),
        (paged, "no-such-folder", 2, "no-such-folder"),
        ("no-such.wasm", CASES, 2, "no-such.wasm"),
        (concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"), CASES, 2, "not WebAssembly"),
    ] {
        let ended = run(["plugin", "test", file, "--cases", cases]);
        assert_eq!(ended.code, Some(code), "{file} {cases}: {}{}", ended.stdout, ended.stderr);
        let text = if code == 2 { &ended.stderr } else { &ended.stdout };
        assert!(text.contains(says), "{file} {cases}: {text}");
        let other = if code == 2 { &ended.stdout } else { &ended.stderr };
        assert_eq!(other, "", "{file} {cases}");
    }
}

#[test]
fn the_results_are_json_too() {
    let ended = run(["plugin", "test", test_guests::PAGED_ROSTER, "--cases", CASES, "--json"]);
    let report: Value = serde_json::from_str(&ended.stdout).unwrap();
    assert_eq!((ended.code, &report["passed"], &report["failed"]), (Some(0), &json!(35), &json!(0)));
    let files: Vec<_> = report["files"].as_array().unwrap().iter().map(|file| file["file"].as_str().unwrap()).collect();
    let mut on_disk: Vec<_> = fs::read_dir(Path::new(CASES)).unwrap().map(|entry| entry.unwrap().path()).collect();
    on_disk.sort();
    assert_eq!(files, on_disk.iter().map(|path| path.file_stem().unwrap().to_str().unwrap()).collect::<Vec<_>>());
}
