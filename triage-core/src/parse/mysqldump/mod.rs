//! Dumps of a database, as `mysqldump`, `mariadb-dump` and phpMyAdmin write them: SQL that is read and never run.
//!
//! A dump can be larger than memory, so it is read as a stream, and one row at a time: one statement may hold a million. Rows of tables that are of
//! no interest are counted and not kept. What stands in versioned comments (`/*!50003 … */`) is read, because the server would run it. The
//! grammar is that of the manuals of MySQL and MariaDB ("String Literals", "Comment Syntax", "mysqldump"); it is not checked: a statement that
//! makes no sense is a gap, and the next is read.

mod definition;
mod input;
mod insert;
mod value;

use super::Limits;
use super::database::{Event, Function, Plugin, Routine, Trigger, is_servers_own};
use super::database::{Origin, TableFacts};
use crate::model::DatabaseFrom;
use crate::model::{EvidencePath, Gap, GapReason, Outcome, Record, escape};
use definition::{Definition, Token};
use input::{Input, Trouble};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::Read;
use std::ops::ControlFlow;

/// The most tables that are remembered.
const MAX_TABLES: usize = 20_000;

/// The longest statement that is not an INSERT, in bytes: a routine can be as long as a packet.
const MAX_STATEMENT: usize = 1 << 20;

/// The most gaps of one dump.
const MAX_GAPS: usize = 100;

/// The longest delimiter that a dump may choose.
const MAX_DELIMITER: usize = 16;

/// The most bytes of a dump that are looked at to tell whether it is one.
const BEGINNING: usize = 64 << 10;

/// Says whether bytes are the beginning of a dump: by the remark that the programs write, or by statements that only a dump has.
pub fn is_dump(bytes: &[u8]) -> bool {
    const REMARKS: [&[u8]; 9] = [
        b"-- MySQL dump",
        b"-- MariaDB dump",
        b"-- mysqldump",
        b"-- MySQL Administrator dump",
        b"-- phpMyAdmin SQL Dump",
        b"-- Dumping data for table",
        b"-- Table structure for table",
        b"/*!999999\\- enable the sandbox mode",
        b"/*M!999999\\- enable the sandbox mode",
    ];
    let bytes = bytes.get(..BEGINNING).unwrap_or(bytes);
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let lines = bytes.split(|&byte| byte == b'\n').take(400);
    let mut lines = lines.map(<[u8]>::trim_ascii).filter(|line| !line.is_empty());
    lines.any(|line| {
        let starts = |word: &[u8]| line.get(..word.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(word));
        REMARKS.iter().any(|remark| line.starts_with(remark))
            || starts(b"CREATE TABLE `")
            || starts(b"CREATE TABLE IF NOT EXISTS `")
            || starts(b"INSERT INTO `")
            || starts(b"REPLACE INTO `")
    })
}

/// The records of a dump that is in memory.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Record>> {
    let mut records = Vec::new();
    let mut more = 0_u64;
    let origin = Origin { path, from: DatabaseFrom::Dump, zone: None };
    let mut gaps = each(&origin, &mut &*bytes, u64::MAX, &mut |record| {
        if records.len() < limits.max_records {
            records.push(record);
        } else {
            more += 1;
        }
        ControlFlow::Continue(())
    });
    if more > 0 {
        let detail = format!("{more} records beyond the first {}", limits.max_records);
        gaps.push(Gap::new(path.clone(), GapReason::LimitReached, detail));
    }
    Outcome { value: records, gaps }
}

/// Gives the records of a dump to `sink` as they come, tables last, until it breaks. Reads no more than `budget` bytes.
pub fn each(
    origin: &Origin<'_>,
    reader: &mut dyn Read,
    budget: u64,
    sink: &mut dyn FnMut(Record) -> ControlFlow<()>,
) -> Vec<Gap> {
    let mut dump = Dump {
        origin: *origin,
        input: Input::new(reader, budget),
        sink,
        gaps: Vec::new(),
        has_stopped: false,
        delimiter: vec![b';'],
        version_comments: 0,
        database: Vec::new(),
        tables: BTreeMap::new(),
        has_backslashes: true,
        had_backslashes: true,
        has_more_tables: false,
    };
    dump.run();
    dump.finish();
    dump.gaps
}

/// What is known of a table.
#[derive(Default)]
struct Known {
    table: definition::Table,
    is_view: bool,
    rows: u64,
    was_cut: bool,
}

#[expect(clippy::struct_excessive_bools, reason = "independent facts of one reading")]
struct Dump<'a> {
    origin: Origin<'a>,
    input: Input<'a>,
    sink: &'a mut dyn FnMut(Record) -> ControlFlow<()>,
    gaps: Vec<Gap>,
    has_stopped: bool,
    delimiter: Vec<u8>,
    /// Versioned comments that are open.
    version_comments: usize,
    database: Vec<u8>,
    tables: BTreeMap<(Vec<u8>, Vec<u8>), Known>,
    has_backslashes: bool,
    had_backslashes: bool,
    has_more_tables: bool,
}

impl Dump<'_> {
    fn run(&mut self) {
        if self.input.starts_with(b"\xef\xbb\xbf") {
            self.input.skip(3);
        }
        while !self.has_stopped {
            self.blanks(true);
            let Some(byte) = self.input.peek() else { break };
            if self.at_delimiter() {
                self.input.skip(self.delimiter.len());
                continue;
            }
            let ahead = self.input.ahead(12).to_ascii_uppercase();
            let starts = |word: &[u8]| {
                ahead.starts_with(word)
                    && ahead.get(word.len()).is_none_or(|next| !next.is_ascii_alphanumeric() && *next != b'_')
            };
            if starts(b"DELIMITER") {
                self.input.skip(9);
                self.new_delimiter();
            } else if starts(b"INSERT") || starts(b"REPLACE") {
                self.insert();
            } else if byte.is_ascii_alphabetic() || matches!(byte, b'(' | b'@') {
                self.statement();
            } else {
                // No statement begins so.
                let line = self.input.line();
                self.skip_statement();
                self.gap(line, "what stands here is no statement");
            }
        }
    }

    fn finish(&mut self) {
        match self.input.take_trouble() {
            Some(Trouble::Budget) => {
                let detail =
                    format!("the dump is longer than what is read of it; it was read to line {}", self.input.line());
                self.gaps.push(Gap::new(self.origin.path.clone(), GapReason::LimitReached, detail));
            }
            Some(Trouble::Read(error)) => {
                let detail = format!("cannot be read on after line {}: {error}", self.input.line());
                self.gaps.push(Gap::new(self.origin.path.clone(), GapReason::Unreadable, detail));
            }
            None => {}
        }
        if self.has_more_tables {
            let detail = format!("more than {MAX_TABLES} tables");
            self.gaps.push(Gap::new(self.origin.path.clone(), GapReason::LimitReached, detail));
        }
        let tables = std::mem::take(&mut self.tables);
        for ((database, name), known) in &tables {
            if known.was_cut {
                let detail = format!("rows of table `{}` have values that are too long, and were cut", escape(name));
                self.gaps.push(Gap::new(self.origin.path.clone(), GapReason::LimitReached, detail));
            }
            let facts = TableFacts {
                database,
                name,
                is_view: known.is_view,
                engine: known.table.engine.as_deref().map(Cow::Borrowed),
                rows: (!known.is_view).then_some(known.rows),
                columns: &known.table.columns,
            };
            self.give(Record::DatabaseTable(facts.record(&self.origin)));
        }
    }

    fn give(&mut self, record: Record) {
        if !self.has_stopped {
            self.has_stopped = (self.sink)(record).is_break();
        }
    }

    fn gap(&mut self, line: u64, detail: &str) {
        if self.gaps.len() < MAX_GAPS {
            let detail = format!("line {line}: {detail}");
            self.gaps.push(Gap::new(self.origin.path.clone(), GapReason::Unreadable, detail));
        }
    }

    fn at_delimiter(&mut self) -> bool {
        match self.delimiter.as_slice() {
            &[only] => self.input.peek() == Some(only),
            delimiter => self.input.starts_with(delimiter),
        }
    }

    /// Passes over blanks and comments. At the beginning of a statement a remark may name the database.
    fn blanks(&mut self, is_beginning: bool) {
        loop {
            match self.input.peek() {
                Some(byte) if byte.is_ascii_whitespace() => {
                    self.input.next();
                }
                Some(b'#') => self.remark(false),
                Some(b'-') if self.is_remark() => self.remark(is_beginning),
                Some(b'/') if self.input.starts_with(b"/*") => self.comment(),
                Some(b'*') if self.version_comments > 0 && self.input.starts_with(b"*/") => {
                    self.input.skip(2);
                    self.version_comments -= 1;
                }
                _ => break,
            }
        }
    }

    /// `--` begins a remark only before a blank or the end of the line.
    fn is_remark(&mut self) -> bool {
        matches!(self.input.ahead(3), [b'-', b'-'] | [b'-', b'-', 0..=b' '])
    }

    /// Passes over a remark to the end of its line. The head of a dump of one database names it nowhere else.
    fn remark(&mut self, may_name: bool) {
        const LONGEST: usize = 1024;
        const NAME: &[u8] = b"Database: ";
        let mut text = Vec::new();
        while self.input.peek().is_some_and(|byte| byte != b'\n') {
            self.input.run(|byte| byte == b'\n', &mut |piece| {
                let room = LONGEST.saturating_sub(text.len());
                text.extend(piece.get(..room).unwrap_or(piece));
            });
        }
        if may_name
            && self.database.is_empty()
            && text.starts_with(b"-- Host: ")
            && let Some(at) = text.windows(NAME.len()).position(|part| part == NAME)
        {
            self.database = text.get(at + NAME.len()..).unwrap_or_default().trim_ascii().to_vec();
        }
    }

    /// Passes over a comment, or into one that the server reads.
    fn comment(&mut self) {
        let begin = self.input.ahead(4);
        let mark = if begin.starts_with(b"/*M!") { 4 } else { 3 };
        if begin.starts_with(b"/*!") || begin.starts_with(b"/*M!") {
            let digits = self.input.ahead(mark + 6).to_vec();
            let digits = digits.get(mark..).unwrap_or_default();
            let count = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
            // A version that there never will be: MariaDB hides an order to its own client so.
            if digits != b"999999" && self.version_comments < 64 {
                self.input.skip(mark + count);
                self.version_comments += 1;
                return;
            }
        }
        self.input.skip(2);
        while self.input.peek().is_some() {
            if self.input.starts_with(b"*/") {
                self.input.skip(2);
                break;
            }
            self.input.next();
            self.input.run(|byte| byte == b'*', &mut |_| {});
        }
    }

    fn new_delimiter(&mut self) {
        let mut text = Vec::new();
        while let Some(byte) = self.input.peek().filter(|byte| *byte != b'\n') {
            self.input.next();
            if text.len() < 256 {
                text.push(byte);
            }
        }
        let chosen = text.trim_ascii();
        if chosen.is_empty() || chosen.len() > MAX_DELIMITER {
            let line = self.input.line();
            self.gap(line, "a delimiter that none can be");
        } else {
            self.delimiter = chosen.to_vec();
        }
    }

    /// Reads a statement to its end; gives its text without comments, as far as it is kept.
    fn take_statement(&mut self) -> (Vec<u8>, bool) {
        let (mut text, mut is_cut) = (Vec::new(), false);
        let mut keep = |piece: &[u8], text: &mut Vec<u8>| {
            let room = MAX_STATEMENT.saturating_sub(text.len());
            is_cut |= piece.len() > room;
            text.extend(piece.get(..room).unwrap_or(piece));
        };
        while let Some(byte) = self.input.peek() {
            match byte {
                b'\'' | b'"' | b'`' => {
                    let has_backslashes = self.has_backslashes && byte != b'`';
                    value::quoted(&mut self.input, has_backslashes, &mut |piece| keep(piece, &mut text));
                }
                b'#' | b'-' | b'/' | b'*' => {
                    let before = (self.input.line(), self.version_comments);
                    let ahead = self.input.ahead(3).to_vec();
                    let is_comment = byte == b'#'
                        || ahead.starts_with(b"/*")
                        || byte == b'-' && self.is_remark()
                        || before.1 > 0 && ahead.starts_with(b"*/");
                    if is_comment {
                        self.blanks(false);
                        keep(b" ", &mut text);
                    } else if self.at_delimiter() {
                        break;
                    } else {
                        self.input.next();
                        keep(&[byte], &mut text);
                    }
                }
                _ if self.at_delimiter() => break,
                _ => {
                    self.input.next();
                    keep(&[byte], &mut text);
                    let first = self.delimiter.first().copied().unwrap_or(b';');
                    self.input.run(
                        |byte| matches!(byte, b'\'' | b'"' | b'`' | b'#' | b'-' | b'/' | b'*') || byte == first,
                        &mut |piece| keep(piece, &mut text),
                    );
                }
            }
        }
        (text, is_cut)
    }

    fn skip_statement(&mut self) {
        self.take_statement();
    }

    fn statement(&mut self) {
        let line = self.input.line();
        let (text, is_cut) = self.take_statement();
        if is_cut {
            self.gap(line, "a statement that is too long was cut");
        }
        if text.get(..3).is_some_and(|word| word.eq_ignore_ascii_case(b"SET")) {
            self.mode(&text);
        } else if let Some(definition) = definition::read(&text, self.has_backslashes) {
            self.define(definition, line);
        }
    }

    /// `SET sql_mode = '…'` says whether a backslash is one. A variable in its place brings the mode from before back.
    fn mode(&mut self, text: &[u8]) {
        const NONE: &[u8] = b"NO_BACKSLASH_ESCAPES";
        let tokens = definition::tokens(text, self.has_backslashes);
        let mut tokens = tokens.iter().map(|(token, _, _)| token).peekable();
        let mut previous = None;
        while let Some(token) = tokens.next() {
            // `@OLD_SQL_MODE = @@SQL_MODE` only keeps it.
            let is_setting = token.is("sql_mode") && tokens.peek() == Some(&&Token::Mark(b'='));
            if is_setting && previous != Some(&Token::Mark(b'@')) {
                tokens.next();
                match tokens.next() {
                    Some(Token::Text(mode) | Token::Name(mode)) => {
                        let mode = mode.to_ascii_uppercase();
                        self.had_backslashes = self.has_backslashes;
                        self.has_backslashes = !mode.windows(NONE.len()).any(|part| part == NONE);
                    }
                    Some(Token::Mark(b'@')) => self.has_backslashes = self.had_backslashes,
                    _ => {}
                }
            }
            previous = Some(token);
        }
    }

    fn define(&mut self, definition: Definition, line: u64) {
        let (origin, database, line) = (self.origin, self.database.clone(), Some(line));
        match definition {
            Definition::Trigger { .. } | Definition::Routine { .. } if is_servers_own(&database) => {}
            Definition::Database(name) => self.database = name,
            Definition::Table(table) => {
                let place = (table.database.clone().unwrap_or(database), table.name.clone());
                if let Some(known) = self.known(place) {
                    known.table = table;
                    known.is_view = false;
                }
            }
            Definition::View { database: own, name } => {
                if let Some(known) = self.known((own.unwrap_or(database), name)) {
                    known.is_view = true;
                }
            }
            Definition::PrimaryKey { database: own, table, columns } => {
                if let Some(known) = self.known((own.unwrap_or(database), table)) {
                    known.table.key = columns;
                }
            }
            Definition::Trigger { definer, name, timing, event, table, body } => {
                self.give(Trigger { database, name, timing, event, table, body, definer }.record(&origin, line));
            }
            Definition::Event { definer, name, status, body } => {
                let status = status.as_bytes().to_vec();
                self.give(Event { database, name, status, body, definer }.record(&origin, line));
            }
            Definition::Routine { definer, name, kind, body } => {
                let kind = kind.as_bytes().to_vec();
                self.give(Routine { database, name, kind, body, definer }.record(&origin, line));
            }
            Definition::Function { name, library } => self.give(Function { name, library }.record(&origin, line)),
            Definition::Plugin { name, library } => self.give(Plugin { name, library }.record(&origin, line)),
        }
    }

    fn known(&mut self, place: (Vec<u8>, Vec<u8>)) -> Option<&mut Known> {
        if self.tables.len() >= MAX_TABLES && !self.tables.contains_key(&place) {
            self.has_more_tables = true;
            return None;
        }
        Some(self.tables.entry(place).or_default())
    }
}

/// What a character behind a backslash stands for ("String Literals").
fn unescape(byte: u8, out: &mut Vec<u8>) {
    match byte {
        b'0' => out.push(0),
        b'b' => out.push(8),
        b'n' => out.push(b'\n'),
        b'r' => out.push(b'\r'),
        b't' => out.push(b'\t'),
        b'Z' => out.push(26),
        // They keep their backslash, for patterns.
        b'%' | b'_' => out.extend([b'\\', byte]),
        other => out.push(other),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
