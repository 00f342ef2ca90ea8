//! Tokens → the small tree: functions and classes.

use super::ir::{Arg, Block, Class, Expr, Func, Id, Param, Stmt, Sym};
use super::lexer::Tok;
use super::parser::Parser;

impl Parser<'_> {
    /// `const X = …` as the call of `define` that it is.
    pub(super) fn define(&mut self, name: &[u8], value: Id, line: u32) -> Id {
        let function = self.names.intern(b"define");
        let callee = self.add(Expr::Const(function), line);
        let text = self.add(Expr::Str { text: std::rc::Rc::new(name.to_vec()), escaped: false }, line);
        let args = [text, value].map(|value| Arg { value, spread: false });
        self.add(Expr::Call(callee, args.to_vec()), line)
    }

    pub(super) fn function_name_follows(&self) -> bool {
        let ahead = usize::from(self.is_op(b"&"));
        self.tok_at(ahead) == Tok::Name && self.is_op_at(ahead + 1, b"(")
    }

    /// A function from its parameters on; gives its number.
    pub(super) fn function(&mut self, name: &[u8], arrow: bool, named: bool) -> usize {
        let name = self.name_of(name);
        let params = self.parameters();
        let mut uses = Vec::new();
        if self.eat_word(b"use") && self.eat(b"(") {
            while self.tok() != Tok::Eof && !self.is_op(b")") {
                let by_ref = self.eat(b"&");
                if self.tok() == Tok::Var {
                    uses.push((self.variable_name(), by_ref));
                }
                self.at += 1;
            }
            self.eat(b")");
        }
        if self.eat(b":") {
            self.skip_type();
        }
        let number = self.unit.funcs.len();
        let class = self.class;
        self.unit.funcs.push(Func { name, params, uses, body: Block::new(), class, arrow, named });
        let body = if arrow && self.eat(b"=>") {
            let line = self.line();
            let value = self.expression();
            vec![self.stmt(Stmt::Return(Some(value)), line)]
        } else if self.is_op(b"{") {
            self.nested_body()
        } else {
            self.eat(b";");
            Block::new()
        };
        if let Some(func) = self.unit.funcs.get_mut(number) {
            func.body = body;
        }
        number
    }

    pub(super) fn nested_body(&mut self) -> Block {
        if !self.enter() {
            return Block::new();
        }
        let loose = std::mem::take(&mut self.loose);
        let block = self.body(&[]);
        self.loose = loose;
        self.nesting -= 1;
        block
    }

    pub(super) fn skip_type(&mut self) {
        while self.tok() == Tok::Name || self.is_op(b"?") || self.is_op(b"|") || self.is_op(b"&") {
            // By-reference parameters: `array &$x`.
            if self.is_op(b"&") && (self.tok_at(1) == Tok::Var || self.is_op_at(1, b"...")) {
                return;
            }
            self.at += 1;
        }
    }

    pub(super) fn parameters(&mut self) -> Vec<Param> {
        let mut params = Vec::new();
        if !self.eat(b"(") {
            return params;
        }
        while self.tok() != Tok::Eof && !self.is_op(b")") {
            let before = self.at;
            self.skip_type();
            let by_ref = self.eat(b"&");
            let variadic = self.eat(b"...");
            if self.tok() == Tok::Var {
                let name = self.variable_name();
                self.at += 1;
                let default = self.eat(b"=").then(|| self.expression());
                params.push(Param { name, by_ref, variadic, default });
            }
            self.eat(b",");
            if self.at == before {
                if self.is_op(b"{") || self.is_op(b";") {
                    return params;
                }
                self.at += 1;
            }
        }
        self.eat(b")");
        params
    }

    pub(super) fn class_statement(&mut self) -> Stmt {
        let name = self.text().to_vec();
        self.at += 1;
        self.class(&name);
        Stmt::Nothing
    }

    /// A class from behind its name on.
    pub(super) fn class(&mut self, name: &[u8]) -> Sym {
        let name = self.name_of(name);
        let mut parent = None;
        while self.tok() != Tok::Eof && !self.is_op(b"{") && !self.is_op(b";") {
            if self.eat_word(b"extends") && self.tok() == Tok::Name {
                let text = self.text().to_vec();
                parent = Some(self.name_of(&text));
            }
            self.at += 1;
        }
        let around = self.class.replace(name);
        let mut fields = Vec::new();
        let mut traits = Vec::new();
        if self.eat(b"{") {
            self.members(&mut fields, &mut traits);
            self.eat(b"}");
        }
        self.class = around;
        self.unit.classes.push(Class { name, parent, traits, fields });
        name
    }

    pub(super) fn members(&mut self, fields: &mut Vec<(Sym, Option<Id>)>, traits: &mut Vec<Sym>) {
        if !self.enter() {
            return;
        }
        while self.tok() != Tok::Eof && !self.is_op(b"}") {
            let before = self.at;
            if self.is_word(b"function") {
                self.at += 1;
                self.eat(b"&");
                let name = self.text().to_vec();
                self.at += 1;
                self.function(&name, false, true);
            } else if self.is_word(b"use") {
                while !self.at_end() && !self.is_op(b"{") {
                    if self.tok() == Tok::Name && !self.is_word(b"use") {
                        let text = self.text().to_vec();
                        let name = self.name_of(&text);
                        traits.push(name);
                    }
                    self.at += 1;
                }
                if self.eat(b"{") {
                    while self.tok() != Tok::Eof && !self.is_op(b"}") {
                        self.at += 1;
                    }
                    self.at += 1;
                }
            } else if self.tok() == Tok::Var || (self.tok() == Tok::Name && self.is_op_at(1, b"=")) {
                let name = if self.tok() == Tok::Var {
                    self.variable_name()
                } else {
                    let text = self.text().to_vec();
                    self.names.intern(&text)
                };
                self.at += 1;
                let value = self.eat(b"=").then(|| self.expression());
                fields.push((name, value));
            } else {
                self.at += 1;
            }
            if self.at == before {
                self.at += 1;
            }
        }
        self.nesting -= 1;
    }
}
