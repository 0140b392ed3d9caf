//! Every thread, task and clock reading of the host: the commit loop of each namespace, the workers
//! that run functions, housekeeping, the ticker. It carries what the engine decides and decides nothing.

mod clock;
mod committer;
mod function;
mod host;
mod housekeeper;
mod memory;
mod modules;
mod namespace;
mod queue;
mod registry;
mod stream;
mod ticker;
mod types;
mod workers;

pub use clock::now;
pub use host::{Host, HostOptions};
pub use namespace::Namespace;
pub use stream::AppendStream;
pub use types::{
    Append, Deployed, DriveError, FunctionCounts, FunctionInfo, Handled, LogLine, ModuleInfo, NamespaceMetrics, Retrying, WaitFor,
};
