//! A change as a person reads it before saying yes.
//!
//! Everything from the evidence is escaped here, so that a name or line cannot forge the preview that it stands in. Secrets are
//! struck out: a plan is shown on screens and sent by mail.

use super::account::is_account_file;
use super::diff::diff;
use super::live::LiveChange;
use super::{Action, Change, Object, Present, State};
use crate::model::{EvidencePath, FileMeta, escape};
use regex::Regex;
use std::fmt::Write as _;
use std::sync::LazyLock;

pub(super) fn preview(action: &Action, now: &State, content: Option<&[u8]>, change: &Change) -> String {
    let path = match (action, now) {
        (Action::Live(action), State::Live(now)) => {
            let change = if *change == Change::Live { LiveChange::Perform } else { LiveChange::Nothing };
            return action.preview(now, change);
        }
        (action, _) => match action.object() {
            Object::File(path) => path,
            Object::Live(object) => return format!("leaves {object} as it is\n"),
        },
    };
    match (action, change) {
        (_, Change::Nothing) => format!("leaves {path} as it is\n"),
        (_, Change::Rewrite(new)) => {
            let has_hashes = is_account_file(path) || matches!(action, Action::LockAccount { .. });
            let secrets = if has_hashes { strike_hash } else { strike_passwords };
            format!("{}{}", diff(path, content.unwrap_or_default(), new, secrets), flags(now))
        }
        (_, Change::Alter(meta)) => altered(path, now, meta),
        (_, Change::Make(made)) => {
            let origin = match action {
                Action::RestoreFile { origin, .. } => format!(", from {}", escape(origin.as_bytes())),
                _ => String::new(),
            };
            let made = State::Present(made.clone());
            if now.is_present() {
                format!("puts {path}{}{origin} in place of{}\n{}", particulars(&made), particulars(now), flags(now))
            } else {
                format!("puts {path}{}{origin} where nothing is\n", particulars(&made))
            }
        }
        (Action::QuarantineSpecial { .. }, Change::Remove) => {
            format!("takes {path}{} away; the journal keeps what it was\n", particulars(now))
        }
        (_, Change::Remove) => format!("moves {path}{} into the vault\n{}", particulars(now), flags(now)),
        (Action::Restore { to: State::Absent, .. }, Change::Put) => {
            format!("moves {path}{} into the vault: nothing was there before the run\n{}", particulars(now), flags(now))
        }
        (Action::Restore { to, .. }, Change::Put) if now.is_present() => {
            format!("puts {path}{} back in place of what the run left there\n{}", particulars(to), flags(now))
        }
        (Action::Restore { to, .. }, Change::Put) => format!("puts {path}{} back\n", particulars(to)),
        // No other action gives `Put`.
        (_, Change::Put | Change::Live) => format!("puts {path} back\n"),
    }
}

/// One line for each property that changes.
fn altered(path: &EvidencePath, now: &State, meta: &FileMeta) -> String {
    let State::Present(present) = now else { return String::new() };
    let old = &present.meta;
    let mut out = String::new();
    let mut tell = |what: &str, from: String, to: String| {
        if from != to {
            let _ = writeln!(out, "sets {what} of {path} from {from} to {to}");
        }
    };
    tell("mode", old.mode.to_string(), meta.mode.to_string());
    tell("owner", old.uid.to_string(), meta.uid.to_string());
    tell("group", old.gid.to_string(), meta.gid.to_string());
    let time = |meta: &FileMeta| meta.mtime.map_or_else(|| "unknown".to_owned(), |time| time.to_string());
    tell("modification time", time(old), time(meta));
    tell("flags", flag_words(old), flag_words(meta));
    let is_pinned = |meta: &FileMeta| meta.is_pinned();
    if is_pinned(old) && is_pinned(meta) {
        out.push_str("takes off its immutable or append-only flag for a moment\n");
    }
    if present.meta.xattrs != meta.xattrs {
        let _ = writeln!(out, "sets attributes of {path}");
    }
    out
}

fn flag_words(meta: &FileMeta) -> String {
    let flags = meta.inode_flags.unwrap_or_default();
    let words: Vec<&str> = [(FileMeta::IMMUTABLE, "immutable"), (FileMeta::APPEND_ONLY, "append_only")]
        .into_iter()
        .filter(|(bit, _)| flags & bit != 0)
        .map(|(_, word)| word)
        .collect();
    if words.is_empty() { "none".to_owned() } else { words.join(" and ") }
}

/// ` (2,310 bytes, sha256 …)`.
fn particulars(state: &State) -> String {
    let State::Present(present) = state else { return String::new() };
    let Present { meta, sha256 } = &**present;
    let size = grouped(meta.size);
    match (sha256, &meta.link_target) {
        (Some(sha256), _) => format!(" ({size} bytes, sha256 {sha256})"),
        (None, Some(target)) => format!(" (a link to `{target}`)"),
        (None, None) if meta.is_file() => format!(" ({size} bytes)"),
        (None, None) => format!(" (a {})", meta.kind.as_str()),
    }
}

/// A pinned object can only be changed when its flags are taken off first; that has to be said.
fn flags(now: &State) -> &'static str {
    match now {
        State::Present(present) if present.meta.is_pinned() => {
            "takes off its immutable or append-only flag first; a rollback sets it again\n"
        }
        _ => "",
    }
}

pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A line of `shadow(5)` with its hash struck out; marks before it that lock (`!`, `*`) stay.
fn strike_hash(line: &[u8]) -> String {
    let fields: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
    let mut out = String::new();
    for (number, field) in fields.iter().enumerate() {
        if number > 0 {
            out.push(':');
        }
        let marks = field.iter().take_while(|&&byte| matches!(byte, b'!' | b'*')).count();
        // An `x` says that the hash stands elsewhere.
        if number == 1 && marks < field.len() && *field != b"x" {
            out.push_str(&escape(field.get(..marks).unwrap_or_default()));
            out.push_str("(hash)");
        } else {
            out.push_str(&escape(field));
        }
    }
    out
}

/// A line of a script or crontab with what follows a word for a secret struck out.
fn strike_passwords(line: &[u8]) -> String {
    #[expect(clippy::expect_used, reason = "the patterns are constants, and a test runs them")]
    static SECRETS: LazyLock<[Regex; 2]> = LazyLock::new(|| {
        let keyed =
            r#"(?i)((?:pass(?:word|wd|phrase)?|pwd|secret|token|api_?key)["']?\s*[=:]\s*)(?:"[^"]*"|'[^']*'|[^\s;&]+)"#;
        let in_url = r"(://[^/\s:@]*:)[^/\s@]+@";
        [Regex::new(keyed).expect("a valid pattern"), Regex::new(in_url).expect("a valid pattern")]
    });
    let [keyed, in_url] = &*SECRETS;
    let text = escape(line);
    let text = keyed.replace_all(&text, "$1***");
    in_url.replace_all(&text, "$1***@").into_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;
    use crate::action::diff::MAX_LINES;
    use crate::action::testing::{file, file_with};
    use crate::model::{Digest, Mode, RawText};

    fn path(bytes: &[u8]) -> EvidencePath {
        EvidencePath::new(bytes).unwrap()
    }

    fn shown(action: &Action, content: &[u8]) -> String {
        let now = file(content);
        action.preview(&now, Some(content), &action.change(&now, Some(content)).unwrap())
    }

    fn remove(line: &[u8]) -> Action {
        Action::RemoveLines { path: path(b"/etc/cron.d/x\n+y"), lines: vec![RawText::from(line)], max: 9999 }
    }

    #[test]
    fn removed_lines_are_a_unified_diff_that_hostile_names_and_lines_cannot_forge() {
        let content = b"1\n2\n3\n4\n5\n* * * * * root bad\x1b[2J\n7\n8\n9\n10\nno newline";
        assert_eq!(
            shown(&remove(b"* * * * * root bad\x1b[2J"), content),
            "--- /etc/cron.d/x\\n+y\n+++ /etc/cron.d/x\\n+y\n@@ -3,7 +3,6 @@\n 3\n 4\n 5\n-* * * * * root bad\\x1b[2J\n 7\n 8\n 9\n"
        );
        assert_eq!(
            shown(&remove(b"bad"), b"a\nbad"),
            "--- /etc/cron.d/x\\n+y\n+++ /etc/cron.d/x\\n+y\n@@ -1,2 +1,1 @@\n a\n-bad\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn password_hashes_are_struck_out() {
        let lock = Action::LockAccount { path: path(b"/etc/shadow"), name: RawText::from("eve") };
        let text = shown(
            &lock,
            b"root:$6$salt$rootshash:1::::::\neve:$6$salt$eveshash:1::::::\nold:!$6$x:1::::::\nno:*:1::::::\n",
        );
        assert!(!text.contains("$6$"), "{text}");
        assert_eq!(
            text,
            "--- /etc/shadow\n+++ /etc/shadow\n@@ -1,4 +1,4 @@\n root:(hash):1::::::\n-eve:(hash):1::::::\n+eve:!(hash):1:::::1:\n old:!(hash):1::::::\n no:*:1::::::\n"
        );
    }

    #[test]
    fn passwords_in_neighbouring_lines_are_struck_out() {
        let text = shown(
            &remove(b"bad"),
            b"DBPASS='s3 cret'\nbad\n1 * * * * curl http://u:pw@192.0.2.1/\nmysql --password=hunter2 x\n",
        );
        for secret in ["s3 cret", "pw@", "hunter2"] {
            assert!(!text.contains(secret), "{text}");
        }
    }

    #[test]
    fn a_quarantine_is_one_sentence_and_tells_of_pinning_flags() {
        let content = vec![b'x'; 2310];
        let action = Action::QuarantineFile { path: path(b"/var/www/a.php"), sha256: Digest::of(&content) };
        let sentence = format!("moves /var/www/a.php (2,310 bytes, sha256 {}) into the vault\n", Digest::of(&content));
        assert_eq!(shown(&action, &content), sentence);
        let pinned = file_with(&content, |meta| meta.inode_flags = Some(FileMeta::IMMUTABLE));
        let text = action.preview(&pinned, None, &Change::Remove);
        assert!(text.starts_with(&sentence) && text.contains("flag"), "{text}");
    }

    #[test]
    fn a_long_diff_is_cut_and_says_so() {
        let content = b"bad\n".repeat(1500);
        let text = shown(&remove(b"bad"), &content);
        assert!(text.ends_with("… 1,300 more lines of this change are not shown\n"), "{text}");
        assert!(text.lines().count() < MAX_LINES + 10);
    }

    #[test]
    fn a_file_of_many_equal_lines_does_not_take_forever() {
        let content = b"bad\ngood\n".repeat(500_000);
        assert!(
            shown(
                &Action::RemoveLines { path: path(b"/a"), lines: vec![RawText::from("bad")], max: u64::MAX },
                &content
            )
            .len()
                < 100_000
        );
    }

    #[test]
    fn metadata_is_told_property_by_property() {
        let now =
            file_with(b"x", |meta| (meta.mode, meta.inode_flags) = (Mode::new(0o4755), Some(FileMeta::IMMUTABLE)));
        let State::Present(present) = &now else { unreachable!() };
        let mut meta = present.meta.clone();
        (meta.mode, meta.uid, meta.inode_flags) = (Mode::new(0o755), 33, Some(0));
        assert_eq!(
            altered(&path(b"/a"), &now, &meta),
            "sets mode of /a from 4755 to 0755\nsets owner of /a from 0 to 33\nsets flags of /a from immutable to none\n"
        );
    }
}
