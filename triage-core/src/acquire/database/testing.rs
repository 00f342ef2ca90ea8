//! A real server for tests: private, in a temporary folder, as a user that owns nothing.

use super::DatabaseOptions;
use super::server::program;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const NOBODY: u32 = 65_534;

/// The schema as modules of FreePBX 17 make it, with what a fresh installation has in it.
pub(crate) const SCHEMA: &str = include_str!("../../../../testdata/database/freepbx_17.sql");

/// A server with the schema of a PBX.
pub(crate) struct Pbx {
    child: Child,
    pub(crate) folder: tempfile::TempDir,
}

impl Pbx {
    /// Starts one; none, with a word why, where there is no server.
    pub(crate) fn start() -> Option<Self> {
        let Some(server) = program(&DatabaseOptions::installed_servers()) else {
            println!("skipped: there is no mariadbd (apt-get install mariadb-server)");
            return None;
        };
        let Some(install) =
            ["/usr/bin/mariadb-install-db", "/usr/bin/mysql_install_db"].iter().find(|path| Path::new(path).exists())
        else {
            println!("skipped: there is no mariadb-install-db");
            return None;
        };
        let folder = tempfile::Builder::new().prefix("pbx").tempdir_in("/tmp").unwrap();
        let is_root = rustix::process::geteuid().is_root();
        let data = folder.path().join("var/lib/mysql");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::create_dir_all(folder.path().join("etc")).unwrap();
        if is_root {
            // The server has to get to its own folder.
            for path in ["", "var", "var/lib", "var/lib/mysql"] {
                std::os::unix::fs::chown(folder.path().join(path), Some(NOBODY), Some(NOBODY)).unwrap();
            }
        }
        let run = |command: &mut Command| {
            command.env_clear().env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin").current_dir("/").stdin(Stdio::null());
            if is_root {
                command.uid(NOBODY).gid(NOBODY);
            }
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        let datadir = format!("--datadir={}", data.display());
        let made = run(Command::new(install).args([
            "--no-defaults",
            &datadir,
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ]))
        .wait()
        .unwrap();
        assert!(made.success(), "mariadb-install-db");
        let child = run(Command::new(server)
            .args(["--no-defaults", &datadir, "--skip-networking", "--innodb-buffer-pool-size=128M", "--skip-log-bin"])
            .args(["--innodb-flush-log-at-trx-commit=0", "--event-scheduler=OFF", "--loose-innodb-use-native-aio=0"])
            .arg(format!("--socket={}", folder.path().join("var/lib/mysql/s").display()))
            .arg(format!("--log-error={}", folder.path().join("var/lib/mysql/log.err").display())));
        let pbx = Self { child, folder };
        let end = Instant::now() + Duration::from_mins(1);
        while std::os::unix::net::UnixStream::connect(pbx.socket()).is_err() {
            assert!(Instant::now() < end, "the server does not start: {}", pbx.log());
            std::thread::sleep(Duration::from_millis(50));
        }
        pbx.sql(SCHEMA);
        std::fs::write(
            pbx.root().join("etc/freepbx.conf"),
            "<?php\n$amp_conf['AMPDBUSER'] = 'freepbxuser';\n$amp_conf['AMPDBPASS'] = 'hunter2';\n\
             $amp_conf['AMPDBHOST'] = 'localhost';\n$amp_conf['AMPDBNAME'] = 'asterisk';\n\
             require_once('/var/www/html/admin/bootstrap.php');\n",
        )
        .unwrap();
        Some(pbx)
    }

    /// The root of the host whose database it is.
    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.root().join("var/lib/mysql/s")
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.root().join("var/lib/mysql/log.err")).unwrap_or_default()
    }

    /// Runs statements with the distribution's own client, which knows delimiters.
    pub(crate) fn sql(&self, statements: &str) {
        use std::io::Write as _;
        let mut client = Command::new("mariadb")
            .args(["--no-defaults", "--user=root", "--default-character-set=utf8mb4"])
            .arg(format!("--socket={}", self.socket().display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        client.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
        let output = client.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A dump as an administrator makes it.
    pub(crate) fn dump(&self, options: &[&str]) -> Vec<u8> {
        let output = Command::new("mariadb-dump")
            .args(["--no-defaults", "--user=root", "--routines", "--events", "--triggers"])
            .arg(format!("--socket={}", self.socket().display()))
            .args(options)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Ends it as a shutdown does, so that its files can be read.
    pub(crate) fn stop(&mut self) {
        self.sql("SHUTDOWN;");
        let _ = self.child.wait();
    }

    /// How it is read: by its own socket.
    pub(crate) fn options(&self) -> DatabaseOptions {
        DatabaseOptions { sockets: vec![self.socket()], chunk: 7, ..DatabaseOptions::default() }
    }
}

impl Drop for Pbx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
