//! Where the examples are: in the repository that this program was built from, or around the current
//! folder.

use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};

/// The folder of one example.
pub fn example(name: &str) -> Result<PathBuf> {
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = std::env::current_dir().unwrap_or_default();
    find(name, [built_from, &here])
        .ok_or_else(|| anyhow!("guest-examples/{name} is not found: run this in a clone of Retold's repository, which has it"))
}

fn find<'a>(name: &str, beginnings: impl IntoIterator<Item = &'a Path>) -> Option<PathBuf> {
    let around = beginnings.into_iter().flat_map(Path::ancestors);
    around.map(|folder| folder.join("guest-examples").join(name)).find(|folder| folder.join("Cargo.toml").is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn examples_are_found_from_below_and_missed_elsewhere() {
        assert!(find("hello", [Path::new(env!("CARGO_MANIFEST_DIR"))]).is_some());
        assert_eq!(find("hello", [Path::new("/")]), None);
        assert_eq!(find("no-such-example", [Path::new(env!("CARGO_MANIFEST_DIR"))]), None);
    }
}
