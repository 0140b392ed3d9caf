//! `retold demo`: a host, two handlers and a day of real flights, told as a story.

mod figures;
mod flights;
mod run;
mod story;

pub use run::{Demo, run};
