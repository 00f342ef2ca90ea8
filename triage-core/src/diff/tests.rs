use super::*;
use crate::model::{FileMeta, Mode};
use crate::source::fake::FakeRoot;
use crate::source::{DirectorySource, FollowingSource, Pattern, SourceKind};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

fn reading() -> Reading<'static> {
    Reading { options: Options::default(), progress: &(), cancel: &|| false }
}

fn of(old: &dyn Source, new: &dyn Source) -> Diff {
    let (everything, nothing) = (Selection::everything(), Selection::default());
    let side = |source| Side { source, selection: &everything, listed_only: &nothing, asked: &everything };
    compare(&side(old), &side(new), reading()).unwrap()
}

fn lines(diff: &Diff) -> Vec<String> {
    let files = diff.files.iter().map(|file| {
        let what: Vec<&str> = file.differences.iter().map(|difference| difference.what.as_str()).collect();
        let noise = file.noise.map(|noise| format!(" ({})", noise.as_str())).unwrap_or_default();
        format!("{} {} {}{noise}", file.change.as_str(), file.path, what.join(","))
    });
    let records = diff.records.iter().map(|record| {
        let what: Vec<&str> = record.differences.iter().map(|difference| difference.field.as_str()).collect();
        format!("{} {} in {} {}", record.change.as_str(), record.group, record.path, what.join(","))
    });
    files.chain(records).map(|line| line.trim_end().to_owned()).collect()
}

fn host(root: &Path) {
    for folder in ["etc", "var/www/html", "var/log", "tmp"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/bash\nbob:x:1000:1000::/home/bob:/bin/bash\n")
        .unwrap();
    fs::write(root.join("etc/crontab"), "17 * * * * root run-parts /etc/cron.hourly\n").unwrap();
    fs::write(root.join("var/www/html/a.php"), "<?php exit;").unwrap();
    fs::write(root.join("var/log/syslog"), "one\n").unwrap();
    symlink("/var/www", root.join("tmp/link")).unwrap();
    for path in ["etc/passwd", "etc/crontab", "var/www/html/a.php", "var/log/syslog"] {
        let file = fs::File::options().write(true).open(root.join(path)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000)).unwrap();
    }
}

#[test]
fn what_was_added_removed_and_changed_is_told_with_what_changed() {
    let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    host(old.path());
    host(new.path());
    let at = |path: &str| new.path().join(path);
    fs::write(at("etc/passwd"), "root:x:0:0:root:/root:/bin/sh\nnew:x:0:0::/root:/bin/bash\n").unwrap();
    fs::write(at("etc/crontab"), "# moved down\n17 * * * * root run-parts /etc/cron.hourly\n* * * * * root /tmp/.k\n")
        .unwrap();
    fs::write(at("var/www/html/new\nline.php"), "<?php exit;").unwrap();
    fs::remove_file(at("var/www/html/a.php")).unwrap();
    fs::write(at("var/log/syslog"), "one\ntwo\n").unwrap();
    fs::set_permissions(at("tmp"), fs::Permissions::from_mode(0o777)).unwrap();
    fs::set_permissions(old.path().join("tmp"), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(at("tmp/link")).unwrap();
    symlink("/etc", at("tmp/link")).unwrap();
    let open = |root: &Path| DirectorySource::open(root, SourceKind::Root).unwrap();
    let mut diff = of(&open(old.path()), &open(new.path()));
    // Two folders were made at two times; that is the test's and no finding.
    for file in &mut diff.files {
        file.differences.retain(|difference| difference.what != "created");
    }
    assert_eq!(
        lines(&diff),
        [
            "changed /etc/crontab content,size,mtime",
            "changed /etc/passwd content,size,mtime",
            "changed /tmp mode",
            "changed /tmp/link link_target",
            "changed /var/log/syslog content,size,mtime (grown logs)",
            "removed /var/www/html/a.php",
            "added /var/www/html/new\\nline.php",
            "added accounts in /etc/passwd",
            "removed accounts in /etc/passwd",
            "changed accounts in /etc/passwd shell",
            "added cron in /etc/crontab",
        ]
    );
    assert!(!diff.is_same());
    assert!(diff.gaps.is_empty(), "{:?}", diff.gaps);
    assert_eq!(diff.fold(), BTreeMap::from([(Noise::GrownLog, 1)]));
}

#[test]
fn a_state_and_itself_are_the_same() {
    let root = tempfile::tempdir().unwrap();
    host(root.path());
    let open = || FollowingSource::new(DirectorySource::open(root.path(), SourceKind::Root).unwrap());
    let diff = of(&open(), &open());
    assert_eq!(lines(&diff), Vec::<String>::new());
    assert!(diff.is_same());
    assert_eq!(diff.totals.compared, diff.totals.old_objects);
}

#[test]
fn only_times_differ_is_noise_and_a_log_that_shrank_is_not() {
    let mut meta = FileMeta::bare(FileKind::File, Mode::new(0o644), 1);
    meta.mtime = Some(Timestamp::new(9, 0));
    let old = FakeRoot::new().file("/a", b"x").file("/var/log/auth.log", b"long line");
    let new = FakeRoot::new().object("/a", meta, b"x").file("/var/log/auth.log", b"short");
    let diff = of(&old, &new);
    assert_eq!(lines(&diff), ["changed /a mtime (only times differ)", "changed /var/log/auth.log content,size"]);
}

#[test]
fn what_one_side_was_not_asked_for_or_could_not_read_is_no_difference() {
    let old = FakeRoot::new().file("/etc/a", b"1").file("/opt/b", b"1").file("/etc/c", b"1111");
    let new = FakeRoot::new().file("/etc/c", b"2").file("/srv/d", b"1");
    let everything = Selection::everything();
    let etc = Selection::new(vec![Pattern::new("/etc/**").unwrap()], Vec::new());
    let nothing = Selection::default();
    let diff = compare(
        &Side { source: &old, selection: &everything, listed_only: &nothing, asked: &everything },
        &Side { source: &new, selection: &everything, listed_only: &nothing, asked: &etc },
        Reading { options: Options { size_cap: 1, ..Options::default() }, ..reading() },
    )
    .unwrap();
    assert_eq!(lines(&diff), ["removed /etc/a", "changed /etc/c size", "added /srv/d"]);
    assert_eq!(diff.totals.outside, 1);
    assert_eq!(diff.gaps.len(), 1);
    assert!(diff.gaps[0].detail.starts_with("in the old state: "), "{:?}", diff.gaps);
}
