//! Decides in one pass over the bytes whether a file is worth the analysis.
//!
//! Most PHP is library code without a way in: it neither reads the request nor runs, decodes or hides anything. What is passed over
//! here calls nothing but names that are written out, and none of those that a rule is about together with a source of orders.

use super::super::looks_like_php;
use super::plain;
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};
use std::sync::OnceLock;

/// Where orders come from.
const SOURCES: [&str; 27] = [
    "= 'http",
    "= \"http",
    "getdoccomment",
    "$_get",
    "$_post",
    "$_request",
    "$_cookie",
    "$_files",
    "_server",
    "$_session",
    "php://input",
    "http_raw_post",
    "_vars",
    "getallheaders",
    "apache_request_headers",
    "get_defined_vars",
    "filter_input",
    "import_request",
    "curl_exec",
    "('http",
    "(\"http",
    "getenv",
    "session_id",
    "exif_",
    "globals",
    "__file__",
    "fsockopen",
];

/// Functions that run, write or call, where orders reach them.
const SINKS: [&str; 58] = [
    "mb_eregi_replace",
    "curl_setopt",
    "forward_static_call",
    "forward_static_call_array",
    "array_udiff_assoc",
    "array_udiff_uassoc",
    "array_uintersect_assoc",
    "array_uintersect_uassoc",
    "array_walk_recursive",
    "mb_ereg_replace_callback",
    "set_exception_handler",
    "header_register_callback",
    "spl_autoload_register",
    "mysqli_query",
    "pg_query",
    "preg_replace_callback_array",
    "highlight_file",
    "show_source",
    "preg_replace",
    "preg_filter",
    "mb_ereg_replace",
    "call_user_func",
    "call_user_func_array",
    "array_map",
    "array_filter",
    "array_walk",
    "usort",
    "uasort",
    "uksort",
    "array_reduce",
    "array_udiff",
    "array_uintersect",
    "array_diff_uassoc",
    "array_diff_ukey",
    "array_intersect_uassoc",
    "array_intersect_ukey",
    "iterator_apply",
    "register_shutdown_function",
    "register_tick_function",
    "set_error_handler",
    "ob_start",
    "file_put_contents",
    "fwrite",
    "fputs",
    "copy",
    "unserialize",
    "extract",
    "parse_str",
    "reflectionfunction",
    "fromcallable",
    "mail",
    "imap_open",
    "cdef",
    "virtual",
    "opendir",
    "scandir",
    "mysql_query",
    "preg_replace_callback",
];

/// Functions that run code or commands, or decode: worth a look whatever else there is.
const HIDES: [&str; 30] = [
    "base64_decode",
    "gzinflate",
    "gzuncompress",
    "gzdecode",
    "str_rot13",
    "strrev",
    "hex2bin",
    "convert_uudecode",
    "chr",
    "pack",
    "eval",
    "assert",
    "system",
    "passthru",
    "popen",
    "shell_exec",
    "exec",
    "proc_open",
    "pcntl_exec",
    "create_function",
    "move_uploaded_file",
    "stream_socket_server",
    "putenv",
    "openssl_decrypt",
    "mcrypt_decrypt",
    "ssh2_exec",
    "dl",
    "expect_popen",
    "session_id",
    "get_defined_vars",
];

/// Signs of a hidden name, a jump or an encoder, wherever they stand.
const SIGNS: [&str; 27] = [
    "/e'",
    "/e\"",
    "/ie'",
    "/ies",
    "/ei'",
    "#e'",
    "~e'",
    "wscript",
    "new com(",
    "new com (",
    "shell.users",
    "shell.application",
    "iis://",
    "new perl",
    "registerphpfunctions",
    "createfunction(",
    "`{$",
    "_il_exec",
    "ioncube",
    "sg_load",
    "@zend;",
    "${\"",
    "${'",
    "goto ",
    "$$",
    "`$",
    "\\x6",
];

/// What makes code of a file.
const INCLUDES: [&str; 2] = ["include", "require"];

/// Says whether the statement that goes on here names a file that holds no code.
fn includes_a_picture(rest: &[u8]) -> bool {
    let statement = rest.get(..rest.len().min(160)).unwrap_or(rest);
    let statement = statement.split(|&b| b == b';' || b == b'\n').next().unwrap_or_default();
    statement.split(|&b| b == b'\'' || b == b'"').any(super::function_table::is_odd_data)
}

/// The words; none only where the automaton could not be built, and then every file is worth it.
fn words() -> Option<&'static AhoCorasick> {
    static WORDS: OnceLock<Option<AhoCorasick>> = OnceLock::new();
    let build = || {
        let all = SOURCES.iter().chain(&SINKS).chain(&HIDES).chain(&SIGNS).chain(&INCLUDES);
        // Some hundred short words: their automaton is small enough to be the fastest kind.
        let kind = Some(AhoCorasickKind::DFA);
        AhoCorasickBuilder::new().ascii_case_insensitive(true).kind(kind).build(all).ok()
    };
    WORDS.get_or_init(build).as_ref()
}

/// Says whether a word stands as the name of a function that is called, or as a text that may name one.
fn is_function(content: &[u8], start: usize, end: usize) -> bool {
    let before = start.checked_sub(1).and_then(|at| content.get(at)).copied().unwrap_or(b' ');
    if before.is_ascii_alphanumeric() || matches!(before, b'_' | b'>' | b':' | b'$') {
        return false;
    }
    let after = content.get(end..).unwrap_or_default().iter().take(64).find(|b| !b.is_ascii_whitespace());
    matches!(after, Some(b'(' | b'\'' | b'"' | b'/' | b'#' | b'`' | b'\\'))
}

/// Says whether a file is PHP that could do harm.
pub(super) fn is_worth_it(content: &[u8]) -> bool {
    if !looks_like_php(content) && !content.windows(7).any(|part| part.eq_ignore_ascii_case(b"<script")) {
        return false;
    }
    let Some(words) = words() else { return true };
    let (mut source, mut sink, mut includes) = (false, false, false);
    for found in words.find_overlapping_iter(content) {
        let mut number = found.pattern().as_usize();
        if number < SOURCES.len() {
            source = true;
        } else if number < SOURCES.len() + SINKS.len() {
            sink |= !sink && is_function(content, found.start(), found.end());
        } else {
            number -= SOURCES.len() + SINKS.len();
            if number < HIDES.len() {
                if is_function(content, found.start(), found.end()) {
                    return true;
                }
            } else if number < HIDES.len() + SIGNS.len() {
                return true;
            } else {
                includes = true;
                if includes_a_picture(content.get(found.end()..).unwrap_or_default()) {
                    return true;
                }
            }
        }
        if source && sink {
            return true;
        }
    }
    // Most of what looks like the call of a value stands in comments.
    ((source && includes) || calls_a_value(content)) && !plain::is_plain(content, source) || is_strange(content)
}

/// Says whether something that is no name is called, comments and texts included: `$x(`, `](`, `}(`.
fn calls_a_value(content: &[u8]) -> bool {
    let mut word_is_variable = false;
    let mut last = 0_u8;
    for &b in content {
        match b {
            b'(' if word_is_variable || matches!(last, b']' | b'}' | b')' | b'"' | b'\'') => return true,
            b'$' => word_is_variable = true,
            b if b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80 => {}
            b if b.is_ascii_whitespace() => continue,
            _ => word_is_variable = false,
        }
        last = b;
    }
    false
}

/// Says whether the file has few letters for code.
fn is_strange(content: &[u8]) -> bool {
    let sample = content.get(..content.len().min(8192)).unwrap_or(content);
    let words = sample.iter().filter(|b| b.is_ascii_alphanumeric() || b.is_ascii_whitespace()).count();
    sample.len() >= 64 && words * 2 < sample.len()
}
