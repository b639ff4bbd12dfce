//! Who may write. `wasi:filesystem` has no locks, but a file that must not exist yet is made by one only.
//!
//! Who wants to replace revision R of a key makes the file `R.0`, its claim. Who has it looks once more whether R is still
//! there, writes the new value into the claim, and renames it to the name of the key: that is the moment when the value is
//! another, and the claim is gone with it. Who finds a claim waits until R is another. Revisions never come back, so a claim for R
//! that is made too late finds that out by looking, and does no harm.
//!
//! An instance may be ended at any point. So a claim that is older than [`LEASE`] no longer counts, and others go on with `R.1`;
//! who has had one for half of that time must not rename it any more.

use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use roster_proxy_state::{Error, Revision};

use crate::folder::{ErrorCode, Folder, NewFile};

/// Where claims are.
pub(crate) const FOLDER: &str = "~claims";
/// A claim counts for so long after it was last written to.
const LEASE: Duration = Duration::from_secs(6);
/// The longest wait for others.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often is looked.
const PAUSE: Duration = Duration::from_millis(2);
/// How many may die over one revision.
const MOST_ATTEMPTS: usize = 100;

/// The right to replace one revision of one key.
pub(crate) struct Claim<'a> {
    folder: &'a Folder,
    claims: Folder,
    /// The key's file.
    target: &'a str,
    file: NewFile,
    since: Instant,
    name: String,
    /// Those that no longer count.
    lapsed: Vec<String>,
}

impl<'a> Claim<'a> {
    /// Waits for the claim to replace `revision` of the key whose file is `target`; none when `still` says that another is there.
    pub(crate) fn take(
        folder: &'a Folder,
        target: &'a str,
        revision: Option<Revision>,
        still: impl Fn() -> Result<bool, Error>,
    ) -> Result<Option<Self>, Error> {
        let failed = |code: ErrorCode| Error::Other(format!("{target} cannot be claimed: {}", code.message()));
        let claims = folder.below(FOLDER);
        let revision = revision.map_or(0, |revision| revision.0.get());
        let (deadline, mut lapsed) = (Instant::now() + DEADLINE, Vec::new());
        loop {
            let name = format!("{target}.{revision:016x}.{}", lapsed.len());
            if let Some(file) = claims.create(&name).map_err(failed)? {
                return Ok(Some(Self { folder, claims, target, file, since: Instant::now(), name, lapsed }));
            }
            if !still()? {
                return Ok(None);
            }
            if has_lapsed(&claims, &name) && lapsed.len() < MOST_ATTEMPTS {
                lapsed.push(name);
            } else if Instant::now() > deadline {
                return Err(Error::Other(format!("{target}: others have been writing it for {DEADLINE:?}")));
            } else {
                sleep(PAUSE);
            }
        }
    }

    /// Makes `bytes` the content of the key's file. Not if that took too long: then the claim may be another's.
    pub(crate) fn publish(self, bytes: &[u8], lasting: bool) -> Result<bool, ErrorCode> {
        let written = self.file.write(bytes).and_then(|()| if lasting { self.file.sync() } else { Ok(()) });
        let in_time = self.in_time();
        let renamed = match written {
            Ok(()) if in_time => self.claims.rename(&self.name, self.folder, self.target),
            other => other,
        };
        if renamed.is_err() || !in_time {
            self.give_up();
            return renamed.map(|()| false);
        }
        self.forget_lapsed();
        if lasting {
            self.folder.sync();
        }
        Ok(true)
    }

    /// Removes the key's file.
    pub(crate) fn remove(self) -> Result<bool, ErrorCode> {
        let in_time = self.in_time();
        let removed = if in_time { self.folder.remove(self.target) } else { Ok(()) };
        self.give_up();
        removed.map(|()| in_time)
    }

    /// Lets others claim.
    pub(crate) fn give_up(self) {
        self.forget_lapsed();
        let _ = self.claims.remove(&self.name);
    }

    fn in_time(&self) -> bool {
        self.since.elapsed() < LEASE / 2
    }

    fn forget_lapsed(&self) {
        for name in &self.lapsed {
            let _ = self.claims.remove(name);
        }
    }
}

/// Whether who made the claim has had all the time there is. A clock that was set back makes it a longer wait.
fn has_lapsed(claims: &Folder, name: &str) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    claims.written(name).is_some_and(|written| now.saturating_sub(written) > LEASE)
}
