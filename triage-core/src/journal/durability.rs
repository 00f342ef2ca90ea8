//! What is on the device when it has to be.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

use super::{JournalError, Runs};
use rustix::io::Errno;
use seccompiler::{BpfProgram, SeccompAction, SeccompFilter, TargetArch};

/// Does something on a thread for which the device takes nothing: each call that brings a file or folder to it fails.
fn on_a_dead_device<T: Send>(act: impl FnOnce() -> T + Send) -> Option<T> {
    // fsync and fdatasync of x86_64, by `asm/unistd_64.h`.
    let rules = [(74, Vec::new()), (75, Vec::new())].into_iter().collect();
    let fails = SeccompAction::Errno(Errno::IO.raw_os_error().unsigned_abs());
    let arch: TargetArch = std::env::consts::ARCH.try_into().ok()?;
    if arch != TargetArch::x86_64 {
        return None;
    }
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, fails, arch).ok()?;
    let program: BpfProgram = filter.try_into().ok()?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || seccompiler::apply_filter(&program).ok().map(|()| act()));
        thread.join().unwrap()
    })
}

/// The names in a new state folder's parents are as much a part of it as what is in it: a folder whose own name may not outlive a power cut is not built upon.
#[test]
fn every_folder_above_a_new_state_folder_is_on_the_device_before_the_next_is_made() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("var/lib/triage");
    let Some(made) = on_a_dead_device(|| Runs::create(&state).map(|_| ())) else {
        return eprintln!("skipped: calls cannot be made to fail here");
    };
    assert!(matches!(&made, Err(JournalError::Io { doing: "making the state folder", .. })), "{made:?}");
    let is_there = |path: &str| home.path().join(path).exists();
    assert!(is_there("var"), "the first folder was made");
    assert!(!is_there("var/lib"), "the second was made before the first one's name was on the device");
    // A device that works again finishes what was begun.
    Runs::create(&state).unwrap();
    assert!(is_there("var/lib/triage/runs"));
}

/// Where only the last folder is new, its name comes first as well.
#[test]
fn a_new_state_folder_is_on_the_device_before_anything_is_put_into_it() {
    let home = tempfile::tempdir().unwrap();
    let state = home.path().join("state");
    let Some(made) = on_a_dead_device(|| Runs::create(&state).map(|_| ())) else {
        return eprintln!("skipped: calls cannot be made to fail here");
    };
    assert!(made.is_err());
    assert!(state.exists() && !state.join("runs").exists(), "its own name comes first");
}
