//! What goes on now: channels and contacts, as Asterisk itself told them.

use super::number;
use crate::model::{AsteriskAnswer, escape};

/// A channel that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Channel {
    pub(super) text: String,
    /// The number abroad that it leads to.
    pub(super) abroad: Option<String>,
    /// Says that nobody dialled it: a local channel that waits.
    pub(super) is_originated: bool,
}

/// A telephone that is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Contact {
    pub(super) account: Vec<u8>,
    pub(super) address: Vec<u8>,
}

/// The channels of `core show channels concise`:
/// `channel!context!extension!priority!state!application!data!caller!account!peer account!flags!duration!bridge!unique id`
/// (`main/cli.c` of Asterisk, `CONCISE_FORMAT_STRING`).
pub(super) fn channels(answer: &AsteriskAnswer) -> Vec<Channel> {
    if answer.command != "core show channels concise" {
        return Vec::new();
    }
    let lines = answer.answer.as_bytes().split(|byte| *byte == b'\n').take(5000);
    lines
        .filter_map(|line| {
            let fields: Vec<&[u8]> = line.split(|byte| *byte == b'!').collect();
            let [channel, context, extension, _, state, application, data, ..] = fields.as_slice() else { return None };
            // The number stands in the extension, or in what `Dial` was given: `PJSIP/0044…@trunk,300,T`.
            let dialled = data.split(|byte| matches!(byte, b'/' | b'@' | b',' | b'&')).nth(1).unwrap_or_default();
            let abroad = [*extension, dialled]
                .into_iter()
                .find_map(|number| number::international(number).or_else(|| number::premium(number)).map(escape));
            let local = channel.strip_prefix(b"Local/").and_then(|rest| rest.split(|byte| *byte == b'@').next());
            let is_originated = application.eq_ignore_ascii_case(b"Wait") && local.is_some_and(number::is_outside);
            let text = format!(
                "{} in {}, extension {}, {} {}({})",
                escape(channel),
                escape(context),
                escape(extension),
                escape(state),
                escape(application),
                escape(data.get(..80).unwrap_or(data))
            );
            Some(Channel { text, abroad, is_originated })
        })
        .collect()
}

/// The contacts of `pjsip show contacts`, `  Contact:  101/sip:101@192.0.2.7:5060;x=y  hash Avail 12.3`, and the peers of `sip show peers`,
/// `101/101  192.0.2.7  D  …`.
pub(super) fn contacts(answer: &AsteriskAnswer) -> Vec<Contact> {
    let lines = answer.answer.as_bytes().split(|byte| *byte == b'\n').take(20_000);
    match answer.command.as_str() {
        "pjsip show contacts" => lines
            .filter_map(|line| {
                let rest = line.trim_ascii_start().strip_prefix(b"Contact:")?.trim_ascii_start();
                let word = rest.split(|byte| *byte == b' ').next()?;
                let (account, uri) = word.split_at_checked(memchr::memchr(b'/', word)?)?;
                let host = uri.get(memchr::memrchr(b'@', uri)? + 1..)?;
                let host = host.split(|byte| matches!(byte, b';' | b'>')).next()?;
                Some(Contact { account: account.to_vec(), address: host_of(host).to_vec() })
            })
            .collect(),
        "sip show peers" => lines
            .filter_map(|line| {
                let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
                let account = words.next()?.split(|byte| *byte == b'/').next()?;
                Some(Contact { account: account.to_vec(), address: words.next()?.to_vec() })
            })
            .collect(),
        _ => Vec::new(),
    }
}

fn host_of(host: &[u8]) -> &[u8] {
    if let Some(inner) = host.strip_prefix(b"[") {
        return inner.split(|byte| *byte == b']').next().unwrap_or(inner);
    }
    host.split(|byte| *byte == b':').next().unwrap_or(host)
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    fn answer(command: &str, text: &str) -> AsteriskAnswer {
        AsteriskAnswer { time: Timestamp::new(0, 0), command: command.into(), answer: text.into(), is_cut: false }
    }

    #[test]
    fn channels_tell_where_they_lead() {
        let told = channels(&answer(
            "core show channels concise",
            "PJSIP/trunk-02!from-internal!!1!Up!AppDial!(Outgoing Line)!!!!3!60!b!1.2\n\
             PJSIP/101-01!macro-dialout-trunk!s!1!Up!Dial!PJSIP/0037129123456@trunk,300,T!101!!!3!60!b!1.1\n\
             Local/0037129123456@from-internal-01;1!from-internal!!1!Up!Wait!9999!!!!3!60!!1.3\nend\n",
        ));
        assert_eq!(told.len(), 3);
        assert_eq!(told[1].abroad.as_deref(), Some("37129123456"));
        assert!(told[2].is_originated && !told[0].is_originated);
    }

    #[test]
    fn contacts_tell_from_where() {
        let told = contacts(&answer(
            "pjsip show contacts",
            "  Contact:  <Aor/ContactUri..............................> <Hash....>\n\
             ==========\n  Contact:  101/sip:101@198.51.100.7:5060;ob  abc  Avail  12.3\n  Contact:  102/sip:102@[2001:db8::7]:5060  x Avail 1\n",
        ));
        let told: Vec<_> =
            told.iter().map(|contact| (contact.account.as_slice(), contact.address.as_slice())).collect();
        assert!(told.contains(&(&b"101"[..], &b"198.51.100.7"[..])));
        assert!(told.contains(&(&b"102"[..], &b"2001:db8::7"[..])));
    }
}
