//! `crontab(5)` of Vixie cron, Debian's cron and cronie, and `anacrontab(5)`.

use super::Limits;
use super::line::{each_line, trim_start, word};
use crate::model::{CronEntry, EvidencePath, Gap, GapReason, Outcome, RawText};
use serde::Serialize;

/// Which fields stand before the command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Style {
    /// Five time fields and a user: `/etc/crontab`, `/etc/cron.d`.
    System,
    /// Five time fields; the job is that of the user who owns the crontab.
    User(RawText),
    /// Period, delay and a name; always root's.
    Anacron,
}

impl Style {
    /// The style that a crontab's place tells; in a spool the file's name is the user's.
    pub fn at(path: &EvidencePath) -> Self {
        match super::Format::at(path) {
            Some(super::Format::SystemCrontab) => Self::System,
            Some(super::Format::Anacrontab) => Self::Anacron,
            _ => Self::User(path.file_name().into()),
        }
    }
}

/// One line that is neither blank nor a comment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "line_type", rename_all = "snake_case")]
pub enum Line {
    /// A job.
    Job(CronEntry),
    /// A setting for the jobs after it.
    Environment {
        /// Its number, from 1.
        line: u64,
        /// What is set, without quotes.
        name: RawText,
        /// To what, without quotes.
        value: RawText,
        /// The whole line without its line end.
        text: RawText,
    },
    /// A line that cron itself would refuse, or that is newer than this parser.
    Odd {
        /// Its number, from 1.
        line: u64,
        /// The whole line without its line end.
        text: RawText,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Reads the jobs; lines that make no sense are gaps.
pub fn parse(path: &EvidencePath, style: &Style, bytes: &[u8], limits: &Limits) -> Outcome<Vec<CronEntry>> {
    let Outcome { value, mut gaps } = read(path, style, bytes, limits);
    let mut jobs = Vec::new();
    for line in value {
        match line {
            Line::Job(job) => jobs.push(job),
            Line::Odd { line, why, .. } if gaps.len() < 100 => {
                gaps.push(Gap::new(path.clone(), GapReason::Unreadable, format!("line {line}: {why}")));
            }
            Line::Environment { .. } | Line::Odd { .. } => {}
        }
    }
    Outcome { value: jobs, gaps }
}

/// Reads every line that says something.
///
/// A last line without a newline counts, although some crons pass it over: it is evidence all the same. A carriage return is a
/// part of the command, as it is for cron.
pub fn read(path: &EvidencePath, style: &Style, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Line>> {
    each_line(path, bytes, limits, |line| {
        let text = trim_start(line.text);
        if text.is_empty() || text == b"\r" || text.starts_with(b"#") {
            return Ok(None);
        }
        if let Some((name, value)) = environment(text) {
            let (name, value) = (name.into(), value.into());
            return Ok(Some(Line::Environment { line: line.number, name, value, text: line.text.into() }));
        }
        Ok(Some(match job(text, style) {
            Ok((schedule, user, command)) => Line::Job(CronEntry {
                path: path.clone(),
                line: line.number,
                schedule,
                user,
                command: command.into(),
                text: line.text.into(),
            }),
            Err(why) => Line::Odd { line: line.number, text: line.text.into(), why },
        }))
    })
}

/// The name and value of a setting, as `load_env()` of Vixie cron takes a line for one: a name, quoted or not, blanks, `=`.
fn environment(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = match text.split_first()? {
        (quote @ (b'"' | b'\''), rest) => {
            let end = rest.iter().position(|b| b == quote)?;
            (rest.get(..end)?, rest.get(end + 1..)?)
        }
        _ => text.split_at_checked(text.iter().position(|&b| matches!(b, b'=' | b' ' | b'\t'))?)?,
    };
    let value = trim_start(rest).strip_prefix(b"=")?.trim_ascii();
    let unquoted = [b'"', b'\''].into_iter().find_map(|quote| value.strip_prefix(&[quote])?.strip_suffix(&[quote]));
    Some((name, unquoted.unwrap_or(value)))
}

type Job<'a> = (String, RawText, &'a [u8]);

fn job<'a>(text: &'a [u8], style: &Style) -> Result<Job<'a>, &'static str> {
    let fields = match (style, text.first()) {
        (Style::Anacron, _) => 2,
        (_, Some(b'@')) => 1,
        _ => 5,
    };
    let mut rest = text;
    let mut schedule = String::new();
    for _ in 0..fields {
        let (field, after) = word(rest).ok_or("fewer time fields than a job has")?;
        if !schedule.is_empty() {
            schedule.push(' ');
        }
        schedule.push_str(time_field(field)?);
        rest = after;
    }
    let user = match style {
        Style::User(owner) => owner.clone(),
        Style::System => {
            let (user, after) = word(rest).ok_or("it has no user")?;
            rest = after;
            user.into()
        }
        Style::Anacron => {
            let (_, after) = word(rest).ok_or("it has no name")?;
            rest = after;
            "root".into()
        }
    };
    if rest.is_empty() || rest == b"\r" { Err("it has no command") } else { Ok((schedule, user, rest)) }
}

fn time_field(field: &[u8]) -> Result<&str, &'static str> {
    let text = std::str::from_utf8(field).map_err(|_| "a time field is no text")?;
    let is_known = match text.strip_prefix('@') {
        Some(word) => matches!(
            word.to_ascii_lowercase().as_str(),
            "reboot"
                | "yearly"
                | "annually"
                | "monthly"
                | "weekly"
                | "daily"
                | "midnight"
                | "hourly"
                | "every_minute"
                | "every_second"
        ),
        None => text.bytes().all(|b| b.is_ascii_alphanumeric() || b"*,-/~?#".contains(&b)),
    };
    if is_known { Ok(text) } else { Err("a time field is none that cron knows") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn jobs(style: &Style, bytes: &[u8]) -> Vec<CronEntry> {
        parse(&EvidencePath::new("/etc/crontab").unwrap(), style, bytes, &Limits::default()).value
    }

    #[test]
    fn carriage_return_does_not_hide_the_command_from_the_record() {
        let jobs = jobs(&Style::User("root".into()), b"* * * * * /tmp/.x\r0 1 * * * /usr/sbin/logrotate   \n");
        assert_eq!(jobs.len(), 1);
        assert!(jobs[0].command.to_string().starts_with("/tmp/.x\\r0 1"));
    }

    #[test]
    fn a_command_with_an_equals_sign_is_a_job() {
        let jobs = jobs(&Style::System, b"* * * * * root X=1 run\n@reboot root A=b run");
        assert_eq!(jobs.iter().map(|job| job.command.to_string()).collect::<Vec<_>>(), ["X=1 run", "A=b run"]);
    }
}
