//! The journal of systemd: binary files that are read without journald (<https://systemd.io/JOURNAL_FILE_FORMAT/>).
//!
//! A journal is a file of objects that name one another by offset. On a host in an intruder's hands each of those may lie, so
//! no chain is trusted: the objects are met one after the other by their place, each once. The list of entries in the file is used besides, to
//! find entries that a lying size would hide. Every look-up has a budget, unclean and cut files are read as far as they go, and what made no
//! sense is a gap. The hash tables are not used, so that it does not matter how they are keyed; nor are the seals, which only the host's own key can check.

mod data;
mod file;
mod select;

use super::Limits;
use crate::model::{EvidencePath, Gap, GapReason, JournalEntry, JournalFile, Outcome, RawText, Silence, Timestamp};
use data::Budget;
use file::{Entry, File};
use serde::Serialize;
use std::collections::BTreeSet;

/// The longest message that is kept, in bytes.
const LONGEST: usize = 4096;

/// The longest other field that is kept, in bytes.
const LONGEST_FIELD: usize = 512;

/// The most fields of an entry that are looked at; journald itself takes no more.
const MAX_ITEMS: usize = 1024;

/// What a journal file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Journal {
    /// What it covers; none where it is no journal.
    pub file: Option<JournalFile>,
    /// The entries of programs that are of interest, in the order in which they were written.
    pub entries: Vec<JournalEntry>,
}

/// Reads a journal.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Journal> {
    let mut gaps = Vec::new();
    let mut gap = |reason, detail: String| gaps.push(Gap::new(path.clone(), reason, detail));
    let file = match File::open(bytes) {
        Ok(file) => file,
        Err(why) => {
            if !bytes.is_empty() {
                gap(GapReason::Unreadable, why.to_owned());
            }
            return Outcome { value: Journal { file: None, entries: Vec::new() }, gaps };
        }
    };
    let found = file.entries();
    if found.skipped > 0 {
        gap(GapReason::Unreadable, format!("{} bytes between its objects make no sense", found.skipped));
    }
    if file.is_cut() {
        gap(GapReason::Unreadable, "it is shorter than its header says: what was behind the cut is lost".to_owned());
    }
    let mut cover = Cover::new(path, &file);
    let mut entries = Vec::new();
    let mut budget = Budget::of(bytes);
    let mut is_full = false;
    for entry in found.offsets.iter().filter_map(|&offset| file.entry(offset)) {
        cover.add(&entry);
        if is_full {
            continue;
        }
        let Some(record) = record(path, &file, &entry, &mut budget) else { continue };
        if entries.len() >= limits.max_records {
            is_full = true;
            gap(GapReason::LimitReached, format!("more than {} records", limits.max_records));
            continue;
        }
        entries.push(record);
    }
    if let Some(why) = budget.trouble() {
        gap(GapReason::LimitReached, why);
    }
    cover.file.entries_selected = entries.len() as u64;
    // An unclean file's header lags behind by what was written last, and then says less than there is.
    if cover.file.entries < cover.file.entries_stated {
        let detail =
            format!("its header counts {} entries and {} were found", cover.file.entries_stated, cover.file.entries);
        gap(GapReason::Unreadable, detail);
    }
    Outcome { value: Journal { file: Some(cover.finish()), entries }, gaps }
}

/// Says what a file covers while its entries are met.
struct Cover {
    file: JournalFile,
    boots: BTreeSet<[u8; 16]>,
    before: Option<(u64, [u8; 16], u64)>,
    /// Times of the entries, to find the longest silence whatever the order.
    times: Vec<u64>,
}

impl Cover {
    fn new(path: &EvidencePath, file: &File<'_>) -> Self {
        let state = match file.state {
            0 => "offline",
            1 => "online",
            2 => "archived",
            _ => "unknown",
        };
        let file = JournalFile {
            path: path.clone(),
            machine_id: super::dpkg::hex(&file.machine_id),
            state: state.to_owned(),
            entries_stated: file.entry_count,
            entries: 0,
            entries_selected: 0,
            first: None,
            last: None,
            silence: None,
            missing_sequence_numbers: 0,
            boots: 0,
            backward_steps: 0,
        };
        Self { file, boots: BTreeSet::new(), before: None, times: Vec::new() }
    }

    fn add(&mut self, entry: &Entry<'_>) {
        self.file.entries += 1;
        // A genuine file has hundreds of boots at most.
        if self.boots.len() < 100_000 {
            self.boots.insert(entry.boot);
        }
        if let Some((time, boot, sequence)) = self.before {
            if boot == entry.boot && entry.time < time {
                self.file.backward_steps += 1;
            }
            let missing = entry.sequence.saturating_sub(sequence).saturating_sub(1);
            self.file.missing_sequence_numbers = self.file.missing_sequence_numbers.saturating_add(missing);
        }
        self.before = Some((entry.time, entry.boot, entry.sequence));
        self.times.push(entry.time);
    }

    fn finish(mut self) -> JournalFile {
        self.times.sort_unstable();
        self.file.boots = self.boots.len() as u64;
        self.file.first = self.times.first().copied().map(micros);
        self.file.last = self.times.last().copied().map(micros);
        let pairs = self.times.iter().zip(self.times.iter().skip(1));
        let longest = pairs.max_by_key(|(from, to)| to.saturating_sub(**from));
        self.file.silence = longest.map(|(from, to)| Silence { from: micros(*from), to: micros(*to) });
        self.file
    }
}

/// The fields of an entry that are of use.
#[derive(Default)]
struct Fields<'a> {
    identifier: Option<&'a [u8]>,
    comm: Option<&'a [u8]>,
    exe: Option<&'a [u8]>,
    hostname: Option<&'a [u8]>,
    unit: Option<&'a [u8]>,
    about_unit: Option<&'a [u8]>,
    pid: Option<&'a [u8]>,
    claimed_pid: Option<&'a [u8]>,
    uid: Option<&'a [u8]>,
    priority: Option<&'a [u8]>,
    transport: Option<&'a [u8]>,
    job_type: Option<&'a [u8]>,
    message: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn take(&mut self, payload: &'a [u8]) {
        let Some((name, value)) =
            super::line::split_once(payload.get(..payload.len().min(64)).unwrap_or_default(), b"=")
                .and_then(|(name, _)| Some((name, payload.get(name.len() + 1..)?)))
        else {
            return;
        };
        let place = match name {
            b"SYSLOG_IDENTIFIER" => &mut self.identifier,
            b"_COMM" => &mut self.comm,
            b"_EXE" => &mut self.exe,
            b"_HOSTNAME" => &mut self.hostname,
            b"_SYSTEMD_UNIT" => &mut self.unit,
            b"UNIT" => &mut self.about_unit,
            b"_PID" => &mut self.pid,
            b"SYSLOG_PID" => &mut self.claimed_pid,
            b"_UID" => &mut self.uid,
            b"PRIORITY" => &mut self.priority,
            b"_TRANSPORT" => &mut self.transport,
            b"JOB_TYPE" => &mut self.job_type,
            b"MESSAGE" => &mut self.message,
            _ => return,
        };
        // The first counts; journald writes some fields twice.
        place.get_or_insert(value);
    }
}

/// The record of an entry, if it is of interest.
fn record(path: &EvidencePath, file: &File<'_>, entry: &Entry<'_>, budget: &mut Budget) -> Option<JournalEntry> {
    let mut fields = Fields::default();
    let mut packed = Vec::new();
    for offset in file.items(entry).take(MAX_ITEMS) {
        if !budget.look() {
            return None;
        }
        let Some(data) = file.data(offset) else { continue };
        if data.is_packed() { packed.push(data) } else { fields.take(data.payload) }
    }
    // Names are short and never packed; a packed field can only be the message of an entry that is of interest anyhow, or no business of ours.
    if !select::may_be_of_interest(&fields) {
        return None;
    }
    let unpacked: Vec<Vec<u8>> = packed.iter().filter_map(|data| budget.unpack(data)).collect();
    for payload in &unpacked {
        fields.take(payload);
    }
    if !select::is_of_interest(&fields) {
        return None;
    }
    let message = fields.message.unwrap_or_default();
    let field = |value: Option<&[u8]>| {
        RawText::from(value.map(|value| value.get(..LONGEST_FIELD).unwrap_or(value)).unwrap_or_default())
    };
    Some(JournalEntry {
        path: path.clone(),
        sequence: entry.sequence,
        time: micros(entry.time),
        boot_id: super::dpkg::hex(&entry.boot),
        hostname: field(fields.hostname),
        identifier: field(fields.identifier),
        unit: field(fields.about_unit.or(fields.unit)),
        pid: number(fields.pid.or(fields.claimed_pid)),
        uid: number(fields.uid),
        comm: field(fields.comm),
        exe: field(fields.exe),
        priority: number(fields.priority),
        message: RawText::from(message.get(..LONGEST).unwrap_or(message)),
        is_cut: message.len() > LONGEST,
    })
}

fn number<T: std::str::FromStr>(text: Option<&[u8]>) -> Option<T> {
    std::str::from_utf8(text?).ok()?.parse().ok()
}

fn micros(count: u64) -> Timestamp {
    let nanoseconds = u32::try_from(count % 1_000_000).unwrap_or(0) * 1000;
    Timestamp::new(i64::try_from(count / 1_000_000).unwrap_or(i64::MAX), nanoseconds)
}

#[cfg(test)]
mod tests;
