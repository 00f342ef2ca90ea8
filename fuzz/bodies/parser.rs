//! The parsers: bytes and tight limits in, no more records out than they allow.

use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::Read as _;
use triage_core::collect::WindowFinder;
use triage_core::model::{EvidencePath, FileKind, FileMeta, Mode, Outcome, Program, Timestamp};
use triage_core::parse::{self, Limits, web_config::Flavour};

pub(super) const LIMITS: Limits = Limits { max_records: 500, max_line_bytes: 4096, max_unpacked_bytes: 1 << 20 };

/// A place for each format, with the folders of `testdata` that have samples of it. The first byte of an input of `records` is an
/// index into it, so that new ones go to the end.
pub(super) const PLACES: &[(&str, &str)] = &[
    ("passwd", "/etc/passwd"),
    ("shadow", "/etc/shadow"),
    ("group", "/etc/group"),
    ("gshadow", "/etc/gshadow"),
    ("sudoers", "/etc/sudoers"),
    ("crontab", "/etc/crontab"),
    ("crontab_user", "/var/spool/cron/crontabs/asterisk"),
    ("anacrontab", "/etc/anacrontab"),
    ("at_job", "/var/spool/cron/atjobs/a0000201c16a4b"),
    ("incrontab", "/etc/incron.d/sysadmin"),
    ("incrontab_user", "/var/spool/incron/asterisk"),
    ("inittab", "/etc/inittab"),
    ("authorized_keys", "/root/.ssh/authorized_keys"),
    ("sshd_config", "/etc/ssh/sshd_config"),
    ("ssh_config", "/home/eve/.ssh/config"),
    ("systemd_unit", "/etc/systemd/system/x.service"),
    ("linger", "/var/lib/systemd/linger/eve"),
    ("init_script", "/etc/init.d/x"),
    ("hook", "/etc/update-motd.d/10-x"),
    ("shell_lines", "/etc/profile.d/x.sh"),
    ("ld_so_preload", "/etc/ld.so.preload"),
    ("udev", "/etc/udev/rules.d/99-x.rules"),
    ("apt_conf", "/etc/apt/apt.conf.d/99x"),
    ("dpkg_cfg", "/etc/dpkg/dpkg.cfg.d/x"),
    ("dnf_actions", "/etc/dnf/plugins/post-transaction-actions.d/x.action"),
    ("yum_plugin", "/etc/yum/pluginconf.d/x.conf"),
    ("logrotate", "/etc/logrotate.d/x"),
    ("interfaces", "/etc/network/interfaces"),
    ("autostart", "/home/eve/.config/autostart/x.desktop"),
    ("pam", "/etc/pam.d/sshd"),
    ("modprobe", "/etc/modprobe.d/x.conf"),
    ("modules_load", "/etc/modules"),
    ("polkit", "/etc/polkit-1/rules.d/49-x.rules"),
    ("fstab", "/etc/fstab"),
    ("history_shell", "/root/.bash_history"),
    ("history_zsh", "/root/.zsh_history"),
    ("history_fish", "/root/.local/share/fish/fish_history"),
    ("history_mysql", "/root/.mysql_history"),
    ("history_asterisk", "/root/.asterisk_history"),
    ("module_sig", "/var/www/html/admin/modules/x/module.sig"),
    ("module_xml", "/var/www/html/admin/modules/x/module.xml"),
    ("freepbx_conf", "/etc/freepbx.conf"),
    ("apache_config", "/etc/apache2/apache2.conf"),
    ("htaccess", "/var/www/html/.htaccess"),
    ("nginx_config", "/etc/nginx/nginx.conf"),
    ("php_ini", "/etc/php/8.2/apache2/php.ini"),
    ("fpm_pool", "/etc/php/8.2/fpm/pool.d/www.conf"),
    ("dpkg_status", "/var/lib/dpkg/status"),
    ("dpkg_log", "/var/log/dpkg.log"),
    ("apt_history", "/var/log/apt/history.log"),
    ("yum_log", "/var/log/yum.log"),
    ("dnf_log", "/var/log/dnf.rpm.log"),
    ("auth_log", "/var/log/auth.log"),
    ("audit_log", "/var/log/audit/audit.log"),
    ("fail2ban_log", "/var/log/fail2ban.log"),
    ("utmp", "/var/log/wtmp"),
    ("lastlog", "/var/log/lastlog"),
    ("wtmpdb", "/var/lib/wtmpdb/wtmp.db"),
    ("lastlog2", "/var/lib/lastlog/lastlog2.db"),
    ("journal", "/var/log/journal/fedcba9876543210fedcba9876543210/system.journal"),
    ("rpm", "/var/lib/rpm/Packages"),
    ("fail2ban", "/var/lib/fail2ban/fail2ban.sqlite3"),
    ("astdb", "/var/lib/asterisk/astdb.sqlite3"),
    ("apache_setting", "/etc/httpd/conf/httpd.conf"),
    ("nginx_setting", "/etc/nginx/sites-enabled/default"),
    // Packed by a rotation, and formats that share a parser and have no samples of their own.
    ("auth_log", "/var/log/secure-20260101.gz"),
    ("history_shell", "/root/.python_history"),
    ("history_shell", "/root/.psql_history"),
    ("history_shell", "/root/.rediscli_history"),
    ("sqlite", "/var/lib/rpm/rpmdb.sqlite"),
    ("mysqldump", "/root/backup.sql"),
];

pub(super) fn path(text: &str) -> EvidencePath {
    EvidencePath::new(text).expect("a path")
}

fn bounded<T>(outcome: &Outcome<Vec<T>>, bytes: &[u8]) {
    assert!(outcome.value.len() <= LIMITS.max_records, "{} records", outcome.value.len());
    gaps(outcome.gaps.len(), bytes);
}

/// A gap a line, and some for the whole, is what an input can cost.
fn gaps(count: usize, bytes: &[u8]) {
    assert!(count <= bytes.len() + LIMITS.max_records + 64, "{count} gaps of {} bytes", bytes.len());
}

fn read(place: &str, bytes: &[u8]) {
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), bytes.len() as u64);
    let outcome = parse::records(&path(place), &meta, bytes, &LIMITS);
    assert!(outcome.value.len() <= LIMITS.max_records, "{} records", outcome.value.len());
    if !place.starts_with("/var/log/") {
        gaps(outcome.gaps.len(), bytes);
    }
    for record in &outcome.value {
        let line = serde_json::to_vec(record).expect("a record becomes a line");
        let again = serde_json::from_slice::<triage_core::model::Record>(&line).expect("and is read again");
        assert_eq!(&again, record, "a record that is read is what was written");
    }
}

/// Any format, by its place.
pub(super) fn records(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else { return };
    let (_, place) = PLACES[usize::from(first) % PLACES.len()];
    read(place, bytes);
}

pub(super) fn journal(data: &[u8]) {
    let outcome = parse::journal::parse(&path("/var/log/journal/x/system.journal"), data, &LIMITS);
    assert!(outcome.value.entries.len() <= LIMITS.max_records);
    read("/var/log/journal/fedcba9876543210fedcba9876543210/system.journal", data);
}

pub(super) fn rpm(data: &[u8]) {
    bounded(&parse::rpm::parse(&path("/var/lib/rpm/Packages"), data, &LIMITS), data);
}

/// The databases that are opened in memory; the first byte says whose.
pub(super) fn sqlite(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else { return };
    let at = path("/x.db");
    match first % 5 {
        0 => bounded(&parse::login_db::wtmpdb(&at, bytes, &LIMITS), bytes),
        1 => bounded(&parse::login_db::lastlog2(&at, bytes, &LIMITS), bytes),
        2 => bounded(&parse::fail2ban::parse(&at, bytes, &LIMITS), bytes),
        3 => bounded(&parse::astdb::parse(&at, bytes, &LIMITS), bytes),
        _ => bounded(&parse::rpm::parse(&at, bytes, &LIMITS), bytes),
    }
}

/// A dump, whole and as it comes in small pieces: that makes no difference, and a row is no more than what stands there.
pub(super) fn mysqldump(data: &[u8]) {
    use std::ops::ControlFlow;
    use triage_core::model::DatabaseFrom;
    use triage_core::parse::{database::Origin, mysqldump};
    let at = path("/root/backup.sql");
    let origin = Origin { path: &at, from: DatabaseFrom::Dump, zone: None };
    let read = |reader: &mut dyn std::io::Read, budget| {
        let mut records = Vec::new();
        let gaps = mysqldump::each(&origin, reader, budget, &mut |record| {
            records.push(record);
            ControlFlow::Continue(())
        });
        (records, gaps)
    };
    let whole = read(&mut &*data, u64::MAX);
    assert!(whole.0.len() <= data.len(), "{} records of {} bytes", whole.0.len(), data.len());
    gaps(whole.1.len(), data);
    let mut pieces = data.chunks(3);
    let mut rest: &[u8] = &[];
    let mut slowly = std::io::BufReader::with_capacity(1, Pieces(&mut pieces, &mut rest));
    assert_eq!(whole, read(&mut slowly, u64::MAX), "how the bytes come makes a difference");
    read(&mut &*data, data.len() as u64 / 2);
    let _ = mysqldump::is_dump(data);
}

/// Gives a few bytes at a time.
struct Pieces<'a, 'b>(&'a mut std::slice::Chunks<'b, u8>, &'a mut &'b [u8]);

impl std::io::Read for Pieces<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.1.is_empty() {
            *self.1 = self.0.next().unwrap_or_default();
        }
        let count = self.1.len().min(buffer.len());
        let (now, later) = self.1.split_at(count);
        buffer[..count].copy_from_slice(now);
        *self.1 = later;
        Ok(count)
    }
}

pub(super) fn login(data: &[u8]) {
    bounded(&parse::utmp::parse(&path("/var/log/wtmp"), data, &LIMITS), data);
    bounded(&parse::lastlog::parse(&path("/var/log/lastlog"), data, &LIMITS), data);
}

pub(super) fn module_sig(data: &[u8]) {
    let outcome = parse::module_sig::parse(&path("/m/module.sig"), data, &LIMITS);
    assert!(outcome.value.hashes.len() <= LIMITS.max_records);
    let message = parse::clear_sign::ClearSigned::read(data);
    if let Some(text) = message.signed_text() {
        // Whoever reads the list and whoever checks the signature see the same lines.
        assert!(!text.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n'), "a lone carriage return is signed");
        assert!(text.len() <= 2 * data.len());
    }
    let _ = parse::openpgp::clear_signed(&message);
    let _ = parse::openpgp::KeyRing::read(data);
    if let Ok(opened) = parse::openpgp::signed_message(data, 64 << 10) {
        assert!(opened.content.len() <= 64 << 10);
    }
    for file in parse::freepbx_dirs::FILES {
        let _ = parse::freepbx_dirs::Directories::read(&EvidencePath::new(file).expect("a path"), data, &LIMITS);
    }
    let _ = parse::module_xml::parse(&path("/m/module.xml"), data, &LIMITS);
}

pub(super) fn web_config(data: &[u8]) {
    let at = path("/etc/x.conf");
    for flavour in [Flavour::Apache, Flavour::Nginx] {
        bounded(&parse::web_config::parse(&at, flavour, data, &LIMITS), data);
        // `records` cuts this one at the limit.
        let _ = parse::web_setting::parse(&at, flavour, data, &LIMITS);
    }
    for program in [Program::Php, Program::PhpFpm] {
        bounded(&parse::php_ini::parse(&at, program, data, &LIMITS), data);
    }
    let _ = parse::freepbx_conf::parse(&at, data, &LIMITS);
}

pub(super) fn sudoers(data: &[u8]) {
    bounded(&parse::sudoers::parse(&path("/etc/sudoers"), data, &LIMITS), data);
}

/// Two files that may include each other.
pub(super) fn ssh_config(data: &[u8]) {
    let (main, other) = (path("/etc/ssh/sshd_config"), path("/etc/ssh/sshd_config.d/x.conf"));
    let (first, second) = data.split_at(data.len() / 2);
    for program in [Program::Sshd, Program::Ssh] {
        let whole = parse::ssh_config::parse(&main, program, data, &LIMITS);
        bounded(&whole, data);
        let rest = parse::ssh_config::parse(&other, program, second, &LIMITS).value;
        let first = parse::ssh_config::parse(&main, program, first, &LIMITS).value;
        let files = BTreeMap::from([(main.clone(), [whole.value, first].concat()), (other.clone(), rest)]);
        let _ = parse::ssh_config::effective(&main, &files);
    }
}

/// Package files: `ar`, `cpio` and rpm's headers.
pub(super) fn package(data: &[u8]) {
    if let Ok(deb) = parse::deb::parse(data) {
        assert!(data.get(deb.control).is_some() && data.get(deb.data).is_some(), "a part is outside of the file");
    }
    if let Ok(package) = parse::rpm::read_file(&path("/p.rpm"), data) {
        assert!(package.payload <= data.len(), "the payload is outside of the file");
        bounded(&Outcome { value: package.package.files, gaps: Vec::new() }, data);
    }
    let mut members = 0;
    // What it breaks off with is for who reads it.
    let _ = parse::cpio::each(data, &|number| Some(u64::from(number)), &mut |member, _| {
        members += 1;
        assert!(member.offset <= data.len() as u64, "a content begins outside of the archive");
        Ok(())
    });
    assert!(members <= data.len() / 14 + 1, "{members} members of {} bytes", data.len());
}

/// Asterisk's configuration, and what is called in its values.
pub(super) fn asterisk_conf(data: &[u8]) {
    let found = parse::asterisk_conf::parse(&path("/etc/asterisk/extensions.conf"), data, &LIMITS);
    bounded(&found, data);
    for entry in &found.value {
        let value = entry.value.as_bytes();
        for call in parse::asterisk_conf::calls(value, &["System", "SHELL", "AGI"]) {
            assert!(call.argument.len() <= value.len());
        }
    }
}

/// dpkg's own lists.
pub(super) fn dpkg(data: &[u8]) {
    let at = path("/var/lib/dpkg/x");
    bounded(&parse::dpkg::status(&at, data, &LIMITS), data);
    bounded(&parse::dpkg::md5sums(&at, data, &LIMITS), data);
    bounded(&parse::dpkg::list(&at, data, &LIMITS), data);
    bounded(&parse::dpkg::diversions(&at, data, &LIMITS), data);
    bounded(&parse::dpkg::stat_overrides(&at, data, &LIMITS), data);
}

/// The kernel's own tables; a root kit may write them.
pub(super) fn procfs(data: &[u8]) {
    use parse::procfs;
    let time = Timestamp::new(1_700_000_000, 0);
    let _ = (procfs::stat(data), procfs::status(data), procfs::link(data), procfs::maps(data));
    let _ = (procfs::cgroup(data), procfs::environment(data), procfs::socket_inode(data));
    let _ = (procfs::namespace_inode(data), procfs::kallsyms_module(data));
    let lines = data.split(|&byte| byte == b'\n').count();
    for protocol in ["tcp", "udp6"] {
        assert!(procfs::inet(protocol, data, time).count() <= lines);
    }
    assert!(procfs::unix(data, time).count() <= lines);
    assert!(procfs::packet(data, time).count() <= lines);
    assert!(procfs::neighbours(data, time).count() <= lines);
    assert!(procfs::routes(data, time).count() <= lines);
    assert!(procfs::ipv6_routes(data, time).count() <= lines);
    assert!(procfs::modules(data, time).count() <= lines);
    assert!(procfs::mounts(data, time).count() <= lines);
    assert!(procfs::interfaces(data).count() <= lines);
}

/// What has been taken out once has nothing left to take out.
pub(super) fn redact(data: &[u8]) {
    let _ = parse::redact::redact(data);
    let _ = parse::authorized_keys::forced_command(data);
}

/// The times of a log, piece by piece; the first byte says how long the pieces are, and whether it is one of records.
pub(super) fn log_window(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else { return };
    let mut finder = WindowFinder::new(if first & 1 == 0 { b"syslog" } else { b"wtmp" });
    for piece in bytes.chunks(usize::from(first) * 8 + 1) {
        finder.feed(piece);
    }
    let _ = finder.finish(first & 2 == 0);
}

/// A sample as a parser gets it: some are stored packed.
pub(super) fn unpacked(bytes: Vec<u8>, is_packed: bool) -> Vec<u8> {
    if !is_packed {
        return bytes;
    }
    let mut out = Vec::new();
    GzDecoder::new(bytes.as_slice()).take(64 << 20).read_to_end(&mut out).expect("a packed sample");
    out
}
