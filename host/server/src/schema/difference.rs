//! Where two JSON documents begin to differ.

use std::cmp::Ordering;

use serde_json::Value;

use super::number;
use super::pointer::Trail;

/// The JSON pointer of the first difference; `None` if both are the same JSON. Key order and white
/// space don't matter, numbers count by value.
pub(super) fn first_difference(left: &Value, right: &Value) -> Option<String> {
    differ(left, right, &Trail::ROOT)
}

fn differ(left: &Value, right: &Value, trail: &Trail<'_>) -> Option<String> {
    let here = |same: bool| (!same).then(|| trail.pointer(usize::MAX));
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => here(number::compare(left, right) == Ordering::Equal),
        (Value::Array(left), Value::Array(right)) => {
            let both = left.iter().zip(right).enumerate();
            both.into_iter()
                .find_map(|(index, (left, right))| differ(left, right, &trail.item(index)))
                .or_else(|| (left.len() != right.len()).then(|| trail.item(left.len().min(right.len())).pointer(usize::MAX)))
        }
        (Value::Object(left), Value::Object(right)) => {
            let mut keys: Vec<&String> = left.keys().chain(right.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            keys.into_iter().find_map(|key| match (left.get(key), right.get(key)) {
                (Some(left), Some(right)) => differ(left, right, &trail.property(key)),
                _ => Some(trail.property(key).pointer(usize::MAX)),
            })
        }
        (left, right) => here(left == right),
    }
}
