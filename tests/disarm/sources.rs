//! The copy of the sources in which each defence has a switch.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, io};

use retold_tests::defences::{DISARMED, PREPARED, VARIABLE, all};
use retold_tests::root;

/// Where all of it lies.
pub fn folder() -> PathBuf {
    root().join("target/disarmed")
}

pub fn copied() -> PathBuf {
    folder().join("source")
}

/// Brings the copy up to the working tree. Files that are as they were are not touched, so that little is built again.
pub fn copy() -> Result<(), String> {
    let mut changes: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
    changes.entry(PREPARED.0).or_default().push((PREPARED.1, PREPARED.2.to_owned()));
    for (name, defence) in all() {
        changes.entry(defence.file).or_default().push((defence.code, defence.without.replace(DISARMED, &switch(&name))));
    }
    let listed = git(&["ls-files", "--cached", "--others", "--exclude-standard", "-z"])?;
    let names: BTreeSet<&str> = listed.split('\0').filter(|name| root().join(name).is_file()).collect();
    let failed = |name: &str, error: io::Error| format!("{name} can't be copied: {error}");
    for name in &names {
        let bytes = fs::read(root().join(name)).map_err(|error| failed(name, error))?;
        let bytes = match changes.get(name) {
            Some(changes) => switched(name, &bytes, changes)?.into_bytes(),
            None => bytes,
        };
        let to = copied().join(name);
        if fs::read(&to).ok().as_ref() == Some(&bytes) {
            continue;
        }
        fs::create_dir_all(to.parent().unwrap_or(&to)).and_then(|()| fs::write(&to, bytes)).map_err(|error| failed(name, error))?;
    }
    remove_others(&copied(), &names).map_err(|error| failed("what is gone", error))
}

/// What is true where a process was started with this defence out. It is looked at once.
fn switch(name: &str) -> String {
    let read = format!("std::env::var_os({VARIABLE:?}).is_some_and(|out| out == {name:?})");
    format!("({{ static OUT: std::sync::OnceLock<bool> = std::sync::OnceLock::new(); *OUT.get_or_init(|| {read}) }})")
}

fn switched(name: &str, bytes: &[u8], changes: &[(&str, String)]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| format!("{name} is no text"))?;
    let mut places: Vec<(usize, &str, &str)> = Vec::new();
    for (code, without) in changes {
        let mut found = text.match_indices(code);
        let (Some((at, _)), None) = (found.next(), found.next()) else { return Err(format!("{name} does not say once: {code}")) };
        places.push((at, code, without));
    }
    places.sort_unstable();
    let (mut out, mut end) = (String::new(), 0);
    for (at, code, without) in places {
        out.push_str(text.get(end..at).ok_or_else(|| format!("{name}: two defences overlap at {code}"))?);
        out.push_str(without);
        end = at + code.len();
    }
    Ok(out + &text[end..])
}

fn remove_others(folder: &Path, names: &BTreeSet<&str>) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let path = entry.path();
        if path.is_dir() {
            if entry.file_name() != "target" {
                remove_others(&path, names)?;
            }
        } else if path.strip_prefix(copied()).is_ok_and(|name| !name.to_str().is_some_and(|name| names.contains(name))) {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// What is checked out, and whether it was changed.
pub fn commit() -> Result<String, String> {
    Ok(git(&["describe", "--always", "--dirty", "--exclude", "*"])?.trim().to_owned())
}

fn git(words: &[&str]) -> Result<String, String> {
    let output = Command::new("git").args(words).current_dir(root()).output().map_err(|error| format!("git can't be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("git {words:?}: {}", String::from_utf8_lossy(&output.stderr)));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}
