//! Replays on disk, beside the log: what was asked for and what came of it. So a rehearsal goes on after a
//! restart, and its report can be read until it is dropped. Nothing here is part of the log.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use retold_engine::model::{ByteReader, Digest, FunctionKind, Position, Timestamp};
use retold_engine::run::FunctionReport;
use serde::{Deserialize, Serialize};

use super::replay_info::{
    DeployOptions, FormerVersion, FunctionReplay, OutputCounts, Rehearse, ReplayInfo, ReplayKind, ReplayOptions, ReplayStatus,
    ReplayedModule, RowDifference, StateCompared,
};
use super::replay_report::shown_report;

/// The folder of one namespace's replays.
#[derive(Clone, Debug)]
pub struct ReplayFiles {
    folder: PathBuf,
    /// Who reads a file to write it again holds it.
    turn: Arc<Mutex<()>>,
}

/// A replay as it is written down.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StoredReplay {
    pub id: String,
    kind: StoredKind,
    pub module: String,
    pub version: String,
    digest: String,
    pub started: u64,
    pub ended: Option<u64>,
    /// Whether the operator wants it to stand still.
    pub stopped: bool,
    /// Reason and message of a failure.
    pub failed: Option<(String, String)>,
    options: StoredOptions,
    pub position: u64,
    pub head: u64,
    pub events: u64,
    #[serde(default)]
    warnings: Vec<String>,
    functions: Vec<StoredFunction>,
    /// Of a verification, if it is of one function only.
    #[serde(default)]
    pub function: Option<String>,
    /// The files that it works on: they outlive the host.
    #[serde(default)]
    pub shadows: Vec<String>,
}

/// What the operator wants of a retelling, by the name of what is made.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct RetellingWord {
    pub stopped: bool,
    pub budget_percent: Option<u8>,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct StoredFunction {
    function: String,
    /// The engine's report, in its own form; none of a function that retires.
    report: Option<Vec<u8>>,
    new: bool,
    /// Fuel and microseconds an event: of the candidate, of the running version.
    costs: [Option<f64>; 4],
    note: Option<String>,
    #[serde(default)]
    state: Option<StoredState>,
    #[serde(default)]
    former: Option<FormerVersion>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredState {
    position: u64,
    /// Equal, new, missing, different.
    rows: [u64; 4],
    first: Vec<RowDifference>,
}

impl StoredState {
    fn from(StateCompared { position, rows, first }: &StateCompared) -> StoredState {
        StoredState { position: position.0, rows: [rows.equal, rows.new, rows.missing, rows.different], first: first.clone() }
    }

    fn compared(&self) -> StateCompared {
        let [equal, new, missing, different] = self.rows;
        let rows = OutputCounts { equal, new, missing, different };
        StateCompared { position: Position(self.position), rows, first: self.first.clone() }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum StoredKind {
    Rehearsal,
    Deployment,
    Rollback,
    Removal,
    Verification,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredOptions {
    skip: bool,
    expect_same: bool,
    backfill: bool,
    #[serde(default)]
    send: bool,
    since: Option<u64>,
    last: Option<u64>,
    sample: Option<u32>,
    budget_percent: Option<u8>,
}

impl StoredReplay {
    pub fn new(id: &str, kind: ReplayKind, module: Option<&ReplayedModule>, started: Timestamp, options: &DeployOptions) -> StoredReplay {
        StoredReplay {
            id: id.to_owned(),
            kind: match kind {
                ReplayKind::Deployment => StoredKind::Deployment,
                ReplayKind::Rollback => StoredKind::Rollback,
                ReplayKind::Removal => StoredKind::Removal,
                ReplayKind::Verification => StoredKind::Verification,
                ReplayKind::Rehearsal | ReplayKind::Retelling | ReplayKind::Comparison => StoredKind::Rehearsal,
            },
            module: module.map(|module| module.name.clone()).unwrap_or_default(),
            version: module.map(|module| module.version.clone()).unwrap_or_default(),
            digest: module.map(|module| module.digest.to_string()).unwrap_or_default(),
            started: started.0,
            ended: None,
            stopped: false,
            failed: None,
            options: StoredOptions {
                skip: options.rehearse == Rehearse::Skip,
                expect_same: options.expect_same,
                backfill: options.backfill,
                send: options.send,
                since: options.replay.since.map(|position| position.0),
                last: options.replay.last,
                sample: options.replay.sample,
                budget_percent: options.replay.budget_percent,
            },
            position: 0,
            head: 0,
            events: 0,
            warnings: Vec::new(),
            functions: Vec::new(),
            function: None,
            shadows: Vec::new(),
        }
    }

    /// Takes down how the replay stands.
    pub fn note(&mut self, info: &ReplayInfo) {
        self.ended = info.ended.map(|ended| ended.0);
        self.failed = match &info.status {
            ReplayStatus::Failed { reason, message } => Some((reason.clone(), message.clone())),
            _ => None,
        };
        (self.position, self.head, self.events) = (info.position.0, info.head.0, info.events);
        self.warnings = info.warnings.clone();
        let stored = |function: &FunctionReplay| StoredFunction {
            function: function.function.clone(),
            report: (!function.retired).then(|| function.encoded.clone()),
            new: function.new,
            costs: function.costs(),
            note: function.note.clone(),
            state: function.state.as_ref().map(StoredState::from),
            former: function.former.clone(),
        };
        self.functions = info.functions.iter().map(stored).collect();
    }

    /// The replay as it stood when it was written down.
    pub fn info(&self) -> Option<ReplayInfo> {
        let shown = |stored: &StoredFunction| match &stored.report {
            None => Some(FunctionReplay::retired(&stored.function, FunctionKind::Handler)),
            Some(bytes) => {
                let report = FunctionReport::decode(&mut ByteReader::new(bytes)).ok()?;
                let shown = shown_report(&report, stored.new, stored.costs, stored.note.clone());
                let state = stored.state.as_ref().map(StoredState::compared);
                Some(FunctionReplay { state, former: stored.former.clone(), ..shown })
            }
        };
        let module = match self.kind {
            StoredKind::Verification => None,
            _ => Some(ReplayedModule { name: self.module.clone(), version: self.version.clone(), digest: self.digest()? }),
        };
        Some(ReplayInfo {
            id: self.id.clone(),
            kind: self.kind(),
            status: match &self.failed {
                Some((reason, message)) => ReplayStatus::Failed { reason: reason.clone(), message: message.clone() },
                None if self.ended.is_some() => ReplayStatus::Done,
                None if self.stopped => ReplayStatus::Stopped,
                None => ReplayStatus::Running,
            },
            started: Timestamp(self.started),
            ended: self.ended.map(Timestamp),
            module,
            target: self.function.clone(),
            position: Position(self.position),
            head: Position(self.head),
            events: self.events,
            events_per_second: 0.0,
            seconds_left: None,
            warnings: self.warnings.clone(),
            functions: self.functions.iter().filter_map(shown).collect(),
            retelling: None,
        })
    }

    pub fn kind(&self) -> ReplayKind {
        match self.kind {
            StoredKind::Rehearsal => ReplayKind::Rehearsal,
            StoredKind::Deployment => ReplayKind::Deployment,
            StoredKind::Rollback => ReplayKind::Rollback,
            StoredKind::Removal => ReplayKind::Removal,
            StoredKind::Verification => ReplayKind::Verification,
        }
    }

    pub fn digest(&self) -> Option<Digest> {
        Digest::from_hex(&self.digest)
    }

    pub fn options(&self) -> DeployOptions {
        let StoredOptions { skip, expect_same, backfill, send, since, last, sample, budget_percent } = self.options;
        DeployOptions {
            rehearse: match self.kind {
                StoredKind::Rehearsal | StoredKind::Verification => Rehearse::Only,
                _ if skip => Rehearse::Skip,
                _ => Rehearse::First,
            },
            expect_same,
            backfill,
            send,
            replay: ReplayOptions { since: since.map(Position), last, sample, budget_percent },
            wait: std::time::Duration::ZERO,
        }
    }
}

impl ReplayFiles {
    pub fn new(namespace: &Path) -> ReplayFiles {
        ReplayFiles { folder: namespace.join("replays"), turn: Arc::default() }
    }

    /// Held from a look at a replay to what is written of it.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that can be read; what can't is told and left alone.
    pub fn all(&self) -> Vec<StoredReplay> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let mut found = Vec::new();
        for path in
            entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "json"))
        {
            match fs::read(&path)
                .map_err(|error| error.to_string())
                .and_then(|bytes| serde_json::from_slice::<StoredReplay>(&bytes).map_err(|error| error.to_string()))
            {
                Ok(replay) => found.push(replay),
                Err(error) => tracing::warn!(path = %path.display(), %error, "the report of a replay can't be read"),
            }
        }
        found
    }

    pub fn write(&self, replay: &StoredReplay) -> io::Result<()> {
        let bytes = serde_json::to_vec(replay).map_err(io::Error::other)?;
        self.put(&format!("{}.json", replay.id), &bytes)
    }

    pub fn write_word(&self, retelling: &str, word: RetellingWord) -> io::Result<()> {
        self.put(&format!("{retelling}.word"), &serde_json::to_vec(&word).map_err(io::Error::other)?)
    }

    pub fn word(&self, retelling: &str) -> RetellingWord {
        let bytes = fs::read(self.folder.join(format!("{retelling}.word"))).unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    pub fn remove_word(&self, retelling: &str) {
        let _ = fs::remove_file(self.folder.join(format!("{retelling}.word")));
    }

    pub fn write_component(&self, id: &str, component: &[u8]) -> io::Result<()> {
        self.put(&format!("{id}.wasm"), component)
    }

    pub fn component(&self, id: &str) -> io::Result<Vec<u8>> {
        fs::read(self.folder.join(format!("{id}.wasm")))
    }

    /// Once a replay is over nobody needs its code any more.
    pub fn remove_component(&self, id: &str) {
        let _ = fs::remove_file(self.folder.join(format!("{id}.wasm")));
    }

    pub fn remove(&self, id: &str) {
        self.remove_component(id);
        let _ = fs::remove_file(self.folder.join(format!("{id}.json")));
    }

    fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if !self.folder.is_dir() {
            fs::create_dir_all(&self.folder)?;
            fs::set_permissions(&self.folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
        }
        write_whole(&self.folder, name, bytes)
    }
}

/// Writes a file that is there whole or not at all.
pub fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let passing = folder.join(format!("{name}.new"));
    let mut options = fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(options.write(true).create(true).truncate(true), 0o600);
    let mut file = options.open(&passing)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&passing, folder.join(name))?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_comes_back_and_a_torn_file_is_nobody() {
        let folder = std::env::temp_dir().join(format!("retold-replay-files-{}", std::process::id()));
        let files = ReplayFiles::new(&folder);
        let options = DeployOptions {
            expect_same: true,
            replay: ReplayOptions { last: Some(7), ..ReplayOptions::default() },
            rehearse: Rehearse::Only,
            ..DeployOptions::default()
        };
        let module = ReplayedModule { name: "shop".into(), version: "2.0.0".into(), digest: Digest::of(b"code") };
        let stored = StoredReplay::new("1", ReplayKind::Rehearsal, Some(&module), Timestamp(5), &options);
        files.write(&stored).expect("written");
        files.write_component("1", b"code").expect("written");
        std::fs::write(folder.join("replays/2.json"), b"{\"id\":").expect("written");
        let found = files.all();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].options(), found[0].kind(), found[0].digest()), (options, ReplayKind::Rehearsal, Some(Digest::of(b"code"))));
        assert_eq!(files.component("1").expect("there"), b"code");
        files.remove("1");
        assert!(files.all().is_empty() && files.component("1").is_err());
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
