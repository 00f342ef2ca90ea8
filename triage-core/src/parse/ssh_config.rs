//! `sshd_config(5)` and `ssh_config(5)`, a file at a time, and what all files together come to.

use super::Limits;
use super::line::{Reading, lines, name, quoted_words};
use crate::model::{
    EvidencePath, Gap, GapReason, Mechanism, Outcome, Pattern, Program, RawText, Record, Setting, StartupCommand,
};
use std::collections::{BTreeMap, HashSet};

/// sshd gives up at this depth of includes (`SERVCONF_MAX_DEPTH` of OpenSSH).
const MAX_DEPTH: usize = 16;

/// Settings that name something to be run or loaded.
const COMMANDS: [&str; 9] = [
    "authorizedkeyscommand",
    "authorizedprincipalscommand",
    "forcecommand",
    "knownhostscommand",
    "localcommand",
    "pkcs11provider",
    "proxycommand",
    "securitykeyprovider",
    "subsystem",
];

/// Settings that may stand several times and all count.
const REPEATABLE: [&str; 16] = [
    "acceptenv",
    "allowgroups",
    "allowusers",
    "certificatefile",
    "denygroups",
    "denyusers",
    "dynamicforward",
    "hostcertificate",
    "hostkey",
    "identityfile",
    "include",
    "listenaddress",
    "localforward",
    "port",
    "remoteforward",
    "sendenv",
];

/// Reads all settings in the order of the file. What stands after a `Match` or `Host` line has that line for its scope.
pub fn parse(path: &EvidencePath, program: Program, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Setting>> {
    let mut reading = Reading::new(path, limits);
    let mut scope = RawText::default();
    for line in lines(bytes) {
        let text = line.text.trim_ascii();
        if text.is_empty() || text.starts_with(b"#") || !reading.fits(&line) {
            continue;
        }
        // A keyword and its value may be apart by blanks, an equals sign, or both.
        let end = text.iter().position(|b| b.is_ascii_whitespace() || *b == b'=').unwrap_or(text.len());
        let (keyword, rest) = text.split_at_checked(end).unwrap_or((text, b""));
        let rest = rest.trim_ascii_start();
        let value = rest.strip_prefix(b"=").unwrap_or(rest).trim_ascii();
        let keyword = name(&keyword.to_ascii_lowercase());
        if value.is_empty() {
            reading.unreadable(line.number, "it has no value");
            continue;
        }
        if keyword == "match" || keyword == "host" {
            let word = if keyword == "match" { "Match " } else { "Host " };
            scope = [word.as_bytes(), value].concat().into();
            if value.eq_ignore_ascii_case(b"all") && keyword == "match" {
                scope = RawText::default();
            }
            continue;
        }
        let setting = Setting {
            path: path.clone(),
            line: line.number,
            program,
            scope: scope.clone(),
            name: keyword,
            value: value.into(),
        };
        if !reading.push(setting) {
            break;
        }
    }
    reading.finish()
}

/// The settings as records, and those that run something as start-up commands too.
pub(super) fn records(settings: Vec<Setting>) -> Vec<Record> {
    let mut out = Vec::new();
    for setting in settings {
        // `internal-sftp` is sshd itself.
        let value = setting.value.as_bytes();
        let is_off = value.eq_ignore_ascii_case(b"none") || value == b"internal" || value.starts_with(b"internal-sftp");
        if COMMANDS.contains(&setting.name.as_str()) && !is_off {
            let trigger = match setting.scope.as_bytes() {
                b"" => setting.name.as_bytes().to_vec(),
                scope => [setting.name.as_bytes(), b" (", scope, b")"].concat(),
            };
            out.push(Record::StartupCommand(StartupCommand {
                path: setting.path.clone(),
                line: Some(setting.line),
                mechanism: Mechanism::Ssh,
                trigger: trigger.into(),
                user: None,
                command: setting.value.clone(),
                text: [setting.name.as_bytes(), b" ", setting.value.as_bytes()].concat().into(),
            }));
        }
        out.push(Record::Setting(setting));
    }
    out
}

/// The settings that are in force, in the order in which sshd comes upon them: includes are followed, and in each scope the first value of a
/// name counts, but for those that may be repeated.
///
/// A scope applies only to connections it matches; which of several matching ones wins is the order here. An included file's settings
/// hold within the scope of the `Include` line, and a `Match` in it ends with it. `files` has the settings of each
/// file that there is; an include that names none of them gives nothing, as for sshd.
pub fn effective(main: &EvidencePath, files: &BTreeMap<EvidencePath, Vec<Setting>>) -> Outcome<Vec<Setting>> {
    let mut merge = Merge { files, known: HashSet::new(), out: Vec::new(), gaps: Vec::new() };
    merge.file(main, &RawText::default(), 0);
    Outcome { value: merge.out, gaps: merge.gaps }
}

struct Merge<'a> {
    files: &'a BTreeMap<EvidencePath, Vec<Setting>>,
    /// Scope, name and, of subsystems, which: what has its value.
    known: HashSet<(RawText, String, Option<Vec<u8>>)>,
    out: Vec<Setting>,
    gaps: Vec<Gap>,
}

impl Merge<'_> {
    fn file(&mut self, path: &EvidencePath, outer: &RawText, depth: usize) {
        if depth > MAX_DEPTH {
            self.gaps.push(Gap::new(path.clone(), GapReason::LimitReached, "files are included too deep"));
            return;
        }
        for setting in self.files.get(path).into_iter().flatten() {
            let scope = match (outer.as_bytes(), setting.scope.as_bytes()) {
                (_, b"") => outer.clone(),
                (b"", _) => setting.scope.clone(),
                (outer, inner) => [outer, b" > ", inner].concat().into(),
            };
            if setting.name == "include" {
                for target in quoted_words(setting.value.as_bytes()) {
                    self.include(&target, setting, &scope, depth);
                }
                continue;
            }
            let is_repeatable = REPEATABLE.contains(&setting.name.as_str());
            if is_repeatable || self.known.insert((scope.clone(), setting.name.clone(), subsystem(setting))) {
                self.out.push(Setting { scope, ..setting.clone() });
            }
        }
    }

    fn include(&mut self, target: &[u8], setting: &Setting, scope: &RawText, depth: usize) {
        let folder = if target.starts_with(b"/") { &b""[..] } else { b"/etc/ssh/" };
        let full = [folder, target].concat();
        let Some(pattern) = std::str::from_utf8(&full).ok().and_then(|text| Pattern::new(text).ok()) else {
            let detail = format!("line {}: the include is not a path that is understood here", setting.line);
            self.gaps.push(Gap::new(setting.path.clone(), GapReason::Unreadable, detail));
            return;
        };
        let found: Vec<EvidencePath> = self.files.keys().filter(|path| pattern.matches(path)).cloned().collect();
        for file in found {
            // A loop of includes that each name two files would grow without end before the depth stops it.
            if self.gaps.len() > 100 || self.out.len() > 100_000 {
                return;
            }
            self.file(&file, scope, depth + 1);
        }
    }
}

/// Which subsystem a setting is about; none for all other settings.
fn subsystem(setting: &Setting) -> Option<Vec<u8>> {
    (setting.name == "subsystem").then(|| quoted_words(setting.value.as_bytes()).into_iter().next().unwrap_or_default())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn files(texts: &[(&str, &str)]) -> BTreeMap<EvidencePath, Vec<Setting>> {
        let read = |(path, text): &(&str, &str)| {
            let path = EvidencePath::new(path).unwrap();
            let settings = parse(&path, Program::Sshd, text.as_bytes(), &Limits::default()).value;
            (path, settings)
        };
        texts.iter().map(read).collect()
    }

    fn in_force(texts: &[(&str, &str)]) -> Vec<String> {
        let main = EvidencePath::new("/etc/ssh/sshd_config").unwrap();
        let found = effective(&main, &files(texts));
        found.value.iter().map(|s| format!("[{}] {} {}", s.scope, s.name, s.value)).collect()
    }

    #[test]
    fn a_dropped_in_file_wins_over_the_main_one_that_includes_it_first() {
        let found = in_force(&[
            ("/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin no\nPort 22\nPort 2222\n"),
            ("/etc/ssh/sshd_config.d/00-x.conf", "PermitRootLogin=yes\nAuthorizedKeysFile .ssh/k /var/tmp/.k\n"),
            ("/etc/ssh/sshd_config.d/ignored.txt", "PermitRootLogin prohibit-password\n"),
        ]);
        assert_eq!(
            found,
            ["[] permitrootlogin yes", "[] authorizedkeysfile .ssh/k /var/tmp/.k", "[] port 22", "[] port 2222"]
        );
    }

    #[test]
    fn an_include_in_a_match_block_holds_only_there_and_its_own_match_ends_with_it() {
        let found = in_force(&[
            ("/etc/ssh/sshd_config", "Match User eve\n Include more.conf\n X11Forwarding no\nMatch all\nUsePAM yes\n"),
            ("/etc/ssh/more.conf", "ForceCommand /tmp/x\nMatch Address 192.0.2.0/24\nPasswordAuthentication yes\n"),
        ]);
        assert_eq!(
            found,
            [
                "[Match User eve] forcecommand /tmp/x",
                "[Match User eve > Match Address 192.0.2.0/24] passwordauthentication yes",
                "[Match User eve] x11forwarding no",
                "[] usepam yes"
            ]
        );
    }

    /// A hundred thousand settings took minutes when each was compared with all before it.
    #[test]
    fn a_configuration_of_a_hundred_thousand_settings_is_merged_one_by_one() {
        let lines: Vec<String> = (0..100_000).map(|n| format!("Option{n} yes\nOption{n} no\n")).collect();
        let text = lines.concat();
        let found = in_force(&[("/etc/ssh/sshd_config", &text)]);
        assert!(found.iter().all(|line| line.ends_with(" yes")), "the first value counts");
        assert!(found.len() >= 50_000, "{}", found.len());
    }

    #[test]
    fn each_subsystem_has_its_own_first_value() {
        let text = "Subsystem sftp internal-sftp\nSubsystem sftp /tmp/x\nSubsystem \"other\" /tmp/y\n";
        let found = in_force(&[("/etc/ssh/sshd_config", text)]);
        assert_eq!(found, ["[] subsystem sftp internal-sftp", "[] subsystem \"other\" /tmp/y"]);
    }

    #[test]
    fn files_that_include_each_other_end_in_a_gap() {
        let main = EvidencePath::new("/etc/ssh/sshd_config").unwrap();
        let found = effective(&main, &files(&[("/etc/ssh/sshd_config", "Include *\nInclude *\nPort 22\n")]));
        assert!(!found.gaps.is_empty());
        assert!(found.gaps.len() < 200 && found.value.len() < 200_000);
    }
}
