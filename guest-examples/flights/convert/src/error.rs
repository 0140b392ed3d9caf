//! What can be wrong with the CSV.

/// Why a file could not be converted. Lines are counted from 1; the header is line 1.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    #[error("can't read the flights: {0}")]
    Io(#[from] std::io::Error),
    #[error("not a table of flights: {0}")]
    Csv(#[from] csv::Error),
    #[error("the header has no column `{0}`")]
    ColumnMissing(&'static str),
    #[error("line {line}, column `{column}`: {value:?} {problem}")]
    Field { line: u64, column: &'static str, value: String, problem: &'static str },
    /// Its events would have the ids of another flight's.
    #[error("flight {flight} from {origin} stands twice with one scheduled time")]
    FlightTwice { flight: String, origin: String },
}
