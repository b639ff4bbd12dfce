//! Each target with its corpus and with mutations of it. `FUZZ_CASES=100000 cargo test -p roster-fuzz` takes longer and finds more.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

use roster_fuzz::{TARGETS, corpus, mutation, run};

/// One test for each target: they run side by side.
macro_rules! mutations_keep_the_promises_of {
    ($($name:ident)*) => {
        mod mutations_keep_the_promises_of {
            $(#[test] fn $name() { super::mutations_of(stringify!($name)) })*
        }
        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

mutations_keep_the_promises_of! { header jid packed refresh request_target roster_decode scram stream url users_decode }

fn mutations_of(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    mutation::check(*target, mutation::cases());
}

#[test]
fn every_file_of_the_corpus_keeps_the_promises() {
    for target in TARGETS {
        for (file, input) in corpus::of(target.name) {
            println!("{}/{file}", target.name);
            run(target.name, &input);
        }
    }
}

#[test]
fn every_target_has_a_corpus_a_test_and_a_binary_for_libfuzzer() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let names = |folder: &str| {
        let mut names: Vec<_> = fs::read_dir(here.join(folder))
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    let targets: Vec<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names("corpus"), targets);
    assert_eq!(names("libfuzzer/fuzz_targets"), targets);
    assert_eq!(TESTED, targets);
    let manifest = fs::read_to_string(here.join("libfuzzer/Cargo.toml")).unwrap();
    for name in targets {
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"fuzz_targets/{name}.rs\"")), "{name}");
    }
}
