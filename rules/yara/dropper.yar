// Droppers, reverse shells and miners, in scripts, crontabs, profiles and configuration: text, never machine code.

private rule text_not_log
{
    condition:
        filesize < 5MB and uint32be(0) != 0x7f454c46 and not triage_place contains " log "
}

private rule started_by_itself
{
    // Crontabs, profiles, boot scripts, units: what runs without anybody asking.
    condition:
        triage_place contains " startup "
}

rule TR_DROPPER_0001_reverse_shell_dev_tcp
{
    meta:
        id = "TR-DROPPER-0001"
        description = "A shell is joined to a network address through /dev/tcp"
        category = "persistence"
        severity = "high"
        confidence = 85
        attack = "T1059.004,T1095"
        reference = "https://www.gnu.org/software/bash/manual/html_node/Redirections.html"
        date = "2025-11-23"
        sample = "tr-dropper-0001.sh"
    strings:
        $interactive = /\b(ba|z|k|da)?sh\s{1,4}-i\s{0,4}(>|[0-9&]{1,2}>)\s{0,4}[>&]{0,2}\s{0,4}\/dev\/(tcp|udp)\/[\w$.{]{3,60}\/[\d${]/
        $descriptor = /exec\s{1,4}\d{1,3}<>\s{0,4}\/dev\/(tcp|udp)\/\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\//
        $back = /\/dev\/(tcp|udp)\/\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}\/\d{1,5}[^\n]{0,20}0[<>]&1/
    condition:
        text_not_log and any of ($*)
}

rule TR_DROPPER_0002_reverse_shell_netcat
{
    meta:
        id = "TR-DROPPER-0002"
        description = "A shell is joined to the network with netcat, socat or a named pipe"
        category = "persistence"
        severity = "high"
        confidence = 80
        attack = "T1059.004,T1095"
        reference = "https://man7.org/linux/man-pages/man1/ncat.1.html"
        date = "2025-11-23"
        sample = "tr-dropper-0002.sh"
    strings:
        $execute = /\b(nc|ncat|netcat|nc\.traditional|busybox nc)\s[^\n|;]{0,80}\s-{1,2}(e|c|exec|sh-exec)\s{1,4}["']?(\/usr)?\/?(bin\/)?(ba|da|z)?sh\b/
        $fifo = /mk(fifo|nod)\s[^\n;&|]{1,60}[;&|]{1,2}[^\n]{0,80}(\/bin\/|\b)(ba)?sh\s{1,4}-i[^\n]{0,40}\|\s{0,4}(nc|ncat|netcat|openssl s_client|telnet)\b/
        // A script of nmap's own, with such a command line in its manual.
        $nmap = "irc-unrealircd-backdoor.command" private
        $socat = /socat\s[^\n]{0,80}exec:["']?(\/bin\/)?(ba)?sh\b[^\n]{0,60}(pty|tcp)/ nocase
    condition:
        text_not_log and any of ($execute, $fifo, $socat) and not $nmap
}

rule TR_DROPPER_0003_reverse_shell_script
{
    meta:
        id = "TR-DROPPER-0003"
        description = "A one-line script joins a network socket to a shell"
        category = "persistence"
        severity = "high"
        confidence = 80
        attack = "T1059.006,T1095"
        reference = "https://pentestmonkey.net/cheat-sheet/shells/reverse-shell-cheat-sheet"
        date = "2025-11-23"
        sample = "tr-dropper-0003.sh"
    strings:
        $python = /socket\.socket\s{0,2}\([^\n]{0,160}\.connect\s{0,2}\([^\n]{0,120}(os\.dup2|pty\.spawn)[^\n]{0,200}(\/bin\/(ba|da)?sh|["']sh["'])/
        $python_dup = /os\.dup2\s{0,2}\(\s{0,2}\w{1,12}\.fileno\s{0,2}\(\s{0,2}\)\s{0,2},\s{0,2}[012]\s{0,2}\)/
        $python_run = /(subprocess\.(call|Popen|run)\s{0,2}\(\s{0,2}\[?|pty\.spawn\s{0,2}\(\s{0,2}\[?|os\.(execl|system)\s{0,2}\(\s{0,2})["'](\/bin\/)?(ba|da)?sh["']/
        $perl = /use\s{1,4}Socket\b[^\n]{0,260}open\s{0,2}\(?\s{0,2}STDIN\s{0,2},\s{0,2}["']?[<>+]{1,2}&/
        $perl_std = /open\s{0,2}\(\s{0,2}STDIN\s{0,2},\s{0,2}["']?[<>+]{0,2}&(\w{1,12})/
        $perl_exec = /\b(exec|system)\s{0,2}[({]\s{0,2}["'](\/bin\/)?(ba)?sh\b[^\n]{0,20}["']/
        $perl_socket = /\bsocket\s{0,2}\(\s{0,2}\w{1,12}\s{0,2},\s{0,2}&?PF_INET/
        $ruby = /TCPSocket\.(new|open)\s{0,2}\([^\n]{0,120}(exec|IO\.popen|sprintf\(["']\/bin)/
        $php = /php\s{1,4}-r\s[^\n]{0,40}fsockopen\s{0,2}\([^\n]{0,120}\/bin\/(ba)?sh|php\s{1,4}-r\s[^\n]{0,40}fsockopen\s{0,2}\([^\n]{0,120}\bsh -i/
    condition:
        text_not_log and filesize < 1MB and
        ($python or ($python_dup and $python_run) or $perl or ($perl_std and $perl_exec and $perl_socket) or $ruby or $php)
}

rule TR_DROPPER_0004_decoded_text_to_shell
{
    meta:
        id = "TR-DROPPER-0004"
        description = "Encoded text is decoded and run by a shell"
        category = "persistence"
        severity = "high"
        confidence = 80
        attack = "T1027,T1140,T1059.004"
        reference = "https://attack.mitre.org/techniques/T1140/"
        date = "2025-11-23"
        sample = "tr-dropper-0004.cron"
        sample_path = "/var/spool/cron/root"
    strings:
        $echo = /(echo|printf)\s{1,4}(-n\s{1,2}|-e\s{1,2})?["']?[\w+\/=]{16,8000}["']?\s{0,4}\|\s{0,4}base64\s{1,4}(-d|-di|-D|--decode)\s{0,4}\|\s{0,4}(sudo\s)?(\/bin\/|\/usr\/bin\/)?(ba|da|z)?sh\b/
        $here = /base64\s{1,4}(-d|-di|-D|--decode)\s{0,4}<<<\s{0,4}["']?[\w+\/=]{16,8000}["']?\s{0,4}\|\s{0,4}(\/bin\/)?(ba)?sh\b|(ba)?sh\s{1,4}-c\s{1,4}["']?\$\((echo|printf)\s{1,4}["']?[\w+\/=]{16,8000}["']?\s{0,4}\|\s{0,4}base64/
        $python = /python[\d.]{0,4}\s{1,4}-c\s{1,4}["'][^\n]{0,60}exec\s{0,2}\([^\n]{0,60}(b64decode|fromhex|urlopen)\s{0,2}\(/
        $perl = /perl\s{1,4}-M(MIME::Base64|IO::Socket)[^\n]{0,40}\s-e\s[^\n]{0,40}(eval|decode_base64|->new)/
    condition:
        text_not_log and any of ($*)
}

rule TR_DROPPER_0005_download_to_shell_at_start
{
    meta:
        id = "TR-DROPPER-0005"
        description = "A crontab, profile or boot script downloads something and runs it"
        category = "persistence"
        severity = "high"
        confidence = 85
        attack = "T1053.003,T1105,T1546.004"
        reference = "https://attack.mitre.org/techniques/T1053/003/"
        date = "2025-11-23"
        sample = "tr-dropper-0005.cron"
        sample_path = "/var/spool/cron/crontabs/asterisk"
    strings:
        $pipe = /\b(wget|curl|fetch|lwp-download)\s[^\n|;]{0,200}\|\s{0,4}(sudo\s)?(\/bin\/|\/usr\/bin\/)?(ba|da|z)?sh\b/
        $then = /\b(wget|curl)\s[^\n;&|]{0,200}(-O|-o|>)\s{0,4}["']?(\/[^\s;&|"']{2,80})["']?\s{0,4}(;|&&|\|\|)[^\n]{0,60}\b((ba|da)?sh\s|chmod\s|\.\/|php\s|perl\s|python)/
        $substitute = /((ba)?sh\s{1,4}-c\s{1,4}["']?\$\(|(ba)?sh\s{1,4}<\(|eval\s{1,4}["']?[$`]\(?)\s{0,4}(wget|curl)\s/
        $setsid = /(setsid|nohup)\s{1,4}(wget|curl)\s[^\n]{0,120}https?:\/\//
    condition:
        text_not_log and started_by_itself and any of ($*)
}

rule TR_DROPPER_0006_download_from_address_to_shell
{
    meta:
        id = "TR-DROPPER-0006"
        description = "A script downloads from a bare network address and runs what it got"
        category = "persistence"
        severity = "high"
        confidence = 75
        attack = "T1105,T1059.004"
        reference = "https://attack.mitre.org/techniques/T1105/"
        date = "2025-11-23"
        sample = "tr-dropper-0006.sh"
    strings:
        $pipe = /\b(wget|curl)\s[^\n|;]{0,120}(https?:\/\/|\s)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}[:\/][^\n|;]{0,120}\|\s{0,4}(sudo\s)?(\/bin\/|\/usr\/bin\/)?(ba|da)?sh\b/
        $then = /\b(wget|curl)\s[^\n;&|]{0,100}\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}[:\/][^\n;&|]{0,120}(-O|-o|>)[^\n;&|]{1,100}(;|&&|\|\|)\s{0,4}((ba|da)?sh\s|chmod\s[^\n]{1,60}(;|&&)|\.\/|php\s|perl\s|python)/
        $nmap = "irc-unrealircd-backdoor.command" private
        $temporary = /\b(wget|curl)\s[^\n;&|]{0,160}(\/tmp\/|\/dev\/shm\/|\/var\/tmp\/)[^\n]{1,80}(;|&&)\s{0,4}chmod\s{1,4}(\+x|[0-7]{3,4}|[ugoa]{1,3}\+\w{0,2}x)\s[^\n]{1,80}(;|&&)\s{0,4}(nohup\s|setsid\s)?(\/tmp\/|\/dev\/shm\/|\/var\/tmp\/|\.\/)/
    condition:
        text_not_log and any of ($pipe, $then, $temporary) and not $nmap
}

rule TR_DROPPER_0007_hidden_program_at_start
{
    meta:
        id = "TR-DROPPER-0007"
        description = "A crontab, profile or boot script runs a program from a temporary or hidden place"
        category = "persistence"
        severity = "high"
        confidence = 75
        attack = "T1053.003,T1564.001"
        reference = "https://attack.mitre.org/techniques/T1564/001/"
        date = "2025-11-23"
        sample = "tr-dropper-0007.cron"
        sample_path = "/etc/cron.d/update"
    strings:
        $hidden = /(^|\n)[^#\n]{0,120}[\s;&|("'=](\/dev\/shm|\/tmp|\/var\/tmp)\/\.[\w.-]{1,40}(\/[\w.-]{1,40}){0,4}/
        $shm = /(^|\n)[^#\n]{0,120}[\s;&|("'=]\/dev\/shm\/[\w.-]{1,40}/
    condition:
        text_not_log and started_by_itself and filesize < 200KB and any of ($*)
}

rule TR_DROPPER_0008_miner
{
    meta:
        id = "TR-DROPPER-0008"
        description = "The settings or the command line of a coin miner"
        category = "persistence"
        severity = "high"
        confidence = 80
        attack = "T1496"
        reference = "https://xmrig.com/docs/miner/config"
        date = "2025-11-23"
        sample = "tr-dropper-0008.json"
    strings:
        $stratum = /stratum[+\d]{0,2}(tcp|ssl|tls)?:\/\/[\w.-]{3,80}:\d{2,5}/ nocase
        $donate = /["']?-{0,2}donate-level["']?[\s:=]{1,4}\d/
        $pools = /["'](pools|randomx|rig-id|nicehash|keepalive|coin)["']\s{0,4}:/
        $pool = /(pool\.(minexmr|supportxmr|hashvault|moneroocean)|xmrpool|minexmr|supportxmr|moneroocean|nanopool|2miners|c3pool|f2pool)\.\w{2,8}/ nocase
        $wallet = /["'\s=]4[0-9AB][1-9A-HJ-NP-Za-km-z]{93}["'\s.]/
        $program = /\b(xmrig|xmr-stak|minerd|cpuminer|kdevtmpfsi|kinsing|xmr_linux)\b/
    condition:
        text_not_log and filesize < 1MB and (($donate and ($pools or $pool or $stratum or $wallet)) or ($stratum and ($program or $pool or $wallet)) or ($program and $pool) or ($wallet and $pool))
}

rule TR_DROPPER_0009_history_and_log_wiper
{
    meta:
        id = "TR-DROPPER-0009"
        description = "A script wipes several system logs or the shell history"
        category = "tampering"
        severity = "high"
        confidence = 75
        attack = "T1070.002,T1070.003"
        reference = "https://attack.mitre.org/techniques/T1070/002/"
        date = "2025-11-23"
        sample = "tr-dropper-0009.sh"
    strings:
        $remove1 = /\b(rm\s{1,4}-r?fr?|shred|unlink|truncate)\s[^\n]{0,80}\/var\/log\/(secure|auth|messages|syslog|wtmp|btmp|lastlog|httpd|apache2|nginx)/
        $remove2 = /(echo\s{0,4}["']{0,2}|cat\s{1,4}\/dev\/null|:)\s{0,4}>\s{0,4}\/var\/log\/(secure|auth\.log|messages|syslog|wtmp|btmp|lastlog)/
        $history = /history\s{1,4}-c\b|HISTFILE=\/dev\/null|unset\s{1,4}HISTFILE|(rm\s[^\n]{0,20}|>\s{0,2}|ln\s[^\n]{0,20}\/dev\/null\s)(~|\/root|\$HOME)\/\.bash_history/
        $hook = /\b(useradd|chattr|crontab|authorized_keys|wget|curl|chpasswd|\/dev\/tcp|iptables)\b/ private
    condition:
        text_not_log and filesize < 300KB and $history and $hook and any of ($remove*)
}

rule TR_DROPPER_0010_persistence_made_immutable
{
    meta:
        id = "TR-DROPPER-0010"
        description = "A script makes crontabs, keys or web files immutable"
        category = "persistence"
        severity = "high"
        confidence = 75
        attack = "T1222.002"
        reference = "https://man7.org/linux/man-pages/man1/chattr.1.html"
        date = "2025-11-23"
        sample = "tr-dropper-0010.sh"
    strings:
        $immutable = /\bchattr\s{1,4}(-R\s{1,2})?\+[ia]{1,3}\s[^\n]{0,60}(\/var\/spool\/cron|\/etc\/cron|authorized_keys|\/var\/www\/|\/tmp\/|\/dev\/shm|\/var\/lib\/asterisk|\/etc\/(passwd|shadow|rc\.local)|\/root\/\.)/
    condition:
        text_not_log and filesize < 300KB and $immutable
}
