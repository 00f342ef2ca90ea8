//! Somebody alters what a run has written down: plan, journal, vault, state folder.

use super::attack::one_shell;
use super::*;
use crate::apply::Refusal;
use crate::journal::{JournalError, RunState};
use std::os::unix::fs::symlink;

#[test]
fn vault_object_damaged_is_noticed() {
    let world = one_shell();
    let run = world.apply().run;
    let plan = world.rollback_plan(&run, Scope::Everything);
    let kept =
        world.state.path().join("triage/runs").join(run.as_str()).join("vault").join(Digest::of(SHELL).to_string());
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&kept, b"<?php // something else").unwrap();
    let before = world.snapshot();
    let refused = world.apply_plan(&plan, agreed(), &NoFaults);
    assert!(matches!(refused, Err(ApplyError::Blocked { .. })), "{refused:?}");
    assert_same(&world.snapshot(), &before, "refused");
    let later = world.rollback_plan(&run, Scope::Everything);
    assert!(matches!(&later.steps[0].status, StepStatus::Blocked { why } if why.contains("damaged")), "{later:?}");
}

#[test]
fn journal_line_altered_or_cut_out_is_noticed() {
    let world = World::compromised();
    let run = world.apply().run;
    let path = world.state.path().join("triage/runs").join(run.as_str()).join("journal.jsonl");
    let whole = fs::read(&path).unwrap();
    let lines: Vec<&[u8]> = whole.split_inclusive(|&byte| byte == b'\n').collect();
    for number in 0..lines.len() - 1 {
        let mut altered = lines.clone();
        let line = String::from_utf8(altered[number].to_vec()).unwrap().replacen("2026-", "2025-", 1);
        altered[number] = line.as_bytes();
        fs::write(&path, altered.concat()).unwrap();
        assert!(matches!(world.runs().run(&run), Err(JournalError::Damaged { .. })), "line {number} altered");
        let mut without = lines.clone();
        without.remove(number);
        fs::write(&path, without.concat()).unwrap();
        assert!(matches!(world.runs().run(&run), Err(JournalError::Damaged { .. })), "line {number} cut out");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(world.runs().run(&run).unwrap().lines().len(), lines.len());
}

#[test]
fn plan_of_a_run_swapped_for_another_is_noticed() {
    let world = one_shell();
    let run = world.apply().run;
    let path = world.state.path().join("triage/runs").join(run.as_str()).join("plan.json");
    let other = fs::read_to_string(&path).unwrap().replace("shell.php", "index.php");
    fs::write(&path, other).unwrap();
    assert!(matches!(world.runs().run(&run), Err(JournalError::Damaged { .. })));
}

#[test]
fn forged_rollback_plan_puts_nothing_of_its_own_anywhere() {
    let world = one_shell();
    let run = world.apply().run;
    let plan = world.rollback_plan(&run, Scope::Everything);
    let before = world.snapshot();
    let forge = |edit: &dyn Fn(&mut Step)| {
        let mut forged = plan.clone();
        edit(&mut forged.steps[0]);
        let refused = world.apply_plan(&forged, agreed(), &NoFaults);
        assert!(matches!(refused, Err(ApplyError::Blocked { .. })), "{refused:?}");
        assert_same(&world.snapshot(), &before, "refused");
    };
    forge(&|step| {
        let Action::Restore { to: State::Present(to), .. } = &mut step.action else { panic!() };
        to.meta.mode = crate::model::Mode::new(0o4755);
    });
    forge(&|step| {
        let Action::Restore { path, .. } = &mut step.action else { panic!() };
        *path = EvidencePath::new("/etc/cron.d/new").unwrap();
    });
    forge(&|step| step.source = format!("{run}#7"));
}

#[test]
fn second_writer_is_refused_and_told_who_is_first() {
    let world = one_shell();
    let runs = world.runs();
    let lock = runs.lock().unwrap();
    let Err(ApplyError::Journal(JournalError::Locked { holder, .. })) =
        world.apply_plan(&world.plan(), Consent::default(), &NoFaults)
    else {
        panic!()
    };
    assert_eq!(holder, format!("process {}", std::process::id()));
    assert!(world.at("/var/www/html/shell.php").exists());
    drop(lock);
    world.apply();
    assert!(!world.at("/var/www/html/shell.php").exists());
}

#[test]
fn torn_last_line_is_set_aside_and_the_run_goes_on() {
    let world = World::compromised();
    let before = world.snapshot();
    world.apply_plan(&world.plan(), Consent::default(), &CutAt::new(120)).unwrap_err();
    let id = world.last().id().clone();
    let folder = world.state.path().join("triage/runs").join(id.as_str());
    let mut file = fs::OpenOptions::new().append(true).open(folder.join("journal.jsonl")).unwrap();
    std::io::Write::write_all(&mut file, br#"{"seq":9,"previous":"0a"#).unwrap();
    let run = world.runs().run(&id).unwrap();
    assert_eq!(run.torn().unwrap().bytes, br#"{"seq":9,"previous":"0a"#);
    let offset = run.torn().unwrap().offset;
    assert_eq!(world.resume(&id, &NoFaults).unwrap().state, RunState::Applied);
    assert!(world.runs().run(&id).unwrap().torn().is_none());
    assert_eq!(fs::read(folder.join(format!("torn-{offset}"))).unwrap(), br#"{"seq":9,"previous":"0a"#);
    world.rollback(&id);
    assert_same(&world.snapshot(), &before, "rolled back");
}

#[test]
fn state_folder_inside_the_target_is_never_changed() {
    let mut world = one_shell();
    let inside = world.at("/var/lib/triage");
    fs::create_dir_all(inside.parent().unwrap()).unwrap();
    let runs = Runs::create(&inside).unwrap();
    world.file("/var/lib/triage/runs/x", b"x", 0o600, (0, 0));
    world.quarantine("/var/lib/triage/runs/x");
    let target = Target::open(world.root.path()).unwrap();
    let plan = world.plan();
    let refused = run::apply(
        ApplyRequest {
            plan: &plan,
            target: &target,
            runs: &runs,
            tool: "triage test".to_owned(),
            evidence: Evidence::Waived,
            consent: Consent::default(),
            material: None,
            watch: Watch {
                clock: &world.clock,
                cancel: &|| false,
                progress: &mut |_| {},
                examine: &crate::apply::accept,
            },
        },
        &NoFaults,
    );
    let Err(ApplyError::Blocked { steps }) = refused else { panic!("{refused:?}") };
    assert!(matches!(&steps[..], [Refusal { step: 2, .. }]), "{steps:?}");
    assert!(world.at("/var/www/html/shell.php").exists(), "and nothing else was changed");
}

#[test]
fn state_folder_that_others_can_enter_is_refused() {
    let world = one_shell();
    world.runs();
    let path = world.state.path().join("triage");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    assert!(matches!(Runs::create(&path), Err(JournalError::NotPrivate { .. })));
    fs::rename(&path, world.state.path().join("elsewhere")).unwrap();
    symlink(world.state.path().join("elsewhere"), &path).unwrap();
    assert!(matches!(Runs::create(&path), Err(JournalError::NotPrivate { .. })));
}

/// Whoever listed the runs had the lock for a moment, and an `apply` at that moment was told that somebody else is at work.
#[test]
fn looking_at_the_runs_refuses_no_writer() {
    let world = one_shell();
    let runs = world.runs();
    let held = runs.lock().unwrap();
    let reader = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(50));
        drop(held);
    });
    world.apply();
    reader.join().unwrap();
}

#[test]
fn forged_rollback_plan_puts_nothing_beside_what_is_not_a_conflict() {
    let world = one_shell();
    let run = world.apply().run;
    let mut plan = world.rollback_plan(&run, Scope::Everything);
    let Action::Restore { path, .. } = &mut plan.steps[0].action else { panic!() };
    *path = EvidencePath::new("/etc/cron.d/shell").unwrap();
    let refused = world.apply_plan(&plan, agreed(), &NoFaults);
    assert!(matches!(refused, Err(ApplyError::Blocked { .. } | ApplyError::Stale { .. })), "{refused:?}");
}
