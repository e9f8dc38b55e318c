//! What a target with `interrupt_on_error` made of an event, for the targets behind it in the same execution.

use std::collections::BTreeSet;

use crate::{Ahead, EventKey, GateTarget};

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
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Gate {
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

    /// Forgets what nobody waits for any more: all of it is at or before this place.
    pub fn forget(&mut self, passed: &EventKey) {
        self.single.retain(|key| key > passed);
        self.ranges.retain(|(_, last)| last > passed);
    }

    /// Whether the event was not delivered.
    #[must_use]
    pub fn has(&self, key: &EventKey) -> bool {
        self.single.contains(key) || self.ranges.iter().any(|(after, last)| after < key && key <= last)
    }
}

impl Gate {
    /// What the target whose gate this is made of an event.
    #[must_use]
    pub fn verdict(&self, of: &GateTarget, key: &EventKey) -> GateVerdict {
        let name = &of.name;
        let settled = self.cursor.as_ref().is_some_and(|cursor| key <= cursor)
            || self.ahead.as_ref().is_some_and(|ahead| ahead.settles(key));
        match (settled, of.paused) {
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
    pub fn verdict_of_all<'a>(
        gates: impl IntoIterator<Item = (&'a GateTarget, &'a Self)>,
        key: &EventKey,
    ) -> GateVerdict {
        let mut all = GateVerdict::Passed;
        for (target, gate) in gates {
            match (gate.verdict(target, key), &all) {
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

    fn of(name: &str, paused: bool) -> GateTarget {
        GateTarget { id: name.into(), name: name.into(), paused }
    }

    fn gate(name: &str, cursor: i64, denied: &[(i64, i64)]) -> (GateTarget, Gate) {
        let mut kept = Denied::default();
        for (first, last) in denied {
            kept.add(key(*first), key(*last));
        }
        let ahead = Ahead { to: key(cursor + 4), open: vec![key(cursor + 1), key(cursor + 3)] };
        (of(name, false), Gate { cursor: Some(key(cursor)), ahead: Some(ahead), denied: kept })
    }

    #[track_caller]
    fn check(gates: &[(GateTarget, Gate)], story: &str) {
        let told: String = (1..=9)
            .map(|position| match Gate::verdict_of_all(gates.iter().map(|(of, gate)| (of, gate)), &key(position)) {
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
        let (crm, paused) = (gate("crm", 1, &[]).1, of("crm", true));
        let unknown = GateVerdict::Unknown("for crm, which comes before and is paused".into());
        assert_eq!(crm.verdict(&paused, &key(9)), unknown);
        assert_eq!(Gate::default().verdict(&paused, &key(1)), unknown, "before it has a cursor nothing is known");
    }

    #[test]
    fn what_all_have_passed_is_forgotten() {
        let (_, mut gate) = gate("one", 9, &[(2, 2), (3, 5), (7, 7)]);
        gate.denied.forget(&key(4));
        check(&[(of("one", false), gate.clone())], "+++--+-++");
        gate.denied.forget(&key(5));
        check(&[(of("one", false), gate)], "++++++-++");
    }
}
