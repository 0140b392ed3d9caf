//! Numbers, units and tables as a person reads them.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `1 event`, `2 events`.
pub fn counted(number: u64, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", thousands(number))
}

/// Bytes in the largest binary unit that keeps a digit before the point.
pub fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

/// Events a second over `duration`, rounded down.
pub fn rate(number: u64, duration: Duration) -> u64 {
    (number as f64 / duration.as_secs_f64().max(1e-6)) as u64
}

/// How long something takes, in the two units that matter.
pub fn lasting(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..10 => format!("{:.1} s", seconds.max(0.0)),
        10..60 => format!("{whole} s"),
        60..3_600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", thousands(whole / 3_600), whole % 3_600 / 60),
    }
}

/// The beginning of a text that is longer than `most` letters.
pub fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Rows under a heading, each column as wide as its widest cell; no trailing spaces.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    aligned(heading, rows, heading.len())
}

/// The same with figures: all but the first `words` columns stand to the right.
pub fn figures(heading: &[&str], rows: &[Vec<String>], words: usize) -> String {
    aligned(heading, rows, words)
}

fn aligned(heading: &[&str], rows: &[Vec<String>], words: usize) -> String {
    let mut widths: Vec<usize> = heading.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let heading: Vec<String> = heading.iter().map(|&cell| cell.to_owned()).collect();
    let mut text = String::new();
    for row in std::iter::once(&heading).chain(rows) {
        let mut line = String::new();
        for (column, (width, cell)) in widths.iter().zip(row).enumerate() {
            line.push_str(&if column < words { format!("{cell:<width$}  ") } else { format!("{cell:>width$}  ") });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_numbers_are_grouped() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000), "1,000");
        assert_eq!(thousands(12_345_678), "12,345,678");
        assert_eq!(counted(1, "event"), "1 event");
        assert_eq!(counted(842, "flight"), "842 flights");
        assert_eq!(bytes(1536), "1.5 KiB");
    }

    #[test]
    fn columns_line_up() {
        let rows = [vec!["delayed".into(), "1".into()], vec!["x".into(), "20".into()]];
        assert_eq!(table(&["name", "lag"], &rows), "name     lag\ndelayed  1\nx        20\n");
        assert_eq!(figures(&["name", "lag"], &rows, 1), "name     lag\ndelayed    1\nx         20\n");
    }

    #[test]
    fn times_are_told_in_the_units_that_matter() {
        for (seconds, told) in
            [(0.04, "0.0 s"), (4.23, "4.2 s"), (42.4, "42 s"), (1_000.0, "16 min 40 s"), (7_500.0, "2 h 5 min"), (-1.0, "0.0 s")]
        {
            assert_eq!(lasting(seconds), told);
        }
    }

    #[test]
    fn long_text_is_cut_between_letters() {
        assert_eq!((shortened("grün", 4), shortened("grüner", 4)), ("grün".to_owned(), "grü…".to_owned()));
    }
}
