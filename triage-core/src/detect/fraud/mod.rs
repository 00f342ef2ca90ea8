//! Toll fraud: calls that nobody of the house made.
//!
//! It reads calls (`Master.csv`, rows of the database), Asterisk's security log, the live state and the spool, and holds them against what this
//! host does otherwise. Fraud needs no shell: credentials of a telephone are enough, so each of these speaks for itself. Nothing here
//! knows what a call costs; it says where calls went, how many, how long, by whom, and why that is odd.

mod book;
mod burst;
mod live;
mod number;
mod place;
mod plan;
mod sip;
mod tell;

pub(super) use place::is_local;

use super::log::Feeds;
use super::{Detector, HostContext, Report};
use crate::detect::log::LineSink;
use crate::model::{AsteriskAnswer, CallRecord, EvidencePath, Record};
use crate::parse::log_kind::{LogKind, family};
use crate::parse::log_time;
use crate::parse::master_csv::CsvCall;
use crate::sweep::{Swept, Window};
use book::{Book, Call};
use plan::Plan;
use sip::SipLog;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Answers of Asterisk that are kept.
const ANSWERS: usize = 64;
/// Files of the spool that are judged.
const SPOOLED: usize = 1_000;

/// How far a host's clock is ahead of UTC, from when on: learnt from logs that say so.
pub(super) type Offsets = Arc<Mutex<BTreeMap<i64, i32>>>;

/// Judges calls.
#[derive(Default)]
pub struct FraudDetector {
    calls: Feeds<CsvBook>,
    sip: Feeds<SipLog>,
    state: Mutex<State>,
    offsets: Offsets,
}

#[derive(Default)]
struct State {
    books: BTreeMap<EvidencePath, Book>,
    /// Rows of a database, by where it was read from.
    rows: BTreeMap<EvidencePath, Book>,
    sip: BTreeMap<EvidencePath, SipLog>,
    /// What its rows say of how this host dials.
    plan: Plan,
    answers: Vec<AsteriskAnswer>,
    spooled: BTreeMap<EvidencePath, Vec<u8>>,
}

/// The calls of one file.
struct CsvBook {
    book: Book,
    plan: Plan,
}

impl LineSink for CsvBook {
    fn line(&mut self, number: u64, text: &[u8]) {
        let call = CsvCall::parse(text);
        let time = call.as_ref().and_then(|call| log_time::iso(&call.start));
        let (Some(call), Some(time)) = (call, time) else {
            self.book.unread += u64::from(!text.is_empty());
            return;
        };
        self.book.add(&Call {
            start: time.on_its_clock(),
            src: &call.src,
            dst: &self.plan.plain(&call.dst),
            context: &call.context,
            channel: &call.channel,
            last_app: &call.last_app,
            billable: call.billable,
            is_answered: call.disposition.as_ref() == b"ANSWERED" && call.billable > 0,
            offset: None,
            line: Some(number),
        });
    }
}

impl FraudDetector {
    /// A detector that takes the host's offsets from UTC from what others learn.
    pub(super) fn with_offsets(offsets: Offsets) -> Self {
        Self { offsets, ..Self::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn row(&self, row: &CallRecord) {
        let Some(time) = log_time::iso(row.calldate.as_bytes()) else { return };
        let start = time.on_its_clock();
        let offset = row.time.and_then(|utc| i32::try_from(start - utc.seconds()).ok());
        let mut state = self.state();
        let State { rows, plan, .. } = &mut *state;
        let dialled = plan.plain(row.dst.as_bytes());
        if !rows.contains_key(&row.path) {
            rows.insert(row.path.clone(), Book::default());
        }
        let Some(book) = rows.get_mut(&row.path) else { return };
        book.add(&Call {
            start,
            src: row.src.as_bytes(),
            dst: &dialled,
            context: row.dcontext.as_bytes(),
            channel: row.channel.as_bytes(),
            last_app: row.lastapp.as_bytes(),
            billable: row.billable_seconds,
            is_answered: row.disposition.as_bytes() == b"ANSWERED" && row.billable_seconds > 0,
            offset: offset.filter(|offset| offset.abs() <= 15 * 3600),
            line: row.line,
        });
    }
}

impl Detector for FraudDetector {
    fn consider(&self, record: &Record, _: &mut Report) {
        match record {
            Record::Call(call) => self.row(call),
            Record::DatabaseRow(row) if row.from.is_current() => self.state().plan.learn(row),
            Record::AsteriskAnswer(answer) => {
                let mut state = self.state();
                if state.answers.len() < ANSWERS {
                    state.answers.push(answer.clone());
                }
            }
            _ => {}
        }
    }

    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        if !file.meta.is_file() {
            return;
        }
        match LogKind::at(file.path) {
            Some(LogKind::Calls) => {
                let sink = || CsvBook { book: Book::default(), plan: self.state().plan.clone() };
                if let Some(read) = self.calls.file(file, sink, &mut report.gaps) {
                    self.state().books.insert(file.path.clone(), read.book);
                }
            }
            Some(LogKind::AsteriskSecurity | LogKind::Asterisk) => {
                // What keeps it from being read is a gap of the detector of logs already.
                if let Some(read) = self.sip.file(file, SipLog::default, &mut Vec::new()) {
                    self.state().sip.insert(file.path.clone(), read);
                }
            }
            _ if is_spooled(file.path) => {
                let content = file.content.unwrap_or_default();
                let content = content.get(..4096).unwrap_or(content).to_vec();
                let mut state = self.state();
                if state.spooled.len() < SPOOLED {
                    state.spooled.insert(file.path.clone(), content);
                }
            }
            _ => {}
        }
    }

    fn inspect_window(&self, window: &Window<'_>, _: &mut Report) {
        match LogKind::at(window.file.path) {
            Some(LogKind::Calls) => {
                self.calls.part(window, || CsvBook { book: Book::default(), plan: self.state().plan.clone() });
            }
            Some(LogKind::AsteriskSecurity | LogKind::Asterisk) => self.sip.part(window, SipLog::default),
            _ => {}
        }
    }

    fn conclude(&self, _: &HostContext, report: &mut Report) {
        let state = std::mem::take(&mut *self.state());
        let mut sip: Vec<(&EvidencePath, &SipLog)> = state.sip.iter().collect();
        sip.sort_by_key(|(path, _)| (family(path).0, family(path).1.age()));
        let mut files: Vec<(EvidencePath, Book)> = state.books.into_iter().collect();
        files.sort_by_key(|(path, _)| (family(path).0, family(path).1.age()));
        let mut sources: BTreeMap<EvidencePath, Book> = BTreeMap::new();
        for (path, mut book) in files {
            book.path = Some(path.clone());
            sources.entry(family(&path).0).or_default().join(book);
        }
        for (path, mut book) in state.rows {
            book.path = Some(path.clone());
            sources.entry(path).or_default().join(book);
        }
        // Both are of the same calls; the one that tells more of them is believed, and the other is not told twice.
        let fullest = sources.iter().max_by_key(|(path, book)| (book.calls, std::cmp::Reverse((*path).clone())));
        let fullest = fullest.map(|(path, _)| path.clone());
        let learnt = self.offsets.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let logs: Vec<&SipLog> = sip.iter().map(|(_, log)| *log).collect();
        let stolen = sip::stolen(&logs);
        let mut book = fullest.and_then(|path| Some((sources.remove(&path)?, path)));
        if let Some((book, path)) = &mut book {
            let offsets = if book.offsets.is_empty() { learnt } else { book.offsets.clone() };
            tell::calls(path, book, &offsets, &stolen, report);
        }
        let book = book.as_ref().map(|(book, _)| book);
        if let Some((path, _)) = sip.iter().find(|_| !stolen.is_empty()) {
            tell::credentials(&family(path).0, &stolen, book, report);
        }
        tell::live(&state.answers, &logs, report);
        tell::spool(&state.spooled, report);
    }
}

/// Says whether a file is a call that Asterisk is to place (`pbx_spool`).
fn is_spooled(path: &EvidencePath) -> bool {
    let name = path.file_name();
    path.parent().is_some_and(|folder| folder.as_bytes() == b"/var/spool/asterisk/outgoing") && !name.starts_with(b".")
}

#[cfg(test)]
mod tests;
