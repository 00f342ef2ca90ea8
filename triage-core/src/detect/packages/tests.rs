use super::*;
use crate::detect::testing::{Scene, ids};
use crate::detect::{Detectors, Standing};
use crate::model::{FileKind, FileMeta, Mode};
use crate::sweep::Visitor;
use std::fmt::Write as _;
use std::path::Path;

const ELF: &[u8] = b"\x7fELF genuine";
const EVIL: &[u8] = b"\x7fELF replaced";

fn md5(content: &[u8]) -> String {
    use md5::Digest as _;
    dpkg::hex(&<[u8; 16]>::from(md5::Md5::digest(content)))
}

/// A host with one package of `dpkg` that ships these files.
fn debian(name: &str, files: &[(&str, &[u8])], conffiles: &[(&str, &[u8])]) -> Scene {
    let mut status =
        format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1.0-1\nConffiles:\n");
    for (path, content) in conffiles {
        writeln!(status, " {path} {}", md5(content)).unwrap();
    }
    let sums: Vec<String> = files.iter().map(|(path, content)| format!("{}  {path}\n", md5(content))).collect();
    let list: Vec<String> =
        files.iter().chain(conffiles).map(|(path, _)| format!("/{}\n", path.trim_start_matches('/'))).collect();
    Scene::new()
        .file("/var/lib/dpkg/status", status)
        .file(&format!("/var/lib/dpkg/info/{name}.md5sums"), sums.concat())
        .file(&format!("/var/lib/dpkg/info/{name}.list"), list.concat())
}

fn program(scene: Scene, path: &str, content: &[u8]) -> Scene {
    scene.file_with(path, content, 0o755, |_| {})
}

fn own(scene: &Scene) -> Vec<String> {
    let found: Vec<Finding> =
        scene.findings().into_iter().filter(|finding| finding.rule.0.starts_with("TR-PACKAGE-")).collect();
    ids(&found)
}

#[test]
fn a_replaced_program_is_found_with_both_digests_and_the_limit() {
    let scene = program(debian("coreutils", &[("bin/ls", ELF)], &[]), "/usr/bin/ls", EVIL);
    let found = scene.findings();
    let finding = found.iter().find(|finding| finding.rule.0 == "TR-PACKAGE-0001").unwrap();
    assert_eq!((finding.severity, finding.confidence), (Severity::High, 90));
    assert_eq!(finding.subject.path().as_bytes(), b"/usr/bin/ls");
    for expected in [
        attribute("package", "coreutils 1.0-1 (dpkg)"),
        attribute("md5_expected", &md5(ELF)),
        attribute("md5_actual", &md5(EVIL)),
        attribute("limit", LIMIT),
    ] {
        assert!(finding.evidence.contains(&expected), "{:?}", finding.evidence);
    }
}

#[test]
fn a_genuine_host_has_no_finding_whatever_its_packages_call_the_folders() {
    let scene =
        debian("bash", &[("bin/bash", ELF), ("usr/share/doc/bash/README", b"gone")], &[("/etc/bash.bashrc", b"x")]);
    let scene = program(scene, "/usr/bin/bash", ELF).file("/etc/bash.bashrc", "x").link("/bin", "usr/bin");
    assert_eq!(own(&scene), [] as [&str; 0]);
}

#[test]
fn configuration_scripts_and_data_are_told_apart() {
    let files: [(&str, &[u8]); 3] =
        [("usr/share/php/a.php", b"1"), ("usr/share/x/data.bin", b"1"), ("var/www/html/index.php", b"1")];
    let scene = debian("app", &files, &[("/etc/app.conf", b"1")])
        .file("/usr/share/php/a.php", "2")
        .file("/usr/share/x/data.bin", "2")
        .file("/var/www/html/index.php", "2")
        .file("/etc/app.conf", "2");
    assert_eq!(
        own(&scene),
        ["TR-PACKAGE-0002 medium", "TR-PACKAGE-0002 low", "TR-PACKAGE-0002 low", "TR-PACKAGE-0003 low"]
    );
}

#[test]
fn a_file_that_another_package_took_over_is_as_either_ships_it() {
    let scene = debian("new", &[("usr/bin/tool", ELF)], &[])
        .file("/var/lib/dpkg/info/old.md5sums", format!("{}  usr/bin/tool\n", md5(b"old")))
        .file(
            "/var/lib/dpkg/status",
            "Package: new\nStatus: install ok installed\nVersion: 1\n\nPackage: old\nStatus: install ok installed\nVersion: 1\n",
        );
    let mut scene = program(scene, "/usr/bin/tool", ELF);
    scene.keep_last();
    assert_eq!(own(&scene), [] as [&str; 0]);
}

#[test]
fn a_diverted_file_is_looked_for_where_it_went() {
    let scene = debian("dash", &[("usr/bin/sh", ELF)], &[])
        .file("/var/lib/dpkg/diversions", "/usr/bin/sh\n/usr/bin/sh.distrib\nbash\n");
    let scene = program(program(scene, "/usr/bin/sh", b"another"), "/usr/bin/sh.distrib", ELF);
    assert_eq!(own(&scene), [] as [&str; 0]);
}

#[test]
fn a_removed_package_claims_nothing() {
    let scene = debian("gone", &[("usr/bin/x", ELF)], &[])
        .file("/var/lib/dpkg/status", "Package: gone\nStatus: deinstall ok config-files\nVersion: 1\n");
    let mut scene = program(scene, "/usr/bin/x", EVIL);
    scene.keep_last();
    assert_eq!(own(&scene), [] as [&str; 0]);
}

#[test]
fn a_deleted_program_is_told_where_absence_means_something() {
    let scene = debian("auditd", &[("sbin/auditd", ELF), ("usr/share/x", b"y")], &[]);
    assert_eq!(own(&scene), ["TR-PACKAGE-0004 low"]);
    assert_eq!(own(&debian("auditd", &[("sbin/auditd", ELF)], &[]).part()), [] as [&str; 0]);
}

#[test]
fn what_no_package_owns_is_told_among_the_packages_programs() {
    let scene = debian("base", &[("usr/bin/ls", ELF)], &[]);
    let scene = program(program(scene, "/usr/bin/ls", ELF), "/usr/bin/.x", ELF)
        .file("/usr/lib/x86_64-linux-gnu/security/pam_evil.so", ELF)
        .file_with("/usr/lib/helper", ELF, 0o4755, |_| {});
    assert_eq!(own(&scene), ["TR-PACKAGE-0006 medium", "TR-PACKAGE-0007 medium", "TR-PACKAGE-0008 low"]);
    // Without the lists of what packages own, nobody can say that a file has none.
    let scene = Scene::new().file("/var/lib/dpkg/info/base.md5sums", format!("{}  usr/bin/ls\n", md5(ELF)));
    let scene = program(scene, "/usr/bin/ls", ELF);
    assert_eq!(own(&program(scene, "/usr/bin/.x", ELF)), [] as [&str; 0]);
}

#[test]
fn a_shell_in_a_pristine_file_is_less_sure_and_still_there() {
    let shell = b"<?php exit; // inert\n@eval(base64_decode($_POST['c']));\n";
    let detectors = || {
        let yara =
            crate::detect::YaraDetector::new(crate::detect::RuleSet::builtin(), crate::detect::YaraOptions::default());
        Detectors::builtin(vec![Box::new(yara)]).unwrap()
    };
    let confidence = |shipped: &[u8]| {
        let detectors = detectors();
        let sums = format!("{}  usr/share/app/x.php\n", md5(shipped));
        let files: [(&str, &[u8]); 2] =
            [("/usr/share/app/x.php", shell), ("/var/lib/dpkg/info/app.md5sums", sums.as_bytes())];
        for (path, content) in files {
            let path = EvidencePath::new(path).unwrap();
            let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), content.len() as u64);
            let sha256 = Some(Digest::of(content));
            detectors.visit(&Swept { path: &path, meta: &meta, sha256, content: Some(content) });
        }
        let found = detectors.conclude(&HostContext { is_host: true, gaps: &[], selects: &|_| true }).value;
        let shell = found.into_iter().find(|finding| finding.category == Category::WebShell).unwrap();
        (
            shell.severity,
            shell.confidence,
            shell.evidence.iter().any(|e| matches!(e, Evidence::Attribute { name, .. } if name == "known_good")),
        )
    };
    let (pristine, altered) = (confidence(shell), confidence(b"something else"));
    assert_eq!(pristine.0, altered.0, "the severity stays");
    assert!(pristine.1 < altered.1 && pristine.1 > 0 && pristine.2 && altered.2, "{pristine:?} {altered:?}");
}

fn rpm_fixture() -> Vec<u8> {
    std::fs::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/rpm/berkeley_db_with_overflow_pages.in")))
        .unwrap()
}

#[test]
fn a_file_of_an_rpm_host_is_held_against_its_sha256_and_mode() {
    let scene = |program: &[u8], mode| {
        Scene::new()
            .file("/var/lib/rpm/Packages", rpm_fixture())
            .file_with("/usr/bin/tiny", program, mode, |_| {})
            .file("/etc/tiny/tiny.conf", "changed")
    };
    assert_eq!(own(&scene(b"#!/bin/sh\n", 0o4755)), ["TR-PACKAGE-0003 low"]);
    assert_eq!(own(&scene(b"#!/bin/sh\nevil\n", 0o755)), ["TR-PACKAGE-0001 high", "TR-PACKAGE-0003 low"]);
    // Its package gives it the owner's rights, and not to everybody to write.
    assert_eq!(own(&scene(b"#!/bin/sh\n", 0o6757)), ["TR-PACKAGE-0005 high", "TR-PACKAGE-0003 low"]);
}

#[test]
fn a_database_larger_than_the_memory_cap_is_read_and_a_large_file_is_unknown() {
    let detector = PackageDetector::new();
    let mut report = Report::default();
    let fixture = rpm_fixture();
    let look = |path: &str, sha256: Option<Digest>, content: Option<&[u8]>, report: &mut Report| {
        let path = EvidencePath::new(path).unwrap();
        let meta = FileMeta::bare(FileKind::File, Mode::new(0o755), 1);
        detector.inspect_large(&Swept { path: &path, meta: &meta, sha256, content }, report);
    };
    look("/var/lib/rpm/Packages", None, Some(&fixture), &mut report);
    look(
        "/var/lib/dpkg/info/huge.md5sums",
        None,
        Some(format!("{}  usr/bin/huge\n", md5(b"x")).as_bytes()),
        &mut report,
    );
    look("/usr/bin/huge", Some(Digest::of(b"y")), None, &mut report);
    look("/usr/bin/tiny", Some(Digest::of(b"y")), None, &mut report);
    detector.conclude(&HostContext { is_host: false, gaps: &[], selects: &|_| true }, &mut report);
    assert_eq!(ids(&report.findings), ["TR-PACKAGE-0001 high"]);
    assert!(report.gaps.iter().any(|gap| gap.path.as_bytes() == b"/usr/bin/huge" && gap.detail.contains("unknown")));
    let authority = &detector.authorities()[0];
    let judge = |path: &str| authority.judge(&EvidencePath::new(path).unwrap(), &Digests::default()).standing;
    assert_eq!((judge("/usr/bin/huge"), judge("/usr/bin/nobody")), (Standing::Unknown, Standing::Unowned));
}

#[test]
fn a_host_whose_every_file_differs_is_a_bounded_number_of_findings() {
    let names: Vec<String> = (0..MOST + 100).map(|n| format!("usr/bin/p{n}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), ELF)).collect();
    let mut scene = debian("all", &files, &[]);
    for name in &names {
        scene = program(scene, &format!("/{name}"), EVIL);
    }
    assert_eq!(own(&scene).len(), MOST);
}

/// A minimal Debian as debootstrap makes it, from the variable's folder. Read only.
#[test]
fn a_fresh_debian_has_no_finding() {
    let Some(root) =
        ["/tmp/real/debian"].into_iter().map(Path::new).find(|root| root.join("var/lib/dpkg/status").exists())
    else {
        eprintln!("skipped: there is no root made by debootstrap");
        return;
    };
    let source = crate::source::DirectorySource::open(root, crate::source::SourceKind::Root).unwrap();
    let detectors = Detectors::new(vec![Box::new(PackageDetector::new())]);
    let everything = crate::source::Selection::everything();
    let sweep = crate::sweep::Sweep {
        source: &source,
        selection: &everything,
        listed_only: &crate::source::Selection::default(),
        options: crate::sweep::Options::default(),
        visitors: &[&detectors],
        known: None,
        store: None,
        budget: &(),
        progress: &(),
        cancel: &|| false,
    };
    let summary = sweep.run().unwrap();
    let context = HostContext { is_host: true, gaps: &summary.gaps, selects: &|_| true };
    let outcome = detectors.conclude(&context);
    let shown: Vec<String> = outcome
        .value
        .iter()
        // Whoever makes a root in a container puts it there, so that no service is started (invoke-rc.d(8)).
        .filter(|finding| finding.subject.path().file_name() != b"policy-rc.d")
        .map(|finding| format!("{} {} {}", finding.rule, finding.severity, finding.subject))
        .collect();
    assert_eq!(shown, [] as [&str; 0]);
}

#[test]
fn an_application_that_updated_itself_is_some_findings_and_a_number() {
    let names: Vec<String> = (0..100).map(|n| format!("var/www/html/admin/{n}.php")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b"old"[..])).collect();
    let mut scene = debian("freepbx17", &files, &[]);
    for name in &names {
        scene = scene.file(&format!("/{name}"), "new");
    }
    assert_eq!(own(&scene), ["TR-PACKAGE-0002 low"; MOST_SLIGHT]);
}

#[test]
fn a_prelinked_host_is_no_flood_of_alarms_and_no_silence() {
    let scene =
        program(debian("coreutils", &[("bin/ls", ELF)], &[]), "/usr/bin/ls", EVIL).file("/etc/prelink.cache", "x");
    assert_eq!(own(&scene), ["TR-PACKAGE-0001 medium"]);
}
