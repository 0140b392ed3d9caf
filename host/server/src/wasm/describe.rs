//! The records of `retold:module/manifest`, and how they become the engine's `Manifest`.
#![expect(
    dead_code,
    reason = "values come out of a guest's memory, where only wasmtime sees them made; what isn't built yet is never read"
)]

use retold_engine::model;
use wasmtime::component::{ComponentType, Lift};

/// What `manifest.describe` gives.
pub(super) type DescribeResult = (Manifest,);

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum FunctionKind {
    #[component(name = "handler")]
    Handler,
    #[component(name = "aggregate")]
    Aggregate,
    #[component(name = "view")]
    View,
    #[component(name = "upcaster")]
    Upcaster,
    #[component(name = "ingress")]
    Ingress,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Start {
    #[component(name = "now")]
    Now,
    #[component(name = "beginning")]
    Beginning,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum FailurePolicy {
    #[component(name = "park")]
    Park,
    #[component(name = "halt")]
    Halt,
}

#[derive(ComponentType, Lift, Clone, Copy)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Missed {
    #[component(name = "all")]
    All,
    #[component(name = "latest")]
    Latest,
    #[component(name = "skip")]
    Skip,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Schedule {
    key: String,
    cron: String,
    #[component(name = "time-zone")]
    time_zone: String,
    #[component(name = "type")]
    r#type: String,
    missed: Missed,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Limits {
    fuel: Option<u64>,
    #[component(name = "memory-bytes")]
    memory_bytes: Option<u64>,
    attempts: Option<u32>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Function {
    name: String,
    kind: FunctionKind,
    subscribes: Vec<String>,
    emits: Vec<String>,
    decides: Vec<String>,
    sends: Vec<String>,
    start: Start,
    #[component(name = "failure-policy")]
    failure_policy: FailurePolicy,
    split: Option<u32>,
    limits: Limits,
    schedules: Vec<Schedule>,
    hosts: Vec<String>,
    secrets: Vec<String>,
    timers: bool,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Schema {
    #[component(name = "type")]
    r#type: String,
    json: String,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Manifest {
    name: String,
    version: String,
    functions: Vec<Function>,
    schemas: Vec<Schema>,
}

impl From<Manifest> for model::Manifest {
    fn from(manifest: Manifest) -> model::Manifest {
        model::Manifest {
            name: manifest.name,
            version: manifest.version,
            functions: manifest.functions.into_iter().map(Into::into).collect(),
            schemas: manifest.schemas.into_iter().map(|schema| model::Schema { r#type: schema.r#type, json: schema.json }).collect(),
        }
    }
}

impl From<Function> for model::FunctionManifest {
    fn from(function: Function) -> model::FunctionManifest {
        model::FunctionManifest {
            name: function.name,
            kind: match function.kind {
                FunctionKind::Handler => model::FunctionKind::Handler,
                FunctionKind::Aggregate => model::FunctionKind::Aggregate,
                FunctionKind::View => model::FunctionKind::View,
                FunctionKind::Upcaster => model::FunctionKind::Upcaster,
                FunctionKind::Ingress => model::FunctionKind::Ingress,
            },
            subscribes: function.subscribes,
            emits: function.emits,
            decides: function.decides,
            sends: function.sends,
            start: match function.start {
                Start::Now => model::Start::Now,
                Start::Beginning => model::Start::Beginning,
            },
            failure_policy: match function.failure_policy {
                FailurePolicy::Park => model::FailurePolicy::Park,
                FailurePolicy::Halt => model::FailurePolicy::Halt,
            },
            split: function.split,
            limits: model::LimitsAsked {
                fuel: function.limits.fuel,
                memory_bytes: function.limits.memory_bytes,
                attempts: function.limits.attempts,
            },
            schedules: function.schedules.into_iter().map(Into::into).collect(),
            hosts: function.hosts,
            secrets: function.secrets,
            timers: function.timers,
        }
    }
}

impl From<Schedule> for model::Schedule {
    fn from(schedule: Schedule) -> model::Schedule {
        model::Schedule {
            key: schedule.key,
            cron: schedule.cron,
            time_zone: schedule.time_zone,
            r#type: schedule.r#type,
            missed: match schedule.missed {
                Missed::All => model::Missed::All,
                Missed::Latest => model::Missed::Latest,
                Missed::Skip => model::Missed::Skip,
            },
        }
    }
}
