//! Processes of a telephone system: scripts of the campaigns under an interpreter's name, and what keeps them alive.

use super::super::shell::{self, Sign};
use super::super::{Indicators, Report};
use super::rule::{Rule, attribute};
use super::{cron, paths};
use crate::model::{Category, Evidence, EvidencePath, Finding, Process, RawText, Severity, Subject};

const CAMPAIGN: Rule = Rule {
    id: "TR-PROC-0015",
    title: "Process whose command names a file of a known campaign",
    category: Category::Exploitation,
    severity: Severity::Critical,
    confidence: 92,
    attack: &["T1059.004"],
    source: "Cyble, JOMANGY, 2026-05-21: zen2, devnull2 under bash",
    remedy: "",
};

const FOREIGN: Rule = Rule {
    id: "TR-PROC-0016",
    title: "Process that runs a script in FreePBX's folder of programs that FreePBX does not have",
    category: Category::Exploitation,
    severity: Severity::High,
    confidence: 75,
    attack: &["T1059.004", "T1036.005"],
    source: "Cyble, JOMANGY, 2026-05-21; FreePBX framework 17.0.19.27 and its public modules",
    remedy: "",
};

const WATCHDOG: Rule = Rule {
    id: "TR-PROC-0017",
    title: "Process that starts a program again whenever it is missing",
    category: Category::Persistence,
    severity: Severity::Medium,
    confidence: 60,
    attack: &["T1053.003"],
    source: "Cyble, JOMANGY, 2026-05-21: process watchdog, restore loops",
    remedy: "",
};

pub(super) const RULES: &[Rule] = &[CAMPAIGN, FOREIGN, WATCHDOG];

/// The most findings that wait for the conclusion.
const MAX_KEPT: usize = 1000;

/// What waits until all processes are known: who started the collecting program shows what it looks for in its own command line.
#[derive(Default)]
pub(super) struct Seen {
    findings: Vec<(u32, Finding)>,
    own: Vec<u32>,
}

pub(super) fn inspect(process: &Process, indicators: &Indicators, seen: &mut Seen) {
    if process.is_own {
        seen.own.push(process.pid);
        return;
    }
    let line: Vec<u8> =
        process.command_line.as_bytes().iter().map(|&b| if b == 0 { b' ' } else { b }).collect::<Vec<u8>>();
    let line = line.trim_ascii();
    if line.is_empty() || !is_interpreter(process) {
        return;
    }
    let mut tell = |rule: &Rule, more: Vec<Evidence>| {
        if seen.findings.len() < MAX_KEPT {
            let finding = rule.finding(subject(process, line), more);
            seen.findings.push((process.pid, finding));
        }
    };
    for path in paths(line) {
        let known = indicators.at(&path).find(|known| known.severity >= Severity::High && known.confidence >= 80);
        if let Some(known) = known {
            let evidence = vec![attribute("path", path.as_bytes()), attribute("indicator", &known.id)];
            tell(&CAMPAIGN.weighed(known.severity, known.confidence), evidence);
        } else if path.as_bytes().strip_prefix(b"/var/lib/asterisk/bin/").is_some_and(|name| !cron::is_program(name)) {
            tell(&FOREIGN, vec![attribute("path", path.as_bytes())]);
        }
    }
    let keeps = shell::signs(line).into_iter().find_map(|sign| match sign {
        Sign::RestartsIfMissing(path) => Some(path),
        _ => None,
    });
    if let Some(path) = keeps {
        tell(&WATCHDOG, vec![attribute("path", path)]);
    } else if cron::restores(line) && line.windows(5).any(|word| word == b"while") {
        tell(&WATCHDOG.weighed(Severity::High, 80), vec![attribute("why", "puts a crontab in place, again and again")]);
    }
}

pub(super) fn conclude(seen: Seen, report: &mut Report) {
    let Seen { findings, own } = seen;
    report.findings.extend(findings.into_iter().filter(|(pid, _)| !own.contains(pid)).map(|(_, finding)| finding));
}

fn is_interpreter(process: &Process) -> bool {
    let first = process.command_line.as_bytes().split(|&b| b == 0).next().unwrap_or_default();
    let program = process.executable.as_ref().map_or(first, RawText::as_bytes);
    let name = program.rsplit(|&b| b == b'/').next().unwrap_or_default();
    [&b"sh"[..], b"bash", b"dash", b"ash", b"zsh", b"ksh", b"busybox", b"perl", b"node", b"php"].contains(&name)
        || name.starts_with(b"python")
        || name.starts_with(b"php")
}

fn subject(process: &Process, line: &[u8]) -> Subject {
    let path = process.executable.as_ref().and_then(|path| EvidencePath::new(path.as_bytes()).ok());
    let path = path.or_else(|| EvidencePath::new(format!("/proc/{}", process.pid)).ok());
    Subject::Process {
        path: path.unwrap_or_else(EvidencePath::root),
        pid: process.pid,
        start_ticks: process.start_ticks,
        command_line: line.into(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::{Detectors, HostContext};
    use crate::model::{Process, Record};

    fn found(command: &[&str], is_own: bool) -> Vec<String> {
        let detectors = Detectors::builtin(Vec::new()).unwrap();
        let mut line = command.join("\0");
        line.push('\0');
        detectors.consider(&Record::Process(Box::new(Process {
            pid: 77,
            executable: Some("/usr/bin/bash".into()),
            command_line: line.as_str().into(),
            is_own,
            ..Process::default()
        })));
        let outcome = detectors.conclude(&HostContext { is_host: true, gaps: &[], selects: &|_| true });
        outcome.value.iter().map(|finding| format!("{} {}", finding.rule, finding.severity)).collect()
    }

    #[test]
    fn scripts_of_campaigns_and_their_keepers_are_told() {
        assert_eq!(found(&["bash", "/var/lib/asterisk/bin/zen2"], false), ["TR-PROC-0015 critical"]);
        assert_eq!(found(&["bash", "/var/lib/asterisk/bin/sync"], false), ["TR-PROC-0016 high"]);
        assert_eq!(
            found(&["bash", "-c", "while true; do pgrep x || /home/x/y; sleep 9; done"], false)
                .iter()
                .filter(|id| id.starts_with("TR-PROC-0017"))
                .count(),
            1
        );
        assert!(
            found(&["bash", "-c", "while :; do cat /opt/x | crontab -; sleep 9; done"], false)
                .contains(&"TR-PROC-0017 high".to_owned())
        );
        assert!(found(&["bash", "/var/lib/asterisk/bin/freepbx_engine", "start"], false).is_empty());
        assert!(found(&["bash", "/var/lib/asterisk/bin/zen2"], true).is_empty());
    }
}
