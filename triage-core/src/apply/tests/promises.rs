//! What the documents promise of a run, beside crashes and attacks: steps of which not all was known, mounts, and what the state folder keeps.

use super::*;
use crate::action::Present;
use crate::journal::{RunState, StepResult};
use crate::model::{FileMeta, Mode};
use std::process::Command;

/// Makes the last step one whose object could be seen when it was planned, and its content not: planned from a bundle that leaves secrets out.
fn not_known(world: &mut World) {
    let step = world.last_step();
    let State::Present(present) = &step.before else { panic!("{:?}", step.before) };
    let meta =
        FileMeta { mode: present.meta.mode, ..FileMeta::bare(FileKind::File, Mode::new(0o640), present.meta.size) };
    let state = State::Present(Box::new(Present { meta, sha256: None }));
    step.status = StepStatus::CannotKnow { why: "its content is not in the bundle".to_owned() };
    (step.before, step.after) = (state.clone(), state);
}

fn shadow() -> World {
    let mut world = World::empty();
    world.file("/etc/shadow", b"root:$6$a:1::::::\nmaint:$6$x$y:19000:0:99999:7:::\n", 0o640, (0, 42));
    world.lock_account("/etc/shadow", "maint");
    not_known(&mut world);
    world.settle_times();
    world
}

#[test]
fn what_could_not_be_known_when_it_was_planned_is_tried_and_undone() {
    let world = shadow();
    let before = world.snapshot();
    let report = world.apply();
    assert_eq!(report.state, RunState::Applied, "{:#?}", report.outcomes);
    assert_eq!(report.outcomes[0].result, StepResult::Done);
    assert_eq!(fs::read(world.at("/etc/shadow")).unwrap(), b"root:$6$a:1::::::\nmaint:!$6$x$y:19000:0:99999:7::1:\n");
    world.rollback(&report.run);
    assert_same(&world.snapshot(), &before, "rolled back");
}

/// From every point of a crash, as any other step.
#[test]
fn what_could_not_be_known_survives_a_crash_anywhere() {
    let mut point = 0;
    loop {
        let world = shadow();
        let before = world.snapshot();
        match world.apply_plan(&world.plan(), Consent::default(), &CutAt::new(point)) {
            Err(ApplyError::Cut) => {}
            Ok(_) => break,
            Err(error) => panic!("point {point}: {error}"),
        }
        let id = world.last().id().clone();
        let report = world.resume(&id, &NoFaults).unwrap();
        assert_eq!(report.state, RunState::Applied, "point {point}: {report:#?}");
        world.rollback(&id);
        assert_same(&world.snapshot(), &before, &format!("point {point}"));
        point += 1;
    }
    eprintln!("{point} points, 0 losses");
    assert!(point > 15, "{point}");
}

#[test]
fn what_could_not_be_known_and_is_not_what_was_convicted_is_refused() {
    let mut world = World::empty();
    world.file("/var/www/html/a.php", SHELL, 0o644, (33, 33));
    world.quarantine("/var/www/html/a.php");
    not_known(&mut world);
    fs::write(world.at("/var/www/html/a.php"), "<?php echo 'mended';").unwrap();
    let refused = world.apply_plan(&world.plan(), Consent::default(), &NoFaults);
    assert!(matches!(refused, Err(ApplyError::Stale { .. })), "{refused:?}");
    assert_eq!(fs::read(world.at("/var/www/html/a.php")).unwrap(), b"<?php echo 'mended';");
    assert!(world.runs().list().unwrap().is_empty(), "nothing was begun");
}

/// Says whether it could be mounted; unmounted when this goes.
struct Mount(PathBuf);

impl Mount {
    fn new(arguments: &[&str], at: PathBuf) -> Option<Self> {
        let done = Command::new("mount").args(arguments).arg(&at).output();
        if done.is_ok_and(|output| output.status.success()) {
            return Some(Self(at));
        }
        eprintln!("skipped: nothing can be mounted here");
        None
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn file_that_is_a_mount_of_its_own_fails_its_step_and_stays() {
    let mut world = World::empty();
    world.file("/var/www/html/a.php", SHELL, 0o644, (33, 33));
    world.file("/srv/other", SHELL, 0o644, (33, 33));
    world.quarantine("/var/www/html/a.php");
    let Some(_mount) =
        Mount::new(&["--bind", world.at("/srv/other").to_str().unwrap()], world.at("/var/www/html/a.php"))
    else {
        return;
    };
    let result = world.apply_plan(&world.plan(), Consent::default(), &NoFaults);
    assert_eq!(fs::read(world.at("/var/www/html/a.php")).unwrap(), SHELL);
    assert_eq!(fs::read(world.at("/srv/other")).unwrap(), SHELL);
    assert_eq!(fs::read_dir(world.at("/var/www/html")).unwrap().count(), 1, "no private name is left");
    match result {
        Ok(report) => {
            assert!(!report.outcomes[0].result.is_good(), "{report:#?}");
            assert_ne!(report.state, RunState::Applied);
        }
        Err(error) => assert!(matches!(error, ApplyError::Blocked { .. } | ApplyError::Stale { .. }), "{error}"),
    }
}

#[test]
fn what_lies_on_a_read_only_mount_is_not_tried() {
    let folder = tempfile::tempdir().unwrap();
    let Some(mount) = Mount::new(&["-t", "tmpfs", "none"], folder.path().to_owned()) else { return };
    let mut world = World::at_places(tempfile::tempdir_in(folder.path()).unwrap(), tempfile::tempdir().unwrap());
    world.file("/var/www/html/a.php", SHELL, 0o644, (33, 33));
    world.quarantine("/var/www/html/a.php");
    let remount = |how: &str| {
        let done = Command::new("mount").args(["-o", how]).arg(folder.path()).output();
        assert!(done.unwrap().status.success(), "{how}");
    };
    remount("remount,ro");
    let refused = world.apply_plan(&world.plan(), Consent::default(), &NoFaults);
    let is_there = world.at("/var/www/html/a.php").exists();
    remount("remount,rw");
    assert!(matches!(refused, Err(ApplyError::Blocked { .. })), "{refused:?}");
    assert!(is_there);
    drop(world);
    drop(mount);
}

/// The vault may hold the only copy that is left of an intruder's file, and of a password file.
#[test]
fn a_vault_is_private_and_keeps_everything_after_a_rollback_too() {
    let world = World::compromised();
    let run = world.apply().run;
    let vault = world.state.path().join("triage/runs").join(run.as_str()).join("vault");
    let listed = || -> Vec<PathBuf> {
        let mut all: Vec<PathBuf> = fs::read_dir(&vault).unwrap().map(|entry| entry.unwrap().path()).collect();
        all.sort();
        all
    };
    let kept = listed();
    assert!(kept.len() >= 8, "{kept:?}");
    world.rollback(&run);
    assert_eq!(listed(), kept);
    let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777;
    for file in &kept {
        assert_eq!(mode(file), 0o600, "{}", file.display());
        let digest = Digest::of(&fs::read(file).unwrap()).to_string();
        assert_eq!(file.file_name().unwrap().to_str().unwrap(), digest);
    }
    let runs = world.state.path().join("triage/runs");
    for folder in [&vault, &runs, &runs.join(run.as_str()), &world.state.path().join("triage")] {
        assert_eq!(mode(folder), 0o700, "{}", folder.display());
    }
    for file in ["plan.json", "journal.jsonl"] {
        assert_eq!(mode(&runs.join(run.as_str()).join(file)), 0o600, "{file}");
    }
}
