//! How every file that somebody names is read: regular files only, and no more of one than it may have.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// All of a file, if it is a regular one of at most `limit` bytes. Links are followed.
///
/// A device may have no end, and opening a pipe may wait for ever. The file is looked at before it is opened and again once it
/// is, and it is read no further than `limit`, so one that is put in its place or grows meanwhile costs nothing either.
///
/// # Errors
/// Those of the system; [`io::ErrorKind::InvalidInput`] for what is no regular file, [`io::ErrorKind::FileTooLarge`] for what is
/// longer.
pub fn read_file(path: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let regular = |metadata: io::Result<std::fs::Metadata>| match metadata?.is_file() {
        true => Ok(()),
        false => Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file")),
    };
    regular(std::fs::metadata(path))?;
    let file = File::open(path)?;
    regular(file.metadata())?;
    let mut content = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it is longer than {limit} bytes")));
    }
    Ok(content)
}

/// The same for text.
///
/// # Errors
/// As [`read_file`], and [`io::ErrorKind::InvalidData`] for what is not UTF-8.
pub fn read_text_file(path: &Path, limit: u64) -> io::Result<String> {
    let text = String::from_utf8(read_file(path, limit)?);
    text.map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_regular_files_of_a_bounded_length_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("file"), "1234").unwrap();
        symlink(path("file"), path("link")).unwrap();
        symlink("/dev/zero", path("endless")).unwrap();
        assert!(std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap().success());
        for (name, limit, expected) in [
            ("file", 4, Ok("1234")),
            ("link", 4, Ok("1234")),
            ("file", 3, Err(io::ErrorKind::FileTooLarge)),
            ("endless", 1 << 40, Err(io::ErrorKind::InvalidInput)),
            ("pipe", 4, Err(io::ErrorKind::InvalidInput)),
            ("", 4, Err(io::ErrorKind::InvalidInput)),
            ("nothing", 4, Err(io::ErrorKind::NotFound)),
        ] {
            let read = read_text_file(&path(name), limit).map_err(|error| error.kind());
            assert_eq!(read.as_deref().map_err(|kind| *kind), expected, "{name}");
        }
        std::fs::write(path("latin"), b"\xFF").unwrap();
        assert_eq!(read_text_file(&path("latin"), 4).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
