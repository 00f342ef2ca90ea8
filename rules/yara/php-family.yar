// Known web shells by the names and phrases that their authors put in, and pages that call themselves a shell.

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

rule TR_WEBSHELL_0201_known_shell
{
    meta:
        id = "TR-WEBSHELL-0201"
        description = "The source of a widely copied PHP web shell"
        category = "web_shell"
        severity = "critical"
        confidence = 90
        attack = "T1505.003"
        reference = "https://github.com/JohnTroony/php-webshells"
        date = "2025-11-23"
        sample = "tr-webshell-0201.php"
    strings:
        $b374k = /[Bb]374[Kk][ -]?(shell|r\d|2\.|3\.|m1n1|mini)|\$s_pass\s?=.{0,80}b374k|b374k[._]/
        $wso = /wso_?version|WSOsetcookie|wsoLogin|wsoHeader|wsoSecParam|WSO[ _]?(2|3|4|5)\.\d|FilesMan["']|["']SafeMode["']\s?\]?\s?=.{0,20}wso/ nocase
        $c99 = /c99sh_|c99shexit|c99ftpbrutecheck|c99fsearch|c99madshell|C99 ?Shell|c99_buff_prepare|c999sh_|\bc100 shell/ nocase
        $r57 = /r57shell|r57_md5|rst\.void\.ru|RST MySQL|r57_pwd_hash/ nocase
        $alfa = /ALFA[ _]?TEaM|alfa_?shell|Alfa_Login_Page|solevisible|\bAlfaTeam/ nocase
        $mini = /IndoXploit|IndoSec Shell|0byt3m1n1|Marijuana[ -]Shell|Gel4y Mini|Mini Shell By|xichang1|Priv8 (Shell|Uploader)|{ ?Ninja Shell|TheAlmightyZeus|Haxgeno7/ nocase
        $old = /FaTaLisTiCz_Fx|Fx29Sh|FeeLCoMz|N3tshell|Locus7Shell|SimAttacker - V|GreenwooD.{0,6}WinX|Antichat Shell|Ani-Shell|Safe0ver|Cyber ?Shell|GFS web-shell|KAdot Universal|lama's'hell|NIX REMOTE WEB|PHPJackal|PHVayv|PhpSpy|phpRemoteView|azrail 1\.0|CasuS 1\.5|Sincap 1\.0|NTDaddy v|Dive ?Shell|\bDTool Pro\b|JspWebshell|KingDefacer|Small Web Shell by ZaCo|Ayyildiz.{0,4}Tim|STNC WebShell|Moroccan Spamers|MyShell .{0,4}Martin|Webcommander (at|by)|lostDC shell|Mackers? Private|Predator Shell|Crystal ?shell|wwwolf|PHP-findsock|TurkGuvenligi|Spygrup|<title>GO\.cgi|Matamu Mat|Configuration File Killer|EasyPHPWebShell|web-?malware by|Kodlama by/ nocase
        $tool = /phpshell\.php,v 1\.|MyShell\.php,v|PHPSHELL_VERSION|weevely|novahot|Weakerthan PHP Exec Shell|php-reverse-shell - A|define\(['"]PHPSHELL/ nocase
        $mailer = /Leaf ?PHPMailer|leafmailer\.pw|AnonymousFox|FoxAuto|Yanz Webshell|BlackSword Mailer|Owl PHPMailer/ nocase
        $does = /[^\w>:$](eval|assert|system|passthru|shell_exec|exec|popen|proc_open|fopen|opendir|move_uploaded_file|base64_decode|mail|fsockopen|file_put_contents|scandir|phpinfo|socket_create|mysql_connect|copy|is_callable)\s{0,4}\(/ nocase private
    condition:
        php and (filesize < 4MB or triage_place contains " php ") and $does and any of ($b374k, $wso, $c99, $r57, $alfa, $mini, $old, $tool, $mailer)
}

rule TR_WEBSHELL_0202_page_calls_itself_a_shell
{
    meta:
        id = "TR-WEBSHELL-0202"
        description = "A page whose title calls it a shell or a hack, with the functions for it"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2025-11-23"
        sample = "tr-webshell-0202.php"
    strings:
        $title = /<title>[^<\n]{0,60}(shell|back ?door|deface|hacked by|priv8|b374k|c99|r57|bypass(er)?\b|h4ck|sym-?link|exploit|0day|uploader by|file ?manager by)/ nocase
        $run = /[^\w>:$](system|passthru|shell_exec|exec|popen|proc_open|eval|assert|move_uploaded_file|file_put_contents|fwrite|fputs|ini_restore|curl_init|copy|socket_\w{4,8}|dbase_open|symlink)\s{0,4}\(/ nocase
        $in = /\$_(GET|POST|REQUEST|COOKIE|FILES)\b|HTTP_(GET|POST)_VARS|register_globals|\$(cmd|command|action)\b/ nocase
    condition:
        php and $title and $run and $in
}

rule TR_WEBSHELL_0203_intruders_words
{
    meta:
        id = "TR-WEBSHELL-0203"
        description = "A script with several of the words that web shells use for what they do"
        category = "web_shell"
        severity = "high"
        confidence = 75
        attack = "T1505.003"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2025-11-23"
        sample = "tr-webshell-0203.php"
    strings:
        $w1 = /back[ -_]?connect/ nocase
        $w2 = /bind[ -_]?(port|shell)/ nocase
        $w3 = /mass[ -_]?deface/ nocase
        $w4 = /safe[ -_]?mode[ -_]?(bypass|break|exploit)|bypass safe/ nocase
        $w5 = /\b(greetz|gr33tz|shoutz|priv8)\b/ nocase
        $w6 = /\b(r00t|h4x0r|hax0r|h4ck\w{0,4}|defacer?|hacked by|own3d|0wn3d)\b/ nocase
        $w7 = /(self[ -_]?(remove|destruct|kill|destroy)|kill ?self|shell ?kill|remove (this )?shell)/ nocase
        $w8 = /\b(md5|hash)[ -_]?crack/ nocase
        $w9 = /brute[ -_]?force/ nocase
        $w10 = /\bweb[ -_]?shell\b/ nocase
        $w11 = /(jumping|symlink|config) ?(grabber|killer|sym)|sym-?link (all|user)/ nocase
        $w12 = /zone-h\.org|exploit-db\.com\/search|milw0rm/ nocase
        $w13 = /(execute|run|enter) (shell )?(command|cmd)|exec(ute)? ?(php|cmd)|php ?(eval|code)\b/ nocase
        $run = /[^\w>:$](system|passthru|shell_exec|exec|popen|proc_open|eval|assert|mail|fsockopen)\s{0,4}\(/ nocase private
        $in = /\$_(GET|POST|REQUEST|COOKIE|FILES)\b|HTTP_(GET|POST)_VARS/ nocase private
    condition:
        php and $run and $in and 3 of ($w*)
}

rule TR_WEBSHELL_0204_password_then_execution
{
    meta:
        id = "TR-WEBSHELL-0204"
        description = "A small script that compares a request's password with a fixed hash and then executes what is sent"
        category = "web_shell"
        severity = "high"
        confidence = 80
        attack = "T1505.003"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2025-11-23"
        sample = "tr-webshell-0204.php"
    strings:
        $check = /(md5|sha1|crc32|crypt|hash)\s{0,4}\([^;{}]{0,40}\$_(GET|POST|REQUEST|COOKIE|SERVER)\b[^;{}]{1,40}\)[^;{}\w]{1,8}[=!]==?\s{0,4}["'][0-9a-f$.\/]{10,64}["']/ nocase
        $reverse = /["'][0-9a-f]{32,40}["']\s{0,4}[=!]==?\s{0,4}(md5|sha1)\s{0,4}\(\s{0,4}(\$_(GET|POST|REQUEST|COOKIE|SERVER)\b|sha1|md5)/ nocase
        $run = /[^\w>:$](eval|assert|system|passthru|shell_exec|exec|popen|proc_open|create_function|call_user_func|array_map|move_uploaded_file|file_put_contents|include|wp_create_user|wp_insert_user|wp_set_auth_cookie)[\s(@]/ nocase
    condition:
        php and filesize < 20KB and ($check or $reverse) and $run
}
