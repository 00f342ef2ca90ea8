//! What is known of the functions of PHP: which run, which check, which let data through.

use super::lexer;
use super::value::{flag, made};

/// Functions that run a command, and the argument that is it.
const EXECUTORS: [(&[u8], usize); 12] = [
    (b"system", 0),
    (b"exec", 0),
    (b"passthru", 0),
    (b"shell_exec", 0),
    (b"popen", 0),
    (b"proc_open", 0),
    (b"pcntl_exec", 0),
    (b"expect_popen", 0),
    (b"ssh2_exec", 1),
    (b"w32_exec", 0),
    (b"win_shell_execute", 0),
    (b"virtual", 0),
];

pub(super) fn executor(name: &[u8]) -> Option<usize> {
    EXECUTORS.iter().find(|(known, _)| *known == name).map(|(_, arg)| *arg)
}

/// Says whether a function runs what it is given, as command or as code.
pub(super) fn is_dangerous(name: &[u8]) -> bool {
    (executor(name).is_some() && name != b"virtual")
        || matches!(
            name,
            b"assert" | b"create_function" | b"eval" | b"mb_ereg_replace" | b"call_user_func" | b"call_user_func_array"
        )
}

/// Functions whose answer says whether a value is fit.
pub(super) fn is_validator(name: &[u8]) -> bool {
    matches!(
        name,
        b"in_array"
            | b"array_key_exists"
            | b"preg_match"
            | b"ereg"
            | b"eregi"
            | b"is_numeric"
            | b"ctype_digit"
            | b"ctype_alnum"
            | b"ctype_alpha"
            | b"is_int"
            | b"array_search"
            | b"hash_equals"
            | b"password_verify"
            | b"method_exists"
            | b"class_exists"
            | b"checkdate"
            | b"key_exists"
            | b"ctype_xdigit"
            | b"strspn"
            | b"fnmatch"
            | b"filter_var"
            | b"hash_hmac"
            | b"openssl_verify"
    )
}

/// What an unfolded function lets through: what it makes of it, and the flags it sets.
pub(super) fn passes(name: &[u8]) -> Option<(u16, u16)> {
    Some(match name {
        b"base64_decode"
        | b"gzinflate"
        | b"gzuncompress"
        | b"gzdecode"
        | b"str_rot13"
        | b"strrev"
        | b"hex2bin"
        | b"urldecode"
        | b"rawurldecode"
        | b"convert_uudecode"
        | b"pack"
        | b"unpack"
        | b"zlib_decode"
        | b"openssl_decrypt"
        | b"mcrypt_decrypt"
        | b"mcrypt_cbc"
        | b"mcrypt_ecb"
        | b"bzdecompress"
        | b"quoted_printable_decode"
        | b"base_convert"
        | b"mdecrypt_generic" => {
            let packed =
                matches!(name, b"gzinflate" | b"gzuncompress" | b"gzdecode" | b"zlib_decode" | b"bzdecompress");
            (made::DECODED | if packed { made::UNPACKED } else { 0 }, 0)
        }
        b"strtr" | b"str_replace" | b"str_ireplace" | b"preg_replace" | b"preg_filter" | b"ereg_replace"
        | b"eregi_replace" => (0, 0),
        b"substr" | b"chr" => (made::CHARS, 0),
        b"mb_substr"
        | b"trim"
        | b"ltrim"
        | b"rtrim"
        | b"chop"
        | b"strtolower"
        | b"strtoupper"
        | b"ucfirst"
        | b"lcfirst"
        | b"ucwords"
        | b"stripslashes"
        | b"addslashes"
        | b"implode"
        | b"join"
        | b"explode"
        | b"sprintf"
        | b"vsprintf"
        | b"str_pad"
        | b"nl2br"
        | b"html_entity_decode"
        | b"htmlspecialchars_decode"
        | b"htmlspecialchars"
        | b"htmlentities"
        | b"utf8_decode"
        | b"utf8_encode"
        | b"iconv"
        | b"mb_convert_encoding"
        | b"str_split"
        | b"array_merge"
        | b"array_values"
        | b"array_reverse"
        | b"array_slice"
        | b"array_filter"
        | b"array_map"
        | b"current"
        | b"reset"
        | b"end"
        | b"next"
        | b"prev"
        | b"pos"
        | b"each"
        | b"key"
        | b"array_pop"
        | b"array_shift"
        | b"array_keys"
        | b"array_flip"
        | b"array_combine"
        | b"array_unique"
        | b"array_rand"
        | b"array_chunk"
        | b"array_fill_keys"
        | b"array_diff"
        | b"array_intersect"
        | b"array_merge_recursive"
        | b"array_replace"
        | b"array_splice"
        | b"array_column"
        | b"array_walk"
        | b"strstr"
        | b"stristr"
        | b"strrchr"
        | b"substr_replace"
        | b"json_decode"
        | b"unserialize"
        | b"strval"
        | b"stripcslashes"
        | b"strip_tags"
        | b"serialize"
        | b"json_encode"
        | b"get_object_vars"
        | b"str_repeat"
        | b"wordwrap"
        | b"chunk_split"
        | b"mb_strtolower"
        | b"mb_strtoupper"
        | b"realpath"
        | b"urlencode"
        | b"rawurlencode"
        | b"base64_encode"
        | b"bin2hex"
        | b"dirname"
        | b"iconv_substr"
        | b"strtok"
        | b"parse_url"
        | b"pathinfo"
        | b"gzcompress"
        | b"gzdeflate"
        | b"http_build_query"
        | b"iterator_to_array"
        | b"preg_split"
        | b"split"
        | b"simplexml_load_string"
        | b"preg_quote"
        | b"array_change_key_case"
        | b"mb_str_split"
        | b"tempnam" => (0, 0),
        b"escapeshellarg" => (0, flag::ESCAPED),
        b"escapeshellcmd" => (0, flag::ESCAPED),
        b"basename" => (0, flag::BASENAME),
        _ => return None,
    })
}

/// Says whether a function sets its third argument and leaves the first two as they are.
pub(super) fn is_match(name: &[u8]) -> bool {
    matches!(name, b"preg_match" | b"preg_match_all" | b"ereg" | b"eregi" | b"sscanf")
}

/// Says whether a function leaves its arguments as they are.
pub(super) fn only_reads(name: &[u8]) -> bool {
    let writes = matches!(
        name,
        b"preg_match"
            | b"preg_match_all"
            | b"ereg"
            | b"eregi"
            | b"parse_str"
            | b"mb_parse_str"
            | b"sscanf"
            | b"exec"
            | b"settype"
            | b"extract"
            | b"fsockopen"
            | b"pfsockopen"
            | b"proc_open"
            | b"openssl_sign"
            | b"similar_text"
            | b"array_push"
            | b"array_unshift"
            | b"list"
            | b"each"
            | b"fscanf"
            | b"getimagesize"
            | b"dns_get_mx"
            | b"stream_socket_client"
            | b"stream_socket_server"
            | b"socket_recv"
            | b"socket_select"
            | b"stream_select"
            | b"array_multisort"
            | b"sort"
            | b"rsort"
            | b"usort"
            | b"ksort"
            | b"asort"
            | b"arsort"
            | b"is_callable"
    );
    !writes && super::profile::is_php_function(name)
}

/// Files that hold no code, by their end.
pub(super) fn is_odd_data(path: &[u8]) -> bool {
    const ENDS: [&[u8]; 10] =
        [b".jpg", b".jpeg", b".png", b".gif", b".ico", b".bmp", b".svg", b".css", b".webp", b".woff"];
    let lower = path.to_ascii_lowercase();
    ENDS.iter().any(|end| lower.ends_with(end))
}

pub(super) fn is_executable(path: &[u8]) -> bool {
    const ENDS: [&[u8]; 12] = [
        b".php",
        b".php3",
        b".php4",
        b".php5",
        b".php7",
        b".phtml",
        b".pht",
        b".phar",
        b".htaccess",
        b".user.ini",
        b".jsp",
        b".asp",
    ];
    let lower = path.to_ascii_lowercase();
    ENDS.iter().any(|end| lower.ends_with(end))
}

/// The content of a `data:` address.
pub(super) fn data_url(url: &[u8]) -> Option<Vec<u8>> {
    let comma = url.iter().position(|&b| b == b',')?;
    let (head, body) = (url.get(..comma)?.to_ascii_lowercase(), url.get(comma + 1..)?);
    Some(if head.ends_with(b";base64") { super::decode::base64_decode(body) } else { body.to_vec() })
}

pub(super) fn has(text: &[u8], needle: &[u8]) -> bool {
    lexer::find(text, 0, needle).is_some()
}
