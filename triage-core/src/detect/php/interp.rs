//! Walks the tree: folds what is constant, follows what is not.
//!
//! One walk does both. Where a condition is known, the walk takes that branch; where it is not, it takes all of them and keeps what may
//! hold. Nothing of the sample runs outside of it: it has no files, no network and no functions but those of `builtin` and
//! the sample's own, whose code it walks in turn. Every step costs fuel; without fuel everything is unknown, and the result says so.

use super::ir::{Block, CastTo, Expr, Id, Item, Name, Names, Op, Stmt, Sym, Unary, Unit};
use super::profile::Profile;
use super::rule::{Hit, Rule};
use super::value::{Arr, ClosureVal, K, Taint, Val, flag, from, made};
use super::{Limits, builtin, parser};
use crate::model::Severity;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::rc::Rc;

/// Names that are known from the start, in the order of their symbols.
const KNOWN: [&[u8]; 20] = [
    b"_GET",
    b"_POST",
    b"_REQUEST",
    b"_COOKIE",
    b"_FILES",
    b"_SERVER",
    b"_ENV",
    b"_SESSION",
    b"GLOBALS",
    b"HTTP_RAW_POST_DATA",
    b"HTTP_GET_VARS",
    b"HTTP_POST_VARS",
    b"HTTP_COOKIE_VARS",
    b"HTTP_SERVER_VARS",
    b"HTTP_POST_FILES",
    b"HTTP_SESSION_VARS",
    b"HTTP_ENV_VARS",
    b"this",
    b"argv",
    b"__construct",
];
const SERVER: [u32; 2] = [5, 13];
const GLOBALS: Sym = Sym(8);
const THIS: Sym = Sym(17);
const CONSTRUCT: Sym = Sym(19);
/// The path that stands for the sample itself.
pub(super) const OWN_PATH: &[u8] = b"\x01/__FILE__.php";
/// Walks of one function with unknown arguments.
const MAX_WALKS: u32 = 24;
/// Calls of functions of the sample inside each other.
const MAX_CALLS: u32 = 8;
/// Expressions inside each other, over all calls.
const MAX_DEPTH: u32 = 900;
/// Turns of one loop whose condition is known.
const MAX_TURNS: u32 = 300_000;

/// How a block ended.
pub(super) enum Flow {
    Next,
    Return(Val),
    Break(u32),
    Continue(u32),
    Exit,
    Goto(Sym),
}

#[derive(Default)]
pub(super) struct Frame {
    pub(super) vars: BTreeMap<Sym, Val>,
    globals: BTreeSet<Sym>,
    pub(super) this: Option<Sym>,
    /// What may be returned on ways that the walk did not end with.
    returned: Option<Val>,
    pub(super) args: Vec<Val>,
}

/// Code that was found in code.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) text: Rc<Vec<u8>>,
    pub(super) line: u32,
    pub(super) depth: u16,
    /// It was decoded, and did not stand there in plain text.
    pub(super) is_hidden: bool,
}

pub(super) struct Interp<'a> {
    pub(super) limits: &'a Limits,
    pub(super) names: Names,
    pub(super) units: Vec<Rc<Unit>>,
    unit_layers: Vec<u16>,
    visited: Vec<Vec<bool>>,
    pub(super) frames: Vec<Frame>,
    pub(super) funcs: HashMap<Sym, (usize, usize)>,
    pub(super) methods: HashMap<(Sym, Sym), (usize, usize)>,
    pub(super) by_method: HashMap<Sym, Vec<(usize, usize)>>,
    pub(super) parents: HashMap<Sym, Option<Sym>>,
    pub(super) props: HashMap<Sym, Val>,
    pub(super) consts: HashMap<Sym, Val>,
    walks: HashMap<(usize, usize), u32>,
    summaries: HashMap<(usize, usize), Val>,
    active: Vec<(usize, usize)>,
    checked: Vec<(Sym, Option<Vec<u8>>)>,
    pub(super) fuel: u64,
    depth: u32,
    pub(super) weak: u32,
    loops: u32,
    dead: u32,
    pub(super) hits: Vec<Hit>,
    seen: HashSet<(usize, Id, &'static str)>,
    pub(super) layers: Vec<Layer>,
    layer_bytes: usize,
    pub(super) profile: Profile,
    pub(super) own_text: Rc<Vec<u8>>,
    /// The request was made into variables: what nobody set may come from there.
    pub(super) imported: Option<Taint>,
    /// Something was left out for a limit.
    pub(super) is_cut: bool,
}

/// Where the walk is.
#[derive(Clone, Copy)]
pub(super) struct At<'u> {
    pub(super) unit: &'u Rc<Unit>,
    pub(super) number: usize,
}

impl<'a> Interp<'a> {
    pub(super) fn new(limits: &'a Limits, text: &[u8]) -> Self {
        let mut names = Names::default();
        for name in KNOWN {
            names.intern(name);
        }
        Self {
            limits,
            names,
            units: Vec::new(),
            unit_layers: Vec::new(),
            visited: Vec::new(),
            frames: vec![Frame::default()],
            funcs: HashMap::new(),
            methods: HashMap::new(),
            by_method: HashMap::new(),
            parents: HashMap::new(),
            props: HashMap::new(),
            consts: HashMap::new(),
            walks: HashMap::new(),
            summaries: HashMap::new(),
            active: Vec::new(),
            checked: Vec::new(),
            fuel: limits.fuel,
            depth: 0,
            weak: 0,
            loops: 0,
            dead: 0,
            hits: Vec::new(),
            seen: HashSet::new(),
            layers: Vec::new(),
            layer_bytes: 0,
            profile: Profile::default(),
            own_text: Rc::new(text.to_vec()),
            is_cut: false,
            imported: None,
        }
    }

    /// Parses a text and makes its functions and classes known; gives its number.
    pub(super) fn load(&mut self, text: &[u8], in_php: bool, layer: u16) -> usize {
        self.spend(text.len() as u64 / 16);
        let unit = parser::parse(text, in_php, &mut self.names, self.limits.max_tokens);
        let number = self.units.len();
        self.is_cut |= unit.cut;
        for (at, func) in unit.funcs.iter().enumerate() {
            if !func.named {
                continue;
            }
            match func.class {
                Some(class) => {
                    self.methods.insert((class, func.name), (number, at));
                    self.by_method.entry(func.name).or_default().push((number, at));
                }
                None => {
                    self.funcs.insert(func.name, (number, at));
                }
            }
        }
        for class in &unit.classes {
            self.parents.insert(class.name, class.parent);
        }
        self.visited.push(vec![false; unit.stmts.len()]);
        self.unit_layers.push(layer);
        self.units.push(Rc::new(unit));
        number
    }

    /// Walks the whole of a unit that was loaded: first what runs, then what did not run.
    pub(super) fn run(&mut self, number: usize) {
        let Some(unit) = self.units.get(number).cloned() else { return };
        let at = At { unit: &unit, number };
        for class in &unit.classes {
            for (name, value) in &class.fields {
                if let Some(value) = *value {
                    let value = self.eval(at, value);
                    let lower = self.names.text(*name).to_ascii_lowercase();
                    let lower = self.names.intern(&lower);
                    self.props.insert(lower, value);
                }
            }
        }
        let _ = self.block(at, &unit.body);
        for _ in 0..2 {
            let before = self.hits.len();
            for (func, _) in unit.funcs.iter().enumerate() {
                self.walk_function(number, func);
            }
            // A second turn, for what the first left in properties.
            if self.hits.len() == before && self.props.values().all(|value| value.t.is_none()) {
                break;
            }
        }
    }

    /// Walks a function with unknown arguments.
    fn walk_function(&mut self, unit: usize, func: usize) {
        if self.fuel == 0 {
            return;
        }
        let Some(found) = self.units.get(unit).and_then(|unit| unit.funcs.get(func)) else { return };
        let (count, class) = (found.params.len(), found.class);
        let args = vec![Val::unknown(); count];
        let value = self.enter_function((unit, func), args, class, &[]).0;
        self.summaries.insert((unit, func), value);
    }

    pub(super) fn spend(&mut self, steps: u64) -> bool {
        self.fuel = self.fuel.saturating_sub(steps);
        if self.fuel == 0 {
            self.is_cut = true;
        }
        self.fuel > 0
    }

    pub(super) fn place(&self, at: At<'_>, id: Id) -> (u32, u16) {
        (at.unit.line(id), self.unit_layers.get(at.number).copied().unwrap_or(0))
    }

    /// Notes a hit, once for each place and rule; of two the graver stays.
    pub(super) fn hit(
        &mut self,
        (at, id): (At<'_>, Id),
        rule: &'static Rule,
        (severity, confidence): (Severity, u8),
        taint: Option<&Taint>,
        what: &str,
    ) {
        let (line, layer) = self.place(at, id);
        let grave = (severity, confidence);
        if !self.seen.insert((at.number, id, rule.id)) {
            let is_better = self.hits.iter().any(|hit| {
                hit.rule.id == rule.id
                    && hit.steps.last().is_some_and(|step| step.0 == line && step.1 == layer)
                    && (hit.severity, hit.confidence) < grave
            });
            if !is_better {
                return;
            }
        }
        let mut steps = Vec::new();
        let mut step = taint.map(|taint| &taint.step);
        while let Some(this) = step {
            steps.push((this.line, this.layer, this.what.to_string()));
            step = this.before.as_ref();
        }
        steps.reverse();
        steps.push((line, layer, what.to_owned()));
        if self.hits.len() < 500 {
            self.hits.push(Hit { rule, severity, confidence, steps, is_dead: self.dead > 0, is_contextual: false });
        }
    }

    // Statements.

    pub(super) fn block(&mut self, at: At<'_>, block: &Block) -> Flow {
        let mut next = 0;
        let mut jumps = 0_u32;
        let mut ended: Option<Flow> = None;
        let dead = self.dead;
        while let Some(&stmt) = block.get(next) {
            next += 1;
            if ended.is_some() && self.is_visited(at, stmt) {
                continue;
            }
            match self.stmt(at, stmt) {
                Flow::Next => {}
                Flow::Goto(label) => {
                    let target = block.iter().position(|&stmt| {
                        matches!(at.unit.stmts.get(stmt as usize), Some((Stmt::Label(name), _)) if *name == label)
                    });
                    match target {
                        Some(target) if jumps < 5_000 && self.spend(4) && ended.is_none() => {
                            jumps += 1;
                            next = target;
                        }
                        Some(_) => {}
                        None if ended.is_none() => ended = Some(Flow::Goto(label)),
                        None => {}
                    }
                }
                flow => {
                    if ended.is_none() {
                        if matches!(flow, Flow::Exit | Flow::Return(_)) && self.frames.len() == 1 {
                            self.dead += 1;
                        }
                        ended = Some(flow);
                    }
                }
            }
            if self.fuel == 0 {
                break;
            }
        }
        self.dead = dead;
        ended.unwrap_or(Flow::Next)
    }

    fn is_visited(&self, at: At<'_>, stmt: u32) -> bool {
        self.visited.get(at.number).and_then(|all| all.get(stmt as usize)).copied().unwrap_or(true)
    }

    fn stmt(&mut self, at: At<'_>, number: u32) -> Flow {
        if !self.spend(1) || self.depth > MAX_DEPTH {
            return Flow::Next;
        }
        if let Some(slot) = self.visited.get_mut(at.number).and_then(|all| all.get_mut(number as usize)) {
            *slot = true;
        }
        let Some((stmt, _)) = at.unit.stmts.get(number as usize) else { return Flow::Next };
        self.depth += 1;
        let flow = self.stmt_inner(at, stmt);
        self.depth -= 1;
        flow
    }

    fn stmt_inner(&mut self, at: At<'_>, stmt: &Stmt) -> Flow {
        match stmt {
            Stmt::Nothing | Stmt::Label(_) => {}
            Stmt::Expr(id) => {
                if let Expr::Exit(value) = at.unit.expr(*id) {
                    if let Some(value) = value {
                        self.eval(at, *value);
                    }
                    return Flow::Exit;
                }
                self.eval(at, *id);
            }
            Stmt::Echo(values) => {
                for &value in values {
                    self.eval(at, value);
                }
            }
            Stmt::Halt => return Flow::Exit,
            Stmt::If(arms, otherwise) => return self.if_stmt(at, arms, otherwise.as_ref()),
            Stmt::While(condition, body) => return self.loop_stmt(at, &[*condition], &[], body, false),
            Stmt::DoWhile(body, condition) => return self.loop_stmt(at, &[*condition], &[], body, true),
            Stmt::For(init, condition, step, body) => {
                for &id in init {
                    self.eval(at, id);
                }
                return self.loop_stmt(at, condition, step, body, false);
            }
            Stmt::Foreach(subject, key, value, body) => return self.foreach(at, *subject, (*key, *value), body),
            Stmt::Switch(subject, cases) => return self.switch(at, *subject, cases),
            Stmt::Return(value) => {
                let value = value.map_or_else(|| Val::from(K::Null), |id| self.eval(at, id));
                return Flow::Return(value);
            }
            Stmt::Break(levels) => return Flow::Break(*levels),
            Stmt::Continue(levels) => return Flow::Continue(*levels),
            Stmt::Global(names) => {
                if self.frames.len() > 1
                    && let Some(frame) = self.frames.last_mut()
                {
                    frame.globals.extend(names.iter().copied());
                }
            }
            Stmt::StaticVar(vars) => {
                for (name, value) in vars {
                    let value = value.map_or_else(Val::unknown, |id| self.eval(at, id));
                    // It may hold what an earlier call left in it.
                    self.set_var(*name, Val { k: if self.frames.len() > 1 { K::Unknown } else { value.k }, ..value });
                }
            }
            Stmt::Unset(targets) => {
                for &target in targets {
                    if let Expr::Var(name) = at.unit.expr(target) {
                        self.set_var(*name, K::Null.into());
                    } else if let Expr::Index(base, Some(index)) = at.unit.expr(target) {
                        if let Some(key) = self.eval(at, *index).key() {
                            self.update(at, *base, &mut |_, mut old| {
                                if let K::Arr(arr) = &mut old.k {
                                    Rc::make_mut(arr).remove(&key);
                                }
                                old
                            });
                        }
                    }
                }
            }
            Stmt::Try(body, others) => {
                let flow = self.block(at, body);
                self.weak += 1;
                for block in others {
                    let other = self.block(at, block);
                    self.remember_return(other);
                }
                self.weak -= 1;
                return flow;
            }
            Stmt::Block(block) => return self.block(at, block),
            Stmt::Goto(label) => return Flow::Goto(*label),
        }
        Flow::Next
    }

    fn remember_return(&mut self, flow: Flow) {
        if let Flow::Return(value) = flow
            && let Some(frame) = self.frames.last_mut()
        {
            frame.returned = Some(match frame.returned.take() {
                Some(old) => Val::either(&old, value),
                None => value,
            });
        }
    }

    fn if_stmt(&mut self, at: At<'_>, arms: &[(Id, Block)], otherwise: Option<&Block>) -> Flow {
        let start = self.checked.len();
        let mut keep = Vec::new();
        for (number, (condition, body)) in arms.iter().enumerate() {
            let truth = self.eval(at, *condition).truth();
            if truth == Some(true) {
                let flow = self.block(at, body);
                // What is left out at the top of a file was left out on purpose; in a function another call may take it.
                if self.frames.len() == 1 {
                    let rest = arms.get(number + 1..).unwrap_or_default().iter().map(|(_, block)| block);
                    for block in rest.chain(otherwise) {
                        self.dead_walk(at, block);
                    }
                }
                self.checked.truncate(start);
                return flow;
            }
            if truth == Some(false) {
                if self.frames.len() == 1 {
                    self.dead_walk(at, body);
                }
                continue;
            }
            let (guards, negated) = self.guards(at, *condition);
            let before = self.checked.len();
            if !negated {
                self.checked.extend(guards.iter().cloned());
            }
            self.weak += 1;
            let flow = self.block(at, body);
            self.weak -= 1;
            self.checked.truncate(before);
            let ends = !matches!(flow, Flow::Next);
            if negated && ends {
                keep.extend(guards);
            } else if negated {
                self.checked.extend(guards);
            }
            match flow {
                Flow::Goto(_) if arms.len() == 1 && otherwise.is_none() => {
                    self.checked.truncate(start);
                    return self.fork(flow);
                }
                flow => self.remember_return(flow),
            }
        }
        if let Some(block) = otherwise {
            self.weak += 1;
            let flow = self.block(at, block);
            self.weak -= 1;
            self.remember_return(flow);
        }
        self.checked.truncate(start);
        self.checked.extend(keep);
        Flow::Next
    }

    /// A jump on an unknown condition: the walk goes on behind it, and comes to the label by itself.
    fn fork(&mut self, _flow: Flow) -> Flow {
        Flow::Next
    }

    /// Walks what does not run, for what is in it.
    fn dead_walk(&mut self, at: At<'_>, block: &Block) {
        if block.iter().all(|&stmt| self.is_visited(at, stmt)) {
            return;
        }
        let vars = self.frames.last().map(|frame| frame.vars.clone());
        self.dead += 1;
        let flow = self.block(at, block);
        self.remember_return(flow);
        self.dead -= 1;
        if let (Some(vars), Some(frame)) = (vars, self.frames.last_mut()) {
            frame.vars = vars;
        }
    }

    /// The values that a condition checks against a list or pattern, and whether it holds where the check fails.
    fn guards(&mut self, at: At<'_>, condition: Id) -> (Vec<(Sym, Option<Vec<u8>>)>, bool) {
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
                            root(at.unit, other, &mut found);
                        }
                        if let Expr::Call(..) = at.unit.expr(value) {
                            todo.push(value);
                        }
                    }
                }
                Expr::Call(callee, args) => {
                    if let Expr::Const(name) = at.unit.expr(*callee)
                        && super::sink::is_validator(&self.names.text(*name))
                    {
                        for arg in args {
                            root(at.unit, arg.value, &mut found);
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

    fn loop_stmt(&mut self, at: At<'_>, conditions: &[Id], steps: &[Id], body: &Block, body_first: bool) -> Flow {
        let mut turns = 0_u32;
        let mut first = body_first;
        loop {
            if !first {
                let mut truth = if conditions.is_empty() { Some(true) } else { None };
                for &condition in conditions {
                    truth = self.eval(at, condition).truth();
                }
                match truth {
                    Some(false) => {
                        if turns == 0 && self.frames.len() == 1 {
                            self.dead_walk(at, body);
                        }
                        return Flow::Next;
                    }
                    Some(true) if turns < MAX_TURNS && self.fuel > 0 && (turns < 3 || !conditions.is_empty()) => {}
                    _ => return self.unknown_loop(at, conditions, steps, body),
                }
            }
            first = false;
            turns += 1;
            match self.block(at, body) {
                Flow::Break(levels) if levels > 1 => return Flow::Break(levels - 1),
                Flow::Break(_) => return Flow::Next,
                Flow::Continue(levels) if levels > 1 => return Flow::Continue(levels - 1),
                Flow::Next | Flow::Continue(_) => {}
                flow => return flow,
            }
            for &step in steps {
                self.eval(at, step);
            }
            if !self.spend(1) {
                return Flow::Next;
            }
        }
    }

    /// A loop of which nobody knows how often it turns: twice over everything, so that what one turn leaves reaches the next.
    fn unknown_loop(&mut self, at: At<'_>, conditions: &[Id], steps: &[Id], body: &Block) -> Flow {
        self.weak += 1;
        self.loops += 1;
        let mut guards = Vec::new();
        for &condition in conditions {
            guards.extend(self.guards(at, condition).0);
        }
        for _ in 0..if self.loops > 2 { 1 } else { 2 } {
            let flow = self.block(at, body);
            self.remember_return(flow);
            for &id in steps.iter().chain(conditions) {
                self.eval(at, id);
            }
        }
        self.loops -= 1;
        self.weak -= 1;
        Flow::Next
    }

    fn foreach(&mut self, at: At<'_>, subject: Id, (key, value): (Option<Id>, Id), body: &Block) -> Flow {
        let all = self.eval(at, subject);
        if let K::Arr(arr) = &all.k
            && arr.rest.is_none()
            && !arr.open
            && arr.items.len() < 50_000
        {
            for (name, item) in &arr.items {
                if let Some(key) = key {
                    let mut name = builtin::key_value(name);
                    name.made = all.made;
                    self.assign(at, key, name);
                }
                self.assign(at, value, item.clone());
                match self.block(at, body) {
                    Flow::Break(levels) if levels > 1 => return Flow::Break(levels - 1),
                    Flow::Break(_) => return Flow::Next,
                    Flow::Continue(levels) if levels > 1 => return Flow::Continue(levels - 1),
                    Flow::Next | Flow::Continue(_) => {}
                    flow => return flow,
                }
                if !self.spend(1) {
                    break;
                }
            }
            if arr.items.is_empty() && self.frames.len() == 1 {
                self.dead_walk(at, body);
            }
            return Flow::Next;
        }
        let taint = all.taint();
        self.weak += 1;
        self.loops += 1;
        for _ in 0..if self.loops > 2 { 1 } else { 2 } {
            if let Some(key) = key {
                self.assign(at, key, Val::tainted(taint.clone()).with_flag(flag::KEY));
            }
            let mut item = Val::tainted(taint.clone());
            if let Some(taint) = &mut item.t {
                taint.flags &= !flag::WHOLE;
            }
            self.assign(at, value, item);
            let flow = self.block(at, body);
            self.remember_return(flow);
        }
        self.loops -= 1;
        self.weak -= 1;
        Flow::Next
    }

    fn switch(&mut self, at: At<'_>, subject: Id, cases: &[(Option<Id>, Block)]) -> Flow {
        let value = self.eval(at, subject);
        if value.is_known() {
            let tests: Option<Vec<bool>> = cases
                .iter()
                .map(|(test, _)| match test {
                    None => Some(false),
                    Some(test) => {
                        let test = self.eval(at, *test);
                        loose_equal(&value, &test)
                    }
                })
                .collect();
            if let Some(tests) = tests {
                let start =
                    tests.iter().position(|&hit| hit).or_else(|| cases.iter().position(|(test, _)| test.is_none()));
                let Some(start) = start else { return Flow::Next };
                for (_, block) in cases.get(start..).unwrap_or_default() {
                    match self.block(at, block) {
                        Flow::Next => {}
                        Flow::Break(levels) if levels > 1 => return Flow::Break(levels - 1),
                        Flow::Break(_) => return Flow::Next,
                        Flow::Continue(levels) if levels > 1 => return Flow::Continue(levels - 1),
                        Flow::Continue(_) => return Flow::Next,
                        flow => return flow,
                    }
                }
                return Flow::Next;
            }
        }
        let mut guards = Vec::new();
        root(at.unit, subject, &mut guards);
        self.weak += 1;
        for (test, block) in cases {
            let before = self.checked.len();
            if test.is_some() {
                self.checked.extend(guards.iter().cloned());
            }
            if let Some(test) = test {
                self.eval(at, *test);
            }
            let flow = self.block(at, block);
            self.remember_return(flow);
            self.checked.truncate(before);
        }
        self.weak -= 1;
        Flow::Next
    }

    // Variables.

    fn frame_of(&mut self, name: Sym) -> Option<&mut Frame> {
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
            None => Val::tainted(self.imported.clone()),
        }
    }

    fn superglobal(&mut self, name: Sym, place: (u32, u16)) -> Val {
        let text = self.names.text(name);
        let what = format!("${}", String::from_utf8_lossy(&text));
        let from = match name.0 {
            4 | 14 => from::UPLOAD,
            5 | 6 | 13 | 16 => 0,
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
            Expr::Var(name) => self.update_var(*name, change),
            Expr::VarVar(inner) => {
                let name = self.eval(at, *inner);
                if let Some(text) = name.bytes() {
                    let sym = self.names.intern(&text);
                    self.update_var(sym, change);
                } else {
                    change(self, Val::unknown());
                    if name.is_ordered() {
                        self.profile.imports = true;
                    }
                }
            }
            Expr::Index(base, index) => {
                let key = index.map(|index| self.eval(at, index));
                if matches!(at.unit.expr(*base), Expr::Var(name) if *name == GLOBALS) {
                    if let Some(text) = key.as_ref().and_then(Val::bytes) {
                        let sym = self.names.intern(&text);
                        self.update_global(sym, change);
                        return;
                    }
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

    fn update_prop(&mut self, at: At<'_>, name: Name, change: &mut dyn FnMut(&mut Self, Val) -> Val) {
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

    fn update_var(&mut self, name: Sym, change: &mut dyn FnMut(&mut Self, Val) -> Val) {
        let old = self.frame_of(name).and_then(|frame| frame.vars.remove(&name)).unwrap_or_else(|| K::Null.into());
        let value = change(self, old);
        if let Some(frame) = self.frame_of(name) {
            frame.vars.insert(name, value);
        }
    }

    fn update_global(&mut self, name: Sym, change: &mut dyn FnMut(&mut Self, Val) -> Val) {
        let old = self.frames.first_mut().and_then(|frame| frame.vars.remove(&name)).unwrap_or_else(|| K::Null.into());
        let value = change(self, old);
        if let Some(frame) = self.frames.first_mut() {
            frame.vars.insert(name, value);
        }
    }

    fn update_element(&mut self, old: Val, key: Option<&Val>, change: &mut dyn FnMut(&mut Self, Val) -> Val) -> Val {
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

    fn update_char(
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

    // Expressions.

    pub(super) fn eval(&mut self, at: At<'_>, id: Id) -> Val {
        if !self.spend(1) || self.depth > MAX_DEPTH {
            return Val::unknown();
        }
        self.depth += 1;
        let value = self.eval_inner(at, id);
        self.depth -= 1;
        value
    }

    #[allow(clippy::too_many_lines)]
    fn eval_inner(&mut self, at: At<'_>, id: Id) -> Val {
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
                for &value in values {
                    if !matches!(at.unit.expr(value), Expr::Var(_)) {
                        self.eval(at, value);
                    }
                }
                Val::unknown()
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

    fn constant(&mut self, name: Sym) -> Val {
        let text = self.names.text(name);
        let lower = text.to_ascii_lowercase();
        match lower.as_slice() {
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
        if text.first().is_some_and(|b| b.is_ascii_uppercase()) && text.iter().all(|b| !b.is_ascii_lowercase()) {
            return Val::unknown();
        }
        Val { k: K::Str(Rc::new(text.to_vec())), t: None, made: 0 }
    }

    fn var_var(&mut self, at: At<'_>, id: Id, inner: Id) -> Val {
        let name = self.eval(at, inner);
        let place = self.place(at, id);
        let Some(text) = name.bytes() else {
            if name.is_ordered() {
                self.profile.imports = true;
            }
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

    fn array(&mut self, at: At<'_>, items: &[Item]) -> Val {
        let mut arr = Arr::default();
        for item in items {
            let value = self.eval(at, item.value);
            match item.key {
                _ if item.spread => match &value.k {
                    K::Arr(inner) => inner.items.iter().for_each(|(_, value)| arr.push(value.clone())),
                    _ => {
                        arr.open = true;
                        arr.rest = Taint::join(arr.rest.as_ref(), value.t.as_ref());
                    }
                },
                None => arr.push(value),
                Some(key) => match self.eval(at, key).key() {
                    Some(key) => arr.set(key, value),
                    None => {
                        arr.open = true;
                        arr.rest = Taint::join(arr.rest.as_ref(), value.taint().as_ref());
                    }
                },
            }
        }
        Val::arr(arr)
    }

    fn index(&mut self, at: At<'_>, id: Id, base: Id, index: Option<Id>) -> Val {
        let place = self.place(at, id);
        let Some(index) = index else { return Val::unknown() };
        if let Expr::Var(name) = at.unit.expr(base)
            && name.0 < 17
        {
            let key = self.eval(at, index);
            return self.input(*name, &key, place);
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
        if let Expr::VarVar(inner) = at.unit.expr(base)
            && let Some(text) = self.eval(at, *inner).bytes()
        {
            let sym = self.names.intern(&text);
            if sym.0 < 17 {
                let mut value = self.input(sym, &key, place);
                value.made |= made::ESCAPES;
                return value;
            }
        }
        value
    }

    /// An element of a superglobal.
    fn input(&mut self, name: Sym, key: &Val, place: (u32, u16)) -> Val {
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
                || matches!(key, b"QUERY_STRING" | b"PATH_INFO" | b"PHP_AUTH_USER" | b"PHP_AUTH_PW" | b"argv");
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

    fn binary(&mut self, at: At<'_>, op: Op, left: Id, right: Id) -> Val {
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

    fn assignment(&mut self, at: At<'_>, (id, target): (Id, Id), op: Option<Op>, value: Id) -> Val {
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

    fn step(&mut self, at: At<'_>, target: Id, up: bool, before: bool) -> Val {
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

    fn closure(&mut self, at: At<'_>, number: usize) -> Val {
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

    // Functions of the sample.

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
        if *walks > if is_constant { 20_000 } else { MAX_WALKS } {
            if let Some(value) = self.summaries.get(&func) {
                return (value.clone(), Vec::new());
            }
            return (Val::unknown(), Vec::new());
        }
        self.enter_function(func, args, this, bound)
    }

    fn enter_function(
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
            class = (*self.parents.get(&class)?)?;
        }
        None
    }

    pub(super) fn constructor(&self, class: Sym) -> Option<(usize, usize)> {
        self.find_method(class, CONSTRUCT).or_else(|| self.methods.get(&(class, class)).copied())
    }

    // Code in code.

    /// Walks code that the sample runs.
    pub(super) fn run_layer(
        &mut self,
        (at, id): (At<'_>, Id),
        text: &Rc<Vec<u8>>,
        in_php: bool,
        is_hidden: bool,
    ) -> Val {
        let (line, depth) = self.place(at, id);
        let depth = depth + 1;
        let is_known = self.layers.iter().any(|layer| layer.text == *text);
        self.layer_bytes += text.len();
        if is_known || self.layers.len() >= self.limits.max_layers || self.layer_bytes > self.limits.max_layer_bytes {
            self.is_cut |= !is_known;
            return Val::unknown();
        }
        if depth > self.limits.max_layer_depth || self.depth > MAX_DEPTH / 2 {
            self.is_cut = true;
            return Val::unknown();
        }
        self.layers.push(Layer { text: Rc::clone(text), line, depth, is_hidden });
        let number = self.load(text, in_php, depth);
        let Some(unit) = self.units.get(number).cloned() else { return Val::unknown() };
        let inner = At { unit: &unit, number };
        let flow = self.block(inner, &unit.body);
        for func in 0..unit.funcs.len() {
            self.walk_function(number, func);
        }
        match flow {
            Flow::Return(value) => value,
            _ => Val::unknown(),
        }
    }
}

pub(super) fn is_input(name: Sym) -> bool {
    name.0 < 17 && name != GLOBALS
}

/// The variable, or the element of a superglobal, that an expression is made of.
fn root(unit: &Unit, id: Id, found: &mut Vec<(Sym, Option<Vec<u8>>)>) {
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

/// A name from the sample, for a step: short, and without anything that could pass for more.
pub(super) fn show(text: &[u8]) -> String {
    let short = text.get(..text.len().min(60)).unwrap_or_default();
    crate::model::escape(short)
}

/// Says whether what follows this text still decides what the whole does: nothing, blanks, a quote, or a shell's own words.
fn is_opening(left: &Val) -> bool {
    if matches!(left.k, K::Unknown) {
        return left.t.is_some();
    }
    let K::Str(text) = &left.k else { return left.t.as_ref().is_some_and(|taint| taint.flags & flag::INNER == 0) };
    let text = text.trim_ascii().to_ascii_lowercase();
    let text = text.strip_suffix(b"\"").or_else(|| text.strip_suffix(b"'")).unwrap_or(&text).trim_ascii();
    const SHELLS: [&[u8]; 12] =
        [b"-c", b"/c", b"/k", b"sh", b"bash", b";", b"&&", b"|", b"&", b"?>", b"return", b"cmd"];
    text.is_empty() || text == b"(" || SHELLS.iter().any(|end| text.ends_with(end)) && text.len() < 64
}

pub(super) fn to_text(value: Val) -> Val {
    match value.bytes() {
        Some(text) => Val { k: K::Str(text), ..value },
        None => value,
    }
}

/// An element of a value.
pub(super) fn element(subject: &Val, key: &Val) -> Val {
    match &subject.k {
        K::Arr(arr) => match key.key() {
            Some(key) => match arr.get(&key) {
                Some(value) => {
                    let mut value = value.clone();
                    value.made |= subject.made;
                    value
                }
                None if arr.open || arr.rest.is_some() => {
                    Val::tainted(Taint::join(arr.rest.as_ref(), subject.t.as_ref()))
                }
                None => K::Null.into(),
            },
            None => {
                // Which one is not known: what one of them may be, this one may be.
                let made = arr.items.first().map_or(0, |(_, value)| value.made);
                Val { k: K::Unknown, t: arr.taint(), made: made | subject.made }
            }
        },
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

fn incremented(text: &[u8]) -> Vec<u8> {
    let mut out = text.to_vec();
    let mut at = out.len();
    loop {
        let Some(slot) = at.checked_sub(1).and_then(|at| out.get_mut(at)) else {
            let lead = match text.first() {
                Some(b'0'..=b'9') => b'1',
                Some(b'a'..=b'z') => b'a',
                _ => b'A',
            };
            out.insert(0, lead);
            return out;
        };
        match *slot {
            b'z' => *slot = b'a',
            b'Z' => *slot = b'A',
            b'9' => *slot = b'0',
            b if b.is_ascii_alphanumeric() => {
                *slot = b + 1;
                return out;
            }
            _ => return out,
        }
        at -= 1;
    }
}

fn unary(op: Unary, value: &Val) -> Val {
    let k = match op {
        Unary::Not => value.truth().map(|truth| K::Bool(!truth)),
        Unary::Minus => match &value.k {
            K::Float(number) => Some(K::Float(-number)),
            _ => value.int().filter(|_| value.is_known()).map(|number| K::Int(number.saturating_neg())),
        },
        Unary::Plus => value.int().filter(|_| value.is_known()).map(K::Int),
        Unary::BitNot => match &value.k {
            K::Str(text) => {
                let flipped: Vec<u8> = text.iter().map(|b| !b).collect();
                return Val::str(flipped).with_made(value.made | made::MATHS);
            }
            K::Int(number) => Some(K::Int(!number)),
            // The complement of what the request gave is what it gave.
            _ => return Val { k: K::Unknown, t: value.t.clone(), made: value.made | made::MATHS },
        },
    };
    k.map_or_else(Val::unknown, Val::from)
}

fn cast(to: CastTo, value: Val) -> Val {
    let known = value.is_known();
    match to {
        CastTo::Int => value.int().filter(|_| known).map_or_else(Val::unknown, |number| K::Int(number).into()),
        CastTo::Float => value.float().filter(|_| known).map_or_else(Val::unknown, |number| K::Float(number).into()),
        CastTo::Bool => value.truth().map_or_else(Val::unknown, |truth| K::Bool(truth).into()),
        CastTo::Str => to_text(value),
        CastTo::Array => match value.k {
            K::Arr(_) | K::Unknown => value,
            K::Null => Val::arr(Arr::default()),
            _ => Val::arr(Arr::list([value])),
        },
        CastTo::Object => value,
        CastTo::Unset => K::Null.into(),
    }
}

fn loose_equal(a: &Val, b: &Val) -> Option<bool> {
    if !a.is_known() || !b.is_known() {
        return None;
    }
    match (&a.k, &b.k) {
        (K::Bool(_) | K::Null, _) | (_, K::Bool(_) | K::Null) => Some(a.truth()? == b.truth()?),
        (K::Int(_) | K::Float(_), _) | (_, K::Int(_) | K::Float(_)) => {
            Some((a.float()? - b.float()?).abs() < f64::EPSILON)
        }
        (K::Str(a), K::Str(b)) => Some(a == b),
        _ => None,
    }
}

#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn binary(op: Op, a: &Val, b: &Val) -> Val {
    let how = a.made | b.made;
    let known = a.is_known() && b.is_known();
    if matches!(op, Op::Xor | Op::BitAnd | Op::BitOr) {
        if let (K::Str(x), K::Str(y)) = (&a.k, &b.k) {
            let join = |(&p, &q): (&u8, &u8)| match op {
                Op::Xor => p ^ q,
                Op::BitAnd => p & q,
                _ => p | q,
            };
            let mut text: Vec<u8> = x.iter().zip(y.iter()).map(join).collect();
            if op == Op::BitOr {
                let longer = if x.len() > y.len() { x } else { y };
                text.extend_from_slice(longer.get(text.len()..).unwrap_or_default());
            }
            return Val::str(text).with_made(how | made::MATHS);
        }
        if !known {
            // A text of the request under a key stays the request's.
            let taint = if op == Op::Xor { Taint::join(a.t.as_ref(), b.t.as_ref()) } else { None };
            return Val { k: K::Unknown, t: taint, made: how | made::MATHS };
        }
    }
    if let (Op::Add, K::Arr(x), K::Arr(y)) = (op, &a.k, &b.k) {
        let mut out = (**x).clone();
        for (key, value) in &y.items {
            if out.get(key).is_none() {
                out.set(key.clone(), value.clone());
            }
        }
        out.rest = Taint::join(x.rest.as_ref(), y.rest.as_ref());
        out.open = x.open || y.open;
        return Val::arr(out);
    }
    if !known {
        // Sums of arrays: `$_GET + $_POST`.
        let taint = if op == Op::Add { Taint::join(a.t.as_ref(), b.t.as_ref()) } else { None };
        let is_array = taint.as_ref().is_some_and(|taint| taint.flags & flag::WHOLE != 0);
        return Val { k: K::Unknown, t: taint.filter(|_| is_array), made: 0 };
    }
    let is_float = matches!(a.k, K::Float(_))
        || matches!(b.k, K::Float(_))
        || [a, b].iter().any(|v| matches!(&v.k, K::Str(text) if text.contains(&b'.')));
    let arithmetic = |whole: fn(i64, i64) -> Option<i64>, real: fn(f64, f64) -> f64| -> Option<K> {
        if !is_float && let Some(result) = whole(a.int()?, b.int()?) {
            return Some(K::Int(result));
        }
        Some(K::Float(real(a.float()?, b.float()?)))
    };
    let compare = |test: fn(std::cmp::Ordering) -> bool| -> Option<K> {
        let order = match (&a.k, &b.k) {
            (K::Str(x), K::Str(y)) if !(is_number(x) && is_number(y)) => x.cmp(y),
            _ => a.float()?.partial_cmp(&b.float()?)?,
        };
        Some(K::Bool(test(order)))
    };
    let k = match op {
        Op::Add => arithmetic(i64::checked_add, |a, b| a + b),
        Op::Sub => arithmetic(i64::checked_sub, |a, b| a - b),
        Op::Mul => arithmetic(i64::checked_mul, |a, b| a * b),
        Op::Div => b.float().filter(|b| *b != 0.0).and_then(|_| {
            arithmetic(|a, b| (a.checked_rem(b)? == 0).then(|| a.checked_div(b)).flatten(), |a, b| a / b)
        }),
        Op::Mod => a.int().zip(b.int()).and_then(|(a, b)| a.checked_rem(b)).map(K::Int),
        Op::Pow => arithmetic(|a, b| a.checked_pow(u32::try_from(b).ok()?), f64::powf),
        Op::Shl => a.int().zip(b.int()).and_then(|(a, b)| a.checked_shl(u32::try_from(b).ok()?)).map(K::Int),
        Op::Shr => a.int().zip(b.int()).and_then(|(a, b)| a.checked_shr(u32::try_from(b).ok()?)).map(K::Int),
        Op::BitAnd => a.int().zip(b.int()).map(|(a, b)| K::Int(a & b)),
        Op::BitOr => a.int().zip(b.int()).map(|(a, b)| K::Int(a | b)),
        Op::Xor => a.int().zip(b.int()).map(|(a, b)| K::Int(a ^ b)),
        Op::And => a.truth().zip(b.truth()).map(|(a, b)| K::Bool(a && b)),
        Op::Or => a.truth().zip(b.truth()).map(|(a, b)| K::Bool(a || b)),
        Op::LogicXor => a.truth().zip(b.truth()).map(|(a, b)| K::Bool(a != b)),
        Op::Eq => loose_equal(a, b).map(K::Bool),
        Op::Ne => loose_equal(a, b).map(|equal| K::Bool(!equal)),
        Op::Same | Op::NotSame => {
            let equal = match (&a.k, &b.k) {
                (K::Null, K::Null) => Some(true),
                (K::Bool(a), K::Bool(b)) => Some(a == b),
                (K::Int(a), K::Int(b)) => Some(a == b),
                (K::Str(a), K::Str(b)) => Some(a == b),
                (K::Arr(_), K::Arr(_)) | (K::Float(_), K::Float(_)) => None,
                _ => Some(false),
            };
            equal.map(|equal| K::Bool(equal == (op == Op::Same)))
        }
        Op::Lt => compare(std::cmp::Ordering::is_lt),
        Op::Gt => compare(std::cmp::Ordering::is_gt),
        Op::Le => compare(std::cmp::Ordering::is_le),
        Op::Ge => compare(std::cmp::Ordering::is_ge),
        Op::Cmp | Op::InstanceOf | Op::Coalesce | Op::Concat => None,
    };
    Val { k: k.unwrap_or_default(), t: None, made: how }
}

fn is_number(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-'))
}
