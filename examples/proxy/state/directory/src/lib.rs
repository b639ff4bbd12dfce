//! `wasi:keyvalue` over a directory (`wasi:filesystem`): one file a key, replaced atomically.
//!
//! - [`file`]: what a file looks like, and how a key becomes a name
//! - [`claim`]: who may write, if several want to
//! - [`folder`]: `wasi:filesystem`, thin

mod claim;
mod file;
mod folder;

use claim::Claim;
use folder::{ErrorCode, Folder};
use roster_proxy_state::{Backend, Component, Entry, Error, KeyResponse, Revision, setting};

/// The setting that names the directory, as the component sees it.
const SETTING: &str = "state_directory";
const DEFAULT: &str = "/state";
/// The folder of the default store.
const DEFAULT_STORE: &str = "default";
/// Keys of one answer.
const PAGE: usize = 1000;

struct Directory {
    folder: Folder,
}

impl Backend for Directory {
    fn open(identifier: &str) -> Result<Self, Error> {
        let parent = setting(SETTING, DEFAULT);
        let name = file::name(if identifier.is_empty() { DEFAULT_STORE } else { identifier });
        let folder = Folder::preopened(&parent).ok_or_else(|| {
            Error::Other(format!(
                "this server shows no folder {parent} ({SETTING}); give it one, as with --dir FOLDER::{parent}"
            ))
        })?;
        Ok(Self { folder: folder.below(&name) })
    }

    fn read(&self, key: &str) -> Result<Option<Entry>, Error> {
        self.entry(key, &file::name(key))
    }

    fn replace(&self, key: &str, expected: Option<Revision>, value: Option<&[u8]>) -> Result<bool, Error> {
        let name = file::name(key);
        let still = || -> Result<Option<Option<Entry>>, Error> {
            let entry = self.entry(key, &name)?;
            Ok((entry.as_ref().map(|entry| entry.revision) == expected).then_some(entry))
        };
        let Some(claim) = Claim::take(&self.folder, &name, expected, || Ok(still()?.is_some()))? else {
            return Ok(false);
        };
        // Between the last look and the claim somebody may have finished.
        let before = match still() {
            Ok(Some(before)) => before,
            other => {
                claim.give_up();
                return other.map(|_| false);
            }
        };
        let written = match value {
            None => claim.remove(),
            Some(value) => {
                // What says nothing new may be lost with the power.
                let lasting = !value.is_empty() && before.is_none_or(|before| before.value != value);
                claim.publish(&file::encode(Revision::new()?, key, value), lasting)
            }
        };
        match written {
            Ok(true) => Ok(true),
            Ok(false) => Err(Error::Other(format!("{name}: it took too long to write it"))),
            Err(code) => Err(failed("written", &name, code)),
        }
    }

    /// In the order of the names of the files.
    fn keys(&self, cursor: Option<String>) -> Result<KeyResponse, Error> {
        let mut names = self.folder.names().map_err(|code| failed("listed", DEFAULT, code))?;
        names.retain(|name| name != claim::FOLDER && cursor.as_ref().is_none_or(|cursor| name > cursor));
        names.sort_unstable();
        let more = names.len() > PAGE;
        names.truncate(PAGE);
        let key = |name: &String| Some(file::decode(&self.folder.read(name, file::is_whole).ok()??)?.0.to_owned());
        let keys = names.iter().filter_map(key).collect();
        Ok(KeyResponse { keys, cursor: more.then(|| names.pop()).flatten() })
    }
}

impl Directory {
    /// A file that is not whole is as none: the power went while it was written, and the disk did not keep the order.
    fn entry(&self, key: &str, name: &str) -> Result<Option<Entry>, Error> {
        let bytes = self.folder.read(name, file::is_whole).map_err(|code| failed("read", name, code))?;
        let Some(bytes) = bytes else { return Ok(None) };
        match file::decode(&bytes) {
            None => {
                eprintln!("{name}: the file is not whole, which is as if it were not there");
                Ok(None)
            }
            Some((other, _)) if other != key => Err(Error::Other(format!("{name}: it is the file of {other:?}"))),
            Some((_, entry)) => Ok(Some(entry)),
        }
    }
}

fn failed(what: &str, name: &str, code: ErrorCode) -> Error {
    match code {
        ErrorCode::Access | ErrorCode::NotPermitted | ErrorCode::ReadOnly => {
            Error::Other(format!("{name} cannot be {what}: the server does not allow it"))
        }
        code => Error::Other(format!("{name} cannot be {what}: {}", code.message())),
    }
}

type Exports = Component<Directory>;

#[allow(unsafe_code, clippy::all, clippy::restriction)]
mod exports {
    use super::Exports;
    roster_proxy_state::bindings::export!(Exports with_types_in roster_proxy_state::bindings);
}
