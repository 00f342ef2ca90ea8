//! What kind of place a file lies at, in the few words that our own rules ask for.
//!
//! A rule that asks for a file's name or folder makes every copy of a content a case of its own. These words are few, so that equal contents at equal
//! kinds of places are judged once.

use crate::model::EvidencePath;
use std::fmt;

/// The words, in the order in which [`Words`] has its bits.
const WORDS: [&str; 7] = ["log", "conf", "htaccess", "ini", "startup", "account", "php"];

/// A set of the words of `triage_place`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Words(u8);

impl fmt::Display for Words {
    /// The words with a blank on both sides of each, so that a rule asks for ` log `.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(" ")?;
        WORDS
            .iter()
            .enumerate()
            .filter(|&(bit, _)| self.0 & (1 << bit) != 0)
            .try_for_each(|(_, word)| write!(f, "{word} "))
    }
}

/// The words for a path:
///
/// - `log`: below `/var/log`, where requests with code in them are everyday;
/// - `conf`, `ini`, `htaccess`: by the end or the beginning (`.ht`) of the name; `.user.ini` is `ini` and `htaccess`;
/// - `startup`: what a shell, a boot or a schedule runs: crontabs, units, profiles, `rc` scripts, incron tables;
/// - `account`: `/etc/passwd` and `/etc/shadow`;
/// - `php`: a name that a web server gives to PHP.
pub(super) fn words(path: &EvidencePath) -> Words {
    let name = path.file_name();
    let whole = path.as_bytes();
    let folder = path.parent().unwrap_or_else(EvidencePath::root);
    let below = [folder.as_bytes(), b"/"].concat();
    let has = |part: &[u8]| super::super::find(&below, part).is_some();
    let begins = |parts: &[&[u8]]| parts.iter().any(|part| below.starts_with(part));
    let is_startup = has(b"/cron")
        || has(b"/systemd/")
        || name.starts_with(b"crontab")
        || begins(&[b"/etc/profile.d/", b"/etc/rc", b"/etc/init", b"/etc/incron.d/"])
        || [
            &b".bashrc"[..],
            b".bash_profile",
            b".profile",
            b".bash_logout",
            b".zshrc",
            b"profile",
            b"bash.bashrc",
            b"rc.local",
        ]
        .contains(&name);
    let is_php = path.extension().is_some_and(|extension| {
        let extension = extension.to_ascii_lowercase();
        matches!(&*extension, b"phtml" | b"phar" | b"inc" | b"phps")
            || extension.strip_prefix(b"php").is_some_and(|rest| rest.len() <= 1 && rest.iter().all(u8::is_ascii_digit))
    });
    let bits = [
        whole.starts_with(b"/var/log/"),
        name.ends_with(b".conf"),
        name.starts_with(b".ht") || name == b".user.ini",
        name.ends_with(b".ini"),
        is_startup,
        matches!(whole, b"/etc/passwd" | b"/etc/shadow"),
        is_php,
    ];
    Words(bits.iter().enumerate().fold(0, |words, (bit, &is)| words | (u8::from(is) << bit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_told_in_words() {
        for (path, words_of_it) in [
            ("/var/www/html/a.txt", " "),
            ("/var/log/apache2/access.log", " log "),
            ("/var/log/cron", " log "),
            ("/etc/crontab", " startup "),
            ("/tmp/cron", " "),
            ("/etc/apache2/sites-enabled/a.conf", " conf "),
            ("/var/www/.htaccess", " htaccess "),
            ("/var/www/.user.ini", " htaccess ini "),
            ("/etc/cron.d/x", " startup "),
            ("/var/spool/cron/root", " startup "),
            ("/root/.bashrc", " startup "),
            ("/usr/lib/systemd/system/x.service", " startup "),
            ("/etc/shadow", " account "),
            ("/x/a.PHP7", " php "),
            ("/x/a.php77", " "),
            ("/x/a.phtml", " php "),
        ] {
            assert_eq!(words(&EvidencePath::new(path).unwrap()).to_string(), words_of_it, "{path}");
        }
    }
}
