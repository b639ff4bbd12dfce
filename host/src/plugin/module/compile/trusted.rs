//! The only `unsafe` of the host: loading machine code that was compiled earlier.
//!
//! wasmtime's `deserialize` believes what it reads: wrong bytes are run as machine code, outside the sandbox. It is sound
//! for bytes that `Component::serialize` or `Engine::precompile_component` made, unchanged. That they are is what [`Image`]
//! stands for. There are two ways to one.
//!
//! [`private_file::read`] reads it from a file; the cache asks it for no names but those of code. It asks that
//!
//! - the file is a regular one, is owned by the user this process runs as, and nobody else can write to it, as seen
//!   through the open file and not through its name; so it was written by this user, who can do to this process whatever
//!   a file could make it do;
//! - the folder is such too, so that no other user can put files there or move them about;
//! - the SHA-256 at its beginning is that of its own name and its content, so that what was cut off, damaged or given the
//!   name of another file is not believed: nor is a component that is kept in a folder of this host's.
//!
//! [`private_file::received`] takes it from a compiler that this process has started ([`super::child`]): over a pipe whose
//! other end only that process had, which is this very program (or what an embedding program named in the place of its own),
//! has ended with exit code 0, and has sealed it with the same SHA-256, under the name of the component it was given. So it
//! is as good as what a compiler within this process would have returned, and a bug in one can do no more than a bug in the
//! other.
//!
//! wasmtime itself compares its version, the target and the compiler's settings with those in the bytes. An operator's own
//! precompiled file is never loaded.

use wasmtime::component::Component;
use wasmtime::{Engine, Result};

#[cfg(doc)]
use crate::plugin::module::private_file;
use crate::plugin::module::private_file::Image;

/// The component whose code `image` is.
#[allow(unsafe_code)]
pub(super) fn component(engine: &Engine, image: &Image) -> Result<Component> {
    // SAFETY: `image` holds what `Component::serialize` made, unchanged; see above why.
    unsafe { Component::deserialize(engine, image.content()) }
}
