//! A file that the host keeps for itself, in the compile cache or in `plugin_state`: how it is written, and when it is
//! believed. What a compiler hands over is in the same form.
//!
//! ```text
//! offset 0   24 bytes  "roster-host compiled 1\n\0"
//!       24   32 bytes  SHA-256 of the file's name and all that follows, each with its length in front
//!       56             the content: code as wasmtime serialises it, or a component
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::plugin::Digest;

/// What a file begins with; the number changes with the layout.
const MAGIC: &[u8; 24] = b"roster-host compiled 1\n\0";
pub(crate) const HEADER: usize = MAGIC.len() + 32;
/// The longest file that is read, bytes. The code is some three times as long as the component.
const LONGEST: u64 = (1 << 30) + HEADER as u64;
/// Who may write: only the owner.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Distrust {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no file of ours.
    #[error("it is no regular file")]
    NotAFile,
    /// Another user could have written it.
    #[error("it belongs to user {owner}, and this is user {us}")]
    Owner {
        /// The file's.
        owner: u32,
        /// Ours.
        us: u32,
    },
    /// Others can write to it.
    #[error("others may write to it (mode {mode:o})")]
    Mode {
        /// Permission bits.
        mode: u32,
    },
    /// It is not what was written.
    #[error("it is damaged")]
    Damaged,
}

/// What this host has written, unchanged.
pub(crate) struct Image(Vec<u8>);

impl Image {
    pub(crate) fn content(&self) -> &[u8] {
        self.0.get(HEADER..).unwrap_or_default()
    }
}

/// Only this user can have written there.
fn private(found: &fs::Metadata) -> Result<(), Distrust> {
    let (owner, us) = (found.uid(), rustix::process::geteuid().as_raw());
    if owner != us {
        return Err(Distrust::Owner { owner, us });
    }
    let mode = found.mode() & 0o7777;
    if mode & WRITABLE_BY_OTHERS != 0 {
        return Err(Distrust::Mode { mode });
    }
    Ok(())
}

/// Makes the folder if it is not there; nobody else may write to it.
pub(crate) fn folder(folder: &Path) -> Result<(), Distrust> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // A link is followed: what counts is where the files are.
    private(&fs::metadata(folder)?)
}

/// Must a file outlive a power cut? If not, what is left of it does not have the right digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Durable {
    Yes,
    No,
}

/// The file `name` in `folder`, if it is there.
pub(crate) fn read(folder: &Path, name: &str) -> Result<Option<Image>, Distrust> {
    // A link would be followed to a file that others put in place; and a pipe must not block.
    let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).unwrap_or(0);
    let file = OpenOptions::new().read(true).custom_flags(flags).open(folder.join(name));
    let file = match file {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(Distrust::NotAFile);
    }
    private(&found)?;
    let mut bytes = Vec::with_capacity(usize::try_from(found.len().min(LONGEST)).unwrap_or(0));
    (&file).take(LONGEST).read_to_end(&mut bytes)?;
    let image = received(bytes, name)?;
    // Used last: the oldest are removed first. Only a hint.
    let _ = file.set_modified(std::time::SystemTime::now());
    Ok(Some(image))
}

/// What was sealed under `name`, whole and unchanged. The caller knows that this host has made it, or a process that it has
/// started for the purpose.
pub(crate) fn received(bytes: Vec<u8>, name: &str) -> Result<Image, Distrust> {
    let whole = bytes.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk::<32>());
    match whole {
        Some((digest, content)) if digest == seal(name, content).as_bytes() => Ok(Image(bytes)),
        _ => Err(Distrust::Damaged),
    }
}

/// Writes the file `name` in `folder`, whole or not at all: under another name first, `temporary`.
pub(crate) fn write(folder: &Path, name: &str, temporary: &str, content: &[u8], durable: Durable) -> io::Result<()> {
    let path = folder.join(temporary);
    let written = write_as(&path, name, content, durable).and_then(|()| fs::rename(&path, folder.join(name)));
    if written.is_err() {
        let _ = fs::remove_file(&path);
    }
    written
}

fn write_as(path: &Path, name: &str, content: &[u8], durable: Durable) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    write_sealed(&mut file, name, content)?;
    if durable == Durable::Yes { file.sync_all() } else { Ok(()) }
}

/// Writes `content` as the file `name` has it.
pub(crate) fn write_sealed(to: &mut impl Write, name: &str, content: &[u8]) -> io::Result<()> {
    to.write_all(MAGIC)?;
    to.write_all(seal(name, content).as_bytes())?;
    to.write_all(content)
}

fn seal(name: &str, content: &[u8]) -> Digest {
    Digest::of_parts([name.as_bytes(), content])
}
