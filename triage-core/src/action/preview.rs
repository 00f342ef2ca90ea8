//! A change as a person reads it before saying yes.
//!
//! Everything from the evidence is escaped here, so that a name or line cannot forge the preview that it stands in. Secrets are
//! struck out: a plan is shown on screens and sent by mail.

use super::{Action, Change, State};
use crate::model::escape;
use regex::Regex;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// Lines of context around a changed one.
const CONTEXT: usize = 3;
/// The longest diff, in lines.
const MAX_LINES: usize = 200;
/// The longest shown line, in characters after escaping.
const MAX_WIDTH: usize = 400;

pub(super) fn preview(action: &Action, now: &State, content: Option<&[u8]>, change: &Change) -> String {
    let path = action.path();
    match (action, change) {
        (_, Change::Nothing) => format!("leaves {path} as it is\n"),
        (_, Change::Rewrite(new)) => {
            let secrets = if matches!(action, Action::LockAccount { .. }) { strike_hash } else { strike_passwords };
            format!("{}{}", diff(action, content.unwrap_or_default(), new, secrets), flags(now))
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
        (_, Change::Put) => format!("puts {path} back\n"),
    }
}

/// ` (2,310 bytes, sha256 …)`.
fn particulars(state: &State) -> String {
    let State::Present(present) = state else { return String::new() };
    let size = grouped(present.meta.size);
    match (&present.sha256, &present.meta.link_target) {
        (Some(sha256), _) => format!(" ({size} bytes, sha256 {sha256})"),
        (None, Some(target)) => format!(" (a link to `{target}`)"),
        (None, None) => format!(" ({size} bytes)"),
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

fn grouped(number: u64) -> String {
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

#[derive(Clone, Copy, PartialEq, Eq)]
enum Edit<'a> {
    Keep(&'a [u8]),
    Drop(&'a [u8]),
    Add(&'a [u8]),
}

/// The edits that lead from `old` to `new`.
///
/// Our actions only take out every line equal to some, or change lines in place, so that one pass finds the edits; a general
/// difference is quadratic in a file that an intruder wrote.
fn edits<'a>(old: &'a [u8], new: &'a [u8]) -> Vec<Edit<'a>> {
    fn lines(bytes: &[u8]) -> Vec<&[u8]> {
        bytes.split_inclusive(|&byte| byte == b'\n').collect()
    }
    let (old, new) = (lines(old), lines(new));
    let is_in_place = old.len() == new.len();
    let mut edits = Vec::with_capacity(old.len() + 1);
    let mut rest = new.into_iter().peekable();
    for line in old {
        if rest.next_if_eq(&line).is_some() {
            edits.push(Edit::Keep(line));
        } else {
            edits.push(Edit::Drop(line));
            if is_in_place {
                edits.extend(rest.next().map(Edit::Add));
            }
        }
    }
    edits.extend(rest.map(Edit::Add));
    edits
}

/// A unified diff as `diff -u` prints it, with escaped lines.
fn diff(action: &Action, old: &[u8], new: &[u8], secrets: fn(&[u8]) -> String) -> String {
    let path = action.path();
    let edits = edits(old, new);
    let mut out = format!("--- {path}\n+++ {path}\n");
    let mut shown = 0;
    let mut left_out = 0;
    let (mut old_line, mut new_line) = (1, 1);
    let mut hunks = hunks(&edits).into_iter().peekable();
    for (at, edit) in edits.iter().enumerate() {
        while hunks.next_if(|hunk| hunk.end <= at).is_some() {}
        let hunk = hunks.peek().filter(|hunk| hunk.contains(&at));
        if let Some(hunk) = hunk {
            if hunk.start == at && shown < MAX_LINES {
                let inside = edits.get(hunk.clone()).unwrap_or_default();
                let old_count = inside.iter().filter(|edit| !matches!(edit, Edit::Add(_))).count();
                let new_count = inside.iter().filter(|edit| !matches!(edit, Edit::Drop(_))).count();
                let start = |line: usize, count: usize| if count == 0 { line - 1 } else { line };
                let (old_start, new_start) = (start(old_line, old_count), start(new_line, new_count));
                let _ = writeln!(out, "@@ -{old_start},{old_count} +{new_start},{new_count} @@");
            }
            let (mark, line) = match edit {
                Edit::Keep(line) => (' ', line),
                Edit::Drop(line) => ('-', line),
                Edit::Add(line) => ('+', line),
            };
            if shown < MAX_LINES {
                let body = line.strip_suffix(b"\n").unwrap_or(line);
                let _ = writeln!(out, "{mark}{}", cut(&secrets(body)));
                if !line.ends_with(b"\n") {
                    out.push_str("\\ No newline at end of file\n");
                }
                shown += 1;
            } else {
                left_out += 1;
            }
        }
        old_line += usize::from(!matches!(edit, Edit::Add(_)));
        new_line += usize::from(!matches!(edit, Edit::Drop(_)));
    }
    if left_out > 0 {
        let _ = writeln!(out, "… {} more lines of this change are not shown", grouped(left_out));
    }
    out
}

/// The stretches of edits that are shown: each change with its context, overlapping ones as one.
fn hunks(edits: &[Edit<'_>]) -> Vec<std::ops::Range<usize>> {
    let mut hunks: Vec<std::ops::Range<usize>> = Vec::new();
    for (at, edit) in edits.iter().enumerate() {
        if matches!(edit, Edit::Keep(_)) {
            continue;
        }
        let (start, end) = (at.saturating_sub(CONTEXT), (at + CONTEXT + 1).min(edits.len()));
        match hunks.last_mut() {
            Some(last) if start <= last.end => last.end = end,
            _ => hunks.push(start..end),
        }
    }
    hunks
}

fn cut(line: &str) -> String {
    match line.char_indices().nth(MAX_WIDTH) {
        Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
        None => line.to_owned(),
    }
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
        if number == 1 && marks < field.len() {
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
    use crate::action::testing::{file, file_with};
    use crate::model::{Digest, EvidencePath, FileMeta, RawText};
    use proptest::prelude::*;

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

    proptest! {
        #[test]
        fn the_edits_lead_from_the_old_to_the_new(parts in proptest::collection::vec("(a|b|bad)?", 0..10), tail: bool) {
            let mut old = parts.join("\n").into_bytes();
            if tail {
                old.push(b'\n');
            }
            let now = file(&old);
            if let Change::Rewrite(new) = remove(b"bad").change(&now, Some(&old)).unwrap() {
                let script = edits(&old, &new);
                let side = |added: bool| -> Vec<u8> {
                    script.iter().filter_map(|edit| match edit {
                        Edit::Keep(line) => Some(*line),
                        Edit::Drop(line) => (!added).then_some(*line),
                        Edit::Add(line) => added.then_some(*line),
                    }).flatten().copied().collect()
                };
                prop_assert_eq!(side(false), old.clone());
                prop_assert_eq!(side(true), new.clone());
            }
        }
    }
}
