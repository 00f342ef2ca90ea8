//! Bytes in, records out: one file a format.
//!
//! A parser is pure: no I/O, no clock, no state. It never panics, whatever the bytes, and what it gives is bounded by
//! [`Limits`] and by the input. A line that it cannot read becomes a gap that names the line; the lines around it are still
//! read, because one hostile line must not hide the next. Nothing that is parsed is ever executed or followed.
//!
//! What leaves [`records`] has gone through [`redact`]: a record has no password, hash or token in it.

pub mod access_log;
pub mod astdb;
pub mod asterisk_conf;
pub mod asterisk_log;
pub mod audit_log;
pub mod auth_log;
pub mod authorized_keys;
pub mod ban_log;
mod bytes;
pub mod clear_sign;
pub mod cpio;
pub mod crontab;
pub mod database;
pub mod deb;
pub mod dpkg;
pub mod error_log;
pub mod fail2ban;
mod format;
pub mod freepbx_conf;
pub mod freepbx_dirs;
pub mod group;
pub mod history;
pub mod hook_config;
pub mod journal;
pub mod lastlog;
mod line;
pub mod local_time;
pub mod log_kind;
pub mod log_time;
pub mod login_db;
pub mod master_csv;
pub mod module_sig;
pub mod module_xml;
pub mod mysqldump;
pub mod openpgp;
pub mod package_log;
pub mod passwd;
pub mod php_ini;
pub mod procfs;
pub mod redact;
mod rotated;
pub mod rpm;
pub mod schedule;
pub mod script;
mod secret;
pub mod shadow;
mod sqlite;
pub mod ssh_config;
pub mod sudoers;
pub mod system_config;
pub mod systemd_unit;
mod unpack;
pub mod uri;
pub mod utmp;
pub mod web_config;
pub mod web_setting;

pub use format::Format;
pub use secret::Secret;

use crate::model::{
    AuthorizedKey, CronEntry, EvidencePath, FileMeta, Linger, Mechanism, Module, Outcome, Program, RawText, Record,
    StartupCommand, Unit,
};

/// How much a parser takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most records that one file gives; the rest is a gap.
    pub max_records: usize,
    /// The longest line, continuation lines joined, in bytes; a longer one is a gap.
    pub max_line_bytes: usize,
    /// The most bytes that are read of what a packed log unpacks to; the rest is a gap.
    pub max_unpacked_bytes: u64,
}

impl Default for Limits {
    /// 200 000 records (the largest genuine `module.sig` has 8 108), 256 KiB a line (cronie reads 128 KiB), 128 MiB unpacked.
    fn default() -> Self {
        Self { max_records: 200_000, max_line_bytes: 256 * 1024, max_unpacked_bytes: 128 << 20 }
    }
}

/// Says whether the content of the file at this place is of interest to a parser, so that a caller keeps it.
pub fn wants(path: &EvidencePath) -> bool {
    Format::at(path).is_some()
}

/// Formats whose files may be larger than what a sweep holds in memory for everybody: a journal is rotated at 128 MiB, and the package
/// database of a large Red Hat comes near it.
const LARGE: [Format; 2] = [Format::Journal, Format::RpmDatabase];

/// The largest file, in bytes, that a parser takes in.
pub const LARGEST: u64 = 192 << 20;

/// Says whether the file at this place is of interest to a parser up to [`LARGEST`] bytes, which is more than a sweep keeps of others.
pub fn wants_large(path: &EvidencePath) -> bool {
    Format::at(path).is_some_and(|format| LARGE.contains(&format))
}

/// The records of one file, by the format that its place tells. Logs that were packed by a rotation are unpacked.
///
/// Gives nothing for a file of no known format, and for `freepbx.conf`, which has no record of its own. A `FreePBX` module has two files,
/// `module.sig` and `module.xml`; each gives a [`Module`] of the same path with what that file says, and a reader takes them together.
pub fn records(path: &EvidencePath, meta: &FileMeta, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Record>> {
    let Some(format) = Format::at(path).filter(|_| meta.is_file()) else { return Outcome::whole(Vec::new()) };
    let mut gaps = Vec::new();
    let unpacked = if format.is_log() {
        let unpacked = rotated::unpacked(path, bytes, limits);
        gaps = unpacked.gaps;
        unpacked.value
    } else {
        bytes.into()
    };
    let mut read = read(format, path, &unpacked, limits);
    gaps.append(&mut read.gaps);
    // Some formats give a second record of a line for the table of what runs by itself.
    read.value.truncate(limits.max_records);
    Outcome { value: read.value.into_iter().map(redact::record).collect(), gaps }
}

fn read(format: Format, path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Record>> {
    use web_config::Flavour;
    match format {
        Format::Passwd => map(passwd::parse(path, bytes, limits), Record::Account),
        Format::Shadow => map(shadow::parse(path, bytes, limits), |entry| Record::Password(entry.record(path))),
        Format::Group => map(group::parse(path, bytes, limits), Record::Group),
        Format::GroupShadow => map(group::parse_shadow(path, bytes, limits), Record::Group),
        Format::Sudoers => map(sudoers::parse(path, bytes, limits), Record::Sudoers),
        Format::SystemCrontab | Format::UserCrontab | Format::Anacrontab => {
            flat_map(crontab::parse(path, &crontab::Style::at(path), bytes, limits), job)
        }
        Format::AtJob => map(schedule::parse_at(path, bytes, limits), Record::StartupCommand),
        Format::SystemIncrontab => map(schedule::parse_incron(path, true, bytes, limits), Record::StartupCommand),
        Format::UserIncrontab => map(schedule::parse_incron(path, false, bytes, limits), Record::StartupCommand),
        Format::Inittab => map(schedule::parse_inittab(path, bytes, limits), Record::StartupCommand),
        Format::AuthorizedKeys => flat_map(authorized_keys::parse(path, bytes, limits), key),
        Format::SshdConfig => then(ssh_config::parse(path, Program::Sshd, bytes, limits), ssh_config::records),
        Format::SshConfig => then(ssh_config::parse(path, Program::Ssh, bytes, limits), ssh_config::records),
        Format::SystemdUnit => unit(path, bytes, limits),
        Format::Linger => {
            Outcome::whole(vec![Record::Linger(Linger { path: path.clone(), account: path.file_name().into() })])
        }
        Format::InitScript => Outcome::whole(vec![
            Record::InitScript(script::parse_init(path, bytes)),
            Record::StartupCommand(script::hook(path, Mechanism::SysvInit, bytes)),
        ]),
        Format::Hook(mechanism) => Outcome::whole(vec![Record::StartupCommand(script::hook(path, mechanism, bytes))]),
        Format::ShellLines(mechanism) => {
            map(script::parse_lines(path, mechanism, bytes, limits), Record::StartupCommand)
        }
        Format::Preload => map(hook_config::parse_preload(path, bytes, limits), Record::StartupCommand),
        Format::UdevRules => map(hook_config::parse_udev(path, bytes, limits), Record::StartupCommand),
        Format::AptConf => map(hook_config::parse_apt(path, bytes, limits), Record::StartupCommand),
        Format::DpkgConf => map(hook_config::parse_dpkg(path, bytes, limits), Record::StartupCommand),
        Format::DnfActions => map(hook_config::parse_dnf_actions(path, bytes, limits), Record::StartupCommand),
        Format::Logrotate => map(hook_config::parse_logrotate(path, bytes, limits), Record::StartupCommand),
        Format::Interfaces => map(hook_config::parse_interfaces(path, bytes, limits), Record::StartupCommand),
        Format::Autostart => map(hook_config::parse_autostart(path, bytes, limits), Record::StartupCommand),
        Format::YumPlugin => map(system_config::parse_plugin(path, bytes, limits), Record::Setting),
        Format::Pam => system_config::parse_pam(path, bytes, limits),
        Format::Modprobe => system_config::parse_modprobe(path, bytes, limits),
        Format::ModulesLoad => map(system_config::parse_modules(path, bytes, limits), Record::Setting),
        Format::Polkit => system_config::parse_polkit(path, bytes, limits),
        Format::Fstab => map(system_config::parse_fstab(path, bytes, limits), Record::Fstab),
        Format::History(kind) => map(history::parse(path, kind, bytes, limits), Record::TypedCommand),
        Format::ModuleSignature | Format::ModuleXml => module(format, path, bytes, limits),
        Format::FreepbxConf => Outcome::whole(Vec::new()),
        Format::ApacheConfig | Format::Htaccess => web_setting::parse(path, Flavour::Apache, bytes, limits),
        Format::NginxConfig => web_setting::parse(path, Flavour::Nginx, bytes, limits),
        Format::PhpIni => then(php_ini::parse(path, Program::Php, bytes, limits), php_ini::records),
        Format::FpmPool => then(php_ini::parse(path, Program::PhpFpm, bytes, limits), php_ini::records),
        Format::DpkgStatus => map(dpkg::status(path, bytes, limits), |status| Record::Package(status.package)),
        Format::RpmDatabase => {
            let mut packages = Vec::new();
            let gaps =
                rpm::each(path, bytes, limits, &mut |installed| packages.push(Record::Package(installed.package)));
            Outcome { value: packages, gaps }
        }
        Format::Utmp => map(utmp::parse(path, bytes, limits), Record::Login),
        Format::Lastlog => map(lastlog::parse(path, bytes, limits), Record::Login),
        Format::Wtmpdb => map(login_db::wtmpdb(path, bytes, limits), Record::Login),
        Format::Lastlog2 => map(login_db::lastlog2(path, bytes, limits), Record::Login),
        Format::Journal => {
            let Outcome { value, gaps } = journal::parse(path, bytes, limits);
            let entries = value.entries.into_iter().map(Record::JournalEntry);
            Outcome { value: value.file.map(Record::JournalFile).into_iter().chain(entries).collect(), gaps }
        }
        Format::Fail2ban => map(fail2ban::parse(path, bytes, limits), Record::Ban),
        Format::Astdb => map(astdb::parse(path, bytes, limits), Record::Astdb),
        Format::MysqlDump => dump(path, bytes, limits),
        Format::PackageLog(kind) => map(package_log::parse(path, kind, bytes, limits), Record::PackageEvent),
        Format::AuthLog => map(auth_log::parse(path, bytes, limits), Record::AuthEvent),
        Format::AuditLog => map(audit_log::parse(path, bytes, limits), Record::AuditEvent),
        Format::BanLog => map(ban_log::parse(path, bytes, limits), Record::BanEvent),
    }
}

fn map<T>(outcome: Outcome<Vec<T>>, record: impl FnMut(T) -> Record) -> Outcome<Vec<Record>> {
    Outcome { value: outcome.value.into_iter().map(record).collect(), gaps: outcome.gaps }
}

fn flat_map<T>(outcome: Outcome<Vec<T>>, records: impl FnMut(T) -> Vec<Record>) -> Outcome<Vec<Record>> {
    Outcome { value: outcome.value.into_iter().flat_map(records).collect(), gaps: outcome.gaps }
}

fn then<T>(outcome: Outcome<Vec<T>>, records: impl FnOnce(Vec<T>) -> Vec<Record>) -> Outcome<Vec<Record>> {
    Outcome { value: records(outcome.value), gaps: outcome.gaps }
}

fn job(job: CronEntry) -> Vec<Record> {
    let startup = StartupCommand {
        path: job.path.clone(),
        line: Some(job.line),
        mechanism: Mechanism::Cron,
        trigger: job.schedule.as_str().into(),
        user: Some(job.user.clone()),
        command: job.command.clone(),
        text: job.text.clone(),
    };
    vec![Record::Cron(job), Record::StartupCommand(startup)]
}

/// A key, and what is run for whoever comes with it.
fn key(key: AuthorizedKey) -> Vec<Record> {
    let startup = authorized_keys::forced_command(key.options.as_bytes()).map(|command| StartupCommand {
        path: key.path.clone(),
        line: Some(key.line),
        mechanism: Mechanism::Ssh,
        trigger: format!("login with {}", key.fingerprint).as_str().into(),
        user: None,
        command: command.into(),
        text: key.options.clone(),
    });
    let mut out = vec![Record::AuthorizedKey(key)];
    out.extend(startup.map(Record::StartupCommand));
    out
}

fn unit(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Record>> {
    let Outcome { value, gaps } = systemd_unit::parse(path, bytes, limits);
    let user = value.iter().find(|setting| setting.section == "Service" && setting.key == "User");
    let user = user.map(|setting| setting.value.clone());
    let commands = value.iter().filter(|setting| setting.is_command() && !setting.value.is_empty());
    let commands: Vec<Record> = commands
        .map(|setting| {
            Record::StartupCommand(StartupCommand {
                path: path.clone(),
                line: Some(setting.line),
                mechanism: Mechanism::Systemd,
                trigger: setting.key.as_str().into(),
                user: user.clone(),
                command: setting.value.clone(),
                text: [setting.key.as_bytes(), b"=", setting.value.as_bytes()].concat().into(),
            })
        })
        .collect();
    let settings = value
        .into_iter()
        .filter(systemd_unit::Setting::is_active)
        .map(|setting| (setting.section, setting.key, setting.value))
        .collect();
    let mut records = vec![Record::Unit(Unit { path: path.clone(), settings })];
    records.extend(commands);
    Outcome { value: records, gaps }
}

fn module(format: Format, path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Record>> {
    let (module, gaps) = if format == Format::ModuleSignature {
        let Outcome { value, gaps } = module_sig::parse(path, bytes, limits);
        let listed_files = value.hashes.len() as u64;
        let (signed_with, repository) = (value.signed_with, value.repository);
        (Module { signed_with, repository, listed_files, ..bare_module(path) }, gaps)
    } else {
        let Outcome { value, gaps } = module_xml::parse(path, bytes, limits);
        (Module { version: value.version, ..bare_module(path) }, gaps)
    };
    Outcome { value: vec![Record::Module(module)], gaps }
}

/// What is no dump has the name of one all the same: schemas that programs bring along.
fn dump(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Record>> {
    let Outcome { value: bytes, gaps } = rotated::unpacked(path, bytes, limits);
    if !mysqldump::is_dump(&bytes) {
        return Outcome { value: Vec::new(), gaps };
    }
    let mut outcome = mysqldump::parse(path, &bytes, limits);
    outcome.gaps.extend(gaps);
    outcome
}

fn bare_module(file: &EvidencePath) -> Module {
    let folder = file.parent().unwrap_or_else(EvidencePath::root);
    Module {
        name: RawText::from(folder.file_name()),
        path: folder,
        version: None,
        signed_with: None,
        repository: None,
        listed_files: 0,
    }
}

#[cfg(test)]
mod tests;
