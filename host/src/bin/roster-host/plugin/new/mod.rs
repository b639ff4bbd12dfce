//! `roster-host plugin new`: a project for a plugin, which builds and passes `plugin check` as it is written.
//!
//! What is written are the folders of `templates/` with another name in them. A project in Rust has the sources of the crate
//! `xmpp-roster-plugin` in it, those that this program was built with: so it builds with whatever is published, and needs
//! nothing but what that crate needs. With `--registry` it names the crate by its version alone.

mod name;
mod template;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::name::Name;
use crate::{Failure, out};

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What it is called: lower-case letters, digits and hyphens, such as my-roster.
    name: Name,
    /// In which language.
    #[arg(long, value_enum)]
    lang: Language,
    /// The folder to write it to, which must be empty or not exist; one named NAME if absent.
    #[arg(long, value_name = "FOLDER")]
    path: Option<PathBuf>,
    /// Rust only: take xmpp-roster-plugin from the registry of crates, in the place of its sources within the project.
    #[arg(long)]
    registry: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Language {
    Rust,
    Js,
    Python,
}

/// Why there is no project.
#[derive(Debug, thiserror::Error)]
enum NewError {
    #[error("{} is there and not empty; give another folder with --path", .0.display())]
    NotEmpty(PathBuf),
    #[error("{}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("--registry is for --lang rust; the other projects use no crate")]
    NoRegistry,
}

/// Writes the project, and says what to do next. Always true.
pub(super) fn new(arguments: Arguments) -> Result<bool, Failure> {
    let Arguments { name, lang, path, registry } = arguments;
    if registry && lang != Language::Rust {
        return Err(NewError::NoRegistry.into());
    }
    let folder = path.unwrap_or_else(|| name.as_str().into());
    refuse_what_is_there(&folder)?;
    for (path, text) in template::files(lang, registry) {
        let text = name.put_into(text);
        write(&folder.join(path), if registry { template::from_registry(&text) } else { text })?;
    }
    let shown = folder.display();
    out::text(&format!(
        "{shown}: written; README.md there says how to build, test and check it. All at once: sh ci.sh\n"
    ))?;
    Ok(true)
}

fn refuse_what_is_there(folder: &Path) -> Result<(), NewError> {
    let failed = |source| NewError::Write { path: folder.to_owned(), source };
    match fs::read_dir(folder) {
        Ok(mut entries) => match entries.next() {
            None => Ok(()),
            Some(_) => Err(NewError::NotEmpty(folder.to_owned())),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

fn write(path: &Path, text: String) -> Result<(), NewError> {
    let failed = |source| NewError::Write { path: path.to_owned(), source };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}
