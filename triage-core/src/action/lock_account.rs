//! Locking an account in a `shadow(5)` file, so that neither a password nor a key logs in.
//!
//! `!` before the hash makes it a hash that no password gives, and can be taken away again. A key would still log in, so the
//! account also expires: field 8 is set to 1, the second of January 1970 (0 is avoided: `shadow(5)` says that it is ambiguous).

use super::{Change, Obstacle, State, editable};
use crate::model::{EvidencePath, RawText};

/// Fields of a line of `shadow(5)`.
const FIELDS: usize = 9;

pub(super) fn change(
    path: &EvidencePath,
    name: &RawText,
    now: &State,
    content: Option<&[u8]>,
) -> Result<Change, Obstacle> {
    if name.as_bytes() == b"root" {
        return Err(Obstacle::Blocked(
            "`root` may be the last way to log in: change its password and keys instead".to_owned(),
        ));
    }
    let content = editable(now, content)?;
    let mut out = Vec::with_capacity(content.len() + 16);
    let mut is_known = false;
    for line in content.split_inclusive(|&byte| byte == b'\n') {
        let mut fields = line.splitn(2, |&byte| byte == b':');
        let is_meant = fields.next() == Some(name.as_bytes()) && fields.next().is_some() && !name.is_empty();
        if is_meant {
            is_known = true;
            lock_line(line, &mut out);
        } else {
            out.extend_from_slice(line);
        }
    }
    match is_known {
        // An account can do without a line here, with its password in `passwd(5)`: then there is nothing that a lock could stand in.
        false => Err(Obstacle::Blocked(format!(
            "`{name}` has no line in `{path}` that could be locked: set its shell to one that lets nobody in, or remove its password \
             from `passwd`"
        ))),
        true if out == content => Ok(Change::Nothing),
        true => Ok(Change::Rewrite(out)),
    }
}

/// Writes `line`, locked, with the line end that it has. A line with too few fields gets the missing ones, empty, because
/// libraries skip a line that is too short, and with it the lock.
fn lock_line(line: &[u8], out: &mut Vec<u8>) {
    let body = line.strip_suffix(b"\n").unwrap_or(line);
    let body = body.strip_suffix(b"\r").unwrap_or(body);
    let end = line.get(body.len()..).unwrap_or_default();
    let mut fields: Vec<&[u8]> = body.split(|&byte| byte == b':').collect();
    if fields.len() < FIELDS {
        fields.resize(FIELDS, b"");
    }
    for (number, field) in fields.into_iter().enumerate() {
        if number > 0 {
            out.push(b':');
        }
        match number {
            1 if !field.starts_with(b"!") => {
                out.push(b'!');
                out.extend_from_slice(field);
            }
            7 => out.push(b'1'),
            _ => out.extend_from_slice(field),
        }
    }
    out.extend_from_slice(end);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::unnecessary_wraps)]
    use super::*;
    use crate::action::Action;
    use crate::action::testing::{file, file_with};
    use crate::model::EvidencePath;
    use proptest::prelude::*;

    fn lock(name: &[u8], content: &[u8]) -> Result<Change, Obstacle> {
        action(name).change(&file(content), Some(content))
    }

    fn action(name: &[u8]) -> Action {
        Action::LockAccount { path: EvidencePath::new("/etc/shadow").unwrap(), name: RawText::from(name) }
    }

    fn rewritten(bytes: &[u8]) -> Result<Change, Obstacle> {
        Ok(Change::Rewrite(bytes.to_vec()))
    }

    #[test]
    fn only_the_account_is_locked() {
        assert_eq!(
            lock(b"eve", b"root:$6$a:1::::::\neve:$6$b:20000:0:99999:7:::\nevelyn:$6$c:1::::::"),
            rewritten(b"root:$6$a:1::::::\neve:!$6$b:20000:0:99999:7::1:\nevelyn:$6$c:1::::::")
        );
        assert_eq!(lock(b"eve", b"eve::::::::\r\n"), rewritten(b"eve:!::::::1:\r\n"));
        assert_eq!(lock(b"eve", b"eve:*:1::::::"), rewritten(b"eve:!*:1:::::1:"));
        assert_eq!(lock(b"\xffv", b"\xffv:h:1::::::\n"), rewritten(b"\xffv:!h:1:::::1:\n"));
        assert_eq!(lock(b"eve", b"eve:!h:1:::::1:\n"), Ok(Change::Nothing));
    }

    #[test]
    fn a_second_line_of_the_same_name_is_locked_too() {
        assert_eq!(lock(b"e", b"e:a:::::::\ne:b:::::::\n"), rewritten(b"e:!a::::::1:\ne:!b::::::1:\n"));
    }

    #[test]
    fn a_short_line_becomes_one_that_libraries_read() {
        assert_eq!(lock(b"eve", b"eve:h"), rewritten(b"eve:!h::::::1:"));
    }

    #[test]
    fn an_account_without_a_shadow_line_gets_a_hint_that_helps() {
        let Err(Obstacle::Blocked(why)) = lock(b"toor", b"eve:h:::::::\n") else { panic!() };
        assert!(why.starts_with("`toor` has no line in `/etc/shadow`") && why.contains("shell"), "{why}");
    }

    #[test]
    fn root_and_unknown_accounts_are_not_touched() {
        assert!(matches!(lock(b"root", b"root:h:::::::\n"), Err(Obstacle::Blocked(_))));
        assert!(matches!(lock(b"mallory", b"eve:h:::::::\n"), Err(Obstacle::Blocked(_))));
        assert!(matches!(lock(b"", b":h:::::::\n"), Err(Obstacle::Blocked(_))));
        assert!(matches!(action(b"eve").change(&State::Absent, None), Err(Obstacle::Stale(_))));
    }

    #[test]
    fn a_name_with_a_newline_does_not_reach_into_the_next_line() {
        assert!(matches!(lock(b"a\nroot", b"a\nroot:h:::::::\n"), Err(Obstacle::Blocked(_))));
        assert!(matches!(lock(b"root:h", b"root:h:::::::\n"), Err(Obstacle::Blocked(_))));
    }

    #[test]
    fn a_hard_linked_shadow_file_is_refused() {
        let now = file_with(b"eve:h:::::::\n", |meta| meta.links = Some(2));
        assert!(matches!(action(b"eve").change(&now, Some(b"eve:h:::::::\n")), Err(Obstacle::Blocked(_))));
    }

    proptest! {
        #[test]
        fn twice_is_once(line in "(eve|bob)?:[!*a:\r]{0,12}", end in "(\n|\r\n)?") {
            let content = format!("{line}{end}x:y\n").into_bytes();
            if let Ok(Change::Rewrite(after)) = lock(b"eve", &content) {
                prop_assert_eq!(lock(b"eve", &after), Ok(Change::Nothing));
            }
        }
    }
}
