// Web shells that hand a request straight to PHP's or the shell's interpreter.
//
// "Request data" is $_GET, $_POST, $_REQUEST, $_COOKIE, their old and indirect spellings, and the HTTP_ part of $_SERVER (the rest of it
// is the server's own). Between the function and the data stand at most quotes, brackets and decoders; where another function stands between, as
// in exec(escapeshellarg($_GET['x'])), these rules say nothing: that is for the PHP analysis.

private rule php
{
    meta:
        description = "PHP source; not in log files, where requests with PHP in them are everyday, nor in machine programs, such as this tool"
    strings:
        // Not `<?xml`. PHP does not ask for a blank after a short tag.
        $tag = /<\?[a-wyz=\s@${(\/;]/ nocase
        $script = /<script\s{1,8}language\s{0,4}=\s{0,4}["']?php/ nocase
        $sec_rule = "SecRule "
    condition:
        // The rules of ModSecurity quote what they look for.
        ($tag or $script) and not (triage_place contains " conf " and $sec_rule) and not triage_place contains " log " and uint32be(0) != 0x7f454c46
}

rule TR_WEBSHELL_0001_eval_of_request
{
    meta:
        id = "TR-WEBSHELL-0001"
        description = "PHP code from the request is executed"
        category = "web_shell"
        severity = "critical"
        confidence = 95
        attack = "T1505.003,T1059"
        reference = "https://www.php.net/manual/en/function.eval.php"
        date = "2025-11-23"
        sample = "tr-webshell-0001.php"
    strings:
        $eval = /[^\w>:$](eval|assert)(\s|\/\*[^*]{0,60}\*\/){0,8}\(([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
        $inside = /[^\w>:$](eval|assert)(\s|\/\*[^*]{0,60}\*\/){0,8}\([^;()]{1,60}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
        $create = /[^\w>:$]create_function(\s|\/\*[^*]{0,60}\*\/){0,8}\([^;{}]{0,60},([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
        $filter = /[^\w>:$](eval|assert)(\s|\/\*[^*]{0,60}\*\/){0,8}\(([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}filter_input\s{0,4}\(\s{0,4}INPUT_/ nocase
    condition:
        php and any of ($*)
}

rule TR_WEBSHELL_0002_command_from_request
{
    meta:
        id = "TR-WEBSHELL-0002"
        description = "A command from the request is executed"
        category = "web_shell"
        severity = "critical"
        confidence = 95
        attack = "T1505.003,T1059.004"
        reference = "https://www.php.net/manual/en/ref.exec.php"
        date = "2025-11-23"
        sample = "tr-webshell-0002.php"
    strings:
        $call = /[^\w>:$](system|passthru|shell_exec|exec|popen|proc_open|pcntl_exec|expect_popen)(\s|\/\*[^*]{0,60}\*\/){0,8}\(([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
    condition:
        php and $call
}

rule TR_WEBSHELL_0003_request_inside_command
{
    meta:
        id = "TR-WEBSHELL-0003"
        description = "Request data stands unescaped inside an executed command"
        category = "web_shell"
        severity = "high"
        confidence = 70
        attack = "T1505.003,T1059.004"
        reference = "https://www.php.net/manual/en/ref.exec.php"
        date = "2025-11-23"
        sample = "tr-webshell-0003.php"
    strings:
        $call = /[^\w>:$](system|passthru|shell_exec|exec|popen|proc_open)(\s|\/\*[^*]{0,60}\*\/){0,8}\([^;{}()]{1,120}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
    condition:
        php and $call
}

rule TR_WEBSHELL_0004_request_in_backticks
{
    meta:
        id = "TR-WEBSHELL-0004"
        description = "Request data is executed between backticks"
        category = "web_shell"
        severity = "critical"
        confidence = 90
        attack = "T1505.003,T1059.004"
        reference = "https://www.php.net/manual/en/language.operators.execution.php"
        date = "2025-11-23"
        sample = "tr-webshell-0004.php"
    strings:
        $tick = /(=|echo|print|return|\(|;|\{|@|php)\s{0,4}`[^`\n]{0,60}\$\{?_(GET|POST|REQUEST|COOKIE)\b[^`\n]{0,80}`/ nocase
    condition:
        php and $tick
}

rule TR_WEBSHELL_0005_preg_replace_e
{
    meta:
        id = "TR-WEBSHELL-0005"
        description = "preg_replace with the modifier e executes request data or decoded text"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003"
        reference = "https://www.php.net/manual/en/reference.pcre.pattern.modifiers.php"
        date = "2025-11-23"
        sample = "tr-webshell-0005.php"
    strings:
        $request = /[^\w>:$](preg_replace|preg_filter|mb_ereg_replace|mb_eregi_replace)(\s|\/\*[^*]{0,60}\*\/){0,8}\([^;]{0,80}["'\/#~|!@][imsxuADSUX]{0,4}e[imsxuADSUX]{0,4}["'][^;]{0,60}((\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)|eval\s{0,4}\(|base64_decode|gzinflate|str_rot13|\\x[46][0-9a-f])/ nocase
        $word = /[^\w>:$]mb_eregi?_replace(\s|\/\*[^*]{0,60}\*\/){0,8}\([^;]{1,120},\s{0,4}["'][imsx]{0,3}e[imsx]{0,3}["']\s{0,4}\)/ nocase
        $variable = /[^\w>:$]preg_(replace|filter)(\s|\/\*[^*]{0,60}\*\/){0,8}\(\s{0,4}["']([\/#~|!@])[^"'\n]{0,40}[\/#~|!@][imsxu]{0,3}e[imsxu]{0,3}["']\s{0,4},\s{0,4}[@\$]/ nocase
        $choice = /[^\w>:$]preg_(replace|filter)(\s|\/\*[^*]{0,60}\*\/){0,8}\(([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
        $any = /[^\w>:$](preg_replace|preg_filter)(\s|\/\*[^*]{0,60}\*\/){0,8}\(\s{0,4}["']([\/#~|!@])\.\*?[\/#~|!@][imsxu]{0,3}e[imsxu]{0,3}["']/ nocase
    condition:
        php and ($request or $any or $word or (($choice or $variable) and filesize < 2KB))
}

rule TR_WEBSHELL_0006_function_named_by_request
{
    meta:
        id = "TR-WEBSHELL-0006"
        description = "The request names the function that is called"
        category = "web_shell"
        severity = "critical"
        confidence = 90
        attack = "T1505.003"
        reference = "https://www.php.net/manual/en/functions.variable-functions.php"
        date = "2025-11-23"
        sample = "tr-webshell-0006.php"
    strings:
        $call = /(^|[^\w\s]|[^w]\s|[^e]w\s)\s{0,8}\$[{"']{0,2}_(GET|POST|REQUEST|COOKIE)["'}]{0,2}\s{0,4}[\[{]\s{0,4}["']?[^\]}\n;()]{0,30}["']?\s{0,4}[\]}](\s|\/\*[^*]{0,60}\*\/){0,8}\(/ nocase
    condition:
        php and $call
}

rule TR_WEBSHELL_0007_callback_named_by_request
{
    meta:
        id = "TR-WEBSHELL-0007"
        description = "The request names a callback"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003"
        reference = "https://www.php.net/manual/en/language.types.callable.php"
        date = "2025-11-23"
        sample = "tr-webshell-0007.php"
    strings:
        $first = /[^\w>:$](call_user_func|call_user_func_array|array_map|register_shutdown_function|register_tick_function|ob_start|forward_static_call|forward_static_call_array|header_register_callback|ReflectionFunction)(\s|\/\*[^*]{0,60}\*\/){0,8}\(([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
        $spread = /[^\w>:$](usort|uasort|uksort|array_map|array_filter|array_walk|call_user_func)\s{0,4}\(\s{0,4}\.\.\.\s{0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
        $given = /[^\w>:$](array_u?diff_u?\w{2,6}|array_u?intersect_u?\w{2,6}|array_walk|forward_static_call_array|call_user_func_array|register_tick_function|register_shutdown_function)\s{0,4}\([^;{}]{0,60}array\s{0,2}\(\s{0,2}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)[^;]{1,60},\s{0,4}(\$\w|["'](assert|system|ass))/ nocase
        $second = /[^\w>:$](array_filter|array_reduce|array_walk|array_walk_recursive|usort|uasort|uksort|array_u?diff_u\w{2,6}|array_u?intersect_u\w{2,6}|iterator_apply|preg_replace_callback|filter_var|filter_var_array|mb_ereg_replace_callback|sqlite_create_function)\s{0,4}\([^;{}]{1,100},\s{0,4}@?(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
    condition:
        php and any of ($*)
}

rule TR_WEBSHELL_0008_callback_executes_request
{
    meta:
        id = "TR-WEBSHELL-0008"
        description = "Request data goes to an interpreter through a callback"
        category = "web_shell"
        severity = "critical"
        confidence = 90
        attack = "T1505.003"
        reference = "https://www.php.net/manual/en/language.types.callable.php"
        date = "2025-11-23"
        sample = "tr-webshell-0008.php"
    strings:
        $first = /[^\w>:$](call_user_func|call_user_func_array|array_map|register_shutdown_function|register_tick_function|forward_static_call|forward_static_call_array|ReflectionFunction)\s{0,4}\(\s{0,4}["']?(assert|system|eval|exec|passthru|shell_exec|popen|create_function|proc_open|pcntl_exec)["']?\s{0,4}[,)]/ nocase
        $second = /[^\w>:$](array_filter|array_reduce|array_walk|array_walk_recursive|usort|uasort|uksort|array_u?diff_u?\w{2,6}|array_u?intersect_u?\w{2,6}|iterator_apply|preg_replace_callback)\s{0,4}\([^;{}]{1,100},\s{0,4}["'](assert|system|eval|exec|passthru|shell_exec|popen|create_function)["']/ nocase
        $option = /(["']options["']\s{0,4}=>|->\s{0,4}u[ak]sort\s{0,4}\(|[^\w>:$]ob_start\s{0,4}\()\s{0,4}["'](assert|system|exec|passthru|shell_exec)["']/ nocase
        $made = /[^\w>:$]create_function\s{0,4}\([^;]{0,60}["'](return\s{1,4})?@?(assert|eval|system|passthru|shell_exec|exec)\s{0,4}\(/ nocase
        $xslt = /function\(\\?["'](assert|system|exec|passthru|shell_exec)\\?["']/ nocase
        $in = /\$_(GET|POST|REQUEST|COOKIE|SERVER)\b|php:\/\/input|getallheaders/ nocase private
    condition:
        php and $in and any of ($first, $second, $option, $made, $xslt)
}

rule TR_WEBSHELL_0009_request_included
{
    meta:
        id = "TR-WEBSHELL-0009"
        description = "A file or wrapper that the request names is run as PHP"
        category = "web_shell"
        severity = "high"
        confidence = 80
        attack = "T1505.003"
        reference = "https://www.php.net/manual/en/function.include.php"
        date = "2025-11-23"
        sample = "tr-webshell-0009.php"
    strings:
        $request = /[^\w>:$](include|require)(_once)?[\s(@"']{1,8}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)[^;\n]{1,60};/ nocase
        $wrapper = /[^\w>:$](include|require)(_once)?[\s(@"']{1,8}(php:\/\/input|data:\/?\/?[\w\/]{0,20}[;,][\w+\/=<?]{8}|php:\/\/filter)/ nocase
        $upload = /[^\w>:$](include|require)(_once)?[\s(@"']{1,8}\$_FILES\b/ nocase
    condition:
        php and any of ($*)
}

rule TR_WEBSHELL_0010_body_or_headers_executed
{
    meta:
        id = "TR-WEBSHELL-0010"
        description = "The body or the headers of the request are executed"
        category = "web_shell"
        severity = "critical"
        confidence = 95
        attack = "T1505.003"
        reference = "https://www.php.net/manual/en/wrappers.php.php"
        date = "2025-11-23"
        sample = "tr-webshell-0010.php"
    strings:
        $call = /[^\w>:$](eval|assert|system|passthru|shell_exec|exec|popen)(\s|\/\*[^*]{0,60}\*\/){0,8}\(\s{0,4}([^;]{0,60}[^\w\s;]\s{0,4})?(php:\/\/input|getallheaders\s{0,4}\(|apache_request_headers\s{0,4}\(|HTTP_RAW_POST_DATA|get_defined_vars\s{0,4}\(|getenv\s{0,4}\(\s{0,4}["']HTTP_)/ nocase
        $fetched = /\$\w{1,30}\s{0,4}=\s{0,4}@?(file_get_contents|file|curl_exec|fopen)\s{0,4}\(\s{0,4}(["']https?:\/\/|\$(remote|url|ch\b))/ nocase
        $run = /[^\w>:$]eval(\s|\/\*[^*]{0,60}\*\/){0,8}\([\s@("'.?>]{0,12}\$\w{1,30}\s{0,4}\)/ nocase
        $remote = /[^\w>:$](eval|assert)(\s|\/\*[^*]{0,60}\*\/){0,8}\([\s"'.?>]{0,12}(file_get_contents|curl_exec|fgets|stream_get_contents)\s{0,4}\(\s{0,4}["']?(https?:|ftp:|\$\w{0,10}url|\$ch\b)/ nocase
    condition:
        php and ($call or $remote or ($fetched and $run and filesize < 3KB))
}

rule TR_WEBSHELL_0011_small_tainted_file
{
    meta:
        id = "TR-WEBSHELL-0011"
        description = "A small file that executes a variable filled from the request"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2025-11-23"
        sample = "tr-webshell-0011.php"
    strings:
        $from = /\$\w{1,32}\s{0,4}\.?=&?\s{0,4}([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}((\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)|file_get_contents\s{0,4}\(\s{0,4}["']php:\/\/input)/ nocase
        $sink = /[^\w>:$](eval|assert|system|passthru|shell_exec|popen|proc_open|create_function|exec|pcntl_exec)(\s|\/\*[^*]{0,60}\*\/){0,8}\([\s@("'.?>]{0,12}\$\w/ nocase
        $include = /[^\w>:$](include|require)(_once)?[\s(]{1,4}\$\w{1,32}\s{0,4}\)?\s{0,4};/ nocase
        $tick = /=\s?`[^`\n]{0,60}\$\w{1,32}[^`\n]{0,60}`/
        $print = /\b(echo|print)\s{0,2}`[^`\n]{0,60}\$\w{1,32}[^`\n]{0,60}`/ nocase
        $safe = /escapeshell(arg|cmd)|->\s{0,4}(prepare|execute)\s{0,4}\(|namespace\s{1,4}\w/ nocase private
    condition:
        php and filesize < 3KB and $from and ($sink or $tick or $print or (triage_calls > 0 and filesize < 600) or ($include and filesize < 300)) and not $safe
}

rule TR_WEBSHELL_0012_variables_from_request
{
    meta:
        id = "TR-WEBSHELL-0012"
        description = "The request fills variables that are then called as functions"
        category = "web_shell"
        severity = "high"
        confidence = 80
        attack = "T1505.003"
        reference = "https://www.php.net/manual/en/function.extract.php"
        date = "2025-11-23"
        sample = "tr-webshell-0012.php"
    strings:
        $fill = /[^\w>:$](extract|parse_str|mb_parse_str|import_request_variables|array_walk|list)(\s|\/\*[^*]{0,60}\*\/){0,8}\([\s@]{0,4}(\$_(GET|POST|REQUEST|COOKIE|SERVER)\b|["'][gpcGPC]{1,3}["'])/ nocase
        $each = /\$\$\w{1,20}\s{0,4}=[^=]/
        $loop = /\(\s{0,2}\$\$\w{1,20}\s{1,4}as\b/
        $in = /["'$]_(GET|POST|REQUEST|COOKIE|SERVER)\b/ private
    condition:
        php and filesize < 2KB and triage_calls > 0 and ($fill or (($each or $loop) and $in))
}

rule TR_WEBSHELL_0013_variable_function_on_request
{
    meta:
        id = "TR-WEBSHELL-0013"
        description = "A function whose name is in a variable is called with request data, in a small file"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003,T1027"
        reference = "https://www.php.net/manual/en/functions.variable-functions.php"
        date = "2025-11-23"
        sample = "tr-webshell-0013.php"
    strings:
        $call = /[=;(@{!,.>\s]\$[\w\x80-\xff]{1,30}(\s{0,4}[\[{][^\]\n;]{1,20}[\]}]){0,4}(\s|\/\*[^*]{0,60}\*\/){0,8}\(([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
        $chain = /[)\]]\s{0,2}\(\s{0,2}@?((\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)|getallheaders)/ nocase
        $pair = /\$\w{1,20}\s?[\[{][^\]\n;()]{1,12}[\]}]\s?\(\s?@?\$\w{1,20}\s?[\[{][^\]\n;()]{1,12}[\]}]/
        $whole = /\$\w{1,20}\s{0,4}=\s{0,4}&?\$_(GET|POST|REQUEST|COOKIE)\s{0,4};/
        $nested = /[=;({}@\s]\$\w{1,20}\s?\(\s?@?\$\w{1,20}\s?\[[^\]\n;()]{1,20}\]\s?\)/
        $source = /\$[{"']{0,2}_(GET|POST|REQUEST|COOKIE)\b|getallheaders|php:\/\/input/ nocase private
        $indirect = /\$\{?\$[\w\x80-\xff]{1,20}\}?\s{0,4}[\[{]\s{0,2}["']?\w{1,20}["']?\s{0,2}[\]}]\s{0,4}\(\s{0,4}@?\$\{?\$/ nocase
        $method = /->\s{0,4}\$?\w{1,20}\s{0,4}\(\s{0,4}\$_/ private
    condition:
        php and filesize < 2KB and ($call or $chain or $indirect or ($pair and $source) or ($whole and $nested and filesize < 1KB)) and not $method
}

rule TR_WEBSHELL_0014_stored_name_of_interpreter
{
    meta:
        id = "TR-WEBSHELL-0014"
        description = "The name of an interpreter is kept in a variable and called through it"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003,T1027"
        reference = "https://www.php.net/manual/en/functions.variable-functions.php"
        date = "2025-11-23"
        sample = "tr-webshell-0014.php"
    strings:
        $name = /\$\w{1,30}\s{0,4}=\s{0,4}["'](assert|eval|system|passthru|shell_exec|create_function|gzinflate|base64_decode|gzuncompress|str_rot13)["']\s{0,4};/ nocase
        $buffer = /[^\w>:$]ob_start\s{0,4}\(\s{0,4}\$/ nocase
    condition:
        php and $name and ((triage_calls > 0 and filesize < 8KB) or $buffer)
}

rule TR_WEBSHELL_0015_request_written_to_a_file
{
    meta:
        id = "TR-WEBSHELL-0015"
        description = "The request names a file and what is written into it"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003,T1105"
        reference = "https://www.php.net/manual/en/function.file-put-contents.php"
        date = "2025-11-23"
        sample = "tr-webshell-0015.php"
    strings:
        $put = /[^\w>:$](file_put_contents|fputs|fwrite)(\s|\/\*[^*]{0,60}\*\/){0,8}\(([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)[^;]{1,120},[^;]{0,60}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
        $open = /[^\w>:$](fputs|fwrite)(\s|\/\*[^*]{0,60}\*\/){0,8}\(\s{0,4}@?fopen(\s|\/\*[^*]{0,60}\*\/){0,8}\(([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}((\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)|["'][\w.\/-]{1,40}\.ph(p|tml|p5)["'])[^;]{1,120},[^;]{0,60}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
        $script = /[^\w>:$]file_put_contents(\s|\/\*[^*]{0,60}\*\/){0,8}\(\s{0,4}["'][\w.\/-]{1,60}\.ph(p|tml|p5)["']\s{0,4},([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
        $handle = /\$\w{1,20}\s{0,4}=\s{0,4}@?fopen(\s|\/\*[^*]{0,60}\*\/){0,8}\(([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)[^;]{1,60},\s{0,2}["'][wa]/ nocase
        $written = /[^\w>:$](fputs|fwrite)(\s|\/\*[^*]{0,60}\*\/){0,8}\(\s{0,4}\$\w{1,20}\s{0,4},([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
        $chopper = /urldecode\s{0,4}\(\s{0,4}["']%["']\s{0,4}\.\s{0,4}substr\s{0,4}\(/ nocase
        $whole = /\$\w{1,20}\s{0,4}=\s{0,4}&?\$_(GET|POST|REQUEST|COOKIE)\s{0,4};/
        $put_whole = /[^\w>:$]file_put_contents\s{0,4}\(\s{0,4}\$\w{1,20}\s{0,2}\[[^\]]{1,20}\]\s{0,4},\s{0,4}(base64_decode\()?\$\w{1,20}\s{0,2}\[/ nocase
        $fetch = /[^\w>:$](file_put_contents|copy)(\s|\/\*[^*]{0,60}\*\/){0,8}\(([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)[^;]{1,100},\s{0,4}@?(file_get_contents|fopen|curl_exec)(\s|\/\*[^*]{0,60}\*\/){0,8}\(([\s@("'.?>]|\/\*[^*]{0,60}\*\/){0,12}((stripslashes|trim|base64_decode|urldecode|rawurldecode|str_rot13|gzinflate|gzuncompress|strrev|hex2bin|htmlspecialchars_decode|implode|join|end|reset|current|array_pop|pos|sprintf|strval|string|pack)[\s@()"'.,H*]{1,10}){0,4}(\$GLOBALS\s?\[\s?["']|\$[{"']{0,2})(_(GET|POST|REQUEST|COOKIE)\b|_SERVER["'}]{0,2}\s?[\[{]\s?["']?HTTP_|HTTP_(GET|POST|COOKIE)_VARS)/ nocase
    condition:
        php and (any of ($put, $open, $script, $fetch, $chopper) or ($handle and $written) or ($whole and $put_whole and filesize < 2KB))
}

rule TR_WEBSHELL_0016_bare_uploader
{
    meta:
        id = "TR-WEBSHELL-0016"
        description = "A small page that only stores uploaded files under the name the client gives"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003,T1105"
        reference = "https://www.php.net/manual/en/features.file-upload.php"
        date = "2025-11-23"
        sample = "tr-webshell-0016.php"
    strings:
        $store = /[^\w>:$](move_uploaded_file|copy)(\s|\/\*[^*]{0,60}\*\/){0,8}\(\s{0,4}@?\$_FILES\s{0,4}\[[^;]{1,60}tmp_name/ nocase
        $stored = /[^\w>:$](move_uploaded_file|copy)(\s|\/\*[^*]{0,60}\*\/){0,8}\(\s{0,4}\$\w{1,20}(\[\s{0,2}["']tmp_name["']\s{0,2}\])?\s{0,4},/ nocase
        $file = /\$(_FILES|HTTP_POST_FILES)\s{0,4}\[([^;]{1,40}["']?name["']?\s{0,4}\]|[^;\]]{1,24}\]\s{0,4};)/ nocase
        $named = /[^\w>:$](move_uploaded_file|copy)(\s|\/\*[^*]{0,60}\*\/){0,8}\(\s{0,4}[^;]{1,60},\s{0,4}["'][^"'\n]{1,60}\.ph(p|tml)["']/ nocase
        $form = /multipart\/form-data|type\s{0,2}=\s{0,2}\\?["']?file\b/ nocase private
        $whole = /\b(require|include|require_once|include_once|namespace|class|defined|pathinfo|in_array|session_start|finfo_file|getimagesize)\b[\s(]/ nocase private
    condition:
        php and filesize < 3KB and ($store or $named or ($stored and $file)) and ($form or filesize < 500) and not $whole
}

rule TR_WEBSHELL_0017_function_that_only_evaluates
{
    meta:
        id = "TR-WEBSHELL-0017"
        description = "A small file with a function that does nothing but execute its argument"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003"
        reference = "https://www.php.net/manual/en/function.eval.php"
        date = "2025-11-23"
        sample = "tr-webshell-0017.php"
    strings:
        $function = /function\s{1,4}&?\w{0,30}\s{0,4}\([^)\n]{0,30}\$\w{1,20}\s{0,2}\)\s{0,4}\{\s{0,12}(return)?\s{0,4}@?(eval|assert|system|passthru|shell_exec)\s{0,4}\(\s{0,4}(["']{2}\s{0,2}\.\s{0,2})?\$\w{1,20}\s{0,2}(\.\s{0,2}["']{1,2};?["']{0,1}\s{0,2})?\)/ nocase
        $in = /\$_(GET|POST|REQUEST|COOKIE|SERVER|SESSION)\b|php:\/\/input|getallheaders/ nocase private
        $magic = /function\s{1,4}__(destruct|wakeup|toString|invoke|call|get)\s{0,4}\([^)\n]{0,30}\)\s{0,4}\{\s{0,12}@?(eval|assert|system|passthru|shell_exec)\s{0,4}\(\s{0,4}\$this->/ nocase
    condition:
        php and (($function and $in and filesize < 4KB) or $magic)
}

rule TR_WEBSHELL_0018_encrypted_command_channel
{
    meta:
        id = "TR-WEBSHELL-0018"
        description = "The request is decrypted with a short rolling key, as Behinder and Godzilla do"
        category = "web_shell"
        severity = "critical"
        confidence = 90
        attack = "T1505.003,T1573.001"
        reference = "https://github.com/rebeyond/Behinder"
        date = "2025-11-23"
        sample = "tr-webshell-0018.php"
    strings:
        $roll = /\$\w{1,20}\s{0,2}\[\s{0,2}\(?\s{0,2}\$\w{1,4}\s{0,2}\+\s{0,2}1\s{0,2}\)?\s{0,2}&\s{0,2}15\s{0,2}\]/
        $aes = /openssl_decrypt\s{0,4}\(\s{0,4}\$\w{1,20}\s{0,2},\s{0,2}["']AES-?128(-ECB)?["']/ nocase
        $in = /php:\/\/input|\$_(POST|REQUEST|COOKIE)\b|base64_decode\s{0,4}\(\s{0,4}["']/ nocase private
        $run = /[^\w>:$](eval|assert|call_user_func)\s{0,4}\(|__invoke|create_function/ nocase
    condition:
        php and $run and ($roll or ($aes and $in and filesize < 4KB))
}

rule TR_WEBSHELL_0019_socket_joined_to_shell
{
    meta:
        id = "TR-WEBSHELL-0019"
        description = "PHP joins a network socket to a shell"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003,T1059.004,T1095"
        reference = "https://pentestmonkey.net/tools/web-shells/php-reverse-shell"
        date = "2025-11-23"
        sample = "tr-webshell-0019.php"
    strings:
        $socket = /[^\w>:$](fsockopen|pfsockopen|socket_create|stream_socket_client|stream_socket_server)\s{0,4}\(/ nocase
        $shell = /["'][^"'\n]{0,60}(\/bin\/(ba|da|z|k|c)?sh|cmd\.exe)\b/ nocase
        $run = /[^\w>:$](proc_open|popen|shell_exec|passthru|system|exec|pcntl_exec|pcntl_fork)\s{0,4}\(/ nocase
        $proxy = /proxy_(open|exec)|["']connect["'].{0,20}socket_/ nocase private
    condition:
        php and $socket and $shell and $run and not $proxy
}

rule TR_WEBSHELL_0020_whole_toolbox
{
    meta:
        id = "TR-WEBSHELL-0020"
        description = "A page that can do all that a remote shell does: several ways to run a command, and a look round the host"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003,T1083,T1082"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2025-11-23"
        sample = "tr-webshell-0020.php"
    strings:
        $run1 = /[^\w>:$]passthru\s{0,4}\(\s{0,4}[\$"']/ nocase
        $run2 = /[^\w>:$]shell_exec\s{0,4}\(\s{0,4}[\$"']/ nocase
        $run3 = /[^\w>:$]system\s{0,4}\(\s{0,4}[\$"']/ nocase
        $run4 = /[^\w>:$]popen\s{0,4}\(\s{0,4}[\$"']/ nocase
        $run5 = /[^\w>:$]exec\s{0,4}\(\s{0,4}[\$"']/ nocase
        $run6 = /[^\w>:$](proc_open|win32_create_service|pcntl_exec)\s{0,4}\(/ nocase
        $run7 = /WScript\.Shell/ nocase
        $look1 = /safe_mode|open_basedir|disable_functions/ nocase
        $look2 = /php_uname\s{0,4}\(|uname -a/ nocase
        $look3 = /posix_get(pwuid|egid|euid|grgid)/ nocase
        $look4 = "/etc/passwd"
        $look5 = /magic_quotes/ nocase
        $look6 = /set_time_limit\s{0,4}\(\s{0,4}(0|9{4,9})\s{0,4}\)|max_execution_time["']\s{0,4},\s{0,4}["']?0/ nocase
        $look7 = /error_reporting\s{0,4}\(\s{0,4}0\s{0,4}\)/ nocase
        $look8 = /(disk_free_space|diskfreespace)\s{0,4}\(/ nocase
        $look9 = /phpinfo\s{0,4}\(\s{0,4}\)/ nocase
        $look10 = /move_uploaded_file|multipart\/form-data/ nocase
        $look11 = /fileperms\s{0,4}\(|[^\w]chmod\s{0,4}\(/ nocase
        $look12 = /\$_SERVER\s{0,4}\[\s{0,4}["']SERVER_SOFTWARE|\$SERVER_SOFTWARE|getenv\s{0,4}\(\s{0,4}["']SERVER_SOFTWARE/ nocase
        $page = /<form|<input|<textarea/ nocase private
        $in = /\$_(GET|POST|REQUEST|COOKIE)\b|HTTP_(GET|POST)_VARS|register_globals|\$cmd\b/ nocase private
    condition:
        php and $page and $in and ((2 of ($run*) and 5 of ($look*)) or (3 of ($run*) and 3 of ($look*)) or (any of ($run*) and 7 of ($look*)))
}
