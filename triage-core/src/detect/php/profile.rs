//! What a file as a whole can do, and what it looks like.
//!
//! A large shell may hide the way from the request to what runs behind tables and globals. It cannot hide that one file, which needs no other,
//! lists, reads, writes, deletes, uploads and executes at the request's order.

use super::function_table;
use super::ir::Sym;
use super::value::{Val, flag, from};
use rustc_hash::FxHashSet;
use std::collections::{BTreeSet, HashSet};
use std::sync::OnceLock;

/// Powers over the host.
pub(super) mod power {
    pub(in super::super) const EXECUTE: u32 = 1;
    pub(in super::super) const EVALUATE: u32 = 1 << 1;
    pub(in super::super) const WRITE: u32 = 1 << 2;
    pub(in super::super) const DELETE: u32 = 1 << 3;
    pub(in super::super) const LIST: u32 = 1 << 4;
    pub(in super::super) const READ: u32 = 1 << 5;
    pub(in super::super) const UPLOAD: u32 = 1 << 6;
    pub(in super::super) const CHMOD: u32 = 1 << 7;
    pub(in super::super) const MOVE: u32 = 1 << 8;
    pub(in super::super) const DATABASE: u32 = 1 << 9;
    pub(in super::super) const SOCKET: u32 = 1 << 10;
    pub(in super::super) const FOLDER: u32 = 1 << 11;
    pub(in super::super) const INCLUDE: u32 = 1 << 12;
    pub(in super::super) const CALLBACK: u32 = 1 << 13;
    pub(in super::super) const ARCHIVE: u32 = 1 << 14;
    pub(in super::super) const INFO: u32 = 1 << 15;
    pub(in super::super) const TOUCH: u32 = 1 << 16;
    pub(in super::super) const MAIL: u32 = 1 << 17;
    pub(in super::super) const STATEMENT: u32 = 1 << 18;
    pub(in super::super) const TABLE: u32 = 1 << 19;
}

#[derive(Debug, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub(super) struct Profile {
    pub(super) takes_orders: bool,
    /// Names a superglobal in a hidden way.
    pub(super) hidden_input: bool,
    pub(super) mails: bool,
    /// A method that PHP calls by itself runs code or a command.
    pub(super) magic_runs: bool,
    /// The request is deserialised.
    pub(super) unserializes: bool,
    /// Lets `XPath` call functions of PHP.
    pub(super) calls_from_xpath: bool,
    /// Starts a shell.
    pub(super) shell: bool,
    /// Opens a connection.
    pub(super) socket: bool,
    /// Powers that are there.
    pub(super) present: u32,
    /// Powers that the request steers.
    pub(super) ordered: u32,
    /// Powers that the request steers without any check or fixed part.
    pub(super) free: u32,
    pub(super) executors: BTreeSet<Vec<u8>>,
    /// Functions and classes that neither PHP nor the file defines.
    pub(super) foreign: HashSet<Sym>,
    pub(super) foreign_functions: HashSet<Vec<u8>>,
    /// Looks at the host as an intruder does.
    pub(super) probes: BTreeSet<&'static str>,
    pub(super) includes: u32,
    pub(super) evaluates: u32,
    pub(super) validators: u32,
    pub(super) hidden_calls: u32,
}

fn own_functions() -> &'static FxHashSet<&'static [u8]> {
    static NAMES: OnceLock<FxHashSet<&'static [u8]>> = OnceLock::new();
    NAMES.get_or_init(|| include_str!("functions.txt").lines().map(str::as_bytes).collect())
}

/// Says whether PHP, or one of its old versions, defines the function.
pub(super) fn is_php_function(name: &[u8]) -> bool {
    const OLD: [&[u8]; 16] = [
        b"mysql_", b"ereg", b"split", b"mcrypt_", b"posix_", b"pcntl_", b"mssql_", b"oci_", b"ora_", b"ibase_",
        b"win32_", b"sqlite_", b"sybase_", b"msql_", b"odbc_", b"ssh2_",
    ];
    own_functions().contains(name)
        || OLD.iter().any(|prefix| name.starts_with(prefix))
        || matches!(
            name,
            b"each"
                | b"create_function"
                | b"get_magic_quotes_gpc"
                | b"set_magic_quotes_runtime"
                | b"get_magic_quotes_runtime"
                | b"dl"
                | b"import_request_variables"
                | b"getallheaders"
                | b"bzopen"
                | b"eregi"
                | b"money_format"
                | b"utf8_encode"
                | b"fsockopen"
                | b"is_real"
                | b"restore_include_path"
                | b"virtual"
                | b"apache_request_headers"
                | b"apache_get_modules"
                | b"apache_get_version"
                | b"eregi_replace"
                | b"sql_regcase"
                | b"gmp_init"
                | b"bzcompress"
                | b"bzdecompress"
                | b"bzread"
                | b"bzwrite"
                | b"bzclose"
                | b"expect_popen"
        )
}

/// Says whether PHP defines the class.
pub(super) fn is_own_class(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 44] = [
        b"perl",
        b"ffi",
        b"xsltprocessor",
        b"reflectionobject",
        b"soapserver",
        b"pdoexception",
        b"mysqli_sql_exception",
        b"closure",
        b"generator",
        b"iteratoriterator",
        b"callbackfilteriterator",
        b"regexiterator",
        b"simplexmliterator",
        b"globiterator",
        b"stdclass",
        b"exception",
        b"errorexception",
        b"runtimeexception",
        b"invalidargumentexception",
        b"datetime",
        b"datetimezone",
        b"domdocument",
        b"domxpath",
        b"simplexmlelement",
        b"ziparchive",
        b"mysqli",
        b"pdo",
        b"com",
        b"splfileobject",
        b"splfileinfo",
        b"directoryiterator",
        b"recursivedirectoryiterator",
        b"recursiveiteratoriterator",
        b"filesystemiterator",
        b"arrayobject",
        b"arrayiterator",
        b"reflectionclass",
        b"reflectionfunction",
        b"reflectionmethod",
        b"phar",
        b"phardata",
        b"soapclient",
        b"sqlite3",
        b"splstack",
    ];
    NAMES.contains(&name)
}

impl Profile {
    /// Takes note of a call.
    pub(super) fn note(&mut self, name: &[u8], values: &[Val]) {
        if function_table::is_validator(name) {
            self.validators += u32::from(values.iter().any(Val::is_ordered));
        }
        let power = match name {
            b"unlink" | b"rmdir" => power::DELETE,
            b"opendir" | b"scandir" | b"glob" | b"dir" | b"readdir" => power::LIST,
            b"file_get_contents"
            | b"readfile"
            | b"fopen"
            | b"file"
            | b"highlight_file"
            | b"show_source"
            | b"fread"
            | b"fpassthru"
            | b"htmlspecialchars_file" => power::READ,
            b"file_put_contents" | b"fwrite" | b"fputs" => power::WRITE,
            b"chmod" | b"chown" | b"chgrp" => power::CHMOD,
            b"rename" | b"copy" => power::MOVE,
            b"mkdir" => power::FOLDER,
            b"touch" => power::TOUCH,
            b"mysql_connect" | b"mysqli_connect" | b"pg_connect" | b"mssql_connect" | b"oci_connect"
            | b"mysql_pconnect" | b"sqlite_open" | b"ora_logon" => power::DATABASE,
            b"mysql_query"
            | b"mysqli_query"
            | b"mysql_db_query"
            | b"mssql_query"
            | b"pg_query"
            | b"pg_exec"
            | b"sqlite_query"
            | b"mysql_unbuffered_query" => power::STATEMENT,
            b"fsockopen"
            | b"pfsockopen"
            | b"socket_connect"
            | b"socket_bind"
            | b"stream_socket_client"
            | b"socket_create"
            | b"stream_socket_server"
            | b"socket_listen" => {
                self.socket = true;
                power::SOCKET
            }
            b"move_uploaded_file" => power::UPLOAD,
            b"phpinfo" => power::INFO,
            b"mail" => power::MAIL,
            b"gzcompress" | b"gzencode" => power::ARCHIVE,
            _ => {
                if !self.probe(name, values) && !is_php_function(name) && self.foreign_functions.len() < 64 {
                    self.foreign_functions.insert(name.to_vec());
                }
                return;
            }
        };
        self.present |= power;
        self.takes_orders |=
            values.iter().any(|value| value.t.as_ref().is_some_and(|taint| taint.from & from::NOBODY != 0));
        let arguments =
            if power == power::DATABASE { values } else { values.get(..values.len().min(2)).unwrap_or_default() };
        if arguments.iter().any(|value| value.taint().is_some_and(|taint| taint.from & from::ANY_ORDERS != 0)) {
            self.ordered |= power;
        }
        let is_free = |value: &Val| {
            value.t.as_ref().is_some_and(|taint| {
                taint.from & from::ANY_ORDERS != 0 && taint.flags & !(flag::WHOLE | flag::CHANGED) == 0
            })
        };
        if arguments.iter().any(is_free) {
            self.free |= power;
        }
    }

    fn probe(&mut self, name: &[u8], values: &[Val]) -> bool {
        let head = values.first().map(Val::head).unwrap_or_default();
        let head = head.get(..head.len().min(32)).unwrap_or_default().to_ascii_lowercase();
        let probe = match name {
            b"php_uname" => "php_uname",
            b"posix_getpwuid" | b"posix_getuid" | b"posix_geteuid" | b"posix_getgrgid" => "posix",
            b"disk_free_space" | b"disk_total_space" | b"diskfreespace" => "disk",
            b"fileperms" | b"fileowner" | b"filegroup" => "perms",
            b"get_current_user" | b"getmyuid" => "user",
            b"ini_get" if head == b"disable_functions" || head == b"safe_mode" || head == b"open_basedir" => {
                "restrictions"
            }
            b"set_time_limit" if head.is_empty() => "no time limit",
            b"ignore_user_abort" => "ignore abort",
            b"ini_restore" => "ini_restore",
            b"getcwd" | b"chdir" => "cwd",
            b"is_writable" | b"is_writeable" => "writable",
            _ => return false,
        };
        self.probes.insert(probe);
        true
    }

    pub(super) fn executes(&mut self, name: &str) {
        self.present |= power::EXECUTE;
        self.executors.insert(name.as_bytes().to_vec());
    }

    /// How much the file leans on others: what a shell that comes alone does not.
    pub(super) fn foreignness(&self) -> usize {
        self.foreign.len() + self.foreign_functions.len()
    }
}
