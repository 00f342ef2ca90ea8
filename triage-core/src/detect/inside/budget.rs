//! What one file may cost, counted over everything that is nested in it.

use super::Limits;
use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Bytes of a file for which there is a second more.
const A_SECOND: u64 = 4 << 20;

/// A budget is spent: the whole walk ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Spent(pub(super) String);

impl fmt::Display for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Spent {}

impl Spent {
    /// The budget that an error of a reader tells of; none for an error of another kind.
    pub(super) fn of(error: &io::Error) -> Option<Self> {
        error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()).cloned()
    }
}

/// The counters of one walk. Clones count together.
#[derive(Clone)]
pub(super) struct Budget {
    limits: Rc<Limits>,
    produced: Rc<Cell<u64>>,
    members: Rc<Cell<u64>>,
    /// Bytes of the outer file that were taken so far.
    taken: Rc<Cell<u64>>,
    begin: Instant,
}

impl Budget {
    /// A budget for a file of which `taken` bytes are there; 0 where they are counted as they pass.
    pub(super) fn new(limits: &Limits, taken: u64) -> Self {
        let limits = Rc::new(limits.clone());
        let (produced, members, taken) = (Rc::default(), Rc::default(), Rc::new(Cell::new(taken)));
        Self { limits, produced, members, taken, begin: Instant::now() }
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Counts bytes of the outer file.
    pub(super) fn take(&self, bytes: u64) {
        self.taken.set(self.taken.get().saturating_add(bytes));
    }

    /// Counts bytes that decompression made.
    pub(super) fn produce(&self, bytes: u64) -> Result<(), Spent> {
        let produced = self.produced.get().saturating_add(bytes);
        self.produced.set(produced);
        let Limits { max_total, max_ratio, ratio_free, .. } = *self.limits;
        if produced > max_total {
            return Err(Spent(format!("more than {max_total} bytes after decompression")));
        }
        if produced > ratio_free && produced / self.taken.get().max(1) >= max_ratio {
            return Err(Spent(format!("it grows to more than {max_ratio} times its size, as a bomb does")));
        }
        Ok(())
    }

    /// Counts one member.
    pub(super) fn member(&self) -> Result<(), Spent> {
        let members = self.members.get() + 1;
        self.members.set(members);
        let most = self.limits.max_members;
        if members > most {
            return Err(Spent(format!("more than {most} members")));
        }
        let time = self.limits.max_time.saturating_add(Duration::from_secs(self.taken.get() / A_SECOND));
        if self.begin.elapsed() >= time {
            return Err(Spent(format!("more than {} s", time.as_secs())));
        }
        Ok(())
    }

    /// From now on only that many more bytes may be made.
    pub(super) fn left_at_most(&mut self, bytes: u64) {
        let max_total = self.produced.get().saturating_add(bytes).min(self.limits.max_total);
        self.limits = Rc::new(Limits { max_total, ..(*self.limits).clone() });
    }
}

/// A decompressor's output, held against the budget.
pub(super) struct Decoded<R> {
    inner: R,
    budget: Budget,
    /// Says whether anything came out of it.
    is_begun: bool,
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(inner: R, budget: &Budget) -> Self {
        Self { inner, budget: budget.clone(), is_begun: false }
    }

    pub(super) fn is_begun(&self) -> bool {
        self.is_begun
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.is_begun |= read > 0;
        self.budget.produce(u64::try_from(read).unwrap_or(u64::MAX)).map_err(io::Error::other)?;
        Ok(read)
    }
}
