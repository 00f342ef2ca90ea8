// Code that hides what it does: decoder chains, function names in pieces, escapes, files that are run though their name says image.

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

rule TR_WEBSHELL_0101_eval_of_decoder
{
    meta:
        id = "TR-WEBSHELL-0101"
        description = "Decoded text is executed"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003,T1027,T1140"
        reference = "https://www.php.net/manual/en/function.eval.php"
        date = "2025-11-23"
        sample = "tr-webshell-0101.php"
    strings:
        $chain = /[^\w>:$](eval|assert)(\s|\/\*[^*]{0,60}\*\/){0,8}\([\s@("'.?>]{0,12}(trim|stripslashes|htmlspecialchars_decode|implode|\$\w{1,20})?[\s(@]{0,4}(base64_decode|gzinflate|gzuncompress|gzdecode|str_rot13|strrev|hex2bin|convert_uudecode|rawurldecode|urldecode|openssl_decrypt|mcrypt_decrypt|unserialize|bzdecompress)(\s|\/\*[^*]{0,60}\*\/){0,8}\(/ nocase
        $create = /[^\w>:$]create_function(\s|\/\*[^*]{0,60}\*\/){0,8}\([^;{}]{0,60},\s{0,4}["'?>.\s]{0,8}(base64_decode|gzinflate|gzuncompress|str_rot13|strrev|hex2bin)\s{0,4}\(/ nocase
        $pack = /[^\w>:$](eval|assert)(\s|\/\*[^*]{0,60}\*\/){0,8}\(\s{0,4}(pack\s{0,4}\(\s{0,4}["']H\*|chr\s{0,4}\(\s{0,4}\d{1,3})/ nocase
    condition:
        php and any of ($*)
}

rule TR_WEBSHELL_0102_decoders_nested_near_eval
{
    meta:
        id = "TR-WEBSHELL-0102"
        description = "Decoders around each other, and their result executed through a variable"
        category = "web_shell"
        severity = "high"
        confidence = 80
        attack = "T1505.003,T1027,T1140"
        reference = "https://www.php.net/manual/en/function.gzinflate.php"
        date = "2025-11-23"
        sample = "tr-webshell-0102.php"
    strings:
        $nested = /[^\w>:$](gzinflate|gzuncompress|gzdecode|str_rot13|strrev|convert_uudecode|base64_decode|hex2bin)(\s|\/\*[^*]{0,60}\*\/){0,8}\([\s@(]{0,4}(base64_decode|str_rot13|strrev|gzinflate|gzuncompress|hex2bin|convert_uudecode|rawurldecode)\s{0,4}\([\s@(]{0,4}["'\$]/ nocase
        $eval = /[^\w>:$](eval|assert)\s{0,4}\([\s@("'.?>]{0,8}\$\w/ nocase
        $create = /[^\w>:$]create_function\s{0,4}\(\s{0,4}["']{2}/ nocase
    condition:
        php and $nested and ($eval or $create)
}

rule TR_WEBSHELL_0103_eval_of_blob
{
    meta:
        id = "TR-WEBSHELL-0103"
        description = "A long encoded text in a variable, decoded and executed"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003,T1027,T1140"
        reference = "https://www.php.net/manual/en/function.base64-decode.php"
        date = "2025-11-23"
        sample = "tr-webshell-0103.php"
    strings:
        $decode = /[^\w>:$](base64_decode|gzinflate|gzuncompress|str_rot13|hex2bin|convert_uudecode)\s{0,4}\(/ nocase
        $eval = /[^\w>:$](eval|assert)(\s|\/\*[^*]{0,60}\*\/){0,8}\([\s@(]{0,8}(["']\?>["']\s?\.\s?)?[\$\w]/ nocase
    condition:
        php and filesize < 400KB and $eval and $decode and triage_blob >= 100
}

rule TR_WEBSHELL_0104_name_with_filler
{
    meta:
        id = "TR-WEBSHELL-0104"
        description = "A function name freed from filler letters by str_replace"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003,T1027"
        reference = "https://www.php.net/manual/en/function.str-replace.php"
        date = "2025-11-23"
        sample = "tr-webshell-0104.php"
    strings:
        $strip = /=\s{0,4}str_i?replace\s{0,4}\(\s{0,4}["'][^"'\n]{1,8}["']\s{0,4},\s{0,4}["']{2}\s{0,4},\s{0,4}["'][^"'\s\n,]{4,80}["']\s{0,4}\)\s{0,4};/ nocase
        $again = /=\s{0,4}\$\w{1,20}\s{0,4}\(\s{0,4}["'][^"'\n]{1,8}["']\s{0,4},\s{0,4}["']{2}\s{0,4},\s{0,4}(["'][^"'\s\n]{4,80}["']|\$\w{1,20}(\s{0,2}\.\s{0,2}\$\w{1,20}){0,8})\s{0,4}\)/
        $call = /\$\w{1,20}\s{0,4}\(\s{0,4}["']{2}\s{0,4},\s{0,4}\$\w{1,20}/
        $direct = /str_i?replace\s{0,4}\(\s{0,4}["'][^"'\n]{1,8}["']\s{0,4},\s{0,4}["']{2}\s{0,4},\s{0,4}["'][^"'\s\n,]{0,20}(a[^"'\s\w]{1,3}s[^"'\s\w]{1,3}s[^"'\s\w]{1,3}e|b[^"'\s\w]{1,3}a[^"'\s\w]{1,3}s[^"'\s\w]{1,3}e|e[^"'\s\w]{1,3}v[^"'\s\w]{1,3}a|s[^"'\s\w]{1,3}y[^"'\s\w]{1,3}s)/ nocase
    condition:
        php and ($direct or ($strip and ($again or $call)))
}

rule TR_WEBSHELL_0105_name_of_chr_pieces
{
    meta:
        id = "TR-WEBSHELL-0105"
        description = "A word put together from single character codes and used as code"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003,T1027"
        reference = "https://www.php.net/manual/en/function.chr.php"
        date = "2025-11-23"
        sample = "tr-webshell-0105.php"
    strings:
        $letters = /(chr\s{0,2}\(\s{0,2}(0x[67][0-9a-f]|9[5-9]|1[01][0-9]|12[0-2]|\d{1,3}\s?[-+*^\/]\s?\d{1,3})\s{0,2}\)\s{0,2}\.\s{0,2}){4}/ nocase
        $variable = /(\$\w{1,20}\(\d{2,3}\)\s?\.\s?){4}/
        $use = /[^\w>:$](eval|assert|create_function|call_user_func|include)[\s(]/ nocase
    condition:
        php and (($letters and ($use or triage_calls > 0)) or $variable)
}

rule TR_WEBSHELL_0106_escaped_name
{
    meta:
        id = "TR-WEBSHELL-0106"
        description = "The name of a variable or function is written in hexadecimal or octal escapes"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003,T1027"
        reference = "https://www.php.net/manual/en/language.types.string.php"
        date = "2025-11-23"
        sample = "tr-webshell-0106.php"
    strings:
        $variable = /\$\{\s{0,2}"[A-Za-z_]{0,12}\\(x[0-9a-f]{2}|[0-7]{2,3})/ nocase
        $call = /"([A-Za-z_]{0,8}\\(x[0-9a-f]{2}|1[0-7]{2})){2,20}[A-Za-z_]{0,8}"\s{0,2}[\])]?\s{0,2}\(\s{0,2}["'$@]/ nocase
        $eval = /\\x65\\x76\\x61\\x6c|\\145\\166\\141\\154|\\x61\\x73\\x73\\x65\\x72\\x74|\\141\\163\\163\\145\\162\\164/ nocase
        $decode = /\\x62\\x61\\x73\\x65\\x36\\x34|\\142\\141\\163\\145\\66\\64|\\x67\\x7a\\x69\\x6e\\x66|\\x73\\x74\\x72\\x5f\\x72\\x6f\\x74/ nocase
        $exec = /\\x73\\x79\\x73\\x74\\x65\\x6d|\\x73\\x68\\x65\\x6c\\x6c\\x5f|\\163\\171\\163\\164\\145\\155|\\x70\\x61\\x73\\x73\\x74\\x68\\x72\\x75/ nocase
        $global = /\\x5f\\x47\\x45\\x54|\\x5f\\x50\\x4f\\x53\\x54|\\x47\\x4c\\x4f\\x42\\x41\\x4c\\x53|\\x5f\\x43\\x4f\\x4f\\x4b|\\137\\120\\117\\123\\124/ nocase
        $word = /["']([a-z_]{1,10}\\x(6[1-9a-f]|7[0-9a]|5f)|\\x(6[1-9a-f]|7[0-9a]|5f)[g-z_])[a-z_0-9\\]{0,40}["']\s{0,2}[,(]\s{0,2}(\(array\)\s{0,2})?[\$"']/ nocase
        $mixed = /(\\[0-7]{2,3}\\x[0-9a-f]{2}|\\x[0-9a-f]{2}\\[0-7]{2,3}){2}/ nocase
        $names = /["'](7068705f756e616d65|66696c655f7075745f636f6e74656e7473|6576616c|73797374656d|7368656c6c5f65786563|7061737374687275|6261736536345f6465636f6465|6d6f76655f75706c6f616465645f66696c65|6372656174655f66756e6374696f6e|7573657225|70687076657273696f6e)["']/ nocase
    condition:
        php and any of ($*)
}

rule TR_WEBSHELL_0107_picked_characters
{
    meta:
        id = "TR-WEBSHELL-0107"
        description = "Words put together from single characters of another text"
        category = "web_shell"
        severity = "high"
        confidence = 80
        attack = "T1505.003,T1027"
        reference = "https://www.php.net/manual/en/language.types.string.php"
        date = "2025-11-23"
        sample = "tr-webshell-0107.php"
    strings:
        $picked = /(\$[\w\x80-\xff]{1,30}\s?[\[{]\s?(0x[0-9a-f]{1,3}|\d{1,3}(\s?[-+^]\s?\d{1,3})?)\s?[\]}]\s?\.\s?){7}/ nocase
        $short = /=\s{0,2}(\$[\w\x80-\xff]{1,30}\s?[\[{]\s?([1-9]\d{1,2}|\d{1,3}\s?[-+^]\s?\d{1,3})\s?[\]}]\s?\.\s?){3}/ nocase
        $upper = /(strtoupper|strtolower)\s{0,4}\(\s{0,4}(\$\w{1,20}\s{0,3}\[\s{0,3}(\d{2}|[5-9])\s{0,3}\]\s{0,4}\.\s{0,4}){3}/ nocase
        $globals = /(\$GLOBALS\s?[\[{]\s?["'][\w]{1,30}["']\s?[\]}]\s?[\[{]\s?(0x[0-9a-f]{1,3}|\d{1,3})\s?[\]}]\s?\.\s?){3}/ nocase
        $nested = /(\$\w{1,30}\s?\[\s?["']\w{1,30}["']\s?\]\s?\[\s?(0x[0-9a-f]{1,3}|\d{1,3})\s?\]\s?\.\s?){4}/ nocase
        $substr = /(\b(substr|mb_substr)\s?\(\s?\$\w{1,20}\s?,\s?([2-9]\d?|1\d)\s?,\s?1\s?\)\s?\.\s?){4}/ nocase
    condition:
        php and any of ($*)
}

rule TR_WEBSHELL_0108_name_in_pieces
{
    meta:
        id = "TR-WEBSHELL-0108"
        description = "The name of a decoder or interpreter is written in pieces, backwards or in another alphabet"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003,T1027"
        reference = "https://www.php.net/manual/en/functions.variable-functions.php"
        date = "2025-11-23"
        sample = "tr-webshell-0108.php"
    strings:
        $back = /(\b|["'])(edoced_46esab|etalfnizg|sserpmocnuzg|31tor_rts|noitcnuf_etaerc|urhtssap|cexe_llehs|["']tressa["']|stnetnoc_teg_elif)/ nocase
        $rot = /\b(onfr64_qrpbqr|tmvasyngr|fge_ebg13|perngr_shapgvba|furyy_rkrp|cnffgueh|riny\(|nffreg["'(])/ nocase
        $base64_decode = /["'](b|ba|bas|base|base6|base64|base64_|base64_d|base64_de|base64_dec|base64_deco)["']\s{0,3}\.\s{0,3}["']((a?se6?|a?se64_?\w{0,5}|s?e64?_?\w{0,5}|6?4_?\w{0,5}|_?\w{0,5}|ode)["']\s{0,3}[.;,)\]])/ nocase
        $decode_tail = /["']\s{0,3}\.\s{0,3}["'](4_decode|64_decode|e64_decode|se64_decode|ase64_decode|_decode|zinflate|inflate|ssert|r_rot13|hell_exec|assthru|reate_function|e_function|create_func)["']/ nocase
        $assert = /["'](a|as|ass|asse|asser)["']\s{0,3}\.\s{0,3}["'](s|ss|se|sse|sser|ser|er|ert|ssert|sert|rt|t)["']/ nocase
        $system = /["'](s|sy|sys|syst|syste)["']\s{0,3}\.\s{0,3}["'](y|ys|yst|yste|ystem|s|st|ste|stem|te|tem|em|m)["']\s{0,3}[.;)\]]/ nocase
        $eval = /["'](e|ev|eva)["']\s{0,3}\.\s{0,3}["'](v|va|val|a|al|l)["']\s{0,3}[.;)\]]/ nocase
        $create = /["'](create_?|crea|cre|cr|c|create_f|create_fun|create_func)["']\s{0,3}\.\s{0,3}["'](_?func|_?function|te_|ate_|eate_|tion|ction|nction|unction|reate_|rea|te)/ nocase
        $tail = /\.\s{0,3}["'](sert|ssert)["']\s{0,3}[;),]/ nocase
        $valopen = /["']v?al\(["'$@]/ nocase
        $gz = /gz(i|in|inf|infl)?["']\s{0,3}\.\s{0,3}["'](nflate|flate|inf|late|infl)|base["']\s{0,3}\.\s{0,3}["']6["']|\.\s{0,3}\(\s{0,2}32\s{0,2}\*\s{0,2}2\s{0,2}\)|["']_de?["']\s{0,3}\.\s{0,3}["']e?code["']/ nocase
        $dynamic = /\$\{\s{0,2}(["']_["']\s{0,2}\.|chr\s{0,2}\(|\$\w{1,20}\s{0,2}\.\s{0,2}\$\w{1,20}\s{0,2}\.\s{0,2}\$)/ nocase
        $dollar = /["']\\?\$["']\s{0,2}\.\s{0,2}["']_(POST|GET|REQUEST|COOKIE)/
        $post = /["']_["']\s{0,3}\.\s{0,3}["'](P|PO|POS|POST|G|GE|GET|R|RE|REQ)["']|["']_(P|PO|POS|G|GE|RE|REQ)["']\s{0,3}\.\s{0,3}["']\w/
        $letters = /(["'][a-z_0-9]["']\s{0,3}\.\s{0,3}){4}["'][a-z_0-9]["']/ nocase
    condition:
        php and any of ($*)
}

rule TR_WEBSHELL_0109_code_in_base64
{
    meta:
        id = "TR-WEBSHELL-0109"
        description = "Shell code stands base64-encoded in a file that decodes it"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003,T1027"
        reference = "https://virustotal.github.io/yara-x/docs/writing_rules/patterns/#base64-modifier"
        date = "2025-11-23"
        sample = "tr-webshell-0109.php"
    strings:
        $post = "eval($_POST" base64
        $aeval = "@eval($_" base64
        $eval = "eval(base64_decode(" base64
        $gz = "eval(gzinflate(" base64
        $get = "system($_GET" base64
        $request = "system($_REQUEST" base64
        $shell = "shell_exec($_" base64
        $exec = "passthru($_" base64
        $upload = "move_uploaded_file($_FILES" base64
        $uname = "php_uname()" base64
        $tcp = "/dev/tcp/" base64
        $errors = "@ini_set('display_errors'" base64
        $errors2 = "@ini_set(\"display_errors\"" base64
        $limit = "@set_time_limit(0)" base64
        $decode = /(base64_decode|str_rot13|gzinflate|eval)[\s("'\/@]/ nocase
    condition:
        php and $decode and any of ($post, $aeval, $eval, $gz, $get, $request, $shell, $exec, $upload, $uname, $tcp, $errors, $errors2, $limit)
}

rule TR_WEBSHELL_0110_goto_spaghetti
{
    meta:
        id = "TR-WEBSHELL-0110"
        description = "Code shuffled by goto, with escaped text"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003,T1027"
        reference = "https://www.php.net/manual/en/control-structures.goto.php"
        date = "2025-11-23"
        sample = "tr-webshell-0110.php"
    strings:
        $goto = /\bgoto [A-Za-z_][\w]{3,7};\s{0,4}[A-Za-z_][\w]{3,7}:/
        $escape = /"[^"\n]{0,20}(\\x[0-9a-f]{2}|\\[0-7]{2,3}){2}/ nocase
    condition:
        php and #goto > 5 and #escape > 3
}

rule TR_WEBSHELL_0111_code_in_image_included
{
    meta:
        id = "TR-WEBSHELL-0111"
        description = "A file with the name of an image or temporary file is run as PHP, or its path is hidden in escapes"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003,T1036.008"
        reference = "https://www.php.net/manual/en/function.include.php"
        date = "2025-11-23"
        sample = "tr-webshell-0111.php"
    strings:
        $image = /[^\w>:$]@?(include|require)(_once)?[\s(@]{1,4}["'][^"'\n]{0,120}\.(ico|png|jpe?g|gif|bmp|webp|mp3|woff2?|ttf)["']/ nocase
        $escaped = /[^\w>:$]@?(include|require)(_once)?[\s(@]{1,4}"[^"\n]{0,12}\\(057|x2f|x[0-9a-f]{2}|1[0-7]{2}|0[4-7][0-7])/ nocase
        $tmp = /[^\w>:$]@?(include|require)(_once)?[\s(@]{1,4}["'](\/var)?\/(tmp|dev\/shm)\/[^"'\n]{1,80}["']/ nocase
        $decoded = /[^\w>:$]@?(include|require)(_once)?[\s(@]{1,4}(base64_decode|str_rot13|strrev|hex2bin|pack)\s{0,4}\(/ nocase
    condition:
        php and any of ($*)
}

rule TR_WEBSHELL_0112_characters_by_arithmetic
{
    meta:
        id = "TR-WEBSHELL-0112"
        description = "Names made of punctuation by XOR, negation or counting letters up"
        category = "web_shell"
        severity = "high"
        confidence = 80
        attack = "T1505.003,T1027"
        reference = "https://www.php.net/manual/en/language.operators.bitwise.php"
        date = "2025-11-23"
        sample = "tr-webshell-0112.php"
    strings:
        $xor = /(["'][^"'\w\s\n]{1,12}["']\s{0,3}\^\s{0,3}["'][^"'\n]{1,12}["']\s{0,3}\)?\s{0,3}[.;]\s{0,3}\(?\s{0,3}){2}/
        $xor_once = /\(\s{0,2}["'][^"'\s\n]{3,20}["']\s{0,2}\^\s{0,2}["'][^"'\s\n]{3,20}["']\s{0,2}\)\s{0,4}[;(]/
        $escaped = /"(\\x[0-9a-f]{2}){3,20}"\s{0,2}\^\s{0,2}"/ nocase
        $negated = /=\s{0,2}[(@]{0,3}~[(@]{0,3}\s{0,2}["']?[\x80-\xff]{4,40}["']?/
        $plain = /[=(.;]\s{0,2}["'][^"'\n]{3,60}["']\s{0,2}\^\s{0,2}["'][^"'\n]{3,60}["']/
        $count = /(\$_{1,20}\+\+;\s{0,3}){4}/
        $dollars = /\$\$_{1,20}\s?[\[{]|\$\{\s?\$_{1,20}\s?\}/
    condition:
        php and filesize < 20KB and (any of ($xor*) or $escaped or $plain or $count or $negated or $dollars)
}

rule TR_WEBSHELL_0113_unprintable_names
{
    meta:
        id = "TR-WEBSHELL-0113"
        description = "Variables and functions are named with unprintable bytes"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003,T1027"
        reference = "https://www.php.net/manual/en/language.variables.basics.php"
        date = "2025-11-23"
        sample = "tr-webshell-0113.php"
    strings:
        $name = /\$[\x80-\xff][\x80-\xff0-9]{6,60}\s?[=;(\[,)]/
        $hide = /error_reporting\s{0,2}\(\s{0,2}0|eval\s{0,2}\(|function_exists\s{0,2}\(\s{0,2}["'][\x80-\xff]|gzinflate|gzuncompress|base64_decode|\$GLOBALS/ nocase
    condition:
        php and #name > 5 and $hide
}

rule TR_WEBSHELL_0114_function_made_from_text
{
    meta:
        id = "TR-WEBSHELL-0114"
        description = "A function is made from hidden text through a variable and run"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003,T1027"
        reference = "https://www.php.net/manual/en/function.create-function.php"
        date = "2025-11-23"
        sample = "tr-webshell-0114.php"
    strings:
        $make = /\$(\w{1,20})\s{0,4}=\s{0,4}@?\$\w{1,20}\s{0,4}\(\s{0,4}["']{2}\s{0,4},\s{0,4}@?(\$|\w{3,30}\s{0,2}\()/
        $expression = /\$\w{1,20}\s{0,4}=\s{0,4}@?\$\w{1,20}\s{0,4}\(\s{0,4}["']\$\w{1,12}["']\s{0,4},/
        $coded = /\(\s{0,4}["'][^"'\s\w][^"'\s]{60}|=\s{0,4}["'][^"'\s\w][^"'\s]{60}/
    condition:
        php and filesize < 200KB and ($make or $expression) and triage_calls > 0 and (triage_blob >= 100 or $coded)
}

rule TR_WEBSHELL_0115_public_obfuscator
{
    meta:
        id = "TR-WEBSHELL-0115"
        description = "Code from a public obfuscator that shells are often passed through; a few paid plug-ins are too"
        category = "web_shell"
        severity = "medium"
        confidence = 50
        attack = "T1027"
        reference = "https://www.fopo.com.ar/"
        date = "2025-11-23"
        sample = "tr-webshell-0115.php"
    strings:
        $fopo = "www.fopo.com.ar" nocase
        $carbylamine = "function carbylamine_" nocase
        $phpjiami = "phpjiami.com" nocase
        $yakpro = "/*   __________________________________________________"
        $byterun = "CyberLib_EncryptionKey"
    condition:
        php and any of ($*)
}

rule TR_WEBSHELL_0116_hidden_code_written
{
    meta:
        id = "TR-WEBSHELL-0116"
        description = "PHP code, or the name of the file it goes to, is hidden in encoded text and written out"
        category = "web_shell"
        severity = "high"
        confidence = 80
        attack = "T1505.003,T1027,T1105"
        reference = "https://www.php.net/manual/en/function.file-put-contents.php"
        date = "2025-11-23"
        sample = "tr-webshell-0116.php"
    strings:
        $name = /[^\w>:$](fopen|file_put_contents)\s{0,4}\(\s{0,4}(base64_decode|pack|str_rot13|strrev|hex2bin)\s{0,4}\(\s{0,4}["']/ nocase
        $code = /["'](PD9waH[AB]|PD9QSF|PD9AZX|PD8gQ|PD9ldmFs|3c3f7068|3c3f4065|3c3f6576)[\w+\/=]{64}/
        $write = /[^\w>:$](fputs|fwrite|file_put_contents)\s{0,4}\(/ nocase
    condition:
        php and $write and ($name or ($code and filesize < 200KB))
}

rule TR_WEBSHELL_0117_fetched_code_stored
{
    meta:
        id = "TR-WEBSHELL-0117"
        description = "A small script fetches something and stores it as a page of the site"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003,T1105"
        reference = "https://attack.mitre.org/techniques/T1105/"
        date = "2025-11-23"
        sample = "tr-webshell-0117.php"
    strings:
        $page = /DOCUMENT_ROOT["']?\s{0,2}\]\s{0,4}\.\s{0,4}["']\/?[\w\/.-]{1,60}\.(php\d?|phtml|html?)["']/
        $file = /[^\w>:$](fopen|file_put_contents)\s{0,4}\(\s{0,4}["'][\w\/.-]{1,60}\.ph(p|tml)["']\s{0,4},/ nocase
        $fetch = /[^\w>:$](curl_exec|http_get)\s{0,4}\(|[^\w>:$](file_get_contents|fopen|copy)\s{0,4}\(\s{0,4}["']https?:\/\//
        $raw = /https?:\/\/(pastebin\.com\/raw|raw\.githubusercontent\.com|gist\.githubusercontent\.com|paste\.ee|hastebin|rentry\.co|\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\/)|\/raw\//
        $write = /[^\w>:$](fputs|fwrite|file_put_contents|copy)\s{0,4}\(/ nocase
        $whole = /\b(namespace|class|require_once|include_once)\s/ private
    condition:
        php and filesize < 6KB and $write and $fetch and ($page or ($file and $raw)) and not $whole
}

rule TR_WEBSHELL_0118_function_name_in_escapes
{
    meta:
        id = "TR-WEBSHELL-0118"
        description = "The name of a function that executes, decodes or writes is spelt in escapes"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003,T1027"
        reference = "https://www.php.net/manual/en/language.types.string.php#language.types.string.syntax.double"
        date = "2026-11-23"
        sample = "tr-webshell-0118.php"
    strings:
        $h0 = "\\x61\\x73\\x73\\x65\\x72\\x74" nocase
        $o0 = "\\141\\163\\163\\145\\162\\164"
        $h1 = "\\x63\\x72\\x65\\x61\\x74\\x65\\x5f\\x66\\x75\\x6e\\x63\\x74\\x69\\x6f\\x6e" nocase
        $o1 = "\\143\\162\\145\\141\\164\\145\\137\\146\\165\\156\\143\\164\\151\\157\\156"
        $h2 = "\\x73\\x79\\x73\\x74\\x65\\x6d" nocase
        $o2 = "\\163\\171\\163\\164\\145\\155"
        $h3 = "\\x73\\x68\\x65\\x6c\\x6c\\x5f\\x65\\x78\\x65\\x63" nocase
        $o3 = "\\163\\150\\145\\154\\154\\137\\145\\170\\145\\143"
        $h4 = "\\x70\\x61\\x73\\x73\\x74\\x68\\x72\\x75" nocase
        $o4 = "\\160\\141\\163\\163\\164\\150\\162\\165"
        $h5 = "\\x62\\x61\\x73\\x65\\x36\\x34\\x5f\\x64\\x65\\x63\\x6f\\x64\\x65" nocase
        $o5 = "\\142\\141\\163\\145\\66\\64\\137\\144\\145\\143\\157\\144\\145"
        $h6 = "\\x67\\x7a\\x69\\x6e\\x66\\x6c\\x61\\x74\\x65" nocase
        $o6 = "\\147\\172\\151\\156\\146\\154\\141\\164\\145"
        $h7 = "\\x67\\x7a\\x75\\x6e\\x63\\x6f\\x6d\\x70\\x72\\x65\\x73\\x73" nocase
        $o7 = "\\147\\172\\165\\156\\143\\157\\155\\160\\162\\145\\163\\163"
        $h8 = "\\x73\\x74\\x72\\x5f\\x72\\x6f\\x74\\x31\\x33" nocase
        $o8 = "\\163\\164\\162\\137\\162\\157\\164\\61\\63"
        $h9 = "\\x63\\x61\\x6c\\x6c\\x5f\\x75\\x73\\x65\\x72\\x5f\\x66\\x75\\x6e\\x63" nocase
        $o9 = "\\143\\141\\154\\154\\137\\165\\163\\145\\162\\137\\146\\165\\156\\143"
        $h10 = "\\x66\\x69\\x6c\\x65\\x5f\\x70\\x75\\x74\\x5f\\x63\\x6f\\x6e\\x74\\x65\\x6e\\x74\\x73" nocase
        $o10 = "\\146\\151\\154\\145\\137\\160\\165\\164\\137\\143\\157\\156\\164\\145\\156\\164\\163"
        $h11 = "\\x70\\x72\\x65\\x67\\x5f\\x72\\x65\\x70\\x6c\\x61\\x63\\x65" nocase
        $o11 = "\\160\\162\\145\\147\\137\\162\\145\\160\\154\\141\\143\\145"
        $h12 = "\\x70\\x6f\\x70\\x65\\x6e" nocase
        $o12 = "\\160\\157\\160\\145\\156"
        $h13 = "\\x70\\x72\\x6f\\x63\\x5f\\x6f\\x70\\x65\\x6e" nocase
        $o13 = "\\160\\162\\157\\143\\137\\157\\160\\145\\156"
    condition:
        php and any of them
}
