//! Walks expressions: folds what is constant, follows what is not.

use super::builtin;
use super::interp::{At, Interp, OWN_PATH};
use super::ir::{Expr, Id, Item, Name, Op, Sym};
use super::operator::{binary, cast, incremented, is_opening, to_text, unary};
use super::value::{Arr, ClosureVal, K, Taint, Val, flag, made};
use std::rc::Rc;

impl Interp<'_> {
    pub(super) fn eval(&mut self, at: At<'_>, id: Id) -> Val {
        if !self.spend(1) || !self.descend() {
            return Val::unknown();
        }
        let value = self.eval_inner(at, id);
        self.depth -= 1;
        value
    }

    #[allow(clippy::too_many_lines)]
    pub(super) fn eval_inner(&mut self, at: At<'_>, id: Id) -> Val {
        match at.unit.expr(id) {
            Expr::Unknown => Val::unknown(),
            Expr::Str { text, escaped } => {
                Val { k: K::Str(Rc::clone(text)), t: None, made: if *escaped { made::ESCAPES } else { 0 } }
            }
            Expr::Int(number) => K::Int(*number).into(),
            Expr::Float(number) => K::Float(*number).into(),
            Expr::Const(name) => self.constant(*name),
            Expr::Var(name) => {
                let place = self.place(at, id);
                self.var(*name, place)
            }
            Expr::VarVar(inner) => self.var_var(at, id, *inner),
            Expr::Concat(parts) => self.concat(at, parts),
            Expr::Array(items) => self.array(at, items),
            Expr::Index(base, index) => self.index(at, id, *base, *index),
            Expr::Prop(base, name) => {
                let base = self.eval(at, *base);
                let sym = match name {
                    Name::Plain(sym) => Some(*sym),
                    Name::Dynamic(id) => self.eval(at, *id).bytes().map(|text| self.names.intern(&text)),
                };
                let own = sym.and_then(|sym| self.props.get(&sym)).cloned();
                match own {
                    Some(value) => value,
                    None => Val::tainted(base.t.filter(|_| !matches!(base.k, K::Obj(_)))),
                }
            }
            Expr::StaticProp(_, name) => {
                let sym = match name {
                    Name::Plain(sym) => Some(*sym),
                    Name::Dynamic(id) => self.eval(at, *id).bytes().map(|text| self.names.intern(&text)),
                };
                sym.and_then(|sym| self.props.get(&sym)).cloned().unwrap_or_default()
            }
            Expr::ClassConst(base, name) => {
                let text = self.names.text(*name);
                if text.as_ref() == b"class"
                    && let Expr::Const(class) = at.unit.expr(*base)
                {
                    return Val::str(self.names.text(*class).to_vec());
                }
                // Constants of classes are kept among the properties, under their name in small letters.
                let lower = self.names.intern(&text.to_ascii_lowercase());
                self.props.get(&lower).cloned().unwrap_or_default()
            }
            Expr::Call(callee, args) => self.call(at, id, *callee, args),
            Expr::Method(base, name, args) => self.method(at, id, *base, *name, args),
            Expr::Static(base, name, args) => self.static_call(at, id, *base, *name, args),
            Expr::New(class, args) => self.new_object(at, id, *class, args),
            Expr::Unary(op, inner) => {
                let value = self.eval(at, *inner);
                unary(*op, &value)
            }
            Expr::Binary(op, left, right) => self.binary(at, *op, *left, *right),
            Expr::Assign(target, op, value) => self.assignment(at, (id, *target), *op, *value),
            Expr::AssignRef(target, value) => {
                let value = self.eval(at, *value);
                self.assign(at, *target, value.clone());
                value
            }
            Expr::Step { target, up, before } => self.step(at, *target, *up, *before),
            Expr::Ternary(condition, then, otherwise) => {
                let tested = self.eval(at, *condition);
                match (tested.truth(), then) {
                    (Some(true), Some(then)) => self.eval(at, *then),
                    (Some(true), None) => tested,
                    (Some(false), _) => self.eval(at, *otherwise),
                    (None, _) => {
                        let (guards, negated) = self.guards(at, *condition);
                        let start = self.checked.len();
                        if !negated {
                            self.checked.extend(guards.iter().cloned());
                        }
                        let one = match then {
                            Some(then) => self.eval(at, *then),
                            None => tested,
                        };
                        self.checked.truncate(start);
                        if negated {
                            self.checked.extend(guards);
                        }
                        let other = self.eval(at, *otherwise);
                        self.checked.truncate(start);
                        // The one that says more is believed.
                        if one.t.is_some() && other.t.is_none() {
                            Val::either(&other, one)
                        } else {
                            Val::either(&one, other)
                        }
                    }
                }
            }
            Expr::Match(subject, arms) => {
                self.eval(at, *subject);
                let mut all: Option<Val> = None;
                for (_, value) in arms {
                    let value = self.eval(at, *value);
                    all = Some(match all {
                        Some(old) => Val::either(&old, value),
                        None => value,
                    });
                }
                all.unwrap_or_default()
            }
            Expr::Cast(to, inner) => {
                let value = self.eval(at, *inner);
                cast(*to, value)
            }
            Expr::Include(inner) => {
                let path = self.eval(at, *inner);
                self.include((at, id), &path)
            }
            Expr::Eval(inner) => {
                let code = self.eval(at, *inner);
                self.run_code((at, id), &code, "eval")
            }
            Expr::Exit(value) => {
                if let Some(value) = value {
                    self.eval(at, *value);
                }
                Val::unknown()
            }
            Expr::Print(inner) => {
                self.eval(at, *inner);
                K::Int(1).into()
            }
            Expr::Isset(values) => {
                let mut all = Some(true);
                for &value in values {
                    let found = self.is_set(at, value);
                    all = match (all, found) {
                        (Some(false), _) | (_, Some(false)) => Some(false),
                        (Some(true), Some(true)) => Some(true),
                        _ => None,
                    };
                }
                all.map_or_else(Val::unknown, |all| K::Bool(all).into())
            }
            Expr::Empty(inner) => {
                let value = self.eval(at, *inner);
                value.truth().map_or_else(Val::unknown, |truth| K::Bool(!truth).into())
            }
            Expr::Shell(inner) => {
                let command = self.eval(at, *inner);
                self.run_command((at, id), &command, "`…`");
                Val::unknown()
            }
            Expr::Closure(number) => self.closure(at, *number),
            Expr::Through(inner) => self.eval(at, *inner),
        }
    }

    pub(super) fn constant(&mut self, name: Sym) -> Val {
        let text = self.names.text(name);
        // None of the names that PHP itself knows is longer.
        let mut small = [0; 24];
        let lower = small.get_mut(..text.len()).map_or(&b""[..], |small| {
            small.copy_from_slice(&text);
            small.make_ascii_lowercase();
            small
        });
        match lower {
            b"true" => return K::Bool(true).into(),
            b"false" => return K::Bool(false).into(),
            b"null" => return K::Null.into(),
            b"__file__" => return Val::str(OWN_PATH),
            b"php_eol" => return Val::str(b"\n".to_vec()),
            b"directory_separator" => return Val::str(b"/".to_vec()),
            b"__dir__" => return Val::str(b"\x01".to_vec()),
            b"php_os" => return Val::unknown(),
            b"m_pi" => return K::Float(std::f64::consts::PI).into(),
            b"__compiler_halt_offset__" => {
                let found = super::lexer::find(&self.own_text.to_ascii_lowercase(), 0, b"__halt_compiler");
                let end = found.and_then(|at| super::lexer::find(&self.own_text, at, b";"));
                return end.map_or_else(Val::unknown, |end| K::Int(i64::try_from(end + 1).unwrap_or(0)).into());
            }
            _ => {}
        }
        if let Some(value) = self.consts.get(&name) {
            return value.clone();
        }
        // Old PHP takes an unknown name for its own text, and samples rely on that.
        let is_constant = text.contains(&b'_') || text.len() < 3 || self.profile.includes > 0;
        if is_constant
            && text.first().is_some_and(u8::is_ascii_uppercase)
            && text.iter().all(|b| !b.is_ascii_lowercase())
        {
            return Val::unknown();
        }
        Val { k: K::Str(Rc::new(text.to_vec())), t: None, made: 0 }
    }

    pub(super) fn concat(&mut self, at: At<'_>, parts: &[Id]) -> Val {
        let mut all = Val::str(Vec::new());
        let mut is_first = true;
        for &part in parts {
            let value = self.eval(at, part);
            if is_first {
                all = to_text(value);
                is_first = false;
            } else {
                all = self.joined(all, &value);
            }
        }
        all
    }

    /// One text behind the other.
    pub(super) fn joined(&mut self, left: Val, right: &Val) -> Val {
        let how = left.made | right.made;
        let mut taint = left.t.clone();
        if let Some(right_taint) = &right.t {
            let mut right_taint = right_taint.clone();
            if !is_opening(&left) {
                right_taint.flags |= flag::INNER;
            }
            taint = Taint::join(taint.as_ref(), Some(&right_taint));
        }
        let k = match (left.k, right.bytes()) {
            (K::Str(mut text), Some(tail)) => {
                self.spend(tail.len() as u64 / 64);
                if text.len() + tail.len() > builtin::MAX_TEXT {
                    return Val { k: K::Unknown, t: taint, made: how };
                }
                Rc::make_mut(&mut text).extend_from_slice(&tail);
                let how =
                    how | made::JOINED | if tail.len() == 1 && right.made & made::CHARS != 0 { made::CHARS } else { 0 };
                return Val { k: K::Str(text), t: taint, made: how };
            }
            (K::Str(text), None) => K::Partial(text, Rc::new(right.tail().to_vec())),
            (K::Partial(head, tail), Some(text)) => {
                let mut tail = tail;
                Rc::make_mut(&mut tail).extend_from_slice(&text);
                if tail.len() > 1 << 20 {
                    Rc::make_mut(&mut tail).drain(..1 << 19);
                }
                K::Partial(head, tail)
            }
            (K::Partial(head, _), None) => K::Partial(head, Rc::new(right.tail().to_vec())),
            (_, _) => K::Partial(Rc::default(), Rc::new(right.tail().to_vec())),
        };
        Val { k, t: taint, made: how }
    }

    pub(super) fn array(&mut self, at: At<'_>, items: &[Item]) -> Val {
        let mut arr = Arr::default();
        for item in items {
            let value = self.eval(at, item.value);
            match item.key {
                _ if item.spread => {
                    if let K::Arr(inner) = &value.k {
                        inner.items.iter().for_each(|(_, value)| arr.push(value.clone()));
                    } else {
                        arr.open = true;
                        arr.rest = Taint::join(arr.rest.as_ref(), value.t.as_ref());
                    }
                }
                None => arr.push(value),
                Some(key) => {
                    let key = self.eval(at, key);
                    if let Some(key) = key.key() {
                        arr.set(key, value);
                    } else {
                        arr.open = true;
                        let taint = Taint::join(key.t.as_ref(), value.taint().as_ref());
                        arr.rest = Taint::join(arr.rest.as_ref(), taint.as_ref());
                    }
                }
            }
        }
        Val::arr(arr)
    }

    pub(super) fn binary(&mut self, at: At<'_>, op: Op, left: Id, right: Id) -> Val {
        let a = self.eval(at, left);
        match (op, a.truth()) {
            (Op::And, Some(false)) | (Op::Or, Some(true)) if self.frames.len() > 1 => {
                return K::Bool(op == Op::Or).into();
            }
            (Op::Coalesce, Some(true)) => return a,
            _ => {}
        }
        // `… or die`, `… && $x = …`: what stands on the right may not happen.
        let lazy = matches!(op, Op::And | Op::Or | Op::Coalesce) && a.truth().is_none();
        let start = self.checked.len();
        if lazy {
            self.weak += 1;
            if op == Op::And {
                let (guards, negated) = self.guards(at, left);
                if !negated {
                    self.checked.extend(guards);
                }
            }
        }
        let b = self.eval(at, right);
        self.checked.truncate(start);
        self.weak -= u32::from(lazy);
        if op == Op::Coalesce {
            return if matches!(a.k, K::Null) { b } else { Val::either(&b, a) };
        }
        if op == Op::Concat {
            let a = to_text(a);
            return self.joined(a, &b);
        }
        binary(op, &a, &b)
    }

    pub(super) fn assignment(&mut self, at: At<'_>, (id, target): (Id, Id), op: Option<Op>, value: Id) -> Val {
        let mut value = self.eval(at, value);
        let place = self.place(at, id);
        if let (Some(taint), Expr::Var(name)) = (&value.t, at.unit.expr(target)) {
            let what = format!("${}", String::from_utf8_lossy(&self.names.text(*name)));
            value.t = Some(taint.then(place, &what));
        }
        let Some(op) = op else {
            self.assign(at, target, value.clone());
            return value;
        };
        let repeated = self.loops > 0;
        let weak = self.weak > 0;
        let mut result = Val::unknown();
        self.update(at, target, &mut |me, old| {
            if op == Op::Concat {
                let keep = (weak && old.is_known()).then(|| old.t.clone());
                let old = if matches!(old.k, K::Null) { Val::str(Vec::new()) } else { to_text(old) };
                let mut new = me.joined(old, &value);
                if repeated {
                    new.k = match new.k {
                        K::Str(text) => K::Partial(text, Rc::default()),
                        other => other,
                    };
                }
                let _ = keep;
                // The copy shares the text, and the next addition would have to copy it all.
                result = if new.t.is_some() || new.made != 0 {
                    Val { k: K::Unknown, ..new.clone() }
                } else {
                    Val::unknown()
                };
                return new;
            }
            let mut new = if op == Op::Coalesce {
                if matches!(old.k, K::Null) { value.clone() } else { Val::either(&value, old) }
            } else {
                binary(op, &old, &value)
            };
            if repeated {
                new.k = K::Unknown;
            }
            result = new.clone();
            new
        });
        result
    }

    pub(super) fn step(&mut self, at: At<'_>, target: Id, up: bool, before: bool) -> Val {
        let repeated = self.loops > 0;
        let mut result = Val::unknown();
        self.update(at, target, &mut |_, old| {
            let mut new = match &old.k {
                K::Null => Val::from(if up { K::Int(1) } else { K::Null }),
                K::Int(number) => K::Int(number.saturating_add(if up { 1 } else { -1 })).into(),
                K::Float(number) => K::Float(number + if up { 1.0 } else { -1.0 }).into(),
                K::Str(text) if up && !text.is_empty() => {
                    if text.iter().all(u8::is_ascii_digit) {
                        K::Int(old.int().unwrap_or(0).saturating_add(1)).into()
                    } else {
                        Val::str(incremented(text)).with_made(old.made | made::MATHS)
                    }
                }
                _ => Val { k: K::Unknown, ..old.clone() },
            };
            if repeated && !matches!(new.k, K::Str(_)) {
                new.k = K::Unknown;
            }
            result = if before { new.clone() } else { old };
            new
        });
        result
    }

    pub(super) fn closure(&mut self, at: At<'_>, number: usize) -> Val {
        let Some(func) = at.unit.funcs.get(number) else { return Val::unknown() };
        let mut bound = Vec::new();
        if func.arrow {
            if let Some(frame) = self.frames.last() {
                bound.extend(frame.vars.iter().take(64).map(|(name, value)| (*name, value.clone())));
            }
        } else {
            for (name, _) in &func.uses {
                let value = self.var(*name, (0, 0));
                bound.push((*name, value));
            }
        }
        K::Closure(Rc::new(ClosureVal::new(at.number, number, bound))).into()
    }
}
