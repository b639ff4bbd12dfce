//! The files of a project, which are in this program: `templates/` of the crate, its `README.md` says how.

use super::Language;

type File = (&'static str, &'static str);

/// Files under a folder of the crate: the folder, and their names, which a `_` before `Cargo.toml` and `.gitignore` hides there.
macro_rules! files {
    ($folder:literal as $prefix:literal: $($name:literal $(from $source:literal)?),* $(,)?) => {
        &[$((concat!($prefix, $name), files!(@text $folder, $name $(, $source)?))),*]
    };
    (@text $folder:literal, $name:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $folder, "/", $name))
    };
    (@text $folder:literal, $name:literal, $source:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $folder, "/", $source))
    };
}

const CASES: &[File] = files!("templates/cases" as "cases/": "friends.json");

const RUST: &[File] = files!("templates/rust" as "":
    "Cargo.toml" from "_Cargo.toml", ".gitignore" from "_gitignore", "README.md", "ci.sh", "src/lib.rs",
);

const JS: &[File] = files!("templates/js" as "":
    "package.json", ".gitignore" from "_gitignore", "README.md", "build.js", "ci.sh", "src/plugin.js", "src/roster.js",
    "src/support.js", "test/roster.test.js",
);

const PYTHON: &[File] = files!("templates/python" as "":
    ".gitignore" from "_gitignore", "README.md", "build.sh", "ci.sh", "requirements.txt", "src/app.py", "src/roster.py",
    "src/support.py", "tests/test_roster.py",
);

/// The crate `xmpp-roster-plugin`.
const SDK: &[File] = files!("templates/sdk" as "xmpp-roster-plugin/":
    "Cargo.toml" from "_Cargo.toml", "src/bulk.rs", "src/bulk/component.rs", "src/call.rs", "src/contact.rs", "src/etag.rs", "src/http.rs", "src/lib.rs",
    "src/message.rs", "src/plugin.rs", "src/plugin/component.rs", "src/refresh.rs", "src/settings.rs", "src/url.rs",
    "src/warnings.rs",
);

macro_rules! wit {
    ($prefix:literal) => {
        files!("wit" as $prefix:
            "deps/wasi-cli-0.2.12/package.wit", "deps/wasi-clocks-0.2.12/package.wit",
            "deps/wasi-config-0.2.0-rc.1/store.wit", "deps/wasi-config-0.2.0-rc.1/world.wit",
            "deps/wasi-filesystem-0.2.12/package.wit", "deps/wasi-http-0.2.12/package.wit",
            "deps/wasi-io-0.2.12/package.wit", "deps/wasi-random-0.2.12/package.wit",
            "deps/wasi-sockets-0.2.12/package.wit", "bulk.wit", "hooks.wit", "store.wit", "types.wit", "world.wit",
        )
    };
}

const WIT: &[File] = wit!("wit/");
/// The crate has its own.
const SDK_WIT: &[File] = wit!("xmpp-roster-plugin/wit/");

/// Path within the project, and text.
pub(super) fn files(language: Language, registry: bool) -> impl Iterator<Item = File> {
    let parts: &[&[File]] = match (language, registry) {
        (Language::Rust, false) => &[RUST, CASES, SDK, SDK_WIT],
        (Language::Rust, true) => &[RUST, CASES],
        (Language::Js, _) => &[JS, CASES, WIT],
        (Language::Python, _) => &[PYTHON, CASES, WIT],
    };
    parts.iter().copied().flatten().copied()
}

/// What stands in the manifest beside the version of the crate whose sources are in the project.
const WITHIN: &str = r#", path = "xmpp-roster-plugin" }"#;
/// The line of the README that is about them.
const ABOUT: &str = "`xmpp-roster-plugin/` is the crate that the rest comes from.";

/// A file of a project that has no such sources.
pub(super) fn from_registry(text: &str) -> String {
    text.replace(WITHIN, " }").replace(ABOUT, "The rest comes from the crate `xmpp-roster-plugin`.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    fn on_disk(folder: &Path, root: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                on_disk(&path, root, found);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap();
                found.insert(name.replace("_gitignore", ".gitignore").replace("_Cargo", "Cargo"));
            }
        }
    }

    #[test]
    fn every_file_of_a_template_is_in_the_program() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        for (folder, prefix, files) in [
            ("templates/rust", "", RUST),
            ("templates/js", "", JS),
            ("templates/python", "", PYTHON),
            ("templates/cases", "cases/", CASES),
            ("templates/sdk", "xmpp-roster-plugin/", SDK),
            ("wit", "wit/", WIT),
            ("wit", "xmpp-roster-plugin/wit/", SDK_WIT),
        ] {
            let mut found = BTreeSet::new();
            on_disk(&package.join(folder), &package.join(folder), &mut found);
            let embedded: BTreeSet<_> =
                files.iter().map(|(name, _)| name.strip_prefix(prefix).unwrap().to_owned()).collect();
            assert_eq!(embedded, found, "{folder}");
        }
    }

    /// The manifest of the crate inherits nothing from the workspace, so that it can be written as it is.
    #[test]
    fn the_crate_asks_for_what_the_workspace_asks_for() {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let workspace: toml::Table = toml::from_str(&fs::read_to_string(workspace).unwrap()).unwrap();
        let manifest = |files: &[File]| files.iter().find(|(name, _)| name.ends_with("Cargo.toml")).unwrap().1;
        let sdk: toml::Table = toml::from_str(manifest(SDK)).unwrap();
        for key in ["version", "edition", "rust-version", "license"] {
            assert_eq!(sdk["package"][key], workspace["workspace"]["package"][key], "{key}");
        }
        for (name, wanted) in sdk["dependencies"].as_table().unwrap() {
            assert_eq!(wanted, &workspace["workspace"]["dependencies"][name], "{name}");
        }
        assert_eq!(sdk["lints"], workspace["workspace"]["lints"]);
        let project: toml::Table = toml::from_str(manifest(RUST)).unwrap();
        assert_eq!(project["dependencies"]["xmpp-roster-plugin"]["version"], sdk["package"]["version"]);
        let project: toml::Table = toml::from_str(&from_registry(manifest(RUST))).unwrap();
        assert_eq!(project["dependencies"]["xmpp-roster-plugin"].as_table().unwrap().len(), 1);
    }
}
