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

/// A host whose files lie in the lower layer of an overlay, as those of a container do: each change copies one up, each removal leaves a
/// whiteout.
struct Layered {
    _folder: tempfile::TempDir,
    at: std::path::PathBuf,
    world: Option<World>,
    lower: Option<World>,
}

impl Layered {
    /// `fill` makes the host in the lower layer; none where nothing can be mounted.
    fn new(fill: impl FnOnce(World) -> World) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let place = folder.path().join(name);
            fs::create_dir(&place).unwrap();
            place
        };
        let (below, above, work, at) = (place("lower"), place("upper"), place("work"), place("at"));
        let host = |within: &Path| tempfile::Builder::new().prefix("host").rand_bytes(0).tempdir_in(within).unwrap();
        // The name that the host has in the overlay is taken before that is mounted over it.
        let shown = host(&at);
        let mut lower = fill(World::at_places(host(&below), tempfile::tempdir().unwrap()));
        let layers = format!("lowerdir={},upperdir={},workdir={}", below.display(), above.display(), work.display());
        let done = Command::new("mount").args(["-t", "overlay", "-o", &layers, "overlay"]).arg(&at).output();
        if !done.is_ok_and(|output| output.status.success()) {
            eprintln!("overlay skipped: the kernel mounts none here");
            return None;
        }
        let (steps, good) = (std::mem::take(&mut lower.steps), lower.good.take());
        let mut world = World::at_places(shown, tempfile::tempdir().unwrap());
        (world.steps, world.good) = (steps, good);
        Some(Self { _folder: folder, at, world: Some(world), lower: Some(lower) })
    }

    fn world(&self) -> &World {
        self.world.as_ref().unwrap()
    }
}

impl Drop for Layered {
    fn drop(&mut self) {
        drop(self.world.take());
        let _ = Command::new("umount").arg("-l").arg(&self.at).output();
        drop(self.lower.take());
    }
}

#[test]
fn rollback_of_apply_is_before_on_an_overlay() {
    for (name, fill) in worlds::FILLS {
        let filled = |mut world: World| {
            fill(&mut world);
            world
        };
        let Some(layered) = Layered::new(filled) else { return };
        let world = layered.world();
        let before = world.snapshot();
        let run = world.apply();
        assert_eq!(run.state, RunState::Applied, "{name}: {:#?}", run.outcomes);
        let rollback = world.rollback(&run.run);
        assert_eq!(rollback.state, RunState::Applied, "{name}: {:#?}", rollback.outcomes);
        assert_same(&world.snapshot(), &before, name);
    }
    let config = Config { cases: 24, failure_persistence: None, ..Config::default() };
    TestRunner::new(config)
        .run(&property::plans(), |(files, pinned, cut)| {
            if let Some(layered) = Layered::new(|world| property::build(world, &files, pinned)) {
                property::check_built(layered.world(), cut);
            }
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn file_of_a_lower_layer_that_is_replaced_between_check_and_quarantine_stays() {
    let shell = |mut world: World| {
        world.file("/var/www/html/shell.php", SHELL, 0o644, (33, 33));
        world.file("/var/www/html/innocent", b"<?php echo 'mended';", 0o644, (33, 33));
        world.quarantine("/var/www/html/shell.php");
        world
    };
    let Some(layered) = Layered::new(shell) else { return };
    let world = layered.world();
    let swap = Meanwhile::before("taking hold of it", || {
        fs::rename(world.at("/var/www/html/innocent"), world.at("/var/www/html/shell.php")).unwrap();
    });
    let report = world.apply_plan(&world.plan(), Consent::default(), &swap).unwrap();
    let result = &report.outcomes.first().unwrap().result;
    assert!(matches!(result, crate::journal::StepResult::Stale { .. }), "{report:?}");
    assert_eq!(fs::read(world.at("/var/www/html/shell.php")).unwrap(), b"<?php echo 'mended';");
    assert_eq!(fs::read_dir(world.at("/var/www/html")).unwrap().count(), 1, "no private name is left");
}

/// A folder that was taken away and made anew hides all that the lower layers have in it.
#[test]
fn what_an_opaque_folder_hides_does_not_come_back() {
    let hidden = |world: World| {
        world.file("/srv/app/hidden.php", SHELL, 0o644, (33, 33));
        world
    };
    let Some(mut layered) = Layered::new(hidden) else { return };
    let folder = layered.world().at("/srv/app");
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("shell.php"), SHELL).unwrap();
    let mut planned = layered.world.take().unwrap();
    planned.quarantine("/srv/app/shell.php");
    planned.settle_times();
    let before = planned.snapshot();
    let run = planned.apply();
    assert_eq!(run.state, RunState::Applied, "{run:?}");
    assert_eq!(fs::read_dir(planned.at("/srv/app")).unwrap().count(), 0);
    let rollback = planned.rollback(&run.run);
    assert_eq!(rollback.state, RunState::Applied, "{rollback:?}");
    assert_same(&planned.snapshot(), &before, "rolled back");
    layered.world = Some(planned);
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
