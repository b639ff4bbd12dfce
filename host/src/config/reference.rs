//! The page of the manual that lists every key: `docs/configuration.md`.

use super::Config;
use super::changes::is_taken_over;
use super::table::{Entry, Key, Table};

const BEGINNING: &str = "\
# Configuration

What you get from this page: every key of the configuration file, its type, its default, which values it can have, and what it is
for. To begin with a file, copy `roster-host.example.toml`; to look at yours, run
`roster-host --config roster-host.toml --check-config`. It tells all mistakes at once, each with its line.

- A *duration* is a text such as `\"500ms\"`, `\"10s\"` or `\"1m 30s\"`.
- A *size* is a number of bytes, or a text such as `\"10MB\"` (10,000,000 bytes) or `\"10MiB\"` (10,485,760 bytes).
- The name of a *file* or *folder* is relative to the folder of the configuration file.
- An *address and port* is a text such as `\"127.0.0.1:5280\"`.
- An unknown key is an error.
- *Reload*: a host that runs takes over another value at `SIGHUP` or `POST /reload` ([how](reload.md)), or it has to be
  started again for it.

This page is written by a test from the tables in `host/src/config/tables`; to write it again, run
`WRITE_DOCS=1 cargo test -p roster-host --lib the_page_of_the_manual`.
";

/// The reference of all keys, in Markdown.
#[must_use]
pub fn reference() -> String {
    let mut page = BEGINNING.to_owned();
    section("", "Keys at the top of the file, before any table.", &Config::default().entries(), &mut page);
    page
}

fn section(name: &str, about: &str, entries: &[Entry], page: &mut String) {
    let heading = if name.is_empty() { "The top of the file".to_owned() } else { format!("`{name}`") };
    page.push_str(&format!("\n## {heading}\n\n{}\n", one_line(about)));
    let mut keys = entries
        .iter()
        .filter_map(|entry| match entry {
            Entry::Key(key) => Some(key),
            Entry::Table(_) => None,
        })
        .peekable();
    if keys.peek().is_some() {
        page.push_str(
            "\n| Key | Type | Unit | Default | Values | Reload | What it is for |\n|---|---|---|---|---|---|---|\n",
        );
    }
    let inside = name.trim_start_matches('[').trim_end_matches(']');
    let dotted = |name: &str| if inside.is_empty() { name.to_owned() } else { format!("{inside}.{name}") };
    keys.for_each(|key| page.push_str(&row(key, is_taken_over(&dotted(&key.name)))));
    for entry in entries {
        if let Entry::Table(table) = entry {
            let dotted = dotted(table.name);
            let written = if table.many { format!("[[{dotted}]]") } else { format!("[{dotted}]") };
            section(&written, table.about, &table.entries, page);
        }
    }
}

fn row(key: &Key, taken_over: bool) -> String {
    let default = match key.default {
        Some(default) => default.to_owned(),
        None if key.value == "none" || key.kind == "table" => "none".to_owned(),
        None => format!("`{}`", key.value),
    };
    let kind = if key.secret { format!("{}, never shown", key.kind) } else { key.kind.to_owned() };
    let reload = if taken_over { "yes" } else { "restart" };
    let cells = [&format!("`{}`", key.name), &kind, key.unit, &default, &key.range, reload, &one_line(key.about)];
    format!("| {} |\n", cells.join(" | "))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|")
}
