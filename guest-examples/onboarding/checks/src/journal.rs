//! What was done, by `Idempotency-Key`: on disk before it is answered.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;

use serde_json::{Value, json};

use crate::Asked;

pub struct Journal {
    file: Option<File>,
    effects: BTreeMap<String, Effect>,
    /// Requests since it was opened.
    asked: u64,
    /// Requests for what was done already.
    repeats: u64,
    /// Keys that came with something else the second time.
    conflicts: u64,
}

struct Effect {
    path: String,
    body: String,
    verdict: String,
    /// How often it was done. It is the service's promise that this is 1.
    times: u32,
}

impl Journal {
    /// Kept in memory alone.
    pub fn nowhere() -> Journal {
        Journal { file: None, effects: BTreeMap::new(), asked: 0, repeats: 0, conflicts: 0 }
    }

    /// Kept in a file: a line of JSON each effect. A last line that a kill has cut off was never answered,
    /// and is dropped.
    pub fn open(path: &Path) -> std::io::Result<Journal> {
        let mut file = OpenOptions::new().create(true).read(true).append(true).open(path)?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        file.set_len(whole as u64)?;
        let mut journal = Journal::nowhere();
        for line in text[..whole].lines() {
            let Ok(line) = serde_json::from_str::<Value>(line) else { continue };
            let text = |member: &str| line[member].as_str().unwrap_or_default().to_owned();
            journal.done(&text("key"), &text("path"), &text("body"), &text("verdict"));
        }
        journal.file = Some(file);
        Ok(journal)
    }

    /// Takes note of a request, whatever comes of it.
    pub fn asked(&mut self) {
        self.asked += 1;
    }

    /// Does it, or finds that it is done. `None` if the key was used for something else.
    pub fn effect(&mut self, key: &str, asked: &Asked, verdict: &str) -> std::io::Result<Option<String>> {
        let body = String::from_utf8_lossy(&asked.body).into_owned();
        if let Some(effect) = self.effects.get(key) {
            if effect.path != asked.path || effect.body != body {
                self.conflicts += 1;
                return Ok(None);
            }
            self.repeats += 1;
            return Ok(Some(effect.verdict.clone()));
        }
        if let Some(file) = &mut self.file {
            let line = json!({ "key": key, "path": asked.path, "body": body, "verdict": verdict });
            file.write_all(format!("{line}\n").as_bytes())?;
            file.sync_data()?;
        }
        self.done(key, &asked.path, &body, verdict);
        Ok(Some(verdict.to_owned()))
    }

    fn done(&mut self, key: &str, path: &str, body: &str, verdict: &str) {
        let effect = Effect { path: path.to_owned(), body: body.to_owned(), verdict: verdict.to_owned(), times: 0 };
        self.effects.entry(key.to_owned()).or_insert(effect).times += 1;
    }

    /// For `GET /effects`.
    pub fn told(&self) -> Value {
        let effects = self.effects.iter().map(|(key, effect)| {
            let Effect { path, body, times, .. } = effect;
            json!({ "key": key, "path": path, "body": body, "times": times })
        });
        let effects: Vec<_> = effects.collect();
        json!({ "effects": effects, "asked": self.asked, "repeats": self.repeats, "conflicts": self.conflicts })
    }
}
