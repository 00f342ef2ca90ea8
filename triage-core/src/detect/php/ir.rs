//! The small tree that the analysis works on.
//!
//! Nodes lie in vectors and name each other by number, so that dropping a tree never recurses; every node knows its depth, which the parser
//! bounds, so that walking one cannot overflow the stack.

use rustc_hash::{FxHashMap, FxHashSet};
use std::collections::HashMap;
use std::rc::Rc;

/// An interned name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Sym(pub(super) u32);

/// By names of one analysis, or other numbers that it gives out itself: no sample can choose them, so a fast hash will do.
pub(super) type ByNumber<K, V> = FxHashMap<K, V>;
/// A set of such numbers.
pub(super) type Numbers<K> = FxHashSet<K>;

/// The names of one analysis.
#[derive(Debug, Default)]
pub(super) struct Names {
    by_text: HashMap<Rc<[u8]>, Sym>,
    texts: Vec<Rc<[u8]>>,
}

impl Names {
    pub(super) fn intern(&mut self, text: &[u8]) -> Sym {
        if let Some(&sym) = self.by_text.get(text) {
            return sym;
        }
        let sym = Sym(u32::try_from(self.texts.len()).unwrap_or(u32::MAX));
        let text: Rc<[u8]> = Rc::from(text);
        self.texts.push(Rc::clone(&text));
        self.by_text.insert(text, sym);
        sym
    }

    pub(super) fn text(&self, sym: Sym) -> Rc<[u8]> {
        self.texts.get(sym.0 as usize).cloned().unwrap_or_else(|| Rc::from(&b""[..]))
    }
}

/// The number of an expression.
pub(super) type Id = u32;

/// A name that may be computed.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name {
    Plain(Sym),
    Dynamic(Id),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Mod,
    Pow,
    Shl,
    Shr,
    BitAnd,
    BitOr,
    Xor,
    And,
    Or,
    LogicXor,
    Eq,
    Ne,
    Same,
    NotSame,
    Lt,
    Gt,
    Le,
    Ge,
    Cmp,
    Coalesce,
    Concat,
    InstanceOf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Minus,
    Plus,
    BitNot,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CastTo {
    Int,
    Float,
    Bool,
    Str,
    Array,
    Object,
    Unset,
}

/// An argument: its value, and whether `...` stands before it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arg {
    pub(super) value: Id,
    pub(super) spread: bool,
}

/// An element of an array literal or of `list()`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub(super) key: Option<Id>,
    pub(super) value: Id,
    pub(super) spread: bool,
}

#[derive(Debug)]
pub(super) enum Expr {
    Unknown,
    /// A string; `escaped` where letters and digits of it were written as escapes.
    Str {
        text: Rc<Vec<u8>>,
        escaped: bool,
    },
    Int(i64),
    Float(f64),
    Const(Sym),
    Var(Sym),
    VarVar(Id),
    Concat(Vec<Id>),
    Array(Vec<Item>),
    Index(Id, Option<Id>),
    Prop(Id, Name),
    StaticProp(Id, Name),
    ClassConst(Id, Sym),
    Call(Id, Vec<Arg>),
    Method(Id, Name, Vec<Arg>),
    Static(Id, Name, Vec<Arg>),
    New(Id, Vec<Arg>),
    Unary(Unary, Id),
    Binary(Op, Id, Id),
    /// With the operator of `.=` and the like.
    Assign(Id, Option<Op>, Id),
    AssignRef(Id, Id),
    /// Target, whether it counts up, whether the value is the new one.
    Step {
        target: Id,
        up: bool,
        before: bool,
    },
    Ternary(Id, Option<Id>, Id),
    Match(Id, Vec<(Vec<Id>, Id)>),
    Cast(CastTo, Id),
    Include(Id),
    Eval(Id),
    Exit(Option<Id>),
    Print(Id),
    Isset(Vec<Id>),
    Empty(Id),
    Shell(Id),
    Closure(usize),
    /// Something that gives its operand on: `clone`, `throw`, `yield`.
    Through(Id),
}

pub(super) type Block = Vec<u32>;

#[derive(Debug)]
pub(super) enum Stmt {
    Nothing,
    Expr(Id),
    Echo(Vec<Id>),
    If(Vec<(Id, Block)>, Option<Block>),
    While(Id, Block),
    DoWhile(Block, Id),
    For(Vec<Id>, Vec<Id>, Vec<Id>, Block),
    Foreach(Id, Option<Id>, Id, Block),
    Switch(Id, Vec<(Option<Id>, Block)>),
    Return(Option<Id>),
    Break(u32),
    Continue(u32),
    Global(Vec<Sym>),
    StaticVar(Vec<(Sym, Option<Id>)>),
    Unset(Vec<Id>),
    Try(Block, Vec<Block>),
    Block(Block),
    Goto(Sym),
    Label(Sym),
    Halt,
}

#[derive(Debug)]
pub(super) struct Param {
    pub(super) name: Sym,
    pub(super) by_ref: bool,
    pub(super) variadic: bool,
    pub(super) default: Option<Id>,
}

#[derive(Debug)]
pub(super) struct Func {
    pub(super) name: Sym,
    pub(super) params: Vec<Param>,
    pub(super) uses: Vec<(Sym, bool)>,
    pub(super) body: Block,
    pub(super) class: Option<Sym>,
    /// `fn`: it sees the variables around it.
    pub(super) arrow: bool,
    pub(super) named: bool,
}

#[derive(Debug)]
pub(super) struct Class {
    pub(super) name: Sym,
    pub(super) parent: Option<Sym>,
    pub(super) traits: Vec<Sym>,
    /// Properties and constants with their first values.
    pub(super) fields: Vec<(Sym, Option<Id>)>,
}

/// One parsed text: a file, or a layer that was found in one.
#[derive(Debug, Default)]
pub(super) struct Unit {
    pub(super) exprs: Vec<(Expr, u32)>,
    pub(super) depths: Vec<u16>,
    pub(super) stmts: Vec<(Stmt, u32)>,
    pub(super) funcs: Vec<Func>,
    pub(super) classes: Vec<Class>,
    pub(super) body: Block,
    /// Something was too deep or too much to be kept.
    pub(super) cut: bool,
    /// What is nested deeper than was allowed was left out.
    pub(super) too_deep: bool,
    /// The text names other files of its project, other namespaces or foreign classes.
    pub(super) foreign: u32,
    pub(super) gotos: u32,
    /// String literals in which letters and digits are written as escapes.
    pub(super) escaped: u32,
    pub(super) code_bytes: u32,
    pub(super) word_bytes: u32,
    pub(super) variables: u32,
    pub(super) blank_variables: u32,
    pub(super) words: u32,
}

impl Unit {
    pub(super) fn expr(&self, id: Id) -> &Expr {
        self.exprs.get(id as usize).map_or(&Expr::Unknown, |node| &node.0)
    }

    pub(super) fn line(&self, id: Id) -> u32 {
        self.exprs.get(id as usize).map_or(0, |node| node.1)
    }
}

/// Calls `see` with each direct part of an expression.
pub(super) fn for_each_child(expr: &Expr, mut see: impl FnMut(Id)) {
    let name = |name: &Name, see: &mut dyn FnMut(Id)| {
        if let Name::Dynamic(id) = name {
            see(*id);
        }
    };
    match expr {
        Expr::Unknown
        | Expr::Str { .. }
        | Expr::Int(_)
        | Expr::Float(_)
        | Expr::Const(_)
        | Expr::Var(_)
        | Expr::Closure(_)
        | Expr::Exit(None) => {}
        Expr::VarVar(a)
        | Expr::ClassConst(a, _)
        | Expr::Unary(_, a)
        | Expr::Cast(_, a)
        | Expr::Include(a)
        | Expr::Eval(a)
        | Expr::Exit(Some(a))
        | Expr::Print(a)
        | Expr::Empty(a)
        | Expr::Shell(a)
        | Expr::Through(a)
        | Expr::Step { target: a, .. } => see(*a),
        Expr::Concat(parts) | Expr::Isset(parts) => parts.iter().for_each(|&part| see(part)),
        Expr::Array(items) => {
            for item in items {
                item.key.into_iter().for_each(&mut see);
                see(item.value);
            }
        }
        Expr::Index(a, b) => {
            see(*a);
            b.iter().copied().for_each(&mut see);
        }
        Expr::Prop(a, b) | Expr::StaticProp(a, b) => {
            see(*a);
            name(b, &mut see);
        }
        Expr::Call(a, args) | Expr::New(a, args) => {
            see(*a);
            args.iter().map(|arg| arg.value).for_each(&mut see);
        }
        Expr::Method(a, b, args) | Expr::Static(a, b, args) => {
            see(*a);
            name(b, &mut see);
            args.iter().map(|arg| arg.value).for_each(&mut see);
        }
        Expr::Binary(_, a, b) | Expr::Assign(a, _, b) | Expr::AssignRef(a, b) => {
            see(*a);
            see(*b);
        }
        Expr::Ternary(a, b, c) => {
            see(*a);
            b.iter().copied().for_each(&mut see);
            see(*c);
        }
        Expr::Match(a, arms) => {
            see(*a);
            for (tests, value) in arms {
                tests.iter().copied().for_each(&mut see);
                see(*value);
            }
        }
    }
}
