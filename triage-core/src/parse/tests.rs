#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::model::{FileKind, FileMeta, Gap, Mode};
use proptest::prelude::*;
use serde::Serialize;
use std::fs;
use std::path::Path;

const FORMATS: [Format; 12] = [
    Format::Passwd,
    Format::Shadow,
    Format::SystemCrontab,
    Format::UserCrontab,
    Format::Anacrontab,
    Format::AuthorizedKeys,
    Format::SystemdUnit,
    Format::ModuleSignature,
    Format::ModuleXml,
    Format::FreepbxConf,
    Format::ApacheConfig,
    Format::NginxConfig,
];

#[derive(Serialize)]
struct Golden<T> {
    value: T,
    gaps: Vec<Gap>,
}

fn json<T: Serialize>(outcome: Outcome<T>) -> String {
    let golden = Golden { value: outcome.value, gaps: outcome.gaps };
    serde_json::to_string_pretty(&golden).unwrap() + "\n"
}

/// A place that a file of the format could have.
fn place(format: Format) -> EvidencePath {
    EvidencePath::new(match format {
        Format::Passwd => "/etc/passwd",
        Format::Shadow => "/etc/shadow",
        Format::SystemCrontab => "/etc/crontab",
        Format::UserCrontab => "/var/spool/cron/crontabs/asterisk",
        Format::Anacrontab => "/etc/anacrontab",
        Format::AuthorizedKeys => "/root/.ssh/authorized_keys",
        Format::SystemdUnit => "/etc/systemd/system/x.service",
        Format::ModuleSignature => "/var/www/html/admin/modules/x/module.sig",
        Format::ModuleXml => "/var/www/html/admin/modules/x/module.xml",
        Format::FreepbxConf => "/etc/freepbx.conf",
        Format::ApacheConfig => "/etc/apache2/apache2.conf",
        Format::NginxConfig => "/etc/nginx/nginx.conf",
    })
    .unwrap()
}

fn read(format: Format, bytes: &[u8], limits: &Limits) -> String {
    let path = &place(format);
    match format {
        Format::Passwd => json(passwd::parse(path, bytes, limits)),
        Format::Shadow => json(shadow::parse(path, bytes, limits)),
        Format::SystemCrontab | Format::UserCrontab | Format::Anacrontab => {
            json(crontab::read(path, &crontab::Style::at(path), bytes, limits))
        }
        Format::AuthorizedKeys => json(authorized_keys::parse(path, bytes, limits)),
        Format::SystemdUnit => json(systemd_unit::parse(path, bytes, limits)),
        Format::ModuleSignature => json(module_sig::parse(path, bytes, limits)),
        Format::ModuleXml => json(module_xml::parse(path, bytes, limits)),
        Format::FreepbxConf => json(freepbx_conf::parse(path, bytes, limits)),
        Format::ApacheConfig => json(web_config::parse(path, web_config::Flavour::Apache, bytes, limits)),
        Format::NginxConfig => json(web_config::parse(path, web_config::Flavour::Nginx, bytes, limits)),
    }
}

/// Walks `testdata/<format>/<case>.in`, whose `<case>.json` says what the parser makes of it. A new case is two files and no
/// code; `UPDATE_GOLDENS=1` writes the second, to be read before it is committed.
#[test]
fn goldens() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata"));
    let is_update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let mut wrong = Vec::new();
    for format in FORMATS {
        let mut cases = 0;
        for file in fs::read_dir(root.join(format.as_str())).unwrap() {
            let input = file.unwrap().path();
            if input.extension().is_none_or(|extension| extension != "in") {
                continue;
            }
            cases += 1;
            let output = read(format, &fs::read(&input).unwrap(), &Limits::default());
            let golden = input.with_extension("json");
            if is_update {
                fs::write(&golden, output).unwrap();
            } else if fs::read_to_string(&golden).unwrap_or_default() != output {
                wrong.push(golden);
            }
        }
        assert!(cases > 0, "no case for {format:?}");
    }
    assert!(wrong.is_empty(), "not as the goldens say (UPDATE_GOLDENS=1 rewrites them): {wrong:#?}");
}

#[test]
fn every_place_in_the_list_is_a_pattern_and_tells_its_format() {
    assert_eq!(PATTERNS.len(), PLACES.len());
    for format in FORMATS {
        assert_eq!(Format::at(&place(format)), Some(format));
    }
}

#[test]
fn places_of_both_distribution_families_are_known_and_others_are_not() {
    let at = |text: &str| Format::at(&EvidencePath::new(text).unwrap());
    assert_eq!(at("/var/spool/cron/root"), Some(Format::UserCrontab));
    assert_eq!(at("/var/spool/cron/crontabs/www-data"), Some(Format::UserCrontab));
    assert_eq!(at("/etc/cron.d/php"), Some(Format::SystemCrontab));
    assert_eq!(at("/home/eve/.ssh/authorized_keys2"), Some(Format::AuthorizedKeys));
    assert_eq!(at("/var/lib/asterisk/.ssh/authorized_keys"), Some(Format::AuthorizedKeys));
    assert_eq!(at("/etc/systemd/system/ssh.service.d/override.conf"), Some(Format::SystemdUnit));
    assert_eq!(at("/home/eve/.config/systemd/user/x.timer"), Some(Format::SystemdUnit));
    assert_eq!(at("/etc/systemd/system/readme.txt"), None);
    assert_eq!(at("/srv/pbx/admin/modules/core/module.xml"), Some(Format::ModuleXml));
    assert_eq!(at("/srv/pbx/admin/modules/core/sub/module.xml"), None);
    assert_eq!(at("/etc/passwd-"), None);
}

#[test]
fn a_link_at_a_known_place_gives_no_records() {
    let path = place(Format::Passwd);
    let bytes = b"root:x:0:0::/root:/bin/sh\n";
    let count = |kind| {
        let meta = FileMeta::bare(kind, Mode::new(0o644), bytes.len() as u64);
        records(&path, &meta, bytes, &Limits::default()).value.len()
    };
    assert_eq!((count(FileKind::File), count(FileKind::Symlink)), (1, 0));
}

#[test]
fn a_file_of_garbage_is_a_bounded_number_of_gaps() {
    let garbage = b"\xff\xfe garbage\n".repeat(5000);
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), garbage.len() as u64);
    for format in FORMATS {
        let outcome = records(&place(format), &meta, &garbage, &Limits::default());
        assert!(outcome.gaps.len() <= 101, "{format:?}: {}", outcome.gaps.len());
    }
}

#[test]
fn records_over_the_limit_are_a_gap() {
    let limits = Limits { max_records: 3, ..Limits::default() };
    let jobs = b"* * * * * root true\n".repeat(10);
    let outcome = crontab::parse(&place(Format::SystemCrontab), &crontab::Style::System, &jobs, &limits);
    assert_eq!((outcome.value.len(), outcome.gaps.len()), (3, 1));
}

/// Bytes that look enough like the formats to get past their first checks.
fn likely() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(&b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA1\n\n"[..]),
        Just(&b"-----BEGIN PGP SIGNATURE-----\n"[..]),
        Just(&b"[hashes]\n"[..]),
        Just(&b"a = b = ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad\n"[..]),
        Just(&b"root:x:0:0:"[..]),
        Just(&b"* * * * * "[..]),
        Just(&b"@reboot "[..]),
        Just(&b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA "[..]),
        Just(&b"command=\"\\\" "[..]),
        Just(&b"<?php $amp_conf['a'] = "[..]),
        Just(&b"<module><version>"[..]),
        Just(&b"<![CDATA["[..]),
        Just(&b"<Directory \""[..]),
        Just(&b"Alias / \"/x\\"[..]),
        Just(&b"root ${x} '/y';"[..]),
        Just(&b"\\\n"[..]),
        Just(&b"\n"[..]),
        Just(&b"\0"[..]),
        Just(&b"\r"[..]),
        Just(&b"'"[..]),
        Just(&b"*/ ?> /*"[..]),
    ];
    prop::collection::vec(prop_oneof![piece.prop_map(<[u8]>::to_vec), prop::collection::vec(any::<u8>(), 0..8)], 0..40)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn no_parser_panics_or_exceeds_its_limits(bytes in likely(), max_records in 0_usize..6, max_line_bytes in 0_usize..60) {
        let limits = Limits { max_records, max_line_bytes };
        for format in FORMATS {
            let output = read(format, &bytes, &limits);
            let value: serde_json::Value = serde_json::from_str(&output).unwrap();
            if let Some(records) = value["value"].as_array() {
                prop_assert!(records.len() <= max_records, "{format:?}");
            }
            if let Some(hashes) = value["value"]["hashes"].as_array() {
                prop_assert!(hashes.len() <= max_records);
            }
            prop_assert!(value["gaps"].as_array().unwrap().len() <= 102);
            let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), bytes.len() as u64);
            records(&place(format), &meta, &bytes, &limits);
        }
    }

    #[test]
    fn no_parser_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for format in FORMATS {
            read(format, &bytes, &Limits::default());
        }
    }
}
