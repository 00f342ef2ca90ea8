//! What the statements of a dump make: tables with their columns and keys, triggers, events, routines, functions of libraries.
//!
//! A statement is cut into tokens, and no more of the grammar is known than is needed to find names and bodies.

/// The most tokens of one statement that are looked at.
const MAX_TOKENS: usize = 200_000;

/// The most columns that a table can have (MariaDB's limit is 4096).
const MAX_COLUMNS: usize = 4096;

/// What the body of a routine begins with.
const BODIES: [&str; 12] =
    ["BEGIN", "RETURN", "SELECT", "INSERT", "UPDATE", "DELETE", "REPLACE", "CALL", "SET", "IF", "EXECUTE", "DO"];

/// A piece of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    /// A bare word or a number.
    Word(Vec<u8>),
    /// A quoted name.
    Name(Vec<u8>),
    /// A string.
    Text(Vec<u8>),
    /// Anything else.
    Mark(u8),
}

impl Token {
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(text) if text.eq_ignore_ascii_case(word.as_bytes()))
    }

    fn is_mark(&self, mark: u8) -> bool {
        *self == Self::Mark(mark)
    }

    /// A name, quoted or not.
    fn name(&self) -> Option<&[u8]> {
        match self {
            Self::Word(text) | Self::Name(text) | Self::Text(text) => Some(text),
            Self::Mark(_) => None,
        }
    }
}

/// A statement that says something of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Definition {
    Database(Vec<u8>),
    Table(Table),
    View {
        database: Option<Vec<u8>>,
        name: Vec<u8>,
    },
    PrimaryKey {
        database: Option<Vec<u8>>,
        table: Vec<u8>,
        columns: Vec<Vec<u8>>,
    },
    Trigger {
        definer: Vec<u8>,
        name: Vec<u8>,
        timing: Vec<u8>,
        event: Vec<u8>,
        table: Vec<u8>,
        body: Vec<u8>,
    },
    Event {
        definer: Vec<u8>,
        name: Vec<u8>,
        status: &'static str,
        body: Vec<u8>,
    },
    Routine {
        definer: Vec<u8>,
        name: Vec<u8>,
        kind: &'static str,
        body: Vec<u8>,
    },
    /// A function of a shared library.
    Function {
        name: Vec<u8>,
        library: Vec<u8>,
    },
    Plugin {
        name: Vec<u8>,
        library: Vec<u8>,
    },
}

/// A table as its definition says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) database: Option<Vec<u8>>,
    pub(super) name: Vec<u8>,
    /// Name and type of each column, in order.
    pub(super) columns: Vec<(Vec<u8>, Vec<u8>)>,
    pub(super) key: Vec<Vec<u8>>,
    pub(super) engine: Option<Vec<u8>>,
}

/// Tokens with the place at which each begins and ends. Comments are gone by then.
pub(super) fn tokens(text: &[u8], has_backslashes: bool) -> Vec<(Token, usize, usize)> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at).filter(|_| out.len() < MAX_TOKENS) {
        let start = at;
        let token = match byte {
            _ if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            b'`' | b'"' | b'\'' => {
                let (inner, end) = quoted(text, at, has_backslashes && byte != b'`');
                at = end;
                if byte == b'\'' { Token::Text(inner) } else { Token::Name(inner) }
            }
            _ if is_word(byte) => {
                let rest = text.get(at..).unwrap_or_default();
                at += rest.iter().position(|&b| !is_word(b)).unwrap_or(rest.len());
                Token::Word(text.get(start..at).unwrap_or_default().to_vec())
            }
            mark => {
                at += 1;
                Token::Mark(mark)
            }
        };
        out.push((token, start, at));
    }
    out
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

/// The inside of a quoted piece and where it ends.
fn quoted(text: &[u8], start: usize, has_backslashes: bool) -> (Vec<u8>, usize) {
    let quote = text.get(start).copied().unwrap_or_default();
    let mut out = Vec::new();
    let mut at = start + 1;
    while let Some(&byte) = text.get(at) {
        at += 1;
        if byte == quote {
            if text.get(at) != Some(&quote) {
                return (out, at);
            }
            at += 1;
            out.push(quote);
        } else if byte == b'\\' && has_backslashes {
            if let Some(&next) = text.get(at) {
                at += 1;
                super::unescape(next, &mut out);
            }
        } else {
            out.push(byte);
        }
    }
    (out, at)
}

/// Reads one statement.
pub(super) fn read(text: &[u8], has_backslashes: bool) -> Option<Definition> {
    let tokens = tokens(text, has_backslashes);
    let mut statement = Statement { text, tokens: &tokens, at: 0 };
    match () {
        () if statement.word("USE") => Some(Definition::Database(statement.take_name()?)),
        () if statement.word("ALTER") => statement.alter(),
        () if statement.word("INSTALL") => statement.install(),
        () if statement.word("CREATE") => statement.create(),
        () => None,
    }
}

struct Statement<'a> {
    text: &'a [u8],
    tokens: &'a [(Token, usize, usize)],
    at: usize,
}

impl Statement<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(token, _, _)| token)
    }

    fn word(&mut self, word: &str) -> bool {
        let is_it = self.peek().is_some_and(|token| token.is(word));
        self.at += usize::from(is_it);
        is_it
    }

    fn mark(&mut self, mark: u8) -> bool {
        let is_it = self.peek().is_some_and(|token| token.is_mark(mark));
        self.at += usize::from(is_it);
        is_it
    }

    fn take_name(&mut self) -> Option<Vec<u8>> {
        let name = self.peek()?.name()?.to_vec();
        self.at += 1;
        Some(name)
    }

    /// `name` or `database.name`.
    fn take_qualified(&mut self) -> Option<(Option<Vec<u8>>, Vec<u8>)> {
        let first = self.take_name()?;
        if self.mark(b'.') { Some((Some(first), self.take_name()?)) } else { Some((None, first)) }
    }

    /// The text from the next token on.
    fn rest(&self) -> Vec<u8> {
        let start = self.tokens.get(self.at).map_or(self.text.len(), |(_, start, _)| *start);
        self.text.get(start..).unwrap_or_default().trim_ascii().to_vec()
    }

    /// Goes on behind the bracket that closes the one that stands here.
    fn skip_brackets(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.peek() {
            match token {
                Token::Mark(b'(') => depth += 1,
                Token::Mark(b')') => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                break;
            }
        }
    }

    fn create(&mut self) -> Option<Definition> {
        let mut definer = Vec::new();
        loop {
            match self.peek()? {
                // Also of `SQL SECURITY DEFINER`.
                token if token.is("DEFINER") => {
                    self.at += 1;
                    if !self.mark(b'=') {
                        continue;
                    }
                    definer = self.take_name()?;
                    if self.mark(b'@') {
                        definer.push(b'@');
                        definer.extend(self.take_name()?);
                    }
                }
                token if token.is("DATABASE") || token.is("SCHEMA") => {
                    self.at += 1;
                    self.if_not_exists();
                    // It is USE that chooses it.
                    return None;
                }
                token if token.is("TABLE") => {
                    self.at += 1;
                    return self.table();
                }
                token if token.is("VIEW") => {
                    self.at += 1;
                    self.if_not_exists();
                    let (database, name) = self.take_qualified()?;
                    return Some(Definition::View { database, name });
                }
                token if token.is("TRIGGER") => {
                    self.at += 1;
                    return self.trigger(definer);
                }
                token if token.is("EVENT") => {
                    self.at += 1;
                    return self.event(definer);
                }
                token if token.is("PROCEDURE") => {
                    self.at += 1;
                    return self.routine(definer, "PROCEDURE");
                }
                token if token.is("FUNCTION") => {
                    self.at += 1;
                    return self.routine(definer, "FUNCTION");
                }
                // OR REPLACE, TEMPORARY, ALGORITHM=…, SQL SECURITY …, AGGREGATE
                Token::Word(_) | Token::Mark(b'=') => self.at += 1,
                _ => return None,
            }
        }
    }

    fn if_not_exists(&mut self) {
        if self.word("IF") {
            self.word("NOT");
            self.word("EXISTS");
        }
    }

    fn table(&mut self) -> Option<Definition> {
        self.if_not_exists();
        let (database, name) = self.take_qualified()?;
        let mut table = Table { database, name, ..Table::default() };
        if !self.mark(b'(') {
            return Some(Definition::Table(table));
        }
        while let Some(token) = self.peek() {
            if token.is_mark(b')') {
                self.at += 1;
                break;
            }
            self.part(&mut table);
            while self.peek().is_some_and(|token| !token.is_mark(b',') && !token.is_mark(b')')) {
                if self.peek().is_some_and(|token| token.is_mark(b'(')) {
                    self.skip_brackets();
                } else {
                    if self.word("PRIMARY") {
                        table.key = table.columns.last().map(|(name, _)| name.clone()).into_iter().collect();
                        continue;
                    }
                    self.at += 1;
                }
            }
            self.mark(b',');
        }
        while let Some(token) = self.peek() {
            if token.is("ENGINE") {
                self.at += 1;
                self.mark(b'=');
                table.engine = self.take_name();
                break;
            }
            self.at += 1;
        }
        Some(Definition::Table(table))
    }

    /// One part of a table's definition: a column, or a key.
    fn part(&mut self, table: &mut Table) {
        const KEYS: [&str; 9] =
            ["KEY", "UNIQUE", "INDEX", "CONSTRAINT", "FULLTEXT", "SPATIAL", "FOREIGN", "CHECK", "PERIOD"];
        if self.peek().is_some_and(|token| token.is("PRIMARY")) {
            self.at += 1;
            self.word("KEY");
            table.key = self.key_columns();
        } else if !self.peek().is_some_and(|token| KEYS.iter().any(|word| token.is(word))) {
            let Some(name) = self.take_name() else {
                self.at += 1;
                return;
            };
            let kind = self.column_type();
            if table.columns.len() < MAX_COLUMNS {
                table.columns.push((name, kind));
            }
        }
    }

    /// The type of a column as the server writes it: `int(10) unsigned`, `enum('a','b')`.
    fn column_type(&mut self) -> Vec<u8> {
        let Some((Token::Word(word), _, end)) = self.tokens.get(self.at) else { return Vec::new() };
        let mut kind = word.to_ascii_lowercase();
        let start = *end;
        self.at += 1;
        if self.peek().is_some_and(|token| token.is_mark(b'(')) {
            self.skip_brackets();
            let end = self.tokens.get(self.at.saturating_sub(1)).map_or(start, |(_, _, end)| *end);
            kind.extend(self.text.get(start..end).unwrap_or_default());
        }
        for word in ["unsigned", "zerofill"] {
            if self.word(word) {
                kind.push(b' ');
                kind.extend(word.bytes());
            }
        }
        kind
    }

    /// `(a, b(10))`, perhaps after the name of an index and its kind.
    fn key_columns(&mut self) -> Vec<Vec<u8>> {
        while self.peek().is_some_and(|token| !token.is_mark(b'(') && !token.is_mark(b',')) {
            self.at += 1;
        }
        let mut columns = Vec::new();
        if !self.mark(b'(') {
            return columns;
        }
        while let Some(token) = self.peek() {
            match token {
                Token::Mark(b')') => {
                    self.at += 1;
                    break;
                }
                Token::Mark(b'(') => self.skip_brackets(),
                token => {
                    let is_order = token.is("ASC") || token.is("DESC");
                    columns
                        .extend(token.name().filter(|_| !is_order && columns.len() < MAX_COLUMNS).map(<[u8]>::to_vec));
                    self.at += 1;
                }
            }
        }
        columns
    }

    /// `ALTER TABLE x ADD PRIMARY KEY (a)`, as phpMyAdmin writes it.
    fn alter(&mut self) -> Option<Definition> {
        if !self.word("TABLE") {
            return None;
        }
        let (database, table) = self.take_qualified()?;
        while self.peek().is_some() {
            if self.word("PRIMARY") && self.word("KEY") {
                return Some(Definition::PrimaryKey { database, table, columns: self.key_columns() });
            }
            self.at += 1;
        }
        None
    }

    fn install(&mut self) -> Option<Definition> {
        let mut name = Vec::new();
        if self.word("PLUGIN") {
            self.if_not_exists();
            name = self.take_name()?;
        }
        self.word("SONAME").then_some(())?;
        Some(Definition::Plugin { name, library: self.take_name()? })
    }

    fn trigger(&mut self, definer: Vec<u8>) -> Option<Definition> {
        self.if_not_exists();
        let (_, name) = self.take_qualified()?;
        let upper = |name: Vec<u8>| name.to_ascii_uppercase();
        let (timing, event) = (upper(self.take_name()?), upper(self.take_name()?));
        self.word("ON");
        let (_, table) = self.take_qualified()?;
        for word in ["FOR", "EACH", "ROW"] {
            self.word(word);
        }
        if self.word("FOLLOWS") || self.word("PRECEDES") {
            self.take_name();
        }
        Some(Definition::Trigger { definer, name, timing, event, table, body: self.rest() })
    }

    fn event(&mut self, definer: Vec<u8>) -> Option<Definition> {
        self.if_not_exists();
        let (_, name) = self.take_qualified()?;
        let mut status = "ENABLED";
        while self.peek().is_some() {
            if self.word("DISABLE") {
                status = "DISABLED";
            } else if self.word("DO") {
                return Some(Definition::Event { definer, name, status, body: self.rest() });
            } else {
                self.at += 1;
            }
        }
        None
    }

    fn routine(&mut self, definer: Vec<u8>, kind: &'static str) -> Option<Definition> {
        self.if_not_exists();
        let (_, name) = self.take_qualified()?;
        if self.peek().is_some_and(|token| token.is_mark(b'(')) {
            self.skip_brackets();
        }
        let begin = self.at;
        // A function of a library: `RETURNS STRING SONAME 'x.so'`.
        if self.word("RETURNS") {
            self.at += 1;
            if self.word("SONAME") {
                return Some(Definition::Function { name, library: self.take_name()? });
            }
        }
        self.at = begin;
        // What stands before the body: the type of the result, and properties.
        while self.peek().is_some_and(|token| !BODIES.iter().any(|word| token.is(word))) {
            self.at += 1;
        }
        Some(Definition::Routine { definer, name, kind, body: self.rest() })
    }
}
