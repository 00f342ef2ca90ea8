//! Tokens → the small tree: expressions.

use super::ir::{Arg, CastTo, Expr, Id, Name, Op, Unary};
use super::lexer::Tok;
use super::parser::Parser;

pub(super) const ASSIGNMENT: u8 = 4;
const TERNARY: u8 = 5;
const UNARY: u8 = 20;

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Id {
        self.binary(0)
    }

    pub(super) fn binary(&mut self, least: u8) -> Id {
        let line = self.line();
        if !self.enter() {
            return self.add(Expr::Unknown, line);
        }
        let mut left = self.unary();
        loop {
            let line = self.line();
            if let Some(op) = self.assignment() {
                self.at += 1;
                if op.is_none() && self.is_op(b"&") {
                    self.at += 1;
                    let right = self.binary(ASSIGNMENT);
                    left = self.add(Expr::AssignRef(left, right), line);
                } else {
                    let right = self.binary(ASSIGNMENT);
                    left = self.add(Expr::Assign(left, op, right), line);
                }
                continue;
            }
            if least <= TERNARY && self.is_op(b"?") {
                self.at += 1;
                let then = (!self.is_op(b":")).then(|| self.binary(ASSIGNMENT));
                self.eat(b":");
                let otherwise = self.binary(TERNARY + 1);
                left = self.add(Expr::Ternary(left, then, otherwise), line);
                continue;
            }
            let Some((op, level, right_first)) = self.operator() else { break };
            if level < least {
                break;
            }
            self.at += 1;
            let right = self.binary(if right_first { level } else { level + 1 });
            left = self.join(op, left, right, line);
        }
        self.nesting -= 1;
        left
    }

    pub(super) fn join(&mut self, op: Op, left: Id, right: Id, line: u32) -> Id {
        if op != Op::Concat {
            return self.add(Expr::Binary(op, left, right), line);
        }
        // A long chain of concatenations stays flat.
        let depth = self.unit.depths.get(right as usize).copied().unwrap_or(0).saturating_add(1);
        let fits = depth < 190;
        if fits && let Some((Expr::Concat(parts), _)) = self.unit.exprs.get_mut(left as usize) {
            parts.push(right);
            if let Some(own) = self.unit.depths.get_mut(left as usize) {
                *own = (*own).max(depth);
            }
            return left;
        }
        self.add(Expr::Concat(vec![left, right]), line)
    }

    /// The operator of an assignment: `Some(None)` for a plain one.
    #[allow(clippy::option_option, reason = "no operator of an assignment, a plain one, one with an operator")]
    pub(super) fn assignment(&self) -> Option<Option<Op>> {
        if self.tok() != Tok::Op {
            return None;
        }
        Some(match self.text() {
            b"=" => None,
            b".=" => Some(Op::Concat),
            b"+=" => Some(Op::Add),
            b"-=" => Some(Op::Sub),
            b"*=" => Some(Op::Mul),
            b"/=" => Some(Op::Div),
            b"%=" => Some(Op::Mod),
            b"**=" => Some(Op::Pow),
            b"&=" => Some(Op::BitAnd),
            b"|=" => Some(Op::BitOr),
            b"^=" => Some(Op::Xor),
            b"<<=" => Some(Op::Shl),
            b">>=" => Some(Op::Shr),
            b"??=" => Some(Op::Coalesce),
            _ => return None,
        })
    }

    /// A binary operator, its level, and whether it binds to the right.
    pub(super) fn operator(&self) -> Option<(Op, u8, bool)> {
        let (op, level) = match self.tok() {
            Tok::Op => match self.text() {
                b"??" => return Some((Op::Coalesce, 6, true)),
                b"||" => (Op::Or, 7),
                b"&&" => (Op::And, 8),
                b"|" => (Op::BitOr, 9),
                b"^" => (Op::Xor, 10),
                b"&" => (Op::BitAnd, 11),
                b"==" => (Op::Eq, 12),
                b"!=" | b"<>" => (Op::Ne, 12),
                b"===" => (Op::Same, 12),
                b"!==" => (Op::NotSame, 12),
                b"<=>" => (Op::Cmp, 12),
                b"<" => (Op::Lt, 13),
                b">" => (Op::Gt, 13),
                b"<=" => (Op::Le, 13),
                b">=" => (Op::Ge, 13),
                // Before PHP 8 it bound as `+` does; that is what samples were written for.
                b"." => (Op::Concat, 16),
                b"<<" => (Op::Shl, 15),
                b">>" => (Op::Shr, 15),
                b"+" => (Op::Add, 16),
                b"-" => (Op::Sub, 16),
                b"*" => (Op::Mul, 17),
                b"/" => (Op::Div, 17),
                b"%" => (Op::Mod, 17),
                b"**" => return Some((Op::Pow, 21, true)),
                _ => return None,
            },
            Tok::Name => match self.text().to_ascii_lowercase().as_slice() {
                b"or" => (Op::Or, 1),
                b"xor" => (Op::LogicXor, 2),
                b"and" => (Op::And, 3),
                b"instanceof" => (Op::InstanceOf, 19),
                _ => return None,
            },
            _ => return None,
        };
        Some((op, level, false))
    }

    pub(super) fn unary(&mut self) -> Id {
        let line = self.line();
        if self.tok() == Tok::Cast {
            let to = match self.text().trim_ascii_start().get(1..) {
                Some(word) => cast_to(word),
                None => CastTo::Str,
            };
            self.at += 1;
            let value = self.binary(UNARY);
            return self.add(Expr::Cast(to, value), line);
        }
        if self.tok() == Tok::Op {
            let op = self.text().to_vec();
            match op.as_slice() {
                b"!" => {
                    self.at += 1;
                    let value = self.binary(18);
                    return self.add(Expr::Unary(Unary::Not, value), line);
                }
                b"-" | b"+" | b"~" => {
                    self.at += 1;
                    let value = self.binary(UNARY);
                    let op = match op.as_slice() {
                        b"-" => Unary::Minus,
                        b"+" => Unary::Plus,
                        _ => Unary::BitNot,
                    };
                    return self.add(Expr::Unary(op, value), line);
                }
                b"@" | b"&" => {
                    self.at += 1;
                    return self.binary(UNARY);
                }
                b"++" | b"--" => {
                    self.at += 1;
                    let target = self.binary(UNARY);
                    return self.add(Expr::Step { target, up: op == b"++", before: true }, line);
                }
                _ => {}
            }
        }
        let start = self.primary();
        self.postfix(start)
    }

    pub(super) fn postfix(&mut self, mut base: Id) -> Id {
        loop {
            let line = self.line();
            if self.tok() != Tok::Op {
                return base;
            }
            match self.text() {
                b"[" => {
                    self.at += 1;
                    let index = (!self.is_op(b"]")).then(|| self.expression());
                    if !self.eat(b"]") {
                        self.skip_to_close();
                    }
                    base = self.add(Expr::Index(base, index), line);
                }
                // `$text{0}` of old PHP; a block never follows a value.
                b"{" if self.is_old_index(base) => {
                    self.at += 1;
                    let index = self.expression();
                    self.eat(b"}");
                    base = self.add(Expr::Index(base, Some(index)), line);
                }
                b"->" | b"?->" => {
                    self.at += 1;
                    let name = self.member_name();
                    base = if self.is_op(b"(") {
                        let args = self.arguments();
                        self.add(Expr::Method(base, name, args), line)
                    } else {
                        self.add(Expr::Prop(base, name), line)
                    };
                }
                b"::" => {
                    self.at += 1;
                    base = self.scoped(base, line);
                }
                b"(" => {
                    let args = self.arguments();
                    base = self.add(Expr::Call(base, args), line);
                }
                b"++" | b"--" => {
                    let up = self.is_op(b"++");
                    self.at += 1;
                    base = self.add(Expr::Step { target: base, up, before: false }, line);
                }
                _ => return base,
            }
        }
    }

    pub(super) fn is_old_index(&self, base: Id) -> bool {
        matches!(self.unit.expr(base), Expr::Var(_) | Expr::Index(..) | Expr::Prop(..) | Expr::VarVar(_))
            && (matches!(self.tok_at(1), Tok::Int | Tok::Var | Tok::Name) || self.is_op_at(1, b"-"))
            && (self.is_op_at(2, b"}") || (self.tok_at(1) != Tok::Name && self.closes_soon()))
    }

    pub(super) fn closes_soon(&self) -> bool {
        (2..14).take_while(|&ahead| !self.is_op_at(ahead, b";")).any(|ahead| self.is_op_at(ahead, b"}"))
    }

    pub(super) fn scoped(&mut self, base: Id, line: u32) -> Id {
        if self.tok() == Tok::Var {
            let called = self.is_op_at(1, b"(");
            let name = if called { Name::Plain(self.variable_name()) } else { self.property_name() };
            self.at += 1;
            if called {
                let Name::Plain(sym) = name else { return base };
                let value = self.add(Expr::Var(sym), line);
                let args = self.arguments();
                return self.add(Expr::Static(base, Name::Dynamic(value), args), line);
            }
            return self.add(Expr::StaticProp(base, name), line);
        }
        if self.eat(b"$") {
            let inner = self.primary();
            return self.add(Expr::StaticProp(base, Name::Dynamic(inner)), line);
        }
        let name = self.member_name();
        if self.is_op(b"(") {
            let args = self.arguments();
            return self.add(Expr::Static(base, name, args), line);
        }
        match name {
            Name::Plain(sym) => self.add(Expr::ClassConst(base, sym), line),
            Name::Dynamic(id) => id,
        }
    }

    /// The name of a method or property. Both are looked up without regard to case: a property that differs from another only by
    /// that is rare, and missing a method is worse.
    pub(super) fn member_name(&mut self) -> Name {
        let line = self.line();
        match self.tok() {
            Tok::Name => {
                let name = self.text().to_ascii_lowercase();
                self.at += 1;
                Name::Plain(self.names.intern(&name))
            }
            Tok::Var => {
                let sym = self.variable_name();
                self.at += 1;
                Name::Dynamic(self.add(Expr::Var(sym), line))
            }
            _ if self.eat(b"{") => {
                let id = self.expression();
                self.eat(b"}");
                Name::Dynamic(id)
            }
            _ => {
                let id = self.add(Expr::Unknown, line);
                Name::Dynamic(id)
            }
        }
    }

    /// `$name` as the name of a property.
    pub(super) fn property_name(&mut self) -> Name {
        let name = self.text().get(1..).unwrap_or_default().to_ascii_lowercase();
        Name::Plain(self.names.intern(&name))
    }

    pub(super) fn arguments(&mut self) -> Vec<Arg> {
        let mut args = Vec::new();
        if !self.eat(b"(") {
            return args;
        }
        while self.tok() != Tok::Eof && !self.is_op(b")") {
            let before = self.at;
            // A named argument.
            if self.tok() == Tok::Name && self.is_op_at(1, b":") && !self.is_op_at(1, b"::") {
                self.at += 2;
            }
            let spread = self.eat(b"...");
            if spread && self.is_op(b")") {
                break;
            }
            let value = self.expression();
            args.push(Arg { value, spread });
            if !self.eat(b",") && !self.is_op(b")") {
                self.skip_to_close();
                return args;
            }
            if self.at == before {
                self.at += 1;
            }
        }
        self.eat(b")");
        args
    }
}

pub(super) fn cast_to(word: &[u8]) -> CastTo {
    let word = word.trim_ascii_start().to_ascii_lowercase();
    if word.starts_with(b"int") {
        CastTo::Int
    } else if word.starts_with(b"bool") {
        CastTo::Bool
    } else if word.starts_with(b"float") || word.starts_with(b"double") || word.starts_with(b"real") {
        CastTo::Float
    } else if word.starts_with(b"array") {
        CastTo::Array
    } else if word.starts_with(b"object") {
        CastTo::Object
    } else if word.starts_with(b"unset") {
        CastTo::Unset
    } else {
        CastTo::Str
    }
}
