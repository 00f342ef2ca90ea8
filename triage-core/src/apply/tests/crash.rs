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

/// Cuts a run at every point, resumes it, and rolls it back. Returns the number of points.
fn resume_from_everywhere(build: fn() -> World) -> u64 {
    let wanted = {
        let world = build();
        world.apply();
        world.timeless()
    };
    let mut points = 0;
    loop {
        let world = build();
        let before = world.snapshot();
        match world.apply_plan(&world.plan(), Consent::default(), &CutAt::new(points)) {
            Err(ApplyError::Cut) => {}
            Ok(_) => return points,
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
        resumes_and_rolls_back(&world, &id, &wanted, &before, &context);
        points += 1;
    }
}

fn resumes_and_rolls_back(world: &World, id: &RunId, wanted: &Snapshot, before: &Snapshot, context: &str) {
    let report = world.resume(id, &NoFaults).unwrap_or_else(|error| panic!("{context}: {error}"));
    assert_eq!(report.state, RunState::Applied, "{context}: {report:#?}");
    assert_tidy(world, context);
    assert_same(&world.timeless(), wanted, context);
    let rollback = world.rollback(id);
    assert_eq!(rollback.state, RunState::Applied, "{context}: {rollback:#?}");
    assert_tidy(world, context);
    assert_same(&world.snapshot(), before, context);
}

/// Cuts a run after every journal line and tears that line in two, as a device does that lost power while it wrote. Returns the
/// number of lines.
fn torn_everywhere(build: fn() -> World) -> u64 {
    let wanted = {
        let world = build();
        world.apply();
        world.timeless()
    };
    let (mut point, mut torn) = (0, 0);
    loop {
        let world = build();
        let before = world.snapshot();
        let cut = CutAt::new(point);
        match world.apply_plan(&world.plan(), Consent::default(), &cut) {
            Err(ApplyError::Cut) => {}
            Ok(_) => return torn,
            Err(error) => panic!("point {point}: {error}"),
        }
        if cut.at.get() == Some((Moment::After, "writing to the journal")) {
            let id = world.last().id().clone();
            let journal = world.state.path().join("triage/runs").join(id.as_str()).join("journal.jsonl");
            let text = fs::read(&journal).unwrap();
            let body = &text[..text.len() - 1];
            let start = body.iter().rposition(|&byte| byte == b'\n').unwrap() + 1;
            let length = (start + (body.len() - start) * usize::try_from(point % 9 + 1).unwrap() / 10) as u64;
            fs::OpenOptions::new().write(true).open(&journal).unwrap().set_len(length).unwrap();
            resumes_and_rolls_back(&world, &id, &wanted, &before, &format!("line torn at point {point}"));
            torn += 1;
        }
        point += 1;
    }
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
fn rollback_undoes_a_long_run_that_was_cut_here_and_there() {
    let last = roll_back_from(World::compromised, 11);
    assert!(last > 200, "{last}");
}

/// Cuts a rollback at every point and resumes it. Returns the number of points.
fn resume_rollback_from_everywhere(build: fn() -> World) -> u64 {
    let mut points = 0;
    loop {
        let world = build();
        let before = world.snapshot();
        let applied = world.apply().run;
        let plan = world.rollback_plan(&applied, Scope::Everything);
        match world.apply_plan(&plan, agreed(), &CutAt::new(points)) {
            Err(ApplyError::Cut) => {}
            Ok(_) => return points,
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
}

/// The four ways to lose power, for one kind of host.
macro_rules! power_is_lost {
    ($($name:ident: $build:expr;)*) => {
        $(mod $name {
            use super::*;

            #[test]
            fn resume_brings_a_run_that_was_cut_anywhere_to_its_end() {
                let points = resume_from_everywhere($build);
                eprintln!("{points} points, 0 losses");
                assert!(points >= 40, "{points}");
            }

            #[test]
            fn rollback_undoes_a_run_that_was_cut_anywhere() {
                let points = roll_back_from($build, 1);
                eprintln!("{points} points, 0 losses");
                assert!(points >= 40, "{points}");
            }

            #[test]
            fn a_rollback_that_was_cut_anywhere_is_resumed() {
                let points = resume_rollback_from_everywhere($build);
                eprintln!("{points} points, 0 losses");
                assert!(points >= 40, "{points}");
            }

            #[test]
            fn a_last_line_that_was_torn_anywhere_loses_nothing() {
                let points = torn_everywhere($build);
                eprintln!("{points} points, 0 losses");
                assert!(points > 5, "{points}");
            }
        })*
    };
}

power_is_lost! {
    files: World::varied;
    specials: worlds::specials;
    metadata: worlds::metadata;
    edits: worlds::edits;
    accounts: worlds::accounts;
    units: worlds::units;
    copies: worlds::copies;
    sources: materials::materials;
}

/// How many points the tests above try, and that every action is among them.
#[test]
fn more_than_two_thousand_points_are_tried_and_every_action_is_among_them() {
    let (mut points, mut actions) = (0, std::collections::BTreeSet::new());
    for (name, build) in worlds::WORLDS {
        let world = build();
        actions.extend(world.plan().steps.iter().map(|step| step.action.kind()));
        let applied = CutAt::new(u64::MAX);
        let run = world.apply_plan(&world.plan(), Consent::default(), &applied).unwrap().run;
        let lines = world.last().lines().len() as u64 - 1;
        let plan = world.rollback_plan(&run, Scope::Everything);
        actions.extend(plan.steps.iter().map(|step| step.action.kind()));
        let undone = CutAt::new(u64::MAX);
        world.apply_plan(&plan, agreed(), &undone).unwrap();
        let all = 2 * applied.seen.get() + undone.seen.get() + lines;
        eprintln!("{name}: {all} points");
        points += all;
    }
    eprintln!("{points} points");
    assert!(points >= 2000, "{points}");
    assert_eq!(actions.len(), 17, "an action is tried nowhere: {actions:?}");
}
