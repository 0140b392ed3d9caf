//! Which of several names somebody may have meant.

/// Differences between two names that may be a slip.
const SLIPS_MAX: usize = 1;

/// The name that is most like this one, if one is like enough.
pub fn similar<'a>(name: &str, others: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    // In a very short name, another letter is another word.
    let most = SLIPS_MAX.min(name.chars().count() / 4);
    // Versions of one type are no slips.
    let worded = |text: &str| text.replace(|letter: char| letter.is_ascii_digit(), "");
    let others = others.filter(|other| worded(other) != worded(name));
    let near = others.map(|other| (slips(name, other), other)).filter(|(slips, _)| *slips <= most);
    near.min().map(|(_, other)| other)
}

/// Letters to add, leave out or change until one is the other (Wagner and Fischer, 1974).
fn slips(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (above, letter) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (at, with) in other.iter().enumerate() {
            let change = diagonal + usize::from(letter != *with);
            diagonal = row[at + 1];
            row[at + 1] = change.min(row[at] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_known_and_another_word_is_not() {
        let known = ["order.placed", "order.priced", "order.placed.v2", "cart"];
        let found = |name: &str| similar(name, known.into_iter());
        assert_eq!(found("order.place"), Some("order.placed"));
        assert_eq!(found("oder.placed"), Some("order.placed"));
        assert_eq!(found("order.pricd"), Some("order.priced"));
        assert_eq!(similar("order.placed", ["order.priced"].into_iter()), None);
        assert_eq!((found("order.shipped"), similar("order.placed.v1", ["order.placed.v2"].into_iter())), (None, None));
        assert_eq!(found("card"), Some("cart"));
        assert_eq!(found("cat"), None);
        assert_eq!((slips("", "abc"), slips("kitten", "sitting"), slips("same", "same")), (3, 3, 0));
    }
}
