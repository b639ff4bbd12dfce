//! Replaces a file in one step, one process at a time.
//!
//! At every moment there is either the old file or the new one. The lock is on the file itself, so that nothing is left lying
//! about: whoever has got it looks whether the file is still the one that has that name.

use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long to wait for another process. It hashes no password meanwhile.
const LOCK_TIMEOUT: Duration = Duration::from_secs(10);
/// Between two looks.
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// A file that nobody else replaces meanwhile.
pub(super) struct Locked {
    /// With no symbolic link in it: what a link points to is replaced, and not the link.
    path: PathBuf,
    locked: File,
    metadata: Metadata,
    /// It was made for the lock, and goes if nothing is put in its place.
    made: bool,
}

impl Locked {
    /// Waits for other processes, but not for ever: `None` if one keeps it. A file that is not there is made, empty and readable
    /// for its owner only, if `make` is set.
    pub(super) fn of(file: &Path, make: bool) -> io::Result<Option<Self>> {
        let began = Instant::now();
        loop {
            if let Some(locked) = Self::try_of(file, make)? {
                return Ok(Some(locked));
            }
            if began.elapsed() >= LOCK_TIMEOUT {
                return Ok(None);
            }
            sleep(LOCK_RETRY);
        }
    }

    fn try_of(file: &Path, make: bool) -> io::Result<Option<Self>> {
        let (locked, made) = match File::open(file) {
            Err(error) if make && error.kind() == io::ErrorKind::NotFound => {
                let mut options = OpenOptions::new();
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                match options.open(file) {
                    // Another process was faster.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists && file.exists() => return Ok(None),
                    made => (made?, true),
                }
            }
            opened => (opened?, false),
        };
        match locked.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let metadata = locked.metadata()?;
        // Who had the lock before may have put another file here.
        match fs::metadata(file) {
            Ok(now) if is_same(&now, &metadata) => {}
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(None),
        }
        let path = fs::canonicalize(file)?;
        Ok(Some(Self { path, locked, metadata, made }))
    }

    /// Puts `text` in the place of what was there. Owner, group and mode stay.
    pub(super) fn replace(mut self, text: &str) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(Path::new(".")).to_owned();
        let mut new = tempfile::Builder::new().prefix(".accounts-").tempfile_in(&folder)?;
        new.write_all(text.as_bytes())?;
        self.hand_down(new.as_file())?;
        new.as_file().sync_all()?;
        new.persist(&self.path)?;
        self.made = false;
        // The name, too, has to survive a power cut.
        #[cfg(unix)]
        File::open(&folder)?.sync_all()?;
        Ok(())
    }

    #[cfg(unix)]
    fn hand_down(&self, new: &File) -> io::Result<()> {
        use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
        let (old, own) = (&self.metadata, new.metadata()?);
        let (uid, gid) = (old.uid(), old.gid());
        if (uid, gid) != (own.uid(), own.gid()) {
            fchown(new, Some(uid), Some(gid)).map_err(|error| {
                let text = format!("it could not be kept for its owner (user {uid}, group {gid}): {error}");
                io::Error::new(error.kind(), text)
            })?;
        }
        new.set_permissions(Permissions::from_mode(old.mode() & 0o777))
    }

    #[cfg(not(unix))]
    fn hand_down(&self, _new: &File) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        if self.made {
            // Nothing of it is worth keeping; that it cannot be removed is less than the error there was.
            let _ = fs::remove_file(&self.path);
        }
        let _ = self.locked.unlock();
    }
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_same(_: &Metadata, _: &Metadata) -> bool {
    true
}
