//! What the analysis knows of a value: its content where that is certain, where it comes from, and how it was made.

use super::ir::Sym;
use std::collections::HashMap;
use std::rc::Rc;

/// Depth of arrays in arrays that is followed. What is deeper is unknown, so that dropping a value cannot recurse far.
const MAX_DEPTH: u16 = 24;
/// Elements of an array that are kept.
pub(super) const MAX_ELEMENTS: usize = 200_000;
/// Steps of a path that are kept.
const MAX_STEPS: u8 = 10;

/// Where data comes from.
pub(super) mod from {
    /// The request: parameters, cookies, headers, body.
    pub(in super::super) const REQUEST: u16 = 1;
    /// An uploaded file: its name or its content.
    pub(in super::super) const UPLOAD: u16 = 2;
    /// Another host.
    pub(in super::super) const REMOTE: u16 = 4;
    /// The sample's own file, or a picture beside it.
    pub(in super::super) const OWN: u16 = 8;
    /// A file whose name is not that of the sample.
    pub(in super::super) const FILE: u16 = 16;
    /// A database.
    pub(in super::super) const DATABASE: u16 = 32;
    /// The session or the environment.
    pub(in super::super) const SESSION: u16 = 64;
    /// A variable that nobody sets: old PHP let the request set it.
    pub(in super::super) const NOBODY: u16 = 128;
    /// The variables of the server as a whole: the request's headers are among them.
    pub(in super::super) const SERVER: u16 = 256;
    /// What the request chooses for sure to be its own: not a server variable that it only colours.
    pub(in super::super) const ORDERS: u16 = REQUEST | UPLOAD;
    /// What it may choose, in an old PHP too.
    pub(in super::super) const ANY_ORDERS: u16 = ORDERS | NOBODY;
}

/// What was done to data on its way.
pub(super) mod flag {
    /// Compared with a list, matched against a pattern.
    pub(in super::super) const CHECKED: u16 = 1;
    /// Escaped for a shell.
    pub(in super::super) const ESCAPED: u16 = 2;
    /// Reduced to a file name.
    pub(in super::super) const BASENAME: u16 = 4;
    /// Stands behind something that the sample wrote itself.
    pub(in super::super) const INNER: u16 = 8;
    /// Rid of all but some characters.
    pub(in super::super) const FILTERED: u16 = 16;
    /// Is a key and not a value of the request.
    pub(in super::super) const KEY: u16 = 32;
    /// Was changed on the way, and not only decoded.
    pub(in super::super) const CHANGED: u16 = 128;
    /// Is the whole array of parameters.
    pub(in super::super) const WHOLE: u16 = 64;
}

/// How a constant was made.
pub(super) mod made {
    /// Put together from literals.
    pub(in super::super) const JOINED: u16 = 1;
    /// Put together from single characters, or cut out of another text.
    pub(in super::super) const CHARS: u16 = 2;
    /// Decoded: `base64_decode`, `gzinflate`, `str_rot13`, `strrev`, …
    pub(in super::super) const DECODED: u16 = 4;
    /// Written with escapes for letters.
    pub(in super::super) const ESCAPES: u16 = 8;
    /// Made by a function of the sample's own.
    pub(in super::super) const OWN: u16 = 16;
    /// Calculated on the bytes of texts: `^`, `~`, `++`.
    pub(in super::super) const MATHS: u16 = 32;
    /// Unpacked: `gzinflate` and its like.
    pub(in super::super) const UNPACKED: u16 = 64;
    /// Parts of it were replaced by others. Templates are made so too: it hides a name, but not code.
    pub(in super::super) const SWAPPED: u16 = 128;
    /// All that hides.
    pub(in super::super) const HIDDEN: u16 = CHARS | DECODED | ESCAPES | MATHS | UNPACKED | SWAPPED;
}

/// One step of the way of data.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) line: u32,
    pub(super) layer: u16,
    pub(super) what: Rc<str>,
    pub(super) before: Option<Rc<Step>>,
    count: u8,
}

/// Where a value comes from.
#[derive(Clone, Debug)]
pub(super) struct Taint {
    pub(super) from: u16,
    pub(super) flags: u16,
    pub(super) step: Rc<Step>,
}

impl Taint {
    pub(super) fn new(from: u16, flags: u16, (line, layer): (u32, u16), what: &str) -> Self {
        let step = Step { line, layer, what: Rc::from(what), before: None, count: 1 };
        Self { from, flags, step: Rc::new(step) }
    }

    /// The same data one step further.
    pub(super) fn then(&self, (line, layer): (u32, u16), what: &str) -> Self {
        let is_same = self.step.line == line && self.step.layer == layer && &*self.step.what == what;
        if self.step.count >= MAX_STEPS || is_same {
            return self.clone();
        }
        let step =
            Step { line, layer, what: Rc::from(what), before: Some(Rc::clone(&self.step)), count: self.step.count + 1 };
        Self { step: Rc::new(step), ..*self }
    }

    pub(super) fn join(a: Option<&Self>, b: Option<&Self>) -> Option<Self> {
        match (a, b) {
            (None, None) => None,
            (Some(a), None) | (None, Some(a)) => Some(a.clone()),
            (Some(a), Some(b)) => {
                let strong =
                    |taint: &Self| (taint.from & from::ORDERS != 0, taint.flags & !(flag::WHOLE | flag::CHANGED) == 0);
                let (first, other) = if strong(b) > strong(a) { (b, a) } else { (a, b) };
                // What is checked on one way only counts as unchecked, where the other way carries orders too.
                let flags = if other.from & from::ORDERS == 0 { first.flags } else { first.flags & other.flags };
                Some(Self { from: first.from | other.from, flags, step: Rc::clone(&first.step) })
            }
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    Int(i64),
    Str(Rc<Vec<u8>>),
}

/// An array: its elements in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Arr {
    pub(super) items: Vec<(Key, Val)>,
    index: HashMap<Key, usize>,
    next: i64,
    depth: u16,
    /// Where any of the listed elements comes from.
    listed: Option<Taint>,
    /// What is known of elements that are not listed.
    pub(super) rest: Option<Taint>,
    /// There may be elements that are not listed.
    pub(super) open: bool,
}

impl Arr {
    pub(super) fn get(&self, key: &Key) -> Option<&Val> {
        let at = match key {
            // A list is its own index.
            Key::Int(number) if self.index.is_empty() => usize::try_from(*number).ok()?,
            _ => *self.index.get(key)?,
        };
        self.items.get(at).filter(|(found, _)| found == key).map(|(_, value)| value)
    }

    fn position(&self, key: &Key) -> Option<usize> {
        match key {
            Key::Int(number) if self.index.is_empty() => {
                usize::try_from(*number).ok().filter(|&at| at < self.items.len())
            }
            _ => self.index.get(key).copied(),
        }
    }

    pub(super) fn set(&mut self, key: Key, value: Val) {
        let value = if value.depth() >= MAX_DEPTH { Val { k: K::Unknown, ..value } } else { value };
        self.depth = self.depth.max(value.depth() + 1);
        if let Some(taint) = value.taint() {
            self.listed = Taint::join(self.listed.as_ref(), Some(&taint));
        }
        if let Some(slot) = self.position(&key).and_then(|at| self.items.get_mut(at)) {
            slot.1 = value;
            return;
        }
        if self.items.len() >= MAX_ELEMENTS {
            return;
        }
        let at = self.items.len();
        let is_list = self.index.is_empty() && matches!(key, Key::Int(number) if usize::try_from(number) == Ok(at));
        if let Key::Int(number) = key {
            self.next = self.next.max(number.saturating_add(1));
        }
        if !is_list {
            if self.index.is_empty() {
                self.index = self.items.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect();
            }
            self.index.insert(key.clone(), at);
        }
        self.items.push((key, value));
    }

    pub(super) fn push(&mut self, value: Val) {
        self.set(Key::Int(self.next), value);
    }

    pub(super) fn take(&mut self, key: &Key) -> Option<Val> {
        let at = self.position(key)?;
        self.items.get_mut(at).map(|slot| std::mem::take(&mut slot.1))
    }

    pub(super) fn remove(&mut self, key: &Key) {
        if let Some(at) = self.position(key) {
            let items = std::mem::take(&mut self.items);
            let next = self.next;
            let (rest, open) = (self.rest.take(), self.open);
            *self = Self { next: 0, rest, open, ..Self::default() };
            for (number, (key, value)) in items.into_iter().enumerate() {
                if number != at {
                    self.set(key, value);
                }
            }
            self.next = next;
        }
    }

    /// An array of which nothing is known but where its elements come from.
    pub(super) fn open(rest: Option<Taint>) -> Self {
        Self { rest, open: true, ..Self::default() }
    }

    pub(super) fn list(values: impl IntoIterator<Item = Val>) -> Self {
        let mut arr = Self::default();
        values.into_iter().for_each(|value| arr.push(value));
        arr
    }

    pub(super) fn taint(&self) -> Option<Taint> {
        Taint::join(self.rest.as_ref(), self.listed.as_ref())
    }
}

/// A function that is a value: its unit, its number there, and what it brought along.
#[derive(Debug)]
pub(super) struct ClosureVal {
    pub(super) unit: usize,
    pub(super) func: usize,
    pub(super) bound: Vec<(Sym, Val)>,
    depth: u16,
}

impl ClosureVal {
    pub(super) fn new(unit: usize, func: usize, bound: Vec<(Sym, Val)>) -> Self {
        let bound: Vec<(Sym, Val)> = bound.into_iter().filter(|(_, value)| value.depth() < MAX_DEPTH).collect();
        let depth = bound.iter().map(|(_, value)| value.depth()).max().unwrap_or(0) + 1;
        Self { unit, func, bound, depth }
    }
}

/// The content of a value, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(super) enum K {
    #[default]
    Unknown,
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Rc<Vec<u8>>),
    /// A text of which only beginning and end are known.
    Partial(Rc<Vec<u8>>, Rc<Vec<u8>>),
    Arr(Rc<Arr>),
    Closure(Rc<ClosureVal>),
    Obj(Sym),
    /// An open file or stream, by its path.
    File(Rc<Vec<u8>>),
}

/// A value.
#[derive(Clone, Debug, Default)]
pub(super) struct Val {
    pub(super) k: K,
    pub(super) t: Option<Taint>,
    pub(super) made: u16,
}

impl From<K> for Val {
    fn from(k: K) -> Self {
        Self { k, t: None, made: 0 }
    }
}

impl Val {
    pub(super) fn unknown() -> Self {
        Self::default()
    }

    pub(super) fn str(text: impl Into<Vec<u8>>) -> Self {
        K::Str(Rc::new(text.into())).into()
    }

    pub(super) fn tainted(taint: Option<Taint>) -> Self {
        Self { k: K::Unknown, t: taint, made: 0 }
    }

    pub(super) fn arr(arr: Arr) -> Self {
        K::Arr(Rc::new(arr)).into()
    }

    fn depth(&self) -> u16 {
        match &self.k {
            K::Arr(arr) => arr.depth,
            K::Closure(closure) => closure.depth,
            _ => 0,
        }
    }

    /// Where it, or anything in it, comes from.
    pub(super) fn taint(&self) -> Option<Taint> {
        match &self.k {
            K::Arr(arr) => Taint::join(self.t.as_ref(), arr.taint().as_ref()),
            _ => self.t.clone(),
        }
    }

    /// Says whether the request gave it.
    pub(super) fn is_ordered(&self) -> bool {
        self.t.as_ref().is_some_and(|taint| taint.from & from::ORDERS != 0)
    }

    pub(super) fn is_known(&self) -> bool {
        !matches!(self.k, K::Unknown | K::Partial(..) | K::File(_))
            && !matches!(&self.k, K::Arr(arr) if arr.open || arr.rest.is_some())
    }

    pub(super) fn bytes(&self) -> Option<Rc<Vec<u8>>> {
        Some(match &self.k {
            K::Str(text) => Rc::clone(text),
            K::Int(number) => Rc::new(number.to_string().into_bytes()),
            K::Float(number) => Rc::new(float_text(*number).into_bytes()),
            K::Bool(true) => Rc::new(b"1".to_vec()),
            K::Bool(false) | K::Null => Rc::new(Vec::new()),
            K::Arr(arr) if arr.rest.is_none() && !arr.open => Rc::new(b"Array".to_vec()),
            _ => return None,
        })
    }

    pub(super) fn int(&self) -> Option<i64> {
        Some(match &self.k {
            K::Int(number) => *number,
            #[allow(clippy::cast_possible_truncation)]
            K::Float(number) => *number as i64,
            K::Bool(truth) => i64::from(*truth),
            K::Null => 0,
            K::Str(text) => int_prefix(text),
            K::Arr(arr) => i64::from(!arr.items.is_empty()),
            _ => return None,
        })
    }

    #[allow(clippy::cast_precision_loss)]
    pub(super) fn float(&self) -> Option<f64> {
        match &self.k {
            K::Float(number) => Some(*number),
            K::Str(text) => Some(float_prefix(text)),
            _ => self.int().map(|number| number as f64),
        }
    }

    pub(super) fn truth(&self) -> Option<bool> {
        Some(match &self.k {
            K::Null => false,
            K::Bool(truth) => *truth,
            K::Int(number) => *number != 0,
            K::Float(number) => *number != 0.0,
            K::Str(text) => !(text.is_empty() || text.as_slice() == b"0"),
            K::Arr(arr) if arr.rest.is_none() && !arr.open => !arr.items.is_empty(),
            K::Closure(_) | K::Obj(_) => true,
            _ => return None,
        })
    }

    pub(super) fn key(&self) -> Option<Key> {
        Some(match &self.k {
            K::Str(text) => {
                let number = std::str::from_utf8(text).ok().and_then(|text| text.parse::<i64>().ok());
                match number {
                    Some(number) if number.to_string().as_bytes() == text.as_slice() => Key::Int(number),
                    _ => Key::Str(Rc::clone(text)),
                }
            }
            K::Null => Key::Str(Rc::new(Vec::new())),
            K::Int(_) | K::Float(_) | K::Bool(_) => Key::Int(self.int()?),
            _ => return None,
        })
    }

    /// The known beginning of a text.
    pub(super) fn head(&self) -> &[u8] {
        match &self.k {
            K::Str(text) | K::Partial(text, _) => text,
            _ => b"",
        }
    }

    /// The known end of a text.
    pub(super) fn tail(&self) -> &[u8] {
        match &self.k {
            K::Str(text) | K::Partial(_, text) => text,
            _ => b"",
        }
    }

    pub(super) fn with_flag(mut self, flag: u16) -> Self {
        if let Some(taint) = &mut self.t {
            taint.flags |= flag;
        }
        self
    }

    pub(super) fn with_made(mut self, made: u16) -> Self {
        self.made |= made;
        self
    }

    /// What holds where the value is this one or that one; the later is believed where both are known texts.
    pub(super) fn either(old: &Self, new: Self) -> Self {
        let taint = Taint::join(old.t.as_ref(), new.t.as_ref());
        let k = match (&old.k, new.k) {
            (_, k @ (K::Str(_) | K::Arr(_) | K::Closure(_) | K::Obj(_) | K::File(_))) => {
                if old.t.is_some() && new.t.is_none() { K::Unknown } else { k }
            }
            (K::Int(a), K::Int(b)) if *a == b => K::Int(b),
            (K::Bool(a), K::Bool(b)) if *a == b => K::Bool(b),
            (K::Null, K::Null) => K::Null,
            (K::Unknown | K::Null, k @ K::Partial(..)) => k,
            (K::Str(_) | K::Partial(..), K::Partial(head, tail)) => common(old, &head, &tail),
            _ => K::Unknown,
        };
        Self { k, t: taint, made: old.made | new.made }
    }
}

/// A text that begins and ends as both do: of a path that is put together in two ways, that is where it lies and what kind of file it is.
fn common(old: &Val, head: &[u8], tail: &[u8]) -> K {
    let same = |a: &mut dyn Iterator<Item = &u8>, b: &mut dyn Iterator<Item = &u8>| {
        a.zip(b).take_while(|(a, b)| a == b).count()
    };
    let width = same(&mut old.head().iter(), &mut head.iter());
    let end = same(&mut old.tail().iter().rev(), &mut tail.iter().rev());
    let head = head.get(..width).unwrap_or_default();
    let tail = tail.get(tail.len().saturating_sub(end)..).unwrap_or_default();
    if head.is_empty() && tail.is_empty() {
        return K::Unknown;
    }
    K::Partial(Rc::new(head.to_vec()), Rc::new(tail.to_vec()))
}

pub(super) fn int_prefix(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let mut value = 0_i64;
    for b in digits.iter().take_while(|b| b.is_ascii_digit()) {
        value = value.saturating_mul(10).saturating_add(i64::from(b - b'0'));
    }
    if negative { -value } else { value }
}

fn float_prefix(text: &[u8]) -> f64 {
    let text = text.trim_ascii_start();
    let width = text.iter().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+' | b'e' | b'E')).count();
    let head = std::str::from_utf8(text.get(..width).unwrap_or_default()).unwrap_or_default();
    (0..=head.len()).rev().find_map(|end| head.get(..end)?.parse().ok()).unwrap_or(0.0)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::float_cmp)]
fn float_text(number: f64) -> String {
    if number.is_infinite() {
        return if number > 0.0 { "INF".into() } else { "-INF".into() };
    }
    if number.is_nan() {
        return "NAN".into();
    }
    if number == number.trunc() && number.abs() < 1e15 { (number as i64).to_string() } else { number.to_string() }
}
