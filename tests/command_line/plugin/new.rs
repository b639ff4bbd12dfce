//! `plugin new`: what it writes and refuses. That the projects build and pass their checks is tried by `.ci/plugins`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::support::program::{Ended, run};

fn new(folder: &Path, name: &str, more: &[&str]) -> Ended {
    run([&["plugin", "new", name, "--path", folder.to_str().unwrap()], more].concat())
}

/// Every file, as its path within the folder.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => drop(found.insert(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned())),
            }
        }
    }
    found
}

#[test]
fn a_project_has_everything_it_needs_under_its_own_name() {
    for (language, more, has, has_not) in [
        (
            "rust",
            &[][..],
            &["Cargo.toml", ".gitignore", "src/lib.rs", "xmpp-roster-plugin/wit/hooks.wit"][..],
            &["wit/hooks.wit"][..],
        ),
        ("rust", &["--registry"], &["Cargo.toml", "src/lib.rs"], &["xmpp-roster-plugin/Cargo.toml"]),
        ("js", &[], &["package.json", "src/roster.js", "test/roster.test.js", "wit/world.wit"], &["Cargo.toml"]),
        ("python", &[], &["build.sh", "src/roster.py", "tests/test_roster.py", "wit/world.wit"], &["Cargo.toml"]),
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join("a").join("b");
        let ended = new(&folder, "acme-two", &[&["--lang", language], more].concat());
        assert_eq!((ended.code, ended.stderr.as_str()), (Some(0), ""), "{language} {more:?}");
        assert!(ended.stdout.contains("sh ci.sh"), "{}", ended.stdout);
        let files = files(&folder);
        for common in ["README.md", "ci.sh", "cases/friends.json"].iter().chain(has) {
            assert!(files.contains(*common), "{language}: no {common} in {files:?}");
        }
        for file in has_not {
            assert!(!files.contains(*file), "{language}: {file}");
        }
        let mut named = 0;
        for file in &files {
            let text = fs::read_to_string(folder.join(file)).unwrap();
            assert!(!text.contains("my-roster") && !text.contains("my_roster"), "{file}");
            assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "{file}: a path of this machine");
            named += usize::from(text.contains("acme-two") || text.contains("acme_two"));
        }
        assert!(named >= 3, "{language}: {named} files with its name");
        let readme = fs::read_to_string(folder.join("README.md")).unwrap();
        assert!(readme.lines().count() <= 50, "one screen");
        for command in ["plugin test", "plugin check", "plugin run", "plugin swap", "ci.sh"] {
            assert!(readme.contains(command), "{language}: {command}");
        }
    }
}

#[test]
fn a_crate_of_the_registry_is_named_by_its_version_alone() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(new(folder.path(), "acme", &["--lang", "rust", "--registry"]).code, Some(0));
    let manifest = fs::read_to_string(folder.path().join("Cargo.toml")).unwrap();
    let line = manifest.lines().find(|line| line.starts_with("xmpp-roster-plugin")).unwrap();
    assert_eq!(line, concat!("xmpp-roster-plugin = { version = \"", env!("CARGO_PKG_VERSION"), "\" }"));
}

#[test]
fn what_cannot_be_written_is_refused_and_nothing_is_changed() {
    let temporary = tempfile::tempdir().unwrap();
    let full = temporary.path().join("full");
    fs::create_dir(&full).unwrap();
    fs::write(full.join("mine"), "mine").unwrap();
    let file = temporary.path().join("file");
    fs::write(&file, "mine").unwrap();
    let fresh = temporary.path().join("fresh");
    for (folder, name, more, says) in [
        (&full, "acme", &["--lang", "js"][..], "full is there and not empty; give another folder with --path"),
        (&file, "acme", &["--lang", "js"], "file: "),
        (&fresh, "Acme", &["--lang", "js"], "expected lower-case letters, digits and single hyphens"),
        (&fresh, "../acme", &["--lang", "js"], "expected lower-case letters"),
        (&fresh, "serde", &["--lang", "rust"], "choose another name, such as serde-roster"),
        (&fresh, "acme", &["--lang", "cobol"], "rust, js, python"),
        (&fresh, "acme", &[], "--lang"),
        (&fresh, "acme", &["--lang", "js", "--registry"], "--registry is for --lang rust"),
    ] {
        let ended = new(folder, name, more);
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(2), ""), "{name} {more:?}");
        assert!(ended.stderr.contains(says), "{name} {more:?}: {}", ended.stderr);
    }
    assert_eq!(files(temporary.path()), BTreeSet::from(["full/mine".to_owned(), "file".to_owned()]));
}

#[test]
fn an_empty_folder_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(new(folder.path(), "acme", &["--lang", "python"]).code, Some(0));
    assert_eq!(new(folder.path(), "acme", &["--lang", "python"]).code, Some(2), "the second time it is not empty");
}
