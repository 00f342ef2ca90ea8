// Published indicators of the campaigns against FreePBX and its relatives.
//
// One letter of each fixed text stands in brackets, so that this file itself has none of them. Addresses count only where something is fetched from them or
// sent there: those who clean up write the same addresses into firewall rules.

private rule text_not_log
{
    condition:
        filesize < 20MB and uint32be(0) != 0x7f454c46 and not triage_place contains " log "
}

rule TR_FREEPBX_0001_jomangy
{
    meta:
        id = "TR-FREEPBX-0001"
        description = "A web shell of the JOMANGY campaign against FreePBX"
        category = "web_shell"
        severity = "critical"
        confidence = 98
        attack = "T1505.003"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0001.php"
    strings:
        $watermark = /trace_e1ebf9066a951be519a2414071183[9]ea/
        $button = /(name|value|id)\s{0,2}=\s{0,2}\\?["']?JOMANG[Y]\b/
        $parameter = /\[\s{0,2}["']JOMANG[Y]["']\s{0,2}\]/
        $dead = /deadcode_anti_a[v]/
    condition:
        text_not_log and any of ($*)
}

rule TR_FREEPBX_0002_encystphp
{
    meta:
        id = "TR-FREEPBX-0002"
        description = "The EncystPHP web shell"
        category = "web_shell"
        severity = "critical"
        confidence = 98
        attack = "T1505.003"
        reference = "Fortinet, Unveiling the Weaponized Web Shell EncystPHP, 2026-01"
        date = "2026-01-31"
        sample = "tr-freepbx-0002.php"
    strings:
        $marker = /bm2cjjnRXac1WW3KT7k6MKT[R]/
        $victim = /\bVictamPb[x]\b/
        $title = /<title>\s{0,4}Ask Maste[r]\s{0,4}<\/title>/ nocase
    condition:
        text_not_log and any of ($*)
}

rule TR_FREEPBX_0003_zenharr_password
{
    meta:
        id = "TR-FREEPBX-0003"
        description = "The password hash of a web shell seen on FreePBX hosts"
        category = "web_shell"
        severity = "critical"
        confidence = 95
        attack = "T1505.003"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/; SANS ISC diary 32892, 2026-04-13"
        date = "2026-05-21"
        sample = "tr-freepbx-0003.php"
    strings:
        $hash = /["'](b92c65af386ed772972b43cab0d55a4[a]|bfcedbc1831779921a0ee2cfaee004f[2]|cf710203400b8c466e6dfcafcf36a41[1]|ec4ca4db5ec0b782e51224fa7082ac0[6]|a8b65af6c142736ccf80420e44df240[f])["']/
        $php = /<\?(php|=|\s)/ nocase private
    condition:
        text_not_log and $php and $hash
}

rule TR_FREEPBX_0004_md5_door
{
    meta:
        id = "TR-FREEPBX-0004"
        description = "A PHP door that the request parameter md5 opens, as the ZenharR shells have it"
        category = "web_shell"
        severity = "critical"
        confidence = 90
        attack = "T1505.003"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0004.php"
    strings:
        $door = /md5\s{0,2}\(\s{0,2}@?\$_(REQUEST|GET|POST)\s{0,2}\[\s{0,2}["']md5["']\s{0,2}\]\s{0,2}\)\s{0,2}[=!]==?/ nocase
    condition:
        text_not_log and $door
}

rule TR_FREEPBX_0005_command_server
{
    meta:
        id = "TR-FREEPBX-0005"
        description = "Something is fetched from, or sent to, a server of a campaign against FreePBX"
        category = "persistence"
        severity = "critical"
        confidence = 95
        attack = "T1105,T1071.001"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/; The Hacker News, 2026-02-27; community clean-up scripts, 2021 to 2022"
        date = "2026-05-21"
        sample = "tr-freepbx-0005.cron"
        sample_path = "/var/spool/cron/root"
    strings:
        $url = /(https?:\/\/|\/dev\/(tcp|udp)\/|ftp:\/\/|tftp:\/\/|fsockopen\s{0,2}\(\s{0,2}["'](tcp:\/\/)?)(45\.95\.147\.178|45\.234\.176\.202|160\.119\.76\.250|160\.119\.69\.4|85\.195\.233\.39|37\.49\.230\.74|77\.247\.108\.81|77\.247\.108\.42|212\.83\.160\.70|crm\.razatelefonia\.pro)\b/ nocase
        $get = /\b(wget|curl|nc|ncat)\s[^\n]{0,80}\s(45\.95\.147\.178|45\.234\.176\.202|160\.119\.76\.250|160\.119\.69\.4|85\.195\.233\.39|37\.49\.230\.74|77\.247\.108\.81|77\.247\.108\.42|212\.83\.160\.70|crm\.razatelefonia\.pro)\b/ nocase
    condition:
        text_not_log and any of ($*)
}

rule TR_FREEPBX_0006_beacon_in_asterisk_bin
{
    meta:
        id = "TR-FREEPBX-0006"
        description = "The beacons zen2 and devnull of the FreePBX campaigns are fetched, started or watched"
        category = "persistence"
        severity = "critical"
        confidence = 95
        attack = "T1053.003,T1105"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0006.cron"
        sample_path = "/var/spool/cron/asterisk"
    strings:
        $path = /\/var\/lib\/asterisk\/bin\/(zen2(22)?|devnull[23]?(12)?)\b/
        $watch = /pgrep\s[^\n]{0,20}(zen2|devnull2)/
    condition:
        text_not_log and any of ($*)
}

rule TR_FREEPBX_0007_hidden_crontab_copies
{
    meta:
        id = "TR-FREEPBX-0007"
        description = "The hidden copies from which an intruder's crontab is restored"
        category = "persistence"
        severity = "critical"
        confidence = 90
        attack = "T1053.003,T1564.001"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0007.sh"
    strings:
        $p1 = /\/usr\/lib\/\.systemd\/\.cach[e]\b/
        $p2 = /\/usr\/share\/\.fonts\/\.confi[g]\b/
        $p3 = /\/var\/lib\/\.dbus\/\.dat[a]\b/
        $p4 = /\/var\/tmp\/\.X11\/\.Xauthorit[y]\b/
        $p5 = /\/opt\/\.local\/\.bashr[c]\b/
        $p6 = /\/var\/cache\/\.fontconfig\/\.cf[g]\b/
        $p7 = /\/etc\/\.ssl\/\.cer[t]\b/
        $p8 = /\/root\/\.config\/\.pre[f]\b/
        $stage1 = /\/dev\/shm\/\.systemd\/kerne[l]\b/
        $stage2 = /\/tmp\/\.cache\/updat[e]\b/
        $crontab = /\bcrontab\b|\/var\/spool\/cron/ private
    condition:
        text_not_log and (2 of them and ($crontab or 2 of ($p*) or all of ($stage*)))
}

rule TR_FREEPBX_0008_planted_password
{
    meta:
        id = "TR-FREEPBX-0008"
        description = "The password hash that the FreePBX campaigns give to the accounts they plant"
        category = "account"
        severity = "critical"
        confidence = 98
        attack = "T1136.001,T1098"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0008.shadow"
        sample_path = "/tmp/x"
    strings:
        $md5crypt = /\$1\$nRz1Cbtk\$6DnGs37n\.OpPcgejUfp9p[.]/
        $des = /\bueteGJYCHeMT[k]\b/
    condition:
        not triage_place contains " account " and text_not_log and any of ($*)
}

rule TR_FREEPBX_0009_planted_administrator
{
    meta:
        id = "TR-FREEPBX-0009"
        description = "The administrator that the FreePBX campaigns plant in the database"
        category = "account"
        severity = "critical"
        confidence = 95
        attack = "T1136"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0009.sql"
    strings:
        $sha1 = /6ea9c6d2d932532a4cd44c7974fb1a0a87dbfcf[9]/
        $insert = /(INSERT\s{1,4}INTO\s{1,4}`?ampusers`?|UPDATE\s{1,4}`?ampusers`?)[^;\n]{0,300}["']freepbxuser[s]["']/ nocase
    condition:
        not triage_place contains " log " and uint32be(0) != 0x7f454c46 and any of ($*)
}

rule TR_FREEPBX_0010_accounts_of_the_campaign
{
    meta:
        id = "TR-FREEPBX-0010"
        description = "A script makes the accounts of the FreePBX campaigns"
        category = "account"
        severity = "critical"
        confidence = 90
        attack = "T1136.001"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0010.sh"
    strings:
        $make = /\b(useradd|adduser|usermod)\s[^\n]{0,120}\b(newfpbxs?|xhimax|sugarmaint|supermaint|spamfilter|freepbx_svc|svc_freepbx)\b/
        $line = /\b(newfpbxs?|xhimax|sugarmaint|supermaint|emo|hima|juba|abort):[^:\n]{0,120}:0:0:/
        $password = /\b(chpasswd|passwd)\s[^\n]{0,60}\b(newfpbxs?|xhimax|sugarmaint|supermaint)\b|\b(newfpbxs?|xhimax|sugarmaint|supermaint):[^\n]{1,80}\|\s{0,4}chpasswd/
    condition:
        not triage_place contains " account " and text_not_log and any of ($*)
}

rule TR_FREEPBX_0011_call_shell
{
    meta:
        id = "TR-FREEPBX-0011"
        description = "A page that places calls for whoever asks: toll fraud"
        category = "toll_fraud"
        severity = "critical"
        confidence = 90
        attack = "T1505.003,T1496"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0011.php"
    strings:
        $originate = /channel originate local\/[^\n;]{0,120}(\$|application)/ nocase
        $ami = /Action:\s{0,2}Originate[^;]{0,200}\$_(GET|POST|REQUEST)\b/ nocase
        $in = /\$_(GET|POST|REQUEST|COOKIE)\b/ private
        $run = /[^\w>:$](system|exec|shell_exec|passthru|popen|proc_open)\s{0,4}\(|`asterisk/ nocase private
        $escape = /escapeshellarg\s{0,2}\(/ nocase private
    condition:
        text_not_log and (($originate and $in and $run and not $escape) or $ami)
}

rule TR_FREEPBX_0012_forged_admin_session
{
    meta:
        id = "TR-FREEPBX-0012"
        description = "A script outside the framework makes itself a FreePBX administrator session"
        category = "web_shell"
        severity = "high"
        confidence = 80
        attack = "T1550.004,T1505.003"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0012.php"
    strings:
        $user = /new\s{1,4}\\?ampuser\s{0,2}\(/ nocase
        $admin = /->\s{0,2}setAdmin\s{0,2}\(\s{0,2}\)/ nocase
        $session = /\$_SESSION\s{0,2}\[\s{0,2}["']AMP_user["']\s{0,2}\]\s{0,2}=/ nocase
        $hand = /[^\w>:$](eval|system|exec|shell_exec|passthru|base64_decode|md5)\s{0,4}\(\s{0,4}@?\$_(GET|POST|REQUEST|COOKIE)|\$_REQUEST\s{0,2}\[\s{0,2}["'](md5|cmd|prs|call)["']/ nocase
    condition:
        text_not_log and filesize < 200KB and $user and ($admin or $session) and $hand
}

rule TR_FREEPBX_0013_hunts_rivals
{
    meta:
        id = "TR-FREEPBX-0013"
        description = "A script that looks for the shells of rival intruders"
        category = "web_shell"
        severity = "high"
        confidence = 85
        attack = "T1505.003"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0013.sh"
    strings:
        $r1 = /\bNew-Pb[x]\b/
        $r2 = /Emad__Was__Her[e]/
        $r3 = /\bt3rr0[r]\b/
        $r4 = /\bb374[k]\b/
        $r5 = /Black Ban V1\.0[1]/
        $r6 = /FaTaLisTiCz_F[x]/
        $r7 = /\bb3d0[r]\b/
        $r8 = /\byokyo[k]\b/
        $r9 = /\bnahd[a]\b/
        $r10 = /\bblue[j]\b/
    condition:
        text_not_log and 4 of them
}

rule TR_FREEPBX_0014_rivals_mark
{
    meta:
        id = "TR-FREEPBX-0014"
        description = "The mark of an intruder known from FreePBX hosts, in PHP"
        category = "web_shell"
        severity = "high"
        confidence = 80
        attack = "T1505.003"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0014.php"
    strings:
        $emad = /Emad__Was__Her[e]/
        $ban = /Black Ban V1\.0[1]/
        $mafia = /session_name\s{0,2}\(\s{0,2}["']MAFI[A]["']/
        $bedor = /\b(b3d0[r]|yokyo[k])\b/
        $php = /<\?(php|=|\s)/ nocase private
    condition:
        text_not_log and $php and any of ($emad, $ban, $mafia, $bedor)
}

rule TR_FREEPBX_0015_everything_to_config_php
{
    meta:
        id = "TR-FREEPBX-0015"
        description = "Every request to a folder is sent to config.php, as the FreePBX campaigns do for their shells"
        category = "persistence"
        severity = "high"
        confidence = 85
        attack = "T1505.003"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0015.htaccess"
        sample_path = "/var/www/html/admin/assets/.htaccess"
    strings:
        $rule = /(^|\n)\s{0,8}RewriteRule\s{1,8}["']?(\.\*|\^\.\*\$|\^\(\.\*\)\$|\(\.\*\))["']?\s{1,8}["']?\/?(config|ajax|some|h)\.php/ nocase
    condition:
        $rule and filesize < 50KB and triage_place contains " htaccess "
}

rule TR_FREEPBX_0016_ha_trigger
{
    meta:
        id = "TR-FREEPBX-0016"
        description = "The root helper for high availability is used to gain root"
        category = "persistence"
        severity = "high"
        confidence = 80
        attack = "T1068,T1546"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0016.sh"
    strings:
        $license = /freepbx_ha\/license\.php/
        $trigger = /(echo|touch|printf|cp|tee|>|fopen|file_put_contents)[^\n]{0,120}\/usr\/local\/asterisk\/ha_triggers?\b/
        $account = /\b(useradd|usermod|chpasswd|chattr|chmod\s{1,4}[ug0-9]{1,2}\+?s|4755|authorized_keys|\/etc\/(passwd|shadow|sudoers))\b/
        $write = /(wget|curl|echo|cp|tee|file_put_contents|mkdir)\b[^\n]{0,200}freepbx_ha\/license\.php/
    condition:
        text_not_log and filesize < 1MB and ($write or ($trigger and ($license or $account)))
}

rule TR_FREEPBX_0017_shell_written_to_web_root
{
    meta:
        id = "TR-FREEPBX-0017"
        description = "A command decodes text into a PHP file in the web root, as exploits of the endpoint module leave it in the database"
        category = "exploitation"
        severity = "critical"
        confidence = 90
        attack = "T1190,T1505.003"
        reference = "GHSA-m42g-xg4c-5f3h (CVE-2025-57819); metasploit-framework pull request 20559"
        date = "2025-09-01"
        sample = "tr-freepbx-0017.sql"
    strings:
        $write = /(echo|printf)\s{1,4}(-n\s{1,2})?\\?["']?[\w+\/=]{20,8000}\\?["']?\s{0,4}\|\s{0,4}base64\s{1,4}(-d|-di|--decode)\s{0,4}>{1,2}\s{0,4}\\?["']?\/var\/www\/[\w.\/-]{1,120}\.ph(p|tml)/
    condition:
        $write and not triage_place contains " log " and uint32be(0) != 0x7f454c46
}

rule TR_FREEPBX_0018_endpoint_shut
{
    meta:
        id = "TR-FREEPBX-0018"
        description = "A script shuts the endpoint module against rivals"
        category = "tampering"
        severity = "high"
        confidence = 85
        attack = "T1562"
        reference = "Fortinet, Unveiling the Weaponized Web Shell EncystPHP, 2026-01"
        date = "2026-01-31"
        sample = "tr-freepbx-0018.sh"
    strings:
        $chmod = /chmod\s{1,4}0{1,4}\s[^\n]{0,120}\/endpoint\/ajax\.ph[p]/
        $delete = /fwconsole\s{1,4}ma\s{1,4}(uninstall|delete|remove)\s{1,4}endpoint[^\n]{0,200}(wget|curl|k\.php|\/tmp\/|>\s{0,2}\/dev\/null)/
    condition:
        text_not_log and any of ($*)
}

rule TR_FREEPBX_0019_traces_cut_from_logs
{
    meta:
        id = "TR-FREEPBX-0019"
        description = "A script cuts the traces of an exploit out of the web server's logs"
        category = "tampering"
        severity = "high"
        confidence = 90
        attack = "T1070.002"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0019.sh"
    strings:
        $cut = /\bsed\s{1,4}-i[^\n]{0,30}["']?\/[^\/\n]{3,60}\/d["']?\s[^\n]{0,80}\/var\/log\/(httpd|apache2|nginx|asterisk)/
    condition:
        text_not_log and $cut
}

rule TR_FREEPBX_0020_issabel_sister
{
    meta:
        id = "TR-FREEPBX-0020"
        description = "The sister campaign against Issabel"
        category = "persistence"
        severity = "critical"
        confidence = 90
        attack = "T1098.004,T1136.001"
        reference = "https://github.com/Gabrielvix/issabel-security-fix"
        date = "2026-05-01"
        sample = "tr-freepbx-0020.keys"
        sample_path = "/root/.ssh/authorized_keys"
    strings:
        $key = /\bt3rr0r@privat[e]\b/
        $dialplan = /\bthanku-outcal[l]\b/
        $fetch = /\/r\/(postroot|searchshells)\.s[h]\b|\/t\/cmd\.tx[t]\b/
        $user = /(^|\n)abort:[^:\n]{0,60}:0:0:/
        $startup = /startup\.d\/postroot\.s[h]\b/
    condition:
        // The framework's own install.php names the dial plan that it removes.
        text_not_log and (any of ($key, $fetch, $user, $startup) or ($dialplan and not triage_place contains " php "))
}

rule TR_FREEPBX_0021_dialplan_fetches
{
    meta:
        id = "TR-FREEPBX-0021"
        description = "The dial plan runs a shell command that fetches or decodes something"
        category = "persistence"
        severity = "high"
        confidence = 80
        attack = "T1546,T1105"
        reference = "SANS ISC diary 32892, 2026-04-13; https://docs.asterisk.org/Latest_API/API_Documentation/Dialplan_Applications/System/"
        date = "2026-04-13"
        sample = "tr-freepbx-0021.conf"
        sample_path = "/etc/asterisk/extensions_custom.conf"
    strings:
        $system = /\b(System|TrySystem|SHELL)\s{0,2}\(\s{0,2}[^\n]{0,160}(\b(wget|curl)\s[^\n]{0,80}https?:\/\/|base64\s{1,2}(-d|--decode)|\/dev\/tcp\/|\bnc\s[^\n]{0,40}-e\b)/
        $asterisk = /(^|\n)\s{0,4}(exten\s{0,2}=>?|same\s{0,2}=>?|\[[\w-]{2,60}\])|Application:\s{0,2}system/ nocase private
    condition:
        text_not_log and $asterisk and $system
}

rule TR_FREEPBX_0022_rivals_shut_out
{
    meta:
        id = "TR-FREEPBX-0022"
        description = "Firewall rules against the servers of several campaigns: an intruder's script, or a careful administrator"
        category = "tampering"
        severity = "medium"
        confidence = 50
        attack = "T1562.004"
        reference = "Cyble, JOMANGY, 2026-05-21, https://cyble.com/blog/"
        date = "2026-05-21"
        sample = "tr-freepbx-0022.sh"
    strings:
        $a1 = "62.171.157.156" fullword
        $a2 = "178.214.77.7" fullword
        $a3 = "45.234.176.202" fullword
        $a4 = "46.37.21.63" fullword
        $a5 = "162.217.98.180" fullword
        $a6 = "172.93.111.169" fullword
        $a7 = "107.191.47.36" fullword
        $a8 = "3.89.108.204" fullword
        $a9 = "37.252.64.234" fullword
        $a10 = "202.170.120.157" fullword
        $a11 = "111.223.32.50" fullword
        $drop = /-j\s{1,4}(DROP|REJECT)\b/ private
    condition:
        text_not_log and $drop and 4 of ($a*)
}
