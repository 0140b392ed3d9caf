//! Whether two values are the same JSON, and whether an array has a value twice.

use std::cmp::Ordering;
use std::hash::{DefaultHasher, Hash, Hasher};

use serde_json::Value;

use super::number;
use super::steps::{Steps, Stop};

/// Numbers by value, objects without regard to the order of their members.
pub(super) fn equal(left: &Value, right: &Value, steps: &mut Steps) -> Result<bool, Stop> {
    steps.spend(1)?;
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => Ok(number::compare(left, right) == Ordering::Equal),
        (Value::String(left), Value::String(right)) => {
            if left.len() == right.len() {
                steps.spend_on_text(left.len())?;
            }
            Ok(left == right)
        }
        (Value::Array(left), Value::Array(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (left, right) in left.iter().zip(right) {
                if !equal(left, right, steps)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (Value::Object(left), Value::Object(right)) => {
            if left.len() != right.len() {
                return Ok(false);
            }
            for (key, left) in left {
                steps.spend_on_text(key.len())?;
                let Some(right) = right.get(key) else { return Ok(false) };
                if !equal(left, right, steps)? {
                    return Ok(false);
                }
            }
            Ok(true)
        }
        (left, right) => Ok(left == right),
    }
}

/// The places of two items that are the same JSON: of all such pairs, the one whose second comes first.
///
/// Sorts hashes, so that only made-up collisions cost more; their comparisons are counted as steps.
pub(super) fn first_duplicate(items: &[Value], steps: &mut Steps) -> Result<Option<(usize, usize)>, Stop> {
    steps.spend(4 * items.len() as u64)?;
    let mut digests = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        digests.push((digest(item, steps)?, index));
    }
    digests.sort_unstable();
    let mut first: Option<(usize, usize)> = None;
    for alike in digests.chunk_by(|left, right| left.0 == right.0) {
        if let Some(found) = duplicate_of(alike, items, steps)?
            && first.is_none_or(|first| found.1 < first.1)
        {
            first = Some(found);
        }
    }
    Ok(first)
}

/// Among items of one digest, in the order of the array.
fn duplicate_of(alike: &[(u64, usize)], items: &[Value], steps: &mut Steps) -> Result<Option<(usize, usize)>, Stop> {
    for (place, &(_, later)) in alike.iter().enumerate() {
        for &(_, earlier) in &alike[..place] {
            if equal(&items[earlier], &items[later], steps)? {
                return Ok(Some((earlier, later)));
            }
        }
    }
    Ok(None)
}

/// The same for equal values.
fn digest(value: &Value, steps: &mut Steps) -> Result<u64, Stop> {
    steps.spend(1)?;
    let mut hasher = DefaultHasher::new();
    match value {
        Value::Null => 0_u8.hash(&mut hasher),
        Value::Bool(value) => value.hash(&mut hasher),
        Value::Number(number) => match number::integer(number) {
            Some(integer) => integer.hash(&mut hasher),
            None => number.as_f64().map(f64::to_bits).hash(&mut hasher),
        },
        Value::String(text) => {
            steps.spend_on_text(text.len())?;
            text.hash(&mut hasher);
        }
        Value::Array(items) => {
            for item in items {
                digest(item, steps)?.hash(&mut hasher);
            }
        }
        Value::Object(members) => {
            // A sum, because the order of members says nothing.
            let mut sum = 0_u64;
            for (key, value) in members {
                steps.spend_on_text(key.len())?;
                let mut member = DefaultHasher::new();
                (key, digest(value, steps)?).hash(&mut member);
                sum = sum.wrapping_add(member.finish());
            }
            (members.len(), sum).hash(&mut hasher);
        }
    }
    Ok(hasher.finish())
}
