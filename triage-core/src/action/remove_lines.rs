//! Removing lines: the intruder's lines go, every other byte of the file stays.

use super::account::is_account_file;
use super::{Change, Obstacle, State, editable};
use crate::model::{EvidencePath, RawText};
use std::collections::BTreeSet;

pub(super) fn change(
    path: &EvidencePath,
    lines: &[RawText],
    max: u64,
    now: &State,
    content: Option<&[u8]>,
) -> Result<Change, Obstacle> {
    if is_account_file(path) {
        return Err(Obstacle::Blocked(
            "accounts are locked and not taken out: files that they own would fall to the next account of that number"
                .to_owned(),
        ));
    }
    let content = editable(now, content)?;
    let unwanted: BTreeSet<&[u8]> = lines.iter().map(RawText::as_bytes).collect();
    let mut kept = Vec::with_capacity(content.len());
    let mut removed: u64 = 0;
    for line in content.split_inclusive(|&byte| byte == b'\n') {
        if is_one_of(line, &unwanted) {
            removed += 1;
        } else {
            kept.extend_from_slice(line);
        }
    }
    match removed {
        0 => Ok(Change::Nothing),
        removed if removed > max => Err(Obstacle::Blocked(format!(
            "{removed} lines match and at most {max} may go: the file is not what was planned for"
        ))),
        _ => Ok(Change::Rewrite(kept)),
    }
}

/// Says how many lines of `content` [`change`] would take out.
pub(crate) fn count(lines: &[RawText], content: &[u8]) -> u64 {
    let unwanted: BTreeSet<&[u8]> = lines.iter().map(RawText::as_bytes).collect();
    content.split_inclusive(|&byte| byte == b'\n').filter(|line| is_one_of(line, &unwanted)).count() as u64
}

/// `line` with its end. A carriage return before the newline is part of the line end or of the line, as whoever named the line saw it.
fn is_one_of(line: &[u8], unwanted: &BTreeSet<&[u8]>) -> bool {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    unwanted.contains(line) || line.strip_suffix(b"\r").is_some_and(|line| unwanted.contains(line))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::action::Action;
    use crate::action::testing::{file, file_with, kind};
    use crate::model::FileKind;
    use proptest::prelude::*;

    fn action(lines: &[&[u8]], max: u64) -> Action {
        let path = EvidencePath::new("/var/spool/cron/asterisk").unwrap();
        Action::RemoveLines { path, lines: lines.iter().map(|&line| RawText::from(line)).collect(), max }
    }

    fn edit(lines: &[&[u8]], content: &[u8]) -> Result<Change, Obstacle> {
        action(lines, 9).change(&file(content), Some(content))
    }

    #[test]
    fn every_equal_line_goes_and_all_else_stays_byte_for_byte() {
        let rewritten = |bytes: &[u8]| Ok(Change::Rewrite(bytes.to_vec()));
        assert_eq!(edit(&[b"bad"], b"a\nbad\n bad\nbad\n\n\xff\0z"), rewritten(b"a\n bad\n\n\xff\0z"));
        assert_eq!(edit(&[b"bad"], b"a\r\nbad\r\nb\r\n"), rewritten(b"a\r\nb\r\n"));
        assert_eq!(edit(&[b"bad\r"], b"a\nbad\r\nbad\n"), rewritten(b"a\nbad\n"));
        assert_eq!(edit(&[b"bad"], b"a\nbad"), rewritten(b"a\n"));
        assert_eq!(edit(&[b"bad"], b"bad\nno newline at the end"), rewritten(b"no newline at the end"));
        assert_eq!(edit(&[b"\xff\xfe"], b"\xff\xfe\n"), rewritten(b""));
        assert_eq!(edit(&[b"bad"], b"badly\nBAD\n"), Ok(Change::Nothing));
        assert_eq!(edit(&[], b"a\n"), Ok(Change::Nothing));
    }

    #[test]
    fn more_lines_than_planned_are_refused() {
        let content = b"bad\nbad\nbad\n";
        assert!(matches!(action(&[b"bad"], 2).change(&file(content), Some(content)), Err(Obstacle::Blocked(_))));
        assert_eq!(action(&[b"bad"], 3).change(&file(content), Some(content)), Ok(Change::Rewrite(Vec::new())));
    }

    #[test]
    fn a_hard_link_to_the_crontab_is_not_torn_apart() {
        let now = file_with(b"bad\n", |meta| meta.links = Some(2));
        assert!(matches!(action(&[b"bad"], 1).change(&now, Some(b"bad\n")), Err(Obstacle::Blocked(_))));
    }

    #[test]
    fn a_link_in_place_of_the_crontab_is_not_followed() {
        assert!(matches!(action(&[b"bad"], 1).change(&kind(FileKind::Symlink), None), Err(Obstacle::Blocked(_))));
        assert!(matches!(action(&[b"bad"], 1).change(&State::Absent, None), Err(Obstacle::Stale(_))));
        assert!(matches!(action(&[b"bad"], 1).change(&file(b"bad\n"), None), Err(Obstacle::Blocked(_))));
    }

    #[test]
    fn lines_of_the_account_files_are_not_taken_out() {
        let path = EvidencePath::new("/etc/passwd").unwrap();
        let lines = vec![RawText::from("root:x:0:0::/root:/bin/sh")];
        let content = b"root:x:0:0::/root:/bin/sh\n";
        let change = Action::RemoveLines { path, lines, max: 1 }.change(&file(content), Some(content));
        assert!(matches!(change, Err(Obstacle::Blocked(_))));
    }

    proptest! {
        #[test]
        fn twice_is_once_and_the_rest_is_untouched(
            parts in proptest::collection::vec(prop_oneof![Just(b"bad".to_vec()), Just(b"bad\r".to_vec()), "[a-d\r]{0,3}".prop_map(String::into_bytes)], 0..12),
            ends_with_newline: bool,
        ) {
            let mut content = parts.join(&b'\n');
            if ends_with_newline {
                content.push(b'\n');
            }
            let action = action(&[b"bad"], 99);
            let change = action.change(&file(&content), Some(&content)).unwrap();
            let after = match change {
                Change::Nothing => content.clone(),
                Change::Rewrite(after) => after,
                other => panic!("{other:?}"),
            };
            prop_assert_eq!(action.change(&file(&after), Some(&after)).unwrap(), Change::Nothing);
            let is_bad = |line: &&[u8]| !matches!(*line, b"bad" | b"bad\n" | b"bad\r" | b"bad\r\n");
            let expected: Vec<u8> = content.split_inclusive(|&b| b == b'\n').filter(is_bad).flatten().copied().collect();
            prop_assert_eq!(after, expected);
        }
    }
}
