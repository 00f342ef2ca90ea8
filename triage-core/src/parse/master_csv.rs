//! `Master.csv` of Asterisk (`cdr_csv`, `cdr/cdr_csv.c`): one call a line.
//!
//! `accountcode,src,dst,dcontext,clid,channel,dstchannel,lastapp,lastdata,start,answer,end,duration,billsec,disposition,amaflags`, then
//! `uniqueid` and `userfield` where the configuration asks for them. Text stands in quotation marks, a mark in it is doubled. Newlines are not
//! escaped: a caller's name that has one breaks its line in two, and neither half is then a call.

use crate::model::{CallRecord, EvidencePath};
use memchr::memchr;
use std::borrow::Cow;

/// The fields of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CsvCall<'a> {
    pub account: Cow<'a, [u8]>,
    pub src: Cow<'a, [u8]>,
    pub dst: Cow<'a, [u8]>,
    pub context: Cow<'a, [u8]>,
    pub clid: Cow<'a, [u8]>,
    pub channel: Cow<'a, [u8]>,
    pub dst_channel: Cow<'a, [u8]>,
    pub last_app: Cow<'a, [u8]>,
    pub last_data: Cow<'a, [u8]>,
    pub start: Cow<'a, [u8]>,
    pub answer: Cow<'a, [u8]>,
    pub end: Cow<'a, [u8]>,
    /// Seconds from beginning to end.
    pub duration: u64,
    /// Seconds from answer to end.
    pub billable: u64,
    pub disposition: Cow<'a, [u8]>,
    pub ama_flags: Cow<'a, [u8]>,
    pub unique_id: Cow<'a, [u8]>,
    pub user_field: Cow<'a, [u8]>,
}

impl<'a> CsvCall<'a> {
    /// Reads one line, without its line end; none where it is no call.
    pub fn parse(line: &'a [u8]) -> Option<Self> {
        let mut fields = Fields { rest: Some(line.strip_suffix(b"\r").unwrap_or(line)) };
        let mut next = || fields.next();
        let call = Self {
            account: next()?,
            src: next()?,
            dst: next()?,
            context: next()?,
            clid: next()?,
            channel: next()?,
            dst_channel: next()?,
            last_app: next()?,
            last_data: next()?,
            start: next()?,
            answer: next()?,
            end: next()?,
            duration: number(&next()?)?,
            billable: number(&next()?)?,
            disposition: next()?,
            ama_flags: next()?,
            unique_id: next().unwrap_or_default(),
            user_field: next().unwrap_or_default(),
        };
        let is_time = call.start.get(4) == Some(&b'-') && call.start.get(10) == Some(&b' ');
        is_time.then_some(call)
    }

    /// The same as a record of line `line` of the file.
    pub fn record(&self, path: &EvidencePath, line: u64) -> CallRecord {
        let text = |field: &Cow<'_, [u8]>| field.as_ref().into();
        CallRecord {
            line: Some(line),
            calldate: text(&self.start),
            end: text(&self.end),
            clid: text(&self.clid),
            src: text(&self.src),
            dst: text(&self.dst),
            dcontext: text(&self.context),
            channel: text(&self.channel),
            dstchannel: text(&self.dst_channel),
            lastapp: text(&self.last_app),
            lastdata: text(&self.last_data),
            duration_seconds: self.duration,
            billable_seconds: self.billable,
            disposition: text(&self.disposition),
            amaflags: text(&self.ama_flags),
            accountcode: text(&self.account),
            uniqueid: text(&self.unique_id),
            userfield: text(&self.user_field),
            ..CallRecord::at(path.clone())
        }
    }
}

struct Fields<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    fn next(&mut self) -> Option<Cow<'a, [u8]>> {
        let rest = self.rest.take()?;
        let Some(inner) = rest.strip_prefix(b"\"") else {
            let end = memchr(b',', rest).unwrap_or(rest.len());
            self.rest = rest.get(end + 1..);
            return rest.get(..end).map(Cow::Borrowed);
        };
        let end = memchr(b'"', inner)?;
        let after = inner.get(end + 1..)?;
        if after.first() != Some(&b'"') {
            self.rest = after.strip_prefix(b",");
            return inner.get(..end).filter(|_| after.is_empty() || after.starts_with(b",")).map(Cow::Borrowed);
        }
        let mut out = Vec::new();
        let mut rest = inner;
        loop {
            let end = memchr(b'"', rest)?;
            out.extend_from_slice(rest.get(..end)?);
            rest = rest.get(end + 1..)?;
            if let Some(doubled) = rest.strip_prefix(b"\"") {
                out.push(b'"');
                rest = doubled;
            } else {
                self.rest = rest.strip_prefix(b",");
                return (rest.is_empty() || rest.starts_with(b",")).then_some(Cow::Owned(out));
            }
        }
    }
}

fn number(text: &[u8]) -> Option<u64> {
    if text.is_empty() || text.len() > 18 {
        return None;
    }
    text.iter().try_fold(0_u64, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + u64::from(byte - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LINE: &str = "\"\",\"101\",\"00442071838750\",\"from-internal\",\"\"\"Eve, \"\"\"\"E\"\"\"\"\"\" <101>\",\"PJSIP/101-00000001\",\
                        \"PJSIP/trunk-00000002\",\"Dial\",\"PJSIP/442071838750@trunk,300,T\",\"2026-01-02 03:04:05\",\"2026-01-02 03:04:09\",\
                        \"2026-01-02 03:05:09\",64,60,\"ANSWERED\",\"DOCUMENTATION\",\"1767323045.1\",\"\"";

    #[test]
    fn quotes_commas_and_doubled_quotes_are_read() {
        let call = CsvCall::parse(LINE.as_bytes()).unwrap();
        assert_eq!(call.clid.as_ref(), b"\"Eve, \"\"E\"\"\" <101>");
        assert_eq!((call.dst.as_ref(), call.duration, call.billable), (&b"00442071838750"[..], 64, 60));
        assert_eq!(call.unique_id.as_ref(), b"1767323045.1");
        // Without the fields that are switched on by hand.
        let end = LINE.len() - ",\"1767323045.1\",\"\"".len();
        assert_eq!(CsvCall::parse(LINE.get(..end).unwrap().as_bytes()).unwrap().unique_id.as_ref(), b"");
    }

    #[test]
    fn what_is_no_call_is_none() {
        for line in ["", "a,b,c", "\"", "\"a\"b", "\"\",\"1\",\"2\""] {
            assert_eq!(CsvCall::parse(line.as_bytes()), None, "{line}");
        }
        let huge = LINE.replace(",64,", ",99999999999999999999999,");
        assert_eq!(CsvCall::parse(huge.as_bytes()), None);
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..80), at in any::<prop::sample::Index>()) {
            let mut line = LINE.as_bytes().to_vec();
            let at = at.index(line.len());
            line.splice(at..at, bytes.iter().copied());
            let _ = CsvCall::parse(&line);
            let _ = CsvCall::parse(&bytes);
        }
    }
}
