//! What every handler is given.

use std::sync::{Arc, OnceLock};

use engine::Status;
use operate::Operator;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    auth::{Attempts, Sessions},
    problem::Problem,
    rates::Rates,
};

/// Pages that are followed at a time.
const WATCHERS: usize = 64;
/// Of them, those that ask the databases at the same moment.
const LOOKERS: usize = 2;

/// How the daemon stands, what it has at hand for operators, and who has tried to come in. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct House(Arc<Rooms>);

#[derive(Debug)]
struct Rooms {
    status: Arc<Status>,
    operator: OnceLock<Operator>,
    attempts: Attempts,
    sessions: Sessions,
    rates: Rates,
    watchers: Arc<Semaphore>,
    lookers: Semaphore,
    stopping: CancellationToken,
    open_metrics: bool,
    tls: bool,
}

impl House {
    pub(crate) fn new(status: Arc<Status>, open_metrics: bool, tls: bool) -> Self {
        Self(Arc::new(Rooms {
            status,
            operator: OnceLock::new(),
            attempts: Attempts::default(),
            sessions: Sessions::default(),
            rates: Rates::default(),
            watchers: Arc::new(Semaphore::new(WATCHERS)),
            lookers: Semaphore::new(LOOKERS),
            stopping: CancellationToken::new(),
            open_metrics,
            tls,
        }))
    }

    /// From now on there is something to manage. Only the first time counts.
    pub(crate) fn open(&self, operator: Operator) {
        let _ = self.0.operator.set(operator);
    }

    pub(crate) fn status(&self) -> &Status {
        &self.0.status
    }

    /// What there is to manage, once the databases were reached.
    pub(crate) fn operator(&self) -> Result<&Operator, Problem> {
        self.0.operator.get().ok_or_else(Problem::starting)
    }

    pub(crate) fn attempts(&self) -> &Attempts {
        &self.0.attempts
    }

    pub(crate) fn sessions(&self) -> &Sessions {
        &self.0.sessions
    }

    /// How often each target was called lately.
    pub(crate) fn rates(&self) -> &Rates {
        &self.0.rates
    }

    /// Room for those who follow a page.
    pub(crate) fn watchers(&self) -> &Arc<Semaphore> {
        &self.0.watchers
    }

    /// Room for those of them who look at the same moment.
    pub(crate) fn lookers(&self) -> &Semaphore {
        &self.0.lookers
    }

    /// Over once nobody shall wait for anything any more.
    pub(crate) fn stopping(&self) -> &CancellationToken {
        &self.0.stopping
    }

    pub(crate) fn has_open_metrics(&self) -> bool {
        self.0.open_metrics
    }

    /// Whether browsers come over TLS: cookies say so.
    pub(crate) fn has_tls(&self) -> bool {
        self.0.tls
    }
}
