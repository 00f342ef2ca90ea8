//! Rows of `cdr` as calls.

use super::Origin;
use crate::model::{CallRecord, RawText};

/// Where the fields of a call stand in a row.
#[derive(Clone, Debug)]
pub(super) struct Columns([Option<usize>; FIELDS.len()]);

/// The columns of Asterisk's table, as FreePBX makes it.
const FIELDS: [&str; 22] = [
    "calldate",
    "clid",
    "src",
    "dst",
    "dcontext",
    "channel",
    "dstchannel",
    "lastapp",
    "lastdata",
    "duration",
    "billsec",
    "disposition",
    "amaflags",
    "accountcode",
    "uniqueid",
    "userfield",
    "did",
    "outbound_cnum",
    "linkedid",
    "sequence",
    "end",
    "start",
];

/// Says whether a column of the table is told of a call.
pub(crate) fn is_told(column: &[u8]) -> bool {
    FIELDS.iter().any(|field| field.as_bytes().eq_ignore_ascii_case(column))
}

impl Columns {
    pub(super) fn new(place: &dyn Fn(&[u8]) -> Option<usize>) -> Self {
        Self(FIELDS.map(|name| place(name.as_bytes())))
    }

    /// The call of a row, whose values it takes: there are millions of rows.
    pub(super) fn call(&self, origin: &Origin<'_>, values: &mut [Option<Vec<u8>>]) -> CallRecord {
        let mut bytes = |field: usize| -> Vec<u8> {
            let place = self.0.get(field).copied().flatten();
            place.and_then(|at| values.get_mut(at)).and_then(Option::take).unwrap_or_default()
        };
        let (start, date) = (bytes(21), bytes(0));
        let seconds = [9, 10].map(|field| number(&bytes(field)));
        let mut text = |field| RawText::from(bytes(field));
        let mut call = CallRecord::at(origin.path.clone());
        call.from = Some(origin.from);
        call.calldate = if date.is_empty() { start } else { date }.into();
        if let Some((time, note)) = origin.zone.and_then(|zone| zone.resolve(call.calldate.as_bytes())) {
            (call.time, call.time_note) = (Some(time), note);
        }
        (call.clid, call.src, call.dst, call.dcontext) = (text(1), text(2), text(3), text(4));
        (call.channel, call.dstchannel, call.lastapp, call.lastdata) = (text(5), text(6), text(7), text(8));
        [call.duration_seconds, call.billable_seconds] = seconds;
        (call.disposition, call.amaflags, call.accountcode) = (text(11), text(12), text(13));
        (call.uniqueid, call.userfield, call.did) = (text(14), text(15), text(16));
        (call.outbound_cnum, call.linkedid, call.sequence) = (text(17), text(18), text(19));
        call.end = text(20);
        call
    }
}

/// A number of seconds; what is none, or negative, counts as none.
fn number(text: &[u8]) -> u64 {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).take(18);
    digits.fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0'))
}
