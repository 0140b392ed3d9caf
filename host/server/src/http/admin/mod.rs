//! Everything but events: namespaces, modules, functions, parked events, and how the host is.

mod functions;
mod health;
mod index;
mod metrics;
mod modules;
mod namespaces;
mod parked;

pub use functions::{known, level_word, list_functions, one_function, pause, resume, rewind, status_word};
pub use health::{alive, ready};
pub use index::index;
pub use metrics::metrics;
pub use modules::{ModuleAnswer, list_modules, one_module, remove};
pub use namespaces::{NamespaceAnswer, list_namespaces, one_namespace};
pub use parked::{list_parked, release};
