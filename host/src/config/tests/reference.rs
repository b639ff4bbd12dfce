//! `docs/configuration.md` is what the tables say.

use std::{env, fs};

use super::super::reference;

#[test]
fn the_page_of_the_manual_is_what_the_tables_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/configuration.md");
    if env::var_os("WRITE_DOCS").is_some() {
        fs::write(path, reference()).unwrap();
    }
    let page = fs::read_to_string(path).unwrap();
    assert!(page == reference(), "docs/configuration.md is stale; WRITE_DOCS=1 makes this test write it again");
}

#[test]
fn each_key_says_what_it_is_for() {
    let page = reference();
    let rows: Vec<Vec<&str>> =
        page.lines().filter(|line| line.starts_with("| `")).map(|row| row.split(" | ").collect()).collect();
    assert!(rows.len() > 150, "{}", rows.len());
    for row in rows {
        assert_eq!(row.len(), 7, "{row:?}");
        let [_, kind, _, default, _, _, about] = row[..] else { panic!("{row:?}") };
        assert!(!kind.is_empty() && !default.is_empty() && about.len() > 10, "{row:?}");
    }
}
