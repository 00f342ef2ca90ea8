//! Budgets that hold: bytes of content, time, and the space that has to stay free where the bundle is written.
//!
//! What a budget keeps out is a gap, and its metadata is in the bundle all the same; the bundle is whole and verifies. Time is the exception: when it is up
//! nothing more is listed either.

use crate::sweep::{Budget, Spent};
use crate::sys::mounts;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often the free space is looked up: at each so many questions. A question comes with each object and each 256 KiB of a large one.
const QUESTIONS: u64 = 16;

/// How much a collection may take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Allowance {
    /// Bytes of content that may be stored, before packing.
    pub max_total: Option<u64>,
    /// How long it may take, from the beginning of the run.
    pub max_time: Option<Duration>,
    /// Bytes that have to stay free on the file system that the bundle is written to.
    pub min_free: Option<u64>,
    /// A file or folder on that file system; none where the bundle goes into a pipe.
    pub output: Option<PathBuf>,
}

/// An [`Allowance`] that is being used up.
pub struct Budgets<'a> {
    allowance: Allowance,
    /// How long the run takes already.
    elapsed: &'a (dyn Fn() -> Duration + Sync),
    taken: AtomicU64,
    questions: AtomicU64,
}

/// The floor of free space where nobody has named one: 1 GiB, or 5 % of the file system that `folder` lies on where that is less; nothing
/// where it cannot be looked at.
pub fn default_floor(folder: &Path) -> u64 {
    const USUAL: u64 = 1 << 30;
    mounts::space(folder).map_or(0, |(_, whole)| USUAL.min(whole / 20))
}

impl<'a> Budgets<'a> {
    /// The whole allowance; `elapsed` says how long the run takes already.
    pub fn new(allowance: Allowance, elapsed: &'a (dyn Fn() -> Duration + Sync)) -> Self {
        Self { allowance, elapsed, taken: AtomicU64::new(0), questions: AtomicU64::new(0) }
    }

    /// Free bytes and the floor, where both are known.
    fn room(&self) -> Option<(u64, u64)> {
        let floor = self.allowance.min_free.filter(|floor| *floor > 0)?;
        let (free, _) = mounts::space(self.allowance.output.as_deref()?).ok()?;
        Some((free, floor))
    }

    fn too_full(floor: u64) -> Spent {
        Spent { what: format!("{floor} bytes have to stay free where the bundle is written (`--min-free`)") }
    }
}

impl Budget for Budgets<'_> {
    fn admit(&self, size_bytes: u64) -> Result<(), Spent> {
        let Some(most) = self.allowance.max_total else { return Ok(()) };
        let add = |taken: u64| taken.checked_add(size_bytes).filter(|sum| *sum <= most);
        match self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add) {
            Ok(_) => Ok(()),
            Err(_) => {
                Err(Spent { what: format!("the limit of {most} bytes for all content (`--max-total`) is reached") })
            }
        }
    }

    fn fits(&self, size_bytes: u64) -> Result<(), Spent> {
        match self.room() {
            // How far packing makes it smaller is not known before.
            Some((free, floor)) if free.saturating_sub(size_bytes) < floor => Err(Self::too_full(floor)),
            _ => Ok(()),
        }
    }

    fn over(&self) -> Option<Spent> {
        if let Some(time) = self.allowance.max_time
            && (self.elapsed)() >= time
        {
            return Some(Spent { what: format!("the time of {} s (`--max-time`) is up", time.as_secs_f64()) });
        }
        if !self.questions.fetch_add(1, Ordering::Relaxed).is_multiple_of(QUESTIONS) {
            return None;
        }
        self.room().filter(|(free, floor)| free < floor).map(|(_, floor)| Self::too_full(floor))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn no_time() -> Duration {
        Duration::ZERO
    }

    #[test]
    fn what_does_not_fit_leaves_room_for_what_does() {
        let budgets = Budgets::new(Allowance { max_total: Some(100), ..Allowance::default() }, &no_time);
        budgets.admit(60).unwrap();
        assert!(budgets.admit(50).unwrap_err().what.contains("100 bytes"));
        budgets.admit(40).unwrap();
        assert!(budgets.admit(1).is_err());
        assert!(budgets.admit(u64::MAX).is_err());
        budgets.admit(0).unwrap();
    }

    #[test]
    fn the_floor_of_free_space_holds_before_a_large_file_and_in_between() {
        let (free, _) = mounts::space(&std::env::temp_dir()).unwrap();
        let with = |min_free| {
            let output = Some(std::env::temp_dir());
            Budgets::new(Allowance { min_free: Some(min_free), output, ..Allowance::default() }, &no_time)
        };
        assert_eq!(with(0).over(), None);
        assert_eq!(with(1).fits(1), Ok(()));
        assert!(with(1).fits(u64::MAX).is_err());
        assert!(with(free.saturating_mul(4)).over().is_some());
        let pipe = Budgets::new(Allowance { min_free: Some(u64::MAX), ..Allowance::default() }, &no_time);
        assert_eq!((pipe.over(), pipe.fits(1)), (None, Ok(())));
    }

    #[test]
    fn time_ends_the_run() {
        let late = || Duration::from_secs(61);
        let allowance = Allowance { max_time: Some(Duration::from_mins(1)), ..Allowance::default() };
        assert!(Budgets::new(allowance.clone(), &late).over().unwrap().what.contains("60 s"));
        assert_eq!(Budgets::new(allowance, &no_time).over(), None);
    }
}
