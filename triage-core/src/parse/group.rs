//! `group(5)` and `gshadow(5)`.

use super::Limits;
use super::line::{each_line, number};
use super::shadow::State;
use crate::model::{EvidencePath, Group, Outcome, RawText};

/// Reads the groups of a `group` file.
pub fn parse(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Group>> {
    each_line(path, bytes, limits, |line| {
        let Some(fields) = fields(line.text) else { return Ok(None) };
        let [name, password, gid, members] = fields.as_slice() else { return Err("it has not the four fields") };
        // `+` and `-` lines take groups from NIS and have no number.
        let gid = number(gid);
        if gid.is_none() && !name.starts_with(b"+") && !name.starts_with(b"-") {
            return Err("its group id is no number");
        }
        Ok(Some(Group {
            path: path.clone(),
            line: line.number,
            name: (*name).into(),
            gid,
            password: state(password),
            administrators: Vec::new(),
            members: list(members),
        }))
    })
}

/// Reads the groups of a `gshadow` file; a hash is told and not kept.
pub fn parse_shadow(path: &EvidencePath, bytes: &[u8], limits: &Limits) -> Outcome<Vec<Group>> {
    each_line(path, bytes, limits, |line| {
        let Some(fields) = fields(line.text) else { return Ok(None) };
        let [name, password, administrators, members] = fields.as_slice() else {
            return Err("it has not the four fields");
        };
        Ok(Some(Group {
            path: path.clone(),
            line: line.number,
            name: (*name).into(),
            gid: None,
            password: state(password),
            administrators: list(administrators),
            members: list(members),
        }))
    })
}

fn fields(text: &[u8]) -> Option<Vec<&[u8]>> {
    let text = text.trim_ascii();
    (!text.is_empty() && !text.starts_with(b"#")).then(|| text.split(|&b| b == b':').collect())
}

fn state(password: &[u8]) -> String {
    if password == b"x" { "shadowed".to_owned() } else { State::of(password).as_str().to_owned() }
}

fn list(text: &[u8]) -> Vec<RawText> {
    text.split(|&b| b == b',').map(<[u8]>::trim_ascii).filter(|name| !name.is_empty()).map(RawText::from).collect()
}
