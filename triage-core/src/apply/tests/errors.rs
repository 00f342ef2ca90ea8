//! The disk is full, or broken, at every call that writes.

use super::*;
use crate::journal::RunState;
use rustix::io::Errno;
use std::io;

/// Fails the calls from one on: that one only, or all after it too.
struct FailAt {
    point: u64,
    errno: Errno,
    is_lasting: bool,
    seen: Cell<u64>,
}

impl Faults for FailAt {
    fn at(&self, _: Moment, _: &'static str) -> Result<(), Cut> {
        Ok(())
    }

    fn error(&self, _: &'static str) -> Option<io::Error> {
        let now = self.seen.get();
        self.seen.set(now + 1);
        let fails = if self.is_lasting { now >= self.point } else { now == self.point };
        fails.then(|| self.errno.into())
    }
}

/// Fails every call once, or from there on; then the disk is well again, and the run is resumed or undone. Returns the number of calls.
fn fail_everywhere(build: fn() -> World, errno: Errno, is_lasting: bool) -> u64 {
    let wanted = {
        let world = build();
        world.apply();
        world.timeless()
    };
    let mut point = 0;
    loop {
        let world = build();
        let before = world.snapshot();
        let faults = FailAt { point, errno, is_lasting, seen: Cell::new(0) };
        let context = format!("{errno:?} at call {point}");
        match world.apply_plan(&world.plan(), Consent::default(), &faults) {
            Ok(_) if faults.seen.get() <= point => return point,
            Ok(report) => assert_ne!(report.state, RunState::Running, "{context}"),
            Err(ApplyError::Io { .. } | ApplyError::Journal(_)) => {}
            Err(error) => panic!("{context}: {error}"),
        }
        let id = world.last().id().clone();
        if point % 2 == 0 {
            let report = world.resume(&id, &NoFaults).unwrap_or_else(|error| panic!("{context}: {error}"));
            // A step whose last sync failed is in place, and stays told as failed.
            let is_whole = matches!(report.state, RunState::Applied | RunState::PartlyApplied);
            assert!(is_whole, "{context}: {report:#?}");
            assert_same(&world.timeless(), &wanted, &context);
        } else {
            world.settle(&id);
        }
        let rollback = world.rollback(&id);
        assert_eq!(rollback.state, RunState::Applied, "{context}: {rollback:#?}");
        assert_same(&world.snapshot(), &before, &context);
        point += 1;
    }
}

macro_rules! the_disk_fails {
    ($($name:ident: $build:expr;)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn a_full_disk_loses_nothing() {
                let points = fail_everywhere($build, Errno::NOSPC, true);
                eprintln!("{points} calls, 0 losses");
                assert!(points >= 20, "{points}");
            }

            #[test]
            fn a_broken_sector_loses_nothing() {
                let points = fail_everywhere($build, Errno::IO, false);
                eprintln!("{points} calls, 0 losses");
                assert!(points >= 20, "{points}");
            }
        })*
    };
}

the_disk_fails! {
    files: World::varied;
    specials: worlds::specials;
    metadata: worlds::metadata;
    edits: worlds::edits;
    accounts: worlds::accounts;
    units: worlds::units;
    copies: worlds::copies;
}
