//! What a target with `interrupt_on_error` made of an event, for the targets behind it in the same execution.

use std::collections::BTreeSet;

use crate::{Ahead, EventKey, TargetName};

/// What the targets before another one made of an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GateVerdict {
    /// It may be sent.
    Passed,
    /// One of them did not deliver it, in a sentence: it is settled as interrupted.
    Denied(String),
    /// One of them has not settled it yet; which, in a sentence.
    Unknown(String),
    /// Definitions changed: the event does not concern the target any more.
    Unasked,
}

/// How far a target before another one has come, as it was committed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gate {
    /// Which target.
    pub name: TargetName,
    /// Nothing moves while it is paused.
    pub paused: bool,
    /// Its cursor; `None` before it has one.
    pub cursor: Option<EventKey>,
    /// What is settled beyond it.
    pub ahead: Option<Ahead>,
    /// What it settled without delivering it.
    pub denied: Denied,
}

/// Events that a gate settled without delivering them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Denied {
    single: BTreeSet<EventKey>,
    /// Without the first, with the last: what lay between two places of a cursor.
    ranges: Vec<(EventKey, EventKey)>,
}

impl Denied {
    /// Adds a range as it is stored: one event where both ends are the same, else all after the first up to the last.
    pub fn add(&mut self, first: EventKey, last: EventKey) {
        if first == last {
            self.single.insert(first);
        } else {
            self.ranges.push((first, last));
        }
    }

    /// Whether the event was not delivered.
    #[must_use]
    pub fn has(&self, key: &EventKey) -> bool {
        self.single.contains(key) || self.ranges.iter().any(|(after, last)| after < key && key <= last)
    }
}

impl Gate {
    /// What it made of an event.
    #[must_use]
    pub fn verdict(&self, key: &EventKey) -> GateVerdict {
        let name = &self.name;
        let settled = self.cursor.as_ref().is_some_and(|cursor| key <= cursor)
            || self.ahead.as_ref().is_some_and(|ahead| ahead.settles(key));
        match (settled, self.paused) {
            (true, _) if self.denied.has(key) => {
                GateVerdict::Denied(format!("not sent: {name}, which comes before, did not deliver it"))
            }
            (true, _) => GateVerdict::Passed,
            (false, true) => GateVerdict::Unknown(format!("for {name}, which comes before and is paused")),
            (false, false) => GateVerdict::Unknown(format!("for {name}, which comes before")),
        }
    }

    /// What several gates together made of an event: one that did not deliver it is enough, and all must have settled it
    /// for it to pass.
    #[must_use]
    pub fn verdict_of_all<'a>(gates: impl IntoIterator<Item = &'a Self>, key: &EventKey) -> GateVerdict {
        let mut all = GateVerdict::Passed;
        for gate in gates {
            match (gate.verdict(key), &all) {
                (denied @ GateVerdict::Denied(_), _) => return denied,
                (unknown @ GateVerdict::Unknown(_), GateVerdict::Passed) => all = unknown,
                _ => {}
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Position;

    fn key(position: i64) -> EventKey {
        EventKey { aggregate_id: "a".into(), sequence: 1, ..EventKey::before(Position::from_integer(position)) }
    }

    fn gate(name: &str, cursor: i64, denied: &[(i64, i64)]) -> Gate {
        let mut kept = Denied::default();
        for (first, last) in denied {
            kept.add(key(*first), key(*last));
        }
        let ahead = Ahead { to: key(cursor + 4), open: vec![key(cursor + 1), key(cursor + 3)] };
        Gate { name: name.into(), paused: false, cursor: Some(key(cursor)), ahead: Some(ahead), denied: kept }
    }

    #[track_caller]
    fn check(gates: &[Gate], story: &str) {
        let told: String = (1..=9)
            .map(|position| match Gate::verdict_of_all(gates, &key(position)) {
                GateVerdict::Passed => '+',
                GateVerdict::Denied(_) => '-',
                GateVerdict::Unknown(_) | GateVerdict::Unasked => '?',
            })
            .collect();
        assert_eq!(told, story);
    }

    #[test]
    fn a_gate_has_passed_what_it_settled_and_delivered() {
        check(&[gate("one", 3, &[])], "+++?+?+??");
        check(&[gate("one", 3, &[(2, 2), (7, 7)])], "+-+?+?-??");
    }

    #[test]
    fn what_a_gate_skipped_is_denied_without_the_place_it_stood_at() {
        check(&[gate("one", 4, &[(1, 4)])], "+---?+?+?");
    }

    #[test]
    fn all_gates_must_pass_and_one_denies() {
        check(&[gate("one", 3, &[(7, 7)]), gate("two", 1, &[(1, 1)])], "-?+?+?-??");
    }

    #[test]
    fn who_is_waited_for_is_named() {
        let mut paused = gate("crm", 1, &[]);
        paused.paused = true;
        assert_eq!(paused.verdict(&key(9)), GateVerdict::Unknown("for crm, which comes before and is paused".into()));
        paused.cursor = None;
        paused.ahead = None;
        assert!(matches!(paused.verdict(&key(1)), GateVerdict::Unknown(_)), "before it has a cursor nothing is known");
    }
}
