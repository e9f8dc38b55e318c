//! What a running daemon has at hand for those who ask it.

use std::{sync::Arc, time::Duration};

use store::{EventStore, State};
use webhook::Deliverer;

use crate::Files;

/// The databases, the means to call an endpoint, and what the config has to say to operators. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Operator {
    /// Where everything is kept.
    pub state: State,
    /// What is read.
    pub events: EventStore,
    /// For test calls, and to know what the egress guard would refuse.
    pub deliverer: Deliverer,
    /// What belongs to files.
    pub files: Arc<Files>,
    /// For targets that name no timeout of their own.
    pub default_timeout: Duration,
    /// How many calls at a time, for targets that name no number of their own.
    pub default_max_in_flight: u32,
    /// How old an event may be to be sent (`projection.max_event_age`).
    pub max_event_age: Option<Duration>,
}

impl Operator {
    /// Both databases.
    #[must_use]
    pub fn places(&self) -> (&EventStore, &State) {
        (&self.events, &self.state)
    }
}
