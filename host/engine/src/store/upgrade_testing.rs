//! For unit tests of upgrades: a namespace in memory with a handler that keeps a sum. Version n of it adds
//! n for each event of type `a`, so that state tells which code has seen how many events.

use std::ops::ControlFlow;
use std::sync::Arc;

use super::affected::Affected;
use super::function::FunctionRow;
use super::history::{Next, Past};
use super::proposal::{Accepted, Append, Control, Deploy, Level, Prepare, PreparePart, Proposal, Refused};
use super::scan::Filter;
use super::testing::{MemoryFolder, open};
use super::writer::Store;
use crate::model::{
    Digest, Emitted, EventRef, FailurePolicy, FunctionKind, FunctionManifest, LimitsAsked, Manifest, NewEvent, Plan, PlanMode, Position,
    Start, StateWrite, Timestamp, TypePattern,
};

pub const SUM: &str = "sum";

pub struct Shop {
    pub folder: MemoryFolder,
    pub store: Store,
    events: u64,
}

pub fn function(name: &str, kind: FunctionKind, subscribes: &[&str]) -> FunctionManifest {
    FunctionManifest {
        name: name.into(),
        kind,
        subscribes: subscribes.iter().map(|r#type| (*r#type).to_owned()).collect(),
        emits: Vec::new(),
        decides: Vec::new(),
        sends: Vec::new(),
        start: Start::Beginning,
        failure_policy: FailurePolicy::Park,
        split: None,
        limits: LimitsAsked::default(),
        schedules: Vec::new(),
        hosts: Vec::new(),
        secrets: Vec::new(),
        timers: false,
    }
}

pub fn upcaster() -> Manifest {
    let old = FunctionManifest { emits: vec!["a".into()], ..function("newer", FunctionKind::Upcaster, &["old"]) };
    Manifest { name: "forms".into(), version: "1.0.0".into(), functions: vec![old], schemas: Vec::new() }
}

pub fn manifest(version: u64) -> Manifest {
    let functions = vec![function(SUM, FunctionKind::Handler, &["a"]), function("page", FunctionKind::View, &["a"])];
    Manifest { name: "shop".into(), version: format!("{version}.0.0"), functions, schemas: Vec::new() }
}

pub fn deploy_of(manifest: Manifest, levels: Vec<Level>) -> Proposal {
    let digest = digest_of(&manifest);
    Proposal::Deploy(Deploy { manifest, digest, component: b"code".to_vec(), levels, rollback: false, send: false })
}

pub fn digest_of(manifest: &Manifest) -> Digest {
    Digest::of(&manifest.encode())
}

pub fn deploy(version: u64, levels: Vec<Level>) -> Proposal {
    deploy_of(manifest(version), levels)
}

pub fn rollback(version: u64, levels: Vec<Level>) -> Proposal {
    let Proposal::Deploy(deploy) = deploy(version, levels) else { unreachable!("it is one") };
    Proposal::Deploy(Deploy { rollback: true, ..deploy })
}

pub fn remove(levels: Vec<Level>) -> Proposal {
    Proposal::Remove { module: "shop".into(), levels }
}

pub fn put(key: &str, value: u64) -> StateWrite {
    StateWrite { key: key.into(), value: Some(value.to_le_bytes().to_vec()) }
}

pub fn control(control: Control) -> Proposal {
    Proposal::Control { function: SUM.into(), control }
}

pub fn not_level() -> Option<Refused> {
    Some(Refused::NotLevel { function: SUM.into() })
}

impl Shop {
    /// Version 1 is deployed.
    pub fn new() -> Shop {
        let folder = MemoryFolder::default();
        let mut shop = Shop { store: open(&folder), folder, events: 0 };
        shop.accept(deploy(1, Vec::new()));
        shop
    }

    /// As after a crash between two commits.
    pub fn reopen(&mut self) {
        self.folder = self.folder.copy();
        self.store = open(&self.folder);
    }

    pub fn propose_all(&mut self, proposals: Vec<Proposal>) -> Vec<Result<Accepted, Refused>> {
        self.store.commit(proposals, Timestamp(1)).expect("nothing fails in memory").answers
    }

    pub fn propose(&mut self, proposal: Proposal) -> Result<Accepted, Refused> {
        self.propose_all(vec![proposal]).remove(0)
    }

    #[track_caller]
    pub fn accept(&mut self, proposal: Proposal) -> Accepted {
        self.propose(proposal).expect("it is accepted")
    }

    pub fn append(&mut self, count: u64) {
        let event = |id: u64| NewEvent {
            id: id.to_string(),
            source: "/test".into(),
            r#type: "a".into(),
            subject: "s".into(),
            content_type: "text/plain".into(),
            ..NewEvent::default()
        };
        let events = (self.events..self.events + count).map(event).collect();
        self.events += count;
        self.accept(Proposal::Append(Append { events, ..Append::default() }));
    }

    pub fn row(&self) -> FunctionRow {
        self.row_of(SUM)
    }

    pub fn row_of(&self, function: &str) -> FunctionRow {
        (**self.store.reader().functions().get(function).expect("it is deployed")).clone()
    }

    pub fn identity(&self, version: u64) -> Digest {
        let (manifest, snapshot) = (manifest(version), self.store.reader().snapshot().expect("nothing fails in memory"));
        snapshot.identity_after(&manifest, digest_of(&manifest), SUM).expect("it has the function")
    }

    pub fn affected(&self, manifest: &Manifest) -> Vec<Affected> {
        self.store.reader().snapshot().expect("nothing fails in memory").affected(manifest, digest_of(manifest))
    }

    fn counted(&self, after: Position, upto: Position) -> u64 {
        let (mut count, filter) = (0, Filter::types(vec![TypePattern::Exact("a".into())]));
        let mut visit = |_: EventRef<'_>| {
            count += 1;
            ControlFlow::Continue(())
        };
        let snapshot = self.store.reader().snapshot().expect("nothing fails in memory");
        snapshot.scan(after, upto, &filter, &mut visit).expect("nothing fails in memory");
        count
    }

    pub fn value(&self, slot: u32) -> u64 {
        let snapshot = self.store.reader().snapshot().expect("nothing fails in memory");
        let value = snapshot.state(slot, SUM).expect("nothing fails in memory");
        value.map_or(0, |bytes| u64::from_le_bytes(bytes.try_into().expect("8 bytes")))
    }

    /// The live state is what this version makes of everything that the function has read, no more, no less.
    #[track_caller]
    pub fn check(&self, version: u64) {
        let row = self.row();
        assert_eq!((row.identity, row.rebuild), (self.identity(version), None));
        assert_eq!(self.value(row.slot), version * self.counted(Position::START, row.cursor), "the sum at {}", row.cursor);
    }

    /// A plan of the running code to read on to the head.
    pub fn plan(&self, version: u64) -> Plan {
        let (row, head) = (self.row(), self.store.head());
        let mut plan = Plan {
            function: SUM.into(),
            module: row.module,
            epoch: row.epoch,
            from: row.cursor,
            to: head,
            stands_on: None,
            mode: PlanMode::Live,
            handled: Vec::new(),
            emitted: Vec::new(),
            state: Vec::new(),
            state_digest: None,
            parked: Vec::new(),
            unparked: Vec::new(),
            halted: None,
            folded: Vec::new(),
        };
        plan.set_state(vec![put(SUM, self.value(row.slot) + version * self.counted(row.cursor, head))]);
        plan
    }

    pub fn work(&mut self, version: u64) {
        let plan = self.plan(version);
        self.accept(Proposal::Reaction(plan));
    }

    pub fn prepare(&mut self, version: u64, part: PreparePart) -> Result<u32, Refused> {
        let identity = self.identity(version);
        match self.propose(Proposal::Prepare(Prepare { function: SUM.into(), identity, part }))? {
            Accepted::Prepared { slot } => Ok(slot),
            other => panic!("{other:?}"),
        }
    }

    /// What the record after a commit adds to a state of this version.
    pub fn replayed(&self, version: u64, after_commit: u64) -> u64 {
        let snapshot = self.store.reader().snapshot().expect("nothing fails in memory");
        let row = self.row();
        let mut past = if after_commit == 0 { Past::after(row.start) } else { Past::after_commit(after_commit) };
        assert!(past.look_ahead(&snapshot, &row).expect("nothing fails in memory"), "nothing was rewound");
        let mut sum = 0;
        loop {
            match past.next(&snapshot, &row, u64::MAX).expect("nothing fails in memory") {
                Next::Level => return sum,
                Next::Nothing => {}
                Next::Stretch(stretch) => {
                    sum += version * self.counted(stretch.from, stretch.to);
                    past.went(&stretch, stretch.to);
                }
            }
        }
    }

    pub fn commit(&self) -> u64 {
        self.store.reader().snapshot().expect("nothing fails in memory").commit()
    }

    /// Makes the state for this version ready from nothing.
    pub fn ready(&mut self, version: u64) {
        let (sum, through_commit) = (self.replayed(version, 0), self.commit());
        for part in [PreparePart::Begin, PreparePart::Rows(vec![put(SUM, sum)]), PreparePart::Done { through_commit }] {
            self.prepare(version, part).expect("it fits");
        }
    }

    /// What brings the kept state of this version level with the function as it stands.
    pub fn level(&self, version: u64) -> Level {
        let (row, identity) = (self.row(), self.identity(version));
        let kept = row.kept(identity).expect("it was made ready");
        let sum = self.value(kept.slot) + self.replayed(version, kept.through_commit);
        let (function, writes) = (SUM.into(), vec![put(SUM, sum)]);
        Level { function, identity, cursor: row.cursor, epoch: row.epoch, stands_on: kept.through_commit, writes }
    }

    /// Deploys a version with its state level.
    pub fn upgrade(&mut self, version: u64) {
        self.ready(version);
        let level = self.level(version);
        self.accept(deploy(version, vec![level]));
    }

    /// How many rows of state there are in each slot.
    pub fn rows(&self) -> std::collections::BTreeMap<u32, usize> {
        use redb::{ReadableDatabase, ReadableTable};
        let transaction = self.store.shared.head.begin_read().expect("nothing fails in memory");
        let table = transaction.open_table(super::tables::STATE).expect("it is there");
        let mut rows = std::collections::BTreeMap::new();
        for row in table.iter().expect("nothing fails in memory") {
            let key = row.expect("nothing fails in memory").0;
            *rows.entry(u32::from_be_bytes(*key.value().first_chunk().expect("a slot"))).or_default() += 1;
        }
        rows
    }

    pub fn emitted(&self, id: &str, cause: Position) -> Emitted {
        Emitted {
            id: id.into(),
            r#type: "made".into(),
            subject: "s".into(),
            tags: Vec::new(),
            content_type: "text/plain".into(),
            data: b"x".to_vec(),
            time: Timestamp(1),
            hops: 1,
            cause,
            causation_id: "0".into(),
            correlation_id: "0".into(),
            ..Emitted::default()
        }
    }

    /// The function as somebody has it who knows the log alone.
    pub fn told_by_the_log(&self) -> Arc<FunctionRow> {
        let mut mirror = super::mirror::Mirror::default();
        let snapshot = self.store.reader().snapshot().expect("nothing fails in memory");
        let mut take = |record: &Arc<crate::model::Record>| {
            for entry in record.processing().expect("it can be read") {
                mirror.apply(&entry, record.commit).expect("it can be read");
            }
            Ok(true)
        };
        snapshot.records(0, Position::START, &mut take).expect("nothing fails in memory");
        mirror.function(SUM).expect("it is deployed").clone()
    }
}
