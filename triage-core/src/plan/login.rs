//! The ways to log in, so that no plan takes the last one.
//!
//! Only what every host has is counted: a password in `shadow(5)` and keys in `authorized_keys` of an account with a login
//! shell. A directory service or a key file elsewhere is not seen; a plan is then more careful than it has to be.

use crate::model::EvidencePath;

/// Reads a file of the host, as it is or as the steps so far leave it.
pub(super) type Read<'a> = dyn FnMut(&EvidencePath) -> Option<Vec<u8>> + 'a;

/// Says whether a file decides who can log in.
pub(super) fn concerns(path: &EvidencePath) -> bool {
    matches!(path.as_bytes(), b"/etc/shadow" | b"/etc/passwd")
        || matches!(path.file_name(), b"authorized_keys" | b"authorized_keys2")
}

/// Says whether anybody can log in; none where the account file cannot be read, so that nothing can be said.
pub(super) fn is_possible(read: &mut Read<'_>) -> Option<bool> {
    let passwd = read(&EvidencePath::new("/etc/passwd").ok()?)?;
    let shadow = read(&EvidencePath::new("/etc/shadow").ok()?)?;
    let is_possible = passwd.split(|&b| b == b'\n').any(|line| {
        let fields: Vec<&[u8]> = line.split(|&b| b == b':').collect();
        let [name, _, _, _, _, home, shell] = fields.as_slice() else { return false };
        let Some(secret) = shadow.split(|&b| b == b'\n').map(Secret::of).find(|secret| secret.name == *name) else {
            return false;
        };
        has_login_shell(shell) && !secret.is_expired && (secret.has_password || has_keys(home, read))
    });
    Some(is_possible)
}

struct Secret<'a> {
    name: &'a [u8],
    has_password: bool,
    is_expired: bool,
}

impl<'a> Secret<'a> {
    fn of(line: &'a [u8]) -> Self {
        let mut fields = line.split(|&b| b == b':');
        let name = fields.next().unwrap_or_default();
        let hash = fields.next().unwrap_or_default();
        // An account that our own lock or an administrator's has expired has a day in the seventies there.
        let expires = fields.nth(5).and_then(|day| std::str::from_utf8(day).ok()?.trim().parse::<i64>().ok());
        Self {
            name,
            has_password: hash.len() > 3 && !hash.starts_with(b"!") && !hash.starts_with(b"*"),
            is_expired: expires.is_some_and(|day| (0..3650).contains(&day)),
        }
    }
}

fn has_login_shell(shell: &[u8]) -> bool {
    !(shell.ends_with(b"/nologin") || shell.ends_with(b"/false") || shell.ends_with(b"/sync"))
}

fn has_keys(home: &[u8], read: &mut Read<'_>) -> bool {
    let Ok(home) = EvidencePath::new(home) else { return false };
    let folder = home.join(b".ssh");
    [&b"authorized_keys"[..], b"authorized_keys2"].into_iter().any(|name| {
        let text = read(&folder.join(name)).unwrap_or_default();
        text.split(|&b| b == b'\n').map(<[u8]>::trim_ascii).any(|line| !line.is_empty() && !line.starts_with(b"#"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn possible(passwd: &str, shadow: &str, keys: &str) -> Option<bool> {
        is_possible(&mut |path| {
            let text = match path.as_bytes() {
                b"/etc/passwd" => passwd,
                b"/etc/shadow" => shadow,
                b"/root/.ssh/authorized_keys" => keys,
                _ => return None,
            };
            Some(text.as_bytes().to_vec())
        })
    }

    #[test]
    fn a_password_or_a_key_of_an_account_with_a_shell_is_a_way_in() {
        let passwd = "root:x:0:0::/root:/bin/bash\nwww:x:33:33::/var/www:/usr/sbin/nologin\n";
        assert_eq!(possible(passwd, "root:$6$x:1::::::\n", ""), Some(true));
        assert_eq!(possible(passwd, "root:*:1::::::\n", "# none\n\n"), Some(false));
        assert_eq!(possible(passwd, "root:*:1::::::\n", "ssh-ed25519 AAAA x\n"), Some(true));
        assert_eq!(possible(passwd, "root:!$6$x:1:::::1:\n", "ssh-ed25519 AAAA x\n"), Some(false));
        assert_eq!(possible(passwd, "www:$6$x:1::::::\n", ""), Some(false));
        assert_eq!(is_possible(&mut |_| None), None);
    }
}
