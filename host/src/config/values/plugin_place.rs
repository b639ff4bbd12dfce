//! Where a plugin is: in a file, or in a registry of OCI artifacts.

use std::fmt;
use std::path::{Path, PathBuf};

use oci_spec::distribution::Reference;

use crate::config::Origin;

/// What an artifact's name begins with.
pub(in crate::config) const SCHEME: &str = "oci://";
const EXAMPLE: &str = "expected a name such as \"oci://registry.example.org/team/plugin:1.0@sha256:...\"";

/// Where a plugin is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PluginPlace {
    /// A file.
    File(PathBuf),
    /// A registry.
    Registry(Artifact),
}

impl PluginPlace {
    /// The file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Registry(_) => None,
        }
    }
}

impl From<PathBuf> for PluginPlace {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl fmt::Display for PluginPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Registry(artifact) => artifact.fmt(f),
        }
    }
}

/// `oci://registry/name:tag`, `oci://registry/name@sha256:...`, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact(Reference);

impl Artifact {
    /// Reads one; the error repeats nothing of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix(SCHEME).ok_or_else(|| EXAMPLE.to_owned())?;
        let (registry, name) = rest.split_once('/').ok_or_else(|| format!("it names no registry; {EXAMPLE}"))?;
        if registry.contains('@') {
            return Err("it contains a user name or password; give these as username and password of [registry]".into());
        }
        let versioned = name.rsplit('/').next().is_some_and(|last| last.contains([':', '@']));
        if !versioned {
            return Err(format!("it has neither a tag nor a digest; {EXAMPLE}"));
        }
        let reference = Reference::try_from(rest).map_err(|error| format!("{error}; {EXAMPLE}"))?;
        // Of a name without a registry the library makes one of Docker's.
        if reference.registry() != registry {
            return Err(format!("it names no registry; {EXAMPLE}"));
        }
        match reference.digest().map(|digest| digest.strip_prefix("sha256:")) {
            None => Ok(Self(reference)),
            Some(Some(digits)) if digits.len() == 64 && digits.bytes().all(|digit| digit.is_ascii_hexdigit()) => {
                Ok(Self(reference))
            }
            Some(_) => Err("its digest is none of SHA-256: expected @sha256: and 64 hexadecimal digits".into()),
        }
    }

    /// The name and port of the registry.
    pub fn registry(&self) -> &str {
        self.0.registry()
    }

    /// The name within the registry.
    pub fn repository(&self) -> &str {
        self.0.repository()
    }

    /// What is asked for: the digest of the manifest, or a tag, which may be another artifact's tomorrow.
    pub fn version(&self) -> &str {
        self.0.digest().or(self.0.tag()).unwrap_or_default()
    }

    /// The digest of the manifest, if there is no other that would do.
    pub fn pinned(&self) -> Option<&str> {
        self.0.digest()
    }

    /// Which of these origins is its registry.
    pub fn origin<'o>(&self, allowed: &'o [Origin]) -> Option<&'o Origin> {
        let of = |scheme: &str| format!("{scheme}://{}", self.registry()).parse::<Origin>().ok();
        let candidates = ["https", "http"].map(of);
        candidates.iter().flatten().find_map(|wanted| allowed.iter().find(|origin| *origin == wanted))
    }
}

impl fmt::Display for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}", self.0.whole())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_name_has_a_registry_and_a_version_and_is_shown_as_it_is_written() {
        let digest = format!("sha256:{}", "0a".repeat(32));
        for (name, registry, repository, version, pinned) in [
            ("reg.example/a:1", "reg.example", "a", "1", false),
            ("reg.example:5000/team/a:1.0-b_c", "reg.example:5000", "team/a", "1.0-b_c", false),
            (&format!("127.0.0.1:5000/x/y/z@{digest}"), "127.0.0.1:5000", "x/y/z", &digest, true),
            (&format!("reg.example/a:1@{digest}"), "reg.example", "a", &digest, true),
        ] {
            let artifact = Artifact::parse(&format!("oci://{name}")).unwrap();
            assert_eq!(artifact.to_string(), format!("oci://{name}"));
            let found = (artifact.registry(), artifact.repository(), artifact.version(), artifact.pinned().is_some());
            assert_eq!(found, (registry, repository, version, pinned), "{name}");
        }
        for (name, part) in [
            ("reg.example/a", "neither a tag nor a digest"),
            ("reg.example:5000/a", "neither a tag nor a digest"),
            ("a:1", "no registry"),
            ("team/a:1", "no registry"),
            ("me:hush@reg.example/a:1", "username and password of [registry]"),
            ("reg.example/A:1", "invalid reference format"),
            ("reg.example/a:1@sha256:00", "expected"),
            (&format!("reg.example/a@sha512:{}", "00".repeat(64)), "SHA-256"),
            ("reg.example/../a:1", "expected"),
            ("reg.example/a:1?x", "expected"),
            ("", "no registry"),
        ] {
            let error = Artifact::parse(&format!("oci://{name}")).unwrap_err();
            assert!(error.contains(part) && !error.contains("hush"), "{name}: {error}");
        }
        assert!(Artifact::parse("https://reg.example/a:1").is_err());
    }

    #[test]
    fn the_registry_is_asked_only_by_the_scheme_that_the_list_has() {
        let of = |list: &[&str]| {
            let list: Vec<Origin> = list.iter().map(|origin| origin.parse().unwrap()).collect();
            let artifact = Artifact::parse("oci://reg.example:5000/a:1").unwrap();
            artifact.origin(&list).map(ToString::to_string)
        };
        assert_eq!(of(&["http://reg.example:5000"]).as_deref(), Some("http://reg.example:5000"));
        assert_eq!(
            of(&["http://reg.example:5000", "https://reg.example:5000"]).as_deref(),
            Some("https://reg.example:5000")
        );
        assert_eq!(of(&["https://reg.example", "https://other.example:5000"]), None);
    }
}
