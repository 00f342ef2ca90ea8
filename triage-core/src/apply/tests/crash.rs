//! The power is cut before and after every altering call.

use super::*;
use crate::journal::RunState;

/// No name of ours is left in the target.
fn assert_tidy(world: &World, context: &str) {
    for path in world.snapshot().keys() {
        assert!(!path.windows(8).any(|part| part == b".triage-"), "{context}: {}", crate::model::escape(path));
    }
}

#[test]
fn a_whole_run_and_its_rollback_leave_everything_as_it_was() {
    let world = World::compromised();
    let before = world.snapshot();
    let report = world.apply();
    assert_eq!(report.stopped, None);
    assert_eq!(report.state, RunState::Applied, "{:#?}", report.outcomes);
    assert_tidy(&world, "applied");
    let after = world.timeless();
    for gone in ["shell.php", "pinned.php", "locked/dropper.php", "h1.php", "h2.php"] {
        assert!(!after.contains_key(format!("/var/www/html/{gone}").as_bytes()), "{gone}");
    }
    assert_eq!(
        after[&b"/var/spool/cron/asterisk"[..]].content,
        b"# jobs\n*/5 * * * * /usr/sbin/fwconsole job\n@daily /bin/true\n"
    );

    let rollback = world.rollback(&report.run);
    assert_eq!(rollback.state, RunState::Applied, "{:#?}", rollback.outcomes);
    assert_same(&world.snapshot(), &before, "rolled back");
    let runs = world.runs();
    assert_eq!(runs.run(&report.run).unwrap().state(), RunState::RolledBack);

    let again = world.rollback(&rollback.run);
    assert_eq!(again.state, RunState::Applied, "{:#?}", again.outcomes);
    assert_same(&world.timeless(), &after, "rollback rolled back");
    assert_eq!(runs.run(&rollback.run).unwrap().state(), RunState::RolledBack);
    assert_eq!(runs.run(&report.run).unwrap().state(), RunState::Applied, "it holds again");

    world.rollback(&report.run);
    assert_same(&world.snapshot(), &before, "rolled back once more");
    assert_eq!(runs.run(&report.run).unwrap().state(), RunState::RolledBack);
}

#[test]
fn resume_brings_a_run_that_was_cut_anywhere_to_its_end() {
    let wanted = {
        let world = World::varied();
        world.apply();
        world.timeless()
    };
    let mut points = 0;
    loop {
        let world = World::varied();
        let before = world.snapshot();
        match world.apply_plan(&world.plan(), Consent::default(), &CutAt::new(points)) {
            Err(ApplyError::Cut) => {}
            Ok(_) => break,
            Err(error) => panic!("point {points}: {error}"),
        }
        let context = format!("cut at point {points}");
        let id = world.last().id().clone();
        let is_whole = world.last().is_finished();
        assert_eq!(world.last().state(), if is_whole { RunState::Applied } else { RunState::Crashed }, "{context}");
        // And once more in the midst of the recovery.
        match world.resume(&id, &CutAt::new(points * 7 % 23)) {
            Err(ApplyError::Cut) | Ok(_) => {}
            other => panic!("{context}: {other:?}"),
        }
        let report = world.resume(&id, &NoFaults).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(report.state, RunState::Applied, "{context}: {report:#?}");
        assert_tidy(&world, &context);
        assert_same(&world.timeless(), &wanted, &context);
        let rollback = world.rollback(&id);
        assert_eq!(rollback.state, RunState::Applied, "{context}: {rollback:#?}");
        assert_same(&world.snapshot(), &before, &context);
        points += 1;
    }
    eprintln!("resumed from {points} points");
    assert!(points > 100, "{points}");
}

/// Cuts a run at every `stride`th point, settles it, rolls it back and looks at every byte. Returns the last point.
fn roll_back_from(build: fn() -> World, stride: u64) -> u64 {
    let mut point = 0;
    loop {
        let world = build();
        let before = world.snapshot();
        match world.apply_plan(&world.plan(), Consent::default(), &CutAt::new(point)) {
            Err(ApplyError::Cut) => {}
            Ok(_) => return point,
            Err(error) => panic!("point {point}: {error}"),
        }
        let context = format!("cut at point {point}");
        let id = world.last().id().clone();
        let settled = world.settle(&id);
        assert!(matches!(settled.state, RunState::Interrupted | RunState::Applied), "{context}: {settled:?}");
        assert_tidy(&world, &context);
        let rollback = world.rollback(&id);
        assert_eq!(rollback.state, RunState::Applied, "{context}: {rollback:#?}");
        assert_tidy(&world, &context);
        assert_same(&world.snapshot(), &before, &context);
        point += stride;
    }
}

#[test]
fn rollback_undoes_a_run_that_was_cut_anywhere() {
    let points = roll_back_from(World::varied, 1);
    eprintln!("rolled back from {points} points");
    assert!(points > 100, "{points}");
}

#[test]
fn rollback_undoes_a_long_run_that_was_cut_here_and_there() {
    let last = roll_back_from(World::compromised, 11);
    assert!(last > 200, "{last}");
}

#[test]
fn a_rollback_that_was_cut_anywhere_is_resumed() {
    let mut points = 0;
    loop {
        let world = World::varied();
        let before = world.snapshot();
        let applied = world.apply().run;
        let plan = world.rollback_plan(&applied, Scope::Everything);
        match world.apply_plan(&plan, agreed(), &CutAt::new(points)) {
            Err(ApplyError::Cut) => {}
            Ok(_) => break,
            Err(error) => panic!("point {points}: {error}"),
        }
        let context = format!("rollback cut at point {points}");
        let id = world.last().id().clone();
        let report = world.resume(&id, &NoFaults).unwrap_or_else(|error| panic!("{context}: {error}"));
        assert_eq!(report.state, RunState::Applied, "{context}: {report:#?}");
        assert_tidy(&world, &context);
        assert_same(&world.snapshot(), &before, &context);
        assert_eq!(world.runs().run(&applied).unwrap().state(), RunState::RolledBack, "{context}");
        points += 1;
    }
    eprintln!("rollback resumed from {points} points");
    assert!(points > 150, "{points}");
}
