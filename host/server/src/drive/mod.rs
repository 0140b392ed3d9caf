//! Every thread, task and clock reading of the host: the commit loop of each namespace, the workers
//! that run functions, housekeeping, the ticker. It carries what the engine decides and decides nothing.

mod activation;
mod answering;
mod asking;
mod backfill;
mod backup;
mod boundary;
mod calendar;
mod candidate;
mod catalogue;
mod checked;
mod clock;
mod commands;
mod committer;
mod comparing;
mod consumers;
mod deploying;
mod durations;
mod flow;
mod folding;
mod function;
mod function_info;
mod function_log;
mod generations;
mod handing_over;
mod host;
mod housekeeper;
mod ingress;
mod inside;
mod loaded;
mod mapping;
mod memory;
mod modules;
mod namespace;
mod outbox;
mod outside;
mod pace;
mod priority;
mod promoting;
mod prospect;
mod queue;
mod quota;
pub mod race;
mod rebuilding;
mod registry;
mod repairing;
mod replay_files;
mod replay_info;
mod replay_outputs;
mod replay_part;
mod replay_report;
mod replay_task;
mod replays;
mod retelling;
mod retelling_begin;
mod retelling_work;
mod retention;
mod returning;
mod schema_changes;
mod schemas;
mod sending;
mod slots;
mod space;
mod spans;
mod stream;
mod superseding;
mod ticker;
mod timer_info;
mod timers;
mod tokens;
mod trace;
mod traffic;
mod turns;
mod types;
mod upgrade;
mod verification;
mod verifying;
mod view_files;
mod views;
mod waiting;
mod webhooks;
mod workers;

pub use asking::{QueryAnswer, ViewRead};
pub use backup::{BackupBytes, BackupFolder, BadLine, EXPORT_END, ImportBytes, RestoreOptions, RestoredNamespace, WholeBackup};
pub use clock::{now, passed_ms, passed_us};
pub use commands::{CommandAccepted, CommandOutcome};
pub use consumers::{ConsumerInfo, Delivery, FetchAsk, NewConsumer, ParkedAside, StartAt};
pub use durations::DurationCounts;
pub use flow::{Flow, Level, Link, Lint, Node, What};
pub use function_log::{FunctionLog, LogPage};
pub use generations::Resume;
pub use host::{Host, HostOptions, MAIN};
pub use ingress::{Received, Taken};
pub use namespace::Namespace;
pub use outbox::{LaneInfo, OutboxInfo};
pub use outside::{Network, Outside, SecretError, Secrets};
pub use quota::Quota;
pub use rebuilding::rebuild;
pub use replay_info::{
    DeployOptions, DeployOutcome, DifferenceKind, Dropped, ForkOptions, Forked, FormerVersion, FunctionReplay, Generations, LogDifference,
    LogEntryDifference, ModuleVersion, NamespaceRole, OutputCounts, OutputDifference, Promoted, Rehearse, RemoveOutcome, ReplayFailure,
    ReplayInfo, ReplayKind, ReplayOptions, ReplayStatus, ReplayedModule, RetellRequest, RetellRule, RetellingInfo, RowDifference, Shown,
    StateCompared, ViewDifference,
};
pub use retention::Retention;
pub use spans::{Span, SpanContext, SpanCounts, SpanKind, Tracer, TracingOptions};
pub use stream::AppendStream;
pub use timer_info::{ScheduleInfo, TimerInfo, TimerInfoPage, TimerPlace};
pub use tokens::{Access, NewToken, NotAToken, NotAdmitted, Rate, Scope, StoredTokens, Token, TokenRefused, Tokens};
pub use types::{
    Append, DeployRefused, Deployed, DriveError, FunctionCounts, FunctionInfo, Handled, LogLine, ModuleInfo, NamespaceMetrics, Retrying,
    SchemaRefused, TypeInfo, WaitFor,
};
pub use verifying::{Checked, verify};
