//! What a sweep asks before it takes: how much is a matter of the modules above, that it holds is a matter of this one.

/// How much a sweep may take. Asked from several threads.
pub trait Budget: Sync {
    /// Asks for `size_bytes` more of content; what is granted is taken.
    ///
    /// # Errors
    /// [`Spent`] when there is not so much left: the content is left out, and a smaller one may still fit.
    fn admit(&self, size_bytes: u64) -> Result<(), Spent>;

    /// Asks, immediately before a large content is stored, whether there is room for it where it goes.
    ///
    /// # Errors
    /// As [`Budget::admit`].
    fn fits(&self, size_bytes: u64) -> Result<(), Spent> {
        let _ = size_bytes;
        Ok(())
    }

    /// Says that nothing more may be done at all, not even listing. Asked very often.
    fn over(&self) -> Option<Spent>;
}

/// What was used up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    /// Which budget, and how large it was, for people: "the limit of 5 GiB for all content was reached".
    pub what: String,
}

/// Whatever there is.
impl Budget for () {
    fn admit(&self, _: u64) -> Result<(), Spent> {
        Ok(())
    }

    fn over(&self) -> Option<Spent> {
        None
    }
}
