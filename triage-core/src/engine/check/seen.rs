//! What of the evidence for each question was there to be read at all, so that silence is not taken for an answer.

use super::question::Question;
use crate::detect::{Detector, Report};
use crate::model::{EvidencePath, Record};
use crate::sweep::{Swept, Window};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// Which questions had evidence.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    questions: BTreeSet<Question>,
    /// Records of what was running were there.
    pub(super) has_volatile: bool,
}

/// Notes what passes. It finds nothing by itself.
#[derive(Clone, Default)]
pub(super) struct Witness(Arc<Mutex<Seen>>);

impl Witness {
    pub(super) fn seen(&self) -> Seen {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, path: &EvidencePath) {
        let questions = Seen::questions(path);
        if !questions.is_empty() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).questions.extend(questions);
        }
    }
}

impl Detector for Witness {
    fn inspect(&self, file: &Swept<'_>, _report: &mut Report) {
        if file.meta.is_file() && file.sha256.is_some() {
            self.note(file.path);
        }
    }

    fn inspect_window(&self, window: &Window<'_>, _report: &mut Report) {
        self.note(window.file.path);
    }

    fn inspect_large(&self, file: &Swept<'_>, _report: &mut Report) {
        self.note(file.path);
    }

    fn consider(&self, record: &Record, _report: &mut Report) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match record.folder() {
            "processes" => seen.has_volatile = true,
            "database_rows" | "dump_rows" => {
                seen.questions.insert(Question::Database);
            }
            "calls" | "database_calls" => {
                seen.questions.insert(Question::Fraud);
            }
            _ => {}
        }
    }
}

impl Seen {
    /// The questions that a file is evidence for.
    pub(super) fn questions(path: &EvidencePath) -> Vec<Question> {
        let text = path.as_bytes();
        let name = path.file_name();
        let is_under = |folder: &str| text.starts_with(folder.as_bytes());
        let mut questions = Vec::new();
        let is_php = name.ends_with(b".php") || name.ends_with(b".phtml") || name.ends_with(b".inc");
        if is_php && !is_under("/usr/share/doc/") {
            questions.push(Question::Shells);
        }
        let starts = ["/etc/cron", "/var/spool/cron/", "/etc/systemd/", "/etc/rc", "/etc/init.d/", "/etc/incron.d/"];
        if starts.iter().any(|folder| is_under(folder)) {
            questions.push(Question::Persistence);
        }
        if text == b"/etc/passwd" || text == b"/etc/shadow" {
            questions.push(Question::Accounts);
        }
        if name == b"module.sig" {
            questions.push(Question::Modules);
        }
        if name == b"module.xml" {
            questions.push(Question::Patches);
        }
        let logs = [
            "/var/log/apache2/",
            "/var/log/httpd/",
            "/var/log/nginx/",
            "/var/log/auth",
            "/var/log/secure",
            "/var/log/journal/",
        ];
        if logs.iter().any(|folder| is_under(folder)) {
            questions.push(Question::Logs);
        }
        if is_under("/var/log/asterisk/cdr-c") {
            questions.push(Question::Fraud);
        }
        questions
    }

    /// Why a question has no answer, where nothing of its evidence was seen.
    pub(super) fn missing(&self, question: Question) -> Option<String> {
        if self.questions.contains(&question) {
            return None;
        }
        Some(
            match question {
                Question::Shells => "no PHP file was read",
                Question::Persistence => "no timetable and no start-up file was read",
                Question::Accounts => "neither /etc/passwd nor /etc/shadow was read",
                Question::Database => "the database was not read",
                Question::Modules => "no signed module was read",
                Question::Logs => "no log of the web server or of logins was read",
                Question::Fraud => "no call records were read",
                Question::Patches => "no module's version was read",
            }
            .to_owned(),
        )
    }
}
