//! What a condition checks: a value that passed a list or a pattern is no longer of the request's free choice.

use super::interp::{At, FILES, Interp};
use super::ir::{Expr, Id, Op, Sym, Unary, Unit};
use super::value::{Val, from};
use super::variable::is_input;

/// A variable, or an element of a superglobal.
pub(super) type Checked = (Sym, Option<Vec<u8>>);

impl Interp<'_> {
    /// The values that a condition checks against a list or pattern, and whether it holds where the check fails.
    pub(super) fn guards(&mut self, at: At<'_>, condition: Id) -> (Vec<Checked>, bool) {
        let mut found = Vec::new();
        let mut negated = false;
        let mut todo = vec![condition];
        let mut budget = 40;
        while let Some(id) = todo.pop() {
            budget -= 1;
            if budget == 0 {
                break;
            }
            match at.unit.expr(id) {
                Expr::Unary(Unary::Not, inner) => {
                    negated = true;
                    todo.push(*inner);
                }
                Expr::Binary(Op::And | Op::Or | Op::LogicXor, a, b) => todo.extend([*a, *b]),
                Expr::Binary(op @ (Op::Eq | Op::Same | Op::Ne | Op::NotSame), a, b) => {
                    for (value, other) in [(*a, *b), (*b, *a)] {
                        let is_text = matches!(at.unit.expr(value), Expr::Str { text, .. } if !text.is_empty())
                            || matches!(at.unit.expr(value), Expr::Int(number) if *number != 0);
                        if is_text {
                            negated |= matches!(op, Op::Ne | Op::NotSame);
                            // A part or the size of it says little of the rest.
                            let tells_little = matches!(at.unit.expr(other), Expr::Call(callee, _)
                                if matches!(at.unit.expr(*callee), Expr::Const(name)
                                    if tells_little(&self.names.text(*name))));
                            if !tells_little {
                                root(at.unit, other, &mut found);
                            }
                        }
                        if let Expr::Call(..) = at.unit.expr(value) {
                            todo.push(value);
                        }
                    }
                }
                Expr::Call(callee, args) => {
                    if let Expr::Const(name) = at.unit.expr(*callee)
                        && super::function_table::is_validator(&self.names.text(*name))
                    {
                        for arg in args {
                            root(at.unit, arg.value, &mut found);
                        }
                        if found.iter().any(|(name, key)| key.is_none() && self.is_of_upload(*name)) {
                            found.push((FILES, None));
                        }
                    }
                }
                Expr::Isset(values) => {
                    for &value in values {
                        // `isset($allowed[$x])`.
                        if let Expr::Index(base, Some(index)) = at.unit.expr(value)
                            && !matches!(at.unit.expr(*base), Expr::Var(name) if is_input(*name))
                        {
                            root(at.unit, *index, &mut found);
                        }
                    }
                }
                Expr::Assign(_, _, value) => todo.push(*value),
                _ => {}
            }
        }
        (found, negated)
    }

    /// Says whether a variable holds the name of an upload, or a part of it.
    fn is_of_upload(&mut self, name: Sym) -> bool {
        let value = self.frame_of(name).and_then(|frame| frame.vars.get(&name));
        value.and_then(Val::taint).is_some_and(|taint| taint.from & from::UPLOAD != 0)
    }
}

/// The variable, or the element of a superglobal, that an expression is made of.
pub(super) fn root(unit: &Unit, id: Id, found: &mut Vec<Checked>) {
    let mut id = id;
    for _ in 0..12 {
        match unit.expr(id) {
            Expr::Var(name) => return found.push((*name, None)),
            Expr::Index(base, Some(index)) => {
                if let (Expr::Var(name), Expr::Str { text, .. }) = (unit.expr(*base), unit.expr(*index))
                    && is_input(*name)
                {
                    return found.push((*name, Some(text.to_vec())));
                }
                id = *base;
            }
            Expr::Assign(target, _, _) => id = *target,
            Expr::Cast(_, inner) | Expr::Through(inner) | Expr::Unary(_, inner) => id = *inner,
            Expr::Call(_, args) => match args.first() {
                Some(arg) => id = arg.value,
                None => return,
            },
            Expr::Concat(parts) => match parts.last() {
                Some(&part) => id = part,
                None => return,
            },
            _ => return,
        }
    }
}

/// Says whether a function gives only a part or the size of its argument.
fn tells_little(name: &[u8]) -> bool {
    matches!(
        name,
        b"reset" | b"current" | b"end" | b"key" | b"count" | b"sizeof" | b"strlen" | b"array_shift" | b"array_pop"
    )
}
