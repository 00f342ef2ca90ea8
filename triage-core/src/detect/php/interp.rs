//! Walks the tree: folds what is constant, follows what is not.
//!
//! One walk does both. Where a condition is known, the walk takes that branch; where it is not, it takes all of them and keeps what may
//! hold. Nothing of the sample runs outside of it: it has no files, no network and no functions but those of `builtin` and
//! the sample's own, whose code it walks in turn. Every step costs fuel; without fuel everything is unknown, and the result says so.

use super::ir::{ByNumber, Id, Names, Numbers, Sym, Unit};
use super::profile::Profile;
use super::rule::{Hit, Rule};
use super::value::{Taint, Val};
use super::variable::assigned;
use super::{Limits, parser};
use crate::model::Severity;
use std::collections::{BTreeSet, HashMap, HashSet};
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
pub(super) const FILES: Sym = Sym(4);
pub(super) const SERVER: [u32; 2] = [5, 13];
pub(super) const GLOBALS: Sym = Sym(8);
pub(super) const THIS: Sym = Sym(17);
pub(super) const CONSTRUCT: Sym = Sym(19);
/// The path that stands for the sample itself.
pub(super) const OWN_PATH: &[u8] = b"\x01/__FILE__.php";
/// Walks of one function with unknown arguments.
pub(super) const MAX_WALKS: u32 = 8;
/// Calls of functions of the sample inside each other.
pub(super) const MAX_CALLS: u32 = 6;
/// Turns of one loop whose condition is known.
pub(super) const MAX_TURNS: u32 = 300_000;

/// How deep the analysis may go, which is what it needs of a stack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room {
    /// Statements and expressions inside each other in the text.
    pub(super) nesting: u32,
    /// Expressions inside each other, over all calls.
    pub(super) depth: u32,
}

impl Room {
    /// As deep as is ever followed.
    pub(super) const ALL: Self = Self { nesting: 120, depth: 900 };
    /// What the stack of any thread has room for. Most files stay within it. Without optimisation each step takes several times as much.
    pub(super) const LITTLE: Self =
        if cfg!(debug_assertions) { Self { nesting: 12, depth: 24 } } else { Self { nesting: 40, depth: 100 } };
}

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
    pub(super) vars: ByNumber<Sym, Val>,
    pub(super) globals: BTreeSet<Sym>,
    pub(super) this: Option<Sym>,
    /// What may be returned on ways that the walk did not end with.
    pub(super) returned: Option<Val>,
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
    pub(super) room: Room,
    /// There was less room than the text needs: what was found out is nothing.
    pub(super) is_too_deep: bool,
    pub(super) names: Names,
    pub(super) units: Vec<Rc<Unit>>,
    pub(super) unit_layers: Vec<u16>,
    pub(super) visited: Vec<Vec<bool>>,
    pub(super) frames: Vec<Frame>,
    pub(super) funcs: ByNumber<Sym, (usize, usize)>,
    pub(super) methods: ByNumber<(Sym, Sym), (usize, usize)>,
    pub(super) by_method: ByNumber<Sym, Vec<(usize, usize)>>,
    pub(super) parents: ByNumber<Sym, Option<Sym>>,
    pub(super) traits: ByNumber<Sym, Vec<Sym>>,
    /// Variables of the file that something but an assignment sets.
    pub(super) assigned: Numbers<Sym>,
    pub(super) props: ByNumber<Sym, Val>,
    pub(super) consts: ByNumber<Sym, Val>,
    pub(super) walks: ByNumber<(usize, usize), u32>,
    /// Functions of the sample that made a text of constants: worth walking again and again.
    pub(super) decoders: Numbers<(usize, usize)>,
    pub(super) summaries: ByNumber<(usize, usize), Val>,
    pub(super) active: Vec<(usize, usize)>,
    pub(super) checked: Vec<(Sym, Option<Vec<u8>>)>,
    pub(super) fuel: u64,
    pub(super) depth: u32,
    pub(super) weak: u32,
    pub(super) loops: u32,
    pub(super) dead: u32,
    pub(super) hits: Vec<Hit>,
    pub(super) seen: HashSet<(usize, Id, &'static str)>,
    pub(super) layers: Vec<Layer>,
    pub(super) layer_bytes: usize,
    pub(super) profile: Profile,
    pub(super) own_text: Rc<Vec<u8>>,
    /// Files that the sample writes, by their known ends, with what it writes there.
    pub(super) written: HashMap<Vec<u8>, Val>,
    /// What `ob_start()` was given to call with the output.
    pub(super) output: Vec<Val>,
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
    pub(super) fn new(limits: &'a Limits, room: Room, text: &[u8]) -> Self {
        let mut names = Names::default();
        for name in KNOWN {
            names.intern(name);
        }
        Self {
            limits,
            room,
            is_too_deep: false,
            names,
            units: Vec::new(),
            unit_layers: Vec::new(),
            visited: Vec::new(),
            frames: vec![Frame::default()],
            funcs: ByNumber::default(),
            methods: ByNumber::default(),
            by_method: ByNumber::default(),
            parents: ByNumber::default(),
            traits: ByNumber::default(),
            assigned: Numbers::default(),
            props: ByNumber::default(),
            consts: ByNumber::default(),
            walks: ByNumber::default(),
            decoders: Numbers::default(),
            summaries: ByNumber::default(),
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
            written: HashMap::new(),
            output: Vec::new(),
            is_cut: false,
            imported: None,
        }
    }

    /// Parses a text and makes its functions and classes known; gives its number.
    pub(super) fn load(&mut self, text: &[u8], in_php: bool, layer: u16) -> usize {
        self.spend(text.len() as u64 / 16);
        let unit = parser::parse(text, in_php, &mut self.names, (self.limits.max_tokens, self.room.nesting));
        let number = self.units.len();
        self.is_cut |= unit.cut;
        if unit.too_deep {
            self.give_up();
        }
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
            self.traits.insert(class.name, class.traits.clone());
        }
        if number == 0 {
            self.assigned = assigned(&unit, &self.names);
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

    pub(super) fn spend(&mut self, steps: u64) -> bool {
        self.fuel = self.fuel.saturating_sub(steps);
        if self.fuel == 0 {
            self.is_cut = true;
        }
        self.fuel > 0
    }

    /// Says whether the walk may go one level down, and takes it.
    pub(super) fn descend(&mut self) -> bool {
        if self.depth > self.room.depth {
            self.give_up();
            return false;
        }
        self.depth += 1;
        true
    }

    /// There is not room enough. Where there could not be more, that is a limit like others.
    fn give_up(&mut self) {
        if self.room.depth < Room::ALL.depth {
            self.is_too_deep = true;
            self.fuel = 0;
        }
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
        if depth > self.limits.max_layer_depth || self.depth > self.room.depth / 2 {
            self.is_cut = true;
            self.give_up();
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

/// A name from the sample, for a step: short, and without anything that could pass for more.
pub(super) fn show(text: &[u8]) -> String {
    let short = text.get(..text.len().min(60)).unwrap_or_default();
    crate::model::escape(short)
}
