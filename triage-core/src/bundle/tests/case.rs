//! What people say of a collection, and the zone of its host, come back from the bundle.

use super::*;

#[test]
fn case_and_zone_are_in_the_summary_of_every_format() {
    let case = CaseInfo {
        case: Some("2026-17".into()),
        examiner: Some("E. Xaminer".into()),
        notes: vec!["first".into(), "a\nsecond: line".into()],
    };
    for format in FORMATS {
        let dir = TempDir::new().unwrap();
        let at = dir.path().join(format!("bundle.{}", format.as_str()));
        let info = BundleInfo { case: case.clone(), time_zone: Some("Europe/Berlin".into()), ..info() };
        let mut writer = BundleWriter::create(BundleSink::path(&at, format), info).unwrap();
        store(&mut writer, &path("/etc/passwd"), b"root:x:0:0:root:/root:/bin/bash\n");
        writer.finish(Ending::Complete, start()).unwrap();
        let bundle = BundleSource::open(&at).unwrap();
        assert_eq!(bundle.manifest().case, case, "{}", format.as_str());
        assert_eq!(bundle.manifest().time_zone.as_deref(), Some("Europe/Berlin"), "{}", format.as_str());
    }
}

/// Summaries of before there was a case have none, and a bundle without one says nothing of it.
#[test]
fn a_summary_without_a_case_reads_and_writes_as_before() {
    let dir = TempDir::new().unwrap();
    let at = sample_at(&dir, BundleFormat::Dir);
    let text = std::fs::read_to_string(at.join("triage/manifest.json")).unwrap();
    for field in ["\"case\"", "\"examiner\"", "\"notes\"", "\"time_zone\""] {
        assert!(!text.contains(field), "{field}");
    }
    let manifest: BundleManifest = serde_json::from_str(&text).unwrap();
    assert_eq!(manifest.case, CaseInfo::default());
}
