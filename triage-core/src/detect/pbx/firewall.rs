//! The firewall's rules, saved or as the kernel has them: who shut rivals out, and what was opened.

use super::super::indicator::has_word;
use super::super::{Indicators, Report, find};
use super::rule::{Rule, attribute};
use crate::model::{Category, CommandRun, Evidence, EvidencePath, Severity, Subject};
use crate::sweep::Swept;

const RIVALS: Rule = Rule {
    id: "TR-FIREWALL-0001",
    title: "Firewall that shuts out the servers of rival campaigns: an intruder's work, or a careful administrator's",
    category: Category::Tampering,
    severity: Severity::Medium,
    confidence: 50,
    attack: &["T1562.004"],
    source: "Cyble, JOMANGY, 2026-05-21: its DROP rules; responders add such rules too",
    remedy: "",
};

const LETS_IN: Rule = Rule {
    id: "TR-FIREWALL-0002",
    title: "Firewall that lets a server of a known campaign in",
    category: Category::Persistence,
    severity: Severity::High,
    confidence: 85,
    attack: &["T1562.004"],
    source: "Cyble, JOMANGY, 2026-05-21",
    remedy: "",
};

const OPENS_SSH: Rule = Rule {
    id: "TR-FIREWALL-0003",
    title: "Rule before FreePBX's firewall that opens SSH to everybody",
    category: Category::Tampering,
    severity: Severity::Low,
    confidence: 45,
    attack: &["T1562.004", "T1021.004"],
    source: "Cyble, JOMANGY, 2026-05-21: iptables -A INPUT --dport 22 ACCEPT; FreePBX module firewall: its chain fpbxfirewall",
    remedy: "",
};

pub(super) const RULES: &[Rule] = &[RIVALS, LETS_IN, OPENS_SSH];

/// How many different rivals make the list of a campaign.
const MANY: usize = 3;

/// Judges files in which rules are saved.
pub(super) fn saved(file: &Swept<'_>, content: &[u8], indicators: &Indicators, report: &mut Report) {
    let path = file.path.as_bytes();
    let is_saved = path.starts_with(b"/etc/iptables/")
        || path.starts_with(b"/etc/sysconfig/iptables")
        || path.starts_with(b"/etc/sysconfig/ip6tables")
        || path.starts_with(b"/etc/nftables")
        || path == b"/etc/firewall-4.rules"
        || path == b"/etc/firewall-6.rules"
        || path == b"/etc/firewall.conf";
    if is_saved {
        let subject = Subject::File { path: file.path.clone(), sha256: file.sha256 };
        judge(content, &subject, indicators, report);
    }
}

/// Judges what a program of the host said of the rules that are in force.
pub(super) fn listed(run: &CommandRun, indicators: &Indicators, report: &mut Report) {
    let name = run.program.as_bytes().rsplit(|&b| b == b'/').next().unwrap_or_default();
    let is_firewall = name == b"nft" || find(name, b"tables-save").is_some();
    let Some(path) = EvidencePath::new("/proc/net").ok().filter(|_| is_firewall) else { return };
    // IPv4 rules are told by nft and by iptables-save; the same finding is one.
    let subject = Subject::Kernel { path, name: "firewall".into() };
    judge(run.output.as_bytes(), &subject, indicators, report);
}

fn judge(rules: &[u8], subject: &Subject, indicators: &Indicators, report: &mut Report) {
    let mut rivals: Vec<String> = Vec::new();
    let mut lines = Vec::new();
    let has_chain = find(rules, b"fpbxfirewall").is_some();
    let mut opens = Vec::new();
    for (line, number) in rules.split(|&b| b == b'\n').zip(1_u64..) {
        let lower = line.trim_ascii().to_ascii_lowercase();
        if lower.is_empty() || lower.starts_with(b"#") {
            continue;
        }
        let blocks = ends(&lower, &[b"drop", b"reject"]);
        let accepts = ends(&lower, &[b"accept"]);
        let evidence = || Evidence::Line { line: number, text: line.into() };
        for (address, indicator) in indicators.addresses() {
            if !(blocks || accepts) || !has_word(line, address) {
                continue;
            }
            if accepts && !blocks {
                let evidence = vec![evidence(), attribute("indicator", indicator)];
                report.findings.push(LETS_IN.finding(subject.clone(), evidence));
            } else {
                let address = String::from_utf8_lossy(address).into_owned();
                if !rivals.contains(&address) {
                    rivals.push(address);
                    lines.push(evidence());
                }
            }
        }
        if accepts && opens_ssh(&lower) {
            opens.push(evidence());
        }
    }
    if rivals.len() >= MANY {
        lines.truncate(10);
        lines.push(attribute("addresses", rivals.len().to_string()));
        report.findings.push(RIVALS.finding(subject.clone(), lines));
    }
    if has_chain && !opens.is_empty() {
        opens.truncate(10);
        report.findings.push(OPENS_SSH.finding(subject.clone(), opens));
    }
}

/// Says whether the line's verdict is one of these words: `-j DROP`, or `drop` among the words of nft.
fn ends(line: &[u8], verdicts: &[&[u8]]) -> bool {
    line.split(u8::is_ascii_whitespace).any(|word| verdicts.contains(&word))
}

/// `-A INPUT … --dport 22 … -j ACCEPT` without a source or an interface.
fn opens_ssh(line: &[u8]) -> bool {
    let words: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).collect();
    let follows = |first: &[u8], second: &[u8]| {
        words.windows(2).any(|pair| matches!(pair, [a, b] if *a == first && *b == second))
    };
    let is_limited = words.iter().any(|word| {
        matches!(*word, b"-s" | b"--source" | b"-i" | b"--in-interface" | b"saddr" | b"iif" | b"iifname" | b"-m_set")
    });
    follows(b"-a", b"input") && (follows(b"--dport", b"22") || follows(b"--dports", b"22")) && !is_limited
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::testing::{Scene, ids};

    fn found(text: &str) -> Vec<String> {
        let all = ids(&Scene::new().file("/etc/iptables/rules.v4", text).findings());
        all.into_iter().filter(|id| id.starts_with("TR-FIREWALL")).collect()
    }

    #[test]
    fn a_list_of_rivals_is_told_and_one_blocked_address_is_not() {
        let rule = |address: &str| format!("-A INPUT -s {address}/32 -j DROP\n");
        let many: String = ["62.171.157.156", "178.214.77.7", "46.37.21.63"].into_iter().map(rule).collect();
        assert_eq!(found(&many), ["TR-FIREWALL-0001 medium"]);
        assert!(found(&rule("62.171.157.156")).is_empty());
    }

    #[test]
    fn who_lets_a_campaign_in_or_opens_ssh_beside_the_firewall_is_told() {
        assert_eq!(found("-A INPUT -s 45.95.147.178/32 -j ACCEPT\n"), ["TR-FIREWALL-0002 high"]);
        let open = "-A INPUT -p tcp -m tcp --dport 22 -j ACCEPT\n";
        assert!(found(open).is_empty(), "only beside FreePBX's own chain");
        assert_eq!(found(&format!(":fpbxfirewall - [0:0]\n{open}")), ["TR-FIREWALL-0003 low"]);
        let limited = "-A INPUT -s 192.0.2.0/24 -p tcp -m tcp --dport 22 -j ACCEPT\n";
        assert!(found(&format!(":fpbxfirewall - [0:0]\n{limited}")).is_empty());
    }
}
