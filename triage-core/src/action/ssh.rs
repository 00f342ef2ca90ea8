//! Keys of `authorized_keys` files, and options of `sshd_config(5)`.

use super::account::is_account_file;
use super::{Change, Obstacle, State, editable};
use crate::model::{EvidencePath, RawText};

/// The options that can be set: each has one value, of which the first counts. Those that add up (`AllowUsers`, `Port`, `HostKey`) are
/// lines of a file and edited as such.
pub const OPTIONS: [&str; 22] = [
    "AllowAgentForwarding",
    "AllowTcpForwarding",
    "AuthorizedKeysCommand",
    "AuthorizedKeysCommandUser",
    "AuthorizedKeysFile",
    "ChallengeResponseAuthentication",
    "GatewayPorts",
    "HostbasedAuthentication",
    "IgnoreRhosts",
    "KbdInteractiveAuthentication",
    "LoginGraceTime",
    "LogLevel",
    "MaxAuthTries",
    "PasswordAuthentication",
    "PermitEmptyPasswords",
    "PermitRootLogin",
    "PermitTunnel",
    "PermitUserEnvironment",
    "PubkeyAuthentication",
    "StrictModes",
    "UsePAM",
    "X11Forwarding",
];

/// A key that is shorter than this is none: it would match in many lines.
const SHORTEST_KEY: usize = 40;

pub(super) fn remove_key(
    path: &EvidencePath,
    key: &RawText,
    max: u64,
    now: &State,
    content: Option<&[u8]>,
) -> Result<Change, Obstacle> {
    if is_account_file(path) {
        return Err(Obstacle::Blocked("it holds accounts and no keys".to_owned()));
    }
    if !is_key(key.as_bytes()) {
        return Err(Obstacle::Blocked("what is to be removed is no public key in base64".to_owned()));
    }
    let content = editable(now, content)?;
    let (mut kept, mut removed) = (Vec::with_capacity(content.len()), 0_u64);
    for line in content.split_inclusive(|&byte| byte == b'\n') {
        if has_key(line, key.as_bytes()) {
            removed += 1;
        } else {
            kept.extend_from_slice(line);
        }
    }
    match removed {
        0 => Ok(Change::Nothing),
        removed if removed > max => Err(Obstacle::Blocked(format!(
            "{removed} lines have the key and at most {max} may go: the file is not what was planned for"
        ))),
        _ => Ok(Change::Rewrite(kept)),
    }
}

/// Says how many lines of `content` have the key.
pub(crate) fn count(key: &RawText, content: &[u8]) -> u64 {
    content.split(|&byte| byte == b'\n').filter(|line| has_key(line, key.as_bytes())).count() as u64
}

/// The key in a line of an `authorized_keys` file: the word after the one that names its type. Options may stand before them, and
/// hold quoted blanks; no quoted part is taken for a key.
pub(crate) fn key_in(line: &[u8]) -> Option<RawText> {
    let mut words = words(line);
    while let Some(word) = words.next() {
        if is_type(word) {
            return words.next().filter(|key| is_key(key)).map(RawText::from);
        }
    }
    None
}

fn has_key(line: &[u8], key: &[u8]) -> bool {
    !line.trim_ascii_start().starts_with(b"#") && words(line).any(|word| word == key)
}

fn is_type(word: &[u8]) -> bool {
    [&b"ssh-"[..], b"ecdsa-", b"sk-ssh-", b"sk-ecdsa-", b"webauthn-sk-"].iter().any(|start| word.starts_with(start))
}

fn is_key(word: &[u8]) -> bool {
    word.len() >= SHORTEST_KEY
        && word.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'='))
}

/// The words of a line, split at blanks outside of double quotes, as `sshd` splits options from the key.
fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        rest = rest.trim_ascii_start();
        if rest.is_empty() {
            return None;
        }
        let (mut is_quoted, mut is_escaped) = (false, false);
        let end = rest.iter().position(|&byte| {
            let is_end = byte.is_ascii_whitespace() && !is_quoted;
            is_quoted ^= byte == b'"' && !is_escaped;
            is_escaped = byte == b'\\' && !is_escaped;
            is_end
        });
        let (word, after) = rest.split_at_checked(end.unwrap_or(rest.len()))?;
        rest = after;
        Some(word)
    })
}

/// The name as `sshd` writes it; none for an option that cannot be set.
pub(crate) fn known_option(name: &str) -> Option<&'static str> {
    OPTIONS.into_iter().find(|known| known.eq_ignore_ascii_case(name))
}

pub(super) fn set_option(
    path: &EvidencePath,
    option: &str,
    value: &RawText,
    now: &State,
    content: Option<&[u8]>,
) -> Result<Change, Obstacle> {
    let Some(option) = known_option(option) else {
        return Err(Obstacle::Blocked(format!("`{option}` is no option that can be set")));
    };
    let wanted = value.as_bytes();
    if wanted.trim_ascii() != wanted || wanted.is_empty() || wanted.iter().any(|byte| *byte < b' ' || *byte == b'#') {
        return Err(Obstacle::Blocked(format!("`{value}` cannot be a value of it")));
    }
    if !(path.file_name() == b"sshd_config" || path.as_bytes().starts_with(b"/etc/ssh/sshd_config.d/")) {
        return Err(Obstacle::Blocked("it is no configuration of sshd".to_owned()));
    }
    let content = editable(now, content)?;
    let new = [option.as_bytes(), b" ", wanted].concat();
    let mut lines: Vec<Vec<u8>> = content.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    // The first value counts, and what is included counts where it is included. What stands after `Match` holds for some only.
    let mut first = None;
    for (number, line) in lines.iter().enumerate() {
        let Some((keyword, found)) = setting(line) else { continue };
        if keyword.eq_ignore_ascii_case(b"match") || keyword.eq_ignore_ascii_case(b"include") {
            break;
        }
        if keyword.eq_ignore_ascii_case(option.as_bytes()) {
            if found == wanted {
                return Ok(Change::Nothing);
            }
            first = Some(number);
            break;
        }
    }
    if let Some(line) = first.and_then(|number| lines.get_mut(number)) {
        let body = line.trim_ascii_end().len();
        let end = line.split_off(body);
        let end = end
            .iter()
            .position(|byte| matches!(byte, b'\r' | b'\n'))
            .map_or(&b""[..], |at| end.get(at..).unwrap_or_default());
        *line = [&new, end].concat();
    } else {
        let before = lines.iter().position(|line| setting(line).is_some());
        let at = before.unwrap_or(lines.len());
        if let Some(last) = lines.last_mut().filter(|last| before.is_none() && !last.ends_with(b"\n")) {
            last.push(b'\n');
        }
        lines.insert(at, [&new[..], b"\n"].concat());
    }
    Ok(Change::Rewrite(lines.concat()))
}

/// Keyword and value of a line as `sshd` splits them: at blanks or one `=`, the value without quotes around it.
fn setting(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii();
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    let end = line.iter().position(|&byte| byte.is_ascii_whitespace() || byte == b'=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at_checked(end)?;
    let rest = rest.trim_ascii_start();
    let value = rest.strip_prefix(b"=").unwrap_or(rest).trim_ascii();
    let bare = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    Some((keyword, bare))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::action::Action;
    use crate::action::testing::file;
    use proptest::prelude::*;

    const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIExampleExampleExampleExampleExampleExam";

    #[allow(clippy::unnecessary_wraps, reason = "is held against what a change gives")]
    fn rewritten(bytes: &[u8]) -> Result<Change, Obstacle> {
        Ok(Change::Rewrite(bytes.to_vec()))
    }

    fn keys(content: &str) -> Result<Change, Obstacle> {
        let path = EvidencePath::new("/root/.ssh/authorized_keys").unwrap();
        Action::RemoveKey { path, key: RawText::from(KEY), max: 2 }
            .change(&file(content.as_bytes()), Some(content.as_bytes()))
    }

    #[test]
    fn a_key_goes_whatever_options_and_comment_it_has() {
        let mine = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMineMineMineMineMineMineMineMineMine me\n";
        let content = format!(
            "# {KEY}\n{mine}command=\"echo {KEY} x\" ssh-rsa AAAA x\nfrom=\"*\",command=\"a \\\" b\" ssh-ed25519 {KEY} root@x\r\n  ssh-ed25519 {KEY}"
        );
        let left = format!("# {KEY}\n{mine}command=\"echo {KEY} x\" ssh-rsa AAAA x\n");
        assert_eq!(keys(&content), rewritten(left.as_bytes()));
        assert_eq!(keys(&left), Ok(Change::Nothing));
        assert!(matches!(keys(&format!("ssh-ed25519 {KEY}\n").repeat(3)), Err(Obstacle::Blocked(_))));
    }

    #[test]
    fn the_key_of_a_line_is_found_behind_its_options() {
        let line = format!("from=\"192.0.2.1\",command=\"ssh-rsa {KEY}\" ssh-ed25519 {KEY} who@where");
        assert_eq!(key_in(line.as_bytes()), Some(RawText::from(KEY)));
        for line in ["", "# x", "ssh-rsa", "ssh-rsa short", "nothing at all"] {
            assert_eq!(key_in(line.as_bytes()), None, "{line}");
        }
    }

    #[test]
    fn a_word_that_is_no_key_removes_nothing() {
        let path = EvidencePath::new("/root/.ssh/authorized_keys").unwrap();
        for key in ["", "ssh-ed25519", "root@pbx"] {
            let action = Action::RemoveKey { path: path.clone(), key: RawText::from(key), max: 9 };
            assert!(matches!(action.change(&file(b"ssh-ed25519 x root@pbx\n"), Some(b"")), Err(Obstacle::Blocked(_))));
        }
    }

    fn set(option: &str, value: &str, content: &str) -> Result<Change, Obstacle> {
        let path = EvidencePath::new("/etc/ssh/sshd_config").unwrap();
        Action::SetOption { path, option: option.to_owned(), value: RawText::from(value) }
            .change(&file(content.as_bytes()), Some(content.as_bytes()))
    }

    #[test]
    fn the_value_that_counts_is_set() {
        for (content, wanted) in [
            (
                "Port 22\npermitrootlogin=yes\nMatch User x\n PermitRootLogin yes\n",
                "Port 22\nPermitRootLogin no\nMatch User x\n PermitRootLogin yes\n",
            ),
            // An included file could say otherwise first.
            (
                "# top\n\nInclude /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin no\n",
                "# top\n\nPermitRootLogin no\nInclude /etc/ssh/sshd_config.d/*.conf\nPermitRootLogin no\n",
            ),
            ("Match User x\n PermitRootLogin no\n", "PermitRootLogin no\nMatch User x\n PermitRootLogin no\n"),
            ("#PermitRootLogin no", "#PermitRootLogin no\nPermitRootLogin no\n"),
            ("", "PermitRootLogin no\n"),
        ] {
            assert_eq!(set("permitrootlogin", "no", content), rewritten(wanted.as_bytes()), "{content}");
            assert_eq!(set("PermitRootLogin", "no", wanted), Ok(Change::Nothing), "{content}");
        }
        assert_eq!(set("PermitRootLogin", "no", "PermitRootLogin \"no\"\n"), Ok(Change::Nothing));
    }

    #[test]
    fn options_that_add_up_and_values_with_a_second_line_are_refused() {
        for (option, value) in
            [("AllowUsers", "eve"), ("Port", "22"), ("PermitRootLogin", "no\nPort 1"), ("PermitRootLogin", "")]
        {
            assert!(matches!(set(option, value, "x\n"), Err(Obstacle::Blocked(_))), "{option}");
        }
    }

    proptest! {
        #[test]
        fn twice_is_once(lines in proptest::collection::vec("(Match|Include|PermitRootLogin|#|Port)?[ =]{0,2}(yes|no|\"no\")?\r?", 0..6)) {
            if let Ok(Change::Rewrite(after)) = set("PermitRootLogin", "no", &lines.join("\n")) {
                prop_assert_eq!(set("PermitRootLogin", "no", &String::from_utf8(after).unwrap()), Ok(Change::Nothing));
            }
        }
    }
}
