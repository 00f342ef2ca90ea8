//! The PHP analyser: reads a script as PHP would, without running it.
//!
//! Patterns see what a file says; this sees what it does. It folds what is constant, unrolls code that hides in code, and follows what the
//! request sends to where it runs, so that a finding can name the mechanism and show the way: source, steps, sink.
//!
//! ```text
//! bytes ─ gate ─▶ lexer ─▶ parser ─▶ interp (fold, unwrap, follow) ─▶ hits, layers ─ verdict ─▶ findings
//!                            ▲                    │
//!                            └── code in code ────┘
//! ```
//!
//! It touches nothing but the bytes it is given. Nothing of the sample is executed: its own functions are walked by a small evaluator that
//! has no files, no network and no callbacks, and every step of which costs fuel. Its depth is bounded; what is deeper than the stack of any thread
//! allows runs on one of its own.
#![allow(
    clippy::too_many_lines,
    clippy::match_same_arms,
    reason = "what is known of PHP's functions and operators is long, flat and grouped by meaning"
)]

mod builtin;
mod call;
mod call_sink;
mod declaration;
mod decode;
mod detector;
mod evaluate;
mod expression;
mod file_sink;
mod finding;
mod function;
mod function_table;
mod gate;
mod guard;
mod interp;
mod ir;
mod lexer;
mod library;
mod list;
#[cfg(test)]
mod mechanism_tests;
mod operator;
mod parser;
mod pattern;
mod plain;
mod primary;
mod profile;
mod progress;
mod rule;
mod sink;
mod statement;
mod string;
#[cfg(test)]
mod tests;
mod text;
mod value;
mod variable;
mod verdict;

pub(super) use detector::CUT;
pub use detector::PhpDetector;

use interp::{Interp, Room};
use std::rc::Rc;

/// What one analysis may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a file that are looked at; of a larger one, its beginning.
    pub max_bytes: usize,
    /// Tokens of one text.
    pub max_tokens: usize,
    /// Steps of the walk, about ten million a second.
    pub fuel: u64,
    /// Layers of code in code, all together.
    pub max_layers: usize,
    /// Bytes of all layers.
    pub max_layer_bytes: usize,
    /// Layers inside each other.
    pub max_layer_depth: u16,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_bytes: 4 * 1024 * 1024,
            max_tokens: 600_000,
            fuel: 3_000_000,
            max_layers: 200,
            max_layer_bytes: 8 * 1024 * 1024,
            max_layer_depth: 40,
        }
    }
}

/// The result of an analysis, in plain values: it leaves the thread that made it.
#[derive(Debug, Default)]
struct Analysis {
    hits: Vec<rule::Hit>,
    layers: Vec<Layer>,
    /// A limit was reached.
    is_cut: bool,
}

/// Code that was found in code.
#[derive(Clone, Debug)]
struct Layer {
    text: Vec<u8>,
    line: u32,
    depth: u16,
    is_hidden: bool,
}

/// The stack of a deep walk: several times what [`Room::ALL`] needs in a debug build.
const STACK: usize = 256 * 1024 * 1024;

/// Analyses a file. `None` when the thread for it could not be started, or failed.
fn analyse(content: &[u8], limits: &Limits) -> Option<Analysis> {
    // A thread for each file would cost more than the analysis of most.
    if let Some(analysis) = walk(content, limits, Room::LITTLE) {
        return Some(analysis);
    }
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("php".into()).stack_size(STACK);
        builder.spawn_scoped(scope, || walk(content, limits, Room::ALL)).ok()?.join().ok()?
    })
}

/// None where there is not room enough.
fn walk(content: &[u8], limits: &Limits, room: Room) -> Option<Analysis> {
    let text = content.get(..content.len().min(limits.max_bytes)).unwrap_or(content);
    let mut interp = Interp::new(limits, room, text);
    let unit = interp.load(text, false, 0);
    interp.run(unit);
    if interp.is_too_deep {
        return None;
    }
    let mut hits = verdict::weigh(&mut interp, text);
    hits.sort_by_key(|hit| (std::cmp::Reverse((hit.severity, hit.confidence)), hit.rule.id));
    let layers = interp.layers.iter().map(|layer| Layer {
        text: Rc::unwrap_or_clone(Rc::clone(&layer.text)),
        line: layer.line,
        depth: layer.depth,
        is_hidden: layer.is_hidden,
    });
    let is_cut = interp.is_cut || text.len() < content.len();
    Some(Analysis { layers: layers.collect(), hits, is_cut })
}
