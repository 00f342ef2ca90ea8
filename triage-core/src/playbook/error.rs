//! Why a playbook is not used.

use crate::model::Mistake;
use thiserror::Error;

/// Why a playbook is not used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlaybookError {
    /// The file is larger than any playbook.
    #[error("playbook `{name}` has {size_bytes} bytes, and at most {limit_bytes} are read")]
    TooLarge {
        /// The playbook, escaped.
        name: String,
        /// Its size.
        size_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// Something in the file is wrong.
    #[error("{0}")]
    Invalid(Box<Mistake>),
    /// A value for an input that is wrong.
    #[error("input `{name}`: {detail}")]
    Input {
        /// The input, escaped.
        name: String,
        /// What is wrong.
        detail: String,
        /// What it is for, or what was probably meant.
        hint: Option<String>,
    },
    /// What a playbook does depends on an input that has no value.
    #[error("playbook `{playbook}` needs input `{name}`: {description}")]
    MissingInput {
        /// The playbook.
        playbook: String,
        /// The input.
        name: String,
        /// What it is for.
        description: String,
    },
    /// An expression failed on the findings at hand.
    #[error("playbook `{name}`, step `{step}`: {detail}")]
    Evaluation {
        /// The playbook.
        name: String,
        /// The step whose expression failed.
        step: String,
        /// What the expression did.
        detail: String,
    },
}
