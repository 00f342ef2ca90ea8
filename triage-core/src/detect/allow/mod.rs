//! Allow-lists: findings that somebody has looked at, with the reason, until a day.
//!
//! Nothing is dropped for it. What an entry allows counts for no verdict, no sum and no plan, and stands in every report with the reason, because an
//! intruder's file can be allowed by mistake. So an entry is narrow (a rule at a place, or one content) and has an end, and a list comes
//! from the user's hand: never from the evidence. The format is specified in `docs/formats/allow.md`.

mod load;
#[cfg(test)]
mod tests;

pub use load::AllowError;

use crate::model::{Allowed, Digest, Finding, Pattern, Permit, RawText, RuleId, Subject, Timestamp};
use std::collections::BTreeSet;

/// Entries of one or several allow-lists.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    entries: Vec<Entry>,
    expired: Vec<Permit>,
}

#[derive(Clone, Debug)]
struct Entry {
    rule: Option<RuleId>,
    path: Option<Pattern>,
    sha256: Option<Digest>,
    text: Option<RawText>,
    permit: Permit,
}

impl AllowList {
    /// Reads an allow-list as of `now`. `name` is what messages call it.
    ///
    /// # Errors
    /// [`AllowError`], for the first mistake with its place in the file.
    pub fn read(name: &str, bytes: &[u8], now: Timestamp) -> Result<Self, AllowError> {
        load::read(name, bytes, now)
    }

    /// Takes over the entries of another list.
    pub fn join(&mut self, other: Self) {
        self.entries.extend(other.entries);
        self.expired.extend(other.expired);
    }

    /// Number of entries that hold.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Says whether no entry holds.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Entries whose last day is over. They allow nothing.
    pub fn expired(&self) -> &[Permit] {
        &self.expired
    }

    /// Parts findings into those that count and those that an entry allows: the first of them in the order of the lists. The entries that were
    /// of use go to `used`.
    pub(super) fn part(&self, findings: Vec<Finding>, used: &mut BTreeSet<usize>) -> (Vec<Finding>, Vec<Allowed>) {
        let (mut counted, mut allowed) = (Vec::new(), Vec::new());
        for finding in findings {
            let mut allowing = self.entries.iter().enumerate().filter(|(_, entry)| entry.allows(&finding));
            let Some((at, entry)) = allowing.next() else {
                counted.push(finding);
                continue;
            };
            used.insert(at);
            used.extend(allowing.map(|(at, _)| at));
            allowed.push(Allowed { finding, allowed_by: entry.permit.clone() });
        }
        (counted, allowed)
    }

    /// The entries that are not in `used`.
    pub(super) fn unused(&self, used: &BTreeSet<usize>) -> Vec<Permit> {
        let unused = self.entries.iter().enumerate().filter(|(at, _)| !used.contains(at));
        unused.map(|(_, entry)| entry.permit.clone()).collect()
    }
}

impl Entry {
    fn allows(&self, finding: &Finding) -> bool {
        self.rule.as_ref().is_none_or(|rule| *rule == finding.rule)
            && self.path.as_ref().is_none_or(|path| path.matches(finding.subject.path()))
            && self.sha256.is_none_or(|wanted| content(&finding.subject) == Some(wanted))
            && self.text.as_ref().is_none_or(|wanted| text(&finding.subject) == Some(wanted.as_bytes().trim_ascii()))
    }
}

/// The content that a finding is about; none where it was not read whole, or where a part of the file is meant.
fn content(subject: &Subject) -> Option<Digest> {
    match subject {
        Subject::File { sha256, .. } => *sha256,
        _ => None,
    }
}

/// What tells a subject from others at its path.
fn text(subject: &Subject) -> Option<&[u8]> {
    let text = match subject {
        Subject::CronEntry { text, .. } | Subject::Line { text, .. } => text,
        Subject::Account { name, .. } | Subject::Module { name, .. } | Subject::Kernel { name, .. } => name,
        Subject::Process { command_line, .. } => command_line,
        Subject::DatabaseRow { key, .. } => key,
        Subject::File { .. } => return None,
    };
    Some(text.as_bytes().trim_ascii())
}
