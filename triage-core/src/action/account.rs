//! Edits of one account's line in `passwd(5)`, `shadow(5)`, `group(5)` and `gshadow(5)` files.
//!
//! Each is one field of the lines of one name; every other byte of the file stays. What the files must agree on is a matter of the
//! plan, which has a step for each file; that nobody else writes meanwhile is a matter of `apply`, which holds the lock that
//! `lckpwdf(3)` holds.

use super::{Change, Obstacle, State, editable};
use crate::model::{EvidencePath, RawText};

/// The number of a field in a line, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field(usize);

impl Field {
    /// The password, or where it stands: the second field of all four files.
    pub const PASSWORD: Self = Self(1);
    /// The login shell, in `passwd(5)`.
    pub const SHELL: Self = Self(6);
    /// The day on which the account expired, in `shadow(5)`.
    const EXPIRES: Self = Self(7);
    /// The administrators, in `gshadow(5)`.
    const ADMINISTRATORS: Self = Self(2);
    /// The members, in `group(5)` and `gshadow(5)`.
    const MEMBERS: Self = Self(3);
}

/// Says whether a file holds accounts or groups, so that it is edited under their lock and never loses whole lines.
pub fn is_account_file(path: &EvidencePath) -> bool {
    matches!(
        path.as_bytes(),
        b"/etc/passwd"
            | b"/etc/passwd-"
            | b"/etc/shadow"
            | b"/etc/shadow-"
            | b"/etc/group"
            | b"/etc/group-"
            | b"/etc/gshadow"
            | b"/etc/gshadow-"
    )
}

/// What stands in the place of a password in a line that is kept in a plan.
pub(crate) const STRUCK: &[u8] = b"(password)";

pub(super) fn expire(
    path: &EvidencePath,
    name: &RawText,
    now: &State,
    content: Option<&[u8]>,
) -> Result<Change, Obstacle> {
    not_root(name)?;
    // The same day as `lock_account`, for the same reason: `shadow(5)` calls 0 ambiguous.
    let edit = |fields: &mut Vec<Vec<u8>>| put(fields, Field::EXPIRES, b"1", 9);
    each_line(path, name, now, content, "shadow", edit)
}

pub(super) fn set_shell(
    path: &EvidencePath,
    name: &RawText,
    shell: &RawText,
    now: &State,
    content: Option<&[u8]>,
) -> Result<Change, Obstacle> {
    not_root(name)?;
    if !shell.as_bytes().starts_with(b"/") || !is_one_field(shell.as_bytes()) {
        return Err(Obstacle::Blocked(format!("`{shell}` cannot be a login shell")));
    }
    let edit = |fields: &mut Vec<Vec<u8>>| put(fields, Field::SHELL, shell.as_bytes(), 7);
    each_line(path, name, now, content, "passwd", edit)
}

pub(super) fn remove_from_group(
    path: &EvidencePath,
    group: &RawText,
    name: &RawText,
    now: &State,
    content: Option<&[u8]>,
) -> Result<Change, Obstacle> {
    if name.is_empty() || !is_one_field(name.as_bytes()) || name.as_bytes().contains(&b',') {
        return Err(Obstacle::Blocked(format!("`{name}` cannot be the name of an account")));
    }
    let is_shadow = path.file_name() == b"gshadow";
    let edit = |fields: &mut Vec<Vec<u8>>| {
        let lists: &[Field] = if is_shadow { &[Field::ADMINISTRATORS, Field::MEMBERS] } else { &[Field::MEMBERS] };
        for list in lists {
            if let Some(members) = fields.get_mut(list.0) {
                *members = without(members, name.as_bytes());
            }
        }
    };
    each_line(path, group, now, content, if is_shadow { "gshadow" } else { "group" }, edit)
}

/// A list with `,` between its members, without one of them.
fn without(members: &[u8], name: &[u8]) -> Vec<u8> {
    let kept: Vec<&[u8]> = members.split(|&byte| byte == b',').filter(|member| member.trim_ascii() != name).collect();
    kept.join(&b',')
}

/// The fields of a line of each of the four files.
fn fields_of(file: &[u8]) -> Option<usize> {
    match file {
        b"passwd" => Some(7),
        b"shadow" => Some(9),
        b"group" | b"gshadow" => Some(4),
        _ => None,
    }
}

pub(super) fn restore(
    path: &EvidencePath,
    name: &RawText,
    from: Option<&RawText>,
    to: &RawText,
    now: &State,
    content: Option<&[u8]>,
) -> Result<Change, Obstacle> {
    let Some(count) = fields_of(path.file_name()) else {
        return Err(Obstacle::Blocked("it is none of `passwd`, `shadow`, `group` and `gshadow`".to_owned()));
    };
    let content = editable(now, content)?;
    let fields: Vec<&[u8]> = to.as_bytes().split(|&byte| byte == b':').collect();
    let is_line = fields.len() == count && fields.first() == Some(&name.as_bytes()) && is_one_line(to.as_bytes());
    if !is_line || name.is_empty() {
        return Err(Obstacle::Blocked("what would come back is no line of that account".to_owned()));
    }
    let wanted = fields.get(Field::PASSWORD.0).copied().unwrap_or_default();
    // A plan file may have lain where others write: no password comes out of one, and none is taken off.
    if wanted != STRUCK && !(path.file_name() == b"shadow" && is_mark(wanted)) {
        return Err(Obstacle::Blocked("a plan sets no password".to_owned()));
    }
    let is_meant = |line: &&[u8]| is_of(line, name.as_bytes());
    let lines = || content.split_inclusive(|&byte| byte == b'\n');
    let mut meant = lines().filter(is_meant);
    let (found, another) = (meant.next(), meant.next());
    if another.is_some() {
        return Err(Obstacle::Blocked(format!(
            "there are several lines for `{name}`: a person has to say which is which"
        )));
    }
    let is_shadow = path.file_name() == b"shadow";
    let struck = found.map(|line| strike(body(line), is_shadow));
    if struck.as_deref().is_some_and(|struck| is_restored(struck, to.as_bytes())) {
        return Ok(Change::Nothing);
    }
    if struck.as_deref() != from.map(RawText::as_bytes) {
        return Err(Obstacle::Stale(format!("the line of `{name}` is not the one that was seen")));
    }
    let present = found.and_then(|line| body(line).split(|&byte| byte == b':').nth(Field::PASSWORD.0));
    // An account that comes back without the password that it once had comes back locked.
    let without = if matches!(path.file_name(), b"passwd" | b"group") { &b"x"[..] } else { b"!" };
    let password = if wanted == STRUCK { present.unwrap_or(without) } else { wanted };
    let mut line = Vec::new();
    for (number, field) in fields.into_iter().enumerate() {
        if number > 0 {
            line.push(b':');
        }
        line.extend_from_slice(if number == Field::PASSWORD.0 { password } else { field });
    }
    let mut out = Vec::with_capacity(content.len() + line.len());
    for old in lines() {
        if is_of(old, name.as_bytes()) {
            out.extend_from_slice(&line);
            out.extend_from_slice(old.get(body(old).len()..).unwrap_or_default());
        } else {
            out.extend_from_slice(old);
        }
    }
    if found.is_none() {
        if !out.is_empty() && !out.ends_with(b"\n") {
            out.push(b'\n');
        }
        out.extend_from_slice(&line);
        out.push(b'\n');
    }
    Ok(Change::Rewrite(out))
}

/// Says whether a line, its password struck out, is the one that is to come back. Where that keeps whatever password there is, a mark
/// in its place is as good.
fn is_restored(struck: &[u8], wanted: &[u8]) -> bool {
    let fields = |line: &'_ [u8]| -> Vec<Vec<u8>> { line.split(|&byte| byte == b':').map(<[u8]>::to_vec).collect() };
    let (mut now, wanted) = (fields(struck), fields(wanted));
    if wanted.get(Field::PASSWORD.0).is_some_and(|field| field == STRUCK)
        && let Some(field) = now.get_mut(Field::PASSWORD.0)
    {
        STRUCK.clone_into(field);
    }
    now == wanted
}

/// Says whether a password field of `shadow(5)` lets nobody in and is no secret: `*`, `!`, `!!`, `!*`.
fn is_mark(field: &[u8]) -> bool {
    !field.is_empty() && field.len() <= 4 && field.iter().all(|byte| matches!(byte, b'!' | b'*'))
}

/// The line of one account or group in `file` as a plan may keep it: without its line end and its password, though in `shadow` with the
/// mark that says that there is none. None where there is no such line, or several.
pub(crate) fn line_of(file: &EvidencePath, content: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let mut lines = content.split(|&byte| byte == b'\n').filter(|line| is_of(line, name));
    let line = lines.next()?;
    let is_shadow = matches!(file.file_name(), b"shadow" | b"shadow-");
    lines.next().is_none().then(|| strike(body(line), is_shadow))
}

/// The lines of a group that differ between a file and its copy as far as `name` goes: the group, its line as it is, and as it was. A
/// group of that very name that is gone comes back whole; of all others only the one member comes and goes.
pub(crate) fn memberships(file: &EvidencePath, now: &[u8], copy: &[u8], name: &[u8]) -> Vec<[RawText; 3]> {
    let names = copy.split(|&byte| byte == b'\n').chain(now.split(|&byte| byte == b'\n'));
    let names = names.filter_map(|line| line.split(|&byte| byte == b':').next()).filter(|group| !group.is_empty());
    let names: std::collections::BTreeSet<&[u8]> = names.collect();
    let has = |line: &[u8]| {
        let members = line.split(|&byte| byte == b':').nth(Field::MEMBERS.0).unwrap_or_default();
        members.split(|&byte| byte == b',').any(|member| member.trim_ascii() == name)
    };
    let mut found = Vec::new();
    for group in names {
        let (is, was) = (line_of(file, now, group), line_of(file, copy, group));
        let change = match (is, was) {
            (None, Some(was)) if group == name => Some((Vec::new(), was)),
            (Some(is), Some(was)) if has(&is) != has(&was) => {
                let to = with_member(&is, name, has(&was));
                Some((is, to))
            }
            // A group that was not there before is not the copy's to judge, but it had no member either.
            (Some(is), None) if has(&is) && group != name => {
                let to = with_member(&is, name, false);
                Some((is, to))
            }
            _ => None,
        };
        found.extend(change.map(|(from, to)| [RawText::from(group), RawText::from(from), RawText::from(to)]));
    }
    found
}

/// A line of a group with `name` as a member, or without.
fn with_member(line: &[u8], name: &[u8], is_member: bool) -> Vec<u8> {
    let mut fields: Vec<Vec<u8>> = line.split(|&byte| byte == b':').map(<[u8]>::to_vec).collect();
    if let Some(members) = fields.get_mut(Field::MEMBERS.0) {
        if is_member {
            if !members.is_empty() {
                members.push(b',');
            }
            members.extend_from_slice(name);
        } else {
            *members = without(members, name);
        }
    }
    fields.join(&b':')
}

/// The groups of a `group(5)` file that have `name` as a member.
pub(crate) fn groups_with(content: &[u8], name: &[u8]) -> Vec<RawText> {
    let has = |line: &&[u8]| {
        let members = body(line).split(|&byte| byte == b':').nth(Field::MEMBERS.0).unwrap_or_default();
        members.split(|&byte| byte == b',').any(|member| member.trim_ascii() == name)
    };
    let lines = content.split(|&byte| byte == b'\n').filter(has);
    lines.filter_map(|line| line.split(|&byte| byte == b':').next()).map(RawText::from).collect()
}

fn strike(line: &[u8], keeps_marks: bool) -> Vec<u8> {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
    let mut out = Vec::new();
    for (number, field) in fields.into_iter().enumerate() {
        if number > 0 {
            out.push(b':');
        }
        let is_secret = number == Field::PASSWORD.0 && !(keeps_marks && is_mark(field));
        out.extend_from_slice(if is_secret { STRUCK } else { field });
    }
    out
}

fn not_root(name: &RawText) -> Result<(), Obstacle> {
    if name.as_bytes() == b"root" {
        return Err(Obstacle::Blocked(
            "`root` may be the last way to log in: change its password and keys instead".to_owned(),
        ));
    }
    Ok(())
}

fn is_one_line(text: &[u8]) -> bool {
    !text.iter().any(|byte| matches!(byte, b'\n' | b'\r' | 0))
}

fn is_one_field(text: &[u8]) -> bool {
    is_one_line(text) && !text.contains(&b':')
}

/// A line without its end.
fn body(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn is_of(line: &[u8], name: &[u8]) -> bool {
    !name.is_empty() && line.strip_prefix(name).is_some_and(|rest| rest.starts_with(b":"))
}

fn put(fields: &mut Vec<Vec<u8>>, field: Field, value: &[u8], count: usize) {
    // Libraries skip a line that is too short, and with it what was set.
    if fields.len() < count {
        fields.resize(count, Vec::new());
    }
    if let Some(place) = fields.get_mut(field.0) {
        value.clone_into(place);
    }
}

/// Edits the fields of every line of `name`. A second line of one name is what an intruder hides behind the first.
fn each_line(
    path: &EvidencePath,
    name: &RawText,
    now: &State,
    content: Option<&[u8]>,
    file: &str,
    edit: impl Fn(&mut Vec<Vec<u8>>),
) -> Result<Change, Obstacle> {
    if path.file_name() != file.as_bytes() {
        return Err(Obstacle::Blocked(format!("it is no `{file}` file")));
    }
    let content = editable(now, content)?;
    if !is_one_field(name.as_bytes()) {
        return Err(Obstacle::Blocked(format!("`{name}` cannot be a name in it")));
    }
    let mut out = Vec::with_capacity(content.len() + 16);
    let mut is_known = false;
    for line in content.split_inclusive(|&byte| byte == b'\n') {
        if !is_of(line, name.as_bytes()) {
            out.extend_from_slice(line);
            continue;
        }
        is_known = true;
        let mut fields: Vec<Vec<u8>> = body(line).split(|&byte| byte == b':').map(<[u8]>::to_vec).collect();
        edit(&mut fields);
        out.extend_from_slice(&fields.join(&b':'));
        out.extend_from_slice(line.get(body(line).len()..).unwrap_or_default());
    }
    match is_known {
        false => Err(Obstacle::Blocked(format!("`{name}` has no line in `{path}`"))),
        true if out == content => Ok(Change::Nothing),
        true => Ok(Change::Rewrite(out)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::action::Action;
    use crate::action::testing::file;
    use proptest::prelude::*;

    fn at(path: &str) -> EvidencePath {
        EvidencePath::new(path).unwrap()
    }

    fn run(action: &Action, content: &[u8]) -> Result<Change, Obstacle> {
        action.change(&file(content), Some(content))
    }

    #[allow(clippy::unnecessary_wraps, reason = "is held against what a change gives")]
    fn rewritten(bytes: &[u8]) -> Result<Change, Obstacle> {
        Ok(Change::Rewrite(bytes.to_vec()))
    }

    const PASSWD: &[u8] =
        b"root:x:0:0:root:/root:/bin/bash\neve:x:1000:1000::/home/eve:/bin/bash\nevelyn:x:1001:1001::/:/bin/sh";

    #[test]
    fn one_field_of_one_account_is_set_and_all_else_stays() {
        let shell = |name: &str, shell: &str| Action::SetShell {
            path: at("/etc/passwd"),
            name: RawText::from(name),
            shell: RawText::from(shell),
        };
        assert_eq!(
            run(&shell("evelyn", "/usr/sbin/nologin"), PASSWD),
            rewritten(
                b"root:x:0:0:root:/root:/bin/bash\neve:x:1000:1000::/home/eve:/bin/bash\nevelyn:x:1001:1001::/:/usr/sbin/nologin"
            )
        );
        assert_eq!(run(&shell("eve", "/bin/bash"), PASSWD), Ok(Change::Nothing));
        for (name, to) in [
            ("root", "/bin/false"),
            ("eve", "/bin/sh\nroot::0:0::/:/bin/sh"),
            ("eve", "sh"),
            ("ev", "/bin/sh"),
            ("", "/bin/sh"),
        ] {
            assert!(matches!(run(&shell(name, to), PASSWD), Err(Obstacle::Blocked(_))), "{name} {to}");
        }
        let expire = Action::ExpireAccount { path: at("/etc/shadow"), name: RawText::from("eve") };
        assert_eq!(run(&expire, b"eve:$6$a:20000:0:99999:7:::\r\n"), rewritten(b"eve:$6$a:20000:0:99999:7::1:\r\n"));
        assert_eq!(run(&expire, b"eve:$6$a\n"), rewritten(b"eve:$6$a::::::1:\n"));
    }

    #[test]
    fn a_member_leaves_a_group_and_its_shadow_and_no_other_group() {
        let leave = |path: &str| Action::RemoveFromGroup {
            path: at(path),
            group: RawText::from("sudo"),
            name: RawText::from("eve"),
        };
        assert_eq!(
            run(&leave("/etc/group"), b"sudo:x:27:adam,eve,evelyn\nadm:x:4:eve\n"),
            rewritten(b"sudo:x:27:adam,evelyn\nadm:x:4:eve\n")
        );
        assert_eq!(run(&leave("/etc/gshadow"), b"sudo:*:eve,adam:adam,eve\n"), rewritten(b"sudo:*:adam:adam\n"));
        assert_eq!(run(&leave("/etc/group"), b"sudo:x:27:eve\n"), rewritten(b"sudo:x:27:\n"));
        assert_eq!(run(&leave("/etc/group"), b"sudo:x:27:\n"), Ok(Change::Nothing));
        assert!(matches!(run(&leave("/etc/group"), b"adm:x:4:eve\n"), Err(Obstacle::Blocked(_))));
        assert_eq!(groups_with(b"sudo:x:27:a,eve\nadm:x:4:evelyn\neve:x:1:eve\n", b"eve").len(), 2);
    }

    #[test]
    fn an_altered_line_comes_back_with_the_password_that_is_there() {
        let action = |from: Option<&str>, to: &str| Action::RestoreAccount {
            path: at("/etc/passwd"),
            name: RawText::from("www"),
            from: from.map(RawText::from),
            to: RawText::from(to),
        };
        let good = "www:(password):33:33::/var/www:/usr/sbin/nologin";
        let altered = "www:(password):0:0::/var/www:/bin/sh";
        let content = b"www:x:0:0::/var/www:/bin/sh\nb:x:1:1::/:/bin/sh\n";
        let mended = b"www:x:33:33::/var/www:/usr/sbin/nologin\nb:x:1:1::/:/bin/sh\n";
        assert_eq!(line_of(&at("/etc/passwd"), content, b"www").unwrap(), altered.as_bytes());
        assert_eq!(run(&action(Some(altered), good), content), rewritten(mended));
        assert_eq!(run(&action(Some(altered), good), mended), Ok(Change::Nothing));
        assert!(matches!(run(&action(Some(good), altered), content), Ok(Change::Nothing)));
        assert!(matches!(run(&action(None, good), content), Err(Obstacle::Stale(_))));
        assert_eq!(
            run(&action(None, good), b"b:x:1:1::/:"),
            rewritten(b"b:x:1:1::/:\nwww:x:33:33::/var/www:/usr/sbin/nologin\n")
        );
        for wrong in ["root:(password):0:0::/:/bin/sh", "www:x:0", "www:x:0:0::/:/bin/sh\nroot::0:0::/:/bin/sh"] {
            assert!(matches!(run(&action(Some(altered), wrong), content), Err(Obstacle::Blocked(_))), "{wrong}");
        }
    }

    #[test]
    fn the_shadow_line_comes_back_with_its_mark_and_never_with_a_password() {
        let action = |path: &str, name: &str, from: Option<&str>, to: &str| Action::RestoreAccount {
            path: at(path),
            name: RawText::from(name),
            from: from.map(RawText::from),
            to: RawText::from(to),
        };
        let given = b"www:$6$x$y:20000:0:99999:7:::\n";
        let was = "www:*:19000:0:99999:7:::";
        let is = "www:(password):20000:0:99999:7:::";
        assert_eq!(line_of(&at("/etc/shadow"), given, b"www").unwrap(), is.as_bytes());
        assert_eq!(line_of(&at("/etc/shadow-"), was.as_bytes(), b"www").unwrap(), was.as_bytes());
        let restored = format!("{was}\n").into_bytes();
        assert_eq!(run(&action("/etc/shadow", "www", Some(is), was), given), rewritten(&restored));
        assert_eq!(run(&action("/etc/shadow", "www", Some(is), was), &restored), Ok(Change::Nothing));
        // An account with a password that was taken out comes back locked.
        let gone = action("/etc/shadow", "eve", None, "eve:(password):19000:0:99999:7:::");
        let locked = [&given[..], b"eve:!:19000:0:99999:7:::\n"].concat();
        assert_eq!(run(&gone, given), rewritten(&locked));
        assert_eq!(run(&gone, &locked), Ok(Change::Nothing));
        for forged in ["www::19000:0:99999:7:::", "www:$6$mine$z:19000:0:99999:7:::", "www:*:19000"] {
            let change = run(&action("/etc/shadow", "www", Some(is), forged), given);
            assert!(matches!(change, Err(Obstacle::Blocked(_))), "{forged}: {change:?}");
        }
    }

    #[test]
    fn one_member_comes_and_goes_and_nobody_elses_membership_is_touched() {
        let path = at("/etc/group");
        let now = b"root:x:0:\nsudo:x:27:adam,eve,new\nadm:x:4:\nbackdoor:x:0:eve\n";
        let copy = b"root:x:0:\nsudo:x:27:adam\nadm:x:4:eve\neve:x:1000:\n";
        let found = memberships(&path, now, copy, b"eve");
        let shown: Vec<String> = found.iter().map(|[group, from, to]| format!("{group} | {from} | {to}")).collect();
        assert_eq!(
            shown,
            [
                "adm | adm:(password):4: | adm:(password):4:eve",
                "backdoor | backdoor:(password):0:eve | backdoor:(password):0:",
                "eve |  | eve:(password):1000:",
                "sudo | sudo:(password):27:adam,eve,new | sudo:(password):27:adam,new",
            ]
        );
        let mut content = now.to_vec();
        for [group, from, to] in found {
            let from = (!from.is_empty()).then_some(from);
            let action = Action::RestoreAccount { path: path.clone(), name: group, from, to };
            let Ok(Change::Rewrite(next)) = run(&action, &content) else { panic!() };
            assert_eq!(run(&action, &next), Ok(Change::Nothing));
            content = next;
        }
        assert_eq!(content, b"root:x:0:\nsudo:x:27:adam,new\nadm:x:4:eve\nbackdoor:x:0:\neve:x:1000:\n");
        assert!(memberships(&path, &content, copy, b"eve").is_empty());
    }

    proptest! {
        #[test]
        fn twice_is_once(lines in proptest::collection::vec("(eve|bob|sudo)?(:[a-z,:!\r]{0,9}){0,9}", 0..5)) {
            let content = lines.join("\n").into_bytes();
            let (eve, sudo) = (RawText::from("eve"), RawText::from("sudo"));
            for action in [
                Action::ExpireAccount { path: at("/etc/shadow"), name: eve.clone() },
                Action::SetShell { path: at("/etc/passwd"), name: eve.clone(), shell: RawText::from("/bin/false") },
                Action::RemoveFromGroup { path: at("/etc/group"), group: sudo.clone(), name: eve.clone() },
                Action::RemoveFromGroup { path: at("/etc/gshadow"), group: sudo, name: eve },
            ] {
                if let Ok(Change::Rewrite(after)) = run(&action, &content) {
                    prop_assert_eq!(run(&action, &after), Ok(Change::Nothing));
                }
            }
        }
    }
}
