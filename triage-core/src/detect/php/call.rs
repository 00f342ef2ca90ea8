//! Calls: whom they reach, and what comes back.

use super::builtin;
use super::function_table;
use super::interp::{At, Interp};
use super::ir::{Arg, Expr, Id, Name, Sym};
use super::library::{is_filter, spread};
use super::rule;
use super::value::{K, Taint, Val, flag, made};
use super::variable::element;
use crate::model::Severity;
use std::rc::Rc;

impl Interp<'_> {
    pub(super) fn args(&mut self, at: At<'_>, args: &[Arg]) -> Vec<Val> {
        let mut values = Vec::with_capacity(args.len());
        for arg in args {
            let value = self.eval(at, arg.value);
            if !arg.spread {
                values.push(value);
                continue;
            }
            match &value.k {
                K::Arr(arr) if value.is_known() => values.extend(arr.items.iter().map(|(_, value)| value.clone())),
                _ => values.extend([element(&value, &Val::unknown()), element(&value, &Val::unknown())]),
            }
        }
        values
    }

    pub(super) fn call(&mut self, at: At<'_>, id: Id, callee: Id, args: &[Arg]) -> Val {
        if let Expr::Const(name) = at.unit.expr(callee) {
            let values = self.args(at, args);
            return self.call_named((at, id), *name, values, args);
        }
        let function = self.eval(at, callee);
        let values = self.args(at, args);
        self.call_value((at, id), &function, values, args)
    }

    /// Calls whatever a value names.
    pub(super) fn call_value(&mut self, here: (At<'_>, Id), function: &Val, values: Vec<Val>, args: &[Arg]) -> Val {
        if function.is_ordered() {
            self.chosen_function(here, function, &values);
        }
        match &function.k {
            K::Str(text) => {
                let text = text.strip_prefix(b"\\").unwrap_or(text);
                let lower = text.to_ascii_lowercase();
                if let Some(at) = super::lexer::find(&lower, 0, b"::") {
                    let class = self.names.intern(lower.get(..at).unwrap_or_default());
                    let method = self.names.intern(lower.get(at + 2..).unwrap_or_default());
                    return self.call_method(here, Some(class), method, values, args);
                }
                self.named_by_value(here, &lower, function, &values);
                let name = self.names.intern(&lower);
                self.call_named(here, name, values, args)
            }
            K::Closure(closure) => {
                let closure = Rc::clone(closure);
                let this = self.frames.last().and_then(|frame| frame.this);
                let (value, outs) = self.call_own((closure.unit, closure.func), values, this, &closure.bound);
                self.write_back(here.0, args, outs);
                value
            }
            K::Arr(arr) if arr.items.len() == 2 => {
                let (class, method) = (element(function, &K::Int(0).into()), element(function, &K::Int(1).into()));
                if method.is_ordered() && class.is_ordered() {
                    self.chosen_function(here, &method, &values);
                }
                let class = match class.k {
                    K::Obj(class) => Some(class),
                    _ => class.bytes().map(|text| self.names.intern(&text.to_ascii_lowercase())),
                };
                match method.bytes() {
                    Some(method) => {
                        let method = self.names.intern(&method.to_ascii_lowercase());
                        self.call_method(here, class, method, values, args)
                    }
                    None => Val::unknown(),
                }
            }
            K::Obj(class) => {
                let method = self.names.intern(b"__invoke");
                self.call_method(here, Some(*class), method, values, args)
            }
            _ => {
                self.unknown_function(here, function, &values);
                let taint = values.iter().fold(None, |all, value| Taint::join(all.as_ref(), value.t.as_ref()));
                if function.made & made::HIDDEN != 0 {
                    return Val { k: K::Unknown, t: taint, made: made::DECODED };
                }
                Val::unknown()
            }
        }
    }

    pub(super) fn write_back(&mut self, at: At<'_>, args: &[Arg], outs: Vec<(usize, Val)>) {
        for (number, value) in outs {
            if let Some(arg) = args.get(number) {
                self.assign(at, arg.value, value);
            }
        }
    }

    /// Calls a function by its name in small letters.
    pub(super) fn call_named(&mut self, here: (At<'_>, Id), name: Sym, mut values: Vec<Val>, args: &[Arg]) -> Val {
        let text = self.names.text(name);
        if let Some(&own) = self.funcs.get(&name) {
            let place = self.place(here.0, here.1);
            for value in &mut values {
                if let Some(taint) = &value.t {
                    let what = format!("passed to {}()", super::interp::show(&text));
                    value.t = Some(taint.then(place, &what));
                }
            }
            let (value, outs) = self.call_own(own, values, None, &[]);
            self.write_back(here.0, args, outs);
            return value;
        }
        self.spend(2);
        self.note_call(here, &text, &values);
        let is_cheap = matches!(
            text.as_ref(),
            b"strlen"
                | b"ord"
                | b"chr"
                | b"substr"
                | b"count"
                | b"sizeof"
                | b"intval"
                | b"is_array"
                | b"is_string"
                | b"array_key_exists"
                | b"current"
                | b"reset"
                | b"end"
                | b"define"
                | b"function_exists"
        );
        let size: usize = values
            .iter()
            .map(|value| match &value.k {
                K::Arr(arr) => arr.items.len() * 8,
                _ => value.head().len() / 32,
            })
            .sum();
        self.spend(if is_cheap { 0 } else { size as u64 });
        if let Some(value) = self.modelled(here, &text, &mut values, args) {
            return value;
        }
        if let Some(value) = builtin::call(&text, &values) {
            return value;
        }
        self.flows_through(here, &text, &values)
    }

    /// What an unfolded function leaves of where its arguments come from.
    pub(super) fn flows_through(&mut self, (at, id): (At<'_>, Id), name: &[u8], values: &[Val]) -> Val {
        let Some((how, flags)) = function_table::passes(name) else { return Val::unknown() };
        let mut taint = None;
        for value in values {
            taint = Taint::join(taint.as_ref(), value.taint().as_ref());
        }
        let inherited = values.iter().fold(0, |all, value| all | value.made);
        if let Some(found) = &mut taint {
            found.flags |= flags;
            found.flags &= !flag::WHOLE;
            if how == 0 && !matches!(name, b"trim" | b"rtrim" | b"ltrim" | b"stripslashes" | b"implode" | b"join") {
                found.flags |= flag::CHANGED;
            }
            // What was behind something else in one text is the first in another.
            if matches!(
                name,
                b"substr"
                    | b"base64_decode"
                    | b"explode"
                    | b"strrev"
                    | b"hex2bin"
                    | b"gzinflate"
                    | b"urldecode"
                    | b"rawurldecode"
                    | b"pack"
                    | b"chr"
                    | b"array_slice"
            ) {
                found.flags &= !flag::INNER;
            }
            if matches!(name, b"preg_replace" | b"preg_filter") && is_filter(values.first()) {
                found.flags |= flag::FILTERED;
            }
            let what = format!("{}()", String::from_utf8_lossy(name));
            let place = self.place(at, id);
            taint = taint.map(|taint| taint.then(place, &what));
        }
        let how = if taint.is_some() || inherited != 0 || how == made::DECODED { inherited | how } else { 0 };
        Val { k: K::Unknown, t: taint, made: how }
    }

    pub(super) fn method(&mut self, at: At<'_>, id: Id, base: Id, name: Name, args: &[Arg]) -> Val {
        let object = self.eval(at, base);
        let method = match name {
            Name::Plain(sym) => Some(sym),
            Name::Dynamic(inner) => {
                let value = self.eval(at, inner);
                if matches!(value.k, K::Closure(_)) {
                    let values = self.args(at, args);
                    return self.call_value((at, id), &value, values, args);
                }
                value.bytes().map(|text| self.names.intern(&text.to_ascii_lowercase()))
            }
        };
        let values = self.args(at, args);
        let Some(method) = method else { return Val::unknown() };
        let text = self.names.text(method);
        match &object.k {
            K::Closure(_) if matches!(text.as_ref(), b"__invoke" | b"call" | b"bindto") => {
                return match text.as_ref() {
                    b"bindto" => object,
                    b"call" => self.call_value((at, id), &object, values.into_iter().skip(1).collect(), &[]),
                    _ => self.call_value((at, id), &object, values, args),
                };
            }
            // What `new ReflectionFunction($name)` is here.
            K::Str(_) | K::Unknown if matches!(text.as_ref(), b"invoke" | b"invokeargs" | b"__invoke") => {
                let values = if text.as_ref() == b"invokeargs" {
                    values.first().map(spread).unwrap_or_default()
                } else {
                    values
                };
                return self.call_value((at, id), &object, values, &[]);
            }
            // What `->getMethod($name)` is here.
            K::Arr(_) if matches!(text.as_ref(), b"invoke" | b"getclosure" | b"__invoke") => {
                let skipped = usize::from(text.as_ref() == b"invoke");
                return match text.as_ref() {
                    b"getclosure" => object,
                    _ => self.call_value((at, id), &object, values.into_iter().skip(skipped).collect(), &[]),
                };
            }
            // What `new ReflectionClass($name)` is here.
            K::Str(_) if text.as_ref() == b"getconstant" => {
                let name = values.first().and_then(Val::bytes).unwrap_or_default().to_ascii_lowercase();
                let name = self.names.intern(&name);
                return self.props.get(&name).cloned().unwrap_or_default();
            }
            K::Str(class) if text.starts_with(b"newinstance") => {
                let class = self.names.intern(&class.to_ascii_lowercase());
                let values = if text.as_ref() == b"newinstanceargs" {
                    values.first().map(spread).unwrap_or_default()
                } else {
                    values
                };
                return self.construct((at, id), class, values);
            }
            _ => {}
        }
        let class = match object.k {
            K::Obj(class) => Some(class),
            _ => None,
        };
        self.call_method((at, id), class, method, values, args)
    }

    pub(super) fn call_method(
        &mut self,
        here: (At<'_>, Id),
        class: Option<Sym>,
        method: Sym,
        values: Vec<Val>,
        args: &[Arg],
    ) -> Val {
        let mut found = class.and_then(|class| self.find_method(class, method));
        if found.is_none() && class.is_none() {
            found = self.by_method.get(&method).filter(|all| all.len() == 1).and_then(|all| all.first()).copied();
        }
        if let Some(found) = found {
            let (value, outs) = self.call_own(found, values, class, &[]);
            self.write_back(here.0, args, outs);
            return value;
        }
        let text = self.names.text(method);
        self.foreign_method(here, class, &text, &values)
    }

    pub(super) fn static_call(&mut self, at: At<'_>, id: Id, base: Id, name: Name, args: &[Arg]) -> Val {
        let class = self.class_of(at, base);
        let values = self.args(at, args);
        let method = match name {
            Name::Plain(sym) => sym,
            Name::Dynamic(inner) => {
                let value = self.eval(at, inner);
                let Some(text) = value.bytes() else { return Val::unknown() };
                self.names.intern(&text.to_ascii_lowercase())
            }
        };
        let text = self.names.text(method);
        if text.as_ref() == b"fromcallable" {
            return values.first().cloned().unwrap_or_default();
        }
        let Some(class) = class else { return Val::unknown() };
        match self.find_method(class, method) {
            Some(found) => {
                let (value, outs) = self.call_own(found, values, Some(class), &[]);
                self.write_back(at, args, outs);
                value
            }
            None => self.foreign_method((at, id), Some(class), &text, &values),
        }
    }

    pub(super) fn class_of(&mut self, at: At<'_>, base: Id) -> Option<Sym> {
        if let Expr::Const(name) = at.unit.expr(base) {
            let text = self.names.text(*name).to_ascii_lowercase();
            let this = self.frames.last().and_then(|frame| frame.this);
            return match text.as_slice() {
                b"self" | b"static" => this,
                b"parent" => self.parents.get(&this?).copied().flatten(),
                _ => Some(self.names.intern(&text)),
            };
        }
        let value = self.eval(at, base);
        match value.k {
            K::Obj(class) => Some(class),
            _ => value.bytes().map(|text| self.names.intern(&text.to_ascii_lowercase())),
        }
    }

    pub(super) fn new_object(&mut self, at: At<'_>, id: Id, class: Id, args: &[Arg]) -> Val {
        let chosen = match at.unit.expr(class) {
            Expr::Const(_) => None,
            _ => Some(self.eval(at, class)),
        };
        let values = self.args(at, args);
        if let Some(chosen) = &chosen
            && chosen.is_ordered()
        {
            let is_free = chosen.t.as_ref().is_some_and(|taint| taint.flags & (flag::CHECKED | flag::INNER) == 0);
            if let Some(taint) = chosen.t.clone().filter(|_| is_free && values.iter().any(Val::is_ordered)) {
                self.contextual((at, id), &rule::CALLBACK, (Severity::High, 80), &taint, "names a class to be made");
            }
        }
        let class = match &chosen {
            None => self.class_of(at, class),
            Some(Val { k: K::Obj(class), .. }) => Some(*class),
            Some(chosen) => chosen.bytes().map(|text| self.names.intern(&text.to_ascii_lowercase())),
        };
        let Some(class) = class else { return Val::unknown() };
        self.construct((at, id), class, values)
    }

    /// Makes an object: its constructor runs, and one day its destructor.
    pub(super) fn construct(&mut self, (at, id): (At<'_>, Id), class: Sym, values: Vec<Val>) -> Val {
        let text = self.names.text(class);
        self.note_class((at, id), class, &text, &values);
        match text.as_ref() {
            b"reflectionfunction" | b"reflectionclass" | b"arrayobject" | b"arrayiterator" => {
                return values.into_iter().next().unwrap_or_default();
            }
            b"callbackfilteriterator" => {
                if let [items, function] = values.as_slice() {
                    let item = element(items, &Val::unknown());
                    self.call_value((at, id), function, vec![item], &[]);
                }
                return values.into_iter().next().unwrap_or_default();
            }
            b"reflectionmethod" => return Val::unknown(),
            b"splfileobject" => return self.read((at, id), b"fopen", &values.into_iter().next().unwrap_or_default()),
            _ => {}
        }
        if let Some(constructor) = self.constructor(class) {
            self.call_own(constructor, values, Some(class), &[]);
        }
        let destructor = self.names.intern(b"__destruct");
        if let Some(destructor) = self.find_method(class, destructor) {
            self.call_own(destructor, Vec::new(), Some(class), &[]);
        }
        K::Obj(class).into()
    }
}
