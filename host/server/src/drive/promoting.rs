//! Promotion: a retelling takes the place of its base, in one commit of the catalogue, while the base's
//! writer stands still. Whoever waits there goes on in the new log.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use retold_engine::model::{Position, TypePattern};
use retold_engine::store::{Accepted, Filter, NamespaceRow, Proposal, Role, Snapshot, Store};
use tokio::sync::oneshot;

use super::clock;
use super::committer::Job;
use super::generations::blocking;
use super::handing_over::hand_over;
use super::host::Host;
use super::inside::Inside;
use super::queue::Cost;
use super::replay_info::{Promoted, ReplayStatus, RetellingInfo};
use super::retelling::{BEHIND_MAX, Retelling, noted};
use super::returning::PROMOTED;
use super::types::DriveError;

/// Hears that the log says so itself.
pub type Recorded = oneshot::Receiver<Result<Accepted, DriveError>>;

impl Host {
    /// Has a retelling take the place of its base.
    pub async fn promote(&self, name: &str) -> Result<Promoted, DriveError> {
        let name = name.to_owned();
        self.in_turn(move |host| async move {
            let retelling = {
                let (host, name) = (host.clone(), name.clone());
                blocking(move || {
                    let retelling = host.promotable(&name)?;
                    // Not while the base stands still.
                    retelling.target.reader.hold_filters()?;
                    Ok(retelling)
                })
                .await?
            };
            let base = retelling.base.clone();
            let (promoted, recorded) = alone(&base.clone(), move |_| host.take_place(&name, &retelling)).await?;
            // If it can't be recorded now, it is after the next start.
            let _ = recorded.await;
            Ok(promoted)
        })
        .await
    }

    /// The retelling, if it can take its base's place.
    fn promotable(&self, name: &str) -> Result<Arc<Retelling>, DriveError> {
        let refuse = |what: String| Err(DriveError::Generation { namespace: name.to_owned(), what });
        let row = self.row(name)?;
        let Role::Retelling { base, base_folder, .. } = &row.role else {
            return refuse(format!("{name} is no retelling: make one with `retold retell BASE --as NAME`"));
        };
        match self.row(base) {
            Ok(base_row) if base_row.folder == *base_folder => {}
            _ => {
                return refuse(format!(
                    "{base} has got another log since {name} was begun, so {name} retells what is not there any more: drop it and retell {base} again"
                ));
            }
        }
        let retelling = self.retellings().get(&row.folder).cloned();
        let Some(retelling) = retelling else { return refuse(format!("{name} isn't being retold: see the host's log")) };
        if let ReplayStatus::Failed { message, .. } = retelling.task.status() {
            return refuse(format!("{name} has failed: {message}"));
        }
        if retelling.task.is_stopped() {
            return refuse(format!("{name} was stopped: resume it with `retold replays resume {name}`"));
        }
        let behind = retelling.behind();
        if behind > BEHIND_MAX {
            return refuse(format!("{name} is {behind} positions behind {base}: wait until it is level"));
        }
        Ok(retelling)
    }

    /// On the writer's thread of the base.
    fn take_place(&self, name: &str, retelling: &Retelling) -> Result<(Promoted, Recorded), DriveError> {
        let began = clock::started();
        let row = self.row(name)?;
        let Role::Retelling { base, .. } = &row.role else { return Err(DriveError::Superseded) };
        retelling.base.check_in_place()?;
        let old = retelling.base.reader.snapshot()?;
        let mut finished = retelling.finish()?;
        hand_over(&old, &mut finished.store)?;
        let new = retelling.target.reader.snapshot()?;
        let map = retelling.take_map()?;
        let promoted = self.catalogue().promote(base, name)?;
        let promoted = promoted.map_err(|why| DriveError::Generation { namespace: name.to_owned(), what: why.to_string() })?;
        self.retellings().remove(&row.folder);
        retelling.base.replay_files.remove_word(&retelling.task.id);
        self.forget_plan(&row.folder);
        if let Some(map) = map {
            retelling.target.set_map(promoted.old.generation, map);
        }
        let RetellingInfo { kept, dropped, forgotten, .. } = finished.info;
        let promoted = Promoted {
            namespace: base.clone(),
            generation: promoted.live.generation,
            old: promoted.old.name,
            paused_us: began.elapsed().as_micros() as u64,
            old_head: old.head(),
            new_head: new.head(),
            old_chain: old.chain(),
            new_chain: new.chain(),
            kept,
            dropped,
            forgotten,
        };
        let recorded = self.give_place(&retelling.base, &retelling.target, Some(finished.store), &promoted)?;
        retelling.task.set_status(ReplayStatus::Done);
        Ok((Promoted { paused_us: began.elapsed().as_micros() as u64, ..promoted }, recorded))
    }

    /// One log stops and the other goes on under its name. The catalogue says so already.
    pub(super) fn give_place(
        &self,
        from: &Arc<Inside>,
        to: &Arc<Inside>,
        store: Option<Store>,
        what: &Promoted,
    ) -> Result<Recorded, DriveError> {
        from.frozen.store(true, Ordering::Release);
        to.generation.store(what.generation, Ordering::Release);
        to.reinstate();
        // The first things in its queue, so that whatever was accepted since stands behind them.
        to.set_effects(from.reader.snapshot()?.effects());
        let recorded = to.note_promotion(what);
        if let Some(store) = store {
            self.start_writer(to, store)?;
        }
        self.name_all()?;
        let successor = self.namespace(&what.namespace).ok_or_else(|| DriveError::UnknownNamespace(what.namespace.clone()))?;
        from.supersede(successor);
        from.reader.release_filters();
        Ok(recorded)
    }
}

impl Host {
    /// A promotion that was cut off between the catalogue's commit and the log's own word of it: the log says
    /// so now.
    pub(super) fn finish_promotions(&self) -> Result<(), DriveError> {
        let rows = self.catalogue().namespaces()?;
        for row in rows.iter().filter(|row| row.generation > 1 && matches!(row.role, Role::Own | Role::Fork { .. })) {
            let before = rows.iter().find(|old| old.generation + 1 == row.generation && is_old(old, &row.name));
            let (Some(to), Some(before)) = (self.open_in(&row.folder), before) else { continue };
            let Some(from) = self.open_in(&before.folder) else { continue };
            let (new, old) = (to.reader.snapshot()?, from.reader.snapshot()?);
            if promotion_into(&new)? == Some(row.generation) {
                continue;
            }
            let RetellingInfo { kept, dropped, forgotten, .. } = noted(&row.name, to.reader.note()?.as_deref());
            to.set_effects(old.effects());
            drop(to.note_promotion(&Promoted {
                namespace: row.name.clone(),
                generation: row.generation,
                old: before.name.clone(),
                paused_us: 0,
                old_head: old.head(),
                new_head: new.head(),
                old_chain: old.chain(),
                new_chain: new.chain(),
                kept,
                dropped,
                forgotten,
            }));
        }
        Ok(())
    }
}

fn is_old(row: &NamespaceRow, name: &str) -> bool {
    matches!(&row.role, Role::Old { of, .. } if of == name)
}

/// The generation that the log says it became last.
fn promotion_into(log: &Snapshot) -> Result<Option<u64>, DriveError> {
    let mut generation = None;
    log.scan(Position::START, log.head(), &Filter::types([TypePattern::Exact(PROMOTED.to_owned())]), &mut |event| {
        let data: serde_json::Value = serde_json::from_slice(event.data).unwrap_or_default();
        generation = data["generation"].as_u64();
        std::ops::ControlFlow::Continue(())
    })?;
    Ok(generation)
}

impl Inside {
    /// Has timers fire and requests leave, or not. It is said before the log says that it took another's place:
    /// where that stands, this is so.
    fn set_effects(&self, on: bool) {
        let (proposal, (reply, _)) = (Box::new(Proposal::Effects { on }), oneshot::channel());
        self.queue.push_own(Job::Change { proposal, last_look: None, reply }, Cost { events: 1, bytes: 0 });
    }

    /// Has the log itself say that it took another's place, and what became of that one's events: a receipt
    /// that names nobody.
    fn note_promotion(&self, what: &Promoted) -> Recorded {
        let Promoted { namespace, generation, old, old_head, new_head, old_chain, new_chain, kept, dropped, forgotten, .. } = what;
        let data = serde_json::json!({
            "namespace": namespace, "generation": generation, "old": old,
            "old_head": old_head.to_string(), "new_head": new_head.to_string(),
            "old_chain": old_chain.to_string(), "new_chain": new_chain.to_string(),
            "kept": kept, "dropped": dropped, "forgotten": forgotten,
        });
        let proposal = Proposal::Record { r#type: PROMOTED.to_owned(), subject: namespace.clone(), data: data.to_string() };
        let (reply, recorded) = oneshot::channel();
        self.queue.push_own(Job::Change { proposal: Box::new(proposal), last_look: None, reply }, Cost { events: 1, bytes: 0 });
        recorded
    }
}

/// The same for who can block. Not from the thread of that writer.
pub fn alone_now<T: Send + 'static>(
    inside: &Arc<Inside>,
    work: impl FnOnce(&mut Store) -> Result<T, DriveError> + Send + 'static,
) -> Result<T, DriveError> {
    let (reply, answer) = oneshot::channel();
    inside.queue.push_own(Job::Alone(Box::new(move |store| drop(reply.send(work(store))))), Cost { events: 1, bytes: 0 });
    answer.blocking_recv().map_err(|_| DriveError::Stopping)?
}

/// Has something done on a namespace's writer thread while nothing else is written there.
pub async fn alone<T: Send + 'static>(
    inside: &Arc<Inside>,
    work: impl FnOnce(&mut Store) -> Result<T, DriveError> + Send + 'static,
) -> Result<T, DriveError> {
    let (reply, answer) = oneshot::channel();
    let work = move |store: &mut Store| drop(reply.send(work(store)));
    inside.queue.push(Job::Alone(Box::new(work)), Cost { events: 1, bytes: 0 })?;
    answer.await.map_err(|_| DriveError::Stopping)?
}
