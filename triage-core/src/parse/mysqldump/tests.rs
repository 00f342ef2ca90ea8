use super::*;
use crate::model::{DatabaseRow, DatabaseTable, DatabaseValue};
use proptest::prelude::*;

fn path() -> EvidencePath {
    EvidencePath::new("/backup.sql").unwrap()
}

fn read(text: impl AsRef<[u8]>) -> Outcome<Vec<Record>> {
    parse(&path(), text.as_ref(), &Limits::default())
}

fn rows(text: impl AsRef<[u8]>) -> Vec<DatabaseRow> {
    let outcome = read(text);
    assert_eq!(outcome.gaps, []);
    outcome
        .value
        .into_iter()
        .filter_map(|record| match record {
            Record::DatabaseRow(row) => Some(row),
            _ => None,
        })
        .collect()
}

fn tables(text: impl AsRef<[u8]>) -> Vec<DatabaseTable> {
    let tables = read(text).value.into_iter().filter_map(|record| match record {
        Record::DatabaseTable(table) => Some(table),
        _ => None,
    });
    tables.collect()
}

fn shown(row: &DatabaseRow) -> String {
    let columns: Vec<String> = row
        .columns
        .iter()
        .map(|column| match &column.value {
            DatabaseValue::Null => format!("{}=NULL", column.name),
            DatabaseValue::Text(text) => format!("{}={text}", column.name),
            DatabaseValue::Digested(secret) => format!("{}=<{:?}>", column.name, secret.secret),
        })
        .collect();
    format!("{}.{} {}", row.database, row.table, columns.join(" "))
}

const MODULES: &str = "CREATE TABLE `modules` (`id` int(11) NOT NULL, `modulename` varchar(50), PRIMARY KEY (`id`));\n";

#[test]
fn every_way_to_write_a_value_gives_its_bytes() {
    for (literal, value) in [
        ("'plain'", "plain"),
        ("'it''s'", "it's"),
        (r"'it\'s'", "it's"),
        (r"'a\nb\\c\0'", "a\\nb\\\\c\\x00"),
        (r"'100\%'", "100\\\\%"),
        ("\"double\"\"d\"", "double\"d"),
        ("_binary 'x'", "x"),
        ("_utf8mb4'x'", "x"),
        ("N'x'", "x"),
        ("'a' 'b'", "ab"),
        ("0x616263", "abc"),
        ("x'616263'", "abc"),
        ("X'616263'", "abc"),
        ("_binary 0x6162", "ab"),
        ("b'0110000101100010'", "ab"),
        ("-12.5e3", "-12.5e3"),
        ("NULL", "NULL"),
        ("null", "NULL"),
        ("CURRENT_TIMESTAMP", "CURRENT_TIMESTAMP"),
        ("f('x,)',(1))", "f('x,)',(1))"),
        ("/* c */ 'x' -- y\n", "x"),
    ] {
        let rows = rows(format!("{MODULES}INSERT INTO `modules` VALUES (7,{literal}),(8,'next');"));
        assert_eq!(shown(&rows[0]), format!(".modules id=7 modulename={value}"), "{literal}");
        assert_eq!((rows.len(), rows[1].text("modulename")), (2, &b"next"[..]), "{literal}");
    }
}

#[test]
fn a_backslash_is_one_where_the_mode_says_so() {
    let text = format!(
        "{MODULES}SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_BACKSLASH_ESCAPES,NO_AUTO_VALUE_ON_ZERO';
         INSERT INTO modules VALUES (1,'a\\');
         SET SQL_MODE=@OLD_SQL_MODE;
         INSERT INTO modules VALUES (2,'b\\'');"
    );
    let names: Vec<Vec<u8>> = rows(text).iter().map(|row| row.text("modulename").to_vec()).collect();
    assert_eq!(names, [b"a\\".to_vec(), b"b'".to_vec()]);
}

#[test]
fn a_row_that_is_hidden_in_a_versioned_comment_is_seen_and_a_remark_is_not() {
    let text = format!(
        "{MODULES}/*!40000 ALTER TABLE `modules` DISABLE KEYS */;
         /* INSERT INTO modules VALUES (1,'remark'); */
         -- INSERT INTO modules VALUES (2,'remark');
         # INSERT INTO modules VALUES (3,'remark');
         /*!50000 INSERT INTO modules VALUES (4,'hidden') */;
         /*M!100000 INSERT INTO modules VALUES (5,'of MariaDB') */;
         /*!999999\\- enable the sandbox mode */
         INSERT INTO modules /* between */ VALUES (6,'a;b -- c /* d */ # e');"
    );
    let ids: Vec<String> = rows(text).iter().map(|row| row.key_text().to_string()).collect();
    assert_eq!(ids, ["id=4", "id=5", "id=6"]);
}

#[test]
fn columns_are_named_by_the_insert_by_the_definition_or_by_their_place() {
    let text = "INSERT INTO `cron_jobs` (`id`, command) VALUES (1,'x');
        INSERT INTO other.cron_jobs VALUES (2,'y');
        REPLACE INTO cron_jobs (`id`) VALUES (3) ON DUPLICATE KEY UPDATE id=VALUES(id);
        INSERT IGNORE INTO cron_jobs SET id=4; INSERT INTO cron_jobs SELECT * FROM x;";
    let rows = rows(text);
    let shown: Vec<String> = rows.iter().map(shown).collect();
    assert_eq!(shown, [".cron_jobs id=1 command=x", "other.cron_jobs column_1=2 column_2=y", ".cron_jobs id=3"]);
    assert!(rows[1].key.is_empty() && rows[1].digest.is_some());
}

#[test]
fn the_database_is_that_of_use_or_of_the_head() {
    let head = "-- MariaDB dump 10.19\n--\n-- Host: localhost    Database: pbx\n-- ------\n";
    let text = format!("{head}{MODULES}INSERT INTO modules VALUES (1,'a');USE `b`;INSERT INTO modules VALUES (1,'a');");
    let databases: Vec<String> = rows(text).iter().map(|row| row.database.to_string()).collect();
    assert_eq!(databases, ["pbx", "b"]);
}

#[test]
fn triggers_events_and_routines_are_told_with_their_bodies() {
    let text = "-- Host: localhost    Database: asterisk\n
DELIMITER ;;
/*!50003 CREATE*/ /*!50017 DEFINER=`root`@`localhost`*/ /*!50003 TRIGGER `keep` AFTER DELETE ON `ampusers` FOR EACH ROW BEGIN
  INSERT INTO ampusers (username) VALUES ('x;y'); -- ;
END */;;
DELIMITER ;
DELIMITER //
CREATE DEFINER=`a`@`%` PROCEDURE `p`(IN x INT) READS SQL DATA BEGIN SELECT 1; END //
CREATE FUNCTION sys_exec RETURNS INT SONAME 'lib_mysqludf_sys.so' //
/*!50106 CREATE*/ /*!50117 DEFINER=`root`@`localhost`*/ /*!50106 EVENT `e` ON SCHEDULE EVERY 1 MINUTE STARTS '2026-01-01 00:00:00' ON COMPLETION PRESERVE ENABLE DO update admin set value='1' */ //
DELIMITER ;
INSTALL PLUGIN x SONAME 'y.so';
CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `v` AS select 1;";
    let all: Vec<String> = rows(text).iter().map(shown).collect();
    assert_eq!(all.len(), 5, "{all:#?}");
    assert!(all[0].contains("TRIGGER_NAME=keep ACTION_TIMING=AFTER EVENT_MANIPULATION=DELETE EVENT_OBJECT_TABLE=ampusers ACTION_STATEMENT=BEGIN"), "{}", all[0]);
    assert!(all[0].ends_with("DEFINER=root@localhost") && all[0].contains("TRIGGER_SCHEMA=asterisk"));
    assert!(
        all[1].contains("ROUTINE_NAME=p ROUTINE_TYPE=PROCEDURE ROUTINE_DEFINITION=BEGIN SELECT 1; END"),
        "{}",
        all[1]
    );
    assert_eq!(all[2], "mysql.func name=sys_exec dl=lib_mysqludf_sys.so");
    assert!(all[3].contains("EVENT_NAME=e STATUS=ENABLED EVENT_DEFINITION=update admin"), "{}", all[3]);
    assert_eq!(all[4], "mysql.plugin name=x dl=y.so");
    assert!(tables(text).iter().any(|table| table.is_view && table.name.as_bytes() == b"v"));
}

#[test]
fn calls_are_calls_and_secrets_are_digested() {
    let text = "-- Host: localhost    Database: asteriskcdrdb
CREATE TABLE `cdr` (`calldate` datetime NOT NULL DEFAULT '0000-00-00 00:00:00', `src` varchar(80) NOT NULL DEFAULT '', `dst` varchar(80), `billsec` int(11), `disposition` varchar(45), KEY `calldate` (`calldate`)) ENGINE=InnoDB;
INSERT INTO `cdr` VALUES ('2026-10-25 02:30:00','100','900442079460000',61,'ANSWERED');
USE asterisk;
INSERT INTO ampusers (username,password_sha1,sections) VALUES ('x','6ea9c6d2d932532a4cd44c7974fb1a0a87dbfcf9','*'),('y','','*');
INSERT INTO freepbx_settings (keyword,value,defaultval) VALUES ('AMPDBPASS','hunter2',''),('SAME','1','1'),('AUTHTYPE','none','none');
INSERT INTO kvstore_FreePBX_modules_Filestore (`key`,val,type,id) VALUES ('ssh','hunter2',NULL,'noid');
INSERT INTO mysql.global_priv VALUES ('%','eve','{\"access\":33280,\"plugin\":\"mysql_native_password\",\"authentication_string\":\"*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29\"}');";
    let text = text.replace("INSERT INTO mysql.global_priv VALUES", "CREATE TABLE mysql.global_priv (Host char(60), User char(80), Priv longtext, PRIMARY KEY (Host,User)); INSERT INTO mysql.global_priv VALUES");
    let outcome = read(&text);
    assert_eq!(outcome.gaps, []);
    let Some(Record::Call(call)) = outcome.value.first() else { panic!("{:?}", outcome.value) };
    assert_eq!((call.billable_seconds, call.table.to_string().as_str(), call.line), (61, "asteriskcdrdb.cdr", Some(3)));
    assert_eq!(call.dst.as_bytes(), b"900442079460000");
    let json = serde_json::to_string(&outcome.value).unwrap();
    assert!(!json.contains("hunter2") && !json.contains("6ea9c6d2") && !json.contains("94BDCEBE"), "{json}");
    let all: Vec<String> = rows(&text).iter().map(shown).collect();
    assert_eq!(
        all,
        [
            "asterisk.ampusers username=x password_sha1=<PasswordHash> sections=*",
            "asterisk.ampusers username=y password_sha1= sections=*",
            "asterisk.freepbx_settings keyword=AMPDBPASS value=<Password> defaultval=",
            "asterisk.freepbx_settings keyword=AUTHTYPE value=none defaultval=none",
            "asterisk.kvstore_FreePBX_modules_Filestore key=ssh val=<Key> type=NULL id=noid",
            "mysql.user Host=% User=eve plugin=mysql_native_password authentication=<PasswordHash> is_locked=N rights=FILE, SUPER",
        ]
    );
    assert_eq!(rows(&text)[0].key_text().to_string(), "username=x");
}

#[test]
fn tables_are_told_with_their_columns_and_rows() {
    let text = "CREATE TABLE `t` (`a` INT(10) UNSIGNED NOT NULL AUTO_INCREMENT, `b` enum('x','y') COLLATE utf8mb4_bin DEFAULT 'x',
        `c` decimal(10,2) DEFAULT NULL COMMENT 'a, b) c', UNIQUE KEY `u` (`b`(10)), CONSTRAINT `k` FOREIGN KEY (`a`) REFERENCES `z` (`a`)) ENGINE=MyISAM AUTO_INCREMENT=3;
        INSERT INTO t VALUES (1,'x',2.0),(2,'y',NULL);";
    let tables = tables(text);
    assert_eq!((tables.len(), tables[0].rows, tables[0].engine.as_deref()), (1, Some(2), Some("MyISAM")));
    let other = self::tables(
        text.replace("INT(10) UNSIGNED", "int(10) unsigned").replace("AUTO_INCREMENT=3", "AUTO_INCREMENT=9"),
    );
    assert_eq!(other[0].definition, tables[0].definition);
    let altered = self::tables(text.replace("enum('x','y')", "enum('x','z')"));
    assert_ne!(altered[0].definition, tables[0].definition);
}

#[test]
fn one_broken_statement_does_not_hide_the_next() {
    let text = format!(
        "{MODULES}INSERT INTO modules VALUES (1,'a') (2;\nINSERT INTO modules VALUES (3,);\n;;\n%&! no 'sense';
         INSERT INTO modules VALUES (4,'seen');"
    );
    let outcome = read(text);
    assert!(!outcome.gaps.is_empty());
    let seen =
        outcome.value.iter().any(|r| matches!(r, Record::DatabaseRow(row) if row.key_text().as_bytes() == b"id=4"));
    assert!(seen, "{:#?}", outcome.value);
}

#[test]
fn a_dump_that_ends_anywhere_is_read_as_far_as_it_goes() {
    let whole = format!("{MODULES}INSERT INTO modules VALUES (1,'a'),(2,_binary 'b\\'c'),(3,0x41);");
    for end in 0..whole.len() {
        read(&whole.as_bytes()[..end]);
    }
}

#[test]
fn a_value_and_a_row_without_end_are_cut() {
    let long = "x".repeat(LONGEST_VALUE_PLUS);
    let text = format!("{MODULES}INSERT INTO modules VALUES (1,'{long}'),(2,'b');");
    let outcome = read(text);
    assert_eq!(outcome.gaps.len(), 1, "{:?}", outcome.gaps);
    assert_eq!(outcome.gaps[0].reason, GapReason::LimitReached);
    let Record::DatabaseRow(row) = &outcome.value[0] else { panic!() };
    assert_eq!(row.text("modulename").len(), super::super::database::LONGEST_VALUE);
    // More values than a table has columns, and brackets in brackets.
    let many = format!("INSERT INTO modules VALUES ({});", "1,".repeat(10_000));
    assert_eq!(read(many).gaps.len(), 1);
    let deep = format!("INSERT INTO modules VALUES ({});", "f(".repeat(100_000));
    assert!(!read(deep).gaps.is_empty());
}

const LONGEST_VALUE_PLUS: usize = super::super::database::LONGEST_VALUE + 10;

#[test]
fn the_budget_ends_a_dump_and_says_so() {
    let text = format!("{MODULES}INSERT INTO modules VALUES {}(0,'');", "(1,'a'),".repeat(10_000));
    let origin = Origin { path: &path(), from: DatabaseFrom::Dump, zone: None };
    let mut count = 0;
    let gaps = each(&origin, &mut text.as_bytes(), 5_000, &mut |_| {
        count += 1;
        ControlFlow::Continue(())
    });
    assert!(count > 100 && count < 1000, "{count}");
    assert!(gaps.iter().any(|gap| gap.reason == GapReason::LimitReached), "{gaps:?}");
    let mut seen = 0;
    each(&origin, &mut text.as_bytes(), u64::MAX, &mut |_| {
        seen += 1;
        ControlFlow::Break(())
    });
    assert_eq!(seen, 1);
}

#[test]
fn dumps_are_told_from_other_sql() {
    for dump in [
        "-- MySQL dump 10.13  Distrib 5.5.65\n",
        "/*M!999999\\- enable the sandbox mode */\n-- MariaDB dump 10.19\n",
        "-- phpMyAdmin SQL Dump\n",
        "\u{feff}-- MySQL dump\n",
        "DROP TABLE IF EXISTS `x`;\nCREATE TABLE `x` (\n",
    ] {
        assert!(is_dump(dump.as_bytes()), "{dump}");
    }
    for other in ["SELECT 1;", "", "-- migration\nALTER TABLE x ADD y int;", "\u{1f}\u{8b}", "insert into x values (1)"]
    {
        assert!(!is_dump(other.as_bytes()), "{other}");
    }
}

/// A reader that gives one byte at a time.
struct Slow<'a>(&'a [u8]);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let (Some(&first), Some(place)) = (self.0.first(), buffer.first_mut()) else { return Ok(0) };
        *place = first;
        self.0 = &self.0[1..];
        Ok(1)
    }
}

proptest! {
    #[test]
    fn no_text_makes_it_panic_or_give_more_than_it_has(
        text in "(INSERT INTO|CREATE TABLE|modules|`modules`|VALUES|[(),;'\"`\\\\]|/\\*!50003|\\*/|--|#|NULL|0x4|_binary|DELIMITER|SET sql_mode=|[a-z ]|\n){0,60}",
    ) {
        let outcome = read(&text);
        prop_assert!(outcome.value.len() <= text.len());
    }

    #[test]
    fn how_the_bytes_arrive_makes_no_difference(values in prop::collection::vec("[ -~\n]{0,20}", 1..6)) {
        let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "''");
        let list: Vec<String> = values.iter().enumerate().map(|(n, v)| format!("({n},'{}')", quoted(v))).collect();
        let text = format!("{MODULES}INSERT INTO `modules` VALUES {};", list.join(","));
        let rows = rows(&text);
        prop_assert_eq!(rows.len(), values.len());
        let origin = Origin { path: &path(), from: DatabaseFrom::Dump, zone: None };
        let mut slowly = Vec::new();
        each(&origin, &mut Slow(text.as_bytes()), u64::MAX, &mut |record| {
            slowly.push(record);
            ControlFlow::Continue(())
        });
        prop_assert_eq!(read(&text).value, slowly);
    }
}
