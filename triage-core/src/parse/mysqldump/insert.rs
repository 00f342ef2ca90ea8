//! Rows: the statements that a dump mostly is.

use super::{Dump, value};
use crate::parse::database::Shape;

impl Dump<'_> {
    pub(super) fn insert(&mut self) {
        let begin = self.input.line();
        if let Err(why) = self.rows(begin) {
            let line = self.input.line();
            self.skip_statement();
            self.gap(line, why);
        }
    }

    /// A bare word, in capitals.
    pub(super) fn word(&mut self) -> Vec<u8> {
        self.blanks(false);
        let mut word = Vec::new();
        while let Some(byte) = self.input.peek().filter(|byte| byte.is_ascii_alphanumeric() || b"_$".contains(byte)) {
            self.input.next();
            if word.len() < 256 {
                word.push(byte.to_ascii_uppercase());
            }
        }
        word
    }

    /// A name, quoted or not.
    pub(super) fn name(&mut self) -> Option<Vec<u8>> {
        self.blanks(false);
        match self.input.peek()? {
            b'`' | b'"' => Some(value::inner(&mut self.input, false, 1024)),
            _ => {
                let mut name = Vec::new();
                let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"_$".contains(byte) || *byte >= 0x80;
                while let Some(byte) = self.input.peek().filter(is_part) {
                    self.input.next();
                    if name.len() < 1024 {
                        name.push(byte);
                    }
                }
                (!name.is_empty()).then_some(name)
            }
        }
    }

    pub(super) fn mark(&mut self, mark: u8) -> bool {
        self.blanks(false);
        let is_it = self.input.peek() == Some(mark);
        if is_it {
            self.input.next();
        }
        is_it
    }

    /// `INSERT [IGNORE] INTO table [(columns)] VALUES (…), (…) [ON DUPLICATE KEY …]`
    fn rows(&mut self, begin: u64) -> Result<(), &'static str> {
        self.word();
        self.blanks(false);
        let mut first = None;
        while self.input.peek().is_some_and(|byte| byte.is_ascii_alphabetic()) {
            let name = self.name().unwrap_or_default();
            match name.to_ascii_uppercase().as_slice() {
                b"INTO" | b"IGNORE" | b"LOW_PRIORITY" | b"DELAYED" | b"HIGH_PRIORITY" => {}
                _ => {
                    first = Some(name);
                    break;
                }
            }
            self.blanks(false);
        }
        let first = match first {
            Some(name) => name,
            None => self.name().ok_or("an INSERT without a table")?,
        };
        let (database, table) = if self.mark(b'.') {
            (first, self.name().ok_or("an INSERT without a table")?)
        } else {
            (self.database.clone(), first)
        };
        let mut columns = Vec::new();
        if self.mark(b'(') {
            while !self.mark(b')') {
                let name = self.name().ok_or("an INSERT whose columns have no names")?;
                if columns.len() >= value::MAX_COLUMNS {
                    return Err("an INSERT with more columns than a table can have");
                }
                columns.push(name);
                self.mark(b',');
            }
        }
        let word = self.word();
        if !matches!(word.as_slice(), b"VALUES" | b"VALUE") {
            // From a query, or of one row by assignments: no dump has it.
            self.skip_statement();
            return Ok(());
        }
        let place = (database, table);
        let (mut shape, is_wanted) = self.shape(&place, &columns);
        let (mut count, mut was_cut) = (0_u64, false);
        let result = loop {
            if !self.mark(b'(') {
                break Err("a row was expected here");
            }
            let row = match value::row(self, is_wanted) {
                Ok(row) => row,
                Err(why) => break Err(why),
            };
            was_cut |= row.was_cut;
            count += 1;
            if is_wanted {
                if shape.as_ref().is_none_or(|shape| shape.width() != row.values.len()) {
                    // Without a definition nobody says what its columns are called.
                    let names: Vec<Vec<u8>> =
                        (1..=row.values.len()).map(|n| format!("column_{n}").into_bytes()).collect();
                    shape = Some(Shape::new(&place.0, &place.1, &names, &[]));
                }
                let record = shape.as_ref().and_then(|shape| shape.record(&self.origin, Some(begin), row.values));
                if let Some(record) = record {
                    self.give(record);
                }
            }
            if self.has_stopped {
                break Ok(());
            }
            if !self.mark(b',') {
                // ON DUPLICATE KEY UPDATE …
                self.skip_statement();
                break Ok(());
            }
        };
        if let Some(known) = self.known(place) {
            known.rows += count;
            known.was_cut |= was_cut;
        }
        result
    }

    fn shape(&mut self, place: &(Vec<u8>, Vec<u8>), columns: &[Vec<u8>]) -> (Option<Shape>, bool) {
        let known = self.tables.get(place);
        let names: Vec<Vec<u8>> = if columns.is_empty() {
            known.map(|known| known.table.columns.iter().map(|(name, _)| name.clone()).collect()).unwrap_or_default()
        } else {
            columns.to_vec()
        };
        let key = known.map(|known| known.table.key.as_slice()).unwrap_or_default();
        let shape = Shape::new(&place.0, &place.1, &names, key);
        let is_wanted = shape.is_wanted();
        (Some(shape).filter(|shape| shape.width() > 0), is_wanted)
    }
}
