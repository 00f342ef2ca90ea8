//! Calls as Asterisk recorded them.

use super::DatabaseFrom;
use crate::model::path::EvidencePath;
use crate::model::text::RawText;
use crate::model::time::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One call detail record: a row of `cdr`, or a line of `Master.csv`.
///
/// The fields are those of Asterisk (`cdr_csv`, `cdr_adaptive_odbc`); what a source does not have is empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CallRecord {
    /// The file, or what the database was read from.
    #[serde(flatten)]
    pub path: EvidencePath,
    /// How the database was read; none for a file of calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DatabaseFrom>,
    /// The table, `asteriskcdrdb.cdr`; empty for a file of calls.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub table: RawText,
    /// Line in the file, from 1; of a dump the one on which the statement begins; none for a row of a running server, which `uniqueid` and `sequence` name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// When it began, as the source has it: by default in the host's local time, without its zone.
    pub calldate: RawText,
    /// When it ended, where the source has that too; in the same way.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub end: RawText,
    /// `calldate` in UTC, where the host's zone is known; the earlier of two where the clock was put back in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<Timestamp>,
    /// What is to be said of `time`; none where it is certain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_note: Option<TimeNote>,
    /// Caller's name and number: `"name" <number>`.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub clid: RawText,
    /// Who called.
    pub src: RawText,
    /// Who was called.
    pub dst: RawText,
    /// The context of the destination.
    pub dcontext: RawText,
    /// The caller's channel.
    pub channel: RawText,
    /// The channel of who was called.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub dstchannel: RawText,
    /// The last application that ran.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub lastapp: RawText,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub lastdata: RawText,
    /// From beginning to end.
    pub duration_seconds: u64,
    /// From answer to end: what is paid for.
    pub billable_seconds: u64,
    /// `ANSWERED`, `NO ANSWER`, `BUSY`, `FAILED`, `CONGESTION`.
    pub disposition: RawText,
    /// A number in the table, a word in the file.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub amaflags: RawText,
    /// The account that it is billed to.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub accountcode: RawText,
    /// The channel's own number: its start in seconds, a point, a counter.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub uniqueid: RawText,
    /// What somebody wrote into it.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub userfield: RawText,
    /// The number that was called from outside.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub did: RawText,
    /// The caller's number as shown to the other side.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub outbound_cnum: RawText,
    /// What ties the records of one call together.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub linkedid: RawText,
    /// The place among the records of one channel.
    #[serde(default, skip_serializing_if = "RawText::is_empty")]
    pub sequence: RawText,
}

impl CallRecord {
    /// A record of which nothing is known but where it is.
    pub fn at(path: EvidencePath) -> Self {
        let none = RawText::default;
        Self {
            path,
            from: None,
            table: none(),
            line: None,
            calldate: none(),
            end: none(),
            time: None,
            time_note: None,
            clid: none(),
            src: none(),
            dst: none(),
            dcontext: none(),
            channel: none(),
            dstchannel: none(),
            lastapp: none(),
            lastdata: none(),
            duration_seconds: 0,
            billable_seconds: 0,
            disposition: none(),
            amaflags: none(),
            accountcode: none(),
            uniqueid: none(),
            userfield: none(),
            did: none(),
            outbound_cnum: none(),
            linkedid: none(),
            sequence: none(),
        }
    }
}

/// What is to be said of a time that was made of a local one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum TimeNote {
    /// The clock was put back, so that this hour was there twice: it is this time or a later one.
    Twice,
    /// The clock was put forward, so that there was no such time: the zone or the clock was another.
    Never,
}
