//! Tokens → the small tree: statements.
//!
//! Written for samples, not for compilers: it takes what every version of PHP took, goes on behind what it does not understand, and
//! bounds its own recursion and the depth of what it makes, so that no nesting can overflow a stack. Every turn of every loop takes a
//! token, so the work is linear in them.

use super::interp::Room;
use super::ir::{Block, Expr, Id, Names, Stmt, Sym, Unit, for_each_child};
use super::lexer::{Tok, Token, lex};

/// Depth of a tree that is kept. What is deeper is judged for itself, and unknown to what stands around it.
const MAX_DEPTH: u16 = 200;

pub(super) struct Parser<'a> {
    pub(super) src: &'a [u8],
    pub(super) tokens: Vec<Token>,
    pub(super) at: usize,
    pub(super) unit: Unit,
    pub(super) names: &'a mut Names,
    pub(super) nesting: u32,
    pub(super) max_nesting: u32,
    pub(super) class: Option<Sym>,
    /// Parts that were too deep for their tree; they become statements of their own.
    pub(super) loose: Vec<Id>,
}

/// Parses `src`; `in_php` says whether it begins as PHP. The last are the tokens that are taken, and the statements and expressions inside each other
/// that are followed.
pub(super) fn parse(src: &[u8], in_php: bool, names: &mut Names, (max_tokens, max_nesting): (usize, u32)) -> Unit {
    let lexed = lex(src, 0, in_php, max_tokens);
    let unit = Unit {
        cut: lexed.cut,
        code_bytes: lexed.code_bytes,
        word_bytes: lexed.word_bytes,
        variables: lexed.variables,
        blank_variables: lexed.blank_variables,
        words: lexed.words,
        ..Unit::default()
    };
    let mut parser = Parser {
        src,
        tokens: lexed.tokens,
        at: 0,
        unit,
        names,
        nesting: 0,
        max_nesting,
        class: None,
        loose: Vec::new(),
    };
    let mut body = Block::new();
    while parser.tok() != Tok::Eof {
        let before = parser.at;
        parser.statement_into(&mut body);
        if parser.at == before {
            parser.at += 1;
        }
    }
    parser.unit.body = body;
    parser.unit
}

impl Parser<'_> {
    pub(super) fn token(&self) -> Token {
        self.token_at(0)
    }

    pub(super) fn token_at(&self, ahead: usize) -> Token {
        self.tokens.get(self.at + ahead).copied().unwrap_or(Token {
            tok: Tok::Eof,
            start: 0,
            end: 0,
            line: self.tokens.last().map_or(1, |token| token.line),
        })
    }

    pub(super) fn tok(&self) -> Tok {
        self.token().tok
    }

    pub(super) fn tok_at(&self, ahead: usize) -> Tok {
        self.token_at(ahead).tok
    }

    pub(super) fn line(&self) -> u32 {
        self.token().line
    }

    pub(super) fn text(&self) -> &[u8] {
        self.text_at(0)
    }

    pub(super) fn text_at(&self, ahead: usize) -> &[u8] {
        let token = self.token_at(ahead);
        self.src.get(token.start as usize..token.end as usize).unwrap_or_default()
    }

    pub(super) fn is_op(&self, op: &[u8]) -> bool {
        self.is_op_at(0, op)
    }

    pub(super) fn is_op_at(&self, ahead: usize, op: &[u8]) -> bool {
        self.tok_at(ahead) == Tok::Op && self.text_at(ahead) == op
    }

    pub(super) fn eat(&mut self, op: &[u8]) -> bool {
        let found = self.is_op(op);
        self.at += usize::from(found);
        found
    }

    pub(super) fn is_word(&self, word: &[u8]) -> bool {
        self.tok() == Tok::Name && self.text().eq_ignore_ascii_case(word)
    }

    pub(super) fn eat_word(&mut self, word: &[u8]) -> bool {
        let found = self.is_word(word);
        self.at += usize::from(found);
        found
    }

    /// The last part of a name, in small letters: functions and classes are looked up by it.
    pub(super) fn name_of(&mut self, text: &[u8]) -> Sym {
        let last = text.rsplit(|&b| b == b'\\').next().unwrap_or(text).to_ascii_lowercase();
        self.names.intern(&last)
    }

    pub(super) fn add(&mut self, expr: Expr, line: u32) -> Id {
        let depth_of = |unit: &Unit, id: Id| unit.depths.get(id as usize).copied().unwrap_or(0);
        let mut deepest = 0;
        for_each_child(&expr, |child| deepest = deepest.max(depth_of(&self.unit, child)));
        let (expr, depth) = if deepest >= MAX_DEPTH {
            for_each_child(&expr, |child| {
                if depth_of(&self.unit, child) > 1 {
                    self.loose.push(child);
                }
            });
            self.unit.cut = true;
            (Expr::Unknown, 0)
        } else {
            (expr, deepest + 1)
        };
        let id = Id::try_from(self.unit.exprs.len()).unwrap_or(Id::MAX);
        self.unit.exprs.push((expr, line));
        self.unit.depths.push(depth);
        id
    }

    pub(super) fn stmt(&mut self, stmt: Stmt, line: u32) -> u32 {
        let id = u32::try_from(self.unit.stmts.len()).unwrap_or(u32::MAX);
        self.unit.stmts.push((stmt, line));
        id
    }

    /// Says whether there is room for one more level, and takes it.
    pub(super) fn enter(&mut self) -> bool {
        if self.nesting >= self.max_nesting {
            self.unit.cut = true;
            self.unit.too_deep = true;
            // With less than all the room, what is made is thrown away: that can be had at once.
            self.at = if self.max_nesting < Room::ALL.nesting { self.tokens.len() } else { self.at + 1 };
            return false;
        }
        self.nesting += 1;
        true
    }

    pub(super) fn end_of_statement(&mut self) {
        if !self.eat(b";") && self.tok() == Tok::Close {
            self.at += 1;
        }
    }

    pub(super) fn statement_into(&mut self, block: &mut Block) {
        let line = self.line();
        let stmt = self.statement();
        let loose = std::mem::take(&mut self.loose);
        for id in loose {
            let stmt = self.stmt(Stmt::Expr(id), line);
            block.push(stmt);
        }
        if !matches!(stmt, Stmt::Nothing) {
            let id = self.stmt(stmt, line);
            block.push(id);
        }
    }

    /// A block, or a single statement; `ends` are the words that end its alternative form.
    pub(super) fn body(&mut self, ends: &[&[u8]]) -> Block {
        let mut block = Block::new();
        if self.eat(b"{") {
            self.until(&mut block, |parser| parser.is_op(b"}"));
            self.eat(b"}");
        } else if self.is_op(b":") && !ends.is_empty() {
            self.at += 1;
            self.until(&mut block, |parser| ends.iter().any(|end| parser.is_word(end)));
        } else {
            self.statement_into(&mut block);
        }
        block
    }

    pub(super) fn until(&mut self, block: &mut Block, is_end: impl Fn(&Self) -> bool) {
        while self.tok() != Tok::Eof && !is_end(self) {
            let before = self.at;
            self.statement_into(block);
            if self.at == before {
                self.at += 1;
            }
        }
    }

    pub(super) fn end_word(&mut self, word: &[u8]) {
        if self.eat_word(word) {
            self.end_of_statement();
        }
    }

    pub(super) fn statement(&mut self) -> Stmt {
        if !self.enter() {
            return Stmt::Nothing;
        }
        let stmt = self.statement_inner();
        self.nesting -= 1;
        stmt
    }

    pub(super) fn statement_inner(&mut self) -> Stmt {
        match self.tok() {
            Tok::Html | Tok::Close => {
                self.at += 1;
                Stmt::Nothing
            }
            Tok::OpenEcho => {
                self.at += 1;
                self.echo()
            }
            Tok::Op if self.is_op(b"{") => {
                let block = self.body(&[]);
                Stmt::Block(block)
            }
            Tok::Op if self.is_op(b";") => {
                self.at += 1;
                Stmt::Nothing
            }
            Tok::Op if self.is_op(b"}") => {
                self.at += 1;
                Stmt::Nothing
            }
            Tok::Name => self.word_statement(),
            _ => self.expression_statement(),
        }
    }

    pub(super) fn expression_statement(&mut self) -> Stmt {
        let id = self.expression();
        self.end_of_statement();
        Stmt::Expr(id)
    }

    pub(super) fn echo(&mut self) -> Stmt {
        let mut values = vec![self.expression()];
        while self.eat(b",") {
            values.push(self.expression());
        }
        self.end_of_statement();
        Stmt::Echo(values)
    }

    pub(super) fn word_statement(&mut self) -> Stmt {
        let word = self.text().to_ascii_lowercase();
        // A keyword that is called, scoped or assigned to is a name.
        if self.is_op_at(1, b"::") {
            return self.expression_statement();
        }
        let start = self.at;
        self.at += 1;
        match word.as_slice() {
            b"echo" => self.echo(),
            b"if" => self.if_statement(),
            b"while" => {
                let condition = self.condition();
                let body = self.body(&[b"endwhile"]);
                self.end_word(b"endwhile");
                Stmt::While(condition, body)
            }
            b"do" => {
                let body = self.body(&[]);
                self.eat_word(b"while");
                let condition = self.condition();
                self.end_of_statement();
                Stmt::DoWhile(body, condition)
            }
            b"for" => self.for_statement(),
            b"foreach" => self.foreach_statement(),
            b"switch" => self.switch_statement(),
            b"return" => {
                let value = (!self.at_end()).then(|| self.expression());
                self.end_of_statement();
                Stmt::Return(value)
            }
            b"break" | b"continue" => {
                let levels = if self.tok() == Tok::Int {
                    let levels = std::str::from_utf8(self.text()).ok().and_then(|text| text.parse().ok());
                    self.at += 1;
                    levels.unwrap_or(1)
                } else {
                    1
                };
                self.end_of_statement();
                if word == b"break" { Stmt::Break(levels) } else { Stmt::Continue(levels) }
            }
            b"global" => {
                let mut names = Vec::new();
                while self.tok() == Tok::Var || self.is_op(b",") || self.is_op(b"$") {
                    if self.tok() == Tok::Var {
                        names.push(self.variable_name());
                    }
                    self.at += 1;
                }
                self.end_of_statement();
                Stmt::Global(names)
            }
            b"static" if self.tok() == Tok::Var => {
                let mut vars = Vec::new();
                while self.tok() == Tok::Var {
                    let name = self.variable_name();
                    self.at += 1;
                    let value = self.eat(b"=").then(|| self.expression());
                    vars.push((name, value));
                    self.eat(b",");
                }
                self.end_of_statement();
                Stmt::StaticVar(vars)
            }
            b"unset" => {
                let args = self.arguments();
                self.end_of_statement();
                Stmt::Unset(args.into_iter().map(|arg| arg.value).collect())
            }
            b"try" => self.try_statement(),
            b"function" if self.function_name_follows() => {
                self.eat(b"&");
                let name = self.text().to_vec();
                self.at += 1;
                self.function(&name, false, true);
                Stmt::Nothing
            }
            b"abstract" | b"final" | b"readonly" if matches!(self.tok(), Tok::Name) => Stmt::Nothing,
            b"class" | b"interface" | b"trait" if self.tok() == Tok::Name => self.class_statement(),
            b"enum" if self.tok() == Tok::Name && (self.is_op_at(1, b"{") || self.is_op_at(1, b":")) => {
                self.class_statement()
            }
            b"namespace" if self.tok() == Tok::Name || self.is_op(b"{") => {
                if self.tok() == Tok::Name {
                    self.at += 1;
                    self.unit.foreign += 1;
                }
                if self.is_op(b"{") {
                    return Stmt::Block(self.body(&[]));
                }
                self.end_of_statement();
                Stmt::Nothing
            }
            b"use" => {
                self.unit.foreign += 1;
                while !self.at_end() && !self.is_op(b"}") {
                    self.at += 1;
                }
                self.end_of_statement();
                Stmt::Nothing
            }
            b"const" => {
                let mut vars = Vec::new();
                while self.tok() == Tok::Name {
                    let name = self.text().to_vec();
                    let line = self.line();
                    self.at += 1;
                    if self.eat(b"=") {
                        let value = self.expression();
                        vars.push(self.define(&name, value, line));
                    }
                    self.eat(b",");
                }
                self.end_of_statement();
                let block = vars
                    .into_iter()
                    .map(|id| {
                        let line = self.unit.line(id);
                        self.stmt(Stmt::Expr(id), line)
                    })
                    .collect();
                Stmt::Block(block)
            }
            b"declare" => {
                let _ = self.arguments();
                if !self.is_op(b"{") {
                    self.end_of_statement();
                }
                Stmt::Nothing
            }
            b"goto" if self.tok() == Tok::Name => {
                let label = self.text().to_vec();
                let label = self.names.intern(&label);
                self.at += 1;
                self.unit.gotos += 1;
                self.end_of_statement();
                Stmt::Goto(label)
            }
            b"__halt_compiler" => {
                let _ = self.arguments();
                self.end_of_statement();
                Stmt::Halt
            }
            b"else" | b"elseif" | b"catch" | b"finally" | b"endif" | b"endwhile" | b"endfor" | b"endforeach"
            | b"endswitch" | b"case" | b"default" => Stmt::Nothing,
            _ if self.is_op(b":") && !self.is_op_at(1, b":") => {
                self.at += 1;
                let label = self.text_at_index(start).to_vec();
                Stmt::Label(self.names.intern(&label))
            }
            _ => {
                self.at = start;
                self.expression_statement()
            }
        }
    }

    pub(super) fn text_at_index(&self, index: usize) -> &[u8] {
        self.tokens
            .get(index)
            .and_then(|token| self.src.get(token.start as usize..token.end as usize))
            .unwrap_or_default()
    }

    pub(super) fn at_end(&self) -> bool {
        matches!(self.tok(), Tok::Close | Tok::Eof) || self.is_op(b";")
    }

    pub(super) fn variable_name(&mut self) -> Sym {
        let name = self.text().get(1..).unwrap_or_default().to_vec();
        self.names.intern(&name)
    }

    pub(super) fn condition(&mut self) -> Id {
        let line = self.line();
        if !self.eat(b"(") {
            return self.add(Expr::Unknown, line);
        }
        let id = self.expression();
        self.skip_to_close();
        id
    }

    /// Passes over what was not understood, up to the closing parenthesis of this level.
    pub(super) fn skip_to_close(&mut self) {
        let mut depth = 0_u32;
        while self.tok() != Tok::Eof {
            if self.is_op(b"(") || self.is_op(b"[") {
                depth += 1;
            } else if self.is_op(b")") || self.is_op(b"]") {
                if depth == 0 {
                    self.at += 1;
                    return;
                }
                depth -= 1;
            } else if self.is_op(b";") || self.is_op(b"{") || self.is_op(b"}") || self.tok() == Tok::Close {
                return;
            }
            self.at += 1;
        }
    }

    pub(super) fn if_statement(&mut self) -> Stmt {
        const ENDS: &[&[u8]] = &[b"elseif", b"else", b"endif"];
        let mut arms = Vec::new();
        let mut otherwise = None;
        let condition = self.condition();
        arms.push((condition, self.body(ENDS)));
        loop {
            if self.eat_word(b"elseif") || (self.is_word(b"else") && self.is_else_if()) {
                if self.is_word(b"else") {
                    self.at += 2;
                }
                let condition = self.condition();
                arms.push((condition, self.body(ENDS)));
            } else if self.eat_word(b"else") {
                otherwise = Some(self.body(ENDS));
                break;
            } else {
                break;
            }
        }
        self.end_word(b"endif");
        Stmt::If(arms, otherwise)
    }

    pub(super) fn is_else_if(&self) -> bool {
        self.tok_at(1) == Tok::Name && self.text_at(1).eq_ignore_ascii_case(b"if")
    }

    pub(super) fn for_statement(&mut self) -> Stmt {
        self.eat(b"(");
        let mut parts: [Vec<Id>; 3] = Default::default();
        for (number, part) in parts.iter_mut().enumerate() {
            while !self.is_op(b";") && !self.is_op(b")") && self.tok() != Tok::Eof {
                let before = self.at;
                part.push(self.expression());
                self.eat(b",");
                if self.at == before {
                    self.at += 1;
                }
            }
            if number < 2 {
                self.eat(b";");
            }
        }
        self.eat(b")");
        let body = self.body(&[b"endfor"]);
        self.end_word(b"endfor");
        let [init, condition, step] = parts;
        Stmt::For(init, condition, step, body)
    }

    pub(super) fn foreach_statement(&mut self) -> Stmt {
        self.eat(b"(");
        let subject = self.expression();
        self.eat_word(b"as");
        self.eat(b"&");
        let mut value = self.expression();
        let mut key = None;
        if self.eat(b"=>") {
            self.eat(b"&");
            key = Some(value);
            value = self.expression();
        }
        self.skip_to_close();
        let body = self.body(&[b"endforeach"]);
        self.end_word(b"endforeach");
        Stmt::Foreach(subject, key, value, body)
    }

    pub(super) fn switch_statement(&mut self) -> Stmt {
        let subject = self.condition();
        let braces = self.eat(b"{");
        if !braces {
            self.eat(b":");
        }
        let mut cases = Vec::new();
        while self.tok() != Tok::Eof && !self.is_op(b"}") && !self.is_word(b"endswitch") {
            let test = if self.eat_word(b"case") {
                Some(self.expression())
            } else if self.eat_word(b"default") {
                None
            } else {
                self.at += 1;
                continue;
            };
            if !self.eat(b":") {
                self.eat(b";");
            }
            let mut block = Block::new();
            self.until(&mut block, |parser| {
                parser.is_op(b"}")
                    || parser.is_word(b"case")
                    || parser.is_word(b"endswitch")
                    || (parser.is_word(b"default") && (parser.is_op_at(1, b":") || parser.is_op_at(1, b";")))
            });
            cases.push((test, block));
        }
        if braces {
            self.eat(b"}");
        } else {
            self.end_word(b"endswitch");
        }
        Stmt::Switch(subject, cases)
    }

    pub(super) fn try_statement(&mut self) -> Stmt {
        let body = self.body(&[]);
        let mut others = Vec::new();
        loop {
            if self.eat_word(b"catch") {
                self.eat(b"(");
                self.skip_to_close();
            } else if !self.eat_word(b"finally") {
                break;
            }
            others.push(self.body(&[]));
        }
        Stmt::Try(body, others)
    }
}
