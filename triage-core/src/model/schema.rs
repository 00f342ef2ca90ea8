//! JSON Schema of the types that write themselves.

use super::{Digest, EvidencePath, Mode, RawText, Timestamp};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use std::borrow::Cow;

macro_rules! schema {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

schema!(Digest, "Digest", {
    "description": "A SHA-256 digest: 64 lower-case hexadecimal digits",
    "type": "string",
    "pattern": "^[0-9a-f]{64}$"
});
schema!(Timestamp, "Timestamp", {
    "description": "RFC 3339 in UTC with up to nine fractional digits; @seconds.nanoseconds where RFC 3339 cannot say it",
    "type": "string",
    "pattern": "^(-?[0-9]{4,6}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{1,9})?Z|@-?[0-9]+\\.[0-9]{9})$"
});
schema!(Mode, "Mode", {
    "description": "Permission bits, four octal digits",
    "type": "string",
    "pattern": "^[0-7]{4}$"
});
schema!(RawText, "RawText", {
    "description": "Text from the evidence: a string where it is plain, else the escaped form for people and the bytes in base64",
    "anyOf": [
        {"type": "string"},
        {
            "type": "object",
            "properties": {"display": {"type": "string"}, "b64": {"type": "string", "contentEncoding": "base64"}},
            "required": ["display", "b64"],
            "additionalProperties": false
        }
    ]
});
schema!(EvidencePath, "EvidencePath", {
    "description": "A path of the host: `path` for people, and the bytes in `path_b64` where `path` is not those bytes",
    "type": "object",
    "properties": {
        "path": {"type": "string"},
        "path_b64": {"type": ["string", "null"], "contentEncoding": "base64"}
    },
    "required": ["path"]
});
