//! What every handler is given.

use std::sync::{Arc, OnceLock};

use engine::Status;
use operate::Operator;

use crate::{auth::Attempts, problem::Problem};

/// How the daemon stands, what it has at hand for operators, and who has tried to come in. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct House(Arc<Rooms>);

#[derive(Debug)]
struct Rooms {
    status: Arc<Status>,
    operator: OnceLock<Operator>,
    attempts: Attempts,
    open_metrics: bool,
    tls: bool,
}

impl House {
    pub(crate) fn new(status: Arc<Status>, open_metrics: bool, tls: bool) -> Self {
        Self(Arc::new(Rooms { status, operator: OnceLock::new(), attempts: Attempts::default(), open_metrics, tls }))
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

    pub(crate) fn has_open_metrics(&self) -> bool {
        self.0.open_metrics
    }

    /// Whether browsers come over TLS: cookies say so.
    pub(crate) fn has_tls(&self) -> bool {
        self.0.tls
    }
}
