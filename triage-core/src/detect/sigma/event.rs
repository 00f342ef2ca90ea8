//! A line of a log, as rules see it.

/// What can be asked of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::detect) enum Field {
    Stem,
    Query,
    Uri,
    Client,
    Status,
    Method,
    Agent,
    Referer,
    User,
    Host,
    Version,
    Bytes,
    Message,
    Program,
    Level,
}

/// How many fields there are.
const COUNT: usize = 15;

/// A field as it stands, and decoded once and twice where that makes a difference. A rule is true of a field if it is of one of these.
pub(in crate::detect) type Slot<'a> = [Option<&'a [u8]>; 3];

/// A line.
pub(in crate::detect) struct Event<'a> {
    fields: [Slot<'a>; COUNT],
    /// What keywords are looked for in: the line, and what is decoded of it.
    pub(in crate::detect) texts: Vec<&'a [u8]>,
}

impl<'a> Event<'a> {
    pub(in crate::detect) fn new(texts: Vec<&'a [u8]>) -> Self {
        Self { fields: [[None; 3]; COUNT], texts }
    }

    pub(in crate::detect) fn set(&mut self, field: Field, value: Option<&'a [u8]>) {
        self.set_all(field, [value, None, None]);
    }

    pub(in crate::detect) fn set_all(&mut self, field: Field, slot: Slot<'a>) {
        if let Some(place) = self.fields.get_mut(field as usize) {
            *place = slot;
        }
    }

    pub(in crate::detect) fn values(&self, field: Field) -> impl Iterator<Item = &'a [u8]> + use<'a, '_> {
        self.fields.get(field as usize).into_iter().flatten().copied().flatten()
    }
}

impl Field {
    /// The field of that name in a rule, in logs of web servers or in others. Names are those of the Sigma taxonomy and of W3C's extended log
    /// format, and those that rules in use have for the same thing; `_` and `-` are one.
    pub(super) fn parse(name: &str, is_web: bool) -> Option<Self> {
        let name = name.to_ascii_lowercase().replace('_', "-");
        #[expect(clippy::match_same_arms, reason = "the names of both kinds of logs stand together")]
        let field = match (name.as_str(), is_web) {
            ("cs-uri-stem" | "c-uri-stem" | "uri-stem" | "uri-path" | "url-path" | "url.path", true) => Self::Stem,
            ("cs-uri-query" | "c-uri-query" | "uri-query" | "url-query" | "url.query", true) => Self::Query,
            ("c-uri" | "cs-uri" | "uri" | "url" | "url.original" | "request-uri", true) => Self::Uri,
            ("c-ip" | "src-ip" | "source-ip" | "clientip" | "client-ip" | "source.ip", true) => Self::Client,
            ("sc-status" | "status" | "status-code" | "http-status" | "http.response.status-code", true) => {
                Self::Status
            }
            ("cs-method" | "method" | "http-method" | "http.request.method", true) => Self::Method,
            (
                "cs-user-agent" | "c-useragent" | "c-user-agent" | "user-agent" | "useragent" | "user-agent.original",
                true,
            ) => Self::Agent,
            ("cs-referer" | "cs-referrer" | "c-referer" | "referer" | "referrer" | "http.request.referrer", true) => {
                Self::Referer
            }
            ("cs-username" | "cs-user" | "user", true) => Self::User,
            ("cs-host" | "host" | "vhost" | "r-dns" | "c-dns", true) => Self::Host,
            ("cs-version" | "http-version", true) => Self::Version,
            ("sc-bytes" | "bytes", true) => Self::Bytes,
            ("message" | "msg", _) => Self::Message,
            ("program" | "process" | "process-name" | "processname" | "app" | "ident" | "syslog-program", false) => {
                Self::Program
            }
            ("host" | "hostname" | "computer", false) => Self::Host,
            ("level" | "severity" | "loglevel", false) => Self::Level,
            ("client" | "c-ip" | "src-ip", false) => Self::Client,
            _ => return None,
        };
        Some(field)
    }
}
