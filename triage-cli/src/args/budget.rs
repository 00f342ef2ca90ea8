//! What a collection may take of time, space and the host's attention.

use super::ByteSize;
use clap::{Args as ClapArgs, ValueEnum};
use std::str::FromStr;
use std::time::Duration;
use triage_core::engine::Priority;

/// What a run asks of the host that it runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Nice {
    /// As any program
    Normal,
    /// Others first: nice 10
    Polite,
    /// Only what nobody else wants: idle scheduling and I/O class, nice 19, first to be killed when memory runs out
    Idle,
}

impl From<Nice> for Priority {
    fn from(nice: Nice) -> Self {
        match nice {
            Nice::Normal => Self::Normal,
            Nice::Polite => Self::Polite,
            Nice::Idle => Self::Idle,
        }
    }
}

/// A length of time: `90`, `90s`, `15m`, `2h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Period(pub(crate) Duration);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
        let seconds = match text.strip_prefix(digits).unwrap_or_default() {
            "" | "s" => 1,
            "m" | "min" => 60,
            "h" => 3600,
            _ => return Err("the unit is none of s, m, h".to_owned()),
        };
        let number: u64 = digits.parse().map_err(|_| "expected a whole number and a unit, as in 15m".to_owned())?;
        let seconds = number.checked_mul(seconds).ok_or("too long")?;
        Ok(Self(Duration::from_secs(seconds)))
    }
}

#[derive(Debug, Default, ClapArgs)]
pub(crate) struct BudgetArgs {
    /// Store at most so many bytes of content: small files first, files over 8 MiB last, the smallest of them first
    #[arg(long, value_name = "SIZE", help_heading = "Budgets")]
    pub(crate) max_total: Option<ByteSize>,

    /// End after so long, with what there is: 90s, 15m, 2h
    #[arg(long, value_name = "TIME", help_heading = "Budgets")]
    pub(crate) max_time: Option<Period>,

    /// Keep so much free where the bundle is written; 0 for nothing [default: 1G, or 5 % where that is less]
    #[arg(long, value_name = "SIZE", help_heading = "Budgets")]
    pub(crate) min_free: Option<ByteSize>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_read_with_and_without_a_unit() {
        for (text, seconds) in [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("0", 0)] {
            assert_eq!(text.parse::<Period>().unwrap().0.as_secs(), seconds, "{text}");
        }
        for text in ["", "s", "-1", "1d", "1.5h", "99999999999999999999", "18446744073709551615h"] {
            text.parse::<Period>().unwrap_err();
        }
    }
}
