//! Walks statements: branches that may be taken, loops that turn as often as is known.

use super::builtin;
use super::guard::root;
use super::interp::{At, Flow, Interp, MAX_TURNS};
use super::ir::{Block, Expr, Id, Stmt};
use super::operator::loose_equal;
use super::progress::Progress;
use super::value::{K, Val, flag};
use std::rc::Rc;

impl Interp<'_> {
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
                        Some(target) if jumps < 5_000 && self.spend(4) => {
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

    pub(super) fn is_visited(&self, at: At<'_>, stmt: u32) -> bool {
        self.visited.get(at.number).and_then(|all| all.get(stmt as usize)).copied().unwrap_or(true)
    }

    pub(super) fn stmt(&mut self, at: At<'_>, number: u32) -> Flow {
        if !self.spend(1) || !self.descend() {
            return Flow::Next;
        }
        if let Some(slot) = self.visited.get_mut(at.number).and_then(|all| all.get_mut(number as usize)) {
            *slot = true;
        }
        let flow = at.unit.stmts.get(number as usize).map_or(Flow::Next, |(stmt, _)| self.stmt_inner(at, stmt));
        self.depth -= 1;
        flow
    }

    pub(super) fn stmt_inner(&mut self, at: At<'_>, stmt: &Stmt) -> Flow {
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
                    let said = self.eval(at, value);
                    if said.is_ordered()
                        && let Some(function) = self.output.last().cloned()
                    {
                        self.call_value((at, value), &function, vec![said, Val::unknown()], &[]);
                    }
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
                        // Unset on one way only: what it was still holds on the other.
                        if self.weak == 0 {
                            self.set_var(*name, K::Null.into());
                        }
                    } else if let Expr::Index(base, Some(index)) = at.unit.expr(target)
                        && let Some(key) = self.eval(at, *index).key()
                    {
                        self.update(at, *base, &mut |_, mut old| {
                            if let K::Arr(arr) = &mut old.k {
                                Rc::make_mut(arr).remove(&key);
                            }
                            old
                        });
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

    pub(super) fn remember_return(&mut self, flow: Flow) {
        if let Flow::Return(value) = flow
            && let Some(frame) = self.frames.last_mut()
        {
            frame.returned = Some(match frame.returned.take() {
                Some(old) => Val::either(&old, value),
                None => value,
            });
        }
    }

    pub(super) fn if_stmt(&mut self, at: At<'_>, arms: &[(Id, Block)], otherwise: Option<&Block>) -> Flow {
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
                keep.extend(guards.into_iter().filter(|guard| !self.checked.contains(guard)));
            } else if negated {
                self.checked.extend(guards);
            }
            match flow {
                Flow::Goto(_) if arms.len() == 1 && otherwise.is_none() => {
                    // The walk goes on behind the jump, and comes to the label by itself.
                    self.checked.truncate(start);
                    return Flow::Next;
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

    /// Walks what does not run, for what is in it.
    pub(super) fn dead_walk(&mut self, at: At<'_>, block: &Block) {
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

    pub(super) fn loop_stmt(
        &mut self,
        at: At<'_>,
        conditions: &[Id],
        steps: &[Id],
        body: &Block,
        body_first: bool,
    ) -> Flow {
        let mut turns = 0_u32;
        let mut first = body_first;
        // `while (true)` turns until something inside ends it; where nothing known does, a thousand turns say no more than three.
        let endless = conditions.iter().all(|&id| matches!(at.unit.expr(id), Expr::Const(_) | Expr::Int(_)));
        let most = if endless { 1_000 } else { MAX_TURNS };
        let mut progress = Progress::default();
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
                    Some(true)
                        if turns < most
                            && self.fuel > 0
                            && (turns < 3 || !conditions.is_empty())
                            && !progress.has_ended(self, turns) => {}
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
    pub(super) fn unknown_loop(&mut self, at: At<'_>, conditions: &[Id], steps: &[Id], body: &Block) -> Flow {
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

    pub(super) fn foreach(&mut self, at: At<'_>, subject: Id, (key, value): (Option<Id>, Id), body: &Block) -> Flow {
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

    pub(super) fn switch(&mut self, at: At<'_>, subject: Id, cases: &[(Option<Id>, Block)]) -> Flow {
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
}
