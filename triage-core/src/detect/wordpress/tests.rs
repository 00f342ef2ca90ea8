//! A site and a list in memory.

use super::super::testing::{Scene, ids};
use super::super::{Detectors, KnownGood};
use super::*;
use std::sync::Arc;

const FILES: &[(&str, &str)] = &[
    ("index.php", "<?php // front"),
    ("wp-login.php", "<?php // login"),
    ("wp-admin/admin.php", "<?php // admin"),
    ("wp-admin/css/a.css", "a {}"),
    ("wp-includes/version.php", "<?php\n$wp_version = '6.8.1';\n"),
    ("wp-content/plugins/hello.php", "<?php // hello"),
    ("readme.html", "<p>"),
];

fn json(version: Option<&str>) -> String {
    let files: Vec<String> = FILES
        .iter()
        .map(|(name, content)| {
            format!("\"{name}\":\"{}\"", hex(&<[u8; 16]>::from(md5::Md5::digest(content.as_bytes()))))
        })
        .collect();
    let files = format!("{{{}}}", files.join(","));
    match version {
        Some(version) => format!("{{\"checksums\":{{\"{version}\":{files}}}}}"),
        None => format!("{{\"checksums\":{files}}}"),
    }
}

fn site() -> Scene {
    FILES
        .iter()
        .filter(|(name, _)| *name != "readme.html" && !name.starts_with("wp-content"))
        .fold(Scene::new().file("/srv/blog/wp-config.php", "<?php // ours"), |scene, (name, content)| {
            scene.file(&format!("/srv/blog/{name}"), content)
        })
}

fn look(scene: &Scene, json: &str) -> (Vec<Finding>, Arc<WordPressDetector>) {
    let lists = CoreChecksums::read("list.json", json.as_bytes()).unwrap();
    let run = |scene: &Scene| {
        let detector = Arc::new(WordPressDetector::new(lists.clone()));
        (scene.findings_of(Detectors::new(vec![Box::new(Arc::clone(&detector))])), detector)
    };
    let (found, detector) = run(scene);
    assert_eq!(found, run(&scene.reversed()).0, "the order of visits shows");
    (found, detector)
}

fn changed(scene: Scene, path: &str, content: &str) -> Scene {
    let mut scene = scene.file(path, content);
    scene.keep_last();
    scene
}

#[test]
fn a_clean_site_has_nothing_to_tell_by_either_shape_of_the_answer() {
    for json in [json(None), json(Some("6.8.1"))] {
        assert!(CoreChecksums::is_like(json.as_bytes()));
        assert_eq!(ids(&look(&site(), &json).0), [""; 0]);
    }
}

#[test]
fn altered_added_and_missing_files_of_the_core_are_told() {
    let scene = changed(site(), "/srv/blog/wp-login.php", "<?php // login, and more")
        .file("/srv/blog/wp-includes/class-cache.php", "<?php exit;")
        .file("/srv/blog/wp-includes/notes.txt", "x")
        .file("/srv/blog/wp-blogs.php", "<?php exit;")
        .file("/srv/blog/wp-content/uploads/own.php", "<?php exit;");
    let (found, _) = look(&scene, &json(None));
    assert_eq!(ids(&found), ["TR-WORDPRESS-0002 high", "TR-WORDPRESS-0001 high", "TR-WORDPRESS-0002 high"]);
}

#[test]
fn an_altered_version_file_does_not_make_the_rest_unknown() {
    let other = "<?php\n$wp_version = '9.9';\n/* more */";
    let scene = changed(site(), "/srv/blog/wp-includes/version.php", other);
    let (found, _) = look(&scene, &json(None));
    assert_eq!(ids(&found), ["TR-WORDPRESS-0001 high"]);
    assert_eq!(found[0].subject.path().to_string(), "/srv/blog/wp-includes/version.php");
}

#[test]
fn a_list_of_another_release_is_a_gap_and_no_finding() {
    let mut scene = Scene::new();
    for (name, content) in FILES {
        scene = scene.file(&format!("/srv/blog/{name}"), content.replace("6.8.1", "6.7") + "// other");
    }
    let lists = CoreChecksums::read("list.json", json(Some("6.8.1")).as_bytes()).unwrap();
    let judged = scene.judge(WordPressDetector::new(lists));
    assert!(judged.value.is_empty());
    let gaps: Vec<_> = judged.gaps.iter().map(|gap| gap.detail.as_str()).collect();
    assert_eq!(
        gaps,
        [
            "checksums of `list.json` are for no WordPress in the evidence",
            "none of the checksums that were given is for this WordPress 6.7",
        ]
    );
}

#[test]
fn a_published_file_weighs_less_and_an_altered_one_more() {
    let weighed = |content: &str| {
        let scene = changed(site(), "/srv/blog/wp-login.php", content);
        let (_, detector) = look(&scene, &json(None));
        let path = EvidencePath::new("/srv/blog/wp-login.php").unwrap();
        let subject = Subject::File { path, sha256: Some(Digest::of(content.as_bytes())) };
        let mut found = [Finding::new("TR-X-0001", "x", (Category::WebShell, Severity::High, 80), subject, Vec::new())];
        KnownGood::new(detector.authorities()).weigh(&mut found);
        found[0].confidence
    };
    assert_eq!((weighed("<?php // login"), weighed("<?php // other")), (40, 90));
}

#[test]
fn answers_that_are_no_checksums_are_refused() {
    for (text, want) in [
        ("{\"checksums\":false}", "no checksums"),
        ("{\"checksums\":{\"../x.php\":\"d41d8cd98f00b204e9800998ecf8427e\"}}", "../x.php"),
        ("{\"checksums\":{\"x.php\":\"d41d\"}}", "x.php"),
        ("{\"checksums\":[1]}", "not valid"),
        ("{", "not valid"),
    ] {
        let error = CoreChecksums::read("list.json", text.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(want), "{text}: {error}");
    }
}
