//! Holds that of the files and folders beside each other none is used by one that it uses: dependencies go one way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::{package, sources, without_tests};

/// The names that lead to a module.
type Path = Vec<String>;

/// Exports of what another module exports, at most.
const MOST_EXPORTS: usize = 8;

/// The library's modules.
#[derive(Default)]
struct Modules {
    files: BTreeMap<Path, String>,
    /// What each has from elsewhere and passes on, by name.
    exports: BTreeMap<Path, BTreeMap<String, Path>>,
}

/// The paths that begin with `prefix` and go on as in `text`: one, or those in braces.
fn paths(prefix: &[String], text: &str, found: &mut Vec<Path>) {
    let mut path = prefix.to_vec();
    let mut rest = text.trim_start();
    loop {
        if let Some(list) = rest.strip_prefix('{') {
            let (mut depth, mut begin) = (0, 0);
            for (at, c) in list.char_indices() {
                match c {
                    '{' => depth += 1,
                    ',' | '}' if depth == 0 => {
                        paths(&path, &list[begin..at], found);
                        begin = at + 1;
                        if c == '}' {
                            return;
                        }
                    }
                    '}' => depth -= 1,
                    _ => {}
                }
            }
            return;
        }
        let word: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        if word.is_empty() {
            break;
        }
        let (_, behind) = rest.split_at(word.len());
        path.push(word);
        match behind.strip_prefix("::") {
            Some(next) => rest = next,
            None => break,
        }
    }
    if path.len() > prefix.len() {
        found.push(path);
    }
}

/// The paths in `text` that begin within this crate.
fn used(text: &str) -> Vec<Path> {
    let mut found = Vec::new();
    for begin in ["crate::", "super::", "self::"] {
        for (at, _) in text.match_indices(begin) {
            let before = text[..at].chars().next_back();
            if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
                paths(&[], &text[at..], &mut found);
            }
        }
    }
    found
}

/// What `text` has from elsewhere and passes on.
fn exported(text: &str) -> BTreeMap<String, Path> {
    let mut found = Vec::new();
    for statement in text.split(';') {
        let Some((before, after)) = statement.rsplit_once("use ") else { continue };
        let is_export = before.lines().next_back().is_some_and(|line| line.trim_start().starts_with("pub"));
        if is_export {
            paths(&[], after, &mut found);
        }
    }
    found.into_iter().filter_map(|path| Some((path.last()?.clone(), path))).collect()
}

impl Modules {
    fn read() -> Self {
        let root = package().join("src");
        let mut files = Vec::new();
        sources(&root, &mut files);
        let mut modules = Self::default();
        for file in files {
            let inside = file.strip_prefix(&root).unwrap().with_extension("");
            let mut path: Path = inside.iter().map(|name| name.to_str().unwrap().to_owned()).collect();
            path.pop_if(|name| ["mod", "lib"].contains(&name.as_str()));
            let code = without_tests(&fs::read_to_string(&file).unwrap());
            modules.exports.insert(path.clone(), exported(&code));
            modules.files.insert(path, code);
        }
        modules
    }

    /// The module that has what `path` leads to, in the module `from`. `None`: it leads out of the crate.
    fn resolve(&self, from: &[String], path: &[String], exports: usize) -> Option<Path> {
        let mut at = from.to_vec();
        let mut rest = path;
        while let Some((name, others)) = rest.split_first() {
            match name.as_str() {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()?),
                _ => {
                    at.push(name.clone());
                    if !self.files.contains_key(&at) {
                        at.pop();
                        let passed_on = self.exports.get(&at).and_then(|names| names.get(name)).filter(|_| exports > 0);
                        let Some(origin) = passed_on else { return Some(at) };
                        let whole: Path = origin.iter().chain(others).cloned().collect();
                        return self.resolve(&at, &whole, exports - 1);
                    }
                }
            }
            rest = others;
        }
        Some(at)
    }

    /// For each folder: which of its children uses which.
    fn uses(&self) -> BTreeMap<Path, BTreeMap<String, BTreeSet<String>>> {
        let mut folders: BTreeMap<Path, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
        for (module, text) in &self.files {
            for other in used(text).iter().filter_map(|path| self.resolve(module, path, MOST_EXPORTS)) {
                let common = module.iter().zip(&other).take_while(|(one, other)| one == other).count();
                if let (Some(user), Some(used)) = (module.get(common), other.get(common)) {
                    let children = folders.entry(module[..common].to_vec()).or_default();
                    children.entry(user.clone()).or_default().insert(used.clone());
                }
            }
        }
        folders
    }
}

/// Those that lead back to themselves.
fn in_a_cycle(uses: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&str> {
    let leads_back = |child: &String| {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&String> = vec![child];
        while let Some(user) = next.pop() {
            next.extend(uses.get(user).into_iter().flatten().filter(|used| reached.insert(*used)));
        }
        reached.contains(child)
    };
    uses.keys().filter(|child| leads_back(child)).map(String::as_str).collect()
}

#[test]
fn no_two_files_beside_each_other_use_each_other() {
    let uses = Modules::read().uses();
    let http_client = &uses[&vec!["http_client".to_owned()]];
    assert!(http_client["exchange"].contains("connections"), "what is used is not found: {http_client:?}");
    let cycles: BTreeMap<String, _> = uses
        .iter()
        .map(|(folder, uses)| (folder.join("/"), in_a_cycle(uses)))
        .filter(|(_, cycle)| !cycle.is_empty())
        .collect();
    assert!(cycles.is_empty(), "they use each other: {cycles:?}");
}

#[test]
fn a_path_is_found_in_braces_and_through_exports() {
    let mut found = Vec::new();
    paths(&[], "crate::a::{b::{self, C}, d}; e", &mut found);
    let found: Vec<_> = found.iter().map(|path| path.join("::")).collect();
    assert_eq!(found, ["crate::a::b::self", "crate::a::b::C", "crate::a::d"]);

    let files = [
        (vec![], ""),
        (vec!["a"], "pub use b::C;"),
        (vec!["a", "b"], "use crate::d::E;"),
        (vec!["d"], "use crate::a::C;"),
    ];
    let mut modules = Modules::default();
    for (path, text) in files {
        let path: Path = path.into_iter().map(str::to_owned).collect();
        modules.exports.insert(path.clone(), exported(text));
        modules.files.insert(path, text.to_owned());
    }
    let path = ["crate", "a", "C"].map(str::to_owned);
    assert_eq!(modules.resolve(&["d".to_owned()], &path, MOST_EXPORTS).unwrap(), ["a", "b"]);
    let uses = modules.uses();
    assert_eq!(in_a_cycle(&uses[&Path::new()]), BTreeSet::from(["a", "d"]));
}
