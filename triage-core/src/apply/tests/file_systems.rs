//! The same on each file system that a host may have: what a rollback promises holds on all.
//!
//! The file systems are made here, in files of this test, and mounted for as long as it runs. Without root or the program that makes one, that
//! one is skipped, and said so.

use super::*;
use crate::journal::RunState;
use proptest::test_runner::{Config, TestRunner};
use std::process::Command;

/// A file system in a file, mounted while this lives.
struct Mounted {
    folder: tempfile::TempDir,
}

impl Mounted {
    fn new(kind: &str, megabytes: u64) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        let at = folder.path().join("at");
        fs::create_dir(&at).unwrap();
        fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        let run = |program: &str, arguments: &[&std::ffi::OsStr]| match Command::new(program).args(arguments).output() {
            Ok(output) if output.status.success() => true,
            Ok(output) => {
                eprintln!("{kind} skipped: {program}: {}", String::from_utf8_lossy(&output.stderr).trim());
                false
            }
            Err(error) => {
                eprintln!("{kind} skipped: {program}: {error}");
                false
            }
        };
        let is_made = run(&format!("mkfs.{kind}"), &["-q".as_ref(), image.as_ref()])
            && run("mount", &["-o".as_ref(), "loop".as_ref(), image.as_ref(), at.as_ref()]);
        is_made.then_some(Self { folder })
    }

    fn world(&self) -> World {
        let at = self.folder.path().join("at");
        World::at_places(tempfile::tempdir_in(at).unwrap(), tempfile::tempdir().unwrap())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // Lazily, so that nothing of ours keeps it.
        let _ = Command::new("umount").arg("-l").arg(self.folder.path().join("at")).output();
    }
}

/// One of every action on a host that lies there, applied and undone; then generated trees and plans, cut anywhere.
fn holds_on(kind: &str, megabytes: u64) {
    let Some(mounted) = Mounted::new(kind, megabytes) else { return };
    for (name, fill) in worlds::FILLS {
        let mut world = mounted.world();
        fill(&mut world);
        let before = world.snapshot();
        let run = world.apply();
        assert_eq!(run.state, RunState::Applied, "{kind}, {name}: {:#?}", run.outcomes);
        let rollback = world.rollback(&run.run);
        assert_eq!(rollback.state, RunState::Applied, "{kind}, {name}: {:#?}", rollback.outcomes);
        assert_same(&world.snapshot(), &before, &format!("{kind}, {name}"));
    }
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&property::plans(), |(files, pinned, cut)| {
            property::check(mounted.world(), &files, pinned, cut);
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{kind}: {error}"));
}

#[test]
fn rollback_of_apply_is_before_on_ext4() {
    holds_on("ext4", 64);
}

#[test]
fn rollback_of_apply_is_before_on_xfs() {
    holds_on("xfs", 320);
}

#[test]
fn rollback_of_apply_is_before_on_btrfs() {
    holds_on("btrfs", 128);
}

#[test]
fn a_file_system_mounted_over_the_folder_between_plan_and_apply_is_not_changed() {
    let world = {
        let mut world = World::empty();
        world.file("/var/www/html/shell.php", SHELL, 0o644, (33, 33));
        world.quarantine("/var/www/html/shell.php");
        world
    };
    let at = world.at("/var/www/html");
    let over = Command::new("mount").args(["-t", "tmpfs", "-o", "ro", "none"]).arg(&at).output();
    if !over.is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: nothing can be mounted here");
        return;
    }
    let refused = world.apply_plan(&world.plan(), Consent::default(), &NoFaults);
    let hidden = fs::read_dir(&at).unwrap().count();
    let _ = Command::new("umount").arg("-l").arg(&at).output();
    assert!(matches!(refused, Err(ApplyError::Blocked { .. } | ApplyError::Stale { .. })), "{refused:?}");
    assert_eq!(hidden, 0);
    assert_eq!(fs::read(world.at("/var/www/html/shell.php")).unwrap(), SHELL);
}
