//! Walks the functions of the sample.

use super::interp::{At, CONSTRUCT, Flow, Frame, Interp, MAX_CALLS, MAX_WALKS};
use super::ir::Sym;
use super::value::{Arr, K, Taint, Val, made};

impl Interp<'_> {
    /// Walks a function with unknown arguments.
    pub(super) fn walk_function(&mut self, unit: usize, func: usize) {
        if self.fuel == 0 {
            return;
        }
        let Some(found) = self.units.get(unit).and_then(|unit| unit.funcs.get(func)) else { return };
        let (count, class) = (found.params.len(), found.class);
        let args = vec![Val::unknown(); count];
        let value = self.enter_function((unit, func), args, class, &[]).0;
        self.summaries.insert((unit, func), value);
    }

    /// Calls a function of the sample. The second value are the parameters afterwards, for those that are references.
    pub(super) fn call_own(
        &mut self,
        func: (usize, usize),
        args: Vec<Val>,
        this: Option<Sym>,
        bound: &[(Sym, Val)],
    ) -> (Val, Vec<(usize, Val)>) {
        let is_plain = args.iter().all(|arg| arg.taint().is_none() && !arg.is_known()) && bound.is_empty();
        if is_plain && let Some(value) = self.summaries.get(&func) {
            return (value.clone(), Vec::new());
        }
        if self.active.len() >= MAX_CALLS as usize || self.active.iter().filter(|active| **active == func).count() >= 3
        {
            let taint = args.iter().fold(None, |all, arg| Taint::join(all.as_ref(), arg.taint().as_ref()));
            return (Val::tainted(taint), Vec::new());
        }
        let is_constant = args.iter().all(Val::is_known);
        let walks = self.walks.entry(func).or_default();
        *walks += 1;
        let decodes = self.decoders.contains(&func);
        if *walks > if is_constant && decodes { 20_000 } else { MAX_WALKS } {
            if let Some(value) = self.summaries.get(&func) {
                return (value.clone(), Vec::new());
            }
            return (Val::unknown(), Vec::new());
        }
        self.enter_function(func, args, this, bound)
    }

    pub(super) fn enter_function(
        &mut self,
        func: (usize, usize),
        mut args: Vec<Val>,
        this: Option<Sym>,
        bound: &[(Sym, Val)],
    ) -> (Val, Vec<(usize, Val)>) {
        let Some(unit) = self.units.get(func.0).cloned() else { return (Val::unknown(), Vec::new()) };
        let Some(function) = unit.funcs.get(func.1) else { return (Val::unknown(), Vec::new()) };
        let at = At { unit: &unit, number: func.0 };
        let is_constant = args.iter().all(Val::is_known) && !args.is_empty();
        let mut frame = Frame { this: this.or(function.class), args: args.clone(), ..Frame::default() };
        frame.vars.extend(bound.iter().cloned());
        for (number, param) in function.params.iter().enumerate() {
            let value = if param.variadic {
                Val::arr(Arr::list(args.drain(number.min(args.len())..)))
            } else if let Some(value) = args.get(number) {
                value.clone()
            } else if let Some(default) = param.default {
                self.eval(at, default)
            } else {
                K::Null.into()
            };
            frame.vars.insert(param.name, value);
        }
        let (weak, loops, checked) = (self.weak, self.loops, self.checked.len());
        // A call inside a loop that was given up has arguments that say so themselves.
        self.weak = 0;
        self.loops = 0;
        let hidden_checks = std::mem::take(&mut self.checked);
        self.frames.push(frame);
        self.active.push(func);
        let flow = self.block(at, &function.body);
        self.active.pop();
        let frame = self.frames.pop().unwrap_or_default();
        self.checked = hidden_checks;
        self.checked.truncate(checked);
        self.weak = weak;
        self.loops = loops;
        let last = match flow {
            Flow::Return(value) => Some(value),
            _ => None,
        };
        let mut value = match (frame.returned, last) {
            (Some(old), Some(new)) => {
                // A way out that says nothing does not outweigh one that does.
                if new.t.is_none() && old.t.is_some() { Val::either(&new, old) } else { Val::either(&old, new) }
            }
            (Some(value), None) | (None, Some(value)) => value,
            (None, None) => K::Null.into(),
        };
        if is_constant && matches!(value.k, K::Str(_)) {
            value.made |= made::OWN;
            self.decoders.insert(func);
        }
        let outs = function
            .params
            .iter()
            .enumerate()
            .filter(|(_, param)| param.by_ref)
            .filter_map(|(number, param)| Some((number, frame.vars.get(&param.name)?.clone())))
            .collect();
        (value, outs)
    }

    /// The method of a class or of one above it.
    pub(super) fn find_method(&self, class: Sym, method: Sym) -> Option<(usize, usize)> {
        let mut class = class;
        for _ in 0..16 {
            if let Some(&found) = self.methods.get(&(class, method)) {
                return Some(found);
            }
            let traits = self.traits.get(&class).map(Vec::as_slice).unwrap_or_default();
            if let Some(found) = traits.iter().find_map(|name| self.methods.get(&(*name, method))) {
                return Some(*found);
            }
            class = (*self.parents.get(&class)?)?;
        }
        None
    }

    pub(super) fn constructor(&self, class: Sym) -> Option<(usize, usize)> {
        self.find_method(class, CONSTRUCT).or_else(|| self.methods.get(&(class, class)).copied())
    }
}
