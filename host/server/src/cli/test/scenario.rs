//! Scenarios as they are written: what is given, what happens, what follows.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use crate::cli::failure::Usage;

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    pub name: String,
    /// What has happened before.
    #[serde(default)]
    pub given: Vec<Entry>,
    /// Absent where rows are all that is looked at.
    pub when: Option<When>,
    pub then: Then,
    /// Where it was read.
    #[serde(skip)]
    pub file: PathBuf,
}

/// An event or a command, or as much of it as matters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    pub r#type: String,
    #[serde(default)]
    pub subject: String,
    #[serde(default)]
    pub data: Value,
    pub id: Option<String>,
    pub source: Option<String>,
    pub time: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub enum When {
    Command(Entry),
    Event(Entry),
    Events(Vec<Entry>),
    Query(Question),
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    pub view: String,
    pub name: String,
    #[serde(default)]
    pub data: Value,
}

/// All that is said must be so.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Then {
    /// Exactly these follow, in any order: what the aggregate decided, and what functions made of it.
    pub events: Option<Vec<Expected>>,
    pub rejected: Option<Rejected>,
    pub answer: Option<Value>,
    pub rows: Option<Rows>,
    pub parked: Option<Parked>,
}

impl Then {
    fn is_empty(&self) -> bool {
        self.events.is_none() && self.rejected.is_none() && self.answer.is_none() && self.rows.is_none() && self.parked.is_none()
    }
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    pub r#type: String,
    /// Any, if it isn't said.
    pub subject: Option<String>,
    pub data: Option<Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejected {
    pub code: String,
    pub message: Option<String>,
    pub data: Option<Value>,
}

/// Rows of a view; `null` stands for one that isn't there.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rows {
    pub view: String,
    pub rows: serde_json::Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parked {
    /// Which function set it aside; any, if it isn't said.
    pub function: Option<String>,
    pub reason: String,
}

/// One or several in a file.
#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    Several(Vec<Value>),
    One(Value),
}

/// The scenarios of these files, and of the `.json` files of these folders, by name of file.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Scenario>> {
    let mut scenarios = Vec::new();
    for path in paths {
        if !path.is_dir() {
            scenarios.extend(read_file(path)?);
            continue;
        }
        let entries = std::fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut files: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
        files.sort();
        for file in files {
            scenarios.extend(read_file(&file)?);
        }
    }
    if scenarios.is_empty() {
        return Err(Usage("there is no scenario: name files, or folders that hold .json files".into()).into());
    }
    Ok(scenarios)
}

fn read_file(path: &Path) -> Result<Vec<Scenario>> {
    let bytes = std::fs::read(path).map_err(|error| Usage(format!("cannot read {}: {error}", path.display())))?;
    let bad = |error: serde_json::Error| Usage(format!("{} holds no scenario: {error}", path.display()));
    let values = match serde_json::from_slice(&bytes).map_err(bad)? {
        File::Several(values) => values,
        File::One(value) => vec![value],
    };
    let mut scenarios = Vec::new();
    for value in values {
        let scenario: Scenario = serde_json::from_value(value).map_err(bad)?;
        if scenario.then.is_empty() {
            let what = format!("{}: the scenario {:?} expects nothing: say in `then` what follows", path.display(), scenario.name);
            return Err(Usage(what).into());
        }
        scenarios.push(Scenario { file: path.to_owned(), ..scenario });
    }
    Ok(scenarios)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_is_named_not_passed_over() {
        for (json, word) in [
            (r#"{"name":"x","then":{},"wehn":1}"#, "wehn"),
            (r#"{"name":"x","when":{"comand":{}},"then":{}}"#, "comand"),
            (r#"{"name":"x","then":{"evnts":[]}}"#, "evnts"),
            (r#"{"name":"x","given":[{"typ":"a"}],"then":{}}"#, "typ"),
        ] {
            let error = serde_json::from_str::<Scenario>(json).expect_err("it is wrong").to_string();
            assert!(error.contains(word), "{error}");
        }
    }
}
