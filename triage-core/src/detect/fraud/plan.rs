//! How this host dials: the digits before a number that its own outbound routes take off, and the prefix that leaves the country where it stands.
//!
//! [`number`] knows the prefixes of most of the world, bare and behind the usual digits for an outside line. Where the rows of the PBX were
//! read they say more: an outside line of `8` or of `77`, a country that is left by `0011` or `010`. A number that they make plain is given as
//! `+` and the number; all others are left as they are, so a host whose rows are not known is judged as before.

use super::number;
use crate::model::DatabaseRow;
use std::borrow::Cow;
use std::collections::BTreeSet;

/// The most digits that get an outside line, and the most of them that are kept.
const OUTSIDE: usize = 4;
const KEPT: usize = 32;

/// Prefixes that leave a country and are in no other's list, by Asterisk's name of its tones (`TONEZONE`; ITU-T list of dialling procedures). Where a choice of carrier
/// is part of it, only those without are here.
const COUNTRIES: [(&[u8], &[&[u8]]); 9] = [
    (b"au", &[b"0011"]),
    (b"jp", &[b"010"]),
    (b"ru", &[b"810"]),
    (b"hk", &[b"001"]),
    (b"th", &[b"001", b"007"]),
    (b"kr", &[b"001", b"002"]),
    (b"sg", &[b"001", b"002", b"008"]),
    (b"tw", &[b"002"]),
    (b"il", &[b"012", b"013", b"014"]),
];

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Plan {
    /// Digits before a number that a route takes off.
    outside: BTreeSet<Vec<u8>>,
    /// Prefixes that leave the country.
    abroad: BTreeSet<Vec<u8>>,
}

impl Plan {
    /// Learns from a row, where it says something.
    pub(super) fn learn(&mut self, row: &DatabaseRow) {
        match row.table.as_bytes() {
            b"outbound_route_patterns" => {
                let prefix = row.text("match_pattern_prefix");
                let is_digits = !prefix.is_empty() && prefix.iter().all(u8::is_ascii_digit);
                // Longer ones name whom they call, as country codes do that a route takes off.
                if is_digits
                    && prefix.len() <= OUTSIDE
                    && number::international(&long(prefix)).is_none()
                    && self.outside.len() < KEPT
                {
                    self.outside.insert(prefix.to_vec());
                }
            }
            b"freepbx_settings" if row.text("keyword") == b"TONEZONE" => {
                let zone = row.text("value").to_ascii_lowercase();
                let known = COUNTRIES.iter().filter(|(name, _)| *name == zone);
                self.abroad.extend(known.flat_map(|(_, prefixes)| prefixes.iter().map(|prefix| prefix.to_vec())));
            }
            _ => {}
        }
    }

    /// The number as `+` and its digits, where it leaves the country by what is known of this host; else as it was dialled.
    pub(super) fn plain<'a>(&self, dialled: &'a [u8]) -> Cow<'a, [u8]> {
        let is_known = |number: &[u8]| number::international(number).is_some() || number::premium(number).is_some();
        let bare = self.outside.iter().filter_map(|prefix| dialled.strip_prefix(prefix.as_slice()));
        // ORDER: what is known of the country counts before what is known of the world, which would read `0011` as `00` and `11`.
        for number in std::iter::once(dialled).chain(bare.clone()).filter(|_| !self.abroad.is_empty()) {
            for rest in self.abroad.iter().filter_map(|prefix| number.strip_prefix(prefix.as_slice())) {
                let plus = [b"+", rest].concat();
                // National numbers begin with some of these digits too, and are shorter.
                if rest.len() >= 9 && number::international(&plus).is_some() {
                    return Cow::Owned(plus);
                }
            }
        }
        let number = std::iter::once(dialled).chain(bare).find(|number| is_known(number));
        Cow::Borrowed(number.unwrap_or(dialled))
    }
}

/// A prefix with a number behind it.
fn long(prefix: &[u8]) -> Vec<u8> {
    [prefix, b"442079460000"].concat()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::model::{DatabaseColumn, DatabaseFrom, DatabaseValue, EvidencePath};

    fn row(table: &str, columns: &[(&str, &str)]) -> DatabaseRow {
        let column = |(name, value): &(&str, &str)| DatabaseColumn {
            name: (*name).into(),
            value: DatabaseValue::Text((*value).into()),
        };
        DatabaseRow {
            path: EvidencePath::new("/run/mysqld/mysqld.sock").unwrap(),
            from: DatabaseFrom::Live,
            line: None,
            database: "asterisk".into(),
            table: table.into(),
            key: Vec::new(),
            digest: None,
            columns: columns.iter().map(column).collect(),
        }
    }

    fn plan(prefixes: &[&str], zone: &str) -> Plan {
        let mut plan = Plan::default();
        for prefix in prefixes {
            plan.learn(&row(
                "outbound_route_patterns",
                &[("match_pattern_prefix", prefix), ("match_pattern_pass", "X.")],
            ));
        }
        plan.learn(&row("freepbx_settings", &[("keyword", "TONEZONE"), ("value", zone)]));
        plan
    }

    #[test]
    fn an_outside_line_of_ones_own_hides_no_call_abroad() {
        let plan = plan(&["77", "8"], "us");
        assert_eq!(&*plan.plain(b"77011442079460000"), b"011442079460000");
        assert_eq!(&*plan.plain(b"800442079460000"), b"00442079460000");
        for dialled in [&b"77442079"[..], b"8123", b"101", b"772125550123", b"00442079460000"] {
            assert_eq!(&*plan.plain(dialled), dialled);
        }
        // Without rows nothing is known of such digits.
        assert_eq!(&*Plan::default().plain(b"77011442079460000"), b"77011442079460000");
    }

    #[test]
    fn a_country_is_left_by_its_own_prefix() {
        let australia = plan(&["0"], "au");
        assert_eq!(&*australia.plain(b"0011442079460000"), b"+442079460000");
        assert_eq!(&*australia.plain(b"00011442079460000"), b"+442079460000");
        let japan = plan(&[], "jp");
        assert_eq!(&*japan.plain(b"010442079460000"), b"+442079460000");
        // A number at home that begins alike.
        assert_eq!(&*japan.plain(b"0101234567"), b"0101234567");
        assert_eq!(&*plan(&[], "uk").plain(b"0101234567890"), b"0101234567890");
    }

    #[test]
    fn what_a_route_takes_off_of_a_country_is_no_outside_line() {
        let plan = plan(&["00", "011", "+", "12345"], "us");
        assert!(plan.outside.is_empty());
    }
}
