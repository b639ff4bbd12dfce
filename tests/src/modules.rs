//! Modules that tests swap to, and where they put them.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use roster_host::plugin::BUILT_IN;

/// The same code as `component` with other bytes: a custom section more.
pub fn stamped(component: &[u8], stamp: u8) -> Vec<u8> {
    [component, &[0, 3, 1, b'x', stamp]].concat()
}

/// `bytes` with `from` replaced by `to`, of the same length, wherever it is: of a name in a module, a valid module still.
pub fn patched(mut bytes: Vec<u8>, from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len());
    let places = bytes.windows(from.len()).enumerate().filter(|(_, found)| *found == from.as_bytes());
    let places: Vec<usize> = places.map(|(at, _)| at).collect();
    assert!(!places.is_empty(), "{from} is not in the module");
    for at in places {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
    bytes
}

/// The module that misbehaves.
pub fn hostile() -> Vec<u8> {
    std::fs::read(crate::HOSTILE_GUEST).unwrap()
}

/// The module with another protocol.
pub fn paged() -> Vec<u8> {
    std::fs::read(crate::PAGED_ROSTER).unwrap()
}

/// A folder of a test's own; gone with the test.
pub struct Folder(PathBuf);

impl Folder {
    /// `name` is for people.
    pub fn new(name: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("roster-{}-{number}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Where it is.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// Something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Puts a file there, or another in its place, at once.
    pub fn put(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.path("new"), bytes).unwrap();
        std::fs::rename(self.path("new"), self.path(name)).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A folder with the plugin `my.wasm`.
pub struct PluginFile(Folder);

impl PluginFile {
    /// The built-in one.
    pub fn new(name: &str) -> Self {
        let file = Self(Folder::new(name));
        file.write(BUILT_IN);
        file
    }

    /// Another in its place.
    pub fn write(&self, bytes: &[u8]) {
        self.0.put("my.wasm", bytes);
    }

    /// The file.
    pub fn path(&self) -> PathBuf {
        self.0.path("my.wasm")
    }
}
