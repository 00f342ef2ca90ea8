//! Whom sshd lets in, and how: `sshd_config(5)` and what it points to.
//!
//! `Match User` and `Match Group` are answered for each account. What depends on the connection (an address, a host, a command) is not
//! known here, and a way that rests on it is one that may be.

use super::{Found, Reader, Way};
use crate::model::{EvidencePath, Pattern, Program, Setting};
use crate::parse::{Limits, ssh_config};
use std::collections::BTreeMap;

const MAIN: &str = "/etc/ssh/sshd_config";
/// The most files of configuration that are read.
const MAX_FILES: usize = 256;
/// The most files of keys that are read for one account.
const MAX_KEY_FILES: usize = 16;

/// An account that has a login shell and has not expired.
pub(super) struct Account<'a> {
    name: &'a [u8],
    uid: &'a [u8],
    home: &'a [u8],
    has_password: bool,
    /// sshd without PAM lets nobody in whose password field begins with `!`, whatever keys there are.
    is_barred_without_pam: bool,
    groups: Vec<&'a [u8]>,
}

impl<'a> Account<'a> {
    /// The account of a line of `passwd(5)`.
    pub(super) fn of(line: &'a [u8], shadow: &[u8], group: &'a [u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|&b| b == b':').collect();
        let &[name, _, uid, gid, _, home, shell] = fields.as_slice() else { return None };
        let mut secret = shadow.split(|&b| b == b'\n').map(|line| line.split(|&b| b == b':'));
        let mut secret = secret.find_map(|mut fields| (fields.next() == Some(name)).then_some(fields))?;
        let hash = secret.next().unwrap_or_default();
        // An account that our own lock or an administrator's has expired has a day in the seventies there.
        let expires = secret.nth(5).and_then(|day| std::str::from_utf8(day).ok()?.trim().parse::<i64>().ok());
        let has_shell = !(shell.ends_with(b"/nologin") || shell.ends_with(b"/false") || shell.ends_with(b"/sync"));
        if !has_shell || expires.is_some_and(|day| (0..3650).contains(&day)) {
            return None;
        }
        let groups = group.split(|&b| b == b'\n').filter_map(|line| {
            let mut fields = line.split(|&b| b == b':');
            let (group, _, number, members) = (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
            let is_member = members.split(|&b| b == b',').any(|member| member.trim_ascii() == name);
            (number == gid || is_member).then_some(group)
        });
        Some(Self {
            name,
            uid,
            home,
            has_password: hash.len() > 3 && !hash.starts_with(b"!") && !hash.starts_with(b"*"),
            is_barred_without_pam: hash.starts_with(b"!"),
            groups: groups.collect(),
        })
    }
}

/// The configuration in force; none where there is no sshd.
pub(super) struct Sshd {
    settings: Option<Vec<Setting>>,
    /// Why it may say something else.
    doubt: Option<String>,
}

/// Says whether something is so.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Answer {
    Yes,
    No,
    Unknown,
}

/// An option for one account.
struct Choice<'a> {
    value: Option<&'a [u8]>,
    is_sure: bool,
}

impl Choice<'_> {
    fn is(&self, word: &[u8]) -> bool {
        self.value.is_some_and(|value| value.eq_ignore_ascii_case(word))
    }
}

impl Sshd {
    pub(super) fn read(reader: &mut Reader<'_>) -> Self {
        let limits = Limits::default();
        let Ok(main) = EvidencePath::new(MAIN) else { return Self { settings: None, doubt: None } };
        let mut files: BTreeMap<EvidencePath, Vec<Setting>> = BTreeMap::new();
        let mut doubt = None;
        let mut open = vec![main.clone()];
        while let Some(path) = open.pop() {
            if files.contains_key(&path) {
                continue;
            }
            if files.len() == MAX_FILES {
                doubt = Some(format!("sshd's configuration has more than {MAX_FILES} files"));
                break;
            }
            match reader.read(&path) {
                Found::Content(text) => {
                    let settings = ssh_config::parse(&path, Program::Sshd, &text, &limits).value;
                    for include in settings.iter().filter(|setting| setting.name == "include") {
                        match included(include, reader) {
                            Some(found) => open.extend(found),
                            None => doubt = Some(format!("`{path}` includes files that cannot be told")),
                        }
                    }
                    files.insert(path, settings);
                }
                Found::Unknown => doubt = Some(format!("what is in `{path}` is not known")),
                Found::Absent => {}
            }
        }
        if !files.contains_key(&main) {
            return Self { settings: None, doubt };
        }
        let merged = ssh_config::effective(&main, &files);
        if let Some(gap) = merged.gaps.first() {
            doubt.get_or_insert_with(|| format!("`{}`: {}", gap.path, gap.detail));
        }
        Self { settings: Some(merged.value), doubt }
    }

    /// The best way in for an account, and why it is not sure.
    pub(super) fn way_of(&self, account: &Account<'_>, reader: &mut Reader<'_>) -> (Way, Option<String>) {
        let Some(settings) = &self.settings else {
            let files = [&b".ssh/authorized_keys"[..], b".ssh/authorized_keys2"];
            let way = if account.has_password { Way::Sure } else { keys(account, files.into_iter(), reader) };
            return match (way, &self.doubt) {
                (Way::Sure, Some(doubt)) => (Way::Maybe, Some(doubt.clone())),
                (way, _) => (way, None),
            };
        };
        let asked = Asked { settings, account };
        let mut doubt = self.doubt.clone();
        let mut option = |name: &str| {
            let choice = asked.option(name);
            if !choice.is_sure {
                doubt.get_or_insert_with(|| format!("a `Match` block of sshd decides on `{name}`"));
            }
            choice
        };
        let admitted = asked.is_admitted();
        if admitted == Answer::No {
            return (Way::None, None);
        }
        let has_pam = option("usepam").is(b"yes");
        if account.is_barred_without_pam && !has_pam {
            return (Way::None, None);
        }
        let root = option("permitrootlogin");
        let is_root = account.uid == b"0";
        // `prohibit-password` is the default; older releases say yes where nothing is said.
        let may_password = !is_root || root.is(b"yes");
        let may_key = !is_root || !(root.is(b"no") || root.is(b"forced-commands-only"));
        let interactive =
            option("kbdinteractiveauthentication").value.or(option("challengeresponseauthentication").value);
        let is_interactive = has_pam && !interactive.is_some_and(|value| value.eq_ignore_ascii_case(b"no"));
        let is_plain = !option("passwordauthentication").is(b"no");
        let has_pubkey = !option("pubkeyauthentication").is(b"no");
        let files = option("authorizedkeysfile").value.unwrap_or(b".ssh/authorized_keys .ssh/authorized_keys2");
        let has_command =
            option("authorizedkeyscommand").value.is_some_and(|value| !value.eq_ignore_ascii_case(b"none"));
        let methods = option("authenticationmethods").value.unwrap_or(b"any");

        let password = |is_on: bool| if is_on && may_password && account.has_password { Way::Sure } else { Way::None };
        let mut key = Way::None;
        if has_pubkey && may_key {
            let files = words(files).filter(|file| !file.eq_ignore_ascii_case(b"none"));
            key = keys(account, files, reader);
            if key == Way::None && has_command {
                doubt.get_or_insert_with(|| "a command gives sshd the keys".to_owned());
                key = Way::Maybe;
            }
        }
        let way_by = |method: &[u8]| match method.split(|&b| b == b':').next().unwrap_or_default() {
            b"publickey" => key,
            b"password" => password(is_plain),
            b"keyboard-interactive" => password(is_interactive),
            b"any" => key.max(password(is_plain)).max(password(is_interactive)),
            // A host's key, Kerberos: what they need is not looked at.
            _ => Way::Maybe,
        };
        let together = |list: &[u8]| list.split(|&b| b == b',').map(way_by).min().unwrap_or(Way::None);
        let best = words(methods).map(together).max().unwrap_or(Way::None);
        if admitted == Answer::Unknown {
            doubt.get_or_insert_with(|| "who may log in depends on where from, or on a `Match` block".to_owned());
        }
        let has_credentials = account.has_password || key > Way::None;
        match (best, doubt) {
            (best, None) => (best, None),
            (Way::None, Some(_)) if !has_credentials => (Way::None, None),
            (_, Some(doubt)) => (Way::Maybe, Some(doubt)),
        }
    }
}

/// The files that an `Include` names; none where that cannot be told.
fn included(include: &Setting, reader: &mut Reader<'_>) -> Option<Vec<EvidencePath>> {
    let mut found = Vec::new();
    for target in words(include.value.as_bytes()) {
        let full = if target.starts_with(b"/") { target.to_vec() } else { [b"/etc/ssh/", target].concat() };
        let text = std::str::from_utf8(&full).ok()?;
        let folder = EvidencePath::new(&full).ok()?.parent()?;
        if folder.as_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'[')) {
            return None;
        }
        let pattern = Pattern::new(text).ok()?;
        found.extend(reader.host.list(&folder).into_iter().filter(|path| pattern.matches(path)));
        // One that is not there may come to be, and then counts.
        reader.reads.insert(EvidencePath::new(&full).ok()?);
    }
    Some(found)
}

/// The settings, asked for one account.
struct Asked<'a> {
    settings: &'a [Setting],
    account: &'a Account<'a>,
}

impl<'a> Asked<'a> {
    /// The value of an option: of the first `Match` block that fits, else of the part for everybody.
    fn option(&self, name: &str) -> Choice<'a> {
        let of = |setting: &&Setting| setting.name == name;
        let global = self.settings.iter().filter(of).find(|setting| setting.scope.is_empty());
        let global = global.map(|setting| first_word(name, setting.value.as_bytes())).or_else(|| default_of(name));
        let mut is_sure = true;
        for setting in self.settings.iter().filter(of).filter(|setting| !setting.scope.is_empty()) {
            let value = first_word(name, setting.value.as_bytes());
            match self.is_in(setting.scope.as_bytes()) {
                Answer::Yes => return Choice { value: Some(value), is_sure },
                Answer::Unknown if global != Some(value) => is_sure = false,
                Answer::Unknown | Answer::No => {}
            }
        }
        Choice { value: global, is_sure }
    }

    /// Says whether a scope (`Match User a > Match Address b`) holds for the account.
    fn is_in(&self, scope: &[u8]) -> Answer {
        let mut answer = Answer::Yes;
        let text = String::from_utf8_lossy(scope);
        for block in text.split(" > ") {
            let block = block.strip_prefix("Match ").unwrap_or(block);
            let mut rest = words(block.as_bytes());
            while let Some(criterion) = rest.next() {
                if criterion.eq_ignore_ascii_case(b"all") {
                    continue;
                }
                let patterns = rest.next().unwrap_or_default();
                let found = match criterion.to_ascii_lowercase().as_slice() {
                    b"user" => list_matches(patterns, &[self.account.name]),
                    b"group" => list_matches(patterns, &self.account.groups),
                    _ => Answer::Unknown,
                };
                match found {
                    Answer::No => return Answer::No,
                    Answer::Unknown => answer = Answer::Unknown,
                    Answer::Yes => {}
                }
            }
        }
        answer
    }

    /// Says whether `DenyUsers`, `AllowUsers`, `DenyGroups` and `AllowGroups` let the account in.
    fn is_admitted(&self) -> Answer {
        let mut answer = Answer::Yes;
        for (name, names, is_deny) in [
            ("denyusers", &[self.account.name][..], true),
            ("allowusers", &[self.account.name], false),
            ("denygroups", &self.account.groups, true),
            ("allowgroups", &self.account.groups, false),
        ] {
            let (mut is_named, mut has_list, mut is_unsure) = (false, false, false);
            for setting in self.settings.iter().filter(|setting| setting.name == name) {
                let in_scope =
                    if setting.scope.is_empty() { Answer::Yes } else { self.is_in(setting.scope.as_bytes()) };
                if in_scope == Answer::No {
                    continue;
                }
                has_list |= in_scope == Answer::Yes;
                is_unsure |= in_scope == Answer::Unknown;
                for word in words(setting.value.as_bytes()) {
                    let (user, from) = match word.iter().position(|&b| b == b'@') {
                        Some(at) => (word.get(..at).unwrap_or_default(), true),
                        None => (word, false),
                    };
                    let fits = names.iter().any(|name| glob(user, name));
                    is_named |= fits && !from && in_scope == Answer::Yes;
                    is_unsure |= fits && from;
                }
            }
            match (is_deny, is_named, has_list) {
                (true, true, _) => return Answer::No,
                (false, false, true) if !is_unsure => return Answer::No,
                (false, true, _) if !is_unsure => {}
                _ if is_unsure => answer = Answer::Unknown,
                _ => {}
            }
        }
        answer
    }
}

/// What holds where nothing is said, of the options that a `Match` block may say again.
fn default_of(name: &str) -> Option<&'static [u8]> {
    match name {
        "passwordauthentication" | "pubkeyauthentication" => Some(b"yes"),
        "usepam" => Some(b"no"),
        _ => None,
    }
}

/// Options that take a list keep it whole; of the others the first word counts.
fn first_word<'v>(name: &str, value: &'v [u8]) -> &'v [u8] {
    if matches!(name, "authorizedkeysfile" | "authenticationmethods") {
        return value;
    }
    words(value).next().unwrap_or_default()
}

/// The words of a value, without the quotes that may stand around each.
fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.map(|word| word.strip_prefix(b"\"").and_then(|word| word.strip_suffix(b"\"")).unwrap_or(word))
}

/// A list of patterns with `,` between them, where one with `!` that fits rules all others out (`ssh_config(5)`, PATTERNS).
fn list_matches(patterns: &[u8], names: &[&[u8]]) -> Answer {
    let mut found = Answer::No;
    for pattern in patterns.split(|&b| b == b',') {
        let (pattern, is_negated) = match pattern.strip_prefix(b"!") {
            Some(rest) => (rest, true),
            None => (pattern, false),
        };
        if names.iter().any(|name| glob(pattern, name)) {
            if is_negated {
                return Answer::No;
            }
            found = Answer::Yes;
        }
    }
    found
}

/// `*` stands for any bytes and `?` for one. In time linear in each for one star, and never more than their product.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match (pattern.get(p), text.get(t)) {
            (Some(b'*'), _) => {
                star = Some((p, t));
                p += 1;
            }
            (Some(b'?'), _) => (p, t) = (p + 1, t + 1),
            (Some(wanted), Some(found)) if wanted == found => (p, t) = (p + 1, t + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, t) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern.get(p..).unwrap_or_default().iter().all(|&b| b == b'*')
}

/// Says whether an account has a key in one of the files that sshd looks into.
fn keys<'f>(account: &Account<'_>, files: impl Iterator<Item = &'f [u8]>, reader: &mut Reader<'_>) -> Way {
    let mut best = Way::None;
    for file in files.take(MAX_KEY_FILES) {
        let full = expand(file, account);
        let full = if full.starts_with(b"/") { full } else { [account.home, b"/", &full].concat() };
        let Ok(path) = EvidencePath::new(&full) else { continue };
        let way = match reader.read(&path) {
            Found::Content(text) => {
                let mut lines = text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii);
                let has_key = lines.any(|line| !line.is_empty() && !line.starts_with(b"#"));
                if has_key { Way::Sure } else { Way::None }
            }
            Found::Unknown => Way::Maybe,
            Found::Absent => Way::None,
        };
        best = best.max(way);
    }
    best
}

/// Fills in `%h`, `%u`, `%U` and `%%` (`sshd_config(5)`, TOKENS).
fn expand(file: &[u8], account: &Account<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(file.len());
    let mut bytes = file.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => match bytes.next() {
                Some(b'h') => out.extend_from_slice(account.home),
                Some(b'u') => out.extend_from_slice(account.name),
                Some(b'U') => out.extend_from_slice(account.uid),
                Some(other) => out.push(other),
                None => out.push(b'%'),
            },
            byte => out.push(byte),
        }
    }
    out
}
