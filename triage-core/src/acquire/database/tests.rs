//! A real server, asked as a host's is, served from a copy of its files, and dumped.

use super::testing::Pbx;
use super::*;
use crate::model::{CallRecord, Clock, DatabaseFrom, DatabaseRow, DatabaseTable, Gap, GapReason, Record, Timestamp};
use crate::source::{DirectorySource, Observation, SourceKind};
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::new(1_767_225_600, 0)
    }
}

#[derive(Default)]
struct Seen {
    records: Vec<Record>,
    gaps: Vec<Gap>,
}

impl Seen {
    fn sink(&mut self) -> impl FnMut(Observation) -> ControlFlow<()> {
        |observation| {
            match observation {
                Observation::Record(record) => self.records.push(*record),
                Observation::Gap(gap) => self.gaps.push(gap),
                Observation::File(_) => panic!("a database has no files"),
            }
            ControlFlow::Continue(())
        }
    }

    /// Rows by what names them, without what says where they were read.
    fn rows(&self) -> BTreeMap<String, DatabaseRow> {
        let rows = self.records.iter().filter_map(|record| match record {
            Record::DatabaseRow(row) => Some(row.clone()),
            _ => None,
        });
        rows.map(|mut row| {
            (row.from, row.line) = (DatabaseFrom::Live, None);
            row.path = EvidencePath::root();
            (format!("{}.{} {}", row.database, row.table, row.key_text()), row)
        })
        .collect()
    }

    fn calls(&self) -> Vec<CallRecord> {
        let calls = self.records.iter().filter_map(|record| match record {
            Record::Call(call) => Some((**call).clone()),
            _ => None,
        });
        let mut calls: Vec<CallRecord> = calls
            .map(|call| CallRecord {
                path: EvidencePath::root(),
                from: None,
                line: None,
                time: None,
                time_note: None,
                ..call
            })
            .collect();
        calls.sort_by(|a, b| (&a.calldate, &a.sequence).cmp(&(&b.calldate, &b.sequence)));
        calls
    }

    fn tables(&self) -> BTreeMap<String, DatabaseTable> {
        let tables = self.records.iter().filter_map(|record| match record {
            Record::DatabaseTable(table) => Some(table.clone()),
            _ => None,
        });
        tables.map(|table| (format!("{}.{}", table.database, table.name), table)).collect()
    }
}

fn files(root: &Path) -> DirectorySource {
    DirectorySource::open(root, SourceKind::Root).unwrap()
}

fn live(pbx: &Pbx, options: &DatabaseOptions) -> Seen {
    let mut seen = Seen::default();
    let clock: Arc<dyn Clock> = Arc::new(Fixed);
    let _ = observe(&files(pbx.root()), options, &clock, &mut seen.sink());
    seen
}

fn of_copy(pbx: &Pbx, options: DatabaseOptions) -> Seen {
    let mut seen = Seen::default();
    let source = WithDatabase::new(Box::new(files(pbx.root())), options);
    source.records(&mut seen.sink()).unwrap();
    seen
}

fn of_dump(dump: &[u8]) -> Seen {
    let mut seen = Seen::default();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("backup.sql");
    std::fs::write(&path, dump).unwrap();
    let source = DumpSource::at(&path, "backup.sql".to_owned()).unwrap().unwrap();
    source.records(&mut seen.sink()).unwrap();
    seen
}

const PROGRAMS: &str = "USE asterisk;
DELIMITER //
CREATE DEFINER=`root`@`localhost` TRIGGER keep AFTER DELETE ON ampusers FOR EACH ROW BEGIN UPDATE admin SET value='1'; END //
CREATE DEFINER=`root`@`localhost` EVENT again ON SCHEDULE EVERY 1 HOUR DO UPDATE admin SET value='2' //
CREATE DEFINER=`root`@`localhost` PROCEDURE p() BEGIN SELECT 1; END //
CREATE VIEW v AS SELECT * FROM ampusers //
DELIMITER ;
INSERT INTO ampusers (username,password_sha1,sections) VALUES ('it''s \\\\ \\n odd','','a;b');";

#[test]
fn the_running_server_a_copy_of_its_files_and_a_dump_give_the_same_rows() {
    let Some(mut pbx) = Pbx::start() else { return };
    pbx.sql(PROGRAMS);
    let live = live(&pbx, &pbx.options());
    assert_eq!(live.gaps, []);
    let dump = of_dump(&pbx.dump(&["--all-databases"]));
    assert_eq!(dump.gaps, []);
    pbx.stop();
    let folder = tempfile::tempdir_in("/tmp").unwrap();
    let options = DatabaseOptions {
        servers: DatabaseOptions::installed_servers(),
        scratch: Some(folder.path().to_owned()),
        ..DatabaseOptions::default()
    };
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let copy = of_copy(&pbx, options);
    assert_eq!(copy.gaps, []);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the copy is removed");

    let (rows, from_copy, mut from_dump) = (live.rows(), copy.rows(), dump.rows());
    assert!(rows.len() > 60, "{:#?}", rows.keys());
    assert_eq!(rows, from_copy);
    // The server's own routines are in no dump, and the bodies of routines are cut out of statements there.
    let is_of_dump = |name: &&String| !name.contains("ROUTINE_SCHEMA=mysql");
    from_dump.retain(|name, _| is_of_dump(&name));
    let missing: Vec<_> = rows.keys().filter(is_of_dump).filter(|name| !from_dump.contains_key(*name)).collect();
    let more: Vec<_> = from_dump.keys().filter(|name| !rows.contains_key(*name)).collect();
    assert!(missing.is_empty() && more.is_empty(), "missing {missing:#?}, more {more:#?}");
    for (name, row) in rows.iter().filter(|(name, _)| is_of_dump(name)) {
        if row.database.as_bytes() != b"information_schema" {
            assert_eq!(Some(row), from_dump.get(name), "{name}");
        }
    }
    assert_eq!(live.calls().len(), 20);
    assert_eq!(live.calls(), copy.calls());
    assert_eq!(live.calls(), dump.calls());
    let (tables, of_dump) = (live.tables(), dump.tables());
    for name in ["asterisk.ampusers", "asterisk.cron_jobs", "asteriskcdrdb.cdr", "asterisk.pjsip"] {
        assert_eq!(tables[name].definition, of_dump[name].definition, "{name}");
        assert!(tables[name].created.is_some() && !tables[name].is_view);
    }
    assert!(tables["asterisk.v"].is_view && of_dump["asterisk.v"].is_view);
    let json = serde_json::to_string(&live.records).unwrap();
    for secret in ["hunter2", "amp111x", "0b9d27b7dd5f", "0123456789abcdef0123", "$2a$08$"] {
        assert!(!json.contains(secret), "{secret}");
    }
}

#[test]
fn the_pbx_own_account_sees_its_rows_and_what_it_may_not_see_is_a_gap() {
    let Some(pbx) = Pbx::start() else { return };
    pbx.sql("ALTER USER root@localhost IDENTIFIED BY 'another';");
    let seen = live(&pbx, &pbx.options());
    assert!(seen.rows().contains_key("asterisk.ampusers username=admin"));
    assert_eq!(seen.calls().len(), 20);
    assert_eq!(seen.gaps.len(), 1, "{:?}", seen.gaps);
    assert_eq!(seen.gaps[0].reason, GapReason::PermissionDenied);
    let asked = seen.records.iter().find_map(|record| match record {
        Record::SystemValue(value) if value.name == "database" => Some(value.value.to_string()),
        _ => None,
    });
    let asked = asked.unwrap();
    assert!(asked.starts_with("asked as freepbxuser over ") && asked.ends_with("20 calls read"), "{asked}");
}

#[test]
fn a_wrong_password_a_missing_server_and_another_machine_are_gaps() {
    let Some(pbx) = Pbx::start() else { return };
    pbx.sql(
        "ALTER USER root@localhost IDENTIFIED BY 'another'; ALTER USER freepbxuser@localhost IDENTIFIED BY 'other';",
    );
    let seen = live(&pbx, &pbx.options());
    assert_eq!((seen.records.len(), seen.gaps.len()), (0, 1), "{:?}", seen.gaps);
    assert_eq!(seen.gaps[0].reason, GapReason::PermissionDenied);
    assert!(!seen.gaps[0].detail.contains("hunter2"));
    let nowhere = DatabaseOptions { sockets: vec![pbx.root().join("no.sock")], ..DatabaseOptions::default() };
    assert_eq!(live(&pbx, &nowhere).gaps.len(), 1);
    std::fs::write(pbx.root().join("etc/freepbx.conf"), "<?php $amp_conf['AMPDBHOST'] = '192.0.2.7';").unwrap();
    let seen = live(&pbx, &pbx.options());
    assert!(seen.gaps[0].detail.contains("192.0.2.7"), "{:?}", seen.gaps);
    // No PBX: nobody is asked.
    std::fs::remove_file(pbx.root().join("etc/freepbx.conf")).unwrap();
    assert!(live(&pbx, &pbx.options()).gaps.is_empty());
}

#[test]
fn calls_come_newest_first_in_pieces_and_an_end_is_a_gap() {
    let Some(pbx) = Pbx::start() else { return };
    // Very many of one second, times that are none, and a table without an index.
    pbx.sql("SET sql_mode=''; USE asteriskcdrdb; INSERT INTO cdr (calldate,dst,sequence) VALUES ('0000-00-00 00:00:00','zero',1);
        INSERT INTO cdr (calldate,dst,sequence) SELECT '2026-03-01 00:00:00','same',seq FROM seq_1_to_50;
        CREATE DATABASE other; CREATE TABLE other.cdr (calldate datetime, dst varchar(80), billsec int);
        INSERT INTO other.cdr VALUES ('2026-01-01 00:00:00','plain',-3),(NULL,'null',2);");
    let seen = live(&pbx, &pbx.options());
    assert_eq!(seen.gaps, []);
    assert_eq!(seen.calls().len(), 20 + 1 + 50 + 2);
    let first = seen.records.iter().find_map(|record| match record {
        Record::Call(call) => Some(call.dst.to_string()),
        _ => None,
    });
    assert_eq!(first.as_deref(), Some("same"));
    let few = DatabaseOptions { max_calls: 10, ..pbx.options() };
    let seen = live(&pbx, &few);
    assert!(seen.calls().len() < 73);
    assert!(seen.gaps.iter().any(|gap| gap.reason == GapReason::LimitReached), "{:?}", seen.gaps);
    let no_time = DatabaseOptions { total_time: std::time::Duration::ZERO, ..pbx.options() };
    assert!(live(&pbx, &no_time).gaps.iter().any(|gap| gap.reason == GapReason::LimitReached));
}

#[test]
fn a_view_in_the_place_of_a_table_is_not_run() {
    let Some(pbx) = Pbx::start() else { return };
    pbx.sql(
        "USE asterisk; DROP TABLE manager;\nDELIMITER //
CREATE FUNCTION slow() RETURNS INT BEGIN DO SLEEP(100); RETURN 1; END //
DELIMITER ;
CREATE VIEW manager AS SELECT slow() AS name;",
    );
    let begin = Instant::now();
    let seen = live(&pbx, &pbx.options());
    assert!(begin.elapsed().as_secs() < 60);
    assert!(seen.gaps.iter().any(|gap| gap.detail.contains("is a view")), "{:?}", seen.gaps);
}

#[test]
fn a_stranger_on_the_socket_is_a_gap_and_not_waited_for() {
    use std::io::Write as _;
    use std::os::unix::net::UnixListener;
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    std::fs::write(folder.path().join("etc/freepbx.conf"), "<?php $amp_conf['AMPDBUSER'] = 'x';").unwrap();
    let socket = folder.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            // A packet that announces more than it has, of a protocol that there is not.
            let _ = stream.and_then(|mut stream| stream.write_all(b"\x10\0\0\0\xff\xff"));
        }
    });
    let options = DatabaseOptions { sockets: vec![socket], ..DatabaseOptions::default() };
    let (mut seen, clock): (_, Arc<dyn Clock>) = (Seen::default(), Arc::new(Fixed));
    let _ = observe(&files(folder.path()), &options, &clock, &mut seen.sink());
    assert_eq!((seen.records.len(), seen.gaps.len()), (0, 1), "{:?}", seen.gaps);
}

#[test]
fn a_copy_that_is_too_large_or_no_database_is_a_gap() {
    let root = tempfile::tempdir().unwrap();
    let data = root.path().join("var/lib/mysql/asterisk");
    std::fs::create_dir_all(&data).unwrap();
    std::fs::write(root.path().join("var/lib/mysql/ibdata1"), vec![0xff; 1 << 20]).unwrap();
    let scratch = tempfile::tempdir_in("/tmp").unwrap();
    let look = |copy_cap, servers: Vec<PathBuf>| {
        let options = DatabaseOptions {
            servers,
            scratch: Some(scratch.path().to_owned()),
            copy_cap,
            start_time: Duration::from_secs(20),
            ..DatabaseOptions::default()
        };
        let mut seen = Seen::default();
        WithDatabase::new(Box::new(files(root.path())), options).records(&mut seen.sink()).unwrap();
        assert!(seen.records.is_empty());
        assert_eq!(seen.gaps.len(), 1, "{:?}", seen.gaps);
        seen.gaps.remove(0)
    };
    let gap = look(1 << 30, Vec::new());
    assert!(gap.detail.contains("install mariadb-server"), "{gap:?}");
    if super::server::program(&DatabaseOptions::installed_servers()).is_none() {
        return println!("skipped: there is no mariadbd");
    }
    assert!(look(1000, DatabaseOptions::installed_servers()).detail.contains("more than the 1000 bytes"));
    let gap = look(1 << 30, DatabaseOptions::installed_servers());
    assert_eq!(gap.reason, GapReason::Unreadable, "{gap:?}");
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn a_packed_dump_is_a_source_and_a_file_that_is_none_is_not() {
    use std::io::Write as _;
    let text = "-- MySQL dump\nINSERT INTO `modules` (`id`) VALUES (1);\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let zstd = zstd::encode_all(text.as_bytes(), 1).unwrap();
    for bytes in [text.as_bytes().to_vec(), gzip.finish().unwrap(), zstd] {
        let seen = of_dump(&bytes);
        assert_eq!((seen.rows().len(), seen.gaps.len()), (1, 0));
    }
    let folder = tempfile::tempdir().unwrap();
    for bytes in [&b"no dump"[..], b"", b"\x1f\x8b", b"\x28\xb5\x2f\xfd"] {
        let path = folder.path().join("x.sql");
        std::fs::write(&path, bytes).unwrap();
        assert!(!matches!(DumpSource::at(&path, String::new()), Ok(Some(_))));
    }
}
