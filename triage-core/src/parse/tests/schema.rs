//! Holds `docs/formats/records.schema.json` against the code, and every record of every sample against the schema.

use super::*;
use serde_json::Value;
use std::collections::BTreeSet;

fn schema() -> Value {
    let generator = schemars::generate::SchemaSettings::draft2020_12().into_generator();
    let mut schema = generator.into_root_schema_for::<Record>().to_value();
    schema["title"] = "A record of an evidence bundle, version 1".into();
    schema
}

#[test]
fn the_published_schema_is_what_the_code_says() {
    let file = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/formats/records.schema.json"));
    let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDENS").is_some() {
        fs::write(file, &text).unwrap();
    }
    let published = fs::read_to_string(file).unwrap_or_default();
    assert!(published == text, "docs/formats/records.schema.json is out of date (UPDATE_GOLDENS=1 rewrites it)");
}

#[test]
fn every_record_of_every_sample_has_the_published_shape_and_reads_itself_back() {
    let schema = schema();
    let mut kinds = BTreeSet::new();
    let mut all: Vec<Record> =
        samples().iter().flat_map(|(_, at, _, bytes)| records_of(&path(at), bytes, &Limits::default()).value).collect();
    all.push(Record::File(file_record()));
    for record in all {
        let value = serde_json::to_value(&record).unwrap();
        kinds.insert(value["kind"].as_str().unwrap().to_owned());
        let mut known = BTreeSet::new();
        check(&schema, &schema, &value, &mut known).unwrap_or_else(|why| panic!("{why}: {value:#}"));
        for key in value.as_object().unwrap().keys() {
            assert!(known.contains(key), "the schema does not know `{key}` of {value:#}");
        }
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record);
    }
    // Every kind that the schema has is in a sample, or nothing of it was checked.
    let said: BTreeSet<String> = schema["oneOf"]
        .as_array()
        .unwrap()
        .iter()
        .map(|branch| branch["properties"]["kind"]["const"].as_str().unwrap().to_owned())
        .collect();
    // What a running host alone has, the tests of `acquire` make.
    let volatile: BTreeSet<String> = [
        "asterisk_answer",
        "bpf_object",
        "command",
        "hidden_process",
        "interface",
        "kernel_module",
        "mount",
        "neighbour",
        "process",
        "route",
        "socket",
        "system_value",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(kinds, said.difference(&volatile).cloned().collect());
}

#[test]
fn the_check_itself_refuses_what_is_wrong() {
    let schema = schema();
    let mut value = serde_json::to_value(Record::File(file_record())).unwrap();
    let is_fine = |value: &Value| check(&schema, &schema, value, &mut BTreeSet::new()).is_ok();
    assert!(is_fine(&value));
    for (key, wrong) in
        [("mode", Value::from("0999")), ("uid", "0".into()), ("type", "door".into()), ("sha256", 1.into())]
    {
        let right = std::mem::replace(&mut value[key], wrong);
        assert!(!is_fine(&value), "{key}");
        value[key] = right;
    }
    value.as_object_mut().unwrap().remove("path");
    assert!(!is_fine(&value));
}

/// A file record with every field in it.
fn file_record() -> crate::model::FileRecord {
    use crate::model::{Digest, FileRecord, Timestamp};
    let mut meta = FileMeta::bare(FileKind::File, Mode::new(0o4755), 3);
    (meta.links, meta.inode, meta.device, meta.special) = (Some(1), Some(2), Some(3), Some(4));
    let time = Some(Timestamp::new(-1, 5));
    (meta.mtime, meta.atime, meta.ctime, meta.btime) = (time, time, Some(Timestamp::new(i64::MAX, 1)), time);
    meta.link_target = Some(b"\xff"[..].into());
    meta.inode_flags = Some(0x30);
    meta.xattrs_omitted = 1;
    for (name, value) in [
        ("security.capability", &b"\x01\0\0\x02\x80\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..]),
        ("security.selinux", b"x\0"),
        ("system.posix_acl_access", b"\x02\0\0\0\x01\0\x06\0\xff\xff\xff\xff"),
        ("system.posix_acl_default", b"\x02"),
        ("user.x", &vec![0xff; 65_536]),
    ] {
        meta.xattrs.insert(name.to_owned(), value.into());
    }
    FileRecord {
        sha256: Some(Digest::of(b"abc")),
        md5: Some("0".repeat(32)),
        sha1: Some("0".repeat(40)),
        payload: Some("data/files/x".to_owned()),
        is_sensitive: true,
        ..FileRecord::new(path("/x\n"), meta)
    }
}

/// As much of JSON Schema as the published one uses. `known` collects the names of properties that the schema speaks of.
fn check(root: &Value, schema: &Value, value: &Value, known: &mut BTreeSet<String>) -> Result<(), String> {
    let Value::Object(rules) = schema else { return Ok(()) };
    for (rule, wanted) in rules {
        let is_met = match rule.as_str() {
            "$ref" => {
                let name = wanted.as_str().unwrap().strip_prefix("#/$defs/").unwrap();
                check(root, &root["$defs"][name], value, known)?;
                true
            }
            "type" => {
                let types: Vec<&Value> = wanted.as_array().map_or_else(|| vec![wanted], |list| list.iter().collect());
                types.iter().any(|name| match name.as_str().unwrap() {
                    "object" => value.is_object(),
                    "array" => value.is_array(),
                    "string" => value.is_string(),
                    "boolean" => value.is_boolean(),
                    "integer" => value.is_i64() || value.is_u64(),
                    "null" => value.is_null(),
                    other => panic!("type {other}"),
                })
            }
            "const" => value == wanted,
            "enum" => wanted.as_array().unwrap().contains(value),
            "pattern" => {
                value.as_str().is_none_or(|text| regex::Regex::new(wanted.as_str().unwrap()).unwrap().is_match(text))
            }
            "minimum" => value.as_f64().is_none_or(|number| number >= wanted.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= wanted.as_f64().unwrap()),
            "minItems" => value.as_array().is_none_or(|list| list.len() as u64 >= wanted.as_u64().unwrap()),
            "maxItems" => value.as_array().is_none_or(|list| list.len() as u64 <= wanted.as_u64().unwrap()),
            "required" => wanted.as_array().unwrap().iter().all(|key| value.get(key.as_str().unwrap()).is_some()),
            "properties" => {
                for (key, inner) in wanted.as_object().unwrap() {
                    known.insert(key.clone());
                    if let Some(value) = value.get(key) {
                        check(root, inner, value, &mut BTreeSet::new()).map_err(|why| format!("{key}: {why}"))?;
                    }
                }
                true
            }
            "additionalProperties" if wanted.is_object() => {
                for inner in value.as_object().into_iter().flat_map(serde_json::Map::values) {
                    check(root, wanted, inner, &mut BTreeSet::new())?;
                }
                true
            }
            "items" => {
                for inner in value.as_array().into_iter().flatten() {
                    check(root, wanted, inner, &mut BTreeSet::new())?;
                }
                true
            }
            "prefixItems" => {
                for (wanted, inner) in wanted.as_array().unwrap().iter().zip(value.as_array().into_iter().flatten()) {
                    check(root, wanted, inner, &mut BTreeSet::new())?;
                }
                true
            }
            "allOf" => {
                for part in wanted.as_array().unwrap() {
                    check(root, part, value, known)?;
                }
                true
            }
            "oneOf" | "anyOf" => {
                let mut fits = 0;
                let mut why = Vec::new();
                for part in wanted.as_array().unwrap() {
                    let mut inner = BTreeSet::new();
                    match check(root, part, value, &mut inner) {
                        Ok(()) => {
                            fits += 1;
                            known.extend(inner);
                        }
                        Err(error) => why.push(error),
                    }
                }
                if fits == 0 {
                    return Err(why.join(" | "));
                }
                rule == "anyOf" || fits == 1
            }
            "$schema"
            | "$defs"
            | "title"
            | "description"
            | "format"
            | "default"
            | "contentEncoding"
            | "additionalProperties" => true,
            other => panic!("the schema uses `{other}`, which this check does not know"),
        };
        if !is_met {
            return Err(format!("`{rule}` is {wanted}, the value is {value}"));
        }
    }
    Ok(())
}
