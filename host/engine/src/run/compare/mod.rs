//! Comparing two logs that tell the same: what was kept, what is new, what differs. Fills the map of
//! cursors from the older to the newer one on its way.

mod comparison;
#[cfg(test)]
mod comparison_tests;
mod kept;
mod places;
mod report;
mod rows;
mod waiting;

pub use comparison::{Comparison, ComparisonStep};
pub use report::{DerivedCompared, Example, LogsCompared, Shown, SourcesCompared};
pub use rows::{RowDifference, RowsCompared, compare_rows, compare_state};
