//! MISP events: the core format's `Event` with `Attribute` and `Object`, alone, in a `response` or in a list.

use super::{Foreign, Import, named, stix};
use crate::detect::RuleSource;
use serde_json::Value;

/// Reads all events; says whether there was one.
pub(super) fn read(file: &str, json: &Value, found: &mut Import) -> bool {
    let mut is_misp = false;
    for item in json.get("response").unwrap_or(json).as_array().map_or_else(|| vec![json], |list| list.iter().collect())
    {
        let Some(event) = item.get("Event") else { continue };
        is_misp = true;
        let title = word(event, "info");
        let own = list(event, "Attribute").into_iter();
        let inner = list(event, "Object").into_iter().flat_map(|object| list(object, "Attribute"));
        for attribute in own.chain(inner) {
            one(file, &title, attribute, found);
        }
    }
    is_misp
}

fn one(file: &str, title: &str, attribute: &Value, found: &mut Import) {
    let (kind, value) = (word(attribute, "type"), word(attribute, "value"));
    let place = || format!("attribute {}", word(attribute, "uuid"));
    if attribute.get("to_ids").and_then(Value::as_bool) != Some(true) {
        return found.put(&place, Err("its author says that it is not for detection (`to_ids`)".to_owned()));
    }
    let comment = word(attribute, "comment");
    let foreign = |sought| Foreign {
        sought,
        title: if comment.is_empty() { title.to_owned() } else { format!("{title}: {comment}") },
        score: None,
        source: format!("{file}: {title}"),
    };
    match kind.as_str() {
        "yara" => found.rules.push(RuleSource { name: format!("{file}#{}", word(attribute, "uuid")), text: value }),
        "stix2-pattern" => match stix::pattern(&value) {
            Ok(all) => all.into_iter().for_each(|sought| found.put(&place, Ok(foreign(sought)))),
            Err(reason) => found.put(&place, Err(reason)),
        },
        _ => {
            let (name, hash) = kind.split_once('|').unwrap_or((&kind, ""));
            let (left, right) = value.split_once('|').unwrap_or((&value, ""));
            // Of a pair the hash is the indicator, the name only says what the file was called; of an address with its port the address is.
            let sought = match (name, hash) {
                ("filename", hash) if !hash.is_empty() => named(hash, right),
                (name, _) => named(name, left),
            };
            found.put(&place, sought.map(foreign));
            if (name, hash) == ("domain", "ip") {
                found.put(&place, named("ip", right).map(foreign));
            }
        }
    }
}

fn list<'a>(of: &'a Value, name: &str) -> Vec<&'a Value> {
    of.get(name).and_then(Value::as_array).map(|list| list.iter().collect()).unwrap_or_default()
}

fn word(of: &Value, name: &str) -> String {
    of.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
