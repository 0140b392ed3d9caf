//! Numbers by value: `1`, `1.0` and `10e-1` are the same number.
//!
//! The JSON reader keeps integers up to 64 bits exactly and everything else as a double; a number
//! counts here as the shortest decimal that reads back as that double.

use std::cmp::Ordering;

use serde_json::Number;

pub(super) fn compare(left: &Number, right: &Number) -> Ordering {
    match (integer(left), integer(right)) {
        (Some(left), Some(right)) => left.cmp(&right),
        (Some(left), None) => compare_mixed(left, double(right)),
        (None, Some(right)) => compare_mixed(right, double(left)).reverse(),
        (None, None) => double(left).total_cmp(&double(right)),
    }
}

/// The number if it is one without a fraction, also when it is written with one, and has less than
/// 128 bits.
pub(super) fn integer(number: &Number) -> Option<i128> {
    if let Some(integer) = number.as_i128() {
        return Some(integer);
    }
    let double = double(number);
    #[expect(clippy::cast_possible_truncation, reason = "no fraction and in range")]
    let exact = || double as i128;
    (double.fract() == 0.0 && double.abs() < 1e38).then(exact)
}

pub(super) fn is_integer(number: &Number) -> bool {
    number.is_i64() || number.is_u64() || double(number).fract() == 0.0
}

/// Exact, in decimal: 0.0075 is a multiple of 0.0001. `divisor` is above 0.
pub(super) fn is_multiple(number: &Number, divisor: &Number) -> bool {
    let ((digits, exponent), (divisor, divisor_exponent)) = (decimal(number), decimal(divisor));
    let shift = exponent - divisor_exponent;
    if shift >= 0 {
        // Both have less than 20 digits: ten times a remainder fits in 128 bits.
        let mut remainder = digits % divisor;
        for _ in 0..shift {
            if remainder == 0 {
                break;
            }
            remainder = remainder * 10 % divisor;
        }
        return remainder == 0;
    }
    let scaled = (0..-shift).try_fold(divisor, |scaled, _| scaled.checked_mul(10));
    scaled.map_or(digits == 0, |scaled| digits.is_multiple_of(scaled))
}

fn double(number: &Number) -> f64 {
    number.as_f64().expect("a number without arbitrary precision is a double")
}

fn compare_mixed(integer: i128, double: f64) -> Ordering {
    // Doubles beyond 1e38 have no `integer`; those below it that aren't whole come here too.
    if double >= 1e38 {
        return Ordering::Less;
    }
    if double <= -1e38 {
        return Ordering::Greater;
    }
    #[expect(clippy::cast_possible_truncation, reason = "in range, and the fraction is compared after")]
    let whole = double.trunc() as i128;
    integer.cmp(&whole).then_with(|| 0.0_f64.total_cmp(&(double.fract() + 0.0)))
}

/// The digits and the power of ten of a number without its sign: less than 20 digits.
fn decimal(number: &Number) -> (u128, i32) {
    if let Some(integer) = number.as_i128() {
        return (integer.unsigned_abs(), 0);
    }
    let text = format!("{:e}", double(number).abs());
    let (digits, exponent) = text.split_once('e').expect("`{:e}` writes an exponent");
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let exponent: i32 = exponent.parse().expect("an exponent is a number");
    let digits = format!("{whole}{fraction}").parse().expect("a double has at most 17 digits");
    (digits, exponent - i32::try_from(fraction.len()).expect("at most 17 digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Number {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_compare_by_value_however_they_are_written() {
        let ascending = ["-1e300", "-9223372036854775808", "-1.5", "-1", "-0.5", "0", "0.5", "1", "18446744073709551615", "1e30", "1e300"];
        for (place, left) in ascending.iter().enumerate() {
            for (other, right) in ascending.iter().enumerate() {
                assert_eq!(compare(&number(left), &number(right)), place.cmp(&other), "{left} {right}");
            }
        }
        for (left, right) in [("1", "1.0"), ("0", "-0.0"), ("100", "1e2"), ("-3", "-3.0")] {
            assert_eq!(compare(&number(left), &number(right)), Ordering::Equal, "{left} {right}");
        }
    }

    #[test]
    fn a_multiple_is_one_in_decimal() {
        for (value, divisor) in
            [("0.0075", "0.0001"), ("1e308", "0.5"), ("12391239123", "1e-8"), ("0", "7"), ("4.5", "1.5"), ("-6", "3"), ("1e300", "1e-300")]
        {
            assert!(is_multiple(&number(value), &number(divisor)), "{value} {divisor}");
        }
        for (value, divisor) in
            [("0.00751", "0.0001"), ("1e308", "0.123456789"), ("35", "1.5"), ("1e-300", "1e300"), ("18446744073709551615", "2")]
        {
            assert!(!is_multiple(&number(value), &number(divisor)), "{value} {divisor}");
        }
    }
}
