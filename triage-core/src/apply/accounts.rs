//! The lock under which programs change accounts and groups.
//!
//! `useradd`, `passwd`, `vipw` and their like all take `lckpwdf(3)` first: a record lock on `/etc/.pwd.lock`. It is held from the first
//! step on an account file until a step on something else comes, so that nobody sees, or writes over, files that do not agree.

use super::hands::{Halt, failed};
use super::target::Slot;
use crate::sys::change;
use std::os::fd::OwnedFd;
use std::time::Duration;

const LOCK: &[u8] = b".pwd.lock";
/// `lckpwdf(3)` waits 15 seconds.
const ATTEMPTS: u32 = if cfg!(test) { 3 } else { 150 };
const PAUSE: Duration = Duration::from_millis(100);

/// The lock, for as long as this lives.
#[derive(Debug)]
pub(super) struct AccountLock {
    _file: Option<OwnedFd>,
}

impl AccountLock {
    /// Takes the lock of the accounts in the folder of `slot`; none when somebody else keeps it. Where there is no lock file, no program has
    /// ever taken the lock there, and none is made: it would be a file that a rollback leaves behind.
    pub(super) fn take(slot: &Slot) -> Result<Option<Self>, Halt> {
        let Some(file) = change::open_lock(&slot.dir, LOCK).map_err(failed("opening the lock of the accounts"))? else {
            return Ok(Some(Self { _file: None }));
        };
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            if change::try_record_lock(&file).map_err(failed("taking the lock of the accounts"))? {
                return Ok(Some(Self { _file: Some(file) }));
            }
        }
        Ok(None)
    }
}
