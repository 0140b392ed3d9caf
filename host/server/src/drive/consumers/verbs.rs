//! The words to consumers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use retold_engine::model::{ConsumerPlace, Position, limits, valid_function_name};
use retold_engine::run::{Ask, Consumer, ConsumerRefused, Earlier, Fetched, GiveBack, Release, Unseen, Which};
use retold_engine::store::StoreError;
use tokio::time::Instant;

use super::super::clock;
use super::super::generations::{Resume, blocking};
use super::super::namespace::Namespace;
use super::super::race::{is_true, race};
use super::super::types::DriveError;
use super::super::webhooks;
use super::info::{ConsumerInfo, Delivery, FetchAsk, NewConsumer, ParkedAside, StartAt};
use super::settings;
use super::slot::{Slot, moment};

impl Earlier for Namespace {
    fn unseen(&self, place: ConsumerPlace, limit: usize) -> Result<Unseen, StoreError> {
        match self.resume(place.generation, place.position, place.from, limit) {
            Ok(Resume { first, more, after }) => Ok(Unseen { first, more, after }),
            Err(DriveError::Store(error)) => Err(error),
            Err(other) => Err(StoreError::Poisoned(other.to_string().into())),
        }
    }
}

fn drawn() -> Result<[u8; 16], DriveError> {
    let mut key = [0; 16];
    getrandom::fill(&mut key).map_err(|error| DriveError::Unavailable(format!("no randomness: {error}")))?;
    Ok(key)
}

impl Namespace {
    fn slot(&self, name: &str) -> Result<Arc<Slot>, DriveError> {
        self.check_writable()?;
        if let Some(error) = &self.inside().consumers.state().failed {
            return Err(error.clone().into());
        }
        self.inside().consumers.slot(name).ok_or_else(|| self.told(DriveError::UnknownConsumer(name.to_owned())))
    }

    /// What is not here any more is with the log that has taken this one's place.
    fn told(&self, error: DriveError) -> DriveError {
        match error {
            DriveError::UnknownConsumer(_) if self.inside().consumers.state().generation != self.generation() => DriveError::Superseded,
            other => other,
        }
    }

    /// A consumer that is fetched from: those with an endpoint are the host's own.
    fn fetched_from(&self, name: &str) -> Result<Arc<Slot>, DriveError> {
        let slot = self.slot(name)?;
        if slot.look(|consumer| consumer.row().settings.endpoint.is_some()) == Some(true) {
            return Err(DriveError::HasEndpoint(name.to_owned()));
        }
        Ok(slot)
    }

    async fn say<T: Send + 'static>(
        &self,
        slot: Arc<Slot>,
        word: impl FnOnce(&mut Consumer) -> Result<T, ConsumerRefused> + Send + 'static,
    ) -> Result<T, DriveError> {
        let (told, answer) = (slot.clone(), blocking(move || slot.say(word)).await);
        told.tell();
        answer.map_err(|error| self.told(error))
    }

    /// Makes a consumer, or gives the one that is there other settings. Answers true beside it if it is new.
    pub async fn set_consumer(&self, name: &str, new: NewConsumer) -> Result<(ConsumerInfo, bool), DriveError> {
        self.check_writable()?;
        if !valid_function_name(name) {
            let what = format!("consumer {name:?} is not a good name: use 1 to 64 of a-z, 0-9, - and _, beginning with a letter");
            return Err(DriveError::Name(what));
        }
        let NewConsumer { mut settings, start } = new;
        settings::check(&settings)?;
        let consumers = &self.inside().consumers;
        let _turn = consumers.changing.lock().await;
        let before = consumers.slot(name);
        let known = before.as_ref().and_then(|slot| slot.look(|consumer| consumer.row().settings.clone()));
        if let Some(endpoint) = &mut settings.endpoint {
            let asked =
                known.as_ref().and_then(|known| known.endpoint.as_ref()).filter(|known| known.url == endpoint.url && known.asks_first);
            match asked.filter(|_| endpoint.asks_first) {
                Some(asked) => endpoint.per_minute_max = asked.per_minute_max,
                None => webhooks::agree(&self.inside().sending, endpoint).await?,
            }
        }
        let slot = match before {
            Some(slot) => {
                let was_sent = known.is_some_and(|known| known.endpoint.is_some());
                let (same, becomes) = (slot.clone(), settings.endpoint.is_some());
                self.say(slot, move |consumer| {
                    consumer.set(settings);
                    Ok(())
                })
                .await?;
                if becomes && !was_sent {
                    webhooks::start(self.inside(), &same);
                }
                same
            }
            None => {
                let namespace = self.clone();
                let (name, at_most) = (name.to_owned(), limits::CONSUMERS_PER_NAMESPACE_MAX);
                if consumers.slots().len() >= at_most {
                    return Err(DriveError::TooManyConsumers);
                }
                let slot = blocking(move || namespace.make(&name, NewConsumer { settings, start })).await?;
                webhooks::start(self.inside(), &slot);
                return Ok((self.info(slot).await?, true));
            }
        };
        Ok((self.info(slot).await?, false))
    }

    fn make(&self, name: &str, NewConsumer { settings, start }: NewConsumer) -> Result<Arc<Slot>, DriveError> {
        let inside = self.inside();
        let file = {
            let mut state = inside.consumers.state();
            if let Some(error) = &state.failed {
                return Err(error.clone().into());
            }
            if state.generation != self.generation() {
                return Err(DriveError::Superseded);
            }
            match &state.file {
                Some(file) => file.clone(),
                None => state.file.insert(Arc::new(inside.reader.make_consumers(self.generation(), &BTreeMap::new())?)).clone(),
            }
        };
        let place = match start {
            StartAt::Now => ConsumerPlace { generation: self.generation(), position: self.reader().head(), from: Position::START },
            StartAt::After { generation, position, from } => ConsumerPlace { generation, position, from },
        };
        let slot = Slot::new(name, &file, Consumer::new(settings, place, self.generation(), moment()));
        slot.say(|_| Ok(()))?;
        let mut state = inside.consumers.state();
        if state.generation != self.generation() {
            return Err(DriveError::Superseded);
        }
        state.slots.insert(name.to_owned(), slot.clone());
        Ok(slot)
    }

    fn info_now(&self, slot: &Slot) -> Result<ConsumerInfo, DriveError> {
        let log = self.reader().snapshot()?;
        let status = slot.say(|consumer| Ok(consumer.status(&log, moment())?)).map_err(|error| self.told(error))?;
        Ok(ConsumerInfo { name: slot.name.clone(), status, trouble: slot.trouble() })
    }

    async fn info(&self, slot: Arc<Slot>) -> Result<ConsumerInfo, DriveError> {
        let namespace = self.clone();
        blocking(move || namespace.info_now(&slot)).await
    }

    pub async fn consumer(&self, name: &str) -> Result<ConsumerInfo, DriveError> {
        self.info(self.slot(name)?).await
    }

    /// All consumers, by name. For a thread that may block.
    pub fn consumers(&self) -> Result<Vec<ConsumerInfo>, DriveError> {
        let mut all = Vec::new();
        for slot in self.inside().consumers.slots() {
            match self.info_now(&slot) {
                // It was dropped meanwhile.
                Err(DriveError::UnknownConsumer(_)) => {}
                info => all.push(info?),
            }
        }
        Ok(all)
    }

    pub async fn drop_consumer(&self, name: &str) -> Result<(), DriveError> {
        let slot = self.slot(name)?;
        let _turn = self.inside().consumers.changing.lock().await;
        self.inside().consumers.state().slots.retain(|_, known| !Arc::ptr_eq(known, &slot));
        blocking(move || slot.end(true)).await
    }

    /// Gives a member what comes next; if there is nothing yet, waits for it.
    pub async fn fetch(&self, name: &str, ask: FetchAsk) -> Result<Delivery, DriveError> {
        let slot = self.fetched_from(name)?;
        let (wait, ask) = (ask.wait, Ask { member: ask.member, events: ask.events, bytes: ask.bytes, key: drawn()?, lease_ms: None });
        let Fetched { lease, events, .. } = self.fetch_from(&slot, ask, wait).await?;
        Ok(Delivery { lease, events })
    }

    /// The same of any consumer. Ends early, with nothing, when the host stops or another log takes over.
    pub(in super::super) async fn fetch_from(&self, slot: &Arc<Slot>, ask: Ask, wait: Duration) -> Result<Fetched, DriveError> {
        let deadline = Instant::now() + wait;
        let (mut heads, mut news) = (self.head_changes(), slot.news.subscribe());
        let (mut superseded, mut stopping) = (self.superseded(), self.inside().stopping.subscribe());
        loop {
            heads.mark_unchanged();
            news.mark_unchanged();
            let (namespace, asked, given_by) = (self.clone(), ask.clone(), slot.clone());
            let fetched = blocking(move || {
                let log = namespace.reader().snapshot()?;
                given_by.say(|consumer| consumer.fetch(&asked, &log, &namespace, moment()))
            })
            .await
            .map_err(|error| self.told(error))?;
            let over = Instant::now() >= deadline || *stopping.borrow() || *superseded.borrow();
            if !fetched.events.is_empty() || (over && !fetched.more) {
                return Ok(fetched);
            }
            if fetched.more {
                continue;
            }
            let due_ms = slot.look(|consumer| consumer.due_ms(moment())).flatten();
            let due =
                due_ms.map_or(deadline, |due_ms| Instant::now() + Duration::from_millis(due_ms.saturating_sub(clock::passed_ms()) + 1));
            let stop = race(is_true(&mut superseded), is_true(&mut stopping));
            drop(tokio::time::timeout_at(due.min(deadline), race(race(heads.changed(), news.changed()), stop)).await);
        }
    }

    /// Events are dealt with. Answers how many are still out under the lease.
    pub async fn acknowledge(&self, name: &str, lease: String, member: Option<String>, which: Which) -> Result<usize, DriveError> {
        let (slot, namespace) = (self.fetched_from(name)?, self.clone());
        self.say(slot, move |consumer| {
            let log = namespace.reader().snapshot()?;
            consumer.acknowledge(&lease, member.as_deref(), &which, &log, moment())
        })
        .await
    }

    pub async fn extend(&self, name: &str, lease: String, member: Option<String>, lease_ms: Option<u64>) -> Result<usize, DriveError> {
        if let Some(ms) = lease_ms.filter(|ms| !(limits::CONSUMER_LEASE_MS_MIN..=limits::CONSUMER_LEASE_MS_MAX).contains(ms)) {
            let what =
                format!("is {ms} ms: use a time from {} ms to {} s", limits::CONSUMER_LEASE_MS_MIN, limits::CONSUMER_LEASE_MS_MAX / 1_000);
            return Err(DriveError::ConsumerSettings { field: "for", what });
        }
        let slot = self.fetched_from(name)?;
        self.say(slot, move |consumer| consumer.extend(&lease, member.as_deref(), lease_ms, moment())).await
    }

    pub async fn give_back(
        &self,
        name: &str,
        lease: String,
        member: Option<String>,
        which: Which,
        how: GiveBack,
    ) -> Result<usize, DriveError> {
        let slot = self.fetched_from(name)?;
        self.say(slot, move |consumer| consumer.give_back(&lease, member.as_deref(), &which, &how, moment())).await
    }

    /// Parked events behind a position, oldest first, and how many there are in all.
    pub async fn parked_aside(&self, name: &str, after: Position, limit: usize) -> Result<(Vec<ParkedAside>, usize), DriveError> {
        let slot = self.slot(name)?;
        self.say(slot, move |consumer| {
            consumer.settle(moment());
            let page = consumer.parked(after, limit).into_iter();
            let page = page.map(|(position, entry)| ParkedAside { position, entry: entry.clone() }).collect();
            Ok((page, consumer.parked_count()))
        })
        .await
    }

    /// Parked events are given again, or taken as dealt with. Answers how many.
    pub async fn release(&self, name: &str, which: Release, skip: bool) -> Result<usize, DriveError> {
        self.say(self.slot(name)?, move |consumer| consumer.release(&which, skip, moment())).await
    }
}
