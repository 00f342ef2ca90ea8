//! Says when a loop has stopped getting anywhere.
//!
//! `while (!$this->done)` turns for ever where nothing that the walk sees changes what it tests. Such a loop is one of which nobody knows how
//! often it turns; without this it would be turned until the fuel is gone, and the rest of the file would not be looked at.

use super::interp::{Frame, Interp};
use super::value::{K, Key, Taint, Val};
use rustc_hash::FxHasher;
use std::hash::{Hash as _, Hasher as _};

/// Turns that are taken on trust: most loops of a few turns end by themselves.
const FIRST: u32 = 8;
/// Turns behind a marked one that are held against it.
const CLOSE: u32 = 4;
/// Bytes of a long text, from each end, that are looked at.
const MOST: usize = 64;
/// Elements that are looked at of what one variable holds.
const BUDGET: u64 = 32;

/// What was known at one turn of a loop, to be held against later ones.
#[derive(Default)]
pub(super) struct Progress {
    marked: Option<u64>,
}

impl Progress {
    /// Says whether all that is known was the same at an earlier turn, so that no number of turns will lead out of the loop.
    ///
    /// The earlier turn is the last one whose number is a power of two: so a loop that takes some turns to come back is found too, and a long
    /// one is seldom looked at.
    pub(super) fn has_ended(&mut self, interp: &mut Interp<'_>, turns: u32) -> bool {
        if turns < FIRST || turns - (1 << turns.ilog2()) > CLOSE {
            return false;
        }
        let known = interp.knowledge();
        if turns.is_power_of_two() {
            self.marked = Some(known);
            return false;
        }
        self.marked == Some(known)
    }
}

impl Interp<'_> {
    /// A digest of what the code that is walked could test or change. Names differ in their order from turn to turn, so the sum of them is taken.
    fn knowledge(&mut self) -> u64 {
        let mut sum = [self.consts.len(), self.hits.len(), self.layers.len(), self.written.len(), self.output.len()]
            .iter()
            .fold(u64::from(self.imported.is_some()), |sum, &count| sum.wrapping_mul(31).wrapping_add(count as u64));
        let inner = if self.frames.len() > 1 { self.frames.last() } else { None };
        let vars = self.frames.first().into_iter().chain(inner).flat_map(|Frame { vars, .. }| vars);
        let mut seen = 0;
        for (name, value) in vars.chain(&self.props) {
            let mut hasher = FxHasher::default();
            name.hash(&mut hasher);
            // Each has a budget of its own: which of them come first is not certain.
            let mut left = BUDGET;
            digest(value, &mut hasher, &mut left);
            sum = sum.wrapping_add(hasher.finish());
            seen += 1 + BUDGET - left;
        }
        self.spend(seen / 8);
        sum
    }
}

fn digest(value: &Val, hasher: &mut FxHasher, left: &mut u64) {
    std::mem::discriminant(&value.k).hash(hasher);
    (value.made, value.t.as_ref().map(|Taint { from, flags, .. }| (*from, *flags))).hash(hasher);
    match &value.k {
        K::Unknown | K::Null => {}
        K::Bool(truth) => truth.hash(hasher),
        K::Int(number) => number.hash(hasher),
        K::Float(number) => number.to_bits().hash(hasher),
        K::Str(text) | K::File(text) => ends(text, hasher),
        K::Partial(head, tail) => {
            ends(head, hasher);
            ends(tail, hasher);
        }
        K::Arr(arr) => {
            (arr.items.len(), arr.open, arr.rest.is_some()).hash(hasher);
            for (key, value) in &arr.items {
                let Some(less) = left.checked_sub(1) else { break };
                *left = less;
                match key {
                    Key::Int(number) => number.hash(hasher),
                    Key::Str(text) => ends(text, hasher),
                }
                digest(value, hasher, left);
            }
        }
        K::Closure(closure) => (closure.unit, closure.func, closure.bound.len()).hash(hasher),
        K::Obj(class) => class.hash(hasher),
    }
}

/// Hashes the length of a text and as much of it as can be told quickly.
fn ends(text: &[u8], hasher: &mut FxHasher) {
    let head = text.get(..text.len().min(MOST)).unwrap_or_default();
    let tail = text.get(text.len().saturating_sub(MOST)..).unwrap_or_default();
    (text.len(), head, tail).hash(hasher);
}
