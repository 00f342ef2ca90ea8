#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::detect::testing::{Scene, ids};
use crate::model::{AsteriskAnswer, Finding, Severity, Timestamp};
use std::fmt::Write as _;

const MASTER: &str = "/var/log/asterisk/cdr-csv/Master.csv";
/// Monday the 6th of January 2025, at midnight.
const MONDAY: i64 = 1_736_121_600;
const DAY: i64 = 86_400;
const HOUR: i64 = 3600;

/// xorshift64* (Marsaglia; Vigna): the same year on every machine.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) % end
    }

    fn between(&mut self, from: i64, to: i64) -> i64 {
        from + i64::try_from(self.below(u64::try_from(to - from).unwrap())).unwrap()
    }
}

struct Row<'a> {
    start: i64,
    src: &'a str,
    dst: &'a str,
    context: &'a str,
    channel: &'a str,
    app: &'a str,
    seconds: i64,
}

fn row(out: &mut String, row: &Row<'_>) {
    let Row { start, src, dst, context, channel, app, seconds } = row;
    let (from, to) = (book::local(*start), book::local(*start + seconds + 5));
    let disposition = if *seconds > 0 { "ANSWERED" } else { "NO ANSWER" };
    writeln!(
        out,
        "\"\",\"{src}\",\"{dst}\",\"{context}\",\"\"\"{src}\"\" <{src}>\",\"{channel}\",\"PJSIP/trunk-1\",\"{app}\",\"x\",\"{from}\",\"{from}\",\"{to}\",{},{seconds},\"{disposition}\",\"DOCUMENTATION\",\"{start}.1\",\"\"",
        seconds + 5
    )
    .unwrap();
}

fn call(out: &mut String, start: i64, src: &str, dst: &str, seconds: i64) {
    row(
        out,
        &Row { start, src, dst, context: "from-internal", channel: &format!("PJSIP/{src}-0001"), app: "Dial", seconds },
    );
}

/// A year of an office of twenty that works with four countries, calls the other side of the world in the evening, goes on holiday in
/// August, has a customer in a country that is in every list, and in October two weeks of much work with a new one.
fn honest_year() -> String {
    let mut dice = Dice(7);
    let mut out = String::new();
    let abroad = ["00442071838750", "0033142685300", "0041442345678", "00442071838751", "0033142685301"];
    for day in 0..364 {
        let is_weekend = day % 7 >= 5;
        let is_holiday = (210..231).contains(&day);
        let calls = if is_weekend {
            3
        } else if is_holiday {
            15
        } else {
            60
        };
        let extension = |dice: &mut Dice| (100 + dice.below(20)).to_string();
        for _ in 0..calls {
            let at = MONDAY + day * DAY + dice.between(8 * HOUR, 18 * HOUR);
            let (src, dst) = (extension(&mut dice), format!("030{}", 1_000_000 + dice.below(9_000_000)));
            call(&mut out, at, &src, &dst, dice.between(0, 400));
        }
        if is_weekend {
            continue;
        }
        for _ in 0..dice.below(9) {
            let at = MONDAY + day * DAY + dice.between(8 * HOUR, 18 * HOUR);
            let src = extension(&mut dice);
            call(&mut out, at, &src, abroad[usize::try_from(dice.below(5)).unwrap()], dice.between(10, 900));
        }
        // California, in the evening.
        if day % 7 == 3 {
            for n in 0..2 {
                call(&mut out, MONDAY + day * DAY + 20 * HOUR + n * 1500, "104", "0014155550123", 1200);
            }
        }
        if day % 30 == 4 {
            call(&mut out, MONDAY + day * DAY + 11 * HOUR, "110", "0037167012345", 300);
        }
        if (280..294).contains(&day) {
            for n in 0..30 {
                let src = extension(&mut dice);
                call(
                    &mut out,
                    MONDAY + day * DAY + 9 * HOUR + n * 900,
                    &src,
                    &format!("009180{}", 10_000_000 + dice.below(80_000_000)),
                    dice.between(30, 600),
                );
            }
        }
    }
    out
}

/// A night in which somebody has the password of an extension.
fn stolen_night(out: &mut String, start: i64, src: &str) {
    for n in 0..60 {
        call(out, start + n * 60, src, &format!("0025261{:07}", 2_000_000 + n % 7), 240);
    }
}

fn judge(scene: &Scene) -> Vec<Finding> {
    scene.judge(FraudDetector::default()).value
}

#[test]
fn an_honest_year_with_calls_abroad_stays_below_high() {
    let found = judge(&Scene::new().file(MASTER, honest_year()));
    let bad: Vec<_> = found.iter().filter(|finding| finding.severity >= Severity::High).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(found.iter().filter(|finding| finding.severity == Severity::Medium).count() <= 1, "{:?}", ids(&found));
}

#[test]
fn a_night_with_stolen_credentials_and_no_shell_is_found_in_that_year() {
    let mut year = honest_year();
    stolen_night(&mut year, MONDAY + 340 * DAY + 2 * HOUR, "107");
    let found = judge(&Scene::new().file(MASTER, year));
    let burst = found.iter().find(|finding| finding.rule.0 == "TR-FRAUD-0001").unwrap();
    assert_eq!(burst.severity, Severity::High);
    let told = format!("{:?}", burst.evidence);
    for part in [
        "+252 (Somalia",
        "60 calls, 60 answered, 240 min",
        "caller",
        "107",
        "2025-12-12 02:00:00 local time",
        "not called before",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[test]
fn calls_to_the_vendors_extension_are_found_and_an_extension_of_the_house_is_not() {
    let mut attack = String::new();
    for n in 0..4 {
        call(&mut attack, MONDAY + n * 60, "101", "9998", 5);
    }
    assert_eq!(ids(&judge(&Scene::new().file(MASTER, attack))), ["TR-FRAUD-0002 high"]);
    let mut habit = String::new();
    for n in 0..40 {
        call(&mut habit, MONDAY + n * DAY, "101", "9998", 5);
    }
    assert_eq!(ids(&judge(&Scene::new().file(MASTER, habit))), ["TR-FRAUD-0002 low"]);
}

#[test]
fn local_channels_that_wait_are_found_and_queues_and_follow_me_are_not() {
    let local = |channel: &str, app: &str, dst: &str| {
        let mut out = String::new();
        row(&mut out, &Row { start: MONDAY, src: "", dst, context: "from-internal", channel, app, seconds: 60 });
        ids(&judge(&Scene::new().file(MASTER, out)))
    };
    assert_eq!(local("Local/0037129123456@from-internal-0001;1", "Wait", "0037129123456"), ["TR-FRAUD-0003 high"]);
    assert_eq!(local("Local/104@from-queue-0001;1", "AppDial", "104"), Vec::<String>::new());
    assert_eq!(local("Local/FMPR-103@from-internal-0001;2", "Dial", "103"), Vec::<String>::new());
}

#[test]
fn guessed_credentials_are_found_with_the_calls_that_follow() {
    let mut security = String::new();
    for n in 0..60 {
        let event = if n == 59 { "SuccessfulAuth" } else { "InvalidPassword" };
        let account = if n == 59 { 107 } else { 100 + n % 9 };
        writeln!(security, "[2025-12-12 01:{n:02}:00] SECURITY[1] res_security_log.c: SecurityEvent=\"{event}\",Service=\"PJSIP\",AccountID=\"{account}\",RemoteAddress=\"IPV4/UDP/198.51.100.7/5060\"").unwrap();
    }
    let mut calls = String::new();
    stolen_night(&mut calls, MONDAY + 340 * DAY + 2 * HOUR, "107");
    let scene = Scene::new().file(MASTER, calls).file("/var/log/asterisk/security", &security);
    let found = judge(&scene);
    let told = found.iter().find(|finding| finding.rule.0 == "TR-FRAUD-0005").unwrap();
    assert_eq!(told.severity, Severity::High);
    assert!(format!("{told:?}").contains("107 called abroad 60 times"), "{told:?}");
    assert_eq!(ids(&judge(&Scene::new().file("/var/log/asterisk/security", &security))), ["TR-FRAUD-0005 medium"]);
}

#[test]
fn rows_of_the_database_and_the_file_are_told_once_and_in_both_times() {
    let mut calls = String::new();
    stolen_night(&mut calls, MONDAY + 2 * HOUR, "107");
    let detector = FraudDetector::default();
    let mut report = Report::default();
    for line in calls.lines() {
        let csv = CsvCall::parse(line.as_bytes()).unwrap();
        let local = log_time::iso(&csv.start).unwrap().seconds;
        let path = EvidencePath::new("/var/lib/mysql/asteriskcdrdb").unwrap();
        let row = CallRecord { time: Some(Timestamp::new(local - HOUR, 0)), ..csv.record(&path, 1) };
        detector.consider(&Record::Call(Box::new(row)), &mut report);
    }
    let outcome = Scene::new().file(MASTER, calls.lines().take(3).collect::<Vec<_>>().join("\n")).judge(detector);
    let [burst] = &outcome.value[..] else { panic!("{:?}", ids(&outcome.value)) };
    assert_eq!(burst.subject.path().as_bytes(), b"/var/lib/mysql/asteriskcdrdb");
    assert!(format!("{burst:?}").contains("2025-01-06 02:00:00 local time, 2025-01-06 01:00:00 UTC"), "{burst:?}");
}

#[test]
fn rotations_are_one_source_in_any_order() {
    let year = honest_year();
    let mut night = String::new();
    stolen_night(&mut night, MONDAY + 364 * DAY + 2 * HOUR, "107");
    let scene = Scene::new().file(MASTER, night).file(&format!("{MASTER}.1"), year);
    let (forward, backward) = (scene.judge(FraudDetector::default()), scene.reversed().judge(FraudDetector::default()));
    assert_eq!(forward, backward);
    assert_eq!(forward.value.iter().filter(|finding| finding.severity >= Severity::High).count(), 1);
}

#[test]
fn what_goes_on_now_is_told() {
    let live = |command: &str, text: &str| {
        let detector = FraudDetector::default();
        let answer =
            AsteriskAnswer { time: Timestamp::new(0, 0), command: command.into(), answer: text.into(), is_cut: false };
        detector.consider(&Record::AsteriskAnswer(answer), &mut Report::default());
        ids(&Scene::new().judge(detector).value)
    };
    let channels = "core show channels concise";
    assert_eq!(live(channels, "Local/0037129123456@x-01;1!x!!1!Up!Wait!99!!!!3!6!!1.3\n"), ["TR-FRAUD-0006 high"]);
    assert_eq!(
        live(channels, "PJSIP/101-1!x!00442071838750!1!Up!Dial!PJSIP/x@t!101!!!3!6!!1.3\n"),
        ["TR-FRAUD-0006 info"]
    );
    assert_eq!(live(channels, "PJSIP/101-1!x!102!1!Up!Dial!PJSIP/102!101!!!3!6!!1.3\n"), Vec::<String>::new());
    assert_eq!(
        live("pjsip show contacts", "  Contact:  101/sip:101@192.168.1.9:5060 x Avail 1\n"),
        Vec::<String>::new()
    );
    assert_eq!(
        live("pjsip show contacts", "  Contact:  101/sip:101@198.51.100.7:5060 x Avail 1\n"),
        ["TR-FRAUD-0007 info"]
    );
}

#[test]
fn a_call_file_that_calls_abroad_is_told_and_a_wake_up_call_is_not() {
    let spooled = |text: &str| ids(&judge(&Scene::new().file("/var/spool/asterisk/outgoing/x.call", text)));
    assert_eq!(
        spooled("Channel: Local/0037129123456@from-internal\nApplication: Wait\nData: 999\n"),
        ["TR-FRAUD-0008 medium"]
    );
    assert_eq!(spooled("Channel: Local/101@from-internal\nContext: wakeup\n"), [""; 0]);
}

#[test]
fn hostile_lines_are_counted_and_break_nothing() {
    let garbage = "\u{0}\"\"\",,,\n".repeat(500) + &"\"".repeat(100_000);
    let outcome = Scene::new().file(MASTER, garbage).judge(FraudDetector::default());
    assert_eq!((outcome.value.len(), outcome.gaps.len()), (0, 1));
}
