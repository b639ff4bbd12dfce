//! Holds the table of rooms in ARCHITECTURE.md against the code: who names whom, and that nobody is known by one it knows.

mod cycles;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Room, and those it knows.
type Rooms = BTreeMap<String, BTreeSet<String>>;

/// They put the others together, so the table does not list whom they know.
const TOGETHER: [&str; 2] = ["assembly", "check"];

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What the rows of the table say.
fn table() -> Rooms {
    let text = fs::read_to_string(package().join("../ARCHITECTURE.md")).unwrap();
    let section = text.split("\n## The rooms of the host\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let cells = rows.map(|row| row.split('|').map(names).collect::<Vec<_>>());
    cells.flat_map(|cells| cells[1].clone().into_iter().map(move |room| (room, cells[3].clone()))).collect()
}

/// The sources of the library, tests left out.
fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        if name == "bin" || name == "tests" || name.ends_with("_tests") || path == package().join("src/rooms") {
            continue;
        }
        match path.is_dir() {
            true => sources(&path, found),
            false => found.push(path),
        }
    }
}

/// What is compiled without tests: comments are left out, too.
fn without_tests(text: &str) -> String {
    let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines().map(|line| line.split("//").next().unwrap().to_owned() + "\n").collect()
}

/// The rooms that `crate::` leads to in this text, also within braces.
fn named(text: &str) -> BTreeSet<String> {
    let code = without_tests(text);
    let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let Some(list) = after.strip_prefix('{') else {
            found.insert(word(after));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && !c.is_whitespace() => {
                    found.insert(word(&list[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    found
}

/// What the code says.
fn code() -> Rooms {
    let root = package().join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut rooms = Rooms::new();
    for file in files {
        let inside = file.strip_prefix(&root).unwrap();
        let room = inside.iter().next().unwrap().to_str().unwrap().trim_end_matches(".rs").to_owned();
        if room != "lib" {
            rooms.entry(room).or_default().extend(named(&fs::read_to_string(&file).unwrap()));
        }
    }
    for (room, known) in &mut rooms {
        known.remove(room);
    }
    // Another crate, which stands in the table as a room because the others speak its words.
    rooms.insert("model".into(), BTreeSet::new());
    rooms
}

#[test]
fn the_table_of_rooms_says_what_the_code_does() {
    let (mut table, mut code) = (table(), code());
    assert!(code.len() > 10 && code["plugin"].contains("http_client"), "nothing was found: {code:?}");
    for room in TOGETHER {
        assert!(table.remove(room).is_some() && code.remove(room).is_some(), "{room}");
    }
    assert_eq!(table, code, "left: ARCHITECTURE.md, right: the code");
}

/// What others do with it is their business: of our crates the configuration knows the one that reads addresses.
#[test]
fn the_configuration_knows_no_crate_of_ours_but_the_one_for_addresses() {
    let mut files = Vec::new();
    sources(&package().join("src/config"), &mut files);
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let crates: BTreeSet<&str> =
            text.split("roster_").skip(1).filter_map(|after| after.split_once("::")).map(|(name, _)| name).collect();
        assert!(
            crates.iter().all(|name| ["jid", "host"].contains(name) || name.contains(char::is_whitespace)),
            "{}: {crates:?}",
            file.display()
        );
    }
}

#[test]
fn no_room_knows_one_that_knows_it() {
    let rooms = code();
    for room in rooms.keys() {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&String> = rooms[room].iter().collect();
        while let Some(known) = next.pop() {
            assert_ne!(known, room, "{room} is known by one of those it knows: {reached:?}");
            if reached.insert(known) {
                next.extend(rooms.get(known).into_iter().flatten());
            }
        }
    }
}
