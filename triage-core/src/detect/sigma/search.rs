//! The searches of a rule: fields with values and modifiers, and keywords.

use super::condition::{better, union};
use super::event::{Event, Field};
use super::glob::Glob;
use super::source::Reads;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD as BASE64;
use core::net::IpAddr;
use regex::bytes::{Regex, RegexBuilder};
use serde_json::Value;

/// The most values of one field.
const VALUES: usize = 5000;
/// Bytes that a compiled regular expression may have.
const REGEX: usize = 1 << 20;
/// Words that are shorter stand nearly everywhere.
const WORD: usize = 3;

/// Something that a line has or has not.
#[derive(Clone, Debug)]
pub(super) enum Search {
    All(Vec<Search>),
    Any(Vec<Search>),
    Item(Item),
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    /// None for keywords.
    field: Option<Field>,
    is_all: bool,
    is_negated: bool,
    tests: Vec<Test>,
}

#[derive(Clone, Debug)]
enum Test {
    Glob(Glob),
    Regex(Regex),
    Network(IpAddr, u8),
    /// The field is not there.
    Null,
    Exists(bool),
    Compare(std::cmp::Ordering, bool, i64),
    Same(Field, Edge),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    Whole,
    Contains,
    Start,
    End,
}

/// The modifiers of one field.
#[expect(clippy::struct_excessive_bools, reason = "each is a word that stands there or does not")]
struct Modifiers {
    edge: Edge,
    is_all: bool,
    is_cased: bool,
    is_negated: bool,
    regex: Option<(bool, bool, bool)>,
    is_network: bool,
    is_existence: bool,
    compare: Option<(std::cmp::Ordering, bool)>,
    windash: bool,
    base64: Option<bool>,
    is_reference: bool,
}

impl Search {
    /// Reads one search of a rule.
    pub(super) fn parse(value: &Value, reads: &Reads) -> Result<Self, String> {
        match value {
            Value::Object(map) => {
                let items = map.iter().map(|(key, value)| Item::parse(key, value, reads).map(Self::Item));
                Ok(Self::All(items.collect::<Result<_, _>>()?))
            }
            Value::Array(list) if list.iter().all(Value::is_object) && !list.is_empty() => {
                Ok(Self::Any(list.iter().map(|part| Self::parse(part, reads)).collect::<Result<_, _>>()?))
            }
            Value::Array(list) if list.iter().any(|part| part.is_object() || part.is_array()) => {
                Err("a search mixes keywords with fields".to_owned())
            }
            _ => Ok(Self::Item(Item::parse("", value, reads)?)),
        }
    }

    pub(super) fn holds(&self, event: &Event<'_>) -> bool {
        match self {
            Self::All(parts) => parts.iter().all(|part| part.holds(event)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(event)),
            Self::Item(item) => item.holds(event),
        }
    }

    pub(super) fn words(&self) -> Option<Vec<Vec<u8>>> {
        match self {
            Self::All(parts) => better(parts.iter().map(Self::words)),
            Self::Any(parts) => union(parts.iter().map(Self::words)),
            Self::Item(item) => item.words(),
        }
    }

    /// Says whether it asks for the field.
    pub(super) fn asks(&self, field: Field) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.asks(field)),
            Self::Item(item) => item.field == Some(field),
        }
    }
}

impl Item {
    fn parse(key: &str, value: &Value, reads: &Reads) -> Result<Self, String> {
        let mut parts = key.split('|');
        let name = parts.next().unwrap_or_default();
        let modifiers = Modifiers::parse(parts)?;
        let field = match name {
            "" => None,
            name => {
                Some(Field::parse(name, reads.is_web()).ok_or_else(|| format!("these logs have no field `{name}`"))?)
            }
        };
        let one = std::slice::from_ref(value);
        let values = value.as_array().map_or(one, Vec::as_slice);
        if values.is_empty() || values.len() > VALUES {
            return Err(format!("`{key}` has {} values", values.len()));
        }
        let mut tests = Vec::new();
        for value in values {
            modifiers.tests(key, value, field.is_none(), reads, &mut tests)?;
        }
        Ok(Self { field, is_all: modifiers.is_all, is_negated: modifiers.is_negated, tests })
    }

    fn holds(&self, event: &Event<'_>) -> bool {
        let test = |test: &Test| match self.field {
            Some(field) => test.holds(event, field),
            None => event.texts.iter().any(|text| test.fits(text)),
        };
        let found = if self.is_all { self.tests.iter().all(test) } else { self.tests.iter().any(test) };
        found != self.is_negated
    }

    fn words(&self) -> Option<Vec<Vec<u8>>> {
        if self.is_negated || matches!(self.field, Some(Field::Status | Field::Bytes)) {
            return None;
        }
        let words = self.tests.iter().map(|test| {
            let Test::Glob(glob) = test else { return None };
            Some(glob.word()).filter(|word| word.len() >= WORD).map(|word| vec![word])
        });
        if self.is_all { better(words) } else { union(words) }
    }
}

impl Test {
    fn holds(&self, event: &Event<'_>, field: Field) -> bool {
        match self {
            Self::Null => event.values(field).next().is_none(),
            Self::Exists(wanted) => event.values(field).next().is_some() == *wanted,
            Self::Same(other, edge) => event.values(field).any(|value| {
                event.values(*other).any(|other| {
                    let glob = Glob::literal(other, false);
                    glob.open(matches!(edge, Edge::Contains | Edge::End), matches!(edge, Edge::Contains | Edge::Start))
                        .matches(value)
                })
            }),
            test => event.values(field).any(|value| test.fits(value)),
        }
    }

    fn fits(&self, text: &[u8]) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(text),
            Self::Regex(regex) => regex.is_match(text),
            Self::Network(network, bits) => address(text).is_some_and(|address| is_in(address, *network, *bits)),
            Self::Compare(order, or_equal, than) => {
                let number: Option<i64> = std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok());
                number.is_some_and(|number| number.cmp(than) == *order || (*or_equal && number == *than))
            }
            Self::Null | Self::Exists(_) | Self::Same(..) => false,
        }
    }
}

fn address(text: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn is_in(address: IpAddr, network: IpAddr, bits: u8) -> bool {
    let (a, b, width) = match (address.to_canonical(), network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(a.to_bits()), u128::from(b.to_bits()), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (a.to_bits(), b.to_bits(), 128),
        _ => return false,
    };
    bits == 0 || (a ^ b) >> (width - u32::from(bits)) == 0
}

impl Modifiers {
    fn parse<'a>(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        use std::cmp::Ordering::{Greater, Less};
        let mut all = Self {
            edge: Edge::Whole,
            is_all: false,
            is_cased: false,
            is_negated: false,
            regex: None,
            is_network: false,
            is_existence: false,
            compare: None,
            windash: false,
            base64: None,
            is_reference: false,
        };
        for word in words {
            match (word, all.regex.as_mut()) {
                ("contains", _) => all.edge = Edge::Contains,
                ("startswith", _) => all.edge = Edge::Start,
                ("endswith", _) => all.edge = Edge::End,
                ("all", _) => all.is_all = true,
                ("cased", _) => all.is_cased = true,
                ("neq", _) => all.is_negated = true,
                ("re", _) => all.regex = Some((false, false, false)),
                ("i", Some(flags)) => flags.0 = true,
                ("m", Some(flags)) => flags.1 = true,
                ("s", Some(flags)) => flags.2 = true,
                ("cidr", _) => all.is_network = true,
                ("exists", _) => all.is_existence = true,
                ("lt", _) => all.compare = Some((Less, false)),
                ("lte", _) => all.compare = Some((Less, true)),
                ("gt", _) => all.compare = Some((Greater, false)),
                ("gte", _) => all.compare = Some((Greater, true)),
                ("windash", _) => all.windash = true,
                ("base64", _) => all.base64 = Some(false),
                ("base64offset", _) => all.base64 = Some(true),
                ("fieldref", _) => all.is_reference = true,
                (other, _) => return Err(format!("the modifier `{other}` is not evaluated")),
            }
        }
        Ok(all)
    }

    fn tests(
        &self,
        key: &str,
        value: &Value,
        is_keyword: bool,
        reads: &Reads,
        out: &mut Vec<Test>,
    ) -> Result<(), String> {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(truth) => truth.to_string(),
            Value::Null => {
                out.push(Test::Null);
                return Ok(());
            }
            _ => return Err(format!("`{key}` has a value that is a list or map")),
        };
        if self.is_existence {
            let wanted =
                value.as_bool().ok_or_else(|| format!("`{key}` has a value that is neither true nor false"))?;
            out.push(Test::Exists(wanted));
        } else if self.is_reference {
            let field =
                Field::parse(&text, reads.is_web()).ok_or_else(|| format!("these logs have no field `{text}`"))?;
            out.push(Test::Same(field, self.edge));
        } else if let Some((order, or_equal)) = self.compare {
            let number = text.parse().map_err(|_| format!("`{key}` has a value that is no number"))?;
            out.push(Test::Compare(order, or_equal, number));
        } else if self.is_network {
            out.push(network(&text).ok_or_else(|| format!("`{text}` is no network"))?);
        } else if let Some((i, m, s)) = self.regex {
            let regex = RegexBuilder::new(&text)
                .unicode(false)
                .case_insensitive(i)
                .multi_line(m)
                .dot_matches_new_line(s)
                .size_limit(REGEX)
                .build()
                .map_err(|error| format!("the regular expression `{text}`: {}", last_line(&error)))?;
            out.push(Test::Regex(regex));
        } else {
            self.globs(&text, is_keyword, out);
        }
        Ok(())
    }

    fn globs(&self, text: &str, is_keyword: bool, out: &mut Vec<Test>) {
        let before = is_keyword || matches!(self.edge, Edge::Contains | Edge::End);
        let after = is_keyword || matches!(self.edge, Edge::Contains | Edge::Start);
        if let Some(any_offset) = self.base64 {
            let offsets = if any_offset { 0..3 } else { 0..1 };
            for offset in offsets {
                let word = encoded(text.as_bytes(), offset);
                out.push(Test::Glob(Glob::literal(&word, true).open(before, after)));
            }
            return;
        }
        let dashes: &[&str] = if self.windash { &["-", "/", "\u{2013}", "\u{2014}", "\u{2015}"] } else { &["-"] };
        for dash in dashes {
            let text = if self.windash { with_dash(text, dash) } else { text.to_owned() };
            out.push(Test::Glob(Glob::parse(&text, self.is_cased).open(before, after)));
        }
    }
}

/// The text with another character where an option's dash stands: at its beginning or after a blank.
fn with_dash(text: &str, dash: &str) -> String {
    let mut out = String::new();
    let mut is_start = true;
    for c in text.chars() {
        if is_start && matches!(c, '-' | '/') {
            out.push_str(dash);
        } else {
            out.push(c);
        }
        is_start = c == ' ';
    }
    out
}

/// What of the encoded text does not depend on what stands `offset` bytes before it.
fn encoded(text: &[u8], offset: usize) -> Vec<u8> {
    let padded = [&vec![0; offset][..], text].concat();
    let encoded = BASE64.encode(&padded).into_bytes();
    // The characters that the bytes before it take part in, and those that the bytes after it do.
    let (start, cut) = ([0, 2, 3].get(offset).copied().unwrap_or(0), usize::from(!padded.len().is_multiple_of(3)));
    encoded.get(start..encoded.len().saturating_sub(cut)).unwrap_or_default().to_vec()
}

fn network(text: &str) -> Option<Test> {
    let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let bits = bits.map_or(Some(most), |bits| bits.parse().ok())?;
    (bits <= most).then_some(Test::Network(address, bits))
}

fn last_line(error: &regex::Error) -> String {
    error.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}
