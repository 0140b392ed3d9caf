//! Times in bodies: `500ms`, `30s`, `5m`, `2h`, `7d`.

use super::super::problem::Problem;
use super::super::problem_kinds as kinds;

/// In milliseconds.
pub fn duration_ms(field: &'static str, text: &str) -> Result<u64, Problem> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit_ms = match &text[digits..] {
        "ms" => Some(1),
        "" | "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    let ms = unit_ms.and_then(|unit_ms| text[..digits].parse::<u64>().ok()?.checked_mul(unit_ms));
    ms.ok_or_else(|| {
        let what = format!("`{field}` is {:?}: use a time such as 500ms, 30s, 5m, 2h or 7d", text.chars().take(40).collect::<String>());
        Problem::new(&kinds::INVALID_CONSUMER, what).with("field", field)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_has_a_unit_or_means_seconds() {
        for (text, ms) in [("500ms", 500), ("30s", 30_000), ("30", 30_000), ("5m", 300_000), ("2h", 7_200_000), ("7d", 604_800_000)] {
            assert_eq!(duration_ms("lease", text).ok(), Some(ms), "{text}");
        }
        for text in ["", "s", "soon", "-1s", "1.5s", "1 s", "99999999999999999999s", "999999999999999999d", "5ü"] {
            assert!(duration_ms("lease", text).is_err_and(|problem| problem.detail.contains("30s")), "{text}");
        }
    }
}
