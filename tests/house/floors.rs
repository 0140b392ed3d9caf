//! Who sees whom. A new line in a table is a change of the design.

use std::collections::BTreeMap;
use std::path::Path;

use retold_tests::{files, read, root};

use crate::source::code;

/// A room and the rooms that it sees: those below it, never up, never sideways.
type Floors = &'static [(&'static str, &'static [&'static str])];

const ENGINE: Floors = &[("model", &[]), ("store", &["model"]), ("run", &["model", "store"])];

/// `http` sees of `wasm` only why a module was refused; `cli` sees the rooms below only to serve.
const SERVER: Floors = &[
    ("schema", &[]),
    ("cloudevents", &[]),
    ("wasm", &[]),
    ("drive", &["schema", "cloudevents", "wasm"]),
    ("http", &["drive", "cloudevents", "wasm"]),
    ("cli", &["wasm", "drive", "http"]),
];

/// In these rooms only these files may see that room.
const DOORS: &[(&str, &str, &[&str])] = &[
    ("http", "wasm", &["http/problem.rs"]),
    ("cli", "wasm", &["cli/entry.rs"]),
    (
        "cli",
        "drive",
        &[
            "cli/hosting.rs",
            "cli/limits.rs",
            "cli/retention.rs",
            "cli/otlp.rs",
            "cli/verify.rs",
            "cli/rebuild.rs",
            "cli/backup.rs",
            "cli/import.rs",
            "cli/export.rs",
            "cli/restore.rs",
            "cli/token/bearer.rs",
            "cli/token/stored.rs",
        ],
    ),
    ("cli", "http", &["cli/hosting.rs", "cli/limits.rs", "cli/tls.rs"]),
];

/// The rooms that a text names after `crate::`, also in braces.
fn rooms(text: &str) -> Vec<String> {
    let code: String = code(text).flat_map(|line| [line, "\n"]).collect();
    let mut rooms = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == '$') {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        let word =
            |text: &str| text.trim_start().chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect::<String>();
        match rest.strip_prefix('{') {
            None => rooms.push(word(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut start = true;
                for (index, letter) in list.char_indices() {
                    if start && depth == 0 {
                        rooms.push(word(&list[index..]));
                        start = false;
                    }
                    match letter {
                        '{' => depth += 1,
                        '}' if depth == 0 => break,
                        '}' => depth -= 1,
                        ',' => start = true,
                        _ => {}
                    }
                }
            }
        }
    }
    rooms.retain(|room| !room.is_empty());
    rooms
}

/// How many `super::` lead out of the crate's room: a file `store/tail.rs` may use one.
fn depth(file: &Path) -> usize {
    let inside = file.components().count() - 1;
    if file.ends_with("mod.rs") { inside } else { inside + 1 }
}

#[track_caller]
fn check(source: &str, floors: Floors) {
    let source = root().join(source);
    let known: BTreeMap<&str, &[&str]> = floors.iter().copied().collect();
    for folder in std::fs::read_dir(&source).expect("the source is there").flatten().filter(|entry| entry.path().is_dir()) {
        let name = folder.file_name().into_string().expect("a plain name");
        let seen = known.get(name.as_str()).unwrap_or_else(|| panic!("the room {name} is in no table of floors"));
        for file in files(&folder.path(), "rs") {
            let text = read(&file);
            let inside = file.strip_prefix(&source).expect("it lies there");
            for room in rooms(&text) {
                let allowed = room == name || seen.contains(&room.as_str()) || !known.contains_key(room.as_str());
                assert!(allowed, "{} sees {room}: {name} sees only {seen:?}", inside.display());
                let door = DOORS.iter().find(|(from, to, _)| *from == name && *to == room);
                assert!(
                    door.is_none_or(|(_, _, files)| files.iter().any(|file| inside == Path::new(file))),
                    "{} sees {room}, which only {door:?} may",
                    inside.display()
                );
            }
            let most = depth(inside);
            let escape = code(&text).find(|line| line.contains(&"super::".repeat(most)));
            assert!(escape.is_none(), "{} leaves its room: {escape:?}", inside.display());
        }
    }
}

#[test]
fn a_room_of_the_engine_sees_only_those_below_it() {
    check("host/engine/src", ENGINE);
}

#[test]
fn a_room_of_the_server_sees_only_those_below_it() {
    check("host/server/src", SERVER);
}

#[test]
fn the_reader_of_paths_reads_them_all() {
    let text = "use crate::model::Event;\nuse crate::{drive, http::{a, b}, wasm};\nlet x = crate::store::y();\n// crate::comment\n#[cfg(test)]\nuse crate::late;";
    assert_eq!(rooms(text), ["model", "drive", "http", "wasm", "store"]);
    assert_eq!((depth(Path::new("store/tail.rs")), depth(Path::new("store/mod.rs")), depth(Path::new("store/segment/read.rs"))), (2, 1, 3));
}
