//! Which log a file is, by where it lies, and where it stands in the row of its rotations.
//!
//! These logs give no records: they are in the bundle as they are, and a detector reads them line by line, in windows where they are
//! large. Names are those of the packages of Debian and the Red Hat family, of `asterisk(8)` and of `FreePBX`; the names of rotations are
//! those of `logrotate(8)` with and without `dateext`.

use crate::model::EvidencePath;

/// What a log tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum LogKind {
    /// Requests to a web server, in the common or combined format.
    WebAccess,
    /// What a web server and PHP complain of.
    WebError,
    /// Logins, rights and accounts (`auth.log`, `secure`).
    Auth,
    /// Jobs of cron.
    Cron,
    /// Everything else of syslog (`syslog`, `messages`); logins and jobs stand there too on some systems.
    Syslog,
    /// Asterisk's `full` and `messages`.
    Asterisk,
    /// Asterisk's security events.
    AsteriskSecurity,
    /// Asterisk's queues.
    AsteriskQueue,
    /// `freepbx.log`.
    Freepbx,
    /// `freepbx_security.log`.
    FreepbxSecurity,
    /// Calls, one a line (`cdr_csv`).
    Calls,
}

/// Folders of web servers' logs.
const WEB: [&[u8]; 9] = [
    b"/var/log/apache2/",
    b"/var/log/httpd/",
    b"/var/log/nginx/",
    b"/var/log/lighttpd/",
    b"/var/log/virtualmin/",
    b"/usr/local/apache2/logs/",
    b"/usr/local/apache/logs/",
    b"/usr/local/apache/domlogs/",
    b"/usr/local/nginx/logs/",
];

impl LogKind {
    /// The kind of the log at this place, if it is one.
    pub fn at(path: &EvidencePath) -> Option<Self> {
        let bytes = path.as_bytes();
        let name = base(path.file_name()).0;
        let has = |word: &[u8]| super::line::find(name, word).is_some();
        if let Some(rest) = bytes.strip_prefix(b"/var/log/asterisk/") {
            return match name {
                _ if rest.starts_with(b"cdr-csv/") => (name == b"Master.csv").then_some(Self::Calls),
                b"full" | b"messages" | b"messages.log" | b"console" => Some(Self::Asterisk),
                b"security" | b"security.log" | b"fail2ban" => Some(Self::AsteriskSecurity),
                b"queue_log" => Some(Self::AsteriskQueue),
                b"freepbx.log" | b"freepbx_dbug" | b"core-fastagi_err.log" => Some(Self::Freepbx),
                b"freepbx_security.log" => Some(Self::FreepbxSecurity),
                _ => None,
            };
        }
        let is_home = bytes.starts_with(b"/home/") || bytes.starts_with(b"/var/www/");
        let is_web = WEB.iter().any(|folder| bytes.starts_with(folder))
            || (is_home
                && [&b"/logs/"[..], b"/log/", b"/access-logs/"]
                    .iter()
                    .any(|part| super::line::find(bytes, part).is_some()));
        if is_web {
            // `ssl_request_log` has neither the agent nor the answer.
            return match () {
                () if has(b"access") => Some(Self::WebAccess),
                () if has(b"error") => Some(Self::WebError),
                () => None,
            };
        }
        if path.parent()?.as_bytes() != b"/var/log" {
            return None;
        }
        match name {
            b"auth.log" | b"secure" => Some(Self::Auth),
            b"cron" | b"cron.log" => Some(Self::Cron),
            b"syslog" | b"messages" => Some(Self::Syslog),
            b"php_errors.log" | b"php-fpm.log" | b"php_error.log" => Some(Self::WebError),
            b"access.log" | b"access_log" => Some(Self::WebAccess),
            _ => None,
        }
    }

    /// The word for it in texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebAccess => "access log",
            Self::WebError => "error log",
            Self::Auth => "authentication log",
            Self::Cron => "log of cron",
            Self::Syslog => "system log",
            Self::Asterisk => "log of Asterisk",
            Self::AsteriskSecurity => "security log of Asterisk",
            Self::AsteriskQueue => "log of queues",
            Self::Freepbx => "log of FreePBX",
            Self::FreepbxSecurity => "security log of FreePBX",
            Self::Calls => "call records",
        }
    }
}

/// Where a file stands in the row of its rotations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rotation {
    /// It was rotated on that day, `20260131`, or at that hour of it, in the order of time.
    Dated(u64),
    /// So many rotations ago.
    Numbered(u32),
    /// It is being written.
    Current,
}

impl Rotation {
    /// What puts the files of one log into the order of time.
    pub fn age(self) -> (u8, u64) {
        match self {
            Self::Dated(day) => (0, day),
            Self::Numbered(number) => (1, u64::from(u32::MAX - number)),
            Self::Current => (2, 0),
        }
    }
}

/// The log that a file is a rotation of, and which one: `/var/log/secure-20260101.gz` is one of `/var/log/secure`.
pub fn family(path: &EvidencePath) -> (EvidencePath, Rotation) {
    let (name, rotation) = base(path.file_name());
    let folder = path.parent().unwrap_or_else(EvidencePath::root);
    (folder.join(name), rotation)
}

fn base(name: &[u8]) -> (&[u8], Rotation) {
    let mut name = name;
    for ending in [&b".gz"[..], b".xz", b".zst", b".bz2"] {
        name = name.strip_suffix(ending).unwrap_or(name);
    }
    let digits = name.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
    let Some((head, number)) = name.split_at_checked(name.len() - digits) else { return (name, Rotation::Current) };
    let value = std::str::from_utf8(number).ok().and_then(|text| text.parse::<u64>().ok());
    match (head.split_last(), value) {
        (Some((b'.', stem)), Some(value)) if (1..=3).contains(&digits) && !stem.is_empty() => {
            (stem, Rotation::Numbered(u32::try_from(value).unwrap_or(u32::MAX)))
        }
        (Some((b'-' | b'.', stem)), Some(value)) if matches!(digits, 8 | 10) && !stem.is_empty() => {
            // A day and an hour of it are compared as hours.
            (stem, Rotation::Dated(if digits == 8 { value * 100 } else { value }))
        }
        _ => (name, Rotation::Current),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> EvidencePath {
        EvidencePath::new(text).unwrap()
    }

    #[test]
    fn logs_of_both_families_are_known_with_their_rotations() {
        for (place, kind) in [
            ("/var/log/apache2/access.log", LogKind::WebAccess),
            ("/var/log/apache2/other_vhosts_access.log.12.gz", LogKind::WebAccess),
            ("/var/log/httpd/ssl_access_log-20260104", LogKind::WebAccess),
            ("/var/log/httpd/error_log-20260104.xz", LogKind::WebError),
            ("/var/log/nginx/pbx.error.log.1", LogKind::WebError),
            ("/var/www/vhosts/example.org/logs/access_ssl_log", LogKind::WebAccess),
            ("/var/log/secure-20260104.gz", LogKind::Auth),
            ("/var/log/cron", LogKind::Cron),
            ("/var/log/syslog.3.gz", LogKind::Syslog),
            ("/var/log/asterisk/full.0", LogKind::Asterisk),
            ("/var/log/asterisk/security-20260104.gz", LogKind::AsteriskSecurity),
            ("/var/log/asterisk/freepbx_security.log", LogKind::FreepbxSecurity),
            ("/var/log/asterisk/cdr-csv/Master.csv.1", LogKind::Calls),
        ] {
            assert_eq!(LogKind::at(&path(place)), Some(kind), "{place}");
        }
        for place in [
            "/var/log/httpd/ssl_request_log",
            "/var/log/asterisk/cdr-csv/1001.csv",
            "/var/log/installer/syslog",
            "/var/www/html/access.php",
            "/srv/access.log.php",
        ] {
            assert_eq!(LogKind::at(&path(place)), None, "{place}");
        }
    }

    #[test]
    fn a_rotation_belongs_to_its_log_and_has_its_place() {
        let of = |text: &str| {
            let (log, rotation) = family(&path(text));
            (log.to_string(), rotation)
        };
        assert_eq!(of("/var/log/a.log"), ("/var/log/a.log".into(), Rotation::Current));
        assert_eq!(of("/var/log/a.log.2.gz"), ("/var/log/a.log".into(), Rotation::Numbered(2)));
        assert_eq!(of("/var/log/secure-20260104"), ("/var/log/secure".into(), Rotation::Dated(2_026_010_400)));
        assert_eq!(of("/var/log/a-2026010413.zst"), ("/var/log/a".into(), Rotation::Dated(2_026_010_413)));
        let mut ages: Vec<_> =
            ["/l.1", "/l", "/l.12.gz", "/l.2"].iter().map(|text| (of(text).1.age(), *text)).collect();
        ages.sort_unstable();
        assert_eq!(ages.iter().map(|(_, text)| *text).collect::<Vec<_>>(), ["/l.12.gz", "/l.2", "/l.1", "/l"]);
    }
}
