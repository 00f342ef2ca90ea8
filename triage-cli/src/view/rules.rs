//! What rules cost, for people.

use std::fmt::Write as _;
use triage_core::detect::RuleCost;
use triage_core::model::escape;

/// A line for each rule, dearest first: its share, time, time for a MiB, the dearest file, files it found something in, name.
pub(crate) fn costs(costs: &[RuleCost], bytes: u64) -> String {
    let all: f64 = costs.iter().map(|cost| cost.time.as_secs_f64()).sum();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let size = bytes as f64 / f64::from(1 << 20);
    let mut text = format!("{:>6}  {:>9}  {:>9}  {:>10}  {:>7}  rule\n", "share", "time", "ms/MiB", "longest", "hits");
    for cost in costs {
        let seconds = cost.time.as_secs_f64();
        let _ = writeln!(
            text,
            "{:>5.1}%  {seconds:>7.3} s  {:>9.3}  {:>7.2} ms  {:>7}  {} ({})",
            100.0 * seconds / all.max(f64::MIN_POSITIVE),
            1000.0 * seconds / size.max(f64::MIN_POSITIVE),
            1000.0 * cost.longest.as_secs_f64(),
            cost.hits,
            cost.rule,
            escape(cost.source.as_bytes()),
        );
    }
    text
}
