//! Every thread, task and clock reading of the host: the commit loop of each namespace, the workers
//! that run functions, housekeeping, the ticker. It carries what the engine decides and decides nothing.

mod asking;
mod candidate;
mod catalogue;
mod checked;
mod clock;
mod commands;
mod committer;
mod deploying;
mod function;
mod function_info;
mod function_log;
mod host;
mod housekeeper;
mod loaded;
mod memory;
mod modules;
mod namespace;
mod queue;
mod registry;
mod schemas;
mod stream;
mod ticker;
mod turns;
mod types;
mod view_files;
mod views;
mod waiting;
mod workers;

pub use asking::{QueryAnswer, ViewRead};
pub use clock::now;
pub use commands::{CommandAccepted, CommandOutcome};
pub use function_log::{FunctionLog, LogPage};
pub use host::{Host, HostOptions};
pub use namespace::Namespace;
pub use stream::AppendStream;
pub use types::{
    Append, DeployRefused, Deployed, DriveError, FunctionCounts, FunctionInfo, Handled, LogLine, ModuleInfo, NamespaceMetrics, Retrying,
    SchemaRefused, TypeInfo, WaitFor,
};
