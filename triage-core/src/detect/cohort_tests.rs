#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::super::testing::{Scene, ids};
use super::*;
use crate::model::{FileMeta, Verdict};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n";
const CODE: &str = "<?php\nfunction twice($x) { return $x + $x; }\n";
/// 2024-01-01.
const INSTALLED: i64 = 1_704_067_200;

#[allow(clippy::unnecessary_wraps, reason = "as metadata has it")]
fn at(seconds: i64, nanoseconds: u32) -> Option<Timestamp> {
    Some(Timestamp::new(seconds, nanoseconds))
}

/// An application of twelve scripts, laid down within a minute by root.
fn application() -> Scene {
    (0..12_u32).fold(Scene::new().file("/etc/passwd", PASSWD), |scene, number| {
        scene.file_with(&format!("/var/www/html/app/part{number}.php"), CODE, 0o644, |meta| {
            meta.mtime = at(INSTALLED - 40 * DAY + i64::from(number) * DAY, number + 1);
            meta.ctime = at(INSTALLED + i64::from(number), number + 1);
        })
    })
}

fn with(path: &str, mode: u32, change: impl FnOnce(&mut FileMeta)) -> Vec<String> {
    let scene = application().file_with(path, CODE, mode, |meta| {
        meta.mtime = at(INSTALLED - 30 * DAY, 7);
        meta.ctime = at(INSTALLED + 5, 7);
        change(meta);
    });
    ids(&scene.findings())
}

const OTHER: &str = "/var/www/html/app/other.php";

#[test]
fn an_application_as_it_was_installed_gives_nothing() {
    assert!(application().findings().is_empty());
    assert!(with(OTHER, 0o644, |_| {}).is_empty());
}

#[test]
fn a_script_of_the_web_servers_among_those_of_root_is_told() {
    assert_eq!(with(OTHER, 0o644, |meta| meta.uid = 33), ["TR-MODE-0002 low"]);
    // An installer writes its settings as the web server.
    assert!(with("/var/www/html/app/config.php", 0o644, |meta| meta.uid = 33).is_empty());
    // Another administrator is no web server.
    assert!(with(OTHER, 0o644, |meta| meta.uid = 1000).is_empty());
}

#[test]
fn where_all_belongs_to_the_web_server_as_on_a_freepbx_nothing_is_told() {
    let scene =
        (0..20_u32).fold(Scene::new().file("/etc/passwd", "asterisk:x:995:995::/:/bin/sh\n"), |scene, number| {
            let path = format!("/var/www/html/admin/modules/core/page{number}.php");
            scene.file_with(&path, CODE, 0o664, |meta| meta.uid = if number == 0 { 0 } else { 995 })
        });
    assert!(scene.findings().is_empty());
}

#[test]
fn a_script_that_anybody_can_change_among_others_is_told() {
    assert_eq!(with(OTHER, 0o666, |_| {}), ["TR-MODE-0003 low"]);
    let sloppy = (0..12).fold(Scene::new(), |scene, number| {
        scene.file_with(&format!("/var/www/html/app/part{number}.php"), CODE, 0o777, |_| {})
    });
    assert!(sloppy.findings().is_empty(), "where all is open, one open file says nothing");
}

#[test]
fn a_script_that_came_later_is_told_by_its_time_or_by_the_time_that_it_cannot_set() {
    let late = INSTALLED + 200 * DAY;
    let young = with(OTHER, 0o644, |meta| {
        meta.mtime = at(late, 7);
        meta.ctime = at(late, 7);
    });
    assert_eq!(young, ["TR-TIME-0001 low"]);
    // `touch -r` sets the one time and not the other.
    assert_eq!(with(OTHER, 0o644, |meta| meta.ctime = at(late, 7)), ["TR-TIME-0002 low"]);
    // `touch -d` sets whole seconds.
    assert_eq!(with(OTHER, 0o644, |meta| meta.mtime = at(INSTALLED - 30 * DAY, 0)), ["TR-TIME-0003 low"]);
    // A day later is an update.
    let soon = INSTALLED + 12 * 3600;
    let updated = with(OTHER, 0o644, |meta| {
        meta.mtime = at(soon, 7);
        meta.ctime = at(soon, 7);
    });
    assert!(updated.is_empty(), "{updated:?}");
}

#[test]
fn an_archive_without_change_times_gives_no_other_signs() {
    let scene = (0..12_u32).fold(Scene::new(), |scene, number| {
        let path = format!("/var/www/html/app/part{number}.php");
        scene.file_with(&path, CODE, 0o644, |meta| meta.mtime = at(INSTALLED + i64::from(number), 0))
    });
    assert!(scene.findings().is_empty());
    let scene = scene.file_with(OTHER, CODE, 0o644, |meta| meta.mtime = at(INSTALLED - 30 * DAY, 0));
    assert!(scene.findings().is_empty());
}

#[test]
fn one_forged_time_does_not_move_what_is_usual() {
    for (forged, rules) in [(i64::MAX, &["TR-TIME-0001 low"][..]), (i64::MIN, &[][..])] {
        let found = with(OTHER, 0o644, |meta| (meta.mtime, meta.ctime) = (at(forged, 7), at(forged, 7)));
        assert_eq!(found, rules);
    }
}

#[test]
fn a_few_scripts_are_compared_with_those_above_and_too_few_with_none() {
    let found = with("/var/www/html/app/lib/deep/one.php", 0o644, |meta| meta.uid = 33);
    assert_eq!(found, ["TR-MODE-0002 low"]);
    let alone = Scene::new().file("/etc/passwd", PASSWD).file_with("/var/www/html/app/a.php", CODE, 0o666, |meta| {
        meta.uid = 33;
    });
    assert!(alone.findings().is_empty());
}

#[test]
fn what_nobody_may_read_is_told_where_it_matters() {
    let shadow = Scene::new().file_with("/etc/shadow", "", 0, |_| {}).file_with("/home/kim/x.php", CODE, 0, |_| {});
    assert!(shadow.findings().is_empty(), "Red Hat's shadow has no rights at all");
    let found = Scene::new().file_with("/var/www/html/x.php", CODE, 0, |_| {}).findings();
    assert_eq!(ids(&found), ["TR-MODE-0001 low"]);
}

#[test]
fn a_program_among_pictures_or_of_the_web_servers_is_told() {
    let scene = || Scene::new().file("/etc/passwd", PASSWD);
    let program =
        |path: &str, uid| ids(&scene().file_with(path, b"\x7fELF\x02", 0o755, |meta| meta.uid = uid).findings());
    assert_eq!(program("/var/www/html/uploads/run", 33), ["TR-MODE-0004 low"]);
    assert_eq!(program("/var/www/html/run", 33), ["TR-MODE-0004 low"]);
    assert!(program("/var/www/html/node_modules/x/bin/tool", 0).is_empty());
    assert!(ids(&scene().file("/var/www/html/uploads/data.bin", b"\x7fELF\x02").findings()).is_empty());
}

#[test]
fn signs_of_metadata_alone_make_suspicious_and_never_convict() {
    let late = INSTALLED + 200 * DAY;
    let scene = application().file_with("/var/www/html/app/іndex.php", CODE, 0o666, |meta| {
        meta.uid = 33;
        meta.mtime = at(late, 7);
        meta.ctime = at(late, 7);
    });
    let findings = scene.findings();
    let sum = findings.iter().find(|finding| finding.rule.0 == "TR-SCORE-0001").unwrap();
    assert!(sum.severity == Severity::Medium || sum.confidence < 75, "{sum:?}");
    assert_eq!(Verdict::of(&findings, false), Verdict::Suspicious);
    // With what a middling rule says of the content it is enough.
    assert!(sum.evidence.len() >= 3, "{:?}", sum.evidence);
}
