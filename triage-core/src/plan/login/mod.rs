//! The ways to log in, so that no plan takes the last one, neither by one step nor by several together.
//!
//! What every host has is counted: a password in `shadow(5)` and keys in `authorized_keys` of an account with a login shell, as far as
//! the configuration of sshd lets them in. Where sshd has a configuration, a way that only leads over the console is none: nobody may
//! stand there. A directory service is not seen; a plan is then more careful than it has to be. It reads through [`Host`] and
//! changes nothing.

mod sshd;

use crate::model::EvidencePath;
use sshd::{Account, Sshd};
use std::collections::BTreeSet;

/// What can be read of a file that decides who logs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// This.
    Content(Vec<u8>),
    /// There is none.
    Absent,
    /// There is one, and what is in it is not known.
    Unknown,
}

/// The files of a host, as they are or as the steps so far leave them.
pub(crate) trait Host {
    /// Reads one.
    fn read(&mut self, path: &EvidencePath) -> Found;

    /// The objects in a folder.
    fn list(&mut self, folder: &EvidencePath) -> Vec<EvidencePath>;
}

/// What a change does to the ways to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is one left, or there was none before.
    Fine,
    /// There may be none left, and why that cannot be said.
    Unsure(String),
    /// There is none left.
    LocksOut,
}

/// Why a step is refused that would take the last way to log in.
pub(crate) const LOCKS_OUT: &str =
    "nobody could log in any more: give root a password or a key of yours first, one that sshd lets in";

/// How well a way to log in is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Way {
    None,
    Maybe,
    Sure,
}

/// Watches over the ways to log in while steps are planned or looked at. What it found stays until a file that it rests on changes.
#[derive(Default)]
pub(crate) struct Guard {
    view: Option<View>,
}

/// What was found: the best way, why it is not sure, and the files that this rests on.
struct View {
    best: Option<Way>,
    doubt: Option<String>,
    reads: BTreeSet<EvidencePath>,
}

impl Guard {
    /// Says what it does when `path` becomes `after`. Most paths have nothing to do with it and cost nothing.
    pub(crate) fn judge(&mut self, host: &mut dyn Host, path: &EvidencePath, after: &Found) -> Verdict {
        let now = self.view.get_or_insert_with(|| view(host));
        if !(concerns(path) || now.reads.contains(path)) {
            return Verdict::Fine;
        }
        let then = view(&mut Instead { host, path, after });
        // A file that cannot be read any more gives no way in.
        match (now.best.unwrap_or(Way::None), then.best.unwrap_or(Way::None)) {
            (Way::None, _) | (_, Way::Sure) | (Way::Maybe, Way::Maybe) => Verdict::Fine,
            (_, Way::None) => Verdict::LocksOut,
            (Way::Sure, Way::Maybe) => {
                Verdict::Unsure(then.doubt.unwrap_or_else(|| "a file of keys cannot be read from here".to_owned()))
            }
        }
    }

    /// Takes note that `path` is another now.
    pub(crate) fn changed(&mut self, path: &EvidencePath) {
        if self.view.as_ref().is_some_and(|view| concerns(path) || view.reads.contains(path)) {
            self.view = None;
        }
    }
}

/// Says whether a file decides who can log in although it may not be there yet.
fn concerns(path: &EvidencePath) -> bool {
    matches!(path.as_bytes(), b"/etc/shadow" | b"/etc/passwd" | b"/etc/group")
        || path.as_bytes().starts_with(b"/etc/ssh/sshd_config")
        || matches!(path.file_name(), b"authorized_keys" | b"authorized_keys2")
}

/// The host after one more change.
struct Instead<'a> {
    host: &'a mut dyn Host,
    path: &'a EvidencePath,
    after: &'a Found,
}

impl Host for Instead<'_> {
    fn read(&mut self, path: &EvidencePath) -> Found {
        if path == self.path { self.after.clone() } else { self.host.read(path) }
    }

    fn list(&mut self, folder: &EvidencePath) -> Vec<EvidencePath> {
        let mut all = self.host.list(folder);
        all.retain(|path| path != self.path);
        if *self.after != Found::Absent && self.path.parent().as_ref() == Some(folder) {
            all.push(self.path.clone());
        }
        all
    }
}

/// Reads for a [`View`], and notes what was asked for.
struct Reader<'a> {
    host: &'a mut dyn Host,
    reads: BTreeSet<EvidencePath>,
}

impl Reader<'_> {
    fn read(&mut self, path: &EvidencePath) -> Found {
        self.reads.insert(path.clone());
        self.host.read(path)
    }

    fn read_at(&mut self, path: &str) -> Found {
        EvidencePath::new(path).map_or(Found::Absent, |path| self.read(&path))
    }
}

fn view(host: &mut dyn Host) -> View {
    let mut reader = Reader { host, reads: BTreeSet::new() };
    let (passwd, shadow) = match (reader.read_at("/etc/passwd"), reader.read_at("/etc/shadow")) {
        (Found::Content(passwd), Found::Content(shadow)) => (passwd, shadow),
        (Found::Absent, _) | (_, Found::Absent) => return View { best: None, doubt: None, reads: reader.reads },
        _ => {
            let doubt = Some("the accounts cannot be read from here".to_owned());
            return View { best: Some(Way::Maybe), doubt, reads: reader.reads };
        }
    };
    let group = match reader.read_at("/etc/group") {
        Found::Content(group) => group,
        Found::Absent | Found::Unknown => Vec::new(),
    };
    let sshd = Sshd::read(&mut reader);
    let (mut best, mut doubt) = (Way::None, None);
    for line in passwd.split(|&b| b == b'\n') {
        let Some(account) = Account::of(line, &shadow, &group) else { continue };
        let (way, why) = sshd.way_of(&account, &mut reader);
        if way > best {
            (best, doubt) = (way, why);
        }
        if best == Way::Sure {
            break;
        }
    }
    View { best: Some(best), doubt, reads: reader.reads }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Default)]
    struct Files(BTreeMap<EvidencePath, Found>);

    impl Host for Files {
        fn read(&mut self, path: &EvidencePath) -> Found {
            self.0.get(path).cloned().unwrap_or(Found::Absent)
        }

        fn list(&mut self, folder: &EvidencePath) -> Vec<EvidencePath> {
            self.0.keys().filter(|path| path.parent().as_ref() == Some(folder)).cloned().collect()
        }
    }

    fn at(path: &str) -> EvidencePath {
        EvidencePath::new(path).unwrap()
    }

    fn text(text: &str) -> Found {
        Found::Content(text.as_bytes().to_vec())
    }

    fn host(files: &[(&str, &str)]) -> Files {
        Files(files.iter().map(|(path, content)| (at(path), text(content))).collect())
    }

    const PASSWD: &str =
        "root:x:0:0::/root:/bin/bash\nadam:x:1000:27::/home/adam:/bin/bash\nwww:x:33:33::/:/usr/sbin/nologin\n";
    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExam x\n";

    /// The best way with these files beside `passwd`.
    fn best(shadow: &str, files: &[(&str, &str)]) -> Way {
        let mut host = host(files);
        host.0.entry(at("/etc/passwd")).or_insert_with(|| text(PASSWD));
        host.0.insert(at("/etc/shadow"), text(shadow));
        view(&mut host).best.unwrap()
    }

    const BOTH: &str = "root:$6$x:1::::::\nadam:$6$y:1::::::\n";
    const NONE: &str = "root:*:1::::::\nadam:*:1::::::\n";
    const CONFIG: &str = "/etc/ssh/sshd_config";

    #[test]
    fn a_password_or_a_key_of_an_account_with_a_shell_is_a_way_in() {
        let keys = ("/root/.ssh/authorized_keys", KEY);
        assert_eq!(best(BOTH, &[]), Way::Sure);
        assert_eq!(best(NONE, &[("/root/.ssh/authorized_keys", "# none\n\n")]), Way::None);
        assert_eq!(best(NONE, &[keys]), Way::Sure);
        assert_eq!(best("root:!$6$x:1:::::1:\n", &[keys]), Way::None);
        assert_eq!(best("www:$6$x:1::::::\n", &[]), Way::None);
        assert!(view(&mut Files::default()).best.is_none());
    }

    #[test]
    fn what_sshd_does_not_let_in_is_no_way() {
        type Case<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)], Way);
        let keys = ("/root/.ssh/authorized_keys", KEY);
        let adams = ("/home/adam/.ssh/authorized_keys", KEY);
        let only_keys = "PasswordAuthentication no\nKbdInteractiveAuthentication no\n";
        let cases: [Case<'_>; 17] = [
            (BOTH, "Port 22\n", &[], Way::Sure),
            (BOTH, only_keys, &[], Way::None),
            (BOTH, only_keys, &[keys], Way::Sure),
            // A password through PAM is one, too.
            (BOTH, "PasswordAuthentication no\nUsePAM yes\n", &[], Way::Sure),
            (BOTH, "PasswordAuthentication no\nChallengeResponseAuthentication no\nUsePAM yes\n", &[], Way::None),
            (NONE, "PubkeyAuthentication no\n", &[keys], Way::None),
            ("root:$6$x:1::::::\n", "Port 22\n", &[], Way::None),
            ("root:$6$x:1::::::\n", "PermitRootLogin yes\n", &[], Way::Sure),
            (NONE, "PermitRootLogin no\n", &[keys], Way::None),
            (NONE, "PermitRootLogin no\n", &[adams], Way::Sure),
            (NONE, "AuthorizedKeysFile none\n", &[adams], Way::None),
            (NONE, "AuthorizedKeysFile /etc/ssh/keys/%u\n", &[("/etc/ssh/keys/adam", KEY)], Way::Sure),
            (NONE, "AuthorizedKeysCommand /usr/bin/keys\n", &[], Way::Maybe),
            (BOTH, "AllowUsers eve\n", &[], Way::None),
            (BOTH, "DenyUsers adam root\n", &[], Way::None),
            (BOTH, "AllowGroups wheel\n", &[("/etc/group", "wheel:x:10:adam\n")], Way::Sure),
            (BOTH, "AuthenticationMethods publickey,password\n", &[keys], Way::None),
        ];
        for (shadow, config, files, wanted) in cases {
            let files: Vec<_> = files.iter().copied().chain([(CONFIG, config)]).collect();
            assert_eq!(best(shadow, &files), wanted, "{config}{files:?}");
        }
    }

    #[test]
    fn a_match_block_counts_for_whom_it_is_and_for_nobody_else() {
        let of = |config: &str| best(BOTH, &[(CONFIG, config)]);
        assert_eq!(of("PasswordAuthentication no\nMatch User adam\n PasswordAuthentication yes\n"), Way::Sure);
        assert_eq!(of("PasswordAuthentication no\nMatch User eve,!adam\n PasswordAuthentication yes\n"), Way::None);
        assert_eq!(of("Match Group sudo\n PasswordAuthentication no\n KbdInteractiveAuthentication no\n"), Way::Sure);
        // Where a connection comes from cannot be known here.
        assert_eq!(
            of(
                "PasswordAuthentication no\nKbdInteractiveAuthentication no\nMatch Address 192.0.2.0/24\n PasswordAuthentication yes\n"
            ),
            Way::Maybe
        );
        assert_eq!(of("AllowUsers adam@192.0.2.1\n"), Way::Maybe);
        assert_eq!(of("Include conf.d/*.conf\n"), Way::Sure);
        let dropped = ("/etc/ssh/conf.d/a.conf", "PasswordAuthentication no\nKbdInteractiveAuthentication no\n");
        assert_eq!(best(BOTH, &[(CONFIG, "Include conf.d/*.conf\nPasswordAuthentication yes\n"), dropped]), Way::None);
    }

    #[test]
    fn several_changes_together_are_held_against_what_the_earlier_ones_left() {
        let mut host = host(&[
            ("/etc/passwd", PASSWD),
            ("/etc/shadow", BOTH),
            (CONFIG, "Port 22\n"),
            ("/home/adam/.ssh/authorized_keys", KEY),
        ]);
        let mut guard = Guard::default();
        let keys = at("/home/adam/.ssh/authorized_keys");
        let only_keys = text("PasswordAuthentication no\n");
        assert_eq!(guard.judge(&mut host, &at("/var/www/x.php"), &Found::Absent), Verdict::Fine);
        assert_eq!(guard.judge(&mut host, &keys, &Found::Absent), Verdict::Fine);
        assert_eq!(guard.judge(&mut host, &at(CONFIG), &only_keys), Verdict::Fine);
        host.0.insert(at(CONFIG), only_keys);
        guard.changed(&at(CONFIG));
        assert_eq!(guard.judge(&mut host, &keys, &Found::Absent), Verdict::LocksOut);
        let locked = text("root:$6$x:1::::::\nadam:!$6$y:1:::::1:\n");
        assert_eq!(guard.judge(&mut host, &at("/etc/shadow"), &locked), Verdict::LocksOut);
        assert!(matches!(guard.judge(&mut host, &keys, &Found::Unknown), Verdict::Unsure(_)));
        // A file that is included and does not exist yet.
        host.0.insert(at(CONFIG), text("Include /etc/ssh/sshd_config.d/*.conf\n"));
        guard.changed(&at(CONFIG));
        let nobody = guard.judge(&mut host, &at("/etc/ssh/sshd_config.d/z.conf"), &text("AllowUsers nobody\n"));
        assert_eq!(nobody, Verdict::LocksOut);
    }
}
