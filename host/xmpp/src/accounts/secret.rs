//! The secret that made-up salts depend on, in a file beside the accounts.
//!
//! With a new secret after each start, a name whose salt changes then would have no account. It is made once, readable for its
//! owner only. Where that is not possible, because the folder cannot be written, an operator can put any random bytes there.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::digest;
use roster_model::read_file;

use super::credentials::random;

/// Fewer bytes could be guessed; more are something else.
const LENGTHS: std::ops::RangeInclusive<usize> = 16..=4096;

/// `accounts.txt.secret` for `accounts.txt`.
pub(super) fn beside(accounts: &Path) -> PathBuf {
    let mut name = OsString::from(accounts);
    name.push(".secret");
    name.into()
}

/// What is in the first of these files that there is; else it is made, in the first place where that is possible. The error is
/// that of the first place.
pub(super) fn load_or_make(files: &[PathBuf]) -> io::Result<[u8; 32]> {
    for file in files {
        match load(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            loaded => return loaded,
        }
    }
    let mut first = None;
    for file in files {
        match make(file) {
            Ok(secret) => return Ok(secret),
            Err(error) => first = first.or(Some(error)),
        }
    }
    Err(first.unwrap_or_else(|| io::ErrorKind::NotFound.into()))
}

fn make(file: &Path) -> io::Result<[u8; 32]> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // With mode 0600.
    let mut new = tempfile::Builder::new().prefix(".accounts-").tempfile_in(folder)?;
    writeln!(new, "{}", STANDARD.encode(random::<32>()))?;
    new.as_file().sync_all()?;
    // Never in the place of one: another process may have been faster.
    match new.persist_noclobber(file) {
        Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => return Err(error.error),
        Ok(_) => {
            #[cfg(unix)]
            File::open(folder)?.sync_all()?;
        }
        Err(_) => {}
    }
    load(file)
}

fn load(file: &Path) -> io::Result<[u8; 32]> {
    let bytes = read_file(file, *LENGTHS.end() as u64)?;
    if !LENGTHS.contains(&bytes.trim_ascii().len()) {
        return Err(io::Error::other(format!("{} to {} bytes are expected", LENGTHS.start(), LENGTHS.end())));
    }
    let mut secret = [0; 32];
    secret.copy_from_slice(digest::digest(&digest::SHA256, bytes.trim_ascii()).as_ref());
    Ok(secret)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]

    use std::fs;

    use super::*;

    #[test]
    fn a_secret_is_made_once_for_its_owner_only_and_read_again_by_everybody_else() {
        let folder = tempfile::tempdir().unwrap();
        let file = beside(&folder.path().join("accounts.txt"));
        assert!(file.ends_with("accounts.txt.secret"));
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..8).map(|_| scope.spawn(|| load_or_make(std::slice::from_ref(&file)).unwrap())).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| Some(secret) == secrets.first() && *secret != [0; 32]));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(&file, "given by the operator").unwrap();
        assert_eq!(
            load_or_make(std::slice::from_ref(&file)).unwrap(),
            load_or_make(std::slice::from_ref(&file)).unwrap()
        );
        assert_ne!(Some(&load_or_make(std::slice::from_ref(&file)).unwrap()), secrets.first());
    }

    #[test]
    fn what_is_no_secret_is_neither_used_nor_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        for (bytes, fits) in [(0, false), (15, false), (16, true), (4096, true), (4097, false)] {
            fs::write(&file, vec![b'x'; bytes]).unwrap();
            assert_eq!(load_or_make(std::slice::from_ref(&file)).is_ok(), fits, "{bytes} bytes");
            assert_eq!(fs::metadata(&file).unwrap().len(), bytes as u64);
        }
        let [a_folder, nowhere] = [folder.path().to_owned(), folder.path().join("none/secret")];
        assert!(load_or_make(&[a_folder]).is_err());
        assert!(load_or_make(&[nowhere]).is_err());
    }

    #[test]
    fn where_the_first_place_cannot_be_written_the_next_one_is_taken_and_one_that_is_there_stays_in_use() {
        let folder = tempfile::tempdir().unwrap();
        let places = ["a/accounts.txt.secret", "b/accounts.secret"].map(|name| folder.path().join(name));
        fs::create_dir(folder.path().join("b")).unwrap();
        let secret = load_or_make(&places).unwrap();
        assert!(places[1].is_file());
        fs::create_dir(folder.path().join("a")).unwrap();
        assert_eq!(load_or_make(&places).unwrap(), secret);
        assert!(!places[0].exists());
    }
}
