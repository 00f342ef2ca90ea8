//! Files that come back from each kind of source of good copies: a package of dpkg, one of rpm, a signed module, a bundle, a tree that is vouched for.

use super::*;
use crate::engine::material::{several, tests::one_of_each};
use crate::journal::RunState;
use crate::model::{Category, Finding, Severity, Subject};
use crate::plan::PlanRequest;
use crate::playbook::Playbook;
use crate::source::Source;
use std::fmt::Write as _;
use std::sync::{Arc, OnceLock};

/// What stands in place of each file that comes back.
const THEIRS: &[u8] = b"#!/bin/true somebody else's\n";

/// The steps as they are planned, what each puts in place, and all sources as one, as `apply --from` has them.
struct Good {
    actions: Vec<Action>,
    contents: Vec<(String, &'static [u8])>,
    source: Arc<dyn Source>,
}

/// Made once: packages and signatures take longer than all that is done with them.
fn good() -> &'static Good {
    static GOOD: OnceLock<Good> = OnceLock::new();
    GOOD.get_or_init(|| {
        let world = World::in_memory();
        let places: Vec<(String, &'static [u8])> =
            one_of_each().into_iter().map(|(_, at, content, _)| (at.to_owned(), content)).collect();
        lay(&world, &places);
        let actions = planned(&world);
        let all = several(one_of_each().into_iter().map(|(_, _, _, source)| source).collect()).unwrap();
        Good { actions, contents: places, source: Arc::from(all) }
    })
}

/// What the intruder left of the files; the last one is gone.
fn lay(world: &World, places: &[(String, &'static [u8])]) {
    for (at, _) in places {
        world.file(at, THEIRS, 0o6777, (33, 33));
    }
    if let Some((at, _)) = places.last() {
        fs::remove_file(world.at(at)).unwrap();
    }
}

/// Has each file planned with the source that its step names.
fn planned(world: &World) -> Vec<Action> {
    let mut steps = String::new();
    let mut findings = Vec::new();
    for (name, at, _, _) in one_of_each() {
        let _ = writeln!(
            steps,
            "  - {{id: {name}, title: t, phase: repair, risk: low, action: restore_file, with: {{from: {name}}}, \
             for_each: 'findings.filter(f, f.subject.path == \"{at}\")'}}"
        );
        let subject = Subject::File { path: EvidencePath::new(at).unwrap(), sha256: None };
        findings.push(Finding::new("T", "t", (Category::Tampering, Severity::High, 90), subject, Vec::new()));
    }
    let text = format!("format_version: 1\nname: test\ntitle: t\nsteps:\n{steps}");
    let plan = crate::plan::make(&PlanRequest {
        living: None,
        findings: &findings,
        playbooks: &[Playbook::load("test", &text).unwrap()],
        inputs: &BTreeMap::new(),
        material: None,
        open_source: &|name| {
            let found = one_of_each().into_iter().find(|(known, ..)| *known == name);
            found.map(|(_, _, _, source)| source).ok_or_else(|| "there is none".to_owned())
        },
        source: &world.source(),
        host: world.plan().host,
        target: "/".to_owned(),
        tool: "triage test".to_owned(),
        created: Timestamp::new(0, 0),
    });
    let steps = plan.unwrap().value.steps;
    assert!(steps.iter().all(|step| step.status == StepStatus::WouldChange), "{steps:#?}");
    steps.into_iter().map(|step| step.action).collect()
}

pub(super) fn materials() -> World {
    let mut world = World::in_memory();
    fill(&mut world);
    world
}

pub(super) fn fill(world: &mut World) {
    let good = good();
    lay(world, &good.contents);
    world.settle_times();
    world.pin("/usr/bin/ls");
    for action in &good.actions {
        let Action::RestoreFile { path, to, origin, source_sha256, .. } = action.clone() else { panic!("{action:?}") };
        let from = world.state_of(std::str::from_utf8(path.as_bytes()).unwrap());
        world.step(Action::RestoreFile { path, from, to, origin, source_sha256 });
    }
    world.good = Some(Arc::clone(&good.source));
}

#[test]
fn each_kind_of_source_gives_its_file_back_and_a_rollback_takes_it_away_again() {
    let world = materials();
    let before = world.snapshot();
    let origins: Vec<String> = world
        .plan()
        .steps
        .iter()
        .map(|step| match &step.action {
            Action::RestoreFile { origin, .. } => origin.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    for what in ["dpkg package", "rpm package", "signed by the vendor", "good.tar.zst", "fake"] {
        assert_eq!(origins.iter().filter(|origin| origin.contains(what)).count(), 1, "{what}: {origins:?}");
    }
    let report = world.apply();
    assert_eq!(report.state, RunState::Applied, "{:#?}", report.outcomes);
    for (at, content) in &good().contents {
        assert_eq!(fs::read(world.at(at)).unwrap(), *content, "{at}");
        let mode = fs::metadata(world.at(at)).unwrap().permissions().mode();
        assert_eq!(mode & 0o2000, 0, "{at}: the intruder's set-id bits came back: {mode:o}");
    }
    world.rollback(&report.run);
    assert_same(&world.snapshot(), &before, "rolled back");
}
