//! A web root in memory, clean and broken.

use super::super::testing::{Scene, ids};
use super::super::{Detectors, IndicatorDetector};
use super::*;
use crate::model::{Evidence, Finding, Severity};
use crate::parse::openpgp::testing::{How, TestKey};
use finding::MAX_EACH;

const MODULES: &str = "/var/www/html/admin/modules";

const KEYS: &str = "/var/www/html/admin/libraries/BMO";
const NAME: &str = "Vendor <modules@example.org>";

fn key() -> TestKey {
    TestKey::new(1, NAME)
}

fn master() -> TestKey {
    TestKey::new(2, "Master <master@example.org>")
}

fn foreign_key() -> TestKey {
    TestKey::new(3, "Somebody <somebody@example.org>")
}

/// The text of a list.
fn list(files: &[(&str, &str)]) -> String {
    let lines = files.iter().map(|(name, content)| format!("{name} = {}\n", Digest::of(content.as_bytes())));
    let hashes = lines.collect::<Vec<_>>().concat();
    format!("[config]\nversion=1\nhash=sha256\nsignedwith=X\nrepo=standard\n[hashes]\n{hashes};# End")
}

fn signature(files: &[(&str, &str)]) -> String {
    key().clear_sign(&list(files))
}

fn signers() -> Signers {
    let mut signers = Signers::default();
    for (key, name, signs) in [(key(), NAME, Signs::Modules), (master(), "Master <master@example.org>", Signs::Keys)] {
        signers.insert(Signer {
            fingerprint: key.fingerprint(),
            name: name.to_owned(),
            signs,
            since: "2020-01-01".to_owned(),
            revoked: None,
            sha1: false,
            key_file: String::new(),
            key_file_sha256: String::new(),
            source: "a test".to_owned(),
            date: "2026-01-01".to_owned(),
        });
    }
    signers
}

fn detector(signers: Signers) -> Arc<ModuleSignatureDetector> {
    Arc::new(ModuleSignatureDetector::with_signers(Arc::new(Indicators::builtin().unwrap()), signers))
}

/// What is found by this detector and by the indicators, in both orders of visits.
fn look(scene: &Scene) -> (Vec<Finding>, Vec<ModuleStanding>) {
    let run = |scene: &Scene| {
        let detector = detector(signers());
        let others = IndicatorDetector::new(Arc::new(Indicators::builtin().unwrap()));
        let found = scene.findings_of(Detectors::new(vec![Box::new(Arc::clone(&detector)), Box::new(others)]));
        (found, detector.modules().to_vec())
    };
    let forward = run(scene);
    assert_eq!(forward, run(&scene.reversed()), "the order of visits shows");
    forward
}

/// Each module and what is true of it.
fn states(scene: &Scene) -> Vec<String> {
    let (_, modules) = look(scene);
    let word = |module: &ModuleStanding| {
        let states: Vec<_> = module.states.iter().map(|state| state.as_str()).collect();
        format!("{} {}", module.name, states.join(" "))
    };
    modules.iter().map(word).collect()
}

const CORE: &[(&str, &str)] = &[
    ("functions.inc.php", "<?php // core"),
    ("module.xml", "<module><version>17.0.1</version></module>"),
    ("agi-bin/directory", "#!/usr/bin/perl\n"),
    ("assets/a.css", "a {}"),
];
const FRAMEWORK: &[(&str, &str)] = &[
    ("module.xml", "<module><version>17.0.1</version></module>"),
    ("amp_conf/htdocs/index.php", "<?php // top"),
    ("amp_conf/htdocs/admin/ajax.php", "<?php // ajax"),
    ("amp_conf/bin/fwconsole", "#!/usr/bin/env php\n"),
    ("amp_conf/astetc/asterisk.conf", "[directories]"),
    ("upgrades/2.0.php", "<?php // upgrade"),
];

/// A clean web root with two modules, as the framework's installer lays it.
fn clean() -> Scene {
    let mut scene = Scene::new().directory(MODULES);
    for (name, content) in CORE {
        scene = scene.file(&format!("{MODULES}/core/{name}"), content);
    }
    scene
        .file(&format!("{MODULES}/core/module.sig"), signature(CORE))
        .file(&format!("{KEYS}/vendor.key"), key().file())
        .file(&format!("{MODULES}/framework/module.sig"), signature(FRAMEWORK))
        .file(&format!("{MODULES}/framework/module.xml"), FRAMEWORK[0].1)
        .file("/var/www/html/index.php", FRAMEWORK[1].1)
        .file("/var/www/html/admin/ajax.php", FRAMEWORK[2].1)
        .file("/var/lib/asterisk/bin/fwconsole", FRAMEWORK[3].1)
        .file("/var/lib/asterisk/agi-bin/directory", CORE[2].1)
        .link("/usr/sbin/fwconsole", "/var/lib/asterisk/bin/fwconsole")
        // What no list has by design.
        .file(&format!("{MODULES}/core/i18n/de_DE/LC_MESSAGES/core.po"), "msgid \"<?php x\"")
        .file(&format!("{MODULES}/core/node_modules/x/index.js"), "x")
        .file(&format!("{MODULES}/core/node_modules/flatted/php/flatted.php"), "<?php // x")
        .file(&format!("{MODULES}/core/.gitignore"), "x")
        .file(&format!("{MODULES}/core/node_modules/x/cli.sh"), "#!/bin/sh\n")
        .file(&format!("{MODULES}/core/assets/less/cache/lessphp_1.lesscache"), "<?php return Array(new Less_Tree());")
        .file(&format!("{MODULES}/framework/utests/A.php"), "<?php // x")
        .file(&format!("{MODULES}/_cache/core-17.tgz.gpg"), key().sign_file(b"an archive"))
        .link("/var/www/html/admin/assets/core", "../modules/core/assets")
}

fn at_least_low(scene: &Scene) -> Vec<String> {
    let (findings, _) = look(scene);
    let told: Vec<_> = findings.into_iter().filter(|finding| finding.severity > Severity::Info).collect();
    ids(&told)
}

#[test]
fn a_clean_tree_has_nothing_to_tell() {
    assert_eq!(at_least_low(&clean()), [""; 0]);
}

#[test]
fn altered_code_is_high_and_an_altered_style_sheet_is_low() {
    let mut core = CORE.to_vec();
    core[0].1 = "<?php // not what is there";
    core[3].1 = "b {}";
    let mut scene = clean().file(&format!("{MODULES}/core/module.sig"), signature(&core));
    scene.keep_last();
    assert_eq!(at_least_low(&scene), ["TR-MODSIG-0001 high", "TR-MODSIG-0001 low"]);
}

#[test]
fn altered_programs_outside_the_web_root_are_found() {
    let mut scene = clean()
        .file("/var/lib/asterisk/bin/fwconsole", "#!/bin/sh\nexit\n")
        .file("/var/lib/asterisk/agi-bin/directory", "#!/bin/sh\nexit\n")
        .file("/var/www/html/index.php", "<?php exit;");
    scene.keep_last();
    let (findings, _) = look(&scene);
    let places: Vec<_> = findings
        .iter()
        .filter(|finding| finding.severity == Severity::High)
        .map(|finding| finding.subject.path().to_string())
        .collect();
    assert_eq!(
        places,
        ["/var/lib/asterisk/agi-bin/directory", "/var/lib/asterisk/bin/fwconsole", "/var/www/html/index.php"]
    );
}

#[test]
fn unlisted_code_is_found_in_modules_in_admin_and_among_the_programs() {
    for (path, told) in [
        (format!("{MODULES}/core/x.php"), "TR-MODSIG-0004 high"),
        (format!("{MODULES}/core/i18n/de_DE/x.php"), "TR-MODSIG-0004 high"),
        (format!("{MODULES}/core/.x.php"), "TR-MODSIG-0004 high"),
        (format!("{MODULES}/core/assets/less/cache/lessphp_2.lesscache"), "TR-MODSIG-0004 high"),
        (format!("{MODULES}/core/assets/logo.png"), "TR-MODSIG-0004 high"),
        (format!("{MODULES}/x.php"), "TR-MODSIG-0004 high"),
        ("/var/www/html/admin/views/extra.php".to_owned(), "TR-MODSIG-0004 high"),
        ("/var/lib/asterisk/bin/extra".to_owned(), "TR-MODSIG-0004 medium"),
    ] {
        let content = if path.ends_with("extra") { "#!/bin/sh\nexit\n" } else { "<?php exit;" };
        let told_here = at_least_low(&clean().file(&path, content));
        assert!(told_here.contains(&told.to_owned()), "{path}: {told_here:?}");
    }
}

#[test]
fn settings_of_a_librarys_tools_are_low() {
    // A genuine tree of 29,576 files had exactly two unlisted ones with PHP in them that no browser can reach.
    let path = "/var/www/html/admin/libraries/Composer/vendor/malkusch/lock/.php_cs.dist";
    assert_eq!(at_least_low(&clean().file(path, "<?php\nreturn [];\n")), ["TR-MODSIG-0004 low"]);
}

#[test]
fn a_missing_file_is_told_only_where_absence_means_something() {
    let mut core = CORE.to_vec();
    core.push(("gone.php", "<?php"));
    let scene = || {
        let mut scene = clean().file(&format!("{MODULES}/core/module.sig"), signature(&core));
        scene.keep_last();
        scene
    };
    assert_eq!(at_least_low(&scene()), ["TR-MODSIG-0003 low"]);
    assert_eq!(at_least_low(&scene().part()), [""; 0]);
    let mut gapped = scene();
    let core = EvidencePath::new(format!("{MODULES}/core")).unwrap();
    gapped.gaps.push(Gap::new(core, GapReason::PermissionDenied, ""));
    assert_eq!(at_least_low(&gapped), [""; 0]);
}

#[test]
fn folders_without_a_signature_are_told_by_what_is_in_them() {
    let with = |path: &str, content: &str| at_least_low(&clean().file(&format!("{MODULES}/{path}"), content));
    assert_eq!(with("mine/module.xml", "<module><version>1</version></module>"), ["TR-MODSIG-0008 low"]);
    assert_eq!(with("odd/readme.txt", "x"), ["TR-MODSIG-0010 low"]);
    assert_eq!(with("odd/x.php", "<?php exit;"), ["TR-MODSIG-0010 high"]);
    let rogue = with("freepbx_ha/license.php", "<?php exit;");
    assert_eq!(rogue, ["TR-MODSIG-0005 critical", "TR-IOC-0007 high"]);
}

#[test]
fn a_code_file_replaced_by_a_link_is_altered() {
    let mut scene = clean().link(&format!("{MODULES}/core/functions.inc.php"), "/tmp/x.php");
    scene.keep_last();
    assert_eq!(at_least_low(&scene), ["TR-MODSIG-0001 high"]);
}

#[test]
fn a_list_with_text_outside_the_signature_is_told() {
    let mut scene = clean()
        .file(&format!("{MODULES}/core/module.sig"), format!("{}x.php = {}\n", signature(CORE), Digest::of(b"")));
    scene.keep_last();
    assert_eq!(at_least_low(&scene), ["TR-MODSIG-0007 medium"]);
}

#[test]
fn a_module_of_another_version_is_a_bounded_number_of_findings() {
    let files: Vec<(String, &str)> = (0..500).map(|n| (format!("f{n}.php"), "<?php // listed")).collect();
    let listed: Vec<(&str, &str)> = files.iter().map(|(name, content)| (name.as_str(), *content)).collect();
    let scene = files
        .iter()
        .fold(Scene::new().file(&format!("{MODULES}/big/module.sig"), signature(&listed)), |scene, (name, _)| {
            scene.file(&format!("{MODULES}/big/{name}"), "<?php // other")
        });
    assert_eq!(look(&scene.file(&format!("{KEYS}/vendor.key"), key().file())).0.len(), MAX_EACH + 1);
}

#[test]
fn destinations_follow_the_installer() {
    let path = |text: &str| EvidencePath::new(text).unwrap();
    let of = |module: &str, file: &str| {
        let folder = path(MODULES).join(module.as_bytes());
        Layout::new(&BTreeMap::new()).destinations(&folder, file.as_bytes())
    };
    assert_eq!(of("framework", "amp_conf/htdocs/admin/a.php")[0], path("/var/www/html/admin/a.php"));
    assert_eq!(of("framework", "amp_conf/sbin/x")[0], path("/usr/sbin/x"));
    assert!(of("framework", "amp_conf/moh/x.wav").is_empty());
    assert_eq!(
        of("core", "bin/x.php"),
        [path(&format!("{MODULES}/core/bin/x.php")), path("/var/lib/asterisk/bin/x.php")]
    );
}

/// What a test needs a module's own file for; the last line of a list that is altered keeps its length.
fn replaced(scene: Scene, path: &str, content: impl AsRef<[u8]>) -> Scene {
    let mut scene = scene.file(path, content);
    scene.keep_last();
    scene
}

fn core_list(text: String) -> Scene {
    replaced(clean(), &format!("{MODULES}/core/module.sig"), text)
}

#[test]
fn a_clean_tree_is_good_by_the_vendors_key() {
    let (_, modules) = look(&clean());
    assert_eq!(states(&clean()), ["core good", "framework good"]);
    let core = &modules[0];
    let verdict = core.signature.clone().unwrap();
    assert_eq!((verdict.state, verdict.key), (SignatureState::Good, Some(key().fingerprint().to_string())));
    assert_eq!((core.listed, core.matching, core.version.as_deref()), (4, 4, Some("17.0.1")));
    assert_eq!(core.archives[0].signature.state, SignatureState::Good);
}

#[test]
fn one_flipped_byte_in_a_list_is_a_bad_signature() {
    let text = signature(CORE).replacen("version=1", "version=2", 1);
    let scene = core_list(text);
    assert_eq!(states(&scene)[0], "core bad_signature");
    assert_eq!(at_least_low(&scene), ["TR-MODSIG-0011 high"]);
}

#[test]
fn a_line_added_to_a_list_for_a_shell_is_a_bad_signature() {
    let shell = "<?php exit; // shell";
    let line = format!("shell.php = {}\n;# End", Digest::of(shell.as_bytes()));
    let scene =
        core_list(signature(CORE).replacen(";# End", &line, 1)).file(&format!("{MODULES}/core/shell.php"), shell);
    assert_eq!(at_least_low(&scene), ["TR-MODSIG-0011 high"]);
}

#[test]
fn a_list_that_a_foreign_key_has_signed_is_the_foreign_keys() {
    let scene = core_list(foreign_key().clear_sign(&list(CORE)));
    assert_eq!(states(&scene)[0], "core foreign_signer");
    // Nor when the module brings the key along.
    let scene = scene.file(&format!("{MODULES}/core/signatures/x.key"), foreign_key().file());
    assert_eq!(states(&scene)[0], "core foreign_signer");
    assert_eq!(at_least_low(&scene), ["TR-MODSIG-0006 low"]);
}

#[test]
fn a_key_with_the_vendors_name_is_not_the_vendors() {
    let impostor = TestKey::new(9, NAME);
    let scene = replaced(clean(), &format!("{KEYS}/vendor.key"), impostor.file());
    let scene = replaced(scene, &format!("{MODULES}/core/module.sig"), impostor.clear_sign(&list(CORE)));
    assert_eq!(states(&scene), ["core foreign_signer", "framework unverified"]);
    assert!(at_least_low(&scene).contains(&"TR-MODSIG-0016 high".to_owned()), "{:?}", at_least_low(&scene));
}

#[test]
fn a_list_of_another_module_is_told_by_what_it_lists_and_by_its_twin() {
    const OTHER: &[(&str, &str)] = &[
        ("a.php", "<?php // a"),
        ("b.php", "<?php // b"),
        ("c.php", "<?php // c"),
        ("module.xml", "<module><rawname>other</rawname></module>"),
    ];
    let mut scene = clean().file(&format!("{MODULES}/other/module.sig"), signature(OTHER));
    for (name, content) in OTHER {
        scene = scene.file(&format!("{MODULES}/other/{name}"), content);
    }
    assert_eq!(states(&scene)[2], "other good");
    let scene = replaced(scene, &format!("{MODULES}/core/module.sig"), signature(OTHER));
    let found = states(&scene);
    assert!(found[0].starts_with("core wrong_module"), "{found:?}");
    let (findings, _) = look(&scene);
    let wrong = findings.iter().find(|finding| finding.rule.0 == "TR-MODSIG-0012").unwrap();
    assert!(format!("{:?}", wrong.evidence).contains("/var/www/html/admin/modules/other"), "{:?}", wrong.evidence);
    // A whole module under another name: every file fits, and its own description says who it is.
    let mut copied = clean().file(&format!("{MODULES}/fake/module.sig"), signature(OTHER));
    for (name, content) in OTHER {
        copied = copied.file(&format!("{MODULES}/fake/{name}"), content);
    }
    assert_eq!(states(&copied)[1], "fake wrong_module");
}

#[test]
fn a_revoked_key_vouches_for_nothing() {
    for file in [key().revoked_file(), key().file_disowned_by(&master())] {
        let scene = clean()
            .file("/var/lib/asterisk/.gnupg/pubring.kbx", master().keybox())
            .file(&format!("{MODULES}/core/signatures/revoked.key"), file);
        assert_eq!(states(&scene), ["core revoked", "framework revoked"]);
    }
    let scene = clean().file(&format!("{MODULES}/core/signatures/x.key"), key().file_disowned_by(&foreign_key()));
    assert_eq!(states(&scene), ["core good", "framework good"], "a stranger withdraws nothing");
}

#[test]
fn what_had_its_end_before_the_evidence_was_taken_is_expired() {
    let how = How { lives: Some(1000), ..How::default() };
    let scene = |now: i64| {
        let text = key().clear_sign_as(&list(CORE), how);
        let mut scene = clean().file_with(&format!("{MODULES}/core/module.sig"), text, 0o644, |meta| {
            meta.ctime = Some(Timestamp::new(now, 0));
        });
        scene.keep_last();
        scene
    };
    assert_eq!(states(&scene(1_700_000_500))[0], "core good");
    assert_eq!(states(&scene(1_700_001_500))[0], "core expired");
    let own = list(CORE).replacen("repo=standard", "repo=standard\nexpiresafter=1600000000", 1);
    let scene = clean().file_with(&format!("{MODULES}/core/module.sig"), key().clear_sign(&own), 0o644, |meta| {
        meta.ctime = Some(Timestamp::new(1_700_000_500, 0));
    });
    let mut scene = scene;
    scene.keep_last();
    assert_eq!(states(&scene)[0], "core expired");
}

#[test]
fn sha1_counts_of_pinned_keys_that_are_known_to_use_it() {
    let rsa = TestKey::rsa(5, "Old <old@example.org>");
    let how = How { hash: pgp::crypto::hash::HashAlgorithm::Sha1, ..How::default() };
    let scene = Scene::new()
        .file(&format!("{KEYS}/old.key"), rsa.file())
        .file(&format!("{MODULES}/x/module.sig"), rsa.clear_sign_as(&list(&[("a.php", "a")]), how))
        .file(&format!("{MODULES}/x/a.php"), "a");
    let state = |sha1: bool| {
        let mut pinned = Signers::default();
        let signer = signers().iter().next().unwrap().clone();
        pinned.insert(Signer { fingerprint: rsa.fingerprint(), sha1, ..signer });
        let detector = detector(pinned);
        scene.findings_of(Detectors::new(vec![Box::new(Arc::clone(&detector))]));
        let verdict = detector.modules()[0].signature.clone().unwrap();
        assert_eq!(verdict.hash.as_deref(), Some("SHA1"));
        verdict.state
    };
    assert_eq!((state(true), state(false)), (SignatureState::Good, SignatureState::Weak));
}

#[test]
fn without_the_vendors_key_nothing_is_vouched_for_and_that_is_a_gap() {
    let mut scene = clean();
    scene = replaced(scene, &format!("{KEYS}/vendor.key"), foreign_key().file());
    let judged = scene.judge(detector(signers()));
    assert!(judged.gaps.iter().any(|gap| gap.detail.contains("2 modules were not checked")), "{:?}", judged.gaps);
    assert_eq!(states(&scene), ["core unverified", "framework unverified"]);
}

#[test]
fn a_list_without_a_signature_is_an_unsigned_module() {
    let text = signature(CORE);
    let start = text.find("-----BEGIN PGP SIGNATURE").unwrap();
    let scene = core_list(format!("{}-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n", &text[..start]));
    assert_eq!(states(&scene)[0], "core unsigned");
    assert_eq!(at_least_low(&scene), ["TR-MODSIG-0008 low"]);
}

#[test]
fn states_name_what_is_wrong_and_the_worst_comes_first() {
    let scene = replaced(clean(), &format!("{MODULES}/core/functions.inc.php"), "<?php // other")
        .file(&format!("{MODULES}/core/x.php"), "<?php exit;")
        .file(&format!("{MODULES}/core/readme.txt"), "x")
        .file(&format!("{MODULES}/h/index.php"), "<?php exit;")
        .file(&format!("{MODULES}/mine/module.xml"), "<module/>");
    assert_eq!(states(&scene), ["core altered unlisted", "framework good", "h rogue", "mine unsigned"]);
    let (_, modules) = look(&scene);
    assert_eq!(modules[0].altered[0].to_string(), "/var/www/html/admin/modules/core/functions.inc.php");
    assert_eq!(modules[0].unlisted[0].to_string(), "/var/www/html/admin/modules/core/x.php");
    let kinds: Vec<_> = modules[0].unlisted_by_kind.iter().map(|(kind, count)| (kind.as_str(), *count)).collect();
    assert_eq!(kinds, [("php", 2), ("script", 1), ("data", 5)]);
}

#[test]
fn an_archive_with_a_flipped_byte_is_told() {
    let mut file = key().sign_file(b"an archive");
    let at = file.len() - 5;
    file[at] ^= 1;
    let scene = replaced(clean(), &format!("{MODULES}/_cache/core-17.tgz.gpg"), file);
    let told = look(&scene).0;
    assert!(told.iter().any(|finding| finding.rule.0 == "TR-MODSIG-0015"), "{told:?}");
}

#[test]
fn programs_are_looked_for_where_the_hosts_settings_put_them() {
    let scene =
        clean().file("/etc/amportal.conf", "AMPBIN=/srv/pbx/bin\n").file("/srv/pbx/bin/fwconsole", "#!/bin/sh\nexit\n");
    let (findings, _) = look(&scene);
    let altered = findings.iter().find(|finding| finding.rule.0 == "TR-MODSIG-0001").unwrap();
    assert_eq!(altered.subject.path().to_string(), "/srv/pbx/bin/fwconsole");
}

#[test]
fn a_genuine_list_vouches_for_its_files_and_a_bad_one_for_none() {
    use super::super::{Digests, Standing};
    let standing = |scene: &Scene, path: &str, content: &str| {
        let detector = detector(signers());
        scene.findings_of(Detectors::new(vec![Box::new(Arc::clone(&detector))]));
        let path = EvidencePath::new(format!("{MODULES}/{path}")).unwrap();
        let digests = Digests { sha256: Some(Digest::of(content.as_bytes())), md5: None };
        detector.authorities().iter().map(|authority| authority.judge(&path, &digests).standing).max()
    };
    let good = clean();
    assert_eq!(standing(&good, "core/functions.inc.php", CORE[0].1), Some(Standing::VendorPristine));
    assert_eq!(standing(&good, "core/functions.inc.php", "x"), Some(Standing::VendorModified));
    assert_eq!(standing(&good, "core/other.php", "x"), Some(Standing::Unowned));
    let bad = core_list(signature(CORE).replacen("version=1", "version=2", 1));
    assert_eq!(standing(&bad, "core/functions.inc.php", CORE[0].1), Some(Standing::Unknown));
}

#[test]
fn every_finding_that_rests_on_a_list_says_what_its_signature_is_worth() {
    let (findings, _) = look(&clean().file(&format!("{MODULES}/core/x.php"), "<?php exit;"));
    let told = findings.iter().find(|finding| finding.rule.0 == "TR-MODSIG-0004" && finding.severity == Severity::High);
    let says = |evidence: &Evidence| match evidence {
        Evidence::Attribute { name, value } => {
            name == "signature" && value.to_string().starts_with(&format!("good; key {}", key().fingerprint()))
        }
        _ => false,
    };
    assert!(told.unwrap().evidence.iter().any(says), "{told:?}");
}

#[test]
fn the_pinned_keys_are_the_five_of_the_framework() {
    let pinned = Signers::builtin().unwrap();
    let ids: Vec<String> = pinned.iter().map(|signer| signer.fingerprint.key_id()).collect();
    let known = ["3DDB2122FE6D84F7", "1588A7366BD35B34", "86CE877469D2EAD9", "9F9169F4B33B4659", "B53D215A755231A3"];
    assert_eq!(ids, known);
    assert!(pinned.iter().all(|signer| signer.key_file_sha256.len() == 64 && !signer.source.is_empty()));
    let mut signers = Signers::default();
    let broken = "format_version: 1\nproduct: x\nsigners:\n  - fingerprint: 00\n";
    assert!(matches!(signers.add("x.yaml", broken), Err(SignerError::Syntax { .. })));
    let later = "format_version: 2\nproduct: x\nsigners: []\n";
    assert!(matches!(signers.add("x.yaml", later), Err(SignerError::Version { version: 2, .. })));
}

#[test]
fn what_others_are_judged_by_is_read_in_every_scan() {
    let wants = |path: &str| super::super::wants(&EvidencePath::new(path).unwrap());
    for path in [
        "/var/www/html/admin/libraries/BMO/B53D215A755231A3.key",
        "/home/asterisk/.gnupg/pubring.kbx",
        "/var/www/html/admin/modules/core/module.sig",
        "/var/www/html/admin/modules/x/signatures/x.key",
        "/var/www/html/admin/modules/_cache/core-17.0.1.tgz.gpg",
        "/etc/amportal.conf",
    ] {
        assert!(wants(path), "{path}");
    }
    assert!(!wants("/var/www/html/admin/modules/core/functions.inc.php") && !wants("/etc/ssl/private/x.key"));
}

/// The vendor's own files are not in the repository. Where they lie beside it (or where `TRIAGE_FREEPBX_DATA` says), all have to be good.
#[test]
fn genuine_signatures_are_good_by_genuine_keys() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data/freepbx");
    let data = std::env::var("TRIAGE_FREEPBX_DATA").unwrap_or_else(|_| beside.to_owned());
    let Ok(files) = std::fs::read_dir(format!("{data}/module-sig")) else {
        eprintln!("skipped: no genuine module.sig files in {data}");
        return;
    };
    let pinned = Signers::builtin().unwrap();
    let mut scene = Scene::new();
    let mut keys = 0;
    for signer in pinned.iter() {
        let name = signer.key_file.rsplit('/').next().unwrap();
        let bytes = std::fs::read(format!("{data}/keys/{name}")).unwrap();
        assert_eq!(Digest::of(&bytes).to_string(), signer.key_file_sha256, "{name}");
        let ring = KeyRing::read(&bytes).unwrap();
        assert!(ring.has(&signer.fingerprint), "{name}");
        assert!(ring.names().any(|(_, names)| names.contains(&signer.name)), "{name}");
        scene = scene.file(&format!("{KEYS}/{name}"), bytes);
        keys += 1;
    }
    let mut count = 0;
    for file in files {
        let file = file.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        scene = scene.file(&format!("{MODULES}/{name}/module.sig"), std::fs::read(&file).unwrap());
        count += 1;
    }
    let detector = Arc::new(ModuleSignatureDetector::new(Arc::new(Indicators::builtin().unwrap())));
    scene.findings_of(Detectors::new(vec![Box::new(Arc::clone(&detector))]));
    let good = detector.modules().iter().filter(|module| {
        module.signature.as_ref().is_some_and(|verdict| {
            verdict.state == SignatureState::Good
                && verdict.key.as_deref() == Some("456D051E9204C27C37D4811BB53D215A755231A3")
                && verdict.hash.as_deref() == Some("SHA1")
        })
    });
    assert_eq!((keys, count, good.count()), (5, 60, 60));
}
