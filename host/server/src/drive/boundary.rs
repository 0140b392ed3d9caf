//! Where a panic ends: what goes on around it learns of it, in words.

use std::panic::{AssertUnwindSafe, catch_unwind};

/// What `work` answers, or what it said when it panicked. What it worked on must not be used again.
pub fn caught<R>(work: impl FnOnce() -> R) -> Result<R, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let said = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
        said.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "it panicked without a word".to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_told_in_its_own_words() {
        assert_eq!(caught(|| 7), Ok(7));
        assert_eq!(caught(|| panic!("page {} is gone", 3)), Err::<(), _>("page 3 is gone".into()));
        assert_eq!(caught(|| panic!("gone")), Err::<(), _>("gone".into()));
    }
}
