//! Sixty targets that are called for different things in different orders, and take it differently. Says beforehand what
//! must become of every event at every target, without asking the code that is tested.

use std::{
    fmt::Write as _,
    hash::{DefaultHasher, Hash, Hasher},
    ops::Range,
    time::Duration,
};

use domain::{EventKey, Ordering};
use test_support::{Behaviour, Written};

use super::daemon::KEY;

/// Failures after which an event is parked; see [`super::chaos_daemons`] for the config that says so.
pub const MAX_FAILURES: usize = 3;
/// Calls at a time for each target that is not in strict order.
pub const MAX_IN_FLIGHT: usize = 4;

/// How a target takes calls.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Manner {
    /// At once.
    Ready,
    /// After a while.
    Slow,
    /// Some events at the second call only: 500, 503, or the connection is closed.
    Flaky,
    /// Some events never.
    Stubborn,
}

/// What a call meets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reply {
    /// 200, after a while.
    Yes(Duration),
    /// Another status.
    No(u16),
    /// The connection is closed.
    Close,
}

impl From<Reply> for Behaviour {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Yes(after) => Self::from(200).delayed(after),
            Reply::No(status) => status.into(),
            Reply::Close => Self::Close,
        }
    }
}

/// What must become of an event at a target.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    Delivered,
    /// Parked, after [`MAX_FAILURES`] calls.
    Parked,
    /// Never sent: a gate before the target has parked it.
    Denied,
}

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Member {
    pub ordering: Ordering,
    manner: Manner,
    /// It has `interrupt_on_error`.
    pub gate: bool,
}

impl Member {
    /// What the n-th call (from 0) for an event meets.
    pub fn reply(self, number: usize, key: &EventKey, nth: usize) -> Reply {
        let dice = dice(number, key);
        match (self.manner, nth, dice % 40) {
            (Manner::Slow, ..) => Reply::Yes(Duration::from_millis(dice % 12)),
            (Manner::Flaky, 0, 0 | 1) => Reply::No(500),
            (Manner::Flaky, 0, 2) => Reply::No(503),
            (Manner::Flaky, 0, 3) => Reply::Close,
            _ if self.refuses(number, key) => Reply::No(500),
            _ => Reply::Yes(Duration::ZERO),
        }
    }

    /// Whether it never takes the event.
    fn refuses(self, number: usize, key: &EventKey) -> bool {
        self.manner == Manner::Stubborn && dice(number, key) % 40 == 4
    }
}

/// The same for the same target and event, and like nothing else.
fn dice(number: usize, key: &EventKey) -> u64 {
    let mut hasher = DefaultHasher::new();
    (number, key).hash(&mut hasher);
    hasher.finish()
}

/// Which events an execution is for.
#[derive(Clone, Copy, Debug)]
enum When {
    Event(&'static str),
    Group(&'static str),
    All,
}

impl When {
    /// The more specific, the higher; `None` if it is not for the event.
    fn matches(self, event_type: &str) -> Option<usize> {
        match self {
            Self::Event(name) => (event_type == name).then_some(usize::MAX),
            Self::Group(name) => {
                event_type.strip_prefix(name).is_some_and(|rest| rest.starts_with('.')).then_some(name.len())
            }
            Self::All => Some(0),
        }
    }

    fn toml(self) -> String {
        match self {
            Self::Event(name) => format!("{{ event = \"{name}\" }}"),
            Self::Group(name) => format!("{{ group = \"{name}\" }}"),
            Self::All => "{ all = true }".to_owned(),
        }
    }
}

/// All targets, and what they are called for.
#[derive(Clone, Debug)]
pub struct Plan {
    pub members: Vec<Member>,
    executions: Vec<(When, Vec<usize>)>,
}

/// Which targets each execution calls; some are called by two.
const EXECUTIONS: [(When, Range<usize>); 8] = [
    (When::Event("user.human.added"), 0..8),
    (When::Group("user.human"), 6..14),
    (When::Group("user"), 14..22),
    (When::Event("session.added"), 20..30),
    (When::Group("session"), 30..36),
    (When::Group("project"), 36..43),
    (When::Group("org"), 43..50),
    (When::All, 50..60),
];

impl Plan {
    /// No gates: no target waits for another.
    pub fn mixed() -> Self {
        let ordering = |number: usize| [Ordering::Strict, Ordering::Aggregate, Ordering::None][number % 3];
        let manner = |number: usize| [Manner::Ready, Manner::Flaky, Manner::Slow, Manner::Stubborn][number / 3 % 4];
        let member = |number| Member { ordering: ordering(number), manner: manner(number), gate: false };
        Self {
            members: (0..60).map(member).collect(),
            executions: EXECUTIONS.map(|(when, targets)| (when, targets.collect())).to_vec(),
        }
    }

    /// Every fourth target is a gate that gives some events up, every eighth one that only fails now and then: those behind
    /// them in an execution wait for their verdicts.
    pub fn gated() -> Self {
        let ordering = |number: usize| [Ordering::Strict, Ordering::Aggregate, Ordering::None][number / 4 % 3];
        let manner = |number: usize| [Manner::Stubborn, Manner::Ready, Manner::Flaky, Manner::Slow][number % 4];
        let gate = |number| number % 4 == 0 || number % 8 == 2;
        let member = |number| Member { ordering: ordering(number), manner: manner(number), gate: gate(number) };
        Self { members: (0..60).map(member).collect(), ..Self::mixed() }
    }

    /// Whether some targets wait for others.
    pub fn has_gates(&self) -> bool {
        self.members.iter().any(|member| member.gate)
    }

    /// What must become of an event at each of the targets that are listed for it.
    pub fn fates(&self, event: &Written) -> Vec<(usize, Fate)> {
        let name = event.event_type.as_str();
        let matching = self.executions.iter().filter_map(|(when, targets)| Some((when.matches(name)?, targets)));
        let Some((_, targets)) = matching.max_by_key(|(rank, _)| *rank) else { return Vec::new() };
        let mut closed = false;
        let fate = |&number: &usize| {
            let member = self.members[number];
            let fate = match member.refuses(number, &event.key) {
                _ if closed => Fate::Denied,
                true => Fate::Parked,
                false => Fate::Delivered,
            };
            closed |= member.gate && fate != Fate::Delivered;
            (number, fate)
        };
        targets.iter().map(fate).collect()
    }

    /// The definitions, with the endpoint of each target.
    pub fn toml(&self, url: impl Fn(usize) -> String) -> String {
        let mut toml = String::new();
        let mut line = |line: String| writeln!(toml, "{line}").expect("a string takes it");
        for (number, member) in self.members.iter().enumerate() {
            line(format!("[[target]]\nname = \"t{number}\"\nendpoint = \"{}\"\nsigning_key = \"{KEY}\"", url(number)));
            line("start = \"beginning\"\ntimeout = \"20s\"".to_owned());
            match member.ordering {
                Ordering::Strict => {}
                Ordering::Aggregate => line(format!("ordering = \"aggregate\"\nmax_in_flight = {MAX_IN_FLIGHT}")),
                Ordering::None => line(format!("ordering = \"none\"\nmax_in_flight = {MAX_IN_FLIGHT}")),
            }
            if member.gate {
                line("interrupt_on_error = true".to_owned());
            }
        }
        for (when, targets) in &self.executions {
            let names: Vec<_> = targets.iter().map(|number| format!("t{number}")).collect();
            line(format!("[[execution]]\ncondition = {}\ntargets = {names:?}", when.toml()));
        }
        toml
    }
}
