//! What a project may be called: one rule for all languages, because the name becomes that of a crate, an npm package and a file.

use std::str::FromStr;

/// The longest name that a crate can be published with.
const LONGEST: usize = 64;
/// The name in the templates, as a package's and as a crate's.
const PLACEHOLDERS: [(&str, char); 2] = [("my-roster", '-'), ("my_roster", '_')];

/// Names that a crate cannot have beside what it uses: keywords, Rust's own crates, and those that the project depends on.
const TAKEN: &[&str] = &[
    "abstract",
    "alloc",
    "as",
    "async",
    "await",
    "become",
    "box",
    "break",
    "const",
    "continue",
    "core",
    "crate",
    "do",
    "dyn",
    "else",
    "enum",
    "extern",
    "false",
    "final",
    "fn",
    "for",
    "gen",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro",
    "match",
    "mod",
    "move",
    "mut",
    "override",
    "percent-encoding",
    "priv",
    "proc-macro",
    "pub",
    "ref",
    "return",
    "self",
    "serde",
    "serde-json",
    "static",
    "std",
    "struct",
    "super",
    "test",
    "thiserror",
    "trait",
    "true",
    "try",
    "type",
    "typeof",
    "unsafe",
    "unsized",
    "use",
    "virtual",
    "where",
    "while",
    "wit-bindgen",
    "xmpp-roster-plugin",
    "yield",
];

/// A name that can be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Name(String);

/// Why a name cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum NameError {
    #[error("expected lower-case letters, digits and single hyphens, beginning with a letter, such as my-roster")]
    Shape,
    #[error("expected at most {LONGEST} characters")]
    Long,
    #[error("that is a word of Rust, or a crate that the project uses; choose another name, such as {0}-roster")]
    Taken(String),
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(name: &str) -> Result<Self, NameError> {
        let fits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.split('-').all(fits) {
            return Err(NameError::Shape);
        }
        if name.len() > LONGEST {
            return Err(NameError::Long);
        }
        if TAKEN.contains(&name) {
            return Err(NameError::Taken(name.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }
}

impl Name {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    /// A text of a template with this name in it.
    pub(super) fn put_into(&self, text: &str) -> String {
        PLACEHOLDERS.iter().fold(text.to_owned(), |text, (placeholder, between)| {
            text.replace(placeholder, &self.0.replace('-', &between.to_string()))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_name_is_good_in_every_language() {
        for name in ["a", "my-roster", "acme2", "a-1-b", &"a".repeat(64)] {
            assert_eq!(name.parse::<Name>().unwrap().as_str(), name);
        }
        for (name, error) in [
            ("", NameError::Shape),
            ("My-Roster", NameError::Shape),
            ("my_roster", NameError::Shape),
            ("2go", NameError::Shape),
            ("-a", NameError::Shape),
            ("a-", NameError::Shape),
            ("a--b", NameError::Shape),
            ("../a", NameError::Shape),
            ("a/b", NameError::Shape),
            ("é", NameError::Shape),
            ("a b", NameError::Shape),
            (&"a".repeat(65), NameError::Long),
            ("serde", NameError::Taken("serde".to_owned())),
            ("xmpp-roster-plugin", NameError::Taken("xmpp-roster-plugin".to_owned())),
            ("match", NameError::Taken("match".to_owned())),
        ] {
            assert_eq!(name.parse::<Name>(), Err(error), "{name}");
        }
    }

    #[test]
    fn the_name_takes_the_place_of_the_templates() {
        let name: Name = "acme-two".parse().unwrap();
        assert_eq!(name.put_into("name = \"my-roster\" my_roster.wasm"), "name = \"acme-two\" acme_two.wasm");
    }
}
