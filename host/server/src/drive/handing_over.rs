//! What waits to leave when one log takes another's place: requests that the new log has made again go on as they
//! were in the old one. What only the new one has stays held.

use retold_engine::model::{Position, function_source};
use retold_engine::store::{Attempt, Held, OutboxFilter, OutboxState, PendingRequest, Proposal, Snapshot, Store};

use super::types::DriveError;

/// Requests looked at in one transaction.
const PAGE: usize = 1_000;

/// Has the requests of `store` that wait in the old log too wait here, with their attempts.
pub fn hand_over(old: &Snapshot, store: &mut Store) -> Result<(), DriveError> {
    let filter = OutboxFilter { state: Some(OutboxState::Held), ..OutboxFilter::default() };
    let mut after = Position::START;
    loop {
        let page = store.reader().snapshot()?.outbox(&filter, after, PAGE)?;
        let mut proposals = Vec::new();
        for request in &page.requests {
            let Some(before) = waits_in(old, request)? else { continue };
            proposals.push(Proposal::Release(vec![Held::Request(request.position)]));
            if before.row.attempts > 0 {
                let (attempts, not_before) = (before.row.attempts, before.row.not_before);
                proposals.push(Proposal::Attempt(Attempt { request: request.position, attempts, not_before, error: before.row.error }));
            }
        }
        if !proposals.is_empty() {
            let recorded = store.reader().next_record().recorded;
            store.commit(proposals, recorded)?;
        }
        match page.more {
            Some(more) => after = more,
            None => return Ok(()),
        }
    }
}

/// The same request in the old log, if it waits there.
fn waits_in(old: &Snapshot, request: &PendingRequest) -> Result<Option<PendingRequest>, DriveError> {
    let Some(position) = old.find(&function_source(&request.function), &request.id)? else { return Ok(None) };
    let before = old.request(position)?.filter(|before| before.row.state == OutboxState::Waiting);
    let same = |before: &PendingRequest| {
        (&before.method, &before.url, &before.headers, &before.content_type, &before.body)
            == (&request.method, &request.url, &request.headers, &request.content_type, &request.body)
    };
    Ok(before.filter(same))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use retold_engine::model::{
        Digest, Emitted, FailurePolicy, FunctionKind, FunctionManifest, Kind, LimitsAsked, Manifest, NewEvent, Plan, PlanMode,
        REQUEST_MADE, REQUEST_METHOD, REQUEST_URL, Start, Timestamp,
    };
    use retold_engine::store::{Append, Deploy, DiskFolder, Options};

    use super::*;

    fn asking() -> Manifest {
        let function = FunctionManifest {
            name: "asking".into(),
            kind: FunctionKind::Handler,
            subscribes: vec!["a".into()],
            emits: Vec::new(),
            decides: Vec::new(),
            sends: Vec::new(),
            start: Start::Now,
            failure_policy: FailurePolicy::Park,
            split: None,
            limits: LimitsAsked::default(),
            schedules: Vec::new(),
            hosts: vec!["example.com".into()],
            secrets: Vec::new(),
            timers: false,
        };
        Manifest { name: "m".into(), version: "1.0.0".into(), functions: vec![function], schemas: Vec::new() }
    }

    /// A log of which one function asks the outside for these things, under these ids.
    fn log(folder: &std::path::Path, effects: bool, requests: &[(&str, &str)]) -> Store {
        let folder = Arc::new(DiskFolder::create(folder).expect("a folder"));
        let mut store = Store::open(folder, &Options::default()).expect("a store");
        let deploy = Deploy {
            manifest: asking(),
            digest: Digest::of(b"code"),
            component: b"code".to_vec(),
            levels: Vec::new(),
            rollback: false,
            send: false,
        };
        let event = NewEvent { id: "1".into(), source: "/s".into(), r#type: "a".into(), subject: "x".into(), ..NewEvent::default() };
        let append = Append { events: vec![event], ..Append::default() };
        let first = vec![Proposal::Effects { on: effects }, Proposal::Deploy(deploy), Proposal::Append(append)];
        store.commit(first, Timestamp(1)).expect("written");
        let row = store.reader().functions()["asking"].clone();
        let request = |(id, body): &(&str, &str)| Emitted {
            kind: Kind::Request,
            id: (*id).into(),
            r#type: REQUEST_MADE.into(),
            subject: "x".into(),
            extensions: vec![(REQUEST_METHOD.into(), "POST".into()), (REQUEST_URL.into(), "https://example.com/".into())],
            content_type: "text/plain".into(),
            data: body.as_bytes().to_vec(),
            cause: Position(2),
            ..Emitted::default()
        };
        let plan = Plan {
            function: "asking".into(),
            module: row.module,
            epoch: row.epoch,
            from: row.cursor,
            to: Position(2),
            stands_on: None,
            mode: PlanMode::Live,
            handled: vec![Position(2)],
            emitted: requests.iter().map(request).collect(),
            state: Vec::new(),
            state_digest: None,
            parked: Vec::new(),
            unparked: Vec::new(),
            halted: None,
            folded: Vec::new(),
        };
        let made = store.commit(vec![Proposal::Reaction(plan)], Timestamp(2)).expect("written");
        assert!(made.answers[0].is_ok(), "{:?}", made.answers[0]);
        store
    }

    fn pending(store: &Store) -> Vec<PendingRequest> {
        let snapshot = store.reader().snapshot().expect("readable");
        snapshot.outbox(&OutboxFilter::default(), Position::START, 10).expect("readable").requests
    }

    #[test]
    fn what_waited_in_the_old_log_waits_in_the_new_one_with_its_attempts_and_what_is_new_stays_held() {
        let folder = std::env::temp_dir().join(format!("retold-handing-over-{}", std::process::id()));
        let mut old = log(&folder.join("old"), true, &[("same", "one"), ("other", "one"), ("gone", "one")]);
        let mut new = log(&folder.join("new"), false, &[("same", "one"), ("other", "two"), ("fresh", "one")]);
        let attempt = Attempt { request: pending(&old)[0].position, attempts: 3, not_before: Timestamp(99), error: "refused".into() };
        old.commit(vec![Proposal::Attempt(attempt)], Timestamp(3)).expect("written");
        assert!(pending(&new).iter().all(|request| request.row.state == OutboxState::Held));
        hand_over(&old.reader().snapshot().expect("readable"), &mut new).expect("handed over");
        let rows = pending(&new).into_iter().map(|request| (request.id, request.row.state, request.row.attempts, request.row.not_before));
        let held = |id: &str| (id.to_owned(), OutboxState::Held, 0, Timestamp(0));
        let expected = [("same".to_owned(), OutboxState::Waiting, 3, Timestamp(99)), held("other"), held("fresh")];
        assert_eq!(rows.collect::<Vec<_>>(), expected);
        drop((old, new));
        std::fs::remove_dir_all(folder).expect("removed");
    }
}
