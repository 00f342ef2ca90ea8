//! A part of a plan is a plan of its own, with a digest of its own.

use super::{Plan, PlanError, Risk, Step, StepStatus};
use crate::action::Object;
use std::collections::BTreeSet;

impl Plan {
    /// The plan with only the steps of these numbers. They keep their numbers, so that people go on talking of the same steps.
    ///
    /// # Errors
    /// [`PlanError::NoSuchStep`], and [`PlanError::Needed`] when a remaining step begins with what a dropped one leaves.
    pub fn only(&self, numbers: &[u32]) -> Result<Self, PlanError> {
        self.known(numbers)?;
        self.keep(|number| numbers.contains(&number))
    }

    /// The plan without the steps of these numbers. The others keep their numbers.
    ///
    /// # Errors
    /// As [`Plan::only`].
    pub fn skip(&self, numbers: &[u32]) -> Result<Self, PlanError> {
        self.known(numbers)?;
        self.keep(|number| !numbers.contains(&number))
    }

    /// The plan without the steps of a greater risk and without those that build on them; and which these are.
    pub fn at_most(&self, risk: Risk) -> (Self, Vec<u32>) {
        self.without(|step| step.risk > risk)
    }

    /// The plan without the steps of these numbers and without those that build on them; and which all these are.
    pub fn leave_out(&self, numbers: &[u32]) -> (Self, Vec<u32>) {
        self.without(|step| numbers.contains(&step.number))
    }

    fn without(&self, is_unwanted: impl Fn(&Step) -> bool) -> (Self, Vec<u32>) {
        let mut lost: BTreeSet<Object<'_>> = BTreeSet::new();
        let mut dropped = Vec::new();
        for step in &self.steps {
            let is_lost = lost.contains(&step.action.object());
            if is_unwanted(step) || is_lost {
                dropped.push(step.number);
                if step.status == StepStatus::WouldChange {
                    lost.insert(step.action.object());
                }
            }
        }
        let mut part = self.clone();
        part.steps.retain(|step| !dropped.contains(&step.number));
        (part, dropped)
    }

    fn known(&self, numbers: &[u32]) -> Result<(), PlanError> {
        let known: BTreeSet<u32> = self.steps.iter().map(|step| step.number).collect();
        match numbers.iter().find(|number| !known.contains(number)) {
            Some(&number) => Err(PlanError::NoSuchStep { number }),
            None => Ok(()),
        }
    }

    fn keep(&self, is_kept: impl Fn(u32) -> bool) -> Result<Self, PlanError> {
        for (at, dropped) in self.steps.iter().enumerate() {
            if is_kept(dropped.number) || dropped.status != StepStatus::WouldChange {
                continue;
            }
            let later = self.steps.get(at + 1..).unwrap_or_default();
            let dependent =
                later.iter().find(|step| is_kept(step.number) && step.action.object() == dropped.action.object());
            if let Some(dependent) = dependent {
                return Err(PlanError::Needed { step: dropped.number, dependent: dependent.number });
            }
        }
        let mut part = self.clone();
        part.steps.retain(|step| is_kept(step.number));
        Ok(part)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::action::Action;
    use crate::plan::make::tests::sample;

    #[test]
    fn a_part_keeps_its_numbers_and_has_another_digest() {
        let plan = sample();
        let part = plan.only(&[1, 3]).unwrap();
        assert_eq!(part.steps.iter().map(|step| step.number).collect::<Vec<_>>(), [1, 3]);
        assert_ne!(part.digest(), plan.digest());
        assert_eq!(Plan::from_json(part.to_json().as_bytes()).unwrap(), part);
        assert_eq!(plan.skip(&[]).unwrap(), plan);
        assert!(matches!(plan.only(&[99]), Err(PlanError::NoSuchStep { number: 99 })));
        assert!(matches!(plan.skip(&[0]), Err(PlanError::NoSuchStep { number: 0 })));
    }

    #[test]
    fn steps_of_a_greater_risk_go_with_what_builds_on_them() {
        let plan = sample();
        let (part, dropped) = plan.at_most(Risk::Low);
        assert!(!dropped.is_empty() && part.steps.iter().all(|step| step.risk == Risk::Low));
        assert_eq!(plan.at_most(Risk::High), (plan.clone(), Vec::new()));
        let locks: Vec<u32> = plan
            .steps
            .iter()
            .filter(|step| matches!(step.action, Action::LockAccount { .. }))
            .map(|step| step.number)
            .collect();
        let (part, dropped) = plan.leave_out(&locks[..1]);
        assert_eq!(dropped, locks, "the second lock begins with what the first leaves");
        assert_eq!(Plan::from_json(part.to_json().as_bytes()).unwrap(), part);
    }

    #[test]
    fn a_step_that_another_builds_upon_cannot_be_left_out() {
        let plan = sample();
        let locks: Vec<u32> = plan
            .steps
            .iter()
            .filter(|step| matches!(step.action, Action::LockAccount { .. }))
            .map(|step| step.number)
            .collect();
        let [first, second] = locks.as_slice() else { panic!("{locks:?}") };
        match plan.skip(&[*first]) {
            Err(PlanError::Needed { step, dependent }) => assert_eq!((step, dependent), (*first, *second)),
            other => panic!("{other:?}"),
        }
        assert!(plan.only(&[*second]).is_err());
        assert!(plan.skip(&[*second]).is_ok());
        assert!(plan.skip(&locks).is_ok());
    }
}
