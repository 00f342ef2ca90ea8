//! What sshd's own settings say of further files: included settings, key files at odd places, programs that give keys.
//!
//! The settings may be an intruder's: they can add a few files to what is collected, and not the whole host.

use crate::model::EvidencePath;
use crate::source::{Item, Pattern, Selection, Source};
use std::collections::BTreeSet;
use std::io::Read as _;
use std::ops::ControlFlow;

/// The largest file of settings that is read, in bytes.
const MAX_BYTES: u64 = 1 << 20;
/// The most patterns that settings come to.
const MAX_PATTERNS: usize = 256;
/// Where sshd looks for settings with a relative path (`sshd_config(5)`, `Include`).
const FOLDER: &str = "/etc/ssh/";
/// Where nothing of sshd's lies, and reading may never end.
const NEVER: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// The patterns of the files that sshd's settings name.
pub(super) fn files(source: &dyn Source, homes: &BTreeSet<EvidencePath>) -> Vec<Pattern> {
    let settings = ["/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/*"];
    let settings = settings.iter().filter_map(|text| Pattern::new(text).ok()).collect();
    let mut found: Vec<Pattern> = Vec::new();
    // What cannot be read becomes a gap when the sweep meets it.
    let _ = source.walk(&Selection::new(settings, Vec::new()), &mut |item| {
        if let Item::Entry(entry) = item
            && let Some(opener) = entry.content
            && let Ok(opened) = opener()
        {
            let mut bytes = Vec::new();
            if opened.reader.take(MAX_BYTES).read_to_end(&mut bytes).is_ok() {
                let text = String::from_utf8_lossy(&bytes);
                found.extend(text.lines().flat_map(|line| of_line(line, homes)));
            }
        }
        if found.len() < MAX_PATTERNS { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    found.truncate(MAX_PATTERNS);
    found
}

fn of_line(line: &str, homes: &BTreeSet<EvidencePath>) -> Vec<Pattern> {
    // A keyword and its words are parted by blanks, or by one `=`.
    let mut words = line.trim().splitn(2, |letter: char| letter.is_whitespace() || letter == '=');
    let keyword = words.next().unwrap_or_default().to_ascii_lowercase();
    let rest = words.next().unwrap_or_default();
    let mut words = rest.trim_start_matches(['=', ' ', '\t']).split_whitespace().map(|word| word.trim_matches('"'));
    match keyword.as_str() {
        "include" => words.filter_map(|word| absolute(word, FOLDER)).collect(),
        // Its arguments are no files.
        "authorizedkeyscommand" | "authorizedprincipalscommand" => {
            words.next().and_then(|word| absolute(word, "")).into_iter().collect()
        }
        "authorizedkeysfile" | "authorizedprincipalsfile" => words.flat_map(|word| of_homes(word, homes)).collect(),
        "trustedusercakeys" | "revokedkeys" | "banner" | "forcecommand" => {
            words.next().and_then(|word| absolute(word, "")).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

/// A path with the tokens of `sshd_config(5)`, section TOKENS, relative to the home.
fn of_homes(word: &str, homes: &BTreeSet<EvidencePath>) -> Vec<Pattern> {
    if let Some(tail) = word.strip_prefix("%h/").or_else(|| Some(word).filter(|word| !word.starts_with(['/', '%']))) {
        let Some(tail) = absolute(&format!("/{}", any(tail)), "").filter(|_| tail != "none") else { return Vec::new() };
        return homes.iter().map(|home| tail.beneath(home)).collect();
    }
    absolute(&any(word), "").into_iter().collect()
}

/// Any token may be any name.
fn any(word: &str) -> String {
    let mut out = String::new();
    let mut letters = word.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '%' => out.push(if letters.next() == Some('%') { '%' } else { '*' }),
            letter => out.push(letter),
        }
    }
    out
}

/// The pattern, where it is one that names some files of a folder.
fn absolute(word: &str, folder: &str) -> Option<Pattern> {
    let text = if word.starts_with('/') { word.to_owned() } else { format!("{folder}{word}") };
    let first = text.split('/').find(|part| !part.is_empty())?;
    let is_some_files = text.starts_with('/') && !text.contains("**") && !first.contains(['*', '?', '[']);
    let is_never = NEVER.iter().any(|never| text == *never || text.starts_with(&format!("{never}/")));
    Pattern::new(&text).ok().filter(|_| is_some_files && !is_never)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::fake::FakeRoot;

    fn texts(config: &[u8]) -> Vec<String> {
        let root = FakeRoot::new().file("/etc/ssh/sshd_config", config);
        let homes = ["/root", "/home/bob"].iter().filter_map(|home| EvidencePath::new(home).ok()).collect();
        files(&root, &homes).iter().map(|pattern| pattern.as_str().to_owned()).collect()
    }

    #[test]
    fn settings_name_further_files() {
        let config = b"Include /opt/sshd/*.conf more.d/*\nAuthorizedKeysCommand \"/opt/keys\" %u\n\
                       AuthorizedKeysFile=.keys %h/k2 /srv/keys/%u none\n#Include /no\nport 22\n";
        let expected = [
            "/opt/sshd/*.conf",
            "/etc/ssh/more.d/*",
            "/opt/keys",
            "/home/bob/.keys",
            "/root/.keys",
            "/home/bob/k2",
            "/root/k2",
            "/srv/keys/*",
        ];
        assert_eq!(texts(config), expected);
    }

    #[test]
    fn hostile_settings_do_not_select_the_host() {
        let config = b"Include /** /* /*/x /proc/1/mem /dev/zero /../x /\nAuthorizedKeysCommand\nAuthorizedKeysFile %h/../x / %\n\xff\xfe";
        assert_eq!(texts(config), Vec::<String>::new());
        let many = "Include /opt/a\n".repeat(100_000);
        assert_eq!(texts(many.as_bytes()).len(), MAX_PATTERNS);
    }
}
