//! Logins, rights and accounts in `auth.log`, `secure`, `cron`, `syslog` and `messages`.
//!
//! Only lines of known programs become records; the log itself is in the bundle. A user name in such a line was chosen by whoever knocked,
//! so each line is read from its fixed end, and a name with ` from ` in it cannot forge an address.

use super::Limits;
use super::line::{Line, Reading, lines, number, rsplit_once, split_once, word};
use super::package_log::zoned;
use crate::model::{AuthEvent, AuthEventKind as Kind, EvidencePath, Outcome, RawText};

/// Reads the events. Refused logins may fill half of the room and no more, so that a flood of them cannot push out the one that succeeded.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<AuthEvent>> {
    let mut reading = Reading::new(path, limits);
    let mut refused = 0_usize;
    let mut passed_over = 0_u64;
    let mut last = 0;
    for line in lines(bytes) {
        if !reading.fits(&line) {
            continue;
        }
        let Some(event) = event(path, &line) else { continue };
        if matches!(event.event, Kind::Failed | Kind::InvalidUser) {
            refused += 1;
            if refused > limits.max_records.div_ceil(2) {
                passed_over += 1;
                last = line.number;
                continue;
            }
        }
        if !reading.push(event) {
            break;
        }
    }
    if passed_over > 0 {
        reading.limited(last, &format!("{passed_over} more refused logins up to here"));
    }
    reading.finish()
}

/// Reads one line, of which `number` is its place in the log; none where it tells of nothing that is a record.
pub fn parse_line(path: &EvidencePath, number: u64, text: &[u8]) -> Option<AuthEvent> {
    event(path, &Line { number, text })
}

struct Header<'a> {
    time: &'a [u8],
    host: &'a [u8],
    program: &'a [u8],
    pid: Option<u64>,
    message: &'a [u8],
}

/// `Jan  2 03:04:05 host program[1]: message`, or the same with an ISO 8601 time, with or without `<n>` before it.
fn header(text: &[u8]) -> Option<Header<'_>> {
    let text = match text.strip_prefix(b"<") {
        Some(rest) => split_once(rest, b">")?.1,
        None => text,
    };
    let is_iso = text.get(4) == Some(&b'-') && text.get(10) == Some(&b'T');
    let end = if is_iso { text.iter().position(|&b| b == b' ')? } else { 15 };
    let (time, rest) = text.split_at_checked(end)?;
    if !is_iso && (time.get(3) != Some(&b' ') || time.get(9) != Some(&b':')) {
        return None;
    }
    let (host, rest) = word(rest)?;
    let (tag, message) = split_once(rest, b":")?;
    // rsyslog's own lines and those of some programs have blanks before the colon.
    if tag.contains(&b' ') {
        return None;
    }
    let (program, pid) = match split_once(tag, b"[") {
        Some((program, rest)) => (program, rest.strip_suffix(b"]").and_then(number)),
        None => (tag, None),
    };
    Some(Header { time, host, program, pid, message: message.strip_prefix(b" ").unwrap_or(message) })
}

fn event(path: &EvidencePath, line: &Line<'_>) -> Option<AuthEvent> {
    let header = header(line.text)?;
    let mut event = AuthEvent {
        path: path.clone(),
        line: line.number,
        time_raw: header.time.into(),
        time: zoned(header.time),
        host: header.host.into(),
        program: header.program.into(),
        pid: header.pid,
        event: Kind::Accepted,
        user: RawText::default(),
        target: RawText::default(),
        address: RawText::default(),
        port: None,
        method: RawText::default(),
        key: RawText::default(),
        command: RawText::default(),
        repeated: None,
        message: header.message.into(),
    };
    let mut message = header.message;
    // `message repeated 3 times: [ …]` of rsyslog.
    if let Some(rest) = message.strip_prefix(b"message repeated ") {
        let (count, rest) = split_once(rest, b" times: [ ")?;
        event.repeated = number(count);
        message = rest.strip_suffix(b"]").unwrap_or(rest);
    }
    let program = header.program.rsplit(|&b| b == b'/').next().unwrap_or_default();
    if let Some(kind) = pam(&mut event, message) {
        event.event = kind;
        return Some(event);
    }
    event.event = match program {
        b"sshd" | b"sshd-session" | b"sshd-auth" => sshd(&mut event, message)?,
        b"sudo" => sudo(&mut event, message)?,
        b"su" => su(&mut event, message)?,
        b"systemd-logind" => {
            let (_, user) = split_once(message.strip_prefix(b"New session ")?, b" of user ")?;
            event.user = user.strip_suffix(b".").unwrap_or(user).into();
            Kind::SessionOpened
        }
        b"CRON" | b"cron" | b"crond" | b"CROND" | b"crontab" | b"anacron" => cron(&mut event, message)?,
        _ => account(&mut event, message)?,
    };
    Some(event)
}

fn sshd(event: &mut AuthEvent, message: &[u8]) -> Option<Kind> {
    let (kind, rest) = if let Some(rest) = message.strip_prefix(b"Accepted ") {
        (Kind::Accepted, rest)
    } else if let Some(rest) = message.strip_prefix(b"Failed ") {
        (Kind::Failed, rest)
    } else if let Some(rest) = message.strip_prefix(b"Invalid user ") {
        let (user, from) = rsplit_once(rest, b" from ").or_else(|| Some((b"", rest.strip_prefix(b"from ")?)))?;
        event.user = user.into();
        origin(event, from);
        return Some(Kind::InvalidUser);
    } else {
        return None;
    };
    let (method, rest) = split_once(rest, b" for ")?;
    // The key's type and fingerprint come last.
    let (rest, key) = match (kind, rsplit_once(rest, b" ssh2: ")) {
        (_, Some((rest, key))) => (rest, key),
        _ => (rest, &b""[..]),
    };
    let (user, from) = rsplit_once(rest, b" from ")?;
    event.method = method.into();
    event.key = key.into();
    event.user = user.strip_prefix(b"invalid user ").unwrap_or(user).into();
    origin(event, from);
    Some(kind)
}

/// `192.0.2.1 port 22 ssh2`
fn origin(event: &mut AuthEvent, text: &[u8]) {
    let Some((address, rest)) = word(text) else { return };
    event.address = address.into();
    event.port = rest.strip_prefix(b"port ").and_then(word).and_then(|(port, _)| number(port));
}

/// `pam_unix(sshd:session): session opened for user root(uid=0) by (uid=0)`, `pam_unix(passwd:chauthtok): password changed for root`.
fn pam(event: &mut AuthEvent, message: &[u8]) -> Option<Kind> {
    let (service, rest) = split_once(message.strip_prefix(b"pam_unix(")?, b"): ")?;
    if let Some(user) = rest.strip_prefix(b"password changed for ") {
        event.user = user.trim_ascii().into();
        return Some(Kind::PasswordChanged);
    }
    let (name, _) = split_once(service, b":")?;
    // A session a minute for each job, and one for each user manager, tells nothing.
    if matches!(name, b"cron" | b"crond" | b"systemd-user") {
        return None;
    }
    let rest = rest.strip_prefix(b"session opened for user ")?;
    let (user, by) = rsplit_once(rest, b" by ").unwrap_or((rest, b""));
    let without_uid = |text: &[u8]| -> Vec<u8> { split_once(text, b"(uid=").map_or(text, |(name, _)| name).to_vec() };
    event.method = name.into();
    // `su` and `sudo` open the session of somebody else for the one who calls.
    if matches!(name, b"su" | b"su-l" | b"sudo" | b"sudo-i") {
        event.target = without_uid(user).into();
        event.user = without_uid(by).into();
    } else {
        event.user = without_uid(user).into();
    }
    Some(Kind::SessionOpened)
}

/// `   eve : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/ls`, with a reason before `TTY` where it was refused.
fn sudo(event: &mut AuthEvent, message: &[u8]) -> Option<Kind> {
    let (user, rest) = split_once(message, b" : ")?;
    event.user = user.trim_ascii().into();
    // The command is the last field and may hold ` ; ` itself.
    let (fields, command) = split_once(rest, b"COMMAND=").unwrap_or((rest, b""));
    event.command = command.into();
    let mut kind = Kind::Sudo;
    for field in fields.split(|&b| b == b';').map(<[u8]>::trim_ascii).filter(|field| !field.is_empty()) {
        match split_once(field, b"=") {
            Some((b"USER", target)) => event.target = target.into(),
            Some(_) => {}
            None => kind = Kind::SudoRefused,
        }
    }
    Some(kind)
}

/// `(to root) eve on pts/0`, `FAILED SU (to root) eve on pts/0`, `Successful su for root by eve`.
fn su(event: &mut AuthEvent, message: &[u8]) -> Option<Kind> {
    if let Some(rest) = message.strip_prefix(b"Successful su for ") {
        let (target, user) = split_once(rest, b" by ")?;
        (event.target, event.user) = (target.into(), user.into());
        return Some(Kind::Su);
    }
    let (kind, rest) = match message.strip_prefix(b"FAILED SU ").or_else(|| message.strip_prefix(b"FAILED su ")) {
        Some(rest) => (Kind::SuRefused, rest),
        None => (Kind::Su, message),
    };
    if let Some(rest) = rest.strip_prefix(b"for ") {
        let (target, user) = split_once(rest, b" by ")?;
        (event.target, event.user) = (target.into(), user.into());
        return Some(kind);
    }
    let (target, rest) = split_once(rest.strip_prefix(b"(to ")?, b") ")?;
    let (user, _) = split_once(rest, b" on ").unwrap_or((rest, b""));
    (event.target, event.user) = (target.into(), user.into());
    Some(kind)
}

/// `(root) CMD (command)`, `(eve) REPLACE (eve)`.
fn cron(event: &mut AuthEvent, message: &[u8]) -> Option<Kind> {
    let (user, rest) = split_once(message.strip_prefix(b"(")?, b") ")?;
    event.user = user.into();
    if let Some(command) = rest.strip_prefix(b"CMD (") {
        event.command = command.strip_suffix(b")").unwrap_or(command).trim_ascii().into();
        return Some(Kind::CronJob);
    }
    let target = rest.strip_prefix(b"REPLACE (").or_else(|| rest.strip_prefix(b"DELETE ("))?;
    event.target = target.strip_suffix(b")").unwrap_or(target).into();
    Some(Kind::CrontabChanged)
}

/// The programs of the shadow suite, whatever they were called as.
fn account(event: &mut AuthEvent, message: &[u8]) -> Option<Kind> {
    let program = event.program.as_bytes().to_vec();
    if !matches!(
        program.as_slice(),
        b"useradd"
            | b"usermod"
            | b"userdel"
            | b"groupadd"
            | b"groupmod"
            | b"groupdel"
            | b"gpasswd"
            | b"passwd"
            | b"chpasswd"
            | b"chage"
            | b"chfn"
            | b"chsh"
            | b"adduser"
            | b"newusers"
    ) {
        return None;
    }
    let named = |text: &[u8]| -> RawText { text.split(|b| b", '".contains(b)).next().unwrap_or_default().into() };
    if let Some(rest) = message.strip_prefix(b"new user: name=") {
        event.user = named(rest);
        return Some(Kind::AccountAdded);
    }
    if let Some(rest) = message.strip_prefix(b"new group: name=") {
        event.target = named(rest);
        return Some(Kind::GroupAdded);
    }
    if let Some(rest) = message.strip_prefix(b"group added to /etc/group: name=") {
        event.target = named(rest);
        return Some(Kind::GroupAdded);
    }
    if let Some(rest) = message.strip_prefix(b"delete user '") {
        event.user = named(rest);
        return Some(Kind::AccountRemoved);
    }
    if let Some(rest) = message.strip_prefix(b"removed group '").or_else(|| message.strip_prefix(b"group '")) {
        event.target = named(rest);
        return Some(Kind::GroupRemoved);
    }
    // `add 'eve' to group 'sudo'`, `delete 'eve' from group 'sudo'`; the shadow groups are told a second time.
    let rest = message.strip_prefix(b"add '").or_else(|| message.strip_prefix(b"delete '"));
    if let Some((user, group)) =
        rest.and_then(|rest| split_once(rest, b"' to group '").or_else(|| split_once(rest, b"' from group '")))
    {
        (event.user, event.target) = (user.into(), named(group));
        return Some(Kind::GroupChanged);
    }
    if let Some(rest) = message.strip_prefix(b"user ")
        && let Some((user, group)) =
            split_once(rest, b" added by ").and_then(|(user, rest)| Some((user, split_once(rest, b" to group ")?.1)))
    {
        (event.user, event.target) = (user.into(), named(group));
        return Some(Kind::GroupChanged);
    }
    if let Some(rest) = message
        .strip_prefix(b"change user '")
        .or_else(|| message.strip_prefix(b"lock user '"))
        .or_else(|| message.strip_prefix(b"unlock user '"))
    {
        event.user = named(rest);
        let is_password = split_once(rest, b"' password").is_some();
        return Some(if is_password { Kind::PasswordChanged } else { Kind::AccountChanged });
    }
    if let Some(rest) =
        message.strip_prefix(b"changed password expiry for ").or_else(|| message.strip_prefix(b"changed user '"))
    {
        event.user = named(rest);
        return Some(Kind::AccountChanged);
    }
    None
}
