//! One log, line by line: what its lines say to the rules, and what is remembered of them for the conclusion.

use super::feed::LineSink;
use super::hits::{Answer, Hits, Sample};
use super::login::Logins;
use super::panel::Panel;
use super::rhythm::Rhythm;
use super::script_use::Programs;
use super::session::Sessions;
use crate::detect::SigmaSet;
use crate::detect::sigma::{Event, Field};
use crate::model::{EvidencePath, Severity};
use crate::parse::access_log::AccessLine;
use crate::parse::asterisk_log::AsteriskLine;
use crate::parse::error_log::ErrorLine;
use crate::parse::log_kind::LogKind;
use crate::parse::{auth_log, log_time, uri};
use std::collections::BTreeMap;

/// What is known of one file.
#[derive(Debug)]
pub(super) struct Facts {
    pub(super) kind: LogKind,
    pub(super) lines: u64,
    /// Lines of no known format.
    pub(super) unread: u64,
    pub(super) hits: BTreeMap<u16, Hits>,
    pub(super) sessions: Sessions,
    pub(super) programs: Programs,
    pub(super) rhythm: Rhythm,
    pub(super) logins: Logins,
    pub(super) panel: Panel,
    /// How far the server's clock was ahead of UTC, from when on.
    pub(super) offsets: Vec<(i64, i32)>,
}

/// Changes of the clock that are remembered: two a year, and some more.
const OFFSETS: usize = 64;

/// Reads one file.
pub(super) struct Scan {
    rules: SigmaSet,
    path: EvidencePath,
    pub(super) facts: Facts,
    candidates: Vec<u16>,
    decoded: Decoded,
}

impl Scan {
    pub(super) fn new(rules: SigmaSet, path: EvidencePath, kind: LogKind) -> Self {
        let facts = Facts {
            kind,
            lines: 0,
            unread: 0,
            hits: BTreeMap::new(),
            sessions: Sessions::default(),
            programs: Programs::default(),
            rhythm: Rhythm::default(),
            logins: Logins::default(),
            panel: Panel::default(),
            offsets: Vec::new(),
        };
        Self { rules, path, facts, candidates: Vec::new(), decoded: Decoded::default() }
    }
}

impl LineSink for Scan {
    fn line(&mut self, number: u64, text: &[u8]) {
        let text = self.facts.rhythm.without_zeros(number, text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            return;
        }
        self.facts.lines += 1;
        if self.facts.kind == LogKind::WebAccess {
            match AccessLine::parse(text) {
                Some(line) => return self.access(number, text, &line),
                None => self.facts.unread += 1,
            }
        }
        self.other(number, text);
    }
}

impl Scan {
    fn access(&mut self, number: u64, text: &[u8], line: &AccessLine<'_>) {
        let facts = &mut self.facts;
        facts.rhythm.see(number, line.time);
        if let Some(offset) = line.time.offset
            && facts.offsets.len() < OFFSETS
            && facts.offsets.last().is_none_or(|(_, known)| *known != offset)
        {
            facts.offsets.push((line.time.on_its_clock(), offset));
        }
        facts.sessions.see(line);
        facts.programs.see(number, text, line);
        let decoded = &mut self.decoded;
        decoded.decode(line);
        let texts = [text, &decoded.once, &decoded.twice, &decoded.plain];
        self.rules.candidates(LogKind::WebAccess, &texts, &mut self.candidates);
        if self.candidates.is_empty() {
            return;
        }
        let event = decoded.event(text, line);
        for &number_of_rule in &self.candidates {
            let Some(rule) = self.rules.rule(number_of_rule).filter(|_| self.rules.matches(number_of_rule, &event))
            else {
                continue;
            };
            let answer = if rule.asks_status() { Answer::Done } else { Answer::of(line.status) };
            let hits = facts.hits.entry(number_of_rule).or_default();
            hits.span.add(line.time.seconds, line.time_raw);
            hits.add(answer, Some(line.client), || Sample::new(number, text, decoded.last()));
            if answer == Answer::Done && rule.info.severity >= Severity::Medium {
                facts.sessions.follow(line.client, line.time.seconds);
            }
        }
    }

    fn other(&mut self, number: u64, text: &[u8]) {
        let facts = &mut self.facts;
        let kind = facts.kind;
        let stamp = text
            .strip_prefix(b"<")
            .map_or(text, |rest| memchr::memchr(b'>', rest).and_then(|at| rest.get(at + 1..)).unwrap_or(text));
        let time = log_time::leading(stamp);
        if let Some(time) = time {
            facts.rhythm.see(number, time);
        }
        if matches!(kind, LogKind::Auth | LogKind::Syslog) {
            facts.logins.see(&self.path, number, text);
        }
        if kind == LogKind::FreepbxSecurity {
            facts.panel.see(number, text);
        }
        self.rules.candidates(kind, &[text], &mut self.candidates);
        if self.candidates.is_empty() {
            return;
        }
        let (event, source) = text_event(kind, text);
        for &number_of_rule in &self.candidates {
            if !self.rules.matches(number_of_rule, &event) {
                continue;
            }
            let hits = facts.hits.entry(number_of_rule).or_default();
            if let Some(time) = time {
                hits.span.add(time.seconds, stamp_text(stamp));
            }
            let address = match kind {
                LogKind::Auth | LogKind::Syslog => {
                    auth_log::parse_line(&self.path, number, text).map(|event| event.address.as_bytes().to_vec())
                }
                _ => source.map(<[u8]>::to_vec),
            };
            let address = address.filter(|address| !address.is_empty());
            hits.add(Answer::Done, address.as_deref(), || Sample::new(number, text, None));
        }
    }
}

/// The part of the beginning of a line that is its time.
fn stamp_text(line: &[u8]) -> &[u8] {
    let head = line.get(..48).unwrap_or(line);
    if let Some(inner) = head.strip_prefix(b"[") {
        return inner.split(|byte| *byte == b']').next().unwrap_or(inner);
    }
    let end = match head.first() {
        // RFC 3164.
        Some(first) if first.is_ascii_alphabetic() => 15,
        // A date, a blank and a time; or both in one word.
        _ => memchr::memchr_iter(b' ', head).nth(usize::from(head.get(10) == Some(&b' '))).unwrap_or(head.len()),
    };
    head.get(..end).unwrap_or(head)
}

/// A line of a log that is none of requests, and the address in it.
fn text_event(kind: LogKind, text: &[u8]) -> (Event<'_>, Option<&[u8]>) {
    let mut event = Event::new(vec![text]);
    let mut source = None;
    match kind {
        LogKind::WebError => {
            let line = ErrorLine::parse(text);
            event.set(Field::Message, Some(line.message));
            event.set(Field::Level, Some(line.level).filter(|level| !level.is_empty()));
            event.set(Field::Client, line.client);
            source = line.client;
        }
        LogKind::Auth | LogKind::Cron | LogKind::Syslog => {
            if let Some((host, program, message)) = syslog(text) {
                event.set(Field::Host, Some(host));
                event.set(Field::Program, Some(program));
                event.set(Field::Message, Some(message));
            }
        }
        _ => {
            if let Some(line) = AsteriskLine::parse(text) {
                event.set(Field::Message, Some(line.message));
                event.set(Field::Level, Some(line.level));
                source = line.security().map(|event| event.address);
            } else {
                event.set(Field::Message, Some(text));
            }
        }
    }
    (event, source)
}

/// Host, program without its number, and message.
fn syslog(text: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let is_iso = text.get(4) == Some(&b'-') && text.get(10) == Some(&b'T');
    let start = if is_iso { memchr::memchr(b' ', text)? + 1 } else { 16 };
    let rest = text.get(start..)?;
    let (host, rest) = rest.split_at_checked(memchr::memchr(b' ', rest)?)?;
    let rest = rest.get(1..)?;
    let (tag, message) = rest.split_at_checked(memchr::memmem::find(rest, b": ")?)?;
    let program = tag.get(..memchr::memchr(b'[', tag).unwrap_or(tag.len()))?;
    let program = program.rsplit(|byte| *byte == b'/').next().unwrap_or(program);
    Some((host, program, message.get(2..)?))
}

/// A request behind its escapes: `once` and `twice` are empty where there is nothing to undo.
#[derive(Default)]
struct Decoded {
    once: Vec<u8>,
    twice: Vec<u8>,
    /// Where the path ends in them.
    ends: (usize, usize),
    /// The referring page and the program that asked, where the server escaped something in them.
    plain: Vec<u8>,
    plain_end: usize,
    scratch: Vec<u8>,
}

impl Decoded {
    fn decode(&mut self, line: &AccessLine<'_>) {
        self.once.clear();
        self.twice.clear();
        self.plain.clear();
        let (stem, query) = line.stem_and_query();
        if uri::has_escapes(line.target) {
            self.scratch.clear();
            uri::unescape_log(stem, &mut self.scratch);
            uri::percent_decode(&self.scratch, false, &mut self.once);
            self.ends.0 = self.once.len();
            if let Some(query) = query {
                self.once.push(b'?');
                self.scratch.clear();
                uri::unescape_log(query, &mut self.scratch);
                uri::percent_decode(&self.scratch, true, &mut self.once);
            }
            if memchr::memchr(b'%', &self.once).is_some() {
                let (stem, query) = self.once.split_at_checked(self.ends.0).unwrap_or((&self.once, b""));
                uri::percent_decode(stem, false, &mut self.twice);
                self.ends.1 = self.twice.len();
                uri::percent_decode(query, true, &mut self.twice);
            }
        }
        let is_escaped = |text: Option<&[u8]>| text.is_some_and(|text| memchr::memchr(b'\\', text).is_some());
        if is_escaped(line.referer) || is_escaped(line.agent) {
            uri::unescape_log(line.referer.unwrap_or_default(), &mut self.plain);
            self.plain_end = self.plain.len();
            self.plain.push(b' ');
            uri::unescape_log(line.agent.unwrap_or_default(), &mut self.plain);
        }
    }

    /// The request as it was meant.
    fn last(&self) -> Option<&[u8]> {
        [&self.twice, &self.once].into_iter().map(Vec::as_slice).find(|text| !text.is_empty())
    }

    fn event<'a>(&'a self, text: &'a [u8], line: &AccessLine<'a>) -> Event<'a> {
        let mut texts = vec![text];
        texts.extend(
            [&self.once, &self.twice, &self.plain].into_iter().map(Vec::as_slice).filter(|text| !text.is_empty()),
        );
        let mut event = Event::new(texts);
        let (stem, query) = line.stem_and_query();
        let some = |text: &'a [u8]| Some(text).filter(|text| !text.is_empty());
        let query_of = |text: &'a [u8], end: usize| text.get(end + 1..);
        event.set_all(Field::Uri, [Some(line.target), some(&self.once), some(&self.twice)]);
        event.set_all(
            Field::Stem,
            [
                Some(stem),
                some(&self.once).and_then(|text| text.get(..self.ends.0)),
                some(&self.twice).and_then(|text| text.get(..self.ends.1)),
            ],
        );
        if query.is_some() {
            event.set_all(Field::Query, [query, query_of(&self.once, self.ends.0), query_of(&self.twice, self.ends.1)]);
        }
        event.set(Field::Client, Some(line.client));
        event.set(Field::Status, Some(line.status_raw));
        event.set(Field::Method, some(line.method));
        let plain = some(&self.plain);
        event.set_all(Field::Referer, [line.referer, plain.and_then(|text| text.get(..self.plain_end)), None]);
        event.set_all(Field::Agent, [line.agent, plain.and_then(|text| text.get(self.plain_end + 1..)), None]);
        event.set(Field::User, line.user);
        event.set(Field::Host, line.vhost);
        event.set(Field::Version, some(line.protocol));
        event
    }
}
