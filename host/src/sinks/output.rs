//! Where lines go: a file that may be moved away under us, or standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Events name users and their contacts: not for everybody.
const MODE: u32 = 0o640;

/// Lines are appended, each whole. Every call may block.
pub(super) struct Output {
    /// `None`: standard output.
    path: Option<PathBuf>,
    file: File,
    /// The last line is not complete: the next must not be read as its end.
    torn: bool,
}

impl Output {
    /// Opens `path`, made if it is not there; `-` is standard output.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            let file = File::from(io::stdout().as_fd().try_clone_to_owned()?);
            return Ok(Self { path: None, file, torn: false });
        }
        let file = OpenOptions::new().create(true).append(true).mode(MODE).open(path)?;
        // A process that was killed may have left half a line.
        let torn = ends_within_a_line(&file, path);
        Ok(Self { path: Some(path.to_owned()), file, torn })
    }

    /// Opens the path anew if there is another file now, or none: the one before was moved away. On an error the one before
    /// stays in use. True if there is a new one.
    pub(super) fn follow(&mut self) -> io::Result<bool> {
        let Some(path) = &self.path else { return Ok(false) };
        let ours = self.file.metadata()?;
        match fs::metadata(path) {
            Ok(there) if (there.dev(), there.ino()) == (ours.dev(), ours.ino()) => {
                // Truncated by who copied it.
                self.torn &= !there.is_file() || there.len() > 0;
                return Ok(false);
            }
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        *self = Self::open(path)?;
        Ok(true)
    }

    /// Appends `text`, which is whole lines. How many of them are out, and why not all.
    pub(super) fn write(&mut self, text: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        let result = self.write_from(text, &mut written);
        let lines = text.get(..written).unwrap_or_default().iter().filter(|byte| **byte == b'\n').count();
        (lines, result)
    }

    fn write_from(&mut self, text: &[u8], written: &mut usize) -> io::Result<()> {
        if self.torn {
            self.file.write_all(b"\n")?;
            self.torn = false;
        }
        while let Some(rest) = text.get(*written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(more) => {
                    *written += more;
                    self.torn = !text.get(..*written).unwrap_or_default().ends_with(b"\n");
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether the file's last byte is no line break; only of what can be read again.
fn ends_within_a_line(file: &File, path: &Path) -> bool {
    let last = || -> io::Result<u8> {
        let mut last = [0];
        let length = file.metadata().map(|file| if file.is_file() { file.len() } else { 0 })?;
        let at = length.checked_sub(1).ok_or(ErrorKind::UnexpectedEof)?;
        File::open(path)?.read_exact_at(&mut last, at)?;
        let [last] = last;
        Ok(last)
    };
    last().is_ok_and(|last| last != b'\n')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_is_moved_removed_or_truncated_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut output = Output::open(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o137, 0, "not for everybody");
        let read = |path: &Path| fs::read_to_string(path).unwrap();
        assert_eq!(output.write(b"1\n").0, 1);
        assert!(!output.follow().unwrap());
        // logrotate, its own file or none there; removed; copied and truncated.
        let moved = folder.path().join("events.jsonl.1");
        fs::rename(&path, &moved).unwrap();
        assert!(output.follow().unwrap());
        output.write(b"2\n").1.unwrap();
        assert_eq!((read(&moved), read(&path)), ("1\n".into(), "2\n".into()));
        fs::rename(&path, &moved).unwrap();
        fs::write(&path, "").unwrap();
        assert!(output.follow().unwrap());
        output.write(b"3\n").1.unwrap();
        fs::remove_file(&path).unwrap();
        assert!(output.follow().unwrap());
        output.write(b"4\n").1.unwrap();
        File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
        assert!(!output.follow().unwrap());
        output.write(b"5\n").1.unwrap();
        assert_eq!((read(&moved), read(&path)), ("2\n".into(), "5\n".into()));
        // A folder that is gone: what is open stays in use.
        fs::remove_dir_all(folder.path()).unwrap();
        output.follow().unwrap_err();
        output.write(b"6\n").1.unwrap();
    }

    #[test]
    fn half_a_line_never_runs_into_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        for (before, after) in [("", "x\n"), ("a\n", "a\nx\n"), ("a\nhal", "a\nhal\nx\n"), ("\n", "\nx\n")] {
            fs::write(&path, before).unwrap();
            let mut output = Output::open(&path).unwrap();
            output.write(b"x\n").1.unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), after, "{before:?}");
        }
        // Half of a line went out, and the reader of the pipe, or the disk, is back.
        let mut output = Output::open(&path).unwrap();
        output.torn = true;
        assert_eq!(output.write(b"y\nz\n").0, 2);
        assert!(fs::read_to_string(&path).unwrap().ends_with("x\n\ny\nz\n"));
    }

    #[test]
    fn a_full_disk_takes_nothing_and_says_so() {
        let mut output = Output::open(Path::new("/dev/full")).unwrap();
        let (lines, result) = output.write(b"1\n2\n");
        assert_eq!((lines, result.unwrap_err().kind()), (0, ErrorKind::StorageFull));
        assert!(!output.follow().unwrap());
    }
}
