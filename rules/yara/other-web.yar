// Web shells in other languages, and the web server's own files turned into a way in.

rule TR_WEBSHELL_0301_jsp_command
{
    meta:
        id = "TR-WEBSHELL-0301"
        description = "A JSP page executes a command from the request"
        category = "web_shell"
        severity = "critical"
        confidence = 90
        attack = "T1505.003,T1059"
        reference = "https://docs.oracle.com/javase/8/docs/api/java/lang/Runtime.html"
        date = "2025-11-23"
        sample = "tr-webshell-0301.jsp"
    strings:
        $jsp = /<%[@!=\s]|<jsp:/ private
        $direct = /\.exec\s{0,4}\([^;]{0,60}request\.get(Parameter|Header|QueryString)/
        $runtime = /getRuntime\s{0,4}\(\s{0,4}\)\s{0,8}\.\s{0,4}exec\s{0,4}\(|ProcessBuilder\s{0,4}\(|["']java\.lang\.(Runtime|ProcessBuilder)["']|getMethod\s{0,4}\(\s{0,4}["']getRuntime/
        $in = /request\s{0,4}\.\s{0,4}get(Parameter|Header|QueryString|InputStream|Reader)|\$\{\s{0,2}param\./
        $encoded = /\\u0052\\u0075\\u006e\\u0074\\u0069\\u006d\\u0065|\\u0065\\u0078\\u0065\\u0063/ nocase
    condition:
        $jsp and filesize < 300KB and uint32be(0) != 0x7f454c46 and ($direct or ($runtime and $in) or $encoded)
}

rule TR_WEBSHELL_0302_jsp_loads_class
{
    meta:
        id = "TR-WEBSHELL-0302"
        description = "A JSP page loads Java classes or scripts that the request brings"
        category = "web_shell"
        severity = "critical"
        confidence = 90
        attack = "T1505.003,T1620"
        reference = "https://github.com/rebeyond/Behinder"
        date = "2025-11-23"
        sample = "tr-webshell-0302.jsp"
    strings:
        $jsp = /<%[@!=\s]|<jsp:/ private
        $define = /defineClass\s{0,4}\(|["']defineClass["']/
        $loader = /extends\s{1,4}ClassLoader|URLClassLoader|AccessController|getSystemClassLoader|MethodHandles/
        $script = /getEngineByName\s{0,4}\([^;]{1,200}\.eval\s{0,4}\(|ScriptEngineManager/
        $elengine = /ELProcessor|ExpressionFactory|freemarker\.template\.utility\.Execute/
        $in = /request\s{0,4}\.\s{0,4}get(Parameter|Header|InputStream|Reader|Cookies)/
        $crypto = /javax\.crypto\.(Cipher|spec)|Base64|BASE64Decoder/
    condition:
        $jsp and filesize < 300KB and uint32be(0) != 0x7f454c46 and $in and (($define and ($loader or $crypto)) or $script or $elengine)
}

rule TR_WEBSHELL_0303_jsp_writes_file
{
    meta:
        id = "TR-WEBSHELL-0303"
        description = "A small JSP page writes a file that the request names and fills, or is a known shell"
        category = "web_shell"
        severity = "high"
        confidence = 80
        attack = "T1505.003,T1105"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2025-11-23"
        sample = "tr-webshell-0303.jsp"
    strings:
        $jsp = /<%[@!=\s]|<jsp:/ private
        $write = /new\s{1,4}(java\.io\.)?(FileOutputStream|FileWriter|RandomAccessFile)\s{0,4}\([^;]{0,120}request\.getParameter/
        $write2 = /(FileOutputStream|FileWriter|PrintWriter|BufferedWriter)\s{0,4}\(/
        $bytes = /request\.getParameter\s{0,4}\([^;]{1,30}\)\s{0,4}\.getBytes|\.write\s{0,4}\(\s{0,4}request\.getParameter/
        $known = /JspSp[y]|JFolde[r]|JspWebshel[l]|JSP ?Backdoor|Browser\.js[p]|JspDo Cod[e]|pwnshel[l]/ nocase
    condition:
        $jsp and filesize < 300KB and uint32be(0) != 0x7f454c46 and ($write or ($write2 and $bytes and filesize < 6KB) or $known)
}

rule TR_WEBSHELL_0304_asp_executes_request
{
    meta:
        id = "TR-WEBSHELL-0304"
        description = "An ASP page executes code or a command from the request"
        category = "web_shell"
        severity = "critical"
        confidence = 90
        attack = "T1505.003,T1059"
        reference = "https://learn.microsoft.com/previous-versions/windows/internet-information-services/ms524988(v=vs.90)"
        date = "2025-11-23"
        sample = "tr-webshell-0304.asp"
    strings:
        $tag = /<%|<script[^>\n]{0,60}runat/ nocase private
        $eval = /\b(eval|execute|executeglobal)[\s(]{1,4}[^\n%]{0,40}\brequest\b\s{0,4}[.(\["]/ nocase
        $aspx = /\beval\s{0,4}\(\s{0,4}Request\s{0,4}[.\[(]|Assembly\.Load\s{0,4}\([^;]{0,120}(Request|TransformFinalBlock|FromBase64String)/ nocase
        $process = /(ProcessStartInfo|System\.Diagnostics\.Process|Process\.Start|UseShellExecute)/ nocase
        $wscript = /WScript\.Shell|Shell\.Application|clsid:72C24DD5-D70A-438B-8A42-98424B88AFB8|clsid:F935DC22/ nocase
        $run = /\.\s{0,2}(exec|run|ShellExecute)\s{0,2}\(|cmd(\.exe)?\s{0,2}\/c|RedirectStandardOutput/ nocase
        $in = /\bRequest\s{0,4}[.(\[]/ nocase
        $known = /aspxsp[y]|ASPYDrvsInf[o]|zehirhacke[r]|RHTOOLS 1\.[5]|NTDaddy [v]|Bin_Button_CreateDi[r]/ nocase
        $encoded = /language\s?=\s?["']?(vbscript|jscript)\.encode/ nocase
    condition:
        $tag and filesize < 500KB and uint32be(0) != 0x7f454c46 and ($eval or $aspx or $known or ($in and $run and ($process or $wscript)) or $encoded)
}

rule TR_WEBSHELL_0305_perl_cgi_shell
{
    meta:
        id = "TR-WEBSHELL-0305"
        description = "A CGI script executes a command from the request"
        category = "web_shell"
        severity = "high"
        confidence = 80
        attack = "T1505.003,T1059"
        reference = "https://attack.mitre.org/techniques/T1505/003/"
        date = "2025-11-23"
        sample = "tr-webshell-0305.pl"
    strings:
        $perl = /^#!.{0,40}(perl|python)/ private
        $cgi = /Content-type:\s?text\/html/ nocase private
        $in = /QUERY_STRING|\bparam\s{0,2}\(|CONTENT_LENGTH|FieldStorage/
        $run = /\bsystem\s{0,2}\(\s{0,2}["']?\$|`\$\w{1,20}`|open\s{0,2}\(\s{0,2}\w{1,20}\s{0,2},\s{0,2}["'][^"'\n]{0,40}\$\w{1,20}[^"'\n]{0,20}\|["']|os\.popen\s{0,2}\(\s{0,2}\w|subprocess\.\w{3,12}\s{0,2}\(\s{0,2}(cmd|command|form)|qx[{(\/]\s?\$/ nocase
        $known = /CGI-Telnet Version|Gamma Web Shell|cgitelnet|Rohitab Batra/ nocase
    condition:
        filesize < 300KB and (($perl and $cgi and $in and $run) or ($known and ($perl or $cgi)))
}

rule TR_WEBSHELL_0401_prepended_file
{
    meta:
        id = "TR-WEBSHELL-0401"
        description = "The web server is told to run a hidden, temporary or image file before each page"
        category = "persistence"
        severity = "high"
        confidence = 85
        attack = "T1505.003,T1546"
        reference = "https://www.php.net/manual/en/ini.core.php#ini.auto-prepend-file"
        date = "2025-11-23"
        sample = "tr-webshell-0401.htaccess"
        sample_path = "/var/www/html/.htaccess"
    strings:
        $odd = /auto_(prepend|append)_file[\s="']{1,8}[^\s"']{0,120}(\/tmp\/|\/dev\/shm\/|\/var\/tmp\/|\/\.[^\s"'\/]{1,40}|\.(ico|png|jpe?g|gif|bmp|txt|css|js|tmp|log|dat)\b|php:\/\/|data:|https?:)/ nocase
    condition:
        $odd and filesize < 100KB and (triage_place contains " htaccess " or triage_place contains " ini " or triage_place contains " conf ")
}

rule TR_WEBSHELL_0402_prepended_file_plain
{
    meta:
        id = "TR-WEBSHELL-0402"
        description = "A folder's own settings run a file before or after each page; firewalls for web applications do so too"
        category = "persistence"
        severity = "low"
        confidence = 40
        attack = "T1505.003,T1546"
        reference = "https://www.php.net/manual/en/configuration.file.per-user.php"
        date = "2025-11-23"
        sample = "tr-webshell-0402.ini"
        sample_path = "/var/www/html/.user.ini"
    strings:
        $set = /(^|\n)[^;#\n]{0,40}auto_(prepend|append)_file[\s="']{1,8}[^\s"';]{2,120}/ nocase
        $none = /auto_(prepend|append)_file[\s="']{1,8}none/ nocase private
    condition:
        $set and not $none and filesize < 100KB and triage_place contains " htaccess "
}

rule TR_WEBSHELL_0403_image_runs_as_php
{
    meta:
        id = "TR-WEBSHELL-0403"
        description = "The web server is told to run images or text files as PHP"
        category = "persistence"
        severity = "high"
        confidence = 85
        attack = "T1505.003,T1036.008"
        reference = "https://httpd.apache.org/docs/2.4/mod/mod_mime.html#addtype"
        date = "2025-11-23"
        sample = "tr-webshell-0403.htaccess"
        sample_path = "/var/www/html/.htaccess"
    strings:
        $type = /(^|\n)\s{0,8}(AddType|AddHandler)\s{1,8}["']?[\w\/.:-]{0,40}php[\w.-]{0,20}["']?[^\n]{0,60}\.?\b(ico|png|jpe?g|gif|bmp|webp|svg|txt|css|js|log|dat|zip|pdf)\b/ nocase
        $files = /<(Files|FilesMatch)\s[^>\n]{0,80}\b(ico|png|jpe?g|gif|bmp|webp|txt|css|log|dat|pdf)\b[^>\n]{0,40}>\s{0,40}(SetHandler|ForceType)\s{1,8}["']?[\w\/.:-]{0,40}php/ nocase
        $self = /<(Files|FilesMatch)\s[^>\n]{0,20}\.ht[^>\n]{0,20}>[^<]{0,160}(SetHandler|ForceType)\s{1,8}["']?[\w\/.:-]{0,40}php/ nocase
        $stuff = /(^|\n)\s{0,8}#.{0,8}<\?(php|=)/ nocase
        $add = /(^|\n)\s{0,8}(AddType|AddHandler)\s{1,8}["']?[\w\/.:-]{0,40}php[^\n]{0,40}\.ht/ nocase
    condition:
        filesize < 100KB and (triage_place contains " htaccess " or triage_place contains " conf ") and any of ($type, $files, $self, $stuff, $add)
}

rule TR_WEBSHELL_0404_php_behind_program_magic
{
    meta:
        id = "TR-WEBSHELL-0404"
        description = "A file with a PHP name begins like a machine program and goes on as PHP: the other rules leave programs out"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003,T1036.008"
        reference = "https://www.php.net/manual/en/language.basic-syntax.phptags.php"
        date = "2025-11-23"
        sample = "tr-webshell-0404.php"
    strings:
        $tag = /<\?(php[\s\/]|=)/ nocase
    condition:
        uint32be(0) == 0x7f454c46 and $tag and triage_place contains " php "
}
