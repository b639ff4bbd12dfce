//! A folder, as `wasi:filesystem` has it. Without the standard library's files: they ask for rights that not every server has.

use std::rc::Rc;
use std::time::Duration;

/// What wit-bindgen makes of the WIT.
#[allow(unsafe_code, clippy::all, clippy::restriction)]
mod bindings {
    wit_bindgen::generate!({
        path: ["../../../../wit", "../../wit"],
        world: "xmpp:roster-proxy/files",
        generate_all,
    });
}

use bindings::wasi::filesystem::preopens::get_directories;
use bindings::wasi::filesystem::types::{Descriptor, DescriptorFlags, OpenFlags, PathFlags};

pub(crate) use bindings::wasi::filesystem::types::ErrorCode;

/// What one call reads: at first, and of a file that is longer.
const READ: u64 = 16 * 1024;
const READ_ON: u64 = 64 * 1024;

/// A folder. Its files are opened from the one that the server shows, for folders that are opened below that one can be changed in
/// some servers only.
pub(crate) struct Folder {
    root: Rc<Descriptor>,
    path: String,
}

/// A file that was not there before.
pub(crate) struct NewFile(Descriptor);

impl Folder {
    /// The folder that the server shows under this name.
    pub(crate) fn preopened(name: &str) -> Option<Self> {
        let (root, _) = get_directories().into_iter().find(|(_, path)| path == name)?;
        Some(Self { root: Rc::new(root), path: String::new() })
    }

    /// The folder below this one, which is made when there is something to be put in it.
    pub(crate) fn below(&self, name: &str) -> Self {
        Self { root: Rc::clone(&self.root), path: format!("{}{name}/", self.path) }
    }

    fn path(&self, name: &str) -> String {
        format!("{}{name}", self.path)
    }

    fn open(&self, name: &str, open: OpenFlags, flags: DescriptorFlags) -> Result<Descriptor, ErrorCode> {
        self.root.open_at(PathFlags::empty(), &self.path(name), open, flags)
    }

    fn itself(&self) -> Result<Descriptor, ErrorCode> {
        self.open(".", OpenFlags::DIRECTORY, DescriptorFlags::READ)
    }

    /// Makes the folder, and those that it is in.
    fn make(&self) -> Result<(), ErrorCode> {
        for (at, _) in self.path.match_indices('/') {
            let made = self.path.get(..at).map_or(Ok(()), |path| self.root.create_directory_at(path));
            // Another instance may make it at the same time.
            made.or_else(|code| if code == ErrorCode::Exist { Ok(()) } else { Err(code) })?;
        }
        Ok(())
    }

    /// The whole file, if there is one. `is_whole` spares the call that finds its end.
    pub(crate) fn read(&self, name: &str, is_whole: impl Fn(&[u8]) -> bool) -> Result<Option<Vec<u8>>, ErrorCode> {
        let file = match self.open(name, OpenFlags::empty(), DescriptorFlags::READ) {
            Err(ErrorCode::NoEntry) => return Ok(None),
            other => other?,
        };
        let mut whole = Vec::new();
        loop {
            let length = if whole.is_empty() { READ } else { READ_ON };
            let (piece, end) = file.read(length, whole.len() as u64)?;
            whole.extend_from_slice(&piece);
            if end || piece.is_empty() || is_whole(&whole) {
                return Ok(Some(whole));
            }
        }
    }

    /// A new file with this name; none if there is one.
    pub(crate) fn create(&self, name: &str) -> Result<Option<NewFile>, ErrorCode> {
        let create = || self.open(name, OpenFlags::CREATE | OpenFlags::EXCLUSIVE, DescriptorFlags::WRITE);
        match create() {
            Err(ErrorCode::Exist) => Ok(None),
            Err(ErrorCode::NoEntry) => {
                self.make()?;
                create().map(|file| Some(NewFile(file)))
            }
            other => other.map(|file| Some(NewFile(file))),
        }
    }

    /// Gives a file the name of another folder's, whose file it replaces.
    pub(crate) fn rename(&self, name: &str, into: &Self, new_name: &str) -> Result<(), ErrorCode> {
        self.root.rename_at(&self.path(name), &into.root, &into.path(new_name))
    }

    pub(crate) fn remove(&self, name: &str) -> Result<(), ErrorCode> {
        self.root.unlink_file_at(&self.path(name))
    }

    /// When the file was last written to, as a time since 1970, if it is there.
    pub(crate) fn written(&self, name: &str) -> Option<Duration> {
        let stat = self.root.stat_at(PathFlags::empty(), &self.path(name)).ok()?;
        let time = stat.data_modification_timestamp?;
        Some(Duration::new(time.seconds, time.nanoseconds))
    }

    /// What is in it, in any order.
    pub(crate) fn names(&self) -> Result<Vec<String>, ErrorCode> {
        let stream = match self.itself() {
            Err(ErrorCode::NoEntry) => return Ok(Vec::new()),
            other => other?.read_directory()?,
        };
        let mut names = Vec::new();
        while let Some(entry) = stream.read_directory_entry()? {
            names.push(entry.name);
        }
        Ok(names)
    }

    /// Has the names written down, where the server can do that.
    pub(crate) fn sync(&self) {
        let _ = self.itself().and_then(|folder| folder.sync());
    }
}

impl NewFile {
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), ErrorCode> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = self.0.write(rest, (bytes.len() - rest.len()) as u64)?;
            let written = usize::try_from(written).unwrap_or(usize::MAX);
            rest = rest.get(written..).filter(|_| written > 0).ok_or(ErrorCode::Io)?;
        }
        Ok(())
    }

    pub(crate) fn sync(&self) -> Result<(), ErrorCode> {
        self.0.sync()
    }
}
