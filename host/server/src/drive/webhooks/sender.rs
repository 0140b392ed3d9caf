//! One task a consumer with an endpoint: it fetches as a member would, and sends. Different subjects side by
//! side, each in its order.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use retold_engine::model::{Endpoint, EndpointForm, Position};
use retold_engine::run::{Ask, ConsumerRefused, GiveBack, Given, Which};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use super::super::clock;
use super::super::consumers::{Slot, moment};
use super::super::generations::blocking;
use super::super::inside::Inside;
use super::super::namespace::Namespace;
use super::super::outside::{NOT_ALLOWED_PAUSE, retry_pause};
use super::super::spans::{Leaving, ended_leaving, leaving};
use super::super::types::DriveError;
use super::message::message;
use super::outcome::{Outcome, outcome};
use crate::cloudevents::EventWriter;

/// What the host is called as a member of its own consumers.
pub const MEMBER: &str = "webhook";
/// Events of one batch.
const BATCH_EVENTS_MAX: usize = 100;
const BATCH_BYTES_MAX: usize = 1 << 20;
/// How long a fetch waits for something to come before it is looked around.
const ROUND: Duration = Duration::from_secs(30);
/// Before something is tried again that the host could not do.
const BREATH: Duration = Duration::from_secs(1);

/// Begins to send what a consumer reads to its endpoint, if it has one and nobody does so yet.
pub fn start(inside: &Arc<Inside>, slot: &Arc<Slot>) {
    if endpoint_of(slot).is_none() || slot.is_sent.swap(true, Ordering::AcqRel) {
        return;
    }
    let (weak, slot) = (Arc::downgrade(inside), slot.clone());
    inside.sending.spawn(async move {
        loop {
            if let Some(endpoint) = endpoint_of(&slot) {
                Sender::new(&slot, endpoint).run(&weak).await;
            }
            // What is out is nobody's any more.
            let ended = slot.clone();
            let end = move || {
                ended.say(|consumer| {
                    consumer.end_all_of(MEMBER, moment());
                    Ok(())
                })
            };
            let over = blocking(end).await;
            slot.is_sent.store(false, Ordering::Release);
            // It may have got one again meanwhile.
            let is_over = over.is_err() || weak.upgrade().is_none_or(|inside| *inside.stopping.borrow());
            if is_over || endpoint_of(&slot).is_none() || slot.is_sent.swap(true, Ordering::AcqRel) {
                return;
            }
        }
    });
}

fn endpoint_of(slot: &Slot) -> Option<Endpoint> {
    slot.look(|consumer| consumer.row().settings.endpoint.clone()).flatten()
}

struct Sender {
    slot: Arc<Slot>,
    /// As it was when it was last looked at.
    last: Endpoint,
    pace: Arc<Mutex<Pace>>,
}

/// When the next request may leave.
struct Pace {
    next: Instant,
    paused_until: Instant,
}

fn new_pace() -> Arc<Mutex<Pace>> {
    let now = Instant::now();
    Arc::new(Mutex::new(Pace { next: now, paused_until: now }))
}

/// One lease, and the events of it that are of one subject, or those of one batch.
struct Group {
    lease: String,
    events: VecDeque<Given>,
}

impl Sender {
    fn new(slot: &Arc<Slot>, endpoint: Endpoint) -> Sender {
        Sender { slot: slot.clone(), last: endpoint, pace: new_pace() }
    }

    /// Ends when the consumer has no endpoint any more, is dropped, or its log is.
    async fn run(&mut self, weak: &Weak<Inside>) {
        let mut slots: Option<(u32, Arc<Semaphore>)> = None;
        loop {
            let Some(endpoint) = endpoint_of(&self.slot) else {
                // What is under way comes to its end, so that nobody is given it meanwhile.
                if let Some((at_once, free)) = slots {
                    drop(free.acquire_many(at_once).await);
                }
                return;
            };
            // Held only while there is something to do: the log may go.
            let Some(namespace) = weak.upgrade().and_then(|inside| inside.handle()) else { return };
            if *namespace.inside().stopping.borrow() {
                return;
            }
            if self.slot.look(|consumer| consumer.row().stopped.is_some()) != Some(false) {
                let mut news = self.slot.news.subscribe();
                drop(tokio::time::timeout(BREATH, news.changed()).await);
                continue;
            }
            if self.last != endpoint {
                // What another endpoint asked for is not this one's.
                (self.last, self.pace) = (endpoint.clone(), new_pace());
            }
            let pause = self.paused_until().saturating_duration_since(Instant::now());
            if !pause.is_zero() {
                tokio::time::sleep(pause.min(BREATH)).await;
                continue;
            }
            // As many as may be under way: a new number counts once the old ones are done.
            let free = match &slots {
                Some((at_once, free)) if *at_once == endpoint.at_once => free.clone(),
                _ => {
                    let free = Arc::new(Semaphore::new(endpoint.at_once as usize));
                    slots = Some((endpoint.at_once, free.clone()));
                    free
                }
            };
            let Ok(first) = free.clone().acquire_owned().await else { return };
            drop(first);
            let groups = match self.fetch(&namespace, &endpoint, free.available_permits().max(1)).await {
                Ok(groups) => groups,
                Err(DriveError::UnknownConsumer(_) | DriveError::Superseded | DriveError::Stopping) => return,
                Err(error) => {
                    self.slot.set_trouble(Some(error.to_string()));
                    tokio::time::sleep(BREATH).await;
                    continue;
                }
            };
            for group in groups {
                let Ok(permit) = free.clone().acquire_owned().await else { return };
                let errand =
                    Errand { slot: self.slot.clone(), pace: self.pace.clone(), endpoint: endpoint.clone(), namespace: namespace.clone() };
                tokio::spawn(async move {
                    errand.deliver(group).await;
                    drop(permit);
                });
            }
        }
    }

    fn paused_until(&self) -> Instant {
        self.pace.lock().unwrap_or_else(PoisonError::into_inner).paused_until
    }

    async fn fetch(&self, namespace: &Namespace, endpoint: &Endpoint, free: usize) -> Result<Vec<Group>, DriveError> {
        let is_batch = endpoint.form == EndpointForm::Batch;
        let mut key = [0; 16];
        getrandom::fill(&mut key).map_err(|error| DriveError::Unavailable(error.to_string()))?;
        let ask = Ask {
            member: MEMBER.into(),
            events: if is_batch { BATCH_EVENTS_MAX } else { free },
            bytes: BATCH_BYTES_MAX,
            key,
            // Who sends is gone only when the host is.
            lease_ms: Some(None),
        };
        let fetched = namespace.fetch_from(&self.slot, ask, ROUND).await?;
        let lease = fetched.lease.unwrap_or_default();
        let mut groups: Vec<Group> = Vec::new();
        for given in fetched.events {
            let same = |group: &&mut Group| {
                let subject = given.event().subject;
                is_batch || (!subject.is_empty() && group.events.front().is_some_and(|first| first.event().subject == subject))
            };
            match groups.iter_mut().find(same) {
                Some(group) => group.events.push_back(given),
                None => groups.push(Group { lease: lease.clone(), events: VecDeque::from([given]) }),
            }
        }
        Ok(groups)
    }
}

/// On its way to one endpoint with one group.
struct Errand {
    slot: Arc<Slot>,
    pace: Arc<Mutex<Pace>>,
    endpoint: Endpoint,
    namespace: Namespace,
}

impl Errand {
    async fn deliver(&self, mut group: Group) {
        while !group.events.is_empty() {
            let count = if self.endpoint.form == EndpointForm::Batch { group.events.len() } else { 1 };
            let events: Vec<Given> = group.events.drain(..count).collect();
            let positions: Vec<Position> = events.iter().map(|given| given.position).collect();
            let attempt = events.first().map_or(1, |given| given.attempt);
            if !self.wait_for_turn().await {
                // And with them the later ones of the subject.
                return self.give_back(&group.lease, Which::These(positions), false, "nothing is sent for a while".into(), 0).await;
            }
            match self.send(&events).await {
                Outcome::Delivered => {
                    self.slot.set_trouble(None);
                    let (lease, namespace) = (group.lease.clone(), self.namespace.clone());
                    self.tell(move |consumer| {
                        let log = namespace.reader().snapshot()?;
                        consumer.acknowledge(&lease, Some(MEMBER), &Which::These(positions), &log, moment())
                    })
                    .await;
                }
                Outcome::Failed(why) => {
                    let delay_ms = retry_pause(attempt).as_millis() as u64;
                    return self.give_back(&group.lease, Which::These(positions), true, why, delay_ms).await;
                }
                Outcome::Pause(pause, why) => {
                    {
                        let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
                        pace.paused_until = pace.paused_until.max(Instant::now() + pause);
                    }
                    return self.give_back(&group.lease, Which::These(positions), false, why, pause.as_millis() as u64).await;
                }
                Outcome::Gone(why) => {
                    let told = why.clone();
                    self.tell(move |consumer| {
                        consumer.stop(Some(told));
                        Ok(())
                    })
                    .await;
                    return self.give_back(&group.lease, Which::These(positions), false, why, 0).await;
                }
            }
        }
    }

    /// Waits until a request may leave; answers false if nothing may for a while.
    async fn wait_for_turn(&self) -> bool {
        let turn = {
            let mut pace = self.pace.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            if pace.paused_until > now || self.slot.look(|consumer| consumer.row().stopped.is_some()) != Some(false) {
                return false;
            }
            let turn = pace.next.max(now);
            if let Some(per_minute) = self.endpoint.per_minute_max {
                pace.next = turn + Duration::from_secs(60) / per_minute.max(1);
            }
            turn
        };
        tokio::time::sleep_until(turn).await;
        true
    }

    async fn send(&self, events: &[Given]) -> Outcome {
        let client = &self.namespace.inside().sending.client;
        let mut writer = EventWriter::new(self.namespace.reader().modules());
        match message(&self.endpoint, events, &mut writer, &client.outside().secrets, clock::now()) {
            Ok(mut request) => {
                let tracer = self.namespace.inside().tracer.as_ref();
                let mut span = self.leaving(events).await.begin(&mut request);
                if let (Some(span), [given, ..]) = (&mut span, events) {
                    span.text("retold.namespace", self.namespace.name()).text("retold.consumer", &self.slot.name);
                    span.number("retold.position", given.position.0).number("http.request.resend_count", (given.attempt - 1).into());
                }
                let answer = client.send(request).await;
                ended_leaving(tracer, span, &answer);
                let now = jiff::Timestamp::from_microsecond(clock::now().0 as i64).unwrap_or_default();
                outcome(&answer, now)
            }
            // The operator's to mend.
            Err(what) => Outcome::Pause(NOT_ALLOWED_PAUSE, what),
        }
    }

    /// Of an event that is sent alone; several may be of several. Where it can't be read, nothing is lost by it.
    async fn leaving(&self, events: &[Given]) -> Leaving {
        let [given] = events else { return Leaving::default() };
        let (inside, position) = (self.namespace.inside().clone(), given.position);
        blocking(move || Ok(leaving(inside.tracer.as_ref(), &inside.reader.snapshot()?, position)?)).await.unwrap_or_default()
    }

    /// What is not sent yet of the group goes back with it.
    async fn give_back(&self, lease: &str, which: Which, counts: bool, reason: String, delay_ms: u64) {
        self.slot.set_trouble(Some(reason.clone()));
        let lease = lease.to_owned();
        let how = GiveBack { reason, delay_ms: Some(delay_ms), counts, park: false };
        self.tell(move |consumer| consumer.give_back(&lease, Some(MEMBER), &which, &how, moment())).await;
    }

    async fn tell<T: Send + 'static>(
        &self,
        word: impl FnOnce(&mut retold_engine::run::Consumer) -> Result<T, ConsumerRefused> + Send + 'static,
    ) {
        let slot = self.slot.clone();
        match blocking(move || slot.say(word)).await {
            Ok(_) | Err(DriveError::UnknownConsumer(_)) => {}
            Err(error) => tracing::warn!(consumer = %self.slot.name, %error, "what became of a webhook can't be stored; it is sent again"),
        }
        self.slot.tell();
    }
}
