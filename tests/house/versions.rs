//! What is built in: how old it may be, and where it is from. `deny.toml` says so, and the lock files are held
//! against it without any tool.

use retold_tests::{read, root};

const LOCKS: &[&str] = &["Cargo.lock", "guest-examples/Cargo.lock"];

/// These the host can't be without: a floor under a package that isn't there would hold nothing.
const BUILT_IN: &[&str] = &["wasmtime", "wasmtime-wasi", "redb", "hyper"];

struct Package {
    name: String,
    version: String,
    /// None: of this repository.
    source: Option<String>,
}

fn packages(lock: &str) -> Vec<Package> {
    let text = read(&root().join(lock));
    let entries = text.split("[[package]]").skip(1);
    let field = |entry: &str, name: &str| {
        let value = entry.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(" = "));
        value.map(|value| value.trim_matches('"').to_owned())
    };
    let package = |entry: &str| Package {
        name: field(entry, "name").expect("a name"),
        version: field(entry, "version").expect("a version"),
        source: field(entry, "source"),
    };
    entries.map(package).collect()
}

fn numbers(version: &str) -> [u32; 3] {
    let mut numbers = version.split(['.', '-', '+']).map(|number| number.parse().unwrap_or_default());
    std::array::from_fn(|_| numbers.next().unwrap_or_default())
}

/// `{ crate = "redb:<4.4.0", … }` in deny.toml, as ("redb", [4, 4, 0]).
fn floors() -> Vec<(String, [u32; 3])> {
    let deny = read(&root().join("deny.toml"));
    let floors = deny.split("{ crate = \"").skip(1).filter_map(|rest| rest.split('"').next()?.split_once(":<"));
    floors.map(|(name, version)| (name.to_owned(), numbers(version))).collect()
}

#[test]
fn packages_are_no_older_than_their_known_faults() {
    let floors = floors();
    for name in BUILT_IN {
        assert!(floors.iter().any(|(known, _)| known == name), "deny.toml has no floor for {name}");
        assert_eq!(packages("Cargo.lock").iter().filter(|package| package.name == *name).count(), 1, "{name} stands once in Cargo.lock");
    }
    for package in LOCKS.iter().flat_map(|lock| packages(lock)) {
        for (_, floor) in floors.iter().filter(|(name, _)| *name == package.name) {
            assert!(numbers(&package.version) >= *floor, "{} is {}: at least {floor:?}", package.name, package.version);
        }
    }
}

#[test]
fn packages_come_from_crates_io_alone() {
    for lock in LOCKS {
        let packages = packages(lock);
        assert!(packages.len() > 20, "{lock} was not understood");
        for Package { name, source, .. } in packages {
            let from = source.as_deref().unwrap_or_default();
            assert!(from.is_empty() || from == "registry+https://github.com/rust-lang/crates.io-index", "{lock}: {name} is from {from}");
        }
    }
}

#[test]
fn packages_that_deny_toml_bans_are_not_there() {
    let deny = read(&root().join("deny.toml"));
    let banned =
        deny.split("{ crate = \"").skip(1).filter(|rest| !rest.split('}').next().unwrap_or_default().contains("deny-multiple-versions"));
    let banned: Vec<&str> = banned.filter_map(|rest| rest.split('"').next()).filter(|name| !name.contains(':')).collect();
    assert!(banned.contains(&"openssl-sys"), "{banned:?}");
    for package in LOCKS.iter().flat_map(|lock| packages(lock)) {
        assert!(!banned.contains(&package.name.as_str()), "{} is banned by deny.toml", package.name);
    }
}
