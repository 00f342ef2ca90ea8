//! What a run refuses, leaves out, notes and counts.

use super::*;
use crate::apply::{check_host, hands};
use crate::journal::{RunState, StepResult};
use std::io;

#[test]
fn one_stale_object_and_nothing_is_changed() {
    let world = World::compromised();
    world.file("/var/www/html/shell.php", b"<?php echo 'mended';", 0o644, (33, 33));
    let before = world.snapshot();
    let Err(ApplyError::Stale { steps }) = world.apply_plan(&world.plan(), Consent::default(), &NoFaults) else {
        panic!()
    };
    assert_eq!(steps.iter().map(|refusal| refusal.step).collect::<Vec<_>>(), [1]);
    assert_same(&world.snapshot(), &before, "refused");
}

#[test]
fn skip_stale_leaves_out_the_object_and_later_steps_on_it() {
    let mut world = World::empty();
    world.file("/var/spool/cron/a", CRON, 0o600, (0, 0));
    world.file("/var/www/html/shell.php", SHELL, 0o644, (33, 33));
    world.quarantine("/var/spool/cron/a");
    world.remove_lines("/var/spool/cron/a", &["@daily /bin/true"]);
    world.quarantine("/var/www/html/shell.php");
    let edited = b"# mended\n@daily /bin/true\n";
    world.file("/var/spool/cron/a", edited, 0o600, (0, 0));
    let consent = Consent { skip_stale: true, ..Consent::default() };
    let report = world.apply_plan(&world.plan(), consent, &NoFaults).unwrap();
    assert_eq!(report.stopped, None);
    assert_eq!(report.state, RunState::PartlyApplied);
    let results: Vec<bool> = report.outcomes.iter().map(|outcome| outcome.result.is_refused()).collect();
    assert_eq!(results, [true, true, false]);
    assert_eq!(fs::read(world.at("/var/spool/cron/a")).unwrap(), edited);
    assert!(!world.at("/var/www/html/shell.php").exists());
}

#[test]
fn what_the_plan_itself_marks_as_blocked_is_left_out_and_recorded() {
    let mut world = World::compromised();
    world.last_step().status = StepStatus::Blocked { why: "the last way to log in".to_owned() };
    let report = world.apply();
    assert_eq!(report.state, RunState::PartlyApplied);
    assert_eq!(
        report.outcomes.last().unwrap().result,
        StepResult::Blocked { why: "the last way to log in".to_owned() }
    );
    assert_eq!(fs::read(world.at("/etc/cron.d/pinned")).unwrap(), CRON);
}

#[test]
fn applying_a_plan_twice_is_applying_it_once() {
    let world = World::compromised();
    world.apply();
    let after = world.snapshot();
    let again = world.apply_plan(&world.plan(), Consent::default(), &NoFaults);
    assert!(matches!(again, Err(ApplyError::Stale { .. })), "{again:?}");
    assert_same(&world.snapshot(), &after, "applied twice");
    let consent = Consent { skip_stale: true, ..Consent::default() };
    world.apply_plan(&world.plan(), consent, &NoFaults).unwrap();
    assert_same(&world.snapshot(), &after, "applied twice, stale ones skipped");
}

#[test]
fn rolling_back_twice_is_rolling_back_once() {
    let mut world = World::empty();
    world.file("/var/www/html/shell.php", SHELL, 0o644, (33, 33));
    world.file("/var/spool/cron/a", CRON, 0o600, (0, 0));
    world.quarantine("/var/www/html/shell.php");
    world.remove_lines("/var/spool/cron/a", &["@daily /bin/true"]);
    let before = world.snapshot();
    let run = world.apply().run;
    let plan = world.rollback_plan(&run, Scope::Everything);
    world.apply_plan(&plan, agreed(), &NoFaults).unwrap();
    let again = world.apply_plan(&plan, agreed(), &NoFaults).unwrap();
    assert!(again.outcomes.iter().all(|outcome| outcome.result == StepResult::NoOp), "{again:?}");
    assert_same(&world.snapshot(), &before, "rolled back twice");
    assert!(world.rollback_plan(&run, Scope::Everything).steps.is_empty());
}

#[test]
fn malicious_objects_come_back_only_when_somebody_says_so() {
    let world = World::compromised();
    let run = world.apply().run;
    let after = world.snapshot();
    let plan = world.rollback_plan(&run, Scope::Everything);
    let Err(ApplyError::RestoresMalicious { count }) = world.apply_plan(&plan, Consent::default(), &NoFaults) else {
        panic!()
    };
    assert_eq!(count, plan.steps.len());
    assert_same(&world.snapshot(), &after, "refused");
    // The opposite of putting them back needs no such word.
    let rollback = world.apply_plan(&plan, agreed(), &NoFaults).unwrap();
    let opposite = world.rollback_plan(&rollback.run, Scope::Everything);
    world.apply_plan(&opposite, Consent::default(), &NoFaults).unwrap();
}

#[test]
fn one_step_or_the_service_alone_is_undone() {
    let mut world = World::compromised();
    world.last_step().affects = vec![crate::plan::Affects::Calls];
    let refused = world.apply_plan(&world.plan(), Consent::default(), &NoFaults);
    assert!(matches!(&refused, Err(ApplyError::AffectsCalls { steps }) if steps[0].step == 12), "{refused:?}");
    let consent = Consent { call_impact: true, ..Consent::default() };
    let run = world.apply_plan(&world.plan(), consent, &NoFaults).unwrap().run;
    let service = world.rollback_plan(&run, Scope::Service);
    assert_eq!(service.steps.iter().map(|step| step.source.clone()).collect::<Vec<_>>(), [format!("{run}#12")]);
    let one = world.rollback_plan(&run, Scope::Step(1));
    world.apply_plan(&one, agreed(), &NoFaults).unwrap();
    assert_eq!(fs::read(world.at("/var/www/html/shell.php")).unwrap(), SHELL);
    assert_eq!(world.runs().run(&run).unwrap().state(), RunState::PartlyRolledBack);
    // Step 9 changed the same crontab after step 3.
    let in_the_way = world.rollback_plan(&run, Scope::Step(3));
    assert!(
        matches!(&in_the_way.steps[0].status, StepStatus::Blocked { why } if why.contains("step 9")),
        "{in_the_way:?}"
    );
}

#[test]
fn a_run_that_was_asked_to_stop_is_resumed() {
    let world = World::compromised();
    let asked = Cell::new(0);
    let target = Target::open(world.root.path()).unwrap();
    let plan = world.plan();
    let runs = world.runs();
    let cancel = || asked.replace(asked.get() + 1) == 4;
    let request = ApplyRequest {
        plan: &plan,
        target: &target,
        runs: &runs,
        tool: "triage test".to_owned(),
        evidence: Evidence::Waived,
        consent: Consent::default(),
        material: None,
        watch: Watch { clock: &world.clock, cancel: &cancel, progress: &mut |_| {}, examine: &crate::apply::accept },
    };
    let report = crate::apply::apply(request).unwrap();
    let stopped = report.stopped.unwrap();
    assert!(stopped.is_cancelled && stopped.step == 5, "{stopped:?}");
    assert_eq!(report.outcomes.len(), 4);
    assert_eq!(report.state, RunState::Interrupted);
    let resumed = world.resume(&report.run, &NoFaults).unwrap();
    assert_eq!(resumed.state, RunState::Applied);
    assert_eq!(resumed.outcomes.len(), plan.steps.len());
    assert_eq!(world.resume(&report.run, &NoFaults).unwrap().state, RunState::Applied, "at its end already");
}

#[test]
fn a_file_with_other_names_comes_back_as_its_own_and_that_is_said() {
    let mut world = World::empty();
    world.file("/var/www/html/a.php", SHELL, 0o644, (33, 33));
    fs::hard_link(world.at("/var/www/html/a.php"), world.at("/var/www/html/b.php")).unwrap();
    world.quarantine("/var/www/html/a.php");
    let run = world.apply().run;
    let report = world.rollback(&run);
    assert!(report.outcomes[0].notes.iter().any(|note| note.contains("2 names")), "{report:?}");
    assert_eq!(fs::read(world.at("/var/www/html/a.php")).unwrap(), SHELL);
}

#[test]
fn a_plan_for_another_host_is_refused() {
    let world = World::compromised();
    let plan = world.plan();
    assert!(check_host(&plan, &plan.host).is_ok());
    let mut other = plan.host.clone();
    other.digest = Digest::of(b"its clone");
    assert!(matches!(check_host(&plan, &other), Err(ApplyError::WrongHost { .. })));
}

/// Lets one call on the target fail.
struct FailAt {
    call: u64,
    seen: Cell<u64>,
    failed: Cell<&'static str>,
}

impl Faults for FailAt {
    fn at(&self, _: Moment, _: &'static str) -> Result<(), hands::Cut> {
        Ok(())
    }

    fn error(&self, doing: &'static str) -> Option<io::Error> {
        let now = self.seen.replace(self.seen.get() + 1);
        (now == self.call).then(|| {
            self.failed.set(doing);
            rustix::io::Errno::IO.into()
        })
    }
}

#[test]
fn a_call_that_fails_anywhere_leaves_a_run_that_can_be_undone() {
    let mut calls = 0;
    loop {
        let world = World::varied();
        let before = world.snapshot();
        let fail = FailAt { call: calls, seen: Cell::new(0), failed: Cell::new("") };
        let applied = world.apply_plan(&world.plan(), Consent::default(), &fail);
        if fail.failed.get().is_empty() {
            break;
        }
        let context = format!("call {calls}, {}, failed", fail.failed.get());
        let id = world.last().id().clone();
        match applied {
            Ok(report) => assert!(report.stopped.is_some(), "{context}: {report:?}"),
            Err(ApplyError::Io { .. } | ApplyError::Journal(_)) => {
                world.settle(&id);
            }
            Err(error) => panic!("{context}: {error}"),
        }
        let rollback = world.rollback(&id);
        assert_eq!(rollback.state, RunState::Applied, "{context}: {rollback:#?}");
        assert_same(&world.snapshot(), &before, &context);
        calls += 1;
    }
    eprintln!("{calls} calls failed one at a time");
    assert!(calls > 30, "{calls}");
}

/// A kernel or file system without `RENAME_EXCHANGE`, and a crash.
struct NoExchange(CutAt);

impl Faults for NoExchange {
    fn at(&self, moment: Moment, doing: &'static str) -> Result<(), hands::Cut> {
        self.0.at(moment, doing)
    }

    fn error(&self, doing: &'static str) -> Option<io::Error> {
        (doing == "exchanging it").then(|| io::ErrorKind::Unsupported.into())
    }
}

#[test]
fn without_exchange_edits_work_and_are_resumed_and_undone_from_anywhere() {
    let crontab = || {
        let mut world = World::empty();
        world.file("/var/spool/cron/asterisk", CRON, 0o600, (995, 995));
        world.remove_lines("/var/spool/cron/asterisk", &["*/3 * * * * /tmp/.k"]);
        world.settle_times();
        world
    };
    let mut points = 0;
    loop {
        let world = crontab();
        let before = world.snapshot();
        let applied = world.apply_plan(&world.plan(), Consent::default(), &NoExchange(CutAt::new(points)));
        let context = format!("cut at point {points}");
        match applied {
            Err(ApplyError::Cut) => {}
            Ok(report) => {
                assert_eq!(report.state, RunState::Applied);
                break;
            }
            Err(error) => panic!("{context}: {error}"),
        }
        let id = world.last().id().clone();
        let report = world.resume(&id, &NoExchange(CutAt::new(u64::MAX))).unwrap();
        assert_eq!(report.state, RunState::Applied, "{context}: {report:?}");
        assert_eq!(fs::read_dir(world.at("/var/spool/cron")).unwrap().count(), 1, "{context}");
        world.rollback(&id);
        assert_same(&world.snapshot(), &before, &context);
        points += 1;
    }
    assert!(points > 30, "{points}");
}

/// The key that somebody was given first is left out of the plan, and what was safe with it is not any more.
#[test]
fn part_of_a_plan_that_takes_the_last_way_to_log_in_is_refused_as_a_whole() {
    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExam";
    let mut world = World::empty();
    world.file("/etc/passwd", b"root:x:0:0::/root:/bin/bash\nadam:x:1:1::/home/adam:/bin/sh\n", 0o644, (0, 0));
    world.file("/etc/shadow", b"root:!:1::::::\nadam:$6$x$y:1::::::\n", 0o640, (0, 42));
    world.file("/etc/ssh/sshd_config", b"UsePAM yes\nPermitRootLogin prohibit-password\n", 0o600, (0, 0));
    world.file("/root/.ssh/authorized_keys", b"# none yet\n", 0o600, (0, 0));
    let line = RawText::from(format!("ssh-ed25519 {KEY} responder").as_str());
    world.step(Action::EditFile {
        path: EvidencePath::new("/root/.ssh/authorized_keys").unwrap(),
        edits: vec![crate::action::LineEdit::Ensure { line }],
    });
    world.lock_account("/etc/shadow", "adam");
    let before = world.snapshot();
    let part = world.plan().only(&[2]).unwrap();
    let refused = world.apply_plan(&part, Consent::default(), &NoFaults);
    let Err(ApplyError::Blocked { steps }) = &refused else { panic!("{refused:?}") };
    assert!(steps[0].why.contains("log in"), "{steps:?}");
    assert_same(&world.snapshot(), &before, "refused");
    let run = world.apply();
    assert_eq!(run.state, RunState::Applied, "{run:?}");
    let undone = world.rollback(&run.run);
    assert_eq!(undone.state, RunState::Applied, "{undone:?}");
}
