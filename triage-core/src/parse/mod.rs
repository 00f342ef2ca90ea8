//! Bytes in, records out: one file a format.
//!
//! A parser is pure: no I/O, no clock, no state. It never panics, whatever the bytes, and what it gives is bounded by
//! [`Limits`] and by the input. A line that it cannot read becomes a gap that names the line; the lines around it are still
//! read, because one hostile line must not hide the next. Nothing that is parsed is ever executed or followed.

pub mod authorized_keys;
pub mod crontab;
pub mod freepbx_conf;
mod line;
pub mod module_sig;
pub mod module_xml;
pub mod passwd;
mod secret;
pub mod shadow;
pub mod systemd_unit;
pub mod web_config;

pub use secret::Secret;

use crate::model::{EvidencePath, FileMeta, Module, Outcome, Pattern, RawText, Record, Unit};
use std::sync::LazyLock;

/// How much a parser takes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most records that one file gives; the rest is a gap.
    pub max_records: usize,
    /// The longest line, continuation lines joined, in bytes; a longer one is a gap.
    pub max_line_bytes: usize,
}

impl Default for Limits {
    /// 200 000 records (the largest genuine `module.sig` has 8 108) and 256 KiB a line (cronie reads 128 KiB).
    fn default() -> Self {
        Self { max_records: 200_000, max_line_bytes: 256 * 1024 }
    }
}

/// The formats that are known by where a file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Format {
    /// `passwd(5)`.
    Passwd,
    /// `shadow(5)`.
    Shadow,
    /// A crontab with a user field.
    SystemCrontab,
    /// A crontab in a spool, named after its user.
    UserCrontab,
    /// `anacrontab(5)`.
    Anacrontab,
    /// `authorized_keys` of `sshd(8)`.
    AuthorizedKeys,
    /// A systemd unit file or a drop-in for one.
    SystemdUnit,
    /// The signed list of a `FreePBX` module's files.
    ModuleSignature,
    /// What a `FreePBX` module says of itself.
    ModuleXml,
    /// `/etc/freepbx.conf`.
    FreepbxConf,
    /// Apache's configuration.
    ApacheConfig,
    /// nginx's configuration.
    NginxConfig,
}

/// Well-known places of both distribution families, as `hier(7)`, `cron(8)`, `systemd.unit(5)` and the packages of Debian and
/// the Red Hat family have them.
const PLACES: &[(&str, Format)] = &[
    ("/etc/passwd", Format::Passwd),
    ("/etc/shadow", Format::Shadow),
    ("/etc/crontab", Format::SystemCrontab),
    ("/etc/cron.d/*", Format::SystemCrontab),
    ("/var/spool/cron/*", Format::UserCrontab),
    ("/var/spool/cron/crontabs/*", Format::UserCrontab),
    ("/var/spool/cron/tabs/*", Format::UserCrontab),
    ("/etc/anacrontab", Format::Anacrontab),
    ("/**/.ssh/authorized_keys*", Format::AuthorizedKeys),
    ("/etc/ssh/authorized_keys*", Format::AuthorizedKeys),
    ("/etc/ssh/authorized_keys*/*", Format::AuthorizedKeys),
    ("/etc/systemd/system/**", Format::SystemdUnit),
    ("/etc/systemd/user/**", Format::SystemdUnit),
    ("/usr/lib/systemd/system/**", Format::SystemdUnit),
    ("/usr/lib/systemd/user/**", Format::SystemdUnit),
    ("/lib/systemd/system/**", Format::SystemdUnit),
    ("/lib/systemd/user/**", Format::SystemdUnit),
    ("/usr/local/lib/systemd/*/**", Format::SystemdUnit),
    ("/run/systemd/system/**", Format::SystemdUnit),
    ("/run/systemd/transient/**", Format::SystemdUnit),
    ("/**/.config/systemd/user/**", Format::SystemdUnit),
    ("/**/.local/share/systemd/user/**", Format::SystemdUnit),
    ("/**/admin/modules/*/module.sig", Format::ModuleSignature),
    ("/**/admin/modules/*/module.xml", Format::ModuleXml),
    ("/etc/freepbx.conf", Format::FreepbxConf),
    ("/etc/apache2/**/*.conf", Format::ApacheConfig),
    ("/etc/apache2/sites-*/*", Format::ApacheConfig),
    ("/etc/httpd/**/*.conf", Format::ApacheConfig),
    ("/etc/nginx/**/*.conf", Format::NginxConfig),
    ("/etc/nginx/sites-*/*", Format::NginxConfig),
];

static PATTERNS: LazyLock<Vec<(Pattern, Format)>> = LazyLock::new(|| {
    PLACES.iter().filter_map(|&(text, format)| Pattern::new(text).ok().map(|pattern| (pattern, format))).collect()
});

impl Format {
    /// The format of the file at this place, if it is a well-known one.
    pub fn at(path: &EvidencePath) -> Option<Self> {
        let format = PATTERNS.iter().find(|(pattern, _)| pattern.matches(path)).map(|&(_, format)| format)?;
        (format != Self::SystemdUnit || systemd_unit::is_unit_name(path)).then_some(format)
    }

    /// The word in the names of folders of samples.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passwd => "passwd",
            Self::Shadow => "shadow",
            Self::SystemCrontab => "crontab",
            Self::UserCrontab => "crontab_user",
            Self::Anacrontab => "anacrontab",
            Self::AuthorizedKeys => "authorized_keys",
            Self::SystemdUnit => "systemd_unit",
            Self::ModuleSignature => "module_sig",
            Self::ModuleXml => "module_xml",
            Self::FreepbxConf => "freepbx_conf",
            Self::ApacheConfig => "apache_config",
            Self::NginxConfig => "nginx_config",
        }
    }
}

/// Says whether the content of the file at this place is of interest to a parser, so that a caller keeps it.
pub fn wants(path: &EvidencePath) -> bool {
    Format::at(path).is_some()
}

/// The records of one file, by the format that its place tells.
///
/// Gives nothing for a file of no known format, and for formats that have no record of their own (`shadow`, web server
/// configuration). A `FreePBX` module has two files, `module.sig` and `module.xml`; each gives a [`Module`] of the same path
/// with what that file says, and a reader takes them together.
pub fn records(path: &EvidencePath, meta: &FileMeta, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Record>> {
    let format = Format::at(path).filter(|_| meta.is_file());
    match format {
        Some(Format::Passwd) => map(passwd::parse(path, bytes, limits), Record::Account),
        Some(Format::SystemCrontab | Format::UserCrontab | Format::Anacrontab) => {
            map(crontab::parse(path, &crontab::Style::at(path), bytes, limits), Record::Cron)
        }
        Some(Format::AuthorizedKeys) => map(authorized_keys::parse(path, bytes, limits), Record::AuthorizedKey),
        Some(Format::SystemdUnit) => {
            let Outcome { value, gaps } = systemd_unit::parse(path, bytes, limits);
            let settings = value
                .into_iter()
                .filter(systemd_unit::Setting::is_active)
                .map(|setting| (setting.section, setting.key, setting.value))
                .collect();
            Outcome { value: vec![Record::Unit(Unit { path: path.clone(), settings })], gaps }
        }
        Some(Format::ModuleSignature) => {
            let Outcome { value, gaps } = module_sig::parse(path, bytes, limits);
            let module = Module {
                listed_files: value.hashes.len() as u64,
                signed_with: value.signed_with,
                repository: value.repository,
                ..bare_module(path)
            };
            Outcome { value: vec![Record::Module(module)], gaps }
        }
        Some(Format::ModuleXml) => {
            let Outcome { value, gaps } = module_xml::parse(path, bytes, limits);
            let module = Module { version: value.version, ..bare_module(path) };
            Outcome { value: vec![Record::Module(module)], gaps }
        }
        _ => Outcome::whole(Vec::new()),
    }
}

fn map<T>(outcome: Outcome<Vec<T>>, record: impl Fn(T) -> Record) -> Outcome<Vec<Record>> {
    Outcome { value: outcome.value.into_iter().map(record).collect(), gaps: outcome.gaps }
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
