//! Which entries are records: those of programs that let people in, change rights, start things, or serve the telephone system.
//!
//! All else stays in the journal, which the bundle holds whole.

use super::super::line::find;
use super::Fields;

/// What programs call themselves, in lower case.
const PROGRAMS: [&str; 51] = [
    "anacron",
    "apache2",
    "apachectl",
    "asterisk",
    "atd",
    "audit",
    "auditd",
    "chage",
    "chpasswd",
    "cron",
    "crond",
    "crontab",
    "dropbear",
    "fail2ban",
    "freepbx",
    "fwconsole",
    "gpasswd",
    "groupadd",
    "groupdel",
    "groupmod",
    "httpd",
    "incrond",
    "insmod",
    "kmod",
    "login",
    "mariadbd",
    "modprobe",
    "mysqld",
    "newusers",
    "nginx",
    "passwd",
    "pkexec",
    "polkitd",
    "proftpd",
    "pure-ftpd",
    "runuser",
    "safe_asterisk",
    "sshd",
    "sshd-auth",
    "sshd-session",
    "su",
    "sudo",
    "sudoedit",
    "systemd-coredump",
    "systemd-logind",
    "useradd",
    "userdel",
    "usermod",
    "visudo",
    "vsftpd",
    "xinetd",
];

/// Beginnings of names that go on with a version or a part.
const BEGINNINGS: [&str; 4] = ["php-fpm", "php-cgi", "fail2ban-", "fail2ban."];

/// Words of kernel messages about modules, taps and crashes.
const KERNEL: [&[u8]; 8] =
    [b"module", b"taint", b"promiscuous", b"segfault", b"verification failed", b"ptrace", b"audit:", b"Out of memory"];

/// Says whether it can be, by the names alone.
pub(super) fn may_be_of_interest(fields: &Fields<'_>) -> bool {
    [fields.identifier, fields.comm].into_iter().flatten().any(is_program) || is_manager(fields) || is_kernel(fields)
}

/// Says whether it is, with the message at hand.
pub(super) fn is_of_interest(fields: &Fields<'_>) -> bool {
    if [fields.identifier, fields.comm].into_iter().flatten().any(is_program) {
        return true;
    }
    let message = fields.message.unwrap_or_default();
    if is_manager(fields) {
        // Units that are started; the message alone where the version writes no job.
        return match fields.job_type {
            Some(kind) => kind == b"start" || kind == b"restart",
            None => {
                message.starts_with(b"Started ")
                    || message.starts_with(b"Starting ")
                    || message.starts_with(b"Reloading")
            }
        };
    }
    is_kernel(fields) && KERNEL.iter().any(|word| find(message, word).is_some())
}

fn is_manager(fields: &Fields<'_>) -> bool {
    fields.identifier == Some(b"systemd")
}

fn is_kernel(fields: &Fields<'_>) -> bool {
    fields.identifier == Some(b"kernel") || fields.transport == Some(b"kernel")
}

/// Says whether a program of that name is of interest; an identifier may be a path, and in any case.
fn is_program(name: &[u8]) -> bool {
    if name.len() > 64 {
        return false;
    }
    let name = name.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let name = String::from_utf8_lossy(name).to_ascii_lowercase();
    let name = name.trim_matches(['(', ')']);
    PROGRAMS.binary_search(&name).is_ok() || BEGINNINGS.iter().any(|beginning| name.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_searched() {
        assert!(PROGRAMS.is_sorted());
        for name in [&b"sshd"[..], b"CRON", b"/usr/sbin/CROND", b"(cron)", b"php-fpm8.2", b"fail2ban.filter"] {
            assert!(is_program(name), "{name:?}");
        }
        assert!(!is_program(b"dbus-daemon"));
    }
}
