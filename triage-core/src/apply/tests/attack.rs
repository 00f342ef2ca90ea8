//! What an intruder who is still there may try.

use super::*;
use crate::journal::{Holds, RunState, StepResult};
use std::os::unix::fs::symlink;

pub(super) fn one_shell() -> World {
    let mut world = World::empty();
    world.file("/var/www/html/shell.php", SHELL, 0o644, (33, 33));
    world.file("/etc/shadow", b"root:*:19000::::::\n", 0o640, (0, 42));
    world.quarantine("/var/www/html/shell.php");
    world.settle_times();
    world
}

fn one_crontab() -> World {
    let mut world = World::empty();
    world.file("/var/spool/cron/asterisk", CRON, 0o600, (995, 995));
    world.remove_lines("/var/spool/cron/asterisk", &["*/3 * * * * /tmp/.k"]);
    world.settle_times();
    world
}

fn result(report: &RunReport) -> &StepResult {
    &report.outcomes.first().unwrap().result
}

#[test]
fn symlink_swapped_in_between_plan_and_apply() {
    let world = one_shell();
    fs::remove_file(world.at("/var/www/html/shell.php")).unwrap();
    symlink("/etc/shadow", world.at("/var/www/html/shell.php")).unwrap();
    let before = world.snapshot();
    let refused = world.apply_plan(&world.plan(), Consent::default(), &NoFaults);
    assert!(matches!(refused, Err(ApplyError::Blocked { .. })), "{refused:?}");
    assert_same(&world.snapshot(), &before, "refused");
    assert!(world.runs().names().unwrap().is_empty(), "nothing was begun");
}

#[test]
fn directory_swapped_for_symlink_between_plan_and_apply() {
    let world = one_shell();
    world.file("/victim/shell.php", SHELL, 0o644, (0, 0));
    fs::rename(world.at("/var/www/html"), world.at("/var/www/old")).unwrap();
    symlink(world.at("/victim"), world.at("/var/www/html")).unwrap();
    let before = world.snapshot();
    let Err(ApplyError::Stale { steps }) = world.apply_plan(&world.plan(), Consent::default(), &NoFaults) else {
        panic!()
    };
    assert!(steps[0].why.contains("/var/www/html"), "{steps:?}");
    assert_same(&world.snapshot(), &before, "refused");
}

#[test]
fn directory_swapped_for_symlink_between_check_and_act() {
    let world = one_shell();
    world.file("/victim/shell.php", SHELL, 0o644, (0, 0));
    let swap = Meanwhile::before("taking hold of it", || {
        fs::rename(world.at("/var/www/html"), world.at("/var/www/old")).unwrap();
        symlink(world.at("/victim"), world.at("/var/www/html")).unwrap();
    });
    let report = world.apply_plan(&world.plan(), Consent::default(), &swap).unwrap();
    assert_eq!(*result(&report), StepResult::Done);
    assert!(world.at("/victim/shell.php").exists(), "the link was not followed");
    assert!(!world.at("/var/www/old/shell.php").exists(), "the checked file itself was taken");
}

#[test]
fn file_replaced_between_check_and_quarantine() {
    let world = one_shell();
    let innocent = b"<?php echo 'the administrator has mended it';";
    let swap = Meanwhile::before("taking hold of it", || {
        world.file("/var/www/html/new", innocent, 0o644, (33, 33));
        fs::rename(world.at("/var/www/html/new"), world.at("/var/www/html/shell.php")).unwrap();
    });
    let report = world.apply_plan(&world.plan(), Consent::default(), &swap).unwrap();
    assert!(matches!(result(&report), StepResult::Stale { .. }), "{report:?}");
    assert!(report.stopped.is_some());
    assert_eq!(report.state, RunState::Interrupted);
    assert_eq!(fs::read(world.at("/var/www/html/shell.php")).unwrap(), innocent);
    assert_eq!(fs::read_dir(world.at("/var/www/html")).unwrap().count(), 1, "no private name is left");
}

#[test]
fn file_replaced_between_check_and_edit() {
    let world = one_crontab();
    let innocent = b"0 3 * * * /usr/bin/backup\n";
    let swap = Meanwhile::before("exchanging it", || {
        world.file("/var/spool/cron/new", innocent, 0o600, (995, 995));
        fs::rename(world.at("/var/spool/cron/new"), world.at("/var/spool/cron/asterisk")).unwrap();
    });
    let report = world.apply_plan(&world.plan(), Consent::default(), &swap).unwrap();
    assert!(matches!(result(&report), StepResult::Stale { .. }), "{report:?}");
    assert_eq!(fs::read(world.at("/var/spool/cron/asterisk")).unwrap(), innocent);
    assert_eq!(fs::read_dir(world.at("/var/spool/cron")).unwrap().count(), 1, "no private name is left");
}

#[test]
fn line_appended_between_check_and_edit_is_not_lost() {
    let world = one_crontab();
    let append = Meanwhile::before("exchanging it", || {
        let mut file = fs::OpenOptions::new().append(true).open(world.at("/var/spool/cron/asterisk")).unwrap();
        std::io::Write::write_all(&mut file, b"@reboot /usr/bin/true\n").unwrap();
    });
    let report = world.apply_plan(&world.plan(), Consent::default(), &append).unwrap();
    assert!(matches!(result(&report), StepResult::Stale { .. }), "{report:?}");
    let content = fs::read(world.at("/var/spool/cron/asterisk")).unwrap();
    assert_eq!(content, [CRON, b"@reboot /usr/bin/true\n"].concat());
    // The line is still to go, and a second attempt takes it out.
    let resumed = world.resume(&report.run, &NoFaults).unwrap();
    assert_eq!(resumed.state, RunState::Applied);
    assert!(!String::from_utf8(fs::read(world.at("/var/spool/cron/asterisk")).unwrap()).unwrap().contains("/tmp/.k"));
}

#[test]
fn file_that_respawns_stops_the_run_and_is_not_taken_for_ours() {
    let world = one_shell();
    let respawn = Meanwhile {
        moment: Moment::After,
        doing: "removing it",
        act: || world.file("/var/www/html/shell.php", b"<?php exit; // another", 0o644, (33, 33)),
        done: Cell::new(false),
    };
    let report = world.apply_plan(&world.plan(), Consent::default(), &respawn).unwrap();
    assert!(matches!(result(&report), StepResult::Failed { .. }), "{report:?}");
    assert_eq!(report.outcomes[0].holds, Holds::Neither);
    let plan = world.rollback_plan(&report.run, Scope::Everything);
    assert!(matches!(plan.steps[0].status, StepStatus::Blocked { .. }), "{:?}", plan.steps);
}

#[test]
fn file_that_appears_in_the_place_of_a_restored_one_is_not_overwritten() {
    let world = one_shell();
    let run = world.apply().run;
    let plan = world.rollback_plan(&run, Scope::Everything);
    let appear = Meanwhile::before("putting it in its place", || {
        world.file("/var/www/html/shell.php", b"somebody's", 0o644, (0, 0));
    });
    let report = world.apply_plan(&plan, agreed(), &appear).unwrap();
    assert!(matches!(result(&report), StepResult::Stale { .. }), "{report:?}");
    assert_eq!(fs::read(world.at("/var/www/html/shell.php")).unwrap(), b"somebody's");
    assert_eq!(fs::read_dir(world.at("/var/www/html")).unwrap().count(), 1, "no private name is left");
}

#[test]
fn object_changed_since_apply_is_a_conflict_and_stays() {
    let world = World::compromised();
    let run = world.apply().run;
    world.file("/var/www/html/shell.php", b"<?php echo 'the shop is back';", 0o644, (33, 33));
    let plan = world.rollback_plan(&run, Scope::Everything);
    let blocked: Vec<_> = plan.steps.iter().filter(|step| matches!(step.status, StepStatus::Blocked { .. })).collect();
    assert_eq!(blocked.len(), 1);
    let report = world.apply_plan(&plan, agreed(), &NoFaults).unwrap();
    assert_eq!(report.state, RunState::PartlyApplied);
    assert_eq!(fs::read(world.at("/var/www/html/shell.php")).unwrap(), b"<?php echo 'the shop is back';");
    assert!(world.at("/var/www/html/pinned.php").exists(), "the rest came back");
    assert_eq!(world.runs().run(&run).unwrap().state(), RunState::PartlyRolledBack);
}

#[test]
fn immutable_shell_is_quarantined_and_comes_back_immutable() {
    let mut world = World::empty();
    world.file("/var/www/html/shell.php", SHELL, 0o644, (33, 33));
    world.quarantine("/var/www/html/shell.php");
    if !world.pin("/var/www/html/shell.php") {
        return;
    }
    let before = world.snapshot();
    let run = world.apply().run;
    assert_eq!(world.state_of("/var/www/html/shell.php"), State::Absent);
    world.rollback(&run);
    assert_same(&world.snapshot(), &before, "rolled back");
    let State::Present(back) = world.state_of("/var/www/html/shell.php") else { panic!() };
    assert!(back.meta.is_pinned());
}

#[test]
fn newline_and_bytes_that_are_no_text_in_a_name_reach_the_file() {
    let mut world = World::empty();
    let name = b"/var/www/html/a\nb \xff.php";
    world.file(name, SHELL, 0o644, (33, 33));
    world.quarantine(name);
    let before = world.snapshot();
    let run = world.apply().run;
    assert!(!world.at(name).exists());
    world.rollback(&run);
    assert_same(&world.snapshot(), &before, "rolled back");
}

#[test]
fn fifo_in_place_of_a_file_does_not_hang() {
    let world = one_shell();
    fs::remove_file(world.at("/var/www/html/shell.php")).unwrap();
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, world.at("/var/www/html/shell.php"), kind, rustix::fs::Mode::RUSR, 0).unwrap();
    let refused = world.apply_plan(&world.plan(), Consent::default(), &NoFaults);
    assert!(matches!(refused, Err(ApplyError::Blocked { .. })), "{refused:?}");
}

fn mode_of_a_tool() -> World {
    let mut world = World::empty();
    world.file("/usr/bin/tool", b"#!/bin/true\n", 0o4755, (0, 0));
    world.file("/etc/shadow", b"root:*:19000::::::\n", 0o600, (0, 42));
    let to = crate::action::Attributes { mode: Some(crate::model::Mode::new(0o755)), ..Default::default() };
    world.set_metadata("/usr/bin/tool", to);
    world.settle_times();
    world
}

#[test]
fn shadow_swapped_in_between_check_and_change_of_mode_stays_unreadable() {
    let world = mode_of_a_tool();
    let swap = Meanwhile::before("setting its owner", || {
        fs::rename(world.at("/usr/bin/tool"), world.at("/usr/bin/old")).unwrap();
        fs::hard_link(world.at("/etc/shadow"), world.at("/usr/bin/tool")).unwrap();
    });
    let report = world.apply_plan(&world.plan(), Consent::default(), &swap).unwrap();
    assert!(!result(&report).is_good(), "{report:?}");
    let mode = |path: &str| fs::metadata(world.at(path)).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode("/etc/shadow"), 0o600);
}

#[test]
fn link_to_shadow_in_place_of_the_tool_is_not_followed() {
    let world = mode_of_a_tool();
    fs::remove_file(world.at("/usr/bin/tool")).unwrap();
    symlink("/etc/shadow", world.at("/usr/bin/tool")).unwrap();
    let refused = world.apply_plan(&world.plan(), Consent::default(), &NoFaults);
    assert!(matches!(refused, Err(ApplyError::Blocked { .. })), "{refused:?}");
    assert_eq!(fs::metadata(world.at("/etc/shadow")).unwrap().permissions().mode() & 0o7777, 0o600);
}

#[test]
fn link_retargeted_between_check_and_quarantine_is_put_back() {
    let mut world = World::empty();
    world.file("/var/www/html/index.php", b"x", 0o644, (33, 33));
    symlink("/etc/shadow", world.at("/var/www/html/s")).unwrap();
    world.quarantine_special("/var/www/html/s");
    let swap = Meanwhile::before("taking hold of it", || {
        fs::remove_file(world.at("/var/www/html/s")).unwrap();
        symlink("index.php", world.at("/var/www/html/s")).unwrap();
    });
    let report = world.apply_plan(&world.plan(), Consent::default(), &swap).unwrap();
    assert!(matches!(result(&report), StepResult::Stale { .. }), "{report:?}");
    assert_eq!(fs::read_link(world.at("/var/www/html/s")).unwrap(), Path::new("index.php"));
}

#[test]
fn good_copy_swapped_for_another_between_plan_and_apply_is_refused() {
    let mut world = worlds::copies();
    world.good = Some(Arc::new(
        crate::source::fake::FakeRoot::new().file("/usr/bin/ls", b"#!/bin/true somebody else's again\n"),
    ));
    let before = world.snapshot();
    let refused = world.apply_plan(&world.plan(), Consent::default(), &NoFaults);
    assert!(matches!(refused, Err(ApplyError::Blocked { .. })), "{refused:?}");
    assert_same(&world.snapshot(), &before, "refused");
}

#[test]
fn configuration_that_its_program_refuses_is_not_put_in_place() {
    let world = worlds::edits();
    let target = Target::open(world.root.path()).unwrap();
    let before = fs::read(world.at("/etc/ssh/sshd_config")).unwrap();
    let examine = |path: &EvidencePath, _: &[u8]| {
        if path.file_name() == b"sshd_config" { Err("sshd would not start with it".to_owned()) } else { Ok(()) }
    };
    let request = ApplyRequest {
        plan: &world.plan(),
        target: &target,
        runs: &world.runs(),
        tool: "triage test".to_owned(),
        evidence: Evidence::Waived,
        consent: Consent::default(),
        material: None,
        watch: Watch { clock: &world.clock, cancel: &|| false, progress: &mut |_| {}, examine: &examine },
    };
    let report = run::apply(request, &NoFaults).unwrap();
    assert!(matches!(&report.outcomes.last().unwrap().result, StepResult::Blocked { why } if why.contains("sshd")));
    assert_eq!(fs::read(world.at("/etc/ssh/sshd_config")).unwrap(), before);
}

/// Another program that holds the lock of the accounts until it is let go; none where there is no python3.
struct Holder(std::process::Child);

impl Holder {
    fn of(lock: &Path) -> Option<Self> {
        let hold = "import fcntl,sys,time\nf=open(sys.argv[1],'r+')\nfcntl.lockf(f,fcntl.LOCK_EX)\nprint('held',flush=True)\nsys.stdin.read()";
        let child = std::process::Command::new("python3")
            .args(["-c", hold])
            .arg(lock)
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn();
        let Ok(mut child) = child else {
            eprintln!("skipped: there is no python3 to hold the lock with");
            return None;
        };
        let mut line = String::new();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(child.stdout.take().unwrap()), &mut line).unwrap();
        assert_eq!(line, "held\n");
        Some(Self(child))
    }

    fn let_go(mut self) {
        drop(self.0.stdin.take());
        self.0.wait().unwrap();
    }
}

#[test]
fn accounts_that_another_program_is_changing_are_left_alone() {
    let world = worlds::accounts();
    let Some(holder) = Holder::of(&world.at("/etc/.pwd.lock")) else { return };
    let before = world.snapshot();
    let report = world.apply_plan(&world.plan(), Consent::default(), &NoFaults).unwrap();
    assert!(matches!(result(&report), StepResult::Stale { why } if why.contains("lock")), "{report:?}");
    assert_same(&world.snapshot(), &before, "refused");
    holder.let_go();
    let resumed = world.resume(&report.run, &NoFaults).unwrap();
    assert_eq!(resumed.state, RunState::Applied, "{resumed:?}");
}

/// A crash between the exchange of an account file and its outcome was put in order without the lock that the step itself had held.
#[test]
fn accounts_are_put_in_order_after_a_crash_only_under_their_lock() {
    let world = worlds::accounts();
    let cut = |point| world.apply_plan(&world.plan(), Consent::default(), &CutAt::new(point));
    let Err(ApplyError::Cut) = cut(20) else { panic!() };
    let id = world.last().id().clone();
    assert!(world.last().dangling().is_some(), "the cut is in the midst of a step");
    let Some(holder) = Holder::of(&world.at("/etc/.pwd.lock")) else { return };
    let before = world.snapshot();
    let refused = world.resume(&id, &NoFaults);
    assert!(matches!(refused, Err(ApplyError::Io { .. })), "{refused:?}");
    assert_same(&world.snapshot(), &before, "refused");
    holder.let_go();
    assert_eq!(world.resume(&id, &NoFaults).unwrap().state, RunState::Applied);
}

#[test]
fn what_somebody_else_made_stays_and_the_original_comes_beside_it() {
    let world = one_shell();
    let run = world.apply().run;
    let theirs = b"<?php echo 'mended';";
    world.file("/var/www/html/shell.php", theirs, 0o644, (33, 33));
    let options = RollbackOptions {
        scope: Scope::Everything,
        keep_both: true,
        tool: "triage test".to_owned(),
        created: Timestamp::new(1_767_400_000, 0),
    };
    let plan = rollback::plan(&world.last(), &world.source(), None, &options).unwrap().value;
    let report = world.apply_plan(&plan, agreed(), &NoFaults).unwrap();
    assert_eq!(report.state, RunState::Applied, "{report:?}");
    assert_eq!(fs::read(world.at("/var/www/html/shell.php")).unwrap(), theirs);
    assert_eq!(fs::read(world.at(format!("/var/www/html/shell.php.triage-{run}-1"))).unwrap(), SHELL);
    assert_ne!(world.runs().run(&run).unwrap().state(), RunState::RolledBack, "nothing was undone");
    // And that goes away again like anything else.
    let again = world.rollback(&report.run);
    assert_eq!(again.state, RunState::Applied, "{again:?}");
    assert!(!world.at(format!("/var/www/html/shell.php.triage-{run}-1")).exists());
}

#[test]
fn a_good_copy_comes_out_of_the_vault_of_an_earlier_run() {
    let world = one_shell();
    let run = world.apply().run;
    let originals = crate::rollback::Originals::new(world.runs().run(&run).unwrap());
    let path = EvidencePath::new("/var/www/html/shell.php").unwrap();
    let (state, content) = observe(&originals, &path, 1000).unwrap();
    assert!(state.is_present());
    assert_eq!(content.unwrap(), SHELL);
    let vault =
        world.state.path().join("triage/runs").join(run.as_str()).join("vault").join(Digest::of(SHELL).to_string());
    fs::write(vault, b"damaged").unwrap();
    assert!(observe(&originals, &path, 1000).is_err());
}
