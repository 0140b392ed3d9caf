//! Units of a view's rows: where a subject's rows lie.

/// The first `parts` parts of a subject, with a slash after each: what goes before the keys of its
/// unit. A subject with fewer parts counts as having empty ones, so that a key belongs to one unit only.
pub fn lane_into(out: &mut String, subject: &str, parts: u32) {
    let mut rest = Some(subject);
    for _ in 0..parts {
        if let Some(text) = rest {
            let (part, later) = text.split_once('/').map_or((text, None), |(part, later)| (part, Some(later)));
            out.push_str(part);
            rest = later;
        }
        out.push('/');
    }
}

/// Which of `lanes` a subject's unit goes to. Any place is right, as long as a unit has one; FNV-1a.
pub fn lane_of(subject: &str, parts: u32, lanes: usize) -> usize {
    let mut left = parts;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in subject.bytes() {
        if byte == b'/' {
            left -= 1;
            if left == 0 {
                break;
            }
        }
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // Slashes that padding would add.
    while left > 1 {
        hash = (hash ^ u64::from(b'/')).wrapping_mul(0x0100_0000_01b3);
        left -= 1;
    }
    // FNV's high bits say little of short texts.
    let mixed = (hash ^ (hash >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    ((mixed >> 32) as usize * lanes) >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(subject: &str, parts: u32, expected: &str) {
        let mut lane = String::new();
        lane_into(&mut lane, subject, parts);
        assert_eq!(lane, expected);
    }

    #[test]
    fn a_unit_has_exactly_its_parts_whatever_the_subject_has() {
        check("a/b/c", 1, "a/");
        check("a/b/c", 2, "a/b/");
        check("a", 2, "a//");
        check("a/", 2, "a//");
        check("", 1, "/");
        check("a//c", 2, "a//");
    }

    #[test]
    fn subjects_of_one_unit_go_to_one_lane_and_units_spread() {
        for (one, other, parts) in [("a/b/c", "a/b/d", 2), ("a", "a/", 2), ("a//c", "a", 2), ("x/1", "x/2/3", 1)] {
            assert_eq!(lane_of(one, parts, 7), lane_of(other, parts, 7), "{one} {other}");
        }
        let mut counts = [0; 2];
        (0..1_000).for_each(|number| counts[lane_of(&format!("carrier-{number}/x"), 1, 2)] += 1);
        assert!(counts.iter().all(|count| *count > 350), "{counts:?}");
    }
}
