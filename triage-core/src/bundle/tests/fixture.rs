//! The bundles of format version 1 in `testdata/bundles`, which every later version reads.

use super::*;
use crate::model::{Module, Unit};
use crate::source::{Item, Selection, Source};
use std::io::Read as _;
use std::ops::ControlFlow;

fn place(format: BundleFormat) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../testdata/bundles/v1.{}", format.as_str()))
}

const FILED: [BundleFormat; 3] = [BundleFormat::TarZst, BundleFormat::TarGz, BundleFormat::Zip];

fn other_records() -> Vec<Record> {
    vec![
        account("root"),
        Record::Cron(CronEntry {
            path: path("/etc/crontab"),
            line: 3,
            schedule: "*/5 * * * *".into(),
            user: "root".into(),
            command: "/usr/bin/true".into(),
            text: "*/5 * * * * root /usr/bin/true".into(),
        }),
        Record::AuthorizedKey(AuthorizedKey {
            path: path("/root/.ssh/authorized_keys"),
            line: 1,
            algorithm: "ssh-ed25519".into(),
            fingerprint: "SHA256:synthetic".into(),
            comment: "admin@example.org".into(),
            options: "".into(),
            text: "ssh-ed25519 AAAA admin@example.org".into(),
        }),
        Record::Unit(Unit {
            path: path("/etc/systemd/system/a.service"),
            settings: vec![("Service".into(), "ExecStart".into(), "/usr/bin/true".into())],
        }),
        Record::Module(Module {
            path: path("/var/www/html/admin/modules/core"),
            name: "core".into(),
            version: Some("16.0.1".into()),
            signed_with: None,
            repository: Some("standard".into()),
            listed_files: 2,
        }),
    ]
}

/// Writes the fixture. It is here so that everybody can see what is in it; it is not run, because what is checked in stays.
fn version_1(sink: BundleSink) {
    let mut info = info();
    info.clock_note = Some("NTP: synchronised".into());
    let mut writer = BundleWriter::create(sink, info).unwrap();
    directory(&mut writer, "/etc");
    store(&mut writer, &path("/etc/passwd"), b"root:x:0:0:root:/root:/bin/bash\n");
    store(&mut writer, &path(b"/var/www/html/new\nline\\\xff ~.php"), b"<?php exit;\n");
    store(&mut writer, &path(format!("/srv/{}", "é".repeat(120))), b"extended header");
    store(&mut writer, &path([b"/tmp/".as_slice(), &[0xfe; 200]].concat()), b"stored by its digest");
    store(&mut writer, &path("/empty"), b"");
    let mut link = FileMeta::bare(FileKind::Symlink, Mode::new(0o777), 11);
    link.link_target = Some("/etc/shadow".into());
    link.xattrs.insert("security.selinux".into(), "system_u:object_r:etc_t:s0".into());
    writer.record(&Record::File(FileRecord::new(path("/etc/link"), link))).unwrap();
    for record in other_records() {
        writer.record(&record).unwrap();
    }
    writer.event(&Event::Note { time: start(), text: "a note".into() }).unwrap();
    writer.gap(Gap::new(path("/run/fifo"), GapReason::NotRegular, "a FIFO")).unwrap();
    let ending = Ending::Interrupted { why: "SIGINT".into() };
    writer.finish(ending, Timestamp::new(1_767_323_100, 250_000_000)).unwrap();
}

/// Makes the fixtures where there are none; run it with `--run-ignored only` after a new one was decided on.
#[test]
#[ignore = "writes testdata"]
fn write_the_fixtures_of_version_1() {
    std::fs::create_dir_all(place(BundleFormat::Zip).parent().unwrap()).unwrap();
    for format in FILED {
        version_1(BundleSink::path(place(format), format));
    }
}

#[test]
fn a_bundle_of_version_1_verifies() {
    for format in FILED {
        let result = check(&place(format));
        assert!(result.is_intact(), "{format:?}: {:?}", result.failures);
        assert_eq!(result.interrupted.as_deref(), Some("SIGINT"));
        assert_eq!((result.verified_files, result.verified_bytes), (11, result.verified_bytes));
        assert_eq!(
            result.chain_head.unwrap().to_string(),
            "74bd60126d7e484e22bfff6d459f98fd0d4df0a2a8d735bf7380cc4008a076d1",
            "{format:?}"
        );
    }
}

#[test]
fn a_bundle_of_version_1_reads_as_it_did() {
    for format in FILED {
        let source = BundleSource::open(&place(format)).unwrap();
        let manifest = source.manifest();
        assert_eq!(manifest.name, info().name());
        assert_eq!((manifest.start, manifest.end), (start(), Timestamp::new(1_767_323_100, 250_000_000)));
        assert_eq!(manifest.clock_note.as_deref(), Some("NTP: synchronised"));
        assert_eq!(source.host(), &info().host);
        let mut seen = Vec::new();
        source
            .walk(&Selection::everything(), &mut |item| {
                seen.push(match item {
                    Item::Gap(gap) => format!("gap {gap}"),
                    Item::Entry(entry) => {
                        let mut content = String::new();
                        if let Some(open) = entry.content {
                            open().unwrap().reader.read_to_string(&mut content).unwrap();
                        }
                        let target = entry.meta.link_target.map(|target| format!(" -> {target}")).unwrap_or_default();
                        format!("{} {}{target} {content:?}", entry.meta.kind.as_str(), entry.path)
                    }
                });
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!(
            seen,
            [
                r#"directory /etc """#.to_owned(),
                r#"file /etc/passwd "root:x:0:0:root:/root:/bin/bash\n""#.into(),
                r#"file /var/www/html/new\nline\\\xff ~.php "<?php exit;\n""#.into(),
                format!(r#"file /srv/{} "extended header""#, "é".repeat(120)),
                format!(r#"file /tmp/{} "stored by its digest""#, "\\xfe".repeat(200)),
                r#"file /empty """#.into(),
                r#"symlink /etc/link -> /etc/shadow """#.into(),
                "gap /run/fifo: not_regular: a FIFO".into(),
            ],
            "{format:?}"
        );
        let mut others = Vec::new();
        for kind in ["accounts", "cron", "authorized_keys", "units", "modules"] {
            source
                .records(kind, &mut |record| {
                    others.push(record);
                    ControlFlow::Continue(())
                })
                .unwrap();
        }
        assert_eq!(others, other_records());
    }
}
