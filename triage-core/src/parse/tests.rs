#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use super::*;
use crate::model::{FileKind, FileMeta, Gap, HistoryKind, Mode};
use proptest::prelude::*;
use serde::Serialize;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

mod log;
mod schema;

/// Every format with a place that a file of it could have.
const FORMATS: [(Format, &str); 66] = [
    (Format::Passwd, "/etc/passwd"),
    (Format::Shadow, "/etc/shadow"),
    (Format::Group, "/etc/group"),
    (Format::GroupShadow, "/etc/gshadow"),
    (Format::Sudoers, "/etc/sudoers"),
    (Format::SystemCrontab, "/etc/crontab"),
    (Format::UserCrontab, "/var/spool/cron/crontabs/asterisk"),
    (Format::Anacrontab, "/etc/anacrontab"),
    (Format::AtJob, "/var/spool/cron/atjobs/a0000201c16a4b"),
    (Format::SystemIncrontab, "/etc/incron.d/sysadmin"),
    (Format::UserIncrontab, "/var/spool/incron/asterisk"),
    (Format::Inittab, "/etc/inittab"),
    (Format::AuthorizedKeys, "/root/.ssh/authorized_keys"),
    (Format::SshdConfig, "/etc/ssh/sshd_config"),
    (Format::SshConfig, "/home/eve/.ssh/config"),
    (Format::SystemdUnit, "/etc/systemd/system/x.service"),
    (Format::Linger, "/var/lib/systemd/linger/eve"),
    (Format::InitScript, "/etc/init.d/x"),
    (Format::Hook(Mechanism::Motd), "/etc/update-motd.d/10-x"),
    (Format::ShellLines(Mechanism::ShellStartup), "/etc/profile.d/x.sh"),
    (Format::Preload, "/etc/ld.so.preload"),
    (Format::UdevRules, "/etc/udev/rules.d/99-x.rules"),
    (Format::AptConf, "/etc/apt/apt.conf.d/99x"),
    (Format::DpkgConf, "/etc/dpkg/dpkg.cfg.d/x"),
    (Format::DnfActions, "/etc/dnf/plugins/post-transaction-actions.d/x.action"),
    (Format::YumPlugin, "/etc/yum/pluginconf.d/x.conf"),
    (Format::Logrotate, "/etc/logrotate.d/x"),
    (Format::Interfaces, "/etc/network/interfaces"),
    (Format::Autostart, "/home/eve/.config/autostart/x.desktop"),
    (Format::Pam, "/etc/pam.d/sshd"),
    (Format::Modprobe, "/etc/modprobe.d/x.conf"),
    (Format::ModulesLoad, "/etc/modules"),
    (Format::Polkit, "/etc/polkit-1/rules.d/49-x.rules"),
    (Format::Fstab, "/etc/fstab"),
    (Format::History(HistoryKind::Shell), "/root/.bash_history"),
    (Format::History(HistoryKind::Zsh), "/root/.zsh_history"),
    (Format::History(HistoryKind::Fish), "/root/.local/share/fish/fish_history"),
    (Format::History(HistoryKind::Mysql), "/root/.mysql_history"),
    (Format::History(HistoryKind::Asterisk), "/root/.asterisk_history"),
    (Format::ModuleSignature, "/var/www/html/admin/modules/x/module.sig"),
    (Format::ModuleXml, "/var/www/html/admin/modules/x/module.xml"),
    (Format::FreepbxConf, "/etc/freepbx.conf"),
    (Format::ApacheConfig, "/etc/apache2/apache2.conf"),
    (Format::Htaccess, "/var/www/html/.htaccess"),
    (Format::NginxConfig, "/etc/nginx/nginx.conf"),
    (Format::PhpIni, "/etc/php/8.2/apache2/php.ini"),
    (Format::FpmPool, "/etc/php/8.2/fpm/pool.d/www.conf"),
    (Format::DpkgStatus, "/var/lib/dpkg/status"),
    (Format::PackageLog(package_log::LogKind::Dpkg), "/var/log/dpkg.log"),
    (Format::PackageLog(package_log::LogKind::Apt), "/var/log/apt/history.log"),
    (Format::PackageLog(package_log::LogKind::Yum), "/var/log/yum.log"),
    (Format::PackageLog(package_log::LogKind::Dnf), "/var/log/dnf.rpm.log"),
    (Format::AuthLog, "/var/log/auth.log"),
    (Format::AuditLog, "/var/log/audit/audit.log"),
    (Format::BanLog, "/var/log/fail2ban.log"),
    (Format::Utmp, "/var/log/wtmp"),
    (Format::Lastlog, "/var/log/lastlog"),
    (Format::Wtmpdb, "/var/lib/wtmpdb/wtmp.db"),
    (Format::Lastlog2, "/var/lib/lastlog/lastlog2.db"),
    (Format::Journal, "/var/log/journal/fedcba9876543210fedcba9876543210/system.journal"),
    (Format::RpmDatabase, "/var/lib/rpm/Packages"),
    (Format::Fail2ban, "/var/lib/fail2ban/fail2ban.sqlite3"),
    (Format::Astdb, "/var/lib/asterisk/astdb.sqlite3"),
    (Format::MysqlDump, "/root/backup.sql"),
    // Formats of which the parser's own result has goldens, and here the records.
    (Format::ApacheConfig, "/etc/httpd/conf/httpd.conf"),
    (Format::NginxConfig, "/etc/nginx/sites-enabled/default"),
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

fn path(text: &str) -> EvidencePath {
    EvidencePath::new(text).unwrap()
}

fn place(format: Format) -> EvidencePath {
    path(place_text(format))
}

fn place_text(format: Format) -> &'static str {
    FORMATS.iter().find(|(other, _)| *other == format).unwrap().1
}

/// The folder of its samples.
fn folder(format: Format, at: &str) -> &'static str {
    match at {
        "/etc/httpd/conf/httpd.conf" => "apache_setting",
        "/etc/nginx/sites-enabled/default" => "nginx_setting",
        _ => format.as_str(),
    }
}

fn records_of(at: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Record>> {
    records(at, &FileMeta::bare(FileKind::File, Mode::new(0o644), bytes.len() as u64), bytes, limits)
}

/// What a golden holds: the result of the parser where it is more than the records, else the records.
fn read(format: Format, at: &str, bytes: &[u8], limits: &Limits) -> String {
    let path = &path(at);
    match (format, folder(format, at)) {
        (Format::Passwd, _) => json(passwd::parse(path, bytes, limits)),
        (Format::Shadow, _) => json(shadow::parse(path, bytes, limits)),
        (Format::SystemCrontab | Format::UserCrontab | Format::Anacrontab, _) => {
            json(crontab::read(path, &crontab::Style::at(path), bytes, limits))
        }
        (Format::AuthorizedKeys, _) => json(authorized_keys::parse(path, bytes, limits)),
        (Format::SystemdUnit, _) => json(systemd_unit::parse(path, bytes, limits)),
        (Format::ModuleSignature, _) => json(module_sig::parse(path, bytes, limits)),
        (Format::ModuleXml, _) => json(module_xml::parse(path, bytes, limits)),
        (Format::FreepbxConf, _) => json(freepbx_conf::parse(path, bytes, limits)),
        (Format::Utmp, _) => json(utmp::parse(path, bytes, limits)),
        (Format::Lastlog, _) => json(lastlog::parse(path, bytes, limits)),
        (Format::Wtmpdb, _) => json(login_db::wtmpdb(path, bytes, limits)),
        (Format::Lastlog2, _) => json(login_db::lastlog2(path, bytes, limits)),
        (Format::Journal, _) => json(journal::parse(path, bytes, limits)),
        (Format::RpmDatabase, _) => json(rpm::parse(path, bytes, limits)),
        (Format::DpkgStatus, _) => json(dpkg::status(path, bytes, limits)),
        (Format::Fail2ban, _) => json(fail2ban::parse(path, bytes, limits)),
        (Format::Astdb, _) => json(astdb::parse(path, bytes, limits)),
        (_, "apache_config") => json(web_config::parse(path, web_config::Flavour::Apache, bytes, limits)),
        (_, "nginx_config") => json(web_config::parse(path, web_config::Flavour::Nginx, bytes, limits)),
        _ => json(records_of(path, bytes, limits)),
    }
}

/// The bytes of a case; a large one is kept packed.
fn content(input: &Path) -> Vec<u8> {
    use std::io::Read as _;
    let mut bytes = fs::read(input).unwrap();
    if input.extension().is_some_and(|extension| extension == "gz") {
        let packed = std::mem::take(&mut bytes);
        flate2::read::GzDecoder::new(packed.as_slice()).read_to_end(&mut bytes).unwrap();
    }
    bytes
}

/// Every sample of every format: where it would lie, and its bytes.
#[allow(clippy::case_sensitive_file_extension_comparisons)]
fn samples() -> Vec<(Format, &'static str, std::path::PathBuf, Vec<u8>)> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata"));
    let mut out = Vec::new();
    for (format, at) in FORMATS {
        let before = out.len();
        for file in fs::read_dir(root.join(folder(format, at))).unwrap() {
            let input = file.unwrap().path();
            let name = input.to_str().unwrap();
            if name.ends_with(".in") || name.ends_with(".in.gz") {
                let bytes = content(&input);
                out.push((format, at, input, bytes));
            }
        }
        assert!(out.len() > before, "no case for {format:?}");
    }
    out
}

/// Walks `testdata/<format>/<case>.in`, whose `<case>.json` says what the parser makes of it. A new case is two files and no
/// code; `UPDATE_GOLDENS=1` writes the second, to be read before it is committed.
#[test]
fn goldens() {
    let is_update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let mut wrong = Vec::new();
    for (format, at, input, bytes) in samples() {
        let output = read(format, at, &bytes, &Limits::default());
        let name = input.to_str().unwrap();
        let golden = name.strip_suffix("in.gz").or_else(|| name.strip_suffix("in")).unwrap().to_owned() + "json";
        let golden = std::path::PathBuf::from(golden);
        if is_update {
            fs::write(&golden, output).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != output {
            wrong.push(golden);
        }
    }
    assert!(wrong.is_empty(), "not as the goldens say (UPDATE_GOLDENS=1 rewrites them): {wrong:#?}");
}

#[test]
fn every_place_tells_its_format() {
    for (format, at) in FORMATS {
        assert_eq!(Format::at(&path(at)), Some(format), "{at}");
    }
}

/// The samples hold this word wherever a password, hash or token could stand.
#[test]
fn no_secret_of_a_sample_is_in_a_record() {
    let mut with_secret = 0;
    for (_, at, input, bytes) in samples() {
        with_secret += usize::from(bytes.windows(7).any(|window| window == b"hunter2"));
        let records = records_of(&path(at), &bytes, &Limits::default()).value;
        let shown = format!("{records:?}");
        assert!(!shown.contains("hunter2"), "{}: {shown}", input.display());
    }
    assert!(with_secret >= 20, "only {with_secret} samples hold one");
}

#[test]
fn a_flood_of_refused_logins_does_not_push_out_the_one_that_succeeded() {
    let mut log = b"Jan  2 03:04:05 pbx sshd[1]: Failed password for root from 192.0.2.1 port 1 ssh2\n".repeat(50);
    log.extend_from_slice(b"Jan  2 03:04:06 pbx sshd[1]: Accepted password for root from 192.0.2.1 port 1 ssh2\n");
    let limits = Limits { max_records: 10, ..Limits::default() };
    let found = auth_log::parse(&path("/var/log/auth.log"), &log, &limits);
    assert_eq!((found.value.len(), found.gaps.len()), (6, 1));
    assert_eq!(found.value.last().unwrap().event, crate::model::AuthEventKind::Accepted);
    assert!(found.gaps[0].detail.contains("45 more refused logins"), "{:?}", found.gaps);
}

#[test]
fn a_rotated_log_is_read_like_the_one_before_it() {
    let log = b"2026-01-02 03:04:05 install php8.2:amd64 <none> 8.2.7-1\n";
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut packed, log).unwrap();
    let packed = packed.finish().unwrap();
    let count = |bytes: &[u8]| records_of(&path("/var/log/dpkg.log.2.gz"), bytes, &Limits::default()).value.len();
    assert_eq!((count(log), count(&packed)), (1, 1));
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
    for (format, at) in FORMATS {
        let outcome = records(&path(at), &meta, &garbage, &Limits::default());
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
        Just(&b"eve ALL = (root : adm) NOPASSWD: /bin/x, !/bin/y : h = "[..]),
        Just(&b"#include"[..]),
        Just(&b"Match User "[..]),
        Just(&b"Include *\n"[..]),
        Just(&b"DPkg::Post-Invoke { \"x\"; "[..]),
        Just(&b"/* \"}"[..]),
        Just(&b"ACTION==\"add\", RUN+=\"/x\" "[..]),
        Just(&b"session optional pam_exec.so /x\n"[..]),
        Just(&b"/var/log/x {\npostrotate\n"[..]),
        Just(&b": 1700000000:1;x\\\n"[..]),
        Just(&b"#1700000000\n"[..]),
        Just(&b"_HiStOrY_V2_\n\\040"[..]),
        Just(&b"\x83"[..]),
        Just(&b"<VirtualHost *:80>\nphp_value auto_prepend_file "[..]),
        Just(&b"[www]\nphp_admin_value[auto_prepend_file] = \""[..]),
        Just(&b"Package: x\nStatus: install ok installed\n"[..]),
        Just(&b"Start-Date: x\nInstall: a:b (1, 2), "[..]),
        Just(&b"Jan  2 03:04:05 pbx sshd[1]: Accepted password for "[..]),
        Just(&b" from 192.0.2.1 port 1 ssh2: "[..]),
        Just(&b"Jan  2 03:04:05 pbx sudo: x : TTY=a ; COMMAND="[..]),
        Just(&b"type=EXECVE msg=audit(1.000:1): argc=1 a0=2F msg='op=\""[..]),
        Just(&b"2026-01-02 03:04:05,000 fail2ban.actions [1]: NOTICE [x] Ban "[..]),
        Just(&b"\x1f\x8b\x08\0"[..]),
        Just(&b"--password="[..]),
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

static SMALL_CASES: LazyLock<Vec<(Format, Vec<u8>)>> = LazyLock::new(|| {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata"));
    let binary = [Format::Utmp, Format::Lastlog, Format::RpmDatabase, Format::Wtmpdb, Format::Fail2ban, Format::Astdb];
    let mut cases = Vec::new();
    for format in binary {
        for file in fs::read_dir(root.join(format.as_str())).unwrap() {
            let input = file.unwrap().path();
            if input.extension().is_some_and(|extension| extension == "in") {
                cases.push((format, content(&input)));
            }
        }
    }
    assert!(cases.len() >= 8);
    cases
});

#[test]
fn every_cut_of_a_small_genuine_file_is_survived() {
    for (format, genuine) in SMALL_CASES.iter() {
        let step = if genuine.len() > 2500 { 7 } else { 1 };
        for end in (0..genuine.len()).step_by(step) {
            read(*format, place_text(*format), &genuine[..end], &Limits::default());
        }
    }
}

proptest! {
    /// Bytes of genuine files that were changed or cut at places of chance get further into a parser than bytes of chance.
    #[test]
    fn no_parser_panics_on_a_damaged_genuine_file(
        flips in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..10),
        cut in any::<prop::sample::Index>(),
        is_cut: bool,
    ) {
        for (format, genuine) in SMALL_CASES.iter() {
            let mut bytes = genuine.clone();
            for (at, byte) in &flips {
                let at = at.index(bytes.len());
                bytes[at] ^= byte;
            }
            if is_cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            read(*format, place_text(*format), &bytes, &Limits::default());
        }
    }

    #[test]
    fn no_parser_panics_or_exceeds_its_limits(bytes in likely(), max_records in 0_usize..6, max_line_bytes in 0_usize..60) {
        let limits = Limits { max_records, max_line_bytes, max_unpacked_bytes: 4096 };
        for (format, at) in FORMATS {
            let output = read(format, at, &bytes, &limits);
            let value: serde_json::Value = serde_json::from_str(&output).unwrap();
            if let Some(records) = value["value"].as_array() {
                prop_assert!(records.len() <= max_records, "{format:?}");
            }
            if let Some(hashes) = value["value"]["hashes"].as_array() {
                prop_assert!(hashes.len() <= max_records);
            }
            prop_assert!(value["gaps"].as_array().unwrap().len() <= 102);
            prop_assert!(records_of(&path(at), &bytes, &limits).value.len() <= max_records, "{format:?}");
        }
    }

    #[test]
    fn no_parser_panics_on_bytes(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        for (format, at) in FORMATS {
            read(format, at, &bytes, &Limits::default());
        }
    }
}
