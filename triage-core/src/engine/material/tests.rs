//! Packages, archives and trees made here, against hosts in memory.

use super::*;
use crate::action::{State, observe};
use crate::detect::{Signer, Signers, Signs};
use crate::model::FileMeta;
use crate::parse::deb::tests::ar;
use crate::parse::openpgp::testing::TestKey;
use crate::source::fake::FakeRoot;
use md5::Digest as _;
use std::io::Write as _;

const NAME: &str = "Vendor <modules@example.org>";
const LS: &[u8] = b"#!/bin/true the vendor's ls\n";

/// The keys that are pinned in these tests.
pub(super) fn signers() -> Signers {
    let mut signers = Signers::default();
    signers.insert(Signer {
        fingerprint: TestKey::new(1, NAME).fingerprint(),
        name: NAME.to_owned(),
        signs: Signs::Modules,
        since: "2020-01-01".to_owned(),
        revoked: None,
        sha1: false,
        key_file: String::new(),
        key_file_sha256: String::new(),
        source: "a test".to_owned(),
        date: "2026-01-01".to_owned(),
    });
    signers
}

fn path(text: &str) -> EvidencePath {
    EvidencePath::new(text).unwrap()
}

fn tar(files: &[(&str, u32, u64, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, mode, owner, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(*mode);
        header.set_uid(*owner);
        header.set_gid(0);
        header.set_mtime(1_600_000_000);
        header.set_entry_type(tar::EntryType::Regular);
        builder.append_data(&mut header, name, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn deb(pack: fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let control = tar(&[("./control", 0o644, 0, b"Package: coreutils\nVersion: 9.1-1\nArchitecture: amd64\n")]);
    let data = tar(&[
        ("./bin/ls", 0o755, 0, LS),
        ("./usr/bin/other", 0o755, 0, b"of a later version"),
        ("./usr/bin/unknown", 0o755, 0, b"nobody's"),
        ("./usr/bin/owned", 0o2755, 105, b"somebody's"),
    ]);
    ar(&[("debian-binary", b"2.0\n"), ("control.tar", &pack(&control)), ("data.tar", &pack(&data))])
}

fn debian() -> FakeRoot {
    let sum = |content: &[u8], name: &str| {
        let md5: Vec<String> = md5::Md5::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}  {name}\n", md5.concat())
    };
    let sums = [sum(LS, "bin/ls"), sum(b"of this version", "usr/bin/other"), sum(b"somebody's", "usr/bin/owned")];
    FakeRoot::new()
        .file(
            "/var/lib/dpkg/status",
            b"Package: coreutils\nStatus: install ok installed\nArchitecture: amd64\nVersion: 9.1-1\n\n",
        )
        .file("/var/lib/dpkg/info/coreutils.md5sums", sums.concat().as_bytes())
}

fn opened(bytes: &[u8], host: &dyn Source) -> Result<Option<Box<dyn Source>>, MaterialError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("good");
    std::fs::File::create(&file).unwrap().write_all(bytes).unwrap();
    open(&file, host)
}

fn content(source: &dyn Source, at: &str) -> Result<Vec<u8>, String> {
    match observe(source, &path(at), 1 << 20) {
        Ok((State::Present(found), Some(content))) => {
            assert_eq!(found.sha256, Some(Digest::of(&content)));
            Ok(content)
        }
        Ok(_) => Err("there is none".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

fn meta(source: &dyn Source, at: &str) -> FileMeta {
    source.metadata(&path(at)).unwrap().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;

#[test]
fn a_file_comes_out_of_a_debian_package_however_it_is_packed() {
    let xz = |bytes: &[u8]| {
        let mut out = Vec::new();
        let mut child = std::process::Command::new("xz")
            .args(["-c"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let bytes = bytes.to_vec();
        let writer = std::thread::spawn(move || stdin.write_all(&bytes));
        std::io::Read::read_to_end(&mut child.stdout.take().unwrap(), &mut out).unwrap();
        writer.join().unwrap().unwrap();
        child.wait().unwrap();
        out
    };
    let mut packings: Vec<Pack> = vec![<[u8]>::to_vec, gzip, |bytes| zstd::stream::encode_all(bytes, 3).unwrap()];
    if std::process::Command::new("xz").arg("--version").output().is_ok() {
        packings.push(xz);
    } else {
        eprintln!("xz skipped: there is no such program");
    }
    for pack in packings {
        let package = deb(pack);
        let source = opened(&package, &debian()).unwrap().unwrap();
        // The host has it in `/usr/bin`, and the package in `/bin`.
        assert_eq!(content(source.as_ref(), "/usr/bin/ls").unwrap(), LS);
        assert_eq!(content(source.as_ref(), "/bin/ls").unwrap(), LS);
        assert_eq!(meta(source.as_ref(), "/bin/ls").mode.bits(), 0o755);
        assert_eq!(source.identity(), Some(Digest::of(&package)));
        let label = source.label();
        assert!(label.contains("coreutils 9.1-1") && label.contains(&Digest::of(&package).to_string()), "{label}");
        assert_eq!(content(source.as_ref(), "/etc/passwd"), Err("there is none".to_owned()));
    }
}

#[test]
fn a_file_of_another_version_or_that_nobody_knows_is_refused() {
    let source = opened(&deb(gzip), &debian()).unwrap().unwrap();
    let refused = |at: &str, why: &str| {
        let error = content(source.as_ref(), at).unwrap_err();
        assert!(error.contains(why), "{at}: {error}");
    };
    refused("/usr/bin/other", "another digest");
    refused("/usr/bin/unknown", "does not know it");
    refused("/usr/bin/owned", "owner");
    // A host without a database vouches for nothing.
    let nobody = opened(&deb(gzip), &FakeRoot::new()).unwrap().unwrap();
    assert!(content(nobody.as_ref(), "/bin/ls").unwrap_err().contains("does not know it"));
}

#[test]
fn trojan_in_a_repacked_package_is_refused() {
    let control = tar(&[("./control", 0o644, 0, b"Package: coreutils\nVersion: 9.1-1\n")]);
    let data = tar(&[("./bin/ls", 0o4755, 0, b"#!/bin/true somebody else's\n")]);
    let package = ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &data)]);
    let source = opened(&package, &debian()).unwrap().unwrap();
    assert!(content(source.as_ref(), "/bin/ls").unwrap_err().contains("another digest"));
}

#[test]
fn package_member_that_climbs_out_and_a_cut_package_give_nothing() {
    let whole = deb(gzip);
    for length in [100, whole.len() / 2, whole.len() - 1] {
        let cut = opened(&whole[..length], &debian());
        assert!(matches!(cut, Err(MaterialError::Unusable { .. })), "{length}");
    }
    let mut header = tar::Header::new_gnu();
    header.set_size(LS.len() as u64);
    header.set_mode(0o755);
    header.set_entry_type(tar::EntryType::Regular);
    header.as_gnu_mut().unwrap().name[..13].copy_from_slice(b"./../../bin/l");
    header.set_cksum();
    let mut data = header.as_bytes().to_vec();
    data.extend_from_slice(LS);
    data.resize(512 * 4, 0);
    let control = tar(&[("./control", 0o644, 0, b"Package: x\n")]);
    let package = ar(&[("debian-binary", b"2.0\n"), ("control.tar", &control), ("data.tar", &data)]);
    if let Ok(Some(source)) = opened(&package, &debian()) {
        assert!(content(source.as_ref(), "/bin/l").is_err());
    }
}

fn list(files: &[(&str, &str)]) -> String {
    let lines: Vec<String> =
        files.iter().map(|(name, content)| format!("{name} = {}\n", Digest::of(content.as_bytes()))).collect();
    format!("[config]\nversion=1\nhash=sha256\nsignedwith=X\nrepo=standard\n[hashes]\n{};# End", lines.concat())
}

const XML: &str = "<module><rawname>core</rawname><version>17.0.1</version></module>";
const CORE: &[(&str, &str)] =
    &[("functions.inc.php", "<?php // core"), ("module.xml", XML), ("agi-bin/directory", "#!/usr/bin/perl\n")];

fn module(files: &[(&str, &str)], signature: &str) -> Vec<u8> {
    let names: Vec<String> = files.iter().map(|(name, _)| format!("core/{name}")).collect();
    let mut all: Vec<(&str, u32, u64, &[u8])> =
        names.iter().zip(files).map(|(name, (_, content))| (name.as_str(), 0o664, 1000, content.as_bytes())).collect();
    if !signature.is_empty() {
        all.push(("core/module.sig", 0o664, 1000, signature.as_bytes()));
    }
    gzip(&tar(&all))
}

fn pbx() -> FakeRoot {
    FakeRoot::new()
        .file("/var/www/html/admin/libraries/BMO/vendor.key", &TestKey::new(1, NAME).file())
        .file("/var/www/html/admin/modules/core/module.xml", XML.as_bytes())
}

#[test]
fn a_file_comes_out_of_a_module_whose_list_the_vendor_signed() {
    let archive = module(CORE, &TestKey::new(1, NAME).clear_sign(&list(CORE)));
    let source = opened(&archive, &pbx()).unwrap().unwrap();
    let folder = "/var/www/html/admin/modules/core";
    assert_eq!(content(source.as_ref(), &format!("{folder}/functions.inc.php")).unwrap(), b"<?php // core");
    // And where the installer copies it.
    assert_eq!(content(source.as_ref(), "/var/lib/asterisk/agi-bin/directory").unwrap(), b"#!/usr/bin/perl\n");
    assert!(!source.kept().owners, "an archive's owners are the packager's");
    assert!(source.label().contains("core 17.0.1"), "{}", source.label());
}

#[test]
fn file_swapped_in_a_modules_archive_is_refused_and_the_others_are_not() {
    let signature = TestKey::new(1, NAME).clear_sign(&list(CORE));
    let mut altered = CORE.to_vec();
    altered[0] = ("functions.inc.php", "<?php exit; // inert: somebody's");
    altered.push(("new.php", "<?php exit; // inert"));
    let source = opened(&module(&altered, &signature), &pbx()).unwrap().unwrap();
    let folder = "/var/www/html/admin/modules/core";
    let error = content(source.as_ref(), &format!("{folder}/functions.inc.php")).unwrap_err();
    assert!(error.contains("module.sig"), "{error}");
    assert!(content(source.as_ref(), &format!("{folder}/new.php")).unwrap_err().contains("does not list it"));
    assert!(content(source.as_ref(), &format!("{folder}/module.xml")).is_ok());
}

#[test]
fn modules_archive_of_a_stranger_without_a_list_or_of_another_version_is_refused() {
    let stranger = module(CORE, &TestKey::new(3, "Somebody <somebody@example.org>").clear_sign(&list(CORE)));
    assert!(matches!(opened(&stranger, &pbx()), Err(MaterialError::Unverified { .. })));
    assert!(matches!(opened(&module(CORE, ""), &pbx()), Err(MaterialError::Unverified { .. })));
    let signed = module(CORE, &TestKey::new(1, NAME).clear_sign(&list(CORE)));
    // A host that has lost the vendor's key: nothing can be said.
    assert!(matches!(opened(&signed, &FakeRoot::new()), Err(MaterialError::Unverified { .. })));
    let other = XML.replace("17.0.1", "17.0.2");
    let host = pbx().file("/var/www/html/admin/modules/core/module.xml", other.as_bytes());
    let Err(MaterialError::Unusable { detail, .. }) = opened(&signed, &host) else { panic!() };
    assert!(detail.contains("17.0.1") && detail.contains("17.0.2"), "{detail}");
}

#[test]
fn a_tree_gives_only_what_somebody_vouches_for() {
    let good = FakeRoot::new()
        .file("/usr/bin/ls", LS)
        .file("/usr/bin/other", b"altered, too")
        .file("/etc/motd", b"hello")
        .file("/var/www/html/admin/modules/core/functions.inc.php", CORE[0].1.as_bytes())
        .file("/var/www/html/admin/modules/core/x.php", b"not listed")
        .file("/var/www/html/admin/modules/core/module.sig", TestKey::new(1, NAME).clear_sign(&list(CORE)).as_bytes());
    let host = debian().file("/var/www/html/admin/libraries/BMO/vendor.key", &TestKey::new(1, NAME).file());
    let source = vouched(Box::new(good), &host).unwrap();
    assert_eq!(content(source.as_ref(), "/usr/bin/ls").unwrap(), LS);
    assert!(content(source.as_ref(), "/var/www/html/admin/modules/core/functions.inc.php").is_ok());
    for (at, why) in [
        ("/usr/bin/other", "another digest"),
        ("/etc/motd", "nobody vouches"),
        ("/var/www/html/admin/modules/core/x.php", "nobody vouches"),
    ] {
        let error = content(source.as_ref(), at).unwrap_err();
        assert!(error.contains(why), "{at}: {error}");
    }
}

#[test]
fn of_several_sources_the_first_that_gives_a_file_counts() {
    let bad = opened(&deb(gzip), &FakeRoot::new()).unwrap().unwrap();
    let good = opened(&deb(gzip), &debian()).unwrap().unwrap();
    let both = several(vec![bad, good]).unwrap();
    assert_eq!(content(both.as_ref(), "/bin/ls").unwrap(), LS);
    assert!(content(both.as_ref(), "/usr/bin/other").is_err(), "a refusal is told where nobody has a good one");
    assert!(several(Vec::new()).is_none());
}

/// A package file with the header of the package that `testdata/rpm` has installed.
fn rpm_with(program: &[u8]) -> Vec<u8> {
    let seed = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../fuzz/seeds/package/rpm")).unwrap();
    let package = crate::parse::rpm::read_file(&path("/p.rpm"), &seed).unwrap();
    let payload =
        crate::parse::cpio::tests::archive(&[("./usr/bin/tiny", 0o104_755, program), ("./etc/x", 0o100_644, b"x")]);
    [&seed[..package.payload], &gzip(&payload)].concat()
}

fn red_hat() -> FakeRoot {
    let database = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/rpm/ndb.in")).unwrap();
    FakeRoot::new().file("/var/lib/rpm/Packages.db", &database).file("/etc/passwd", b"root:x:7:7::/:/bin/sh\n")
}

#[test]
fn a_file_comes_out_of_an_rpm_package() {
    let source = opened(&rpm_with(b"#!/bin/sh\n"), &red_hat()).unwrap().unwrap();
    assert_eq!(content(source.as_ref(), "/usr/bin/tiny").unwrap(), b"#!/bin/sh\n");
    let meta = meta(source.as_ref(), "/usr/bin/tiny");
    // Root is 0, whatever stands in `passwd`.
    assert_eq!((meta.mode.bits(), meta.uid, meta.gid), (0o4755, 0, 0));
    assert!(source.label().contains("3:1.2-4"), "{}", source.label());
    assert!(content(source.as_ref(), "/etc/x").is_err(), "what the header does not list is not there");
}

#[test]
fn payload_swapped_under_a_genuine_header_is_refused() {
    let source = opened(&rpm_with(b"#!/bin/sh\n# inert: somebody's\n"), &red_hat()).unwrap().unwrap();
    let error = content(source.as_ref(), "/usr/bin/tiny").unwrap_err();
    assert!(error.contains("own header"), "{error}");
    let nobody = opened(&rpm_with(b"#!/bin/sh\n"), &FakeRoot::new()).unwrap().unwrap();
    assert!(content(nobody.as_ref(), "/usr/bin/tiny").unwrap_err().contains("does not know it"));
}

struct At(crate::model::Timestamp);

impl crate::model::Clock for At {
    fn now(&self) -> crate::model::Timestamp {
        self.0
    }
}

/// Collects a file into a bundle, and opens that as a source of good copies. Its file may be gone: it stays open.
fn bundle_with(at: &str, content: &[u8]) -> Box<dyn Source> {
    use crate::bundle::{BundleFormat, BundleSink, BundleSource, Seal};
    use crate::engine::{Care, Collection, Opening, Reading, Target, bundle_info, collect};
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    let file = root.join(&at[1..]);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::File::create(&file).unwrap().write_all(content).unwrap();
    let target = Target::open(&Opening::new(None, &root)).unwrap().only([path(at)]);
    let start = crate::model::Timestamp::new(1_700_000_000, 0);
    let collection = Collection {
        target: &target,
        info: bundle_info(&target, "test", start, 1),
        sink: BundleSink::path(folder.path().join("good.tar.zst"), BundleFormat::TarZst),
        seal: Seal::default(),
        omits_secrets: false,
        detectors: None,
        care: Care::default(),
        clock: &At(start),
    };
    let reading = Reading { options: crate::sweep::Options::default(), progress: &(), cancel: &|| false };
    let sealed = collect(collection, reading).unwrap().sealed;
    let source = BundleSource::open(&sealed.path.unwrap()).unwrap();
    identified(Box::new(source), sealed.sha256.unwrap())
}

/// A source's name, a place, the content that it has for that, and the source.
pub(crate) type Sample = (&'static str, &'static str, &'static [u8], Box<dyn Source>);

/// One source of each kind, by what it is called, with a place of which it has a good copy and that copy's content. Each is opened as for a host whose
/// databases and keys vouch for it.
pub(crate) fn one_of_each() -> Vec<Sample> {
    const TOOL: &[u8] = b"#!/bin/true of a sister host\n";
    let signed = module(CORE, &TestKey::new(1, NAME).clear_sign(&list(CORE)));
    let md5: Vec<String> = md5::Md5::digest(TOOL).iter().map(|byte| format!("{byte:02x}")).collect();
    let sister = FakeRoot::new().file("/usr/sbin/tool", TOOL);
    let host = FakeRoot::new()
        .file("/var/lib/dpkg/info/tool.md5sums", format!("{}  usr/sbin/tool\n", md5.concat()).as_bytes());
    let module_place = "/var/www/html/admin/modules/core/functions.inc.php";
    vec![
        ("deb", "/usr/bin/ls", LS, opened(&deb(gzip), &debian()).unwrap().unwrap()),
        ("rpm", "/usr/bin/tiny", b"#!/bin/sh\n", opened(&rpm_with(b"#!/bin/sh\n"), &red_hat()).unwrap().unwrap()),
        ("module", module_place, CORE[0].1.as_bytes(), opened(&signed, &pbx()).unwrap().unwrap()),
        ("bundle", "/etc/kept.conf", b"kept = yes\n", bundle_with("/etc/kept.conf", b"kept = yes\n")),
        ("tree", "/usr/sbin/tool", TOOL, vouched(Box::new(sister), &host).unwrap()),
    ]
}
