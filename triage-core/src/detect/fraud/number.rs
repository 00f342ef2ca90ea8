//! Dialled numbers: which of them leave the country, and where they go.
//!
//! What a number means depends on where the host stands and on what its dialplan adds, and neither is known for certain. So a number counts as
//! international only where it can hardly be anything else, and what it costs is one sign among several.

use crate::builtin::BUILTIN_RULES;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::LazyLock;

/// A kind of destination that published lists name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    Premium,
    Satellite,
    Watched,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format_version: u32,
    sources: BTreeMap<String, String>,
    destinations: Vec<Entry>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    prefix: String,
    name: String,
    kind: Kind,
    source: String,
}

static TABLE: LazyLock<Vec<Entry>> = LazyLock::new(|| {
    let files = BUILTIN_RULES.iter().filter(|(name, _)| name.starts_with("fraud/"));
    // Ours are valid; a test holds them to it.
    files
        .filter_map(|(_, text)| serde_saphyr::from_str::<File>(text).ok())
        .filter(|file| file.format_version == 1)
        .flat_map(|file| file.destinations.into_iter().filter(move |entry| file.sources.contains_key(&entry.source)))
        .collect()
});

/// Country codes of one and of two digits (ITU-T E.164); every other has three. In the North American plan the area tells the country.
const TWO: [&[u8]; 44] = [
    b"20", b"27", b"30", b"31", b"32", b"33", b"34", b"36", b"39", b"40", b"41", b"43", b"44", b"45", b"46", b"47",
    b"48", b"49", b"51", b"52", b"53", b"54", b"55", b"56", b"57", b"58", b"60", b"61", b"62", b"63", b"64", b"65",
    b"66", b"81", b"82", b"84", b"86", b"90", b"91", b"92", b"93", b"94", b"95", b"98",
];

/// The part of an international number that says where it goes: the country code, in North America with the area.
pub(super) fn destination(number: &[u8]) -> &[u8] {
    let length = match number {
        [b'1', ..] => 4,
        [b'7', ..] => 1,
        _ if number.get(..2).is_some_and(|code| TWO.contains(&code)) => 2,
        _ => 3,
    };
    number.get(..length).unwrap_or(number)
}

/// What is known of a destination: its name and kind.
pub(super) fn known(number: &[u8]) -> Option<(&'static str, Kind)> {
    let fits = TABLE.iter().filter(|entry| number.starts_with(entry.prefix.as_bytes()));
    fits.max_by_key(|entry| entry.prefix.len()).map(|entry| (entry.name.as_str(), entry.kind))
}

/// The number in international form without `+`, where one was dialled that leaves the country; in North America also for another area that is
/// in a list.
///
/// `+`, `00` and `011` lead abroad, behind a digit for an outside line or not. Area codes of the United Kingdom and Italy begin with `011` too, and
/// their numbers are shorter.
pub(super) fn international(dialled: &[u8]) -> Option<&[u8]> {
    let (number, least) = if let Some(rest) = dialled.strip_prefix(b"+") {
        (rest, 8)
    } else if let Some(rest) = dialled.strip_prefix(b"011").or_else(|| dialled.strip_prefix(b"9011")) {
        (rest, 9)
    } else if let Some(rest) = dialled.strip_prefix(b"900").or_else(|| dialled.strip_prefix(b"000")) {
        // A digit for an outside line; a number of 900 in North America is shorter.
        (rest, 10)
    } else {
        (dialled.strip_prefix(b"00")?, 8)
    };
    let is_number = number.iter().all(u8::is_ascii_digit) && number.first() != Some(&b'0');
    (is_number && (least..=15).contains(&number.len())).then_some(number)
}

/// A national number that is charged as no other, in North America: `1900…`, `900…` with seven digits behind.
pub(super) fn premium(dialled: &[u8]) -> Option<&[u8]> {
    let number =
        dialled.strip_prefix(b"9").filter(|rest| rest.starts_with(b"1900") && rest.len() == 11).unwrap_or(dialled);
    (number.len() == 11 && number.starts_with(b"1900") && number.iter().all(u8::is_ascii_digit)).then_some(number)
}

/// Says whether a number is one outside: longer than any extension.
pub(super) fn is_outside(dialled: &[u8]) -> bool {
    let digits = dialled.strip_prefix(b"+").unwrap_or(dialled);
    digits.len() >= 7 && digits.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_valid_and_each_line_names_its_source() {
        let mut entries = 0;
        for (name, text) in BUILTIN_RULES.iter().filter(|(name, _)| name.starts_with("fraud/")) {
            let file: File = serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(file.format_version, 1);
            for entry in file.destinations {
                assert!(file.sources.contains_key(&entry.source), "{}", entry.prefix);
                assert!(entry.prefix.bytes().all(|byte| byte.is_ascii_digit()) && !entry.name.is_empty());
                entries += 1;
            }
        }
        assert_eq!(TABLE.len(), entries);
        assert!(entries > 10);
    }

    #[test]
    fn what_leaves_the_country_is_told_from_what_does_not() {
        for (dialled, number) in [
            ("+37129123456", Some("37129123456")),
            ("0037129123456", Some("37129123456")),
            ("01137129123456", Some("37129123456")),
            ("901137129123456", Some("37129123456")),
            ("90037129123456", Some("37129123456")),
            ("100", None),
            ("*97", None),
            ("03012345678", None),
            ("12125551234", None),
            ("01132345678", None),
            ("0115551234", None),
            ("9002345678", None),
            ("s", None),
            ("", None),
        ] {
            assert_eq!(international(dialled.as_bytes()), number.map(str::as_bytes), "{dialled}");
        }
        assert_eq!(destination(b"37129123456"), b"371");
        assert_eq!(destination(b"442071838750"), b"44");
        assert_eq!(destination(b"18095551234"), b"1809");
        assert_eq!(known(b"18095551234").map(|(_, kind)| kind), Some(Kind::Watched));
        assert_eq!(known(b"442071838750"), None);
        assert!(premium(b"19005551234").is_some() && premium(b"12125551234").is_none());
    }
}
