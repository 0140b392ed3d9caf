//! One run of the bench: the host, the load, and the figures so far.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::goals::Figure;
use super::load::{Load, Outcome};
use super::metrics::Metrics;
use super::requests::Events;
use super::samples::median;
use super::target::Target;
use crate::cli::arguments::Common;
use crate::cli::client::Client;
use crate::cli::{build, deploy, examples, namespaces, random};

/// Whose figures they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Measured {
    /// One of `goals::ROWS`.
    pub row: &'static str,
    /// 0 where there are none.
    pub clients: usize,
    /// Length of the log, where the row is about it; else 0.
    pub log: u64,
}

pub struct Session {
    pub target: Target,
    pub load: Load,
    pub events: Events,
    /// Unlike that of any other run.
    pub run: String,
    /// A log that nobody else has written to, once growth was measured.
    pub long_log: Option<Client>,
    common: Common,
    figures: BTreeMap<Measured, BTreeMap<Figure, Vec<f64>>>,
    /// Modules that were built, by the name of their example.
    modules: BTreeMap<&'static str, PathBuf>,
}

impl Session {
    pub fn new(target: Target, common: &Common, event_bytes: usize) -> Result<Self> {
        let run = random::digits()?;
        let events = Events { source: format!("/bench/{run}"), event_bytes };
        let load = Load::new(target.address)?;
        Ok(Session {
            target,
            load,
            events,
            run,
            long_log: None,
            common: common.clone(),
            figures: BTreeMap::new(),
            modules: BTreeMap::new(),
        })
    }

    /// A namespace to load; made if it isn't there.
    pub fn namespace(&self, name: &str) -> Result<Client> {
        let common = Common { namespace: Some(name.to_owned()), ..self.common.clone() };
        let client = Client::at(&self.target.url, &common)?;
        namespaces::create(&client, name).with_context(|| format!("the namespace {name} can't be made"))?;
        Ok(client)
    }

    /// A namespace in which `guest-examples/hello` prices every order.
    pub fn namespace_with_handler(&mut self, name: &str) -> Result<Client> {
        self.namespace_with(name, "hello")
    }

    /// A namespace that an example of `guest-examples` is deployed to.
    pub fn namespace_with(&mut self, name: &str, example: &'static str) -> Result<Client> {
        let client = self.namespace(name)?;
        let file = self.module(example)?;
        // The folder's own name, as the module's.
        deploy::upload(&client, &file, example.rsplit('/').next().unwrap_or(example))?;
        Ok(client)
    }

    /// The file of an example's module.
    pub fn module(&mut self, example: &'static str) -> Result<PathBuf> {
        if let Some(file) = self.modules.get(example) {
            return Ok(file.clone());
        }
        let modules = build::modules(&examples::example(example)?)?;
        Ok(self.modules.entry(example).or_insert(modules[0].file.clone()).clone())
    }

    /// Runs load and notes all its figures.
    pub fn measure(&mut self, measured: Measured, client: &Client, work: impl FnOnce(&Load) -> io::Result<Outcome>) -> Result<()> {
        let before = (Metrics::read(client)?, self.target.cpu_us());
        let mut outcome = work(&self.load).with_context(|| format!("while measuring {}", measured.row))?;
        let after = (Metrics::read(client)?, self.target.cpu_us());
        if outcome.latencies.count() > 0 {
            self.note(measured, Figure::P50Us, outcome.latencies.percentile_us(50));
            self.note(measured, Figure::P99Us, outcome.latencies.percentile_us(99));
        }
        self.note(measured, Figure::EventsPerSecond, outcome.events_per_second());
        if let Some(commits) = after.0.commits_since(&before.0) {
            self.note(measured, Figure::FlushesPerSecond, commits as f64 / outcome.elapsed.as_secs_f64());
        }
        if let (Some(before), Some(after)) = (before.1, after.1) {
            self.note(measured, Figure::CpuUsPerEvent, (after - before) as f64 / outcome.events.max(1) as f64);
        }
        Ok(())
    }

    pub fn note(&mut self, measured: Measured, figure: Figure, value: f64) {
        self.figures.entry(measured).or_default().entry(figure).or_default().push(value);
    }

    /// The medians of all slices.
    pub fn medians(&self) -> BTreeMap<Measured, BTreeMap<Figure, f64>> {
        let median_of = |(figure, values): (&Figure, &Vec<f64>)| Some((*figure, median(values)?));
        self.figures.iter().map(|(measured, figures)| (*measured, figures.iter().filter_map(median_of).collect())).collect()
    }
}
