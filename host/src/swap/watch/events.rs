//! News of a file from the system, as soon as there are any.
//!
//! On Linux inotify on the folders of all names on the file's way ([`super::links`]). Folders and not the file: a file that
//! is renamed into place is another one. Elsewhere there is no news, and [`super`] only looks now and then.

use std::path::Path;

/// What is heard of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum News {
    /// It was put in place whole.
    Placed,
    /// It was closed after writing. Whoever did may open it again for the next piece.
    Closed,
    /// Somebody is writing to it.
    Writing,
    /// Its name has come, or gone.
    Moved,
    /// The system says nothing; it looks different.
    Unheard,
}

#[cfg(target_os = "linux")]
pub(super) use linux::Events;

#[cfg(not(target_os = "linux"))]
pub(super) struct Events;

#[cfg(not(target_os = "linux"))]
impl Events {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn follow(&mut self, _path: &Path) {}

    pub(super) async fn next(&mut self) -> News {
        std::future::pending().await
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::collections::{BTreeSet, HashMap};
    use std::ffi::{OsStr, OsString};
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::os::unix::ffi::OsStrExt;
    use std::path::PathBuf;

    use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
    use tokio::io::unix::AsyncFd;
    use tracing::warn;

    use super::super::links;
    use super::{News, Path};

    /// Room for some tens of events; what does not fit comes with the next reading.
    const BUFFER: usize = 4096;

    /// Follows one file.
    pub(in super::super) struct Events {
        /// `None`: the system has no watch for us; there will be no news.
        fd: Option<AsyncFd<OwnedFd>>,
        folders: HashMap<i32, Folder>,
    }

    struct Folder {
        path: PathBuf,
        names: BTreeSet<OsString>,
    }

    impl Events {
        pub(in super::super) fn new() -> Self {
            #[allow(
                deprecated,
                reason = "its fault is with types that name another descriptor later; this one does not"
            )]
            let fd = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)
                .map_err(io::Error::from)
                .and_then(AsyncFd::new)
                .inspect_err(|error| warn!(%error, "changes of the plugin's file are seen late: no inotify"));
            Self { fd: fd.ok(), folders: HashMap::new() }
        }

        /// Looks at what `path` means now, and follows that. A folder that is not there is tried again at the next call.
        pub(in super::super) fn follow(&mut self, path: &Path) {
            let Some(fd) = &self.fd else { return };
            let flags = WatchFlags::CLOSE_WRITE
                | WatchFlags::MODIFY
                | WatchFlags::CREATE
                | WatchFlags::DELETE
                | WatchFlags::MOVED_TO
                | WatchFlags::MOVED_FROM
                | WatchFlags::ONLYDIR;
            let mut followed: HashMap<i32, Folder> = HashMap::new();
            for name in links::names(path) {
                // The same folder under the same descriptor, also when it is followed already.
                let Ok(watch) = inotify::add_watch(fd, &name.folder, flags) else { continue };
                let folder =
                    followed.entry(watch).or_insert_with(|| Folder { path: name.folder, names: BTreeSet::new() });
                folder.names.insert(name.name);
            }
            for (old, folder) in &self.folders {
                if !followed.contains_key(old) {
                    tracing::trace!(folder = %folder.path.display(), "no longer followed");
                    // A folder that was removed has taken its watch with it.
                    let _ = inotify::remove_watch(fd, *old);
                }
            }
            self.folders = followed;
        }

        /// The next news of the file.
        pub(in super::super) async fn next(&mut self) -> News {
            loop {
                match self.read().await {
                    Ok(Some(news)) => return news,
                    Ok(None) => {}
                    Err(error) => {
                        warn!(%error, "changes of the plugin's file are seen late from now on");
                        self.fd = None;
                    }
                }
            }
        }

        /// What one reading says of the file.
        async fn read(&self) -> io::Result<Option<News>> {
            let Some(fd) = &self.fd else { return std::future::pending().await };
            let mut guard = fd.readable().await?;
            match guard.try_io(|fd| self.read_now(fd.get_ref())) {
                Ok(news) => news,
                Err(_not_ready) => Ok(None),
            }
        }

        fn read_now(&self, fd: &OwnedFd) -> io::Result<Option<News>> {
            let mut buffer = [MaybeUninit::uninit(); BUFFER];
            let mut reader = inotify::Reader::new(fd, &mut buffer);
            let mut latest = None;
            loop {
                let event = reader.next()?;
                if let Some(news) = self.meaning(event.wd(), event.events(), event.file_name()) {
                    latest = Some(news);
                }
                if reader.is_buffer_empty() {
                    return Ok(latest);
                }
            }
        }

        fn meaning(&self, watch: i32, what: ReadFlags, name: Option<&std::ffi::CStr>) -> Option<News> {
            if what.contains(ReadFlags::QUEUE_OVERFLOW) {
                return Some(News::Moved);
            }
            let name = OsStr::from_bytes(name?.to_bytes());
            self.folders.get(&watch).filter(|folder| folder.names.contains(name))?;
            Some(if what.contains(ReadFlags::MOVED_TO) {
                News::Placed
            } else if what.contains(ReadFlags::CLOSE_WRITE) {
                News::Closed
            } else if what.contains(ReadFlags::MODIFY) {
                News::Writing
            } else {
                News::Moved
            })
        }
    }
}
