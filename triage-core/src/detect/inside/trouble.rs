//! What could not be looked into, as few gaps as tell it: one of a kind for each file, however many members it is about.

use super::member;
use crate::model::{EvidencePath, Gap, GapReason, escape};
use std::collections::BTreeMap;

/// Names that one gap has.
const NAMED: usize = 3;
/// Kinds of trouble that one file's gaps tell apart.
const KINDS: usize = 24;
/// What a gap says of the way on.
const HINT: &str = "`triage scan FILE` reads a tar or zip as evidence of its own, without these limits";

/// Why something was not looked into.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// A password is needed.
    Encrypted,
    /// A packing that this version does not read.
    Unsupported(String),
    /// It does not unpack, or not to its end.
    Damaged(String),
    /// Too many archives inside each other.
    Depth(u16),
    /// Entries of a zip share their bytes.
    Overlap,
    /// It can only be read with the whole in memory.
    TooLarge,
    /// A budget ended the walk here.
    Spent(String),
    /// A bundle of evidence that this tool made.
    Bundle,
    /// What a detector said of a member.
    Detector(GapReason, String),
    /// Whatever else there was, when so many kinds are known already.
    More,
}

impl Why {
    fn reason(&self) -> GapReason {
        match self {
            Self::Encrypted | Self::Damaged(_) | Self::More => GapReason::Unreadable,
            Self::Unsupported(_) => GapReason::Unsupported,
            Self::Depth(_) | Self::Overlap | Self::TooLarge | Self::Spent(_) => GapReason::LimitReached,
            Self::Bundle => GapReason::Omitted,
            Self::Detector(reason, _) => *reason,
        }
    }

    fn detail(&self, names: &str) -> String {
        match self {
            Self::Encrypted => format!("encrypted, and not looked into: {names}"),
            Self::Unsupported(how) => format!("packed with {how}, and not looked into: {names}"),
            Self::Damaged(how) => format!("looked into as far as it unpacks ({how}): {names}"),
            Self::Depth(depth) => {
                format!(
                    "more than {depth} archives inside each other; the innermost were not looked into: {names}; {HINT}"
                )
            }
            Self::Overlap => format!("entries of the zip share their bytes, as those of a bomb do: {names}"),
            Self::TooLarge => format!("only looked into where it fits into memory: {names}; {HINT}"),
            Self::Spent(what) => format!("{what}; what follows `{names}` was not looked into; {HINT}"),
            Self::Bundle => {
                format!("a bundle of evidence, not looked into here: `triage scan` it for itself ({names})")
            }
            Self::Detector(_, detail) => format!("{detail}, in {names}"),
            Self::More => format!("not looked into for other reasons: {names}"),
        }
    }
}

/// What was met, and where first.
#[derive(Debug, Default)]
pub(super) struct Troubles(BTreeMap<Why, (u64, Vec<Vec<u8>>)>);

impl Troubles {
    pub(super) fn add(&mut self, why: Why, name: &[u8]) {
        let is_known = self.0.len() < KINDS || self.0.contains_key(&why);
        let (count, names) = self.0.entry(if is_known { why } else { Why::More }).or_default();
        *count += 1;
        if names.len() < NAMED {
            names.push(name.to_vec());
        }
    }

    /// Takes over what another list has.
    pub(super) fn append(&mut self, other: Self) {
        for (why, (count, names)) in other.0 {
            let (known, shown) = self.0.entry(why).or_default();
            *known += count;
            shown.extend(names);
            shown.truncate(NAMED);
        }
    }

    /// The gaps of the file at `path`.
    pub(super) fn gaps(&self, path: &EvidencePath) -> impl Iterator<Item = Gap> {
        self.0.iter().map(|(why, (count, names))| {
            let mut text: Vec<String> = names.iter().map(|name| escape(member::short(name))).collect();
            for name in text.iter_mut().filter(|name| name.is_empty()) {
                "the file itself".clone_into(name);
            }
            let more = count.saturating_sub(text.len() as u64);
            let more = if more > 0 { format!(" and {more} more") } else { String::new() };
            Gap::new(path.clone(), why.reason(), why.detail(&(text.join(", ") + &more)))
        })
    }
}
