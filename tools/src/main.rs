//! `roster-tools`: the component model's tools as far as the examples (`examples/`) and the packaging (`packaging/`) need
//! them. From crates.io, in one build of half a minute, instead of three programs that take ten times as long.
//!
//! - `c-bindings`, `component`: a plugin in C
//! - `compose`: the plugin with what a server needs that knows only `wasi:http`
//! - `wit-package`, `describe`: what is published

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;

mod bindings;
mod compose;
mod describe;

#[derive(Parser)]
#[command(version, about)]
enum Command {
    /// Write C bindings of a world: a header, a source and an object file with the world's type
    CBindings {
        /// Folder of the WIT package
        wit: PathBuf,
        /// Name of the world
        world: String,
        /// Folder for the files
        out: PathBuf,
    },
    /// Make a component of a core module that such bindings were linked into
    Component {
        /// The core module
        module: PathBuf,
        /// The component
        out: PathBuf,
    },
    /// Compose components: each is given the exports of those before it, and the exports of the last remain
    Compose {
        /// The composed component
        out: PathBuf,
        /// The components, those that others need first
        #[arg(required = true)]
        components: Vec<PathBuf>,
    },
    /// Encode a WIT package as one binary file
    WitPackage {
        /// Folder of the WIT package
        wit: PathBuf,
        /// The package
        out: PathBuf,
        #[command(flatten)]
        about: describe::About,
    },
    /// Put name, version, licence and source revision into a component
    Describe {
        /// The component
        component: PathBuf,
        /// The same with what it is
        out: PathBuf,
        #[command(flatten)]
        about: describe::About,
    },
}

fn main() -> Result<()> {
    match Command::parse() {
        Command::CBindings { wit, world, out } => bindings::generate(&wit, &world, &out),
        Command::Component { module, out } => write(&out, &bindings::component(&read(&module)?)?),
        Command::Compose { out, components } => write(&out, &compose::compose(&components)?),
        Command::WitPackage { wit, out, about } => write(&out, &about.add_to(&bindings::package(&wit)?)?),
        Command::Describe { component, out, about } => write(&out, &about.add_to(&read(&component)?)?),
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}
