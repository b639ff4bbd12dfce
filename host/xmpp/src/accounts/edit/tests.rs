#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::thread;

use super::*;
use crate::accounts::{ScramCredentials, ScramHash};

fn user(name: &str) -> Username {
    Username::new(name).unwrap()
}

/// With credentials that cost nothing.
fn account(password: &str) -> Account {
    let iterations = std::num::NonZeroU32::MIN;
    let credentials = ScramCredentials::derive(ScramHash::Sha256, password, b"salt", iterations);
    Account { credentials: vec![credentials], disabled: false }
}

fn names(folder: &Path) -> Vec<String> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn processes_side_by_side_lose_nothing_of_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts");
    thread::scope(|scope| {
        for thread in 0..8 {
            let file = &file;
            scope.spawn(move || {
                for n in 0..10 {
                    import(file, vec![(user(&format!("u{thread}-{n}")), account("x"))], false).unwrap();
                    if n % 2 == 1 {
                        remove(file, &user(&format!("u{thread}-{}", n - 1))).unwrap();
                        set_disabled(file, &user(&format!("u{thread}-{n}")), true).unwrap();
                    }
                }
            });
        }
    });
    let all = list(&file).unwrap();
    assert_eq!(all.len(), 40);
    assert!(all.iter().all(|(_, disabled)| *disabled));
    assert_eq!(names(folder.path()), ["accounts"]);
}

#[test]
fn comments_mode_owner_and_links_stay() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("accounts"), folder.path().join("link"));
    import(&file, vec![(user("john"), account("x"))], false).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("# people\n\n{text}  # the end\n")).unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o640)).unwrap();
    symlink("accounts", &link).unwrap();
    // Only root can give files away.
    let given = chown(&file, Some(12_345), Some(23_456)).is_ok();
    let owner = |metadata: fs::Metadata| (metadata.uid(), metadata.gid(), metadata.mode() & 0o777);
    let before = owner(fs::metadata(&file).unwrap());
    assert!(!given || before == (12_345, 23_456, 0o640), "{before:?}");
    set_disabled(&link, &user("john"), true).unwrap();
    import(&link, vec![(user("marie"), account("x"))], false).unwrap();
    assert_eq!(owner(fs::metadata(&file).unwrap()), before);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    let text = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!((lines[0], lines[1], lines[3]), ("# people", "", "  # the end"));
    assert!(lines[2].starts_with("john SCRAM-") && lines[2].ends_with(" disabled"), "{text}");
    assert!(lines[4].starts_with("marie SCRAM-"), "{text}");
}

#[test]
fn a_password_is_changed_and_a_disabled_account_stays_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts");
    import(&file, vec![(user("john"), account("old"))], false).unwrap();
    let now = || load(&file).unwrap().remove("john").unwrap();
    let is_of = |password: &str| now().credentials.iter().all(|credentials| credentials.is_of(password));
    assert!(!set_password(&file, &user("john"), "new").unwrap());
    assert!(is_of("new") && !is_of("old") && now().credentials.len() == 2);
    set_disabled(&file, &user("john"), true).unwrap();
    set_disabled(&file, &user("john"), true).unwrap();
    assert!(now().disabled && is_of("new"));
    assert!(set_password(&file, &user("john"), "newer").unwrap());
    assert!(now().disabled && is_of("newer"));
    add(&file, &user("john"), "newest", true).unwrap();
    assert!(now().disabled && is_of("newest"));
    set_disabled(&file, &user("john"), false).unwrap();
    assert!(!now().disabled && is_of("newest"));
}

#[test]
fn what_cannot_be_done_changes_nothing_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("accounts");
    let one = |name: &str| (user(name), account("x"));
    let comment = import(&file, vec![one("john"), one("#marie")], false).unwrap_err();
    assert!(comment.to_string().contains("begins with # is a comment"), "{comment}");
    for error in [
        remove(&file, &user("john")).unwrap_err(),
        set_disabled(&file, &user("john"), true).unwrap_err(),
        set_password(&file, &user("john"), "x").unwrap_err(),
    ] {
        assert!(error.to_string().starts_with("cannot read the accounts in "), "{error}");
    }
    assert_eq!(names(folder.path()), [""; 0], "no file was left behind");

    import(&file, vec![one("john"), one("marie")], false).unwrap();
    let before = fs::read_to_string(&file).unwrap();
    let all_or_none = import(&file, vec![one("new"), one("marie")], false).unwrap_err();
    assert!(matches!(&all_or_none, AccountsFileError::Exists { user, .. } if user.as_str() == "marie"));
    assert!(matches!(remove(&file, &user("ghost")).unwrap_err(), AccountsFileError::Missing { .. }));
    assert_eq!(fs::read_to_string(&file).unwrap(), before);
    assert_eq!(names(folder.path()), ["accounts"]);
}
