//! The endpoints of the chaos tests: a dozen, of five targets each. They keep of every call only what the judge needs.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use domain::{EventKey, SigningKey};
use test_support::{Arrival, Receiver};

use super::{
    chaos_check::Call,
    chaos_plan::{Plan, Reply},
    daemon::KEY,
};

const TARGETS_EACH: usize = 5;

/// See the head of this module.
pub struct Endpoints {
    receivers: Vec<Receiver>,
    records: Arc<Vec<Mutex<Record>>>,
}

/// What one target was sent.
#[derive(Default)]
pub struct Record {
    /// In the order of arrival.
    pub calls: Vec<Call>,
    /// Which were answered with 2xx.
    pub accepted: HashSet<EventKey>,
    /// What is wrong with a call by itself: its signature, its id.
    pub complaints: Vec<String>,
    called: HashMap<EventKey, (usize, String)>,
}

impl Record {
    fn take(&mut self, plan: &Plan, number: usize, arrival: &Arrival) -> Reply {
        let key = arrival.key();
        if let Err(error) = arrival.verify(&[SigningKey::from(KEY)]) {
            self.complaints.push(format!("{key}: {error}"));
        }
        let id = arrival.header("webhook-id").unwrap_or_default();
        let (calls, known) = self.called.entry(key.clone()).or_insert_with(|| (0, id.to_owned()));
        if id.is_empty() || known != id {
            self.complaints.push(format!("{key} was sent as {known:?} and as {id:?}"));
        }
        let reply = plan.members[number].reply(number, &key, *calls);
        *calls += 1;
        let accepted = matches!(reply, Reply::Yes(_));
        if accepted {
            self.accepted.insert(key.clone());
        }
        let (attempt, connection) = (arrival.attempt().unwrap_or_default(), arrival.connection);
        self.calls.push(Call { key, at: arrival.at, accepted, attempt, connection, time: arrival.time });
        reply
    }
}

impl Endpoints {
    pub fn of(plan: &Plan) -> Self {
        let records: Arc<Vec<_>> = Arc::new(plan.members.iter().map(|_| Mutex::default()).collect());
        let endpoint = || {
            let (plan, records) = (plan.clone(), Arc::clone(&records));
            Receiver::start(move |_, arrival| {
                let number = arrival.path.strip_prefix("/t").and_then(|number| number.parse::<usize>().ok());
                let number = number.unwrap_or_else(|| panic!("no target has the path {:?}", arrival.path));
                lock(&records[number]).take(&plan, number, arrival).into()
            })
        };
        let receivers = plan.members.chunks(TARGETS_EACH).map(|_| endpoint()).collect();
        Self { receivers, records }
    }

    /// Where a target is called.
    pub fn url(&self, number: usize) -> String {
        self.receivers[number / TARGETS_EACH].url_of(&format!("/t{number}"))
    }

    /// What a target was sent so far.
    pub fn record(&self, number: usize) -> MutexGuard<'_, Record> {
        lock(&self.records[number])
    }

    /// How many calls have arrived.
    pub fn count(&self) -> usize {
        self.receivers.iter().map(Receiver::count).sum()
    }

    /// Frees what the receivers keep themselves: the records have all that is needed.
    pub fn forget(&self) {
        self.receivers.iter().for_each(Receiver::forget);
    }
}

fn lock(record: &Mutex<Record>) -> MutexGuard<'_, Record> {
    record.lock().unwrap_or_else(PoisonError::into_inner)
}
