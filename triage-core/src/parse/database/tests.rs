use super::*;
use crate::model::DatabaseFrom;

fn origin(path: &EvidencePath) -> Origin<'_> {
    Origin { path, from: DatabaseFrom::Live, zone: None }
}

fn names(names: &[&str]) -> Vec<Vec<u8>> {
    names.iter().map(|name| name.as_bytes().to_vec()).collect()
}

#[test]
fn a_row_without_a_key_is_named_by_a_digest_and_null_is_no_text() {
    let path = EvidencePath::new("/run/mysqld/mysqld.sock").unwrap();
    let shape = Shape::new(b"asterisk", b"disa", &names(&["disa_id", "pin"]), &[]);
    let record = |pin: Option<&str>| {
        let values = vec![Some(b"1".to_vec()), pin.map(|pin| pin.as_bytes().to_vec())];
        match shape.record(&origin(&path), None, values) {
            Some(Record::DatabaseRow(row)) => row,
            other => panic!("{other:?}"),
        }
    };
    let (null, empty, set) = (record(None), record(Some("")), record(Some("1234")));
    assert!(null.digest.is_some() && null.digest != empty.digest);
    assert_eq!(null.value("pin"), Some(&DatabaseValue::Null));
    assert_eq!(empty.text("pin"), b"");
    assert!(set.secret("pin").is_some());
}

#[test]
fn an_account_is_the_same_from_both_tables_of_the_server() {
    let path = EvidencePath::new("/var/lib/mysql").unwrap();
    let row = |table: &str, columns: &[&str], values: &[&str]| {
        let shape = Shape::new(b"mysql", table.as_bytes(), &names(columns), &names(&["Host", "User"]));
        let values = values.iter().map(|value| Some(value.as_bytes().to_vec())).collect();
        match shape.record(&origin(&path), None, values) {
            Some(Record::DatabaseRow(row)) => row,
            other => panic!("{other:?}"),
        }
    };
    let old = row(
        "user",
        &["Host", "User", "Password", "Select_priv", "File_priv", "Super_priv", "Show_db_priv", "plugin"],
        &["%", "eve", "*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29", "Y", "Y", "N", "Y", ""],
    );
    let new = row(
        "global_priv",
        &["Host", "User", "Priv"],
        &[
            "%",
            "eve",
            r#"{"access":16897,"plugin":"mysql_native_password","authentication_string":"*94BDCEBE19083CE2A1F959FD02F964C7AF4CFC29"}"#,
        ],
    );
    assert_eq!(old, new);
    assert_eq!(new.text("rights"), b"SELECT, FILE, SHOW DATABASES");
    let root = row(
        "global_priv",
        &["Host", "User", "Priv"],
        &[
            "localhost",
            "root",
            r#"{"access":18446744073709551615,"plugin":"mysql_native_password","authentication_string":"invalid","auth_or":[{},{"plugin":"unix_socket"}]}"#,
        ],
    );
    assert_eq!(root.text("plugin"), b"mysql_native_password OR unix_socket");
    assert_eq!(root.key_text().to_string(), "Host=localhost, User=root");
}
