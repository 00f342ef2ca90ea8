//! The formats that are known by where a file lies.

use super::package_log::LogKind;
use super::{history, script, systemd_unit};
use crate::model::{EvidencePath, HistoryKind, Mechanism, Pattern};
use std::collections::HashMap;
use std::sync::LazyLock;

/// The formats that are known by where a file lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// `passwd(5)`.
    Passwd,
    /// `shadow(5)`.
    Shadow,
    /// `group(5)`.
    Group,
    /// `gshadow(5)`.
    GroupShadow,
    /// `sudoers(5)`.
    Sudoers,
    /// A crontab with a user field.
    SystemCrontab,
    /// A crontab in a spool, named after its user.
    UserCrontab,
    /// `anacrontab(5)`.
    Anacrontab,
    /// A job of `at(1)`.
    AtJob,
    /// A table of incron in `/etc`.
    SystemIncrontab,
    /// A table of incron in a spool, named after its user.
    UserIncrontab,
    /// `inittab(5)`.
    Inittab,
    /// `authorized_keys` of `sshd(8)`.
    AuthorizedKeys,
    /// `sshd_config(5)` and what it includes.
    SshdConfig,
    /// `ssh_config(5)`, of the system and of accounts.
    SshConfig,
    /// A systemd unit file or a drop-in for one.
    SystemdUnit,
    /// The mark of an account whose services run without a login.
    Linger,
    /// A boot script.
    InitScript,
    /// A script or program that runs because it lies in its folder.
    Hook(Mechanism),
    /// Shell commands that are run or read in line by line.
    ShellLines(Mechanism),
    /// `ld.so.preload`.
    Preload,
    /// `udev(7)` rules.
    UdevRules,
    /// `apt.conf(5)`.
    AptConf,
    /// `dpkg.cfg(5)`.
    DpkgConf,
    /// Actions of dnf after a transaction.
    DnfActions,
    /// The settings of a plugin of yum or dnf.
    YumPlugin,
    /// `logrotate(8)`.
    Logrotate,
    /// `interfaces(5)`.
    Interfaces,
    /// A desktop entry that is started at the login.
    Autostart,
    /// A PAM stack.
    Pam,
    /// `modprobe.d(5)`.
    Modprobe,
    /// `modules-load.d(5)`.
    ModulesLoad,
    /// Rules of polkit.
    Polkit,
    /// `fstab(5)`.
    Fstab,
    /// What was typed.
    History(HistoryKind),
    /// The signed list of a `FreePBX` module's files.
    ModuleSignature,
    /// What a `FreePBX` module says of itself.
    ModuleXml,
    /// `/etc/freepbx.conf`.
    FreepbxConf,
    /// Apache's configuration.
    ApacheConfig,
    /// Apache's configuration in a web root.
    Htaccess,
    /// nginx's configuration.
    NginxConfig,
    /// `php.ini`, its `conf.d`, `.user.ini`.
    PhpIni,
    /// PHP-FPM and its pools.
    FpmPool,
    /// The packages that dpkg knows.
    DpkgStatus,
    /// The log of a package manager.
    PackageLog(LogKind),
    /// Logins, rights and accounts in a log of syslog.
    AuthLog,
    /// The kernel's audit log.
    AuditLog,
    /// fail2ban's log.
    BanLog,
    /// `utmp`, `wtmp`, `btmp`.
    Utmp,
    /// `lastlog`.
    Lastlog,
    /// `wtmpdb`'s database.
    Wtmpdb,
    /// `lastlog2`'s database.
    Lastlog2,
    /// A journal of systemd.
    Journal,
    /// A package database of `rpm`.
    RpmDatabase,
    /// `fail2ban`'s database.
    Fail2ban,
    /// Asterisk's database.
    Astdb,
    /// A dump of a database: SQL, perhaps packed.
    MysqlDump,
}

use Format::{Hook, ShellLines};
use Mechanism as By;

/// Well-known places of both distribution families, as `hier(7)`, the manuals of the programs and the packages of Debian and the Red Hat family
/// have them. The first that fits counts.
const PLACES: &[(&str, Format)] = &[
    ("/etc/passwd", Format::Passwd),
    ("/etc/shadow", Format::Shadow),
    ("/etc/group", Format::Group),
    ("/etc/gshadow", Format::GroupShadow),
    ("/etc/sudoers", Format::Sudoers),
    ("/etc/sudoers.d/*", Format::Sudoers),
    ("/usr/local/etc/sudoers", Format::Sudoers),
    ("/etc/crontab", Format::SystemCrontab),
    ("/etc/cron.d/*", Format::SystemCrontab),
    ("/var/spool/cron/*", Format::UserCrontab),
    ("/var/spool/cron/crontabs/*", Format::UserCrontab),
    ("/var/spool/cron/tabs/*", Format::UserCrontab),
    ("/etc/anacrontab", Format::Anacrontab),
    ("/etc/cron.hourly/*", Hook(By::Cron)),
    ("/etc/cron.daily/*", Hook(By::Cron)),
    ("/etc/cron.weekly/*", Hook(By::Cron)),
    ("/etc/cron.monthly/*", Hook(By::Cron)),
    ("/var/spool/at/*", Format::AtJob),
    ("/var/spool/cron/atjobs/*", Format::AtJob),
    ("/etc/incron.d/*", Format::SystemIncrontab),
    ("/var/spool/incron/*", Format::UserIncrontab),
    ("/etc/inittab", Format::Inittab),
    ("/**/.ssh/authorized_keys*", Format::AuthorizedKeys),
    ("/etc/ssh/authorized_keys*", Format::AuthorizedKeys),
    ("/etc/ssh/authorized_keys*/*", Format::AuthorizedKeys),
    ("/etc/ssh/sshd_config", Format::SshdConfig),
    ("/etc/ssh/sshd_config.d/**", Format::SshdConfig),
    ("/usr/etc/ssh/sshd_config", Format::SshdConfig),
    ("/etc/ssh/ssh_config", Format::SshConfig),
    ("/etc/ssh/ssh_config.d/**", Format::SshConfig),
    ("/**/.ssh/config", Format::SshConfig),
    ("/etc/ssh/sshrc", ShellLines(By::Ssh)),
    ("/**/.ssh/rc", ShellLines(By::Ssh)),
    ("/**/.ssh/environment", ShellLines(By::Ssh)),
    ("/etc/systemd/*-generators/*", Hook(By::Systemd)),
    ("/usr/lib/systemd/*-generators/*", Hook(By::Systemd)),
    ("/lib/systemd/*-generators/*", Hook(By::Systemd)),
    ("/run/systemd/*-generators/*", Hook(By::Systemd)),
    ("/usr/local/lib/systemd/*-generators/*", Hook(By::Systemd)),
    ("/etc/systemd/system-sleep/*", Hook(By::Systemd)),
    ("/etc/systemd/system-shutdown/*", Hook(By::Systemd)),
    ("/usr/lib/systemd/system-sleep/*", Hook(By::Systemd)),
    ("/usr/lib/systemd/system-shutdown/*", Hook(By::Systemd)),
    ("/lib/systemd/system-sleep/*", Hook(By::Systemd)),
    ("/lib/systemd/system-shutdown/*", Hook(By::Systemd)),
    ("/etc/systemd/system/**", Format::SystemdUnit),
    ("/etc/systemd/user/**", Format::SystemdUnit),
    ("/usr/lib/systemd/system/**", Format::SystemdUnit),
    ("/usr/lib/systemd/user/**", Format::SystemdUnit),
    ("/lib/systemd/system/**", Format::SystemdUnit),
    ("/lib/systemd/user/**", Format::SystemdUnit),
    ("/usr/local/lib/systemd/*/**", Format::SystemdUnit),
    ("/run/systemd/system/**", Format::SystemdUnit),
    ("/run/systemd/transient/**", Format::SystemdUnit),
    ("/run/systemd/generator*/**", Format::SystemdUnit),
    ("/**/.config/systemd/user/**", Format::SystemdUnit),
    ("/**/.local/share/systemd/user/**", Format::SystemdUnit),
    ("/var/lib/systemd/linger/*", Format::Linger),
    ("/etc/init.d/*", Format::InitScript),
    ("/etc/rc.d/init.d/*", Format::InitScript),
    ("/etc/rc.local", ShellLines(By::RcLocal)),
    ("/etc/rc.d/rc.local", ShellLines(By::RcLocal)),
    ("/etc/init.d/boot.local", ShellLines(By::RcLocal)),
    ("/etc/profile", ShellLines(By::ShellStartup)),
    ("/etc/profile.d/*", ShellLines(By::ShellStartup)),
    ("/etc/bashrc", ShellLines(By::ShellStartup)),
    ("/etc/bash.bashrc", ShellLines(By::ShellStartup)),
    ("/etc/bash.bash_logout", ShellLines(By::ShellStartup)),
    ("/etc/environment", ShellLines(By::ShellStartup)),
    ("/etc/environment.d/*", ShellLines(By::ShellStartup)),
    ("/etc/csh.*", ShellLines(By::ShellStartup)),
    ("/etc/zsh/*", ShellLines(By::ShellStartup)),
    ("/etc/zshenv", ShellLines(By::ShellStartup)),
    ("/etc/zshrc", ShellLines(By::ShellStartup)),
    ("/etc/zprofile", ShellLines(By::ShellStartup)),
    ("/etc/fish/config.fish", ShellLines(By::ShellStartup)),
    ("/**/.bashrc", ShellLines(By::ShellStartup)),
    ("/**/.bash_profile", ShellLines(By::ShellStartup)),
    ("/**/.bash_login", ShellLines(By::ShellStartup)),
    ("/**/.bash_logout", ShellLines(By::ShellStartup)),
    ("/**/.bash_aliases", ShellLines(By::ShellStartup)),
    ("/**/.profile", ShellLines(By::ShellStartup)),
    ("/**/.kshrc", ShellLines(By::ShellStartup)),
    ("/**/.cshrc", ShellLines(By::ShellStartup)),
    ("/**/.tcshrc", ShellLines(By::ShellStartup)),
    ("/**/.login", ShellLines(By::ShellStartup)),
    ("/**/.zshenv", ShellLines(By::ShellStartup)),
    ("/**/.zshrc", ShellLines(By::ShellStartup)),
    ("/**/.zprofile", ShellLines(By::ShellStartup)),
    ("/**/.zlogin", ShellLines(By::ShellStartup)),
    ("/**/.zlogout", ShellLines(By::ShellStartup)),
    ("/**/.xprofile", ShellLines(By::ShellStartup)),
    ("/**/.xsessionrc", ShellLines(By::ShellStartup)),
    ("/**/.xinitrc", ShellLines(By::ShellStartup)),
    ("/**/.pam_environment", ShellLines(By::ShellStartup)),
    ("/**/.config/fish/config.fish", ShellLines(By::ShellStartup)),
    ("/etc/ld.so.preload", Format::Preload),
    ("/etc/pam.conf", Format::Pam),
    ("/etc/pam.d/*", Format::Pam),
    ("/usr/lib/pam.d/*", Format::Pam),
    ("/etc/udev/rules.d/*.rules", Format::UdevRules),
    ("/run/udev/rules.d/*.rules", Format::UdevRules),
    ("/usr/lib/udev/rules.d/*.rules", Format::UdevRules),
    ("/usr/local/lib/udev/rules.d/*.rules", Format::UdevRules),
    ("/lib/udev/rules.d/*.rules", Format::UdevRules),
    ("/etc/modules", Format::ModulesLoad),
    ("/etc/modules-load.d/*.conf", Format::ModulesLoad),
    ("/usr/lib/modules-load.d/*.conf", Format::ModulesLoad),
    ("/usr/local/lib/modules-load.d/*.conf", Format::ModulesLoad),
    ("/run/modules-load.d/*.conf", Format::ModulesLoad),
    ("/etc/sysconfig/modules/*.modules", Hook(By::KernelModule)),
    ("/etc/modprobe.conf", Format::Modprobe),
    ("/etc/modprobe.d/*.conf", Format::Modprobe),
    ("/usr/lib/modprobe.d/*.conf", Format::Modprobe),
    ("/lib/modprobe.d/*.conf", Format::Modprobe),
    ("/run/modprobe.d/*.conf", Format::Modprobe),
    ("/etc/fstab", Format::Fstab),
    ("/etc/update-motd.d/*", Hook(By::Motd)),
    ("/etc/logrotate.conf", Format::Logrotate),
    ("/etc/logrotate.d/*", Format::Logrotate),
    ("/etc/apt/apt.conf", Format::AptConf),
    ("/etc/apt/apt.conf.d/*", Format::AptConf),
    ("/etc/dpkg/dpkg.cfg", Format::DpkgConf),
    ("/etc/dpkg/dpkg.cfg.d/*", Format::DpkgConf),
    ("/etc/kernel/*.d/*", Hook(By::PackageManager)),
    ("/usr/lib/yum-plugins/*", Hook(By::PackageManager)),
    ("/usr/share/yum-plugins/*", Hook(By::PackageManager)),
    ("/usr/lib/python*/site-packages/dnf-plugins/*", Hook(By::PackageManager)),
    ("/etc/yum/pluginconf.d/*.conf", Format::YumPlugin),
    ("/etc/dnf/plugins/*.conf", Format::YumPlugin),
    ("/etc/dnf/plugins/post-transaction-actions.d/*.action", Format::DnfActions),
    ("/etc/network/if-*.d/*", Hook(By::Network)),
    ("/etc/NetworkManager/dispatcher.d/**", Hook(By::Network)),
    ("/usr/lib/NetworkManager/dispatcher.d/**", Hook(By::Network)),
    ("/etc/networkd-dispatcher/*/*", Hook(By::Network)),
    ("/usr/lib/networkd-dispatcher/*/*", Hook(By::Network)),
    ("/etc/ppp/ip-*.d/*", Hook(By::Network)),
    ("/etc/ppp/ip-*", Hook(By::Network)),
    ("/sbin/ifup-local", Hook(By::Network)),
    ("/usr/sbin/ifup-local", Hook(By::Network)),
    ("/etc/dhcp/dhclient-*-hooks", ShellLines(By::Network)),
    ("/etc/dhcp/dhclient-*-hooks.d/*", ShellLines(By::Network)),
    ("/etc/dhcp/dhclient.d/*", ShellLines(By::Network)),
    ("/etc/dhclient-*-hooks", ShellLines(By::Network)),
    ("/etc/network/interfaces", Format::Interfaces),
    ("/etc/network/interfaces.d/*", Format::Interfaces),
    ("/etc/polkit-1/rules.d/*.rules", Format::Polkit),
    ("/run/polkit-1/rules.d/*.rules", Format::Polkit),
    ("/usr/share/polkit-1/rules.d/*.rules", Format::Polkit),
    ("/usr/local/share/polkit-1/rules.d/*.rules", Format::Polkit),
    ("/etc/polkit-1/localauthority/*/*.pkla", Format::Polkit),
    ("/var/lib/polkit-1/localauthority/*/*.pkla", Format::Polkit),
    ("/etc/xdg/autostart/*.desktop", Format::Autostart),
    ("/**/.config/autostart/*.desktop", Format::Autostart),
    ("/**/.bash_history", Format::History(HistoryKind::Shell)),
    ("/**/.sh_history", Format::History(HistoryKind::Shell)),
    ("/**/.ash_history", Format::History(HistoryKind::Shell)),
    ("/**/.ksh_history", Format::History(HistoryKind::Shell)),
    ("/**/.history", Format::History(HistoryKind::Shell)),
    ("/**/.zsh_history", Format::History(HistoryKind::Zsh)),
    ("/**/.zhistory", Format::History(HistoryKind::Zsh)),
    ("/**/.histfile", Format::History(HistoryKind::Zsh)),
    ("/**/.local/share/fish/fish_history", Format::History(HistoryKind::Fish)),
    ("/**/.mysql_history", Format::History(HistoryKind::Mysql)),
    ("/**/.mariadb_history", Format::History(HistoryKind::Mysql)),
    ("/**/.asterisk_history", Format::History(HistoryKind::Asterisk)),
    ("/**/.python_history", Format::History(HistoryKind::Python)),
    ("/**/.psql_history", Format::History(HistoryKind::Sql)),
    ("/**/.sqlite_history", Format::History(HistoryKind::Sql)),
    ("/**/.rediscli_history", Format::History(HistoryKind::Redis)),
    ("/**/admin/modules/*/module.sig", Format::ModuleSignature),
    ("/**/admin/modules/*/module.xml", Format::ModuleXml),
    ("/etc/freepbx.conf", Format::FreepbxConf),
    ("/etc/apache2/**/*.conf", Format::ApacheConfig),
    ("/etc/apache2/sites-*/*", Format::ApacheConfig),
    ("/etc/apache2/mods-*/*", Format::ApacheConfig),
    ("/etc/httpd/**/*.conf", Format::ApacheConfig),
    ("/**/.htaccess", Format::Htaccess),
    ("/etc/nginx/**/*.conf", Format::NginxConfig),
    ("/etc/nginx/sites-*/*", Format::NginxConfig),
    ("/etc/nginx/fastcgi_params", Format::NginxConfig),
    ("/etc/php-fpm.conf", Format::FpmPool),
    ("/etc/php-fpm.d/*.conf", Format::FpmPool),
    ("/etc/php/*/fpm/php-fpm.conf", Format::FpmPool),
    ("/etc/php/*/fpm/pool.d/*.conf", Format::FpmPool),
    ("/etc/opt/remi/*/php-fpm.d/*.conf", Format::FpmPool),
    ("/etc/php.ini", Format::PhpIni),
    ("/etc/php.d/*.ini", Format::PhpIni),
    ("/etc/php-zts.d/*.ini", Format::PhpIni),
    ("/etc/php/**/*.ini", Format::PhpIni),
    ("/etc/opt/remi/*/**/*.ini", Format::PhpIni),
    ("/usr/local/etc/php/**/*.ini", Format::PhpIni),
    ("/**/.user.ini", Format::PhpIni),
    ("/var/lib/dpkg/status", Format::DpkgStatus),
    ("/var/log/dpkg.log*", Format::PackageLog(LogKind::Dpkg)),
    ("/var/log/apt/history.log*", Format::PackageLog(LogKind::Apt)),
    ("/var/log/yum.log*", Format::PackageLog(LogKind::Yum)),
    ("/var/log/dnf.rpm.log*", Format::PackageLog(LogKind::Dnf)),
    ("/var/log/auth.log*", Format::AuthLog),
    ("/var/log/secure*", Format::AuthLog),
    ("/var/log/cron*", Format::AuthLog),
    ("/var/log/syslog*", Format::AuthLog),
    ("/var/log/messages*", Format::AuthLog),
    ("/var/log/audit/audit.log*", Format::AuditLog),
    ("/var/log/fail2ban.log*", Format::BanLog),
    ("/var/log/wtmp.db", Format::Wtmpdb),
    ("/var/lib/wtmpdb/wtmp.db", Format::Wtmpdb),
    ("/var/lib/lastlog/lastlog2.db", Format::Lastlog2),
    ("/var/log/wtmp*", Format::Utmp),
    ("/var/log/btmp*", Format::Utmp),
    ("/run/utmp", Format::Utmp),
    ("/var/run/utmp", Format::Utmp),
    ("/var/log/lastlog", Format::Lastlog),
    ("/var/log/journal/**/*.journal", Format::Journal),
    ("/var/log/journal/**/*.journal~", Format::Journal),
    ("/run/log/journal/**/*.journal", Format::Journal),
    ("/run/log/journal/**/*.journal~", Format::Journal),
    ("/var/lib/rpm/Packages", Format::RpmDatabase),
    ("/var/lib/rpm/Packages.db", Format::RpmDatabase),
    ("/var/lib/rpm/rpmdb.sqlite", Format::RpmDatabase),
    ("/usr/lib/sysimage/rpm/Packages", Format::RpmDatabase),
    ("/usr/lib/sysimage/rpm/Packages.db", Format::RpmDatabase),
    ("/usr/lib/sysimage/rpm/rpmdb.sqlite", Format::RpmDatabase),
    ("/usr/share/rpm/rpmdb.sqlite", Format::RpmDatabase),
    ("/var/lib/fail2ban/fail2ban.sqlite3", Format::Fail2ban),
    ("/var/lib/asterisk/astdb.sqlite3", Format::Astdb),
    ("/**/*.sql", Format::MysqlDump),
    ("/**/*.sql.gz", Format::MysqlDump),
    ("/**/*.sql.zst", Format::MysqlDump),
];

/// The places, sorted so that most files are compared with few of them: a sweep asks for every file, and more than once.
struct Index {
    places: Vec<(Pattern, Format)>,
    /// By the first name of the path, for patterns that have one.
    by_top: HashMap<&'static [u8], Vec<usize>>,
    /// By the last, for those that begin with `**`.
    by_name: HashMap<&'static [u8], Vec<usize>>,
    /// The rest.
    others: Vec<usize>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index { places: Vec::new(), by_top: HashMap::new(), by_name: HashMap::new(), others: Vec::new() };
    for &(text, format) in PLACES {
        let Ok(pattern) = Pattern::new(text) else { continue };
        let is_literal = |part: &&str| !part.contains(['*', '?']);
        let top = text.split('/').nth(1).filter(is_literal);
        let name = text.rsplit('/').next().filter(is_literal);
        let number = index.places.len();
        match (top, name) {
            (Some(top), _) => index.by_top.entry(top.as_bytes()).or_default().push(number),
            (None, Some(name)) => index.by_name.entry(name.as_bytes()).or_default().push(number),
            (None, None) => index.others.push(number),
        }
        index.places.push((pattern, format));
    }
    index
});

impl Format {
    /// The format of the file at this place, if it is a well-known one.
    pub fn at(path: &EvidencePath) -> Option<Self> {
        let index = &*INDEX;
        let top = index.by_top.get(path.components().next().unwrap_or_default());
        let name = index.by_name.get(path.file_name());
        let candidates = top.into_iter().chain(name).chain([&index.others]).flatten();
        let (_, format) = candidates
            .filter_map(|&number| index.places.get(number).map(|(pattern, format)| (number, pattern, *format)))
            .filter(|(_, pattern, _)| pattern.matches(path))
            .map(|(number, _, format)| (number, format))
            .min_by_key(|&(number, _)| number)?;
        let is_it = match format {
            Self::SystemdUnit => systemd_unit::is_unit_name(path),
            Self::Hook(_) => script::is_hook_name(path),
            Self::InitScript => {
                script::is_hook_name(path)
                    && !matches!(path.file_name(), b"functions" | b"skeleton")
                    && !path.file_name().starts_with(b".depend.")
            }
            Self::AtJob => !path.file_name().starts_with(b"."),
            Self::History(kind) => history::kind_of(path) == Some(kind),
            _ => true,
        };
        is_it.then_some(format)
    }

    /// Says whether it is a log, which a rotation may have packed.
    pub fn is_log(self) -> bool {
        matches!(self, Self::PackageLog(_) | Self::AuthLog | Self::AuditLog | Self::BanLog)
    }

    /// The word in the names of folders of samples.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passwd => "passwd",
            Self::Shadow => "shadow",
            Self::Group => "group",
            Self::GroupShadow => "gshadow",
            Self::Sudoers => "sudoers",
            Self::SystemCrontab => "crontab",
            Self::UserCrontab => "crontab_user",
            Self::Anacrontab => "anacrontab",
            Self::AtJob => "at_job",
            Self::SystemIncrontab => "incrontab",
            Self::UserIncrontab => "incrontab_user",
            Self::Inittab => "inittab",
            Self::AuthorizedKeys => "authorized_keys",
            Self::SshdConfig => "sshd_config",
            Self::SshConfig => "ssh_config",
            Self::SystemdUnit => "systemd_unit",
            Self::Linger => "linger",
            Self::InitScript => "init_script",
            Self::Hook(_) => "hook",
            Self::ShellLines(_) => "shell_lines",
            Self::Preload => "ld_so_preload",
            Self::UdevRules => "udev",
            Self::AptConf => "apt_conf",
            Self::DpkgConf => "dpkg_cfg",
            Self::DnfActions => "dnf_actions",
            Self::YumPlugin => "yum_plugin",
            Self::Logrotate => "logrotate",
            Self::Interfaces => "interfaces",
            Self::Autostart => "autostart",
            Self::Pam => "pam",
            Self::Modprobe => "modprobe",
            Self::ModulesLoad => "modules_load",
            Self::Polkit => "polkit",
            Self::Fstab => "fstab",
            Self::History(HistoryKind::Zsh) => "history_zsh",
            Self::History(HistoryKind::Fish) => "history_fish",
            Self::History(HistoryKind::Mysql) => "history_mysql",
            Self::History(HistoryKind::Asterisk) => "history_asterisk",
            Self::History(_) => "history_shell",
            Self::ModuleSignature => "module_sig",
            Self::ModuleXml => "module_xml",
            Self::FreepbxConf => "freepbx_conf",
            Self::ApacheConfig => "apache_config",
            Self::Htaccess => "htaccess",
            Self::NginxConfig => "nginx_config",
            Self::PhpIni => "php_ini",
            Self::FpmPool => "fpm_pool",
            Self::DpkgStatus => "dpkg_status",
            Self::PackageLog(LogKind::Dpkg) => "dpkg_log",
            Self::PackageLog(LogKind::Apt) => "apt_history",
            Self::PackageLog(LogKind::Yum) => "yum_log",
            Self::PackageLog(LogKind::Dnf) => "dnf_log",
            Self::AuthLog => "auth_log",
            Self::AuditLog => "audit_log",
            Self::BanLog => "fail2ban_log",
            Self::Utmp => "utmp",
            Self::Lastlog => "lastlog",
            Self::Wtmpdb => "wtmpdb",
            Self::Lastlog2 => "lastlog2",
            Self::Journal => "journal",
            Self::RpmDatabase => "rpm",
            Self::Fail2ban => "fail2ban",
            Self::Astdb => "astdb",
            Self::MysqlDump => "mysqldump",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_in_the_list_is_a_pattern_and_is_found_by_the_index() {
        assert_eq!(INDEX.places.len(), PLACES.len());
        for (text, format) in PLACES {
            // A path that the pattern names: each wildcard made into something.
            let path = text.replace("/**", "/home/eve").replace('*', "x");
            let path = EvidencePath::new(&path).unwrap();
            let found = PLACES.iter().find(|(text, _)| Pattern::new(text).unwrap().matches(&path)).unwrap().1;
            if *format != Format::SystemdUnit && found != Format::SystemdUnit {
                assert_eq!(Format::at(&path), Some(found), "{path}");
            }
        }
    }

    #[test]
    fn leftovers_and_notes_in_hook_folders_are_no_hooks() {
        let at = |text: &str| Format::at(&EvidencePath::new(text).unwrap());
        assert_eq!(at("/etc/cron.daily/.placeholder"), None);
        assert_eq!(at("/etc/init.d/README"), None);
        assert_eq!(at("/etc/cron.daily/logrotate"), Some(Hook(By::Cron)));
        assert_eq!(at("/var/spool/at/.SEQ"), None);
        assert_eq!(at("/usr/local/lib/systemd/system-generators/x"), Some(Hook(By::Systemd)));
        assert_eq!(at("/usr/local/lib/systemd/system/x.service"), Some(Format::SystemdUnit));
    }
}
