//! Tokens → the small tree: what an expression begins with.

use super::expression::ASSIGNMENT;
use super::ir::{Expr, Id, Item};
use super::lexer::Tok;
use super::parser::Parser;
use super::text;
use std::rc::Rc;

impl Parser<'_> {
    pub(super) fn items(&mut self, close: &[u8]) -> Vec<Item> {
        let mut items = Vec::new();
        while self.tok() != Tok::Eof && !self.is_op(close) {
            let before = self.at;
            let line = self.line();
            if self.eat(b",") {
                let value = self.add(Expr::Unknown, line);
                items.push(Item { key: None, value, spread: false });
                continue;
            }
            let spread = self.eat(b"...");
            let mut value = self.expression();
            let mut key = None;
            if self.eat(b"=>") {
                key = Some(value);
                value = self.expression();
            }
            items.push(Item { key, value, spread });
            if !self.eat(b",") && !self.is_op(close) {
                self.skip_to_close();
                return items;
            }
            if self.at == before {
                self.at += 1;
            }
        }
        self.eat(close);
        items
    }

    pub(super) fn string(&mut self, text: Vec<u8>, escaped: bool, line: u32) -> Id {
        if escaped {
            self.unit.escaped = self.unit.escaped.saturating_add(1);
        }
        self.add(Expr::Str { text: Rc::new(text), escaped }, line)
    }

    pub(super) fn primary(&mut self) -> Id {
        let line = self.line();
        match self.tok() {
            Tok::Var => {
                let sym = self.variable_name();
                self.at += 1;
                self.add(Expr::Var(sym), line)
            }
            Tok::Int => {
                let value = text::integer(self.text());
                self.at += 1;
                self.add(Expr::Int(value), line)
            }
            Tok::Float => {
                let value = std::str::from_utf8(self.text()).ok().and_then(|text| text.replace('_', "").parse().ok());
                self.at += 1;
                self.add(Expr::Float(value.unwrap_or(0.0)), line)
            }
            Tok::Single => {
                let text = text::single(self.text());
                self.at += 1;
                self.string(text, false, line)
            }
            Tok::Nowdoc => {
                let text = text::heredoc_body(self.text());
                self.at += 1;
                self.string(text, false, line)
            }
            Tok::Double => {
                let inner = text::unquoted(self.text()).to_vec();
                self.at += 1;
                self.template(&inner, b'"', line)
            }
            Tok::Heredoc => {
                let inner = text::heredoc_body(self.text());
                self.at += 1;
                self.template(&inner, 0, line)
            }
            Tok::Backtick => {
                let inner = text::unquoted(self.text()).to_vec();
                self.at += 1;
                let command = self.template(&inner, b'`', line);
                self.add(Expr::Shell(command), line)
            }
            Tok::Name => self.word(line),
            Tok::Op => self.punctuation(line),
            Tok::Html => {
                self.at += 1;
                self.add(Expr::Unknown, line)
            }
            Tok::Cast | Tok::OpenEcho | Tok::Close | Tok::Eof => self.add(Expr::Unknown, line),
        }
    }

    pub(super) fn punctuation(&mut self, line: u32) -> Id {
        match self.text() {
            b"(" => {
                self.at += 1;
                let id = self.expression();
                if !self.eat(b")") {
                    self.skip_to_close();
                }
                // `(a.b).c` must not be merged with what follows by mistake of precedence; the value is the same either way.
                id
            }
            b"[" => {
                self.at += 1;
                let items = self.items(b"]");
                self.add(Expr::Array(items), line)
            }
            b"$" => {
                self.at += 1;
                let inner = if self.eat(b"{") {
                    let id = self.expression();
                    self.eat(b"}");
                    id
                } else if self.tok() == Tok::Var {
                    let sym = self.variable_name();
                    self.at += 1;
                    self.add(Expr::Var(sym), line)
                } else if self.is_op(b"$") && self.enter() {
                    let id = self.punctuation(line);
                    self.nesting -= 1;
                    id
                } else {
                    self.add(Expr::Unknown, line)
                };
                self.add(Expr::VarVar(inner), line)
            }
            b")" | b"]" | b"}" | b";" | b"," | b"{" | b":" => self.add(Expr::Unknown, line),
            _ => {
                self.at += 1;
                self.add(Expr::Unknown, line)
            }
        }
    }

    pub(super) fn word(&mut self, line: u32) -> Id {
        let full = self.text().to_vec();
        let word = full.to_ascii_lowercase();
        self.at += 1;
        let called = self.is_op(b"(");
        match word.as_slice() {
            b"new" => self.new_object(line),
            b"array" if called => {
                self.at += 1;
                let items = self.items(b")");
                self.add(Expr::Array(items), line)
            }
            b"list" if called => {
                self.at += 1;
                let items = self.items(b")");
                self.add(Expr::Array(items), line)
            }
            b"eval" if called => {
                let args = self.arguments();
                let value = match args.first() {
                    Some(arg) => arg.value,
                    None => self.add(Expr::Unknown, line),
                };
                self.add(Expr::Eval(value), line)
            }
            b"include" | b"include_once" | b"require" | b"require_once" => {
                let value = self.binary(ASSIGNMENT);
                self.add(Expr::Include(value), line)
            }
            b"exit" | b"die" => {
                let value = if called { self.arguments().first().map(|arg| arg.value) } else { None };
                self.add(Expr::Exit(value), line)
            }
            b"print" => {
                let value = self.binary(ASSIGNMENT);
                self.add(Expr::Print(value), line)
            }
            b"isset" if called => {
                let args = self.arguments();
                self.add(Expr::Isset(args.into_iter().map(|arg| arg.value).collect()), line)
            }
            b"empty" if called => {
                let args = self.arguments();
                let value = match args.first() {
                    Some(arg) => arg.value,
                    None => self.add(Expr::Unknown, line),
                };
                self.add(Expr::Empty(value), line)
            }
            b"clone" | b"throw" | b"yield" => {
                if self.at_end() || self.is_op(b")") || self.is_op(b",") {
                    return self.add(Expr::Unknown, line);
                }
                if self.is_word(b"from") {
                    self.at += 1;
                }
                let value = self.binary(ASSIGNMENT);
                self.add(Expr::Through(value), line)
            }
            b"static" if self.is_word(b"function") || self.is_word(b"fn") => self.primary(),
            b"function" | b"fn" if called || self.is_op(b"&") => {
                self.eat(b"&");
                let number = self.function(b"{closure}", word == b"fn", false);
                self.add(Expr::Closure(number), line)
            }
            b"match" if called => self.match_expression(line),
            _ => {
                // Constants are kept as they are written, functions and classes are looked up in small letters later.
                let last = full.rsplit(|&b| b == b'\\').next().unwrap_or(&full).to_vec();
                let name = if called || self.is_op(b"::") { self.name_of(&full) } else { self.names.intern(&last) };
                if name_is_line(&last) {
                    return self.add(Expr::Int(i64::from(line)), line);
                }
                self.add(Expr::Const(name), line)
            }
        }
    }

    pub(super) fn match_expression(&mut self, line: u32) -> Id {
        let args = self.arguments();
        let subject = match args.first() {
            Some(arg) => arg.value,
            None => self.add(Expr::Unknown, line),
        };
        if !self.eat(b"{") {
            // A function of that name, from before PHP 8.
            return subject;
        }
        let mut arms = Vec::new();
        while self.tok() != Tok::Eof && !self.is_op(b"}") {
            let before = self.at;
            let mut tests = Vec::new();
            while self.tok() != Tok::Eof && !self.is_op(b"=>") && !self.is_op(b"}") {
                let start = self.at;
                if self.is_word(b"default") {
                    self.at += 1;
                } else {
                    tests.push(self.expression());
                }
                self.eat(b",");
                if self.at == start {
                    self.at += 1;
                }
            }
            self.eat(b"=>");
            let value = self.expression();
            arms.push((tests, value));
            self.eat(b",");
            if self.at == before {
                self.at += 1;
            }
        }
        self.eat(b"}");
        self.add(Expr::Match(subject, arms), line)
    }

    pub(super) fn new_object(&mut self, line: u32) -> Id {
        if self.is_word(b"class") {
            self.at += 1;
            let args = if self.is_op(b"(") { self.arguments() } else { Vec::new() };
            let name = format!("class@{}", self.at).into_bytes();
            let sym = self.class(&name);
            let class = self.add(Expr::Const(sym), line);
            return self.add(Expr::New(class, args), line);
        }
        let class = match self.tok() {
            Tok::Name => {
                let text = self.text().to_vec();
                self.at += 1;
                let sym = self.name_of(&text);
                self.add(Expr::Const(sym), line)
            }
            Tok::Var => {
                let sym = self.variable_name();
                self.at += 1;
                let mut base = self.add(Expr::Var(sym), line);
                loop {
                    if self.is_op(b"[") {
                        self.at += 1;
                        let index = (!self.is_op(b"]")).then(|| self.expression());
                        self.eat(b"]");
                        base = self.add(Expr::Index(base, index), line);
                    } else if self.is_op(b"->") {
                        self.at += 1;
                        let name = self.member_name();
                        base = self.add(Expr::Prop(base, name), line);
                    } else if self.is_op(b"::") && self.tok_at(1) == Tok::Var {
                        self.at += 1;
                        let name = self.property_name();
                        self.at += 1;
                        base = self.add(Expr::StaticProp(base, name), line);
                    } else {
                        break base;
                    }
                }
            }
            _ => self.primary(),
        };
        let args = if self.is_op(b"(") { self.arguments() } else { Vec::new() };
        self.add(Expr::New(class, args), line)
    }

    /// A text with variables in it.
    pub(super) fn template(&mut self, inner: &[u8], quote: u8, line: u32) -> Id {
        let (pieces, escaped) = text::pieces(inner, quote);
        let mut parts = Vec::new();
        for piece in pieces {
            let part = match piece {
                text::Piece::Text(text) => self.string(text, escaped, line),
                text::Piece::Code(code) => self.fragment(&code, line),
            };
            parts.push(part);
        }
        match (parts.len(), parts.first()) {
            (0, _) => self.string(Vec::new(), escaped, line),
            (1, Some(&only)) if matches!(self.unit.expr(only), Expr::Str { .. }) => only,
            _ => self.add(Expr::Concat(parts), line),
        }
    }

    /// Parses the code of an interpolation, with the same names and nodes.
    pub(super) fn fragment(&mut self, code: &[u8], line: u32) -> Id {
        if !self.enter() {
            return self.add(Expr::Unknown, line);
        }
        let mut lexed = super::lexer::lex(code, 0, true, 4096);
        for token in &mut lexed.tokens {
            token.line = token.line.saturating_add(line.saturating_sub(1));
        }
        let mut inner = Parser {
            src: code,
            tokens: lexed.tokens,
            at: 0,
            unit: std::mem::take(&mut self.unit),
            names: &mut *self.names,
            nesting: self.nesting,
            max_nesting: self.max_nesting,
            class: self.class,
            loose: std::mem::take(&mut self.loose),
        };
        let id = inner.expression();
        let (unit, loose) = (std::mem::take(&mut inner.unit), std::mem::take(&mut inner.loose));
        self.unit = unit;
        self.loose = loose;
        self.nesting -= 1;
        id
    }
}

pub(super) fn name_is_line(name: &[u8]) -> bool {
    name.eq_ignore_ascii_case(b"__line__")
}
