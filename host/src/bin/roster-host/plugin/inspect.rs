//! `roster-host plugin inspect`: what a file says of itself, without running any of it.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use roster_host::plugin::{Digest, PluginBytes, PluginSource};
use roster_host::text::escaped;
use serde::Serialize;
use wasmparser::{Encoding, Parser, Payload, ProducersSectionReader};

use crate::{Failure, out};

/// The custom sections that are a text, as the tools of the component model write them.
const TEXTS: [&str; 7] = ["version", "description", "authors", "licenses", "revision", "source", "homepage"];
/// The longest text shown, bytes.
const LONGEST: usize = 300;
/// The interface that makes a component a plugin.
const HOOKS: &str = "xmpp:roster/hooks@";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The component.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Default, Serialize)]
struct Inspection {
    file: String,
    bytes: usize,
    sha256: Option<Digest>,
    /// `component`, or what it is instead.
    kind: &'static str,
    /// The version of `xmpp:roster` that it was built for.
    xmpp_roster: Option<String>,
    name: Option<String>,
    metadata: BTreeMap<&'static str, String>,
    /// Field (`language`, `processed-by`, `sdk`) to names with versions.
    producers: BTreeMap<String, Vec<String>>,
    imports: Vec<String>,
    exports: Vec<String>,
}

/// True if it is a component of some version of `xmpp:roster`.
pub(super) async fn inspect(arguments: Arguments) -> Result<bool, Failure> {
    let bytes = PluginSource::File(arguments.file).read().await?;
    let found = look(&bytes).map_err(|error| format!("{}: {error}", bytes.name))?;
    if arguments.json {
        out::json(&found)?
    } else {
        out::text(&found.to_string())?
    }
    Ok(found.xmpp_roster.is_some())
}

fn look(plugin: &PluginBytes) -> Result<Inspection, wasmparser::BinaryReaderError> {
    let mut found = Inspection {
        file: plugin.name.clone(),
        bytes: plugin.bytes.len(),
        sha256: Some(plugin.digest),
        kind: "not WebAssembly",
        ..Inspection::default()
    };
    if !plugin.bytes.starts_with(b"\0asm") {
        return Ok(found);
    }
    // Only what is at the top: a component has modules and components in it, with sections of their own.
    let mut depth = 0_usize;
    for payload in Parser::new(0).parse_all(&plugin.bytes) {
        match payload? {
            Payload::Version { encoding, .. } if depth == 0 => {
                found.kind = if encoding == Encoding::Component { "component" } else { "core module" };
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports {
                    found.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports {
                    found.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::CustomSection(section) if depth == 0 => custom(section.name(), section.data(), &mut found),
            _ => {}
        }
    }
    let version = found.exports.iter().find_map(|export| export.strip_prefix(HOOKS));
    found.xmpp_roster = version.map(str::to_owned);
    Ok(found)
}

/// What cannot be read is left out: it is only for people.
fn custom(name: &str, data: &[u8], found: &mut Inspection) {
    if let Some(key) = TEXTS.into_iter().find(|text| *text == name) {
        found.metadata.insert(key, plain(&String::from_utf8_lossy(data)));
    } else if name == "producers" {
        let reader = wasmparser::BinaryReader::new(data, 0);
        for field in ProducersSectionReader::new(reader).into_iter().flatten().flatten() {
            let values = field.values.into_iter().flatten();
            let values = values.map(|value| plain(&format!("{} {}", value.name, value.version)).trim().to_owned());
            found.producers.entry(plain(field.name)).or_default().extend(values);
        }
    } else if name == "component-name" {
        let reader = wasmparser::BinaryReader::new(data, 0);
        for part in wasmparser::ComponentNameSectionReader::new(reader).flatten() {
            if let wasmparser::ComponentName::Component { name, .. } = part {
                found.name = Some(plain(name));
            }
        }
    }
}

/// Fit for one line.
fn plain(text: &str) -> String {
    escaped(text.get(..text.floor_char_boundary(LONGEST)).unwrap_or(text)).into_owned()
}

impl Display for Inspection {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", escaped(&self.file))?;
        // Each is one line, whatever the file says.
        let mut line = |key: &str, value: &str| writeln!(f, "  {:<13}{}", escaped(key), escaped(value));
        line("kind", self.kind)?;
        line("xmpp:roster", self.xmpp_roster.as_deref().unwrap_or("no: it exports no xmpp:roster/hooks"))?;
        line("size", &format!("{} bytes", self.bytes))?;
        if let Some(digest) = self.sha256 {
            line("sha256", &digest.to_string())?;
        }
        if let Some(name) = &self.name {
            line("name", name)?;
        }
        for (key, value) in &self.metadata {
            line(key, value)?;
        }
        for (field, values) in &self.producers {
            line(field, &values.join(", "))?;
        }
        for (what, names) in [("imports", &self.imports), ("exports", &self.exports)] {
            for (index, name) in names.iter().enumerate() {
                line(if index == 0 { what } else { "" }, &plain(name))?;
            }
        }
        Ok(())
    }
}
