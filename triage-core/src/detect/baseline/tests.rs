//! A host and its baseline, both in memory.

use super::super::testing::{Scene, ids};
use super::super::{Detectors, KnownGood};
use super::*;
use crate::source::fake::FakeRoot;
use std::sync::Arc;

const OLD: &str = "<?php\na();\nb();\n";
const NEW: &str = "<?php\na();\nx();\nb();\n";

fn baseline(files: &[(&str, &str)]) -> Baseline {
    let root = files.iter().fold(FakeRoot::new(), |root, (path, content)| root.file(path, content.as_bytes()));
    let everything = Selection::everything();
    let part = Part { selection: &everything, listed_only: &Selection::default(), asked: &everything };
    Baseline::read(Box::new(root), &part, Options::default(), &(), &|| false).unwrap()
}

fn look(scene: &Scene, baselines: impl Fn() -> Vec<Baseline>) -> (Vec<Finding>, Arc<BaselineDetector>) {
    let run = |scene: &Scene| {
        let detector = Arc::new(BaselineDetector::new(baselines()));
        let found = scene.findings_of(Detectors::new(vec![Box::new(Arc::clone(&detector))]));
        (found, detector)
    };
    let (found, detector) = run(scene);
    assert_eq!(found, run(&scene.reversed()).0, "the order of visits shows");
    (found, detector)
}

fn text(finding: &Finding) -> String {
    finding
        .evidence
        .iter()
        .filter_map(|evidence| match evidence {
            Evidence::Attribute { name, value } if name == "difference" => Some(value.as_bytes()),
            _ => None,
        })
        .map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
        .collect()
}

#[test]
fn changed_code_comes_with_its_difference_and_logs_are_left_alone() {
    let scene = Scene::new()
        .file("/var/www/a.php", NEW)
        .file("/var/www/same.php", OLD)
        .file("/var/www/new.php", "<?php exit;")
        .file("/var/log/syslog", "more")
        .file("/usr/bin/new", "#!/bin/sh\n");
    let old = [("/var/www/a.php", OLD), ("/var/www/same.php", OLD), ("/var/log/syslog", "less")];
    let (found, _) = look(&scene, || vec![baseline(&old)]);
    assert_eq!(ids(&found), ["TR-BASELINE-0001 medium", "TR-BASELINE-0002 medium", "TR-BASELINE-0002 low"]);
    assert_eq!(text(&found[0]), "@@ -1 +1 @@\n <?php\n a();\n+x();\n b();\n");
}

#[test]
fn one_sister_that_has_a_content_is_enough() {
    let scene = Scene::new().file("/var/www/a.php", NEW);
    let (found, _) = look(&scene, || vec![baseline(&[("/var/www/a.php", OLD)]), baseline(&[("/var/www/a.php", NEW)])]);
    assert!(found.is_empty(), "{found:?}");
}

#[test]
fn a_baseline_vouches_for_what_is_as_in_it_and_the_difference_goes_to_every_finding() {
    let path = EvidencePath::new("/var/www/a.php").unwrap();
    let finding = |content: &str| {
        let subject = Subject::File { path: path.clone(), sha256: Some(Digest::of(content.as_bytes())) };
        Finding::new("TR-WEBSHELL-0001", "x", (Category::WebShell, Severity::High, 80), subject, Vec::new())
    };
    let weighed = |content: &str| {
        let (_, detector) =
            look(&Scene::new().file("/var/www/a.php", content), || vec![baseline(&[("/var/www/a.php", OLD)])]);
        let mut findings = [finding(content)];
        KnownGood::new(detector.authorities()).weigh(&mut findings);
        let [found] = findings;
        found
    };
    let same = weighed(OLD);
    assert_eq!((same.severity, same.confidence), (Severity::High, 40), "high stays high");
    let changed = weighed(NEW);
    assert_eq!(changed.confidence, 90);
    assert!(text(&changed).contains("+x();"), "{changed:?}");
}

#[test]
fn what_a_baseline_was_never_asked_for_is_unknown_and_not_new() {
    let root = || Box::new(FakeRoot::new().file("/etc/passwd", b"x"));
    let asked = Selection::new(vec![crate::source::Pattern::new("/etc/**").unwrap()], Vec::new());
    let part = Part { selection: &Selection::everything(), listed_only: &Selection::default(), asked: &asked };
    let read = || Baseline::read(root(), &part, Options::default(), &(), &|| false).unwrap();
    let (found, detector) = look(&Scene::new().file("/var/www/a.php", NEW), || vec![read()]);
    assert!(found.is_empty(), "{found:?}");
    let path = EvidencePath::new("/var/www/a.php").unwrap();
    let digests = Digests { sha256: Some(Digest::of(b"x")), md5: None };
    assert_eq!(detector.authorities()[0].judge(&path, &digests).standing, Standing::Unknown);
}

#[test]
fn a_host_that_differs_in_everything_is_a_bounded_number_of_findings_and_differences() {
    let names: Vec<String> = (0..700).map(|n| format!("/var/www/{n:03}.php")).collect();
    let old: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), OLD)).collect();
    let scene = names.iter().fold(Scene::new(), |scene, name| scene.file(name, NEW));
    let (found, detector) = look(&scene, || vec![baseline(&old)]);
    assert_eq!(found.len(), MOST);
    assert_eq!(detector.differences.lock().unwrap().len(), MAX_DIFFERENCES);
    assert_eq!(found.iter().filter(|finding| !text(finding).is_empty()).count(), MAX_DIFFERENCES);
}

#[test]
fn what_a_baseline_could_not_read_is_unknown_and_a_gap() {
    let root = FakeRoot::new().file("/etc/passwd", b"x").unreadable("/var/www/a.php", OLD.as_bytes());
    let everything = Selection::everything();
    let part = Part { selection: &everything, listed_only: &Selection::default(), asked: &everything };
    let baseline = Baseline::read(Box::new(root), &part, Options::default(), &(), &|| false).unwrap();
    let judged = Scene::new().file("/var/www/a.php", NEW).judge(BaselineDetector::new(vec![baseline]));
    assert!(judged.value.is_empty(), "{:?}", judged.value);
    assert!(judged.gaps[0].detail.starts_with("1 objects of the baseline"), "{:?}", judged.gaps);
}
