//! Variables, elements, properties, and what the request puts into them.

use super::interp::{At, Frame, GLOBALS, Interp, OWN_PATH, SERVER, THIS, show};
use super::ir::{Expr, Id, Name, Names, Numbers, Stmt, Sym, Unit};
use super::value::{Arr, K, Taint, Val, flag, from, made};
use std::rc::Rc;

impl Interp<'_> {
    pub(super) fn frame_of(&mut self, name: Sym) -> Option<&mut Frame> {
        let is_global = self.frames.last().is_some_and(|frame| frame.globals.contains(&name));
        if is_global { self.frames.first_mut() } else { self.frames.last_mut() }
    }

    pub(super) fn var(&mut self, name: Sym, place: (u32, u16)) -> Val {
        if name.0 < 17 {
            return self.superglobal(name, place);
        }
        if name == THIS {
            let class = self.frames.last().and_then(|frame| frame.this);
            return class.map_or_else(Val::unknown, |class| K::Obj(class).into());
        }
        let is_checked =
            !self.checked.is_empty() && self.checked.iter().any(|(sym, key)| *sym == name && key.is_none());
        let value = self.frame_of(name).and_then(|frame| frame.vars.get(&name)).cloned();
        match value {
            Some(value) if is_checked => value.with_flag(flag::CHECKED),
            Some(value) => value,
            None if self.imported.is_none() && self.is_unset(name) => {
                let what = format!("${} (set by nobody)", show(&self.names.text(name)));
                let value = Val::tainted(Some(Taint::new(from::NOBODY, 0, place, &what)));
                // So that what is set on one way only does not hide where it comes from on the other.
                if let Some(frame) = self.frames.first_mut() {
                    frame.vars.insert(name, value.clone());
                }
                value
            }
            None => Val::tainted(self.imported.clone()),
        }
    }

    /// Says whether a global variable that has no value yet could only have got one from outside.
    pub(super) fn is_unset(&self, name: Sym) -> bool {
        let is_global = self.frames.len() == 1 || self.frames.last().is_some_and(|frame| frame.globals.contains(&name));
        let text = self.names.text(name);
        // These PHP itself sets.
        let is_php = matches!(text.as_ref(), b"argv" | b"argc" | b"php_errormsg" | b"http_response_header");
        is_global && !is_php && self.units.len() == 1 && self.profile.includes == 0 && !self.assigned.contains(&name)
    }

    pub(super) fn superglobal(&mut self, name: Sym, place: (u32, u16)) -> Val {
        let text = self.names.text(name);
        let what = format!("${}", String::from_utf8_lossy(&text));
        let from = match name.0 {
            4 | 14 => from::UPLOAD,
            5 | 13 => from::SERVER,
            6 | 16 => 0,
            7 | 15 => from::SESSION,
            8 => 0,
            _ => from::REQUEST,
        };
        if from == 0 {
            return Val::unknown();
        }
        self.profile.takes_orders |= from & from::ORDERS != 0;
        Val::tainted(Some(Taint::new(from, flag::WHOLE, place, &what)))
    }

    pub(super) fn set_var(&mut self, name: Sym, value: Val) {
        let weak = self.weak > 0;
        let Some(frame) = self.frame_of(name) else { return };
        if weak && let Some(old) = frame.vars.get(&name) {
            let value = Val::either(old, value);
            frame.vars.insert(name, value);
        } else {
            frame.vars.insert(name, value);
        }
    }

    /// Assigns to whatever can be assigned to.
    pub(super) fn assign(&mut self, at: At<'_>, target: Id, value: Val) {
        if let Expr::Array(items) = at.unit.expr(target) {
            for (number, item) in items.iter().enumerate() {
                let key = match item.key {
                    Some(key) => self.eval(at, key),
                    None => K::Int(i64::try_from(number).unwrap_or(0)).into(),
                };
                let part = element(&value, &key);
                self.assign(at, item.value, part);
            }
            return;
        }
        let weak = self.weak > 0;
        let mut value = Some(value);
        self.update(at, target, &mut |_, old| {
            let value = value.take().unwrap_or_default();
            if weak && !matches!(old.k, K::Null) { Val::either(&old, value) } else { value }
        });
    }

    /// Replaces what a place holds by what `change` makes of it.
    pub(super) fn update(&mut self, at: At<'_>, target: Id, change: &mut dyn FnMut(&mut Self, Val) -> Val) {
        match at.unit.expr(target) {
            Expr::Var(name) if *name == GLOBALS => {
                if let K::Arr(all) = change(self, Val::unknown()).k {
                    for (key, value) in &all.items {
                        let sym = self.names.intern(&super::builtin::key_text(key));
                        self.set_var(sym, value.clone());
                    }
                }
            }
            Expr::Var(name) => self.update_var(*name, change),
            Expr::VarVar(inner) => {
                let name = self.eval(at, *inner);
                if let Some(text) = name.bytes() {
                    let sym = self.names.intern(&text);
                    self.update_var(sym, change);
                } else {
                    let value = change(self, Val::unknown());
                    if let (Some(mut taint), true) = (value.t, name.is_ordered()) {
                        taint.flags &= !(flag::WHOLE | flag::KEY);
                        let place = self.place(at, target);
                        self.imported = Some(taint.then(place, "becomes variables"));
                    }
                }
            }
            Expr::Index(base, index) => {
                let key = index.map(|index| self.eval(at, index));
                if self.superglobal_of(at, *base).is_some_and(|(name, _)| name == GLOBALS)
                    && let Some(text) = key.as_ref().and_then(Val::bytes)
                {
                    let sym = self.names.intern(&text);
                    self.update_global(sym, change);
                    return;
                }
                self.update(at, *base, &mut |me, old| me.update_element(old, key.as_ref(), change));
            }
            Expr::Prop(base, name) => {
                if !matches!(at.unit.expr(*base), Expr::Var(_)) {
                    self.eval(at, *base);
                }
                self.update_prop(at, *name, change);
            }
            Expr::StaticProp(_, name) => self.update_prop(at, *name, change),
            _ => {
                change(self, Val::unknown());
            }
        }
    }

    pub(super) fn update_prop(&mut self, at: At<'_>, name: Name, change: &mut dyn FnMut(&mut Self, Val) -> Val) {
        let sym = match name {
            Name::Plain(sym) => Some(sym),
            Name::Dynamic(id) => self.eval(at, id).bytes().map(|text| self.names.intern(&text)),
        };
        let Some(sym) = sym else {
            change(self, Val::unknown());
            return;
        };
        let old = self.props.remove(&sym).unwrap_or_default();
        let taint = old.t.clone();
        let mut value = change(self, old);
        // Objects are told apart by the names of their properties only: what one holds, another may.
        if value.t.is_none() && taint.is_some() && !value.is_known() {
            value.t = taint;
        }
        self.props.insert(sym, value);
    }

    pub(super) fn update_var(&mut self, name: Sym, change: &mut dyn FnMut(&mut Self, Val) -> Val) {
        let slot = self.frame_of(name).and_then(|frame| frame.vars.get_mut(&name));
        let old = slot.map_or_else(|| K::Null.into(), std::mem::take);
        let value = change(self, old);
        if let Some(frame) = self.frame_of(name) {
            frame.vars.insert(name, value);
        }
    }

    pub(super) fn update_global(&mut self, name: Sym, change: &mut dyn FnMut(&mut Self, Val) -> Val) {
        let old = self.frames.first_mut().and_then(|frame| frame.vars.remove(&name)).unwrap_or_else(|| K::Null.into());
        let value = change(self, old);
        if let Some(frame) = self.frames.first_mut() {
            frame.vars.insert(name, value);
        }
    }

    pub(super) fn update_element(
        &mut self,
        old: Val,
        key: Option<&Val>,
        change: &mut dyn FnMut(&mut Self, Val) -> Val,
    ) -> Val {
        let made = old.made;
        let (mut arr, taint) = match old.k {
            K::Arr(arr) => {
                if Rc::strong_count(&arr) > 1 {
                    self.spend(arr.items.len() as u64);
                }
                (arr, old.t)
            }
            K::Str(text) if !text.is_empty() => return self.update_char(text, key, (old.t, made), change),
            K::Null | K::Str(_) | K::Bool(false) => (Rc::new(Arr::default()), old.t),
            _ => (Rc::new(Arr::open(old.t.clone())), old.t),
        };
        match key.map(Val::key) {
            None => {
                let value = change(self, K::Null.into());
                if self.loops > 0 {
                    let inner = Rc::make_mut(&mut arr);
                    inner.open = true;
                    inner.rest = Taint::join(inner.rest.as_ref(), value.taint().as_ref());
                } else {
                    Rc::make_mut(&mut arr).push(value);
                }
            }
            Some(Some(key)) => {
                let inner = Rc::make_mut(&mut arr);
                let before = inner.take(&key).unwrap_or_else(|| K::Null.into());
                let value = change(self, before);
                Rc::make_mut(&mut arr).set(key, value);
            }
            Some(None) => {
                let value = change(self, Val::unknown());
                let inner = Rc::make_mut(&mut arr);
                inner.open = true;
                inner.rest = Taint::join(inner.rest.as_ref(), value.taint().as_ref());
            }
        }
        Val { k: K::Arr(arr), t: taint, made }
    }

    pub(super) fn update_char(
        &mut self,
        mut text: Rc<Vec<u8>>,
        key: Option<&Val>,
        (taint, made): (Option<Taint>, u16),
        change: &mut dyn FnMut(&mut Self, Val) -> Val,
    ) -> Val {
        let value = change(self, Val::unknown());
        let at = key.and_then(Val::int).and_then(|at| usize::try_from(at).ok());
        let byte = value.bytes().and_then(|text| text.first().copied());
        let (Some(at), Some(byte)) = (at, byte) else {
            return Val::tainted(Taint::join(taint.as_ref(), value.t.as_ref()));
        };
        if at > text.len() + 4096 {
            return Val::unknown();
        }
        let inner = Rc::make_mut(&mut text);
        if at >= inner.len() {
            inner.resize(at + 1, b' ');
        }
        if let Some(slot) = inner.get_mut(at) {
            *slot = byte;
        }
        Val { k: K::Str(text), t: taint, made: made | made::MATHS }
    }

    /// Says whether an element or variable is set, where that is known.
    pub(super) fn is_set(&mut self, at: At<'_>, id: Id) -> Option<bool> {
        if let Expr::Index(base, Some(index)) = at.unit.expr(id) {
            if self.superglobal_of(at, *base).is_some() {
                self.eval(at, id);
                return None;
            }
            let (base, key) = (self.eval(at, *base), self.eval(at, *index));
            return match &base.k {
                K::Arr(arr) if base.is_known() => {
                    Some(arr.get(&key.key()?).is_some_and(|value| !matches!(value.k, K::Null)))
                }
                K::Str(text) if base.t.is_none() => {
                    let at = usize::try_from(key.int().filter(|_| key.is_known())?).ok()?;
                    Some(at < text.len())
                }
                _ => None,
            };
        }
        if !matches!(at.unit.expr(id), Expr::Var(_)) {
            self.eval(at, id);
        }
        None
    }

    pub(super) fn var_var(&mut self, at: At<'_>, id: Id, inner: Id) -> Val {
        let name = self.eval(at, inner);
        let place = self.place(at, id);
        let Some(text) = name.bytes() else {
            return Val::tainted(name.t.map(|taint| taint.then(place, "names a variable")));
        };
        let sym = self.names.intern(&text);
        let mut value = self.var(sym, place);
        let is_input = is_input(sym);
        if is_input && name.made & (made::HIDDEN | made::OWN) != 0 {
            self.profile.hidden_input = true;
        }
        value.made |= name.made & made::HIDDEN;
        if is_input {
            value.made &= !made::ESCAPES;
        }
        value
    }

    pub(super) fn index(&mut self, at: At<'_>, id: Id, base: Id, index: Option<Id>) -> Val {
        let place = self.place(at, id);
        let Some(index) = index else { return Val::unknown() };
        if let Some((name, how)) = self.superglobal_of(at, base) {
            let key = self.eval(at, index);
            let mut value = self.input(name, &key, place);
            value.made |= how | (key.made & made::HIDDEN & if name == GLOBALS { u16::MAX } else { 0 });
            return value;
        }
        let subject = self.eval(at, base);
        let key = self.eval(at, index);
        let mut value = element(&subject, &key);
        if let Some(taint) = &mut value.t
            && taint.flags & flag::WHOLE != 0
        {
            taint.flags &= !flag::WHOLE;
            if let Some(name) = key.bytes() {
                let what = format!("{}['{}']", taint.step.what, show(&name));
                *taint = Taint::new(taint.from, taint.flags, place, &what);
            }
        }
        // An unresolved piece of a hidden text is itself hidden.
        value.made |= subject.made & made::HIDDEN;
        value
    }

    /// The superglobal that an expression names, openly or not, and how its name was made.
    pub(super) fn superglobal_of(&mut self, at: At<'_>, base: Id) -> Option<(Sym, u16)> {
        match at.unit.expr(base) {
            Expr::Var(name) if name.0 < 17 => Some((*name, 0)),
            Expr::VarVar(inner) => {
                let name = self.eval(at, *inner);
                let sym = self.names.intern(&name.bytes()?);
                if sym.0 >= 17 {
                    return None;
                }
                self.profile.hidden_input |= name.made & (made::HIDDEN | made::OWN) != 0;
                Some((sym, name.made & made::HIDDEN))
            }
            _ => None,
        }
    }

    /// An element of a superglobal.
    pub(super) fn input(&mut self, name: Sym, key: &Val, place: (u32, u16)) -> Val {
        let key_text = key.bytes();
        if name == GLOBALS {
            let Some(text) = key_text else { return Val::unknown() };
            let sym = self.names.intern(&text);
            if sym.0 < 17 {
                return self.superglobal(sym, place);
            }
            let value = self.frames.first().and_then(|frame| frame.vars.get(&sym)).cloned();
            return value.unwrap_or_default();
        }
        let text = self.names.text(name);
        let shown = key_text.as_ref().map_or_else(|| "…".to_owned(), |key| show(key));
        let what = format!("${}['{shown}']", String::from_utf8_lossy(&text));
        let mut flags = 0;
        if let Some(key) = &key_text
            && self.checked.iter().any(|(sym, checked)| *sym == name && checked.as_deref() == Some(key.as_slice()))
        {
            flags |= flag::CHECKED;
        }
        let from = if SERVER.contains(&name.0) {
            let key = key_text.as_deref().map(Vec::as_slice).unwrap_or_default();
            if matches!(key, b"SCRIPT_FILENAME" | b"PATH_TRANSLATED") {
                return Val::str(OWN_PATH);
            }
            let is_request = key.starts_with(b"HTTP_") && key != b"HTTP_HOST"
                || matches!(key, b"QUERY_STRING" | b"PATH_INFO" | b"PHP_AUTH_USER" | b"PHP_AUTH_PW");
            match key {
                b"REQUEST_URI" => {
                    flags |= flag::INNER;
                    from::REQUEST
                }
                _ if is_request => from::REQUEST,
                _ => return Val::unknown(),
            }
        } else {
            match name.0 {
                4 | 14 => from::UPLOAD,
                6 | 16 => return Val::unknown(),
                7 | 15 => from::SESSION,
                _ => from::REQUEST,
            }
        };
        self.profile.takes_orders |= from & from::ORDERS != 0;
        Val::tainted(Some(Taint::new(from, flags, place, &what)))
    }
}

pub(super) fn is_input(name: Sym) -> bool {
    name.0 < 17 && name != GLOBALS
}

/// The variables that may be set without an assignment: looped over, or given to a call, which may set them.
pub(super) fn assigned(unit: &Unit, names: &Names) -> Numbers<Sym> {
    let mut targets: Vec<Id> = Vec::new();
    let mut found = Numbers::default();
    for (expr, _) in &unit.exprs {
        match expr {
            Expr::AssignRef(a, b) => targets.extend([*a, *b]),
            // What a function of PHP only reads is not set by it.
            Expr::Call(callee, _) if matches!(unit.expr(*callee), Expr::Const(name) if super::function_table::only_reads(&names.text(*name))) =>
                {}
            Expr::Call(callee, args) if matches!(unit.expr(*callee), Expr::Const(name) if super::function_table::is_match(&names.text(*name))) =>
            {
                targets.extend(args.iter().skip(2).map(|arg| arg.value));
            }
            // Of its own functions, only what they take by reference.
            Expr::Call(callee, args) if let Some(func) = own_function(unit, *callee) => {
                let params = func.params.iter().filter(|param| !param.variadic);
                targets.extend(args.iter().zip(params).filter(|(_, param)| param.by_ref).map(|(arg, _)| arg.value));
            }
            Expr::Call(_, args) | Expr::Method(_, _, args) | Expr::Static(_, _, args) | Expr::New(_, args) => {
                targets.extend(args.iter().map(|arg| arg.value));
            }
            _ => {}
        }
    }
    for (stmt, _) in &unit.stmts {
        match stmt {
            Stmt::Foreach(_, key, value, _) => targets.extend(key.iter().copied().chain([*value])),
            Stmt::StaticVar(vars) => found.extend(vars.iter().map(|(name, _)| *name)),
            _ => {}
        }
    }
    let mut budget = unit.exprs.len() * 4 + 16;
    while let Some(id) = targets.pop() {
        budget = budget.saturating_sub(1);
        if budget == 0 {
            break;
        }
        match unit.expr(id) {
            Expr::Var(name) => {
                found.insert(*name);
            }
            Expr::Index(base, _) | Expr::Prop(base, _) => targets.push(*base),
            Expr::Array(items) => targets.extend(items.iter().map(|item| item.value)),
            _ => {}
        }
    }
    found
}

/// The function of the file that a name calls.
fn own_function(unit: &Unit, callee: Id) -> Option<&super::ir::Func> {
    let Expr::Const(name) = unit.expr(callee) else { return None };
    unit.funcs.iter().find(|func| func.named && func.class.is_none() && func.name == *name)
}

/// An element of a value.
pub(super) fn element(subject: &Val, key: &Val) -> Val {
    match &subject.k {
        K::Arr(arr) => {
            if let Some(key) = key.key() {
                match arr.get(&key) {
                    Some(value) => {
                        let mut value = value.clone();
                        value.made |= subject.made;
                        value
                    }
                    None if arr.open || arr.rest.is_some() => {
                        Val::tainted(Taint::join(arr.rest.as_ref(), subject.t.as_ref()))
                    }
                    None => K::Null.into(),
                }
            } else {
                // Which one is not known: what one of them may be, this one may be.
                let made = arr.items.first().map_or(0, |(_, value)| value.made);
                Val { k: K::Unknown, t: arr.taint(), made: made | subject.made }
            }
        }
        K::Str(text) => {
            let Some(at) = key.int().filter(|_| key.is_known()) else {
                return Val { k: K::Unknown, t: subject.t.clone(), made: subject.made };
            };
            let at = if at < 0 { at + i64::try_from(text.len()).unwrap_or(0) } else { at };
            let byte = usize::try_from(at).ok().and_then(|at| text.get(at));
            match byte {
                Some(&b) => Val { k: K::Str(Rc::new(vec![b])), t: None, made: subject.made | made::CHARS },
                None => Val::str(Vec::new()),
            }
        }
        _ => Val { k: K::Unknown, t: subject.t.clone(), made: subject.made },
    }
}
