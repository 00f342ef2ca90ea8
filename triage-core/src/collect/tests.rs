use super::*;
use crate::bundle::{BundleFormat, BundleSink, BundleSource};
use crate::engine::{self, Collection, Opening, Reading};
use crate::model::{Attributes, Clock, Timestamp};
use crate::source::Source as _;
use crate::sweep::Options;
use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use serde_json::Value;
use std::fs;
use std::path::Path;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::new(1_767_323_045, 0)
    }
}

/// Collects `host` with the profile `linux` into a folder, with all digests.
fn collect(host: &Path, to: &Path) -> engine::Target {
    let opening = Opening { profile: Some("linux"), ..Opening::new(Some(host), host) };
    let target = engine::Target::open(&opening).unwrap();
    let info = engine::bundle_info(&target, "0", Fixed.now(), 2);
    let sink = BundleSink::path(to, BundleFormat::Dir);
    let collection = Collection {
        target: &target,
        info,
        sink,
        seal: crate::bundle::Seal::default(),
        omits_secrets: false,
        detectors: None,
        care: crate::engine::Care::default(),
        clock: &Fixed,
    };
    let extra_digests = ExtraDigests { md5: true, sha1: true };
    // Half of the files are streamed, which is another way through the digests.
    let options = Options { extra_digests, memory_cap: 1000, ..Options::default() };
    engine::collect(collection, Reading { options, progress: &(), cancel: &|| false }).unwrap();
    target
}

fn records(bundle: &Path, kind: &str) -> Vec<Value> {
    let text = fs::read_to_string(bundle.join(format!("data/records/{kind}/000001.jsonl"))).unwrap_or_default();
    text.lines().skip(1).map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn host() -> tempfile::TempDir {
    let host = tempfile::tempdir().unwrap();
    for (path, text) in [
        ("etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"),
        ("etc/shadow", "root:$y$j9T$hunter2hunter2$hunter2:19700:0:99999:7:::\n"),
        ("etc/group", "root:x:0:\n"),
        ("etc/ld.so.preload", "/tmp/x.so\n"),
        ("etc/sudoers", "eve ALL=(ALL) NOPASSWD: ALL\n"),
        ("etc/profile.d/large.sh", &"# a comment\n".repeat(1000)),
        ("root/.bash_history", "mysql -phunter2\n"),
    ] {
        let path = host.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    host
}

#[test]
fn what_is_in_the_files_is_in_the_records_and_no_secret_is() {
    let (host, out) = (host(), tempfile::tempdir().unwrap());
    let bundle = out.path().join("b");
    collect(host.path(), &bundle);
    let first = |kind: &str| records(&bundle, kind).into_iter().next().unwrap_or_else(|| panic!("no {kind}"));
    assert_eq!(first("passwords")["method"], "yescrypt");
    assert_eq!(first("groups")["name"], "root");
    assert_eq!(first("sudoers")["tags"][0], "NOPASSWD");
    assert_eq!(first("startup")["mechanism"], "preload");
    assert_eq!(first("typed_commands")["command"], "mysql -p[redacted]");
    for folder in fs::read_dir(bundle.join("data/records")).unwrap() {
        for file in fs::read_dir(folder.unwrap().path()).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            assert!(!text.contains("hunter2"), "{text}");
        }
    }
    // A file that was not held in memory has no records of its lines, and that is told.
    let segments = fs::read_dir(bundle.join("triage/collection")).unwrap();
    let log: String = segments.map(|segment| fs::read_to_string(segment.unwrap().path()).unwrap()).collect();
    assert!(log.contains("has no records of its lines"), "{log}");
}

#[test]
fn digests_that_were_asked_for_are_those_of_coreutils() {
    let (host, out) = (host(), tempfile::tempdir().unwrap());
    let bundle = out.path().join("b");
    collect(host.path(), &bundle);
    let mut compared = 0;
    for record in records(&bundle, "files").iter().filter(|record| record["type"] == "file") {
        let file = host.path().join(record["path"].as_str().unwrap().trim_start_matches('/'));
        for (tool, field) in [("md5sum", "md5"), ("sha1sum", "sha1"), ("sha256sum", "sha256")] {
            let Ok(said) = std::process::Command::new(tool).arg(&file).output() else {
                eprintln!("skipped: there is no {tool}");
                return;
            };
            let said = String::from_utf8(said.stdout).unwrap();
            assert_eq!(record[field].as_str(), said.split(' ').next(), "{tool} of {}", file.display());
            compared += 1;
        }
    }
    assert!(compared >= 21);
}

#[test]
fn attributes_of_files_folders_links_and_fifos_come_back_from_the_bundle() {
    const ACL: &[u8] = b"\x02\0\0\0\
        \x01\0\x06\0\xff\xff\xff\xff\x02\0\x06\0\xe8\x03\0\0\x04\0\x04\0\xff\xff\xff\xff\
        \x10\0\x06\0\xff\xff\xff\xff\x20\0\x04\0\xff\xff\xff\xff";
    let (host, out) = (host(), tempfile::tempdir().unwrap());
    let at = |path: &str| host.path().join(path);
    std::os::unix::fs::symlink("/tmp/x", at("etc/profile.d/link")).unwrap();
    rustix::fs::mknodat(CWD, at("etc/profile.d/fifo"), FileType::Fifo, Mode::RUSR, 0).unwrap();
    let mut set = 0;
    for (path, name, value) in [
        ("etc/ld.so.preload", "security.capability", &b"\x01\0\0\x02\x80\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..]),
        ("etc/ld.so.preload", "user.hostile", &[0xff; 3000]),
        ("etc/ld.so.preload", "system.posix_acl_access", ACL),
        ("etc/profile.d", "system.posix_acl_default", ACL),
        ("etc/profile.d", "trusted.note", b"\0\n"),
        ("etc/profile.d/link", "trusted.note", b"on the link"),
        ("etc/profile.d/fifo", "trusted.note", b"on the fifo"),
    ] {
        match rustix::fs::lsetxattr(at(path), name, value, XattrFlags::empty()) {
            Ok(()) => set += 1,
            Err(error) => eprintln!("skipped: {name} on {path}: {error}"),
        }
    }
    // The largest value that this file system takes, up to Linux's own limit.
    for size in [65_536, 30_000, 4_000, 500] {
        if rustix::fs::lsetxattr(at("etc/group"), "user.large", &vec![0xfe; size], XattrFlags::empty()).is_ok() {
            set += 1;
            break;
        }
    }
    let bundle = out.path().join("b");
    let target = collect(host.path(), &bundle);
    let back = BundleSource::open(&bundle).unwrap();
    let mut seen = 0;
    for path in ["/etc/ld.so.preload", "/etc/profile.d", "/etc/profile.d/link", "/etc/profile.d/fifo", "/etc/group"] {
        let path = EvidencePath::new(path).unwrap();
        let mut live = target.source.metadata(&path).unwrap().unwrap();
        let stored = back.metadata(&path).unwrap().unwrap();
        // Listing a folder by name moves its access time where the kernel does not let us keep it.
        live.atime = stored.atime;
        assert_eq!(stored, live, "{path}");
        seen += stored.xattrs.len();
        let record = records(&bundle, "files").into_iter().find(|record| record["path"] == path.to_string()).unwrap();
        let said: Attributes = serde_json::from_value(record).unwrap();
        assert_eq!(said, Attributes::of(&live));
        if live.xattrs.contains_key("security.capability") {
            assert_eq!(said.capabilities.unwrap().permitted, ["cap_setuid", "cap_net_raw"]);
        }
    }
    assert!(seen >= set, "{seen} of {set} attributes came back");
}
