//! Bytes → tokens of PHP.
//!
//! It exists because a sample is hostile bytes in any encoding: every byte sequence lexes, in linear time, into a bounded number of
//! tokens. It touches nothing but the bytes, and never recurses.

/// What a token is. Operators and punctuation are told apart by their text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tok {
    /// Text outside of PHP.
    Html,
    /// `<?=`.
    OpenEcho,
    /// `?>`, which ends a statement.
    Close,
    /// `$name`.
    Var,
    /// A name, with its namespaces.
    Name,
    /// An integer.
    Int,
    /// A floating-point number.
    Float,
    /// `'…'`.
    Single,
    /// `"…"`.
    Double,
    /// `` `…` ``.
    Backtick,
    /// `<<<X … X`.
    Heredoc,
    /// `<<<'X' … X`.
    Nowdoc,
    /// An operator or punctuation.
    Op,
    /// `(int)` and the like.
    Cast,
    /// The end.
    Eof,
}

/// One token: its kind, where it stands, and its line from 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) tok: Tok,
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) line: u32,
}

/// The tokens of a text, and what was seen while they were made.
#[derive(Debug, Default)]
pub(super) struct Lexed {
    pub(super) tokens: Vec<Token>,
    /// The tokens did not all fit.
    pub(super) cut: bool,
    /// Bytes of PHP code, blanks, comments and strings left out.
    pub(super) code_bytes: u32,
    /// Of these, letters and digits.
    pub(super) word_bytes: u32,
    /// Variables, and of these the ones whose name has no letter or digit in it.
    pub(super) variables: u32,
    pub(super) blank_variables: u32,
    /// Names of functions, classes, constants and keywords.
    pub(super) words: u32,
}

/// Bytes of `{$…}` inside a string that are looked through for its end.
const MAX_INTERPOLATION: usize = 4096;

/// Lexes `src`, from `start` to its end; `in_php` says whether the text begins as PHP.
pub(super) fn lex(src: &[u8], start: usize, in_php: bool, max_tokens: usize) -> Lexed {
    let mut lexer = Lexer { src, pos: start, line: 1, out: Lexed::default(), max_tokens };
    if !in_php {
        lexer.html();
    }
    while lexer.pos < src.len() && !lexer.out.cut {
        lexer.token();
    }
    lexer.out
}

/// Lexes a file until `is_enough` says so of the tokens up to there, and whether it did; a text of too many tokens is always enough.
pub(super) fn lex_until(src: &[u8], max_tokens: usize, mut is_enough: impl FnMut(&[Token]) -> bool) -> bool {
    let mut lexer = Lexer { src, pos: 0, line: 1, out: Lexed::default(), max_tokens };
    lexer.html();
    while lexer.pos < src.len() {
        let before = lexer.out.tokens.len();
        lexer.token();
        if lexer.out.cut || (lexer.out.tokens.len() > before && is_enough(&lexer.out.tokens)) {
            return true;
        }
    }
    false
}

struct Lexer<'a> {
    src: &'a [u8],
    pos: usize,
    line: u32,
    out: Lexed,
    max_tokens: usize,
}

pub(super) fn is_name_start(b: u8) -> bool {
    b.is_ascii_alphabetic() || b == b'_' || b >= 0x80
}

pub(super) fn is_name_byte(b: u8) -> bool {
    is_name_start(b) || b.is_ascii_digit()
}

impl Lexer<'_> {
    fn at(&self, offset: usize) -> u8 {
        self.src.get(self.pos + offset).copied().unwrap_or(0)
    }

    fn rest(&self) -> &[u8] {
        self.src.get(self.pos..).unwrap_or_default()
    }

    fn has(&self, text: &[u8]) -> bool {
        self.rest().get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text))
    }

    /// Emits a token that reaches to `end` and goes on behind it.
    fn emit(&mut self, tok: Tok, end: usize) {
        let end = end.clamp(self.pos, self.src.len());
        if self.out.tokens.len() >= self.max_tokens {
            self.out.cut = true;
            return;
        }
        let (Ok(start32), Ok(end32)) = (u32::try_from(self.pos), u32::try_from(end)) else {
            self.out.cut = true;
            return;
        };
        self.out.tokens.push(Token { tok, start: start32, end: end32, line: self.line });
        self.skip_to(end);
    }

    /// Goes on at `end`, counting lines.
    fn skip_to(&mut self, end: usize) {
        let end = end.clamp(self.pos, self.src.len());
        let passed = self.src.get(self.pos..end).unwrap_or_default();
        #[allow(clippy::naive_bytecount, reason = "the pieces are a few bytes long")]
        let lines = passed.iter().filter(|&&b| b == b'\n').count();
        self.line = self.line.saturating_add(u32::try_from(lines).unwrap_or(u32::MAX));
        self.pos = end;
    }

    /// Text up to the next opening tag.
    fn html(&mut self) {
        let mut at = self.pos;
        let open = loop {
            let rest = self.src.get(at..).unwrap_or_default();
            let Some(found) = rest.iter().position(|&b| b == b'<') else { break None };
            at += found;
            if let Some(width) = self.opening(at) {
                break Some((at, width));
            }
            at += 1;
        };
        let end = open.map_or(self.src.len(), |(at, _)| at);
        if end > self.pos {
            self.emit(Tok::Html, end);
        }
        if let Some((at, width)) = open {
            if self.src.get(at..at + 3) == Some(b"<?=") {
                self.emit(Tok::OpenEcho, at + 3);
            } else {
                self.skip_to(at + width);
            }
        }
    }

    /// The width of an opening tag at `at`.
    fn opening(&self, at: usize) -> Option<usize> {
        let rest = self.src.get(at..)?;
        let word = |text: &[u8]| rest.get(..text.len()).is_some_and(|head| head.eq_ignore_ascii_case(text));
        if word(b"<?php") {
            return rest.get(5).is_none_or(u8::is_ascii_whitespace).then_some(5);
        }
        if word(b"<?=") {
            return Some(3);
        }
        if word(b"<?") {
            let next = rest.get(2).copied().unwrap_or(b' ');
            return (next.is_ascii_whitespace() || matches!(next, b'$' | b'@' | b'/' | b'#')).then_some(2);
        }
        if word(b"<script") {
            let head = rest.get(..rest.len().min(64))?;
            let close = head.iter().position(|&b| b == b'>')?;
            let tag = head.get(..close)?.to_ascii_lowercase();
            let names = |needle: &[u8]| tag.windows(needle.len()).any(|part| part == needle);
            return (names(b"language") && names(b"php")).then_some(close + 1);
        }
        None
    }

    fn token(&mut self) {
        let b = self.at(0);
        let next = self.at(1);
        match b {
            b if b.is_ascii_whitespace() || b == 0 => {
                let blanks = self.rest().iter().take_while(|b| b.is_ascii_whitespace() || **b == 0).count();
                self.skip_to(self.pos + blanks);
            }
            b'?' if next == b'>' => self.close(2),
            b'<' if self.has(b"</script") && self.rest().iter().take(12).any(|&b| b == b'>') => {
                let width = self.rest().iter().position(|&b| b == b'>').unwrap_or(0) + 1;
                self.close(width);
            }
            b'#' if next == b'[' => self.attribute(),
            b'#' => self.line_comment(),
            b'/' if next == b'/' => self.line_comment(),
            b'/' if next == b'*' => {
                let end = find(self.src, self.pos + 2, b"*/").map_or(self.src.len(), |at| at + 2);
                self.skip_to(end);
            }
            b'$' if is_name_start(next) => {
                let name = self.src.get(self.pos + 1..).unwrap_or_default();
                let width = 1 + name.iter().take_while(|&&b| is_name_byte(b)).count();
                self.count(width, width);
                let is_blank = !name.iter().take(width - 1).any(u8::is_ascii_alphanumeric);
                self.out.variables = self.out.variables.saturating_add(1);
                self.out.blank_variables = self.out.blank_variables.saturating_add(u32::from(is_blank));
                self.emit(Tok::Var, self.pos + width);
            }
            b'\'' => {
                let end = self.quoted(self.pos + 1, b'\'', false);
                self.emit(Tok::Single, end);
            }
            b'"' => {
                let end = self.quoted(self.pos + 1, b'"', true);
                self.emit(Tok::Double, end);
            }
            b'`' => {
                let end = self.quoted(self.pos + 1, b'`', true);
                self.emit(Tok::Backtick, end);
            }
            b'<' if self.has(b"<<<") && self.heredoc() => {}
            b if b.is_ascii_digit() || (b == b'.' && next.is_ascii_digit()) => self.number(),
            b if is_name_start(b) || (b == b'\\' && is_name_start(next)) => {
                let width = self.rest().iter().take_while(|&&b| is_name_byte(b) || b == b'\\').count();
                self.count(width, width);
                self.out.words = self.out.words.saturating_add(1);
                self.emit(Tok::Name, self.pos + width);
            }
            b'(' => match self.cast() {
                Some(width) => {
                    self.count(width, width);
                    self.emit(Tok::Cast, self.pos + width);
                }
                None => self.operator(),
            },
            _ => self.operator(),
        }
    }

    fn count(&mut self, bytes: usize, words: usize) {
        self.out.code_bytes = self.out.code_bytes.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX));
        self.out.word_bytes = self.out.word_bytes.saturating_add(u32::try_from(words).unwrap_or(u32::MAX));
    }

    fn close(&mut self, width: usize) {
        self.emit(Tok::Close, self.pos + width);
        if !self.out.cut {
            self.html();
        }
    }

    fn line_comment(&mut self) {
        let rest = self.rest();
        let mut ends = memchr::memchr3_iter(b'\n', b'\r', b'?', rest);
        let end = ends.find(|&at| rest.get(at) != Some(&b'?') || rest.get(at + 1) == Some(&b'>'));
        // The last byte of all ends nothing.
        self.skip_to(self.pos + end.filter(|&at| at + 1 < rest.len()).unwrap_or(rest.len()));
    }

    /// `#[…]`: passed over where it ends on its line, else taken for a comment as old PHP does.
    fn attribute(&mut self) {
        let mut depth = 0_i32;
        for (at, &b) in self.rest().iter().enumerate() {
            match b {
                b'[' => depth += 1,
                b']' => depth -= 1,
                b'\n' => break,
                _ => continue,
            }
            if depth == 0 {
                return self.skip_to(self.pos + at + 1);
            }
        }
        self.line_comment();
    }

    /// The end of a quoted text whose inside begins at `from`: behind the closing quote, or the end of all.
    fn quoted(&self, from: usize, quote: u8, interpolates: bool) -> usize {
        let mut at = from;
        while let Some(&b) = self.src.get(at) {
            if b == quote {
                return at + 1;
            }
            at += match b {
                b'\\' => 2,
                b'{' if interpolates && self.src.get(at + 1) == Some(&b'$') => {
                    self.braces(at, quote).map_or(1, |end| end - at)
                }
                _ => 1,
            };
        }
        self.src.len()
    }

    /// The end of `{$…}` at `from`, where it is near.
    fn braces(&self, from: usize, quote: u8) -> Option<usize> {
        let window = self.src.get(from..(from + MAX_INTERPOLATION).min(self.src.len()))?;
        let mut depth = 0_u32;
        let mut at = 0;
        while let Some(&b) = window.get(at) {
            match b {
                b'{' => depth += 1,
                b'}' => {
                    depth -= 1;
                    if depth == 0 {
                        return Some(from + at + 1);
                    }
                }
                b'\'' | b'"' => {
                    let mut end = at + 1;
                    while window.get(end).is_some_and(|&c| c != b) {
                        end += if window.get(end) == Some(&b'\\') { 2 } else { 1 };
                    }
                    // A quote that only the string's own end closes is none.
                    if end >= window.len() || (b == quote && window.get(at + 1..end)?.contains(&b'\n')) {
                        return None;
                    }
                    at = end;
                }
                b'\n' if quote == b'"' && depth == 0 => return None,
                _ => {}
            }
            at += 1;
        }
        None
    }

    fn heredoc(&mut self) -> bool {
        let rest = self.src.get(self.pos + 3..).unwrap_or_default();
        let lead = rest.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let quote = rest.get(lead).copied().filter(|b| matches!(b, b'\'' | b'"'));
        let from = lead + usize::from(quote.is_some());
        let word: Vec<u8> =
            rest.get(from..).unwrap_or_default().iter().take(128).take_while(|&&b| is_name_byte(b)).copied().collect();
        if word.is_empty() {
            return false;
        }
        let after = self.pos + 3 + from + word.len() + usize::from(quote.is_some());
        // The body begins on the next line; it ends at a line that begins, after blanks, with the word.
        let mut line = match find(self.src, after, b"\n") {
            Some(at) if self.src.get(after..at).is_some_and(|tail| tail.iter().all(u8::is_ascii_whitespace)) => at + 1,
            _ => return false,
        };
        let end = loop {
            let Some(text) = self.src.get(line..).filter(|text| !text.is_empty()) else { break self.src.len() };
            let blanks = text.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            let tail = text.get(blanks..).unwrap_or_default();
            if tail.starts_with(&word) && !tail.get(word.len()).is_some_and(|&b| is_name_byte(b)) {
                break line + blanks + word.len();
            }
            match find(self.src, line, b"\n") {
                Some(at) => line = at + 1,
                None => break self.src.len(),
            }
        };
        let tok = if quote == Some(b'\'') { Tok::Nowdoc } else { Tok::Heredoc };
        self.emit(tok, end);
        true
    }

    fn number(&mut self) {
        let rest = self.rest();
        let mut width = 0;
        let mut float = false;
        let radix = matches!(rest.get(..2), Some(b"0x" | b"0X" | b"0b" | b"0B" | b"0o" | b"0O"));
        if radix {
            width = 2 + rest.iter().skip(2).take_while(|b| b.is_ascii_hexdigit() || **b == b'_').count();
        } else {
            while let Some(&b) = rest.get(width) {
                let next = rest.get(width + 1).copied().unwrap_or(0);
                match b {
                    b'0'..=b'9' | b'_' => {}
                    b'.' if !float && next != b'.' => {
                        // `1 . 'a'` written without blanks is a number and a concatenation only where a digit does not follow.
                        if !next.is_ascii_digit() {
                            break;
                        }
                        float = true;
                    }
                    b'e' | b'E' if next.is_ascii_digit() => float = true,
                    b'e' | b'E'
                        if matches!(next, b'+' | b'-') && rest.get(width + 2).is_some_and(u8::is_ascii_digit) =>
                    {
                        float = true;
                        width += 1;
                    }
                    _ => break,
                }
                width += 1;
            }
        }
        self.count(width, width);
        self.emit(if float { Tok::Float } else { Tok::Int }, self.pos + width.max(1));
    }

    /// The width of a cast.
    fn cast(&self) -> Option<usize> {
        let rest = self.rest();
        let head = rest.get(..rest.len().min(24))?;
        let close = head.iter().position(|&b| b == b')')?;
        let word = head.get(1..close)?.trim_ascii().to_ascii_lowercase();
        let known: &[&[u8]] = &[
            b"int", b"integer", b"bool", b"boolean", b"float", b"double", b"real", b"string", b"binary", b"array",
            b"object", b"unset",
        ];
        known.contains(&word.as_slice()).then_some(close + 1)
    }

    fn operator(&mut self) {
        const LONG: [&[u8]; 34] = [
            b"<=>", b"**=", b"...", b"<<=", b">>=", b"===", b"!==", b"??=", b"?->", b"++", b"--", b"->", b"=>", b"::",
            b"==", b"!=", b"<>", b"<=", b">=", b"&&", b"||", b"??", b"+=", b"-=", b"*=", b"/=", b".=", b"%=", b"&=",
            b"|=", b"^=", b"<<", b">>", b"**",
        ];
        let may_go_on =
            matches!(self.at(1), b'=' | b'>' | b'<' | b'-' | b'+' | b':' | b'&' | b'|' | b'?' | b'*' | b'.');
        let long = LONG.iter().filter(|_| may_go_on).find(|op| self.rest().starts_with(op));
        let width = long.map_or(1, |op| op.len());
        self.count(width, 0);
        self.emit(Tok::Op, self.pos + width);
    }
}

/// Where `needle` stands at or behind `from`.
pub(super) fn find(text: &[u8], from: usize, needle: &[u8]) -> Option<usize> {
    needle.first()?;
    Some(from + memchr::memmem::find(text.get(from..)?, needle)?)
}
