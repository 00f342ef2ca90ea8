//! `passwd(5)`, as glibc's `fgetpwent` reads it: what the host takes for an account is one here too, however it is written.

use super::line::each_line;
use super::shadow::{self, ShadowEntry};
use super::{Limits, Secret};
use crate::model::{Account, EvidencePath, Outcome, RawText};

/// Reads the accounts.
///
/// Leading blanks are dropped, a line that begins with `#` is none, a NUL ends the line, fields after the group may be missing,
/// and the shell keeps further colons, all as in glibc. Lines for the Network Information Service (`+`, `-`) are gaps.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Account>> {
    each_line(path, bytes, limits, |line| {
        let Some(mut fields) = fields(line.text) else { return Ok(None) };
        let name = fields.next().unwrap_or_default();
        if name.starts_with(b"+") || name.starts_with(b"-") {
            return Err("an entry for the Network Information Service, not resolved");
        }
        let password = fields.next().ok_or("fewer than four fields")?;
        let uid = number(fields.next().ok_or("fewer than four fields")?).ok_or("the user id is no number")?;
        let gid = number(fields.next().ok_or("fewer than four fields")?).ok_or("the group id is no number")?;
        let mut text = || RawText::from(fields.next().unwrap_or_default());
        let (gecos, home, shell) = (text(), text(), text());
        Ok(Some(Account {
            path: path.clone(),
            line: line.number,
            name: name.into(),
            uid,
            gid,
            gecos,
            home,
            shell,
            password: state(password).to_owned(),
        }))
    })
}

/// The password fields of the file itself, for hosts that still keep hashes there; by line number.
pub fn secrets(bytes: &[u8]) -> impl Iterator<Item = (u64, Secret)> {
    super::line::lines(bytes).filter_map(|line| {
        let password = fields(line.text)?.nth(1)?;
        (state(password) == "hash" || state(password) == "locked").then(|| (line.number, Secret::from(password)))
    })
}

/// Replaces `shadowed` by what `shadow(5)` says. An account that the shadow file does not have stays `shadowed`.
pub fn apply_shadow(accounts: &mut [Account], shadow: &[ShadowEntry]) {
    for account in accounts.iter_mut().filter(|account| account.password == "shadowed") {
        // The first entry of a name is the one that counts, as in getspnam(3).
        if let Some(entry) = shadow.iter().find(|entry| entry.name == account.name) {
            entry.state.as_str().clone_into(&mut account.password);
        }
    }
}

/// The fields of a line that is an account; none for a blank line or a comment.
fn fields(line: &[u8]) -> Option<impl Iterator<Item = &[u8]>> {
    let line = line.split(|&b| b == 0).next().unwrap_or_default().trim_ascii_start();
    (!line.is_empty() && !line.starts_with(b"#")).then(|| line.splitn(7, |&b| b == b':'))
}

fn state(password: &[u8]) -> &'static str {
    if password == b"x" { "shadowed" } else { shadow::State::of(password).as_str() }
}

/// A number as `strtoul(3)` reads it, cut to 32 bits as glibc's files backend does: `+0`, `-0` and ` 00` are all root.
fn number(field: &[u8]) -> Option<u32> {
    let field = field.trim_ascii_start();
    let (is_negative, digits) = match field.split_first()? {
        (b'-', digits) => (true, digits),
        (b'+', digits) => (false, digits),
        _ => (false, field),
    };
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let value =
        digits.iter().fold(0_u64, |value, digit| value.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    let value = if is_negative { value.wrapping_neg() } else { value };
    Some(u32::try_from(value).unwrap_or(u32::MAX))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Vec<Account> {
        parse(&EvidencePath::new("/etc/passwd").unwrap(), bytes, &Limits::default()).value
    }

    #[test]
    fn root_written_in_another_way_is_still_root() {
        for uid in ["0", "00", "+0", "-0", " 0", "000000000000000000000000"] {
            assert_eq!(read(format!("eve:x:{uid}:0::/:/bin/sh").as_bytes())[0].uid, 0, "{uid}");
        }
        assert_eq!(read(b"a:x:4294967296:0::/:/bin/sh")[0].uid, u32::MAX);
        assert!(read(b"a:x:0x0:0::/:/bin/sh").is_empty());
    }

    #[test]
    fn short_or_nul_ended_line_is_still_an_account() {
        assert_eq!(read(b"eve::0:0")[0].shell, RawText::default());
        assert_eq!(read(b"  eve:x:0:0:\0: nothing to see")[0].name, "eve".into());
    }

    #[test]
    fn shadow_tells_the_state() {
        let mut accounts = read(b"a:x:1:1::/:/bin/sh\nb:x:2:2::/:/bin/sh\n");
        let path = EvidencePath::new("/etc/shadow").unwrap();
        let shadow = shadow::parse(&path, b"a::1::::::\na:!:1::::::\n", &Limits::default()).value;
        apply_shadow(&mut accounts, &shadow);
        assert_eq!((accounts[0].password.as_str(), accounts[1].password.as_str()), ("empty", "shadowed"));
    }
}
