//! The order of `FreePBX`'s versions: that of PHP's `version_compare`, with letters in lower case (`version_compare_freepbx` of the framework).

use std::cmp::Ordering;

/// The longest version that is compared, in parts; a longer one is cut.
const MAX_PARTS: usize = 40;

/// A part of a version, in the order of `version_compare`: any other word, `dev`, `alpha`, `beta`, `RC`, the end, a number, `pl`.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Word(u8),
    Number(u64),
}

impl Part {
    fn rank(&self) -> u8 {
        match self {
            Self::Word(rank) => *rank,
            Self::Number(_) => 5,
        }
    }

    fn of(text: &str) -> Self {
        if text.bytes().all(|b| b.is_ascii_digit()) {
            return Self::Number(text.parse().unwrap_or(u64::MAX));
        }
        Self::Word(match text {
            "dev" => 1,
            "alpha" | "a" => 2,
            "beta" | "b" => 3,
            "rc" | "c" => 4,
            "pl" | "p" => 6,
            _ => 0,
        })
    }
}

/// `17.0.3rc1` as `17`, `0`, `3`, `rc`, `1`.
fn parts(version: &str) -> Vec<Part> {
    let lower = version.trim().to_ascii_lowercase();
    let mut texts: Vec<String> = Vec::new();
    let mut before: Option<bool> = None;
    for c in lower.chars() {
        let is_digit = c.is_ascii_digit();
        if !c.is_ascii_alphanumeric() {
            before = None;
            continue;
        }
        if before == Some(is_digit) {
            if let Some(last) = texts.last_mut() {
                last.push(c);
            }
        } else {
            texts.push(c.to_string());
        }
        before = Some(is_digit);
    }
    texts.iter().take(MAX_PARTS).map(|text| Part::of(text)).collect()
}

/// Compares two versions.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (parts(a), parts(b));
    for at in 0..a.len().max(b.len()) {
        let order = match (a.get(at), b.get(at)) {
            (Some(Part::Number(a)), Some(Part::Number(b))) => a.cmp(b),
            (Some(a), Some(b)) => a.rank().cmp(&b.rank()),
            // A number more makes it later, a word before `#` makes it earlier.
            (Some(more), None) => more.rank().cmp(&5).then(Ordering::Greater),
            (None, Some(more)) => more.rank().cmp(&5).then(Ordering::Greater).reverse(),
            (None, None) => Ordering::Equal,
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// The first number, which is the release of `FreePBX` that the module is for.
pub(super) fn stream(version: &str) -> Option<u64> {
    match parts(version).first() {
        Some(Part::Number(number)) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn versions_are_in_the_order_of_php() {
        // Each pair was given to PHP 8.2's version_compare, with the letters in lower case but for RC.
        for (a, b) in [
            ("17.0.2.36", "17.0.3"),
            ("16.0.9", "16.0.10"),
            ("17.0.3alpha1", "17.0.3beta1"),
            ("17.0.3beta1", "17.0.3rc1"),
            ("17.0.3RC1", "17.0.3"),
            ("17.0.3", "17.0.3.1"),
            ("17.0.3", "17.0.3pl1"),
            ("17.0.3-dev", "17.0.3alpha"),
            ("17.0.3xyz", "17.0.3-dev"),
            ("2.9.0.8", "2.11.1.5"),
            ("13.0.197.13", "13.0.197.14"),
        ] {
            assert_eq!(compare(a, b), Ordering::Less, "{a} {b}");
            assert_eq!(compare(b, a), Ordering::Greater, "{b} {a}");
        }
        assert_eq!(compare("17.0.3", " 17-0_3 "), Ordering::Equal);
        assert_eq!((stream("17.0.3"), stream("x"), stream("")), (Some(17), None, None));
    }

    proptest! {
        #[test]
        fn it_is_an_order(a in "[0-9a-z.-]{0,12}", b in "[0-9a-z.-]{0,12}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            prop_assert_eq!(compare(&a, &a), Ordering::Equal);
        }
    }
}
