//! Goldens of the logs that give no records: each line of a sample, cut into its fields.

use crate::model::{EvidencePath, RawText, escape};
use crate::parse::access_log::AccessLine;
use crate::parse::asterisk_log::{AsteriskLine, QueueLine, freepbx_failure};
use crate::parse::error_log::ErrorLine;
use crate::parse::master_csv::CsvCall;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

fn text(bytes: &[u8]) -> Value {
    serde_json::to_value(RawText::from(bytes)).unwrap()
}

fn option(bytes: Option<&[u8]>) -> Value {
    bytes.map_or(Value::Null, text)
}

fn read(folder: &str, line: &[u8], number: u64) -> Value {
    match folder {
        "access_log" => AccessLine::parse(line).map_or(Value::Null, |line| {
            let (stem, query) = line.stem_and_query();
            json!({
                "vhost": option(line.vhost), "client": text(line.client), "user": option(line.user),
                "seconds": line.time.seconds, "offset": line.time.offset, "method": text(line.method), "stem": text(stem),
                "query": option(query), "protocol": text(line.protocol), "status": line.status, "bytes": line.bytes,
                "referer": option(line.referer), "agent": option(line.agent),
            })
        }),
        "error_log" => {
            let line = ErrorLine::parse(line);
            let seconds = line.time.map(|time| time.seconds);
            json!({ "seconds": seconds, "level": text(line.level), "client": option(line.client), "message": text(line.message) })
        }
        "queue_log" => QueueLine::parse(line).map_or(Value::Null, |line| {
            json!({
                "seconds": line.seconds, "call": text(line.call), "queue": text(line.queue), "agent": text(line.agent),
                "event": text(line.event), "data": text(line.data),
            })
        }),
        "master_csv" => CsvCall::parse(line).map_or(Value::Null, |call| {
            serde_json::to_value(call.record(&EvidencePath::new("/Master.csv").unwrap(), number)).unwrap()
        }),
        _ => AsteriskLine::parse(line).map_or(Value::Null, |line| {
            let security = line.security().map(|event| {
                json!({
                    "event": text(event.event), "service": text(event.service), "account": text(event.account),
                    "address": text(event.address), "is_failure": event.is_failure(),
                })
            });
            let failure = freepbx_failure(line.message).map(|(user, address)| [text(user), text(address)]);
            json!({
                "seconds": line.time.map(|time| time.seconds), "level": text(line.level), "source": text(line.source),
                "message": text(line.message), "security": security, "failure": failure,
            })
        }),
    }
}

/// Walks `testdata/logs/<format>/<case>.in`, whose `<case>.json` says what each line is; `null` for one that is none. `UPDATE_GOLDENS=1` writes
/// the second, to be read before it is committed.
#[test]
fn goldens_of_logs() {
    let is_update = std::env::var_os("UPDATE_GOLDENS").is_some();
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../testdata/logs"));
    let (mut wrong, mut cases) = (Vec::new(), 0);
    for folder in fs::read_dir(root).unwrap() {
        let folder = folder.unwrap().path();
        let name = escape(folder.file_name().unwrap().as_encoded_bytes());
        for file in fs::read_dir(&folder).unwrap() {
            let input = file.unwrap().path();
            if input.extension().is_none_or(|extension| extension != "in") {
                continue;
            }
            cases += 1;
            let bytes = fs::read(&input).unwrap();
            let lines: Vec<Value> =
                bytes.split(|byte| *byte == b'\n').zip(1..).map(|(line, number)| read(&name, line, number)).collect();
            let output = serde_json::to_string_pretty(&lines).unwrap() + "\n";
            let golden = input.with_extension("json");
            if is_update {
                fs::write(&golden, output).unwrap();
            } else if fs::read_to_string(&golden).unwrap_or_default() != output {
                wrong.push(golden);
            }
        }
    }
    assert!(cases >= 7, "{cases} cases");
    assert!(wrong.is_empty(), "not as the goldens say (UPDATE_GOLDENS=1 rewrites them): {wrong:#?}");
}
