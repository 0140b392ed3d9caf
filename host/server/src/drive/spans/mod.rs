//! What the host tells of what it did, as OpenTelemetry has it: spans, and the thread that sends them on. Without an endpoint
//! there is no `Tracer`, and nobody makes any.

mod context;
mod exporter;
mod leaving;
mod otlp;
mod span;
mod tracer;
mod trails;

pub use context::SpanContext;
pub use exporter::TracingOptions;
pub use leaving::{Leaving, ended_leaving, leaving};
pub use span::{Span, SpanKind};
pub use tracer::{SpanCounts, Tracer};
pub use trails::{Ran, Trail, Trails};
