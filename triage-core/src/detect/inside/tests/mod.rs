#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation)]

mod attack;
mod backup;
mod found;
pub(super) mod make;
