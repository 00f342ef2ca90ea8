use super::*;

fn read(text: &str) -> Import {
    import("set", text.as_bytes()).unwrap()
}

fn kinds(import: &Import) -> Vec<(&'static str, String)> {
    import
        .indicators
        .iter()
        .map(|found| (found.sought.kind(), String::from_utf8(found.sought.value()).unwrap()))
        .collect()
}

fn reasons(import: &Import) -> Vec<(&str, &str)> {
    import.problems.iter().map(|problem| (problem.place.as_str(), problem.reason.as_str())).collect()
}

#[test]
fn the_three_files_of_loki_are_read_as_they_are() {
    let hashes = read("# a comment\n0c2674c3a97c53082187d930efb645c2;Sample - https://example.org/a\n");
    assert_eq!(hashes.indicators[0].sought.kind(), "md5");
    assert_eq!(hashes.indicators[0].title, "Sample - https://example.org/a");
    let names = read("(?i)\\\\(server|sms)\\.exe$;60;\\\\good\\\\\n");
    assert_eq!(
        names.indicators[0].sought,
        Sought::PathMatch { regex: "(?i)\\\\(server|sms)\\.exe$".into(), unless: Some("\\\\good\\\\".into()) }
    );
    assert_eq!(names.indicators[0].score, Some(60));
    let servers = read("# Operation Example https://example.org/b\nbad.example.org\n198.51.100.7\n192.0.2.9;80\n");
    assert_eq!(
        kinds(&servers),
        [("domain", "bad.example.org".into()), ("ip", "198.51.100.7".into()), ("ip", "192.0.2.9".into())]
    );
    assert_eq!(servers.indicators[0].title, "Operation Example https://example.org/b");
}

#[test]
fn a_csv_is_read_by_its_header_and_each_bad_row_is_named() {
    let found = read(
        "Type;Value;Description;Score\nmd5;0c2674c3a97c53082187d930efb645c2;a door;90\nip-dst;not an address;;\nregistry;HKLM;;\ndomain;bad[.]example.org;;300\n",
    );
    assert_eq!(
        kinds(&found),
        [("md5", "0c2674c3a97c53082187d930efb645c2".into()), ("domain", "bad.example.org".into())]
    );
    assert_eq!((found.indicators[0].title.as_str(), found.indicators[0].score), ("a door", Some(90)));
    assert_eq!(
        reasons(&found),
        [
            ("line 3", "`not an address` is no address or network"),
            ("line 4", "entries of type `registry` are not looked for")
        ]
    );
}

#[test]
fn a_plain_list_may_have_everything() {
    let found = read(
        "192.0.2.0/24\n2001:db8::1\nhxxp://bad.example.org/x.sh\n/tmp/.x\nba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  sample.php\n?\n0.0.0.0/0\n",
    );
    assert_eq!(
        found.indicators.iter().map(|found| found.sought.kind()).collect::<Vec<_>>(),
        ["network", "ip", "text", "path", "sha256"]
    );
    assert_eq!(found.indicators[4].title, "sample.php");
    assert_eq!(found.problems.len(), 2, "{:?}", found.problems);
}

#[test]
fn stix_patterns_are_read_whole_or_not_at_all() {
    let pattern = |text: &str| stix::pattern(text);
    assert_eq!(
        pattern("[file:hashes.'SHA-256' = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad' OR file:hashes.MD5 = '900150983cd24fb0d6963f7d28e17f72']")
            .unwrap()
            .iter()
            .map(Sought::kind)
            .collect::<Vec<_>>(),
        ["sha256", "md5"]
    );
    assert_eq!(
        pattern(
            "[ipv4-addr:value ISSUBSET '198.51.100.0/24'] OR [domain-name:value IN ('a.example.org', 'b.example.org')]"
        )
        .unwrap(),
        [
            Sought::Network("198.51.100.0".parse().unwrap(), 24),
            Sought::Domain("a.example.org".into()),
            Sought::Domain("b.example.org".into())
        ]
    );
    assert_eq!(
        pattern("[file:name = 'x.php' AND file:parent_directory_ref.path = '/var/www/html']").unwrap(),
        [Sought::Path(b"/var/www/html/x.php".to_vec())]
    );
    assert_eq!(
        pattern("[file:name = 'x' AND file:hashes.MD5 = '900150983cd24fb0d6963f7d28e17f72' AND file:size = '3']")
            .unwrap_err(),
        "file:size = is not read"
    );
    assert_eq!(
        pattern("[file:name LIKE 'x%.php']").unwrap(),
        [Sought::PathMatch { regex: "/x[^/]*\\.php$".into(), unless: None }]
    );
    for (bad, why) in [
        ("[file:size > 3]", "file:size"),
        ("[ipv4-addr:value = '192.0.2.1'] FOLLOWEDBY [domain-name:value = 'a.example.org']", "joined by FOLLOWEDBY"),
        ("[domain-name:value = 'a.example.org' AND url:value = 'http://a.example.org/']", "AND"),
        ("[process:command_line MATCHES 'x']", "not looked for in files"),
        ("[file:name = 'x'", "not closed"),
        ("[file:name = 'x] ", "quote"),
        ("file:name = 'x'", "brackets"),
        ("", "brackets"),
    ] {
        let reason = pattern(bad).unwrap_err();
        assert!(
            reason.contains(why) || reason.contains("not of the form") || reason.contains("not read"),
            "{bad}: {reason}"
        );
    }
}

#[test]
fn a_stix_bundle_gives_its_indicators_and_lists_what_it_cannot() {
    let found = read(
        r#"{"type":"bundle","id":"bundle--1","objects":[
            {"type":"indicator","id":"indicator--1","name":"a shell","confidence":85,"pattern_type":"stix","pattern":"[file:name = 'x.php']"},
            {"type":"indicator","id":"indicator--2","pattern_type":"yara","pattern":"rule a { condition: true }"},
            {"type":"indicator","id":"indicator--3","pattern_type":"snort","pattern":"alert"},
            {"type":"indicator","id":"indicator--4","revoked":true,"pattern_type":"stix","pattern":"[file:name = 'y.php']"},
            {"type":"malware","id":"malware--1"}]}"#,
    );
    assert_eq!(kinds(&found), [("file_name", "x.php".into())]);
    assert_eq!((found.indicators[0].title.as_str(), found.indicators[0].score), ("a shell", Some(85)));
    assert_eq!(found.rules.len(), 1);
    assert_eq!(
        reasons(&found),
        [("indicator--3", "patterns of type `snort` are not read"), ("indicator--4", "its author has revoked it")]
    );
}

#[test]
fn a_misp_event_gives_the_attributes_that_are_for_detection() {
    let found = read(
        r#"{"response":[{"Event":{"info":"Campaign","Attribute":[
            {"uuid":"1","type":"ip-dst|port","to_ids":true,"value":"192.0.2.1|443","comment":"C2"},
            {"uuid":"2","type":"md5","to_ids":false,"value":"900150983cd24fb0d6963f7d28e17f72"},
            {"uuid":"3","type":"yara","to_ids":true,"value":"rule a { condition: true }"}],
          "Object":[{"name":"file","Attribute":[
            {"uuid":"4","type":"filename|sha1","to_ids":true,"value":"x.php|a9993e364706816aba3e25717850c26c9cd0d89d"},
            {"uuid":"5","type":"stix2-pattern","to_ids":true,"value":"[domain-name:value = 'a.example.org']"}]}]}}]}"#,
    );
    assert_eq!(
        kinds(&found),
        [
            ("ip", "192.0.2.1".into()),
            ("sha1", "a9993e364706816aba3e25717850c26c9cd0d89d".into()),
            ("domain", "a.example.org".into())
        ]
    );
    assert_eq!(found.indicators[0].title, "Campaign: C2");
    assert_eq!((found.rules.len(), found.problems.len()), (1, 1));
}

#[test]
fn what_is_no_list_of_indicators_is_refused_with_the_reason() {
    assert!(matches!(import("a", b"{\"type\":"), Err(ImportError::Json { .. })));
    assert!(matches!(import("a", b"{\"a\":1}"), Err(ImportError::Unknown { .. })));
    assert!(matches!(import("a", b"# nothing\n\n"), Err(ImportError::Empty { first: None, .. })));
    let error = import("a", b"hello world\n").unwrap_err().to_string();
    assert!(error.contains("line 1"), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_fall_over(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..400)) {
        let _ = import("x", &bytes);
    }

    #[test]
    fn no_pattern_makes_it_fall_over(text in "[\\[\\]()'=, a-zA-Z0-9:._-]{0,80}") {
        let _ = stix::pattern(&text);
    }
}
