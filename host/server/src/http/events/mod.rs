//! Events over HTTP: appended one, many together or as a stream of lines; read in pages, as lines, or
//! followed; and what led to what.

mod append;
mod append_lines;
mod appended;
mod causes;
mod follow;
mod form;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod line_events;
mod one;
mod pace;
mod pages;
mod read;
mod read_lines;
mod selection;
mod splitter;

pub use append::{append, wait};
pub use appended::{response, write_handled};
pub use causes::causes;
pub use one::{one, write_one};
pub use read::read;
