//! Logins to FreePBX's administration and portal in `freepbx_security.log`: who guesses, who got in after guessing, and names that are no names.
//!
//! FreePBX logs a refused login of the administration and of the portal (UCP), and an accepted one of the portal alone; the password of
//! an administrator that was guessed at last is not in it. `gui_auth.php` of framework and `User.class.php` of ucp write the lines.

use super::hits::Sample;
use super::tell::{Log, attribute};
use crate::model::{Category, Evidence, EvidencePath, Finding, Severity, escape};
use crate::parse::asterisk_log::{AsteriskLine, freepbx_failure, freepbx_success};
use std::collections::{BTreeMap, BTreeSet};

/// The most addresses that are counted, and the most logins that are remembered, of one file.
const ADDRESSES: usize = 20_000;
const LOGINS: usize = 5_000;
/// Names that are kept of an address, and that are told.
const NAMES: usize = 6;
/// Bytes of a name.
const NAME: usize = 80;
/// Addresses that are told of.
const TOLD: usize = 6;
/// Refusals from which on somebody guesses, and from which on a login after them is told of.
const GUESSES: u64 = 30;
const MANY: u64 = 12;

/// What one address was refused.
#[derive(Clone, Debug)]
struct Tries {
    count: u64,
    names: BTreeSet<Vec<u8>>,
    first: Sample,
}

/// Somebody was let in.
#[derive(Clone, Debug)]
struct Entered {
    user: Vec<u8>,
    address: Vec<u8>,
    refused_before: u64,
    sample: Sample,
}

/// What one file tells.
#[derive(Clone, Debug, Default)]
pub(super) struct Panel {
    refused: BTreeMap<Vec<u8>, Tries>,
    entered: Vec<Entered>,
    /// Names with code in them: how many, and the first few.
    odd: u64,
    odd_samples: Vec<Sample>,
}

impl Panel {
    /// Notes a line.
    pub(super) fn see(&mut self, number: u64, text: &[u8]) {
        let Some(line) = AsteriskLine::parse(text) else { return };
        if let Some((user, address)) = freepbx_failure(line.message) {
            self.refuse(number, text, user, address);
        } else if let Some((user, address)) = freepbx_success(line.message)
            && self.entered.len() < LOGINS
        {
            let refused_before = self.refused.get(address).map_or(0, |tries| tries.count);
            let user = user.get(..NAME).unwrap_or(user).to_vec();
            let sample = Sample::new(number, text, None);
            self.entered.push(Entered { user, address: address.to_vec(), refused_before, sample });
        }
    }

    fn refuse(&mut self, number: u64, text: &[u8], user: &[u8], address: &[u8]) {
        if has_code(user) {
            self.odd += 1;
            if self.odd_samples.len() < 3 {
                self.odd_samples.push(Sample::new(number, text, None));
            }
        }
        if self.refused.len() >= ADDRESSES && !self.refused.contains_key(address) {
            return;
        }
        let tries = self.refused.entry(address.to_vec()).or_insert_with(|| Tries {
            count: 0,
            names: BTreeSet::new(),
            first: Sample::new(number, text, None),
        });
        tries.count += 1;
        if tries.names.len() < NAMES {
            tries.names.insert(user.get(..NAME).unwrap_or(user).to_vec());
        }
    }
}

/// Says whether what was typed for a name is meant for a program: SQL, a shell, PHP, a path.
fn has_code(name: &[u8]) -> bool {
    const SIGNS: [&[u8]; 12] =
        [b"<?", b"<script", b"$(", b"`", b"../", b"' or ", b"'--", b"' --", b"union select", b"';", b"sleep(", b"${"];
    let name = name.to_ascii_lowercase();
    SIGNS.iter().any(|sign| memchr::memmem::find(&name, sign).is_some())
}

fn is_foreign(address: &[u8]) -> bool {
    let address: Option<std::net::IpAddr> = std::str::from_utf8(address).ok().and_then(|text| text.parse().ok());
    address.is_some_and(|address| !super::super::fraud::is_local(address))
}

/// What the files of a log tell, the oldest first.
pub(super) fn findings(log: &Log<'_>) -> Vec<Finding> {
    let files: Vec<(&EvidencePath, &Panel)> = log.files.iter().map(|(path, facts)| (*path, &facts.panel)).collect();
    [entered(log, &files), guessed(log, &files), odd(log, &files)].into_iter().flatten().collect()
}

fn guessed(log: &Log<'_>, files: &[(&EvidencePath, &Panel)]) -> Option<Finding> {
    let mut all: BTreeMap<&[u8], (&EvidencePath, Tries)> = BTreeMap::new();
    for (path, panel) in files {
        for (address, tries) in &panel.refused {
            if let Some((_, known)) = all.get_mut(address.as_slice()) {
                known.count += tries.count;
                known.names.extend(tries.names.iter().cloned());
            } else {
                all.insert(address, (path, tries.clone()));
            }
        }
    }
    let total: u64 = all.values().map(|(_, tries)| tries.count).sum();
    let mut many: Vec<_> = all.into_iter().filter(|(_, (_, tries))| tries.count >= GUESSES).collect();
    many.sort_by_key(|(address, (_, tries))| (std::cmp::Reverse(tries.count), *address));
    let (first, _) = many.first()?;
    let foreign = many.iter().any(|(address, _)| is_foreign(address));
    let mut evidence =
        vec![attribute("refused", &total.to_string()), attribute("addresses_that_guess", &many.len().to_string())];
    if foreign {
        evidence.push(attribute("reachable", "the login answers the internet: limit it to networks of the house"));
    }
    for (address, (path, tries)) in many.iter().take(TOLD) {
        let names: Vec<String> = tries.names.iter().take(NAMES).map(|name| escape(name)).collect();
        evidence.push(attribute("source", &format!("{} ({}): {}", escape(address), tries.count, names.join(", "))));
        if address == first {
            log.show(path, &tries.first, &mut evidence);
        }
    }
    let weight = (Category::Exploitation, Severity::Low, if foreign { 40 } else { 30 });
    let title = "Passwords of FreePBX's administration or portal are guessed";
    Some(Finding::new("TR-LOG-0614", title, weight, log.subject(), evidence).with_attack(["T1110"]))
}

/// The first login of each address that had been refused often.
fn entered(log: &Log<'_>, files: &[(&EvidencePath, &Panel)]) -> Option<Finding> {
    let mut before: BTreeMap<&[u8], u64> = BTreeMap::new();
    // Who has come three times before is no stranger.
    let mut known: BTreeMap<&[u8], u64> = BTreeMap::new();
    let mut found: Vec<(&EvidencePath, &Entered, u64)> = Vec::new();
    for (path, panel) in files {
        for login in &panel.entered {
            let address = login.address.as_slice();
            let refused = before.get(address).copied().unwrap_or(0) + login.refused_before;
            let times = known.entry(address).or_default();
            if refused >= MANY && *times < 3 {
                found.push((path, login, refused));
                // Each address counts once.
                *times = 3;
            }
            *times += 1;
        }
        for (address, tries) in &panel.refused {
            *before.entry(address).or_default() += tries.count;
        }
    }
    let (foreign, refused) = found.iter().map(|(_, login, refused)| (is_foreign(&login.address), *refused)).max()?;
    let (severity, confidence) = match (foreign, refused) {
        (true, GUESSES..) => (Severity::High, 76),
        (true, _) => (Severity::Medium, 60),
        (false, _) => (Severity::Low, 40),
    };
    let mut evidence: Vec<Evidence> = Vec::new();
    for (path, login, refused) in found.iter().take(TOLD) {
        let text = format!("{} as {} after {refused} refusals", escape(&login.address), escape(&login.user));
        evidence.push(attribute("login", &text));
        log.show(path, &login.sample, &mut evidence);
    }
    let title = "Login to FreePBX's portal, after many that were refused";
    let weight = (Category::Account, severity, confidence);
    Some(Finding::new("TR-LOG-0613", title, weight, log.subject(), evidence).with_attack(["T1110", "T1078"]))
}

fn odd(log: &Log<'_>, files: &[(&EvidencePath, &Panel)]) -> Option<Finding> {
    let count: u64 = files.iter().map(|(_, panel)| panel.odd).sum();
    let mut evidence = vec![attribute("logins", &count.to_string())];
    for (path, sample) in
        files.iter().flat_map(|(path, panel)| panel.odd_samples.iter().map(|one| (*path, one))).take(TOLD)
    {
        log.show(path, sample, &mut evidence);
    }
    let title = "Login to FreePBX with code for a name: somebody looks for a hole (each was refused)";
    let weight = (Category::Exploitation, Severity::Low, 45);
    let finding = Finding::new("TR-LOG-0615", title, weight, log.subject(), evidence).with_attack(["T1190"]);
    (count > 0).then_some(finding)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::detect::testing::{Scene, ids};
    use crate::detect::{LogDetector, SigmaSet};

    const PLACE: &str = "/var/log/asterisk/freepbx_security.log";

    fn line(minute: u32, what: &str, user: &str, address: &str) -> String {
        let (hour, minute) = (minute / 60, minute % 60);
        format!(
            "[2026-01-05 {hour:02}:{minute:02}:00] [freepbx_security.NOTICE]: Authentication {what} for {user} from {address} [] []\n"
        )
    }

    fn refused(count: u32, user: &str, address: &str) -> String {
        (0..count).map(|minute| line(minute, "failure", user, address)).collect()
    }

    fn told(files: &[(&str, String)]) -> Vec<String> {
        let scene = files.iter().fold(Scene::new(), |scene, (path, text)| scene.file(path, text.clone()));
        ids(&scene.judge(LogDetector::new(SigmaSet::builtin())).value)
    }

    #[test]
    fn passwords_that_are_guessed_are_told_and_a_forgotten_one_is_not() {
        assert_eq!(told(&[(PLACE, refused(40, "admin", "198.51.100.7"))]), ["TR-LOG-0614 low"]);
        assert!(
            told(&[(PLACE, refused(8, "anna", "192.168.1.7") + &line(9, "successful", "anna", "192.168.1.7"))])
                .is_empty()
        );
        // A rotation hides nothing.
        let older = (&*format!("{PLACE}.1"), refused(20, "admin", "198.51.100.7"));
        assert_eq!(told(&[(PLACE, refused(20, "root", "198.51.100.7")), older]), ["TR-LOG-0614 low"]);
    }

    #[test]
    fn who_got_in_after_guessing_is_told_by_how_long_and_from_where() {
        let after = |count, address| refused(count, "101", address) + &line(50, "successful", "101", address);
        assert_eq!(told(&[(PLACE, after(40, "198.51.100.7"))]), ["TR-LOG-0613 high", "TR-LOG-0614 low"]);
        assert_eq!(told(&[(PLACE, after(15, "198.51.100.7"))]), ["TR-LOG-0613 medium"]);
        assert_eq!(told(&[(PLACE, after(15, "192.168.1.7"))]), ["TR-LOG-0613 low"]);
        let regular = line(0, "successful", "101", "198.51.100.7").repeat(5);
        let forgot = refused(15, "101", "198.51.100.7") + &line(50, "successful", "101", "198.51.100.7");
        assert!(told(&[(PLACE, regular + &forgot)]).is_empty());
    }

    #[test]
    fn a_name_with_code_in_it_is_a_probe_and_does_not_forge_the_address() {
        assert_eq!(
            told(&[(PLACE, line(0, "failure", "' OR 1=1-- from 192.168.1.1", "198.51.100.7"))]),
            ["TR-LOG-0615 low"]
        );
        assert!(told(&[(PLACE, line(0, "failure", "o'brien", "198.51.100.7"))]).is_empty());
    }

    #[test]
    fn the_campaigns_own_accounts_are_told_by_whether_they_got_in() {
        assert_eq!(told(&[(PLACE, line(0, "successful", "freepbxusers", "198.51.100.7"))]), ["TR-LOG-0412 critical"]);
        assert_eq!(told(&[(PLACE, line(0, "failure", "svc_freepbx", "198.51.100.7"))]), ["TR-LOG-0413 low"]);
        // Whoever types such a line for a name gets in nowhere.
        let typed = "x] [x.x]: Authentication successful for freepbxusers from 192.0.2.1";
        assert!(told(&[(PLACE, line(0, "failure", typed, "198.51.100.7"))]).is_empty());
    }
}
