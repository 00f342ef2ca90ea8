//! Threads that work at once and then act one after the other, in the order of their numbers.

use std::cell::Cell;
use std::sync::{Condvar, Mutex, PoisonError};

/// Whose turn it is.
#[derive(Default)]
pub(super) struct Turns {
    next: Mutex<u64>,
    passed: Condvar,
}

/// The right to one turn. It passes by itself when dropped, so that a thread that dies cannot block the others.
///
/// Numbers have to be taken by threads in rising order and without holes, so that the lowest one is always being worked on.
pub(super) struct Ticket<'a> {
    turns: &'a Turns,
    number: u64,
    is_passed: Cell<bool>,
}

impl Turns {
    pub(super) fn ticket(&self, number: u64) -> Ticket<'_> {
        Ticket { turns: self, number, is_passed: Cell::new(false) }
    }
}

impl Ticket<'_> {
    /// Waits until everything with a lower number is done.
    pub(super) fn wait(&self) {
        let mut next = self.turns.next.lock().unwrap_or_else(PoisonError::into_inner);
        while *next < self.number {
            next = self.turns.passed.wait(next).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Lets the next one go.
    pub(super) fn pass(&self) {
        if self.is_passed.replace(true) {
            return;
        }
        self.wait();
        let mut next = self.turns.next.lock().unwrap_or_else(PoisonError::into_inner);
        *next = self.number + 1;
        self.turns.passed.notify_all();
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.pass();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_in_order_also_when_a_thread_dies() {
        let turns = Turns::default();
        let order = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for number in (0..20u64).rev() {
                let (turns, order) = (&turns, &order);
                scope.spawn(move || {
                    let ticket = turns.ticket(number);
                    if number == 7 {
                        return;
                    }
                    ticket.wait();
                    order.lock().unwrap().push(number);
                });
            }
        });
        assert_eq!(order.into_inner().unwrap(), (0..20).filter(|n| *n != 7).collect::<Vec<_>>());
    }
}
