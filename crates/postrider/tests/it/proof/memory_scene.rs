//! What the memory test needs: a backlog of which each event concerns one of many targets, endpoints of which some can die
//! and come back, and the time that new events take.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use test_support::{Arrival, Behaviour, Push, Receiver, Stamp, TestDatabase, eventually_within};
use tokio::time::interval;

use super::daemon::{House, KEY};

/// The endpoints of the living; the others have one each that refuses, and one that hangs.
const LIVING: usize = 4;
const INSTANCE: &str = "i1";

/// So many targets, of which every tenth dies. See the head of this module.
pub struct Scene {
    pub database: TestDatabase,
    pub house: House,
    living: Vec<Receiver>,
    refusing: Receiver,
    hanging: Receiver,
    heard: Arc<Mutex<Heard>>,
    targets: usize,
    /// When each new event was committed.
    committed: Vec<Instant>,
}

/// What arrived of the new events, by number, and how much at all.
#[derive(Default)]
struct Heard {
    at: HashMap<usize, Instant>,
    all: usize,
}

impl Heard {
    fn take(&mut self, arrival: &Arrival) {
        self.all += 1;
        let body = arrival.json();
        let new = body["aggregateID"].as_str().and_then(|id| id.strip_prefix("new-"));
        if let Some(number) = new.and_then(|number| number.parse().ok()) {
            self.at.entry(number).or_insert(arrival.at);
        }
    }
}

impl Scene {
    /// With a backlog of which each event concerns one target.
    pub async fn new(targets: usize, backlog: usize) -> Self {
        let database = TestDatabase::create().await;
        database.zitadel().await;
        database
            .execute(&format!(
                "INSERT INTO eventstore.events2
                 SELECT '{INSTANCE}', 'load', 'old-' || n, 'load.t' || n % {targets}, 1, 2, now(),
                    jsonb_build_object('number', n, 'text', repeat('x', 200)), 'creator', 'owner',
                    extract(epoch FROM now()) - 100 - {backlog} * 0.001 + n * 0.001, 1
                 FROM generate_series(1, {backlog}) n;
                 ANALYZE eventstore.events2"
            ))
            .await;
        let heard: Arc<Mutex<Heard>> = Arc::default();
        let listener = |heard: &Arc<Mutex<Heard>>| {
            let heard = Arc::clone(heard);
            move |_: usize, arrival: &Arrival| {
                lock(&heard).take(arrival);
                Behaviour::from(200)
            }
        };
        let endpoint = || Receiver::start(listener(&heard));
        let living = (0..LIVING).map(|_| endpoint()).collect();
        let (refusing, hanging) = (endpoint(), endpoint());
        let house = House::new(&database.url());
        let mut scene = Self { database, house, living, refusing, hanging, heard, targets, committed: Vec::new() };
        scene.house.set("[delivery.egress]", "horizon = \"clock\"\n[delivery.egress]");
        // A hanging endpoint must not have its events parked: they are wanted when it is back.
        scene.house.set("[projection]", "[projection]\nmax_failure_count = 100000");
        scene.house.set("max_retry_interval = \"200ms\"", "max_retry_interval = \"1s\"");
        let mut toml = String::new();
        for number in 0..targets {
            let url = scene.endpoint(number).url();
            write!(
                toml,
                "[[target]]\nname = \"t{number}\"\nendpoint = \"{url}\"\nsigning_key = \"{KEY}\"\nstart = \"beginning\"\ntimeout = \"2s\"\n\
                 [[execution]]\ncondition = {{ event = \"load.t{number}\" }}\ntargets = [\"t{number}\"]\n"
            )
            .expect("a string takes it");
        }
        scene.house.add(&toml);
        scene
    }

    fn is_mortal(number: usize) -> bool {
        number.is_multiple_of(10)
    }

    fn endpoint(&self, number: usize) -> &Receiver {
        match (Self::is_mortal(number), number / 10 % 2) {
            (true, 0) => &self.refusing,
            (true, _) => &self.hanging,
            (false, _) => &self.living[number % LIVING],
        }
    }

    /// The tenth dies: half of it refuses connections, half takes calls and never answers.
    pub fn die(&self) {
        self.refusing.down();
        self.hanging.behave(|_, _| Behaviour::Hang);
    }

    /// The tenth is back.
    pub fn revive(&self) {
        let heard = Arc::clone(&self.heard);
        self.hanging.behave(move |_, arrival| {
            lock(&heard).take(arrival);
            200.into()
        });
        self.hanging.cut();
        self.refusing.up();
    }

    /// Waits until so many calls have been answered.
    pub async fn wait_for(&self, calls: usize, patience: Duration) {
        eventually_within(patience, &format!("{calls} calls have been answered"), async || {
            self.forget();
            // Looking must not be what takes the time.
            tokio::time::sleep(Duration::from_millis(50)).await;
            (lock(&self.heard).all >= calls).then_some(())
        })
        .await;
    }

    /// Waits until all new events have arrived that concern somebody who lives.
    pub async fn wait_for_the_new(&self, all_live: bool, patience: Duration) {
        eventually_within(patience, "the new events have arrived", async || {
            self.forget();
            tokio::time::sleep(Duration::from_millis(50)).await;
            let heard = lock(&self.heard);
            let wanted = |number: &usize| all_live || !Self::is_mortal(number % self.targets);
            (0..self.committed.len()).filter(wanted).all(|number| heard.at.contains_key(&number)).then_some(())
        })
        .await;
    }

    /// What the receivers keep themselves is not needed.
    fn forget(&self) {
        self.living.iter().chain([&self.refusing, &self.hanging]).for_each(Receiver::forget);
    }

    /// Writes events at a steady rate, and says how long each took from its commit to a target that never dies; sorted.
    pub async fn delays(&mut self, per_second: u32, events: usize, patience: Duration) -> Vec<Duration> {
        let first = self.committed.len();
        let mut pace = interval(Duration::from_secs(1) / per_second);
        for number in first..first + events {
            pace.tick().await;
            let event_type = format!("load.t{}", number % self.targets);
            let push = Push::to("load", &format!("new-{number}")).on(INSTANCE).event(&event_type);
            self.database.push(Stamp::Clock, &push).await;
            self.committed.push(Instant::now());
        }
        self.wait_for_the_new(false, patience).await;
        let heard = lock(&self.heard);
        let living = (first..first + events).filter(|number| !Self::is_mortal(number % self.targets));
        // An event may arrive before its writer listener that it is committed.
        let took = |number: usize| heard.at[&number].saturating_duration_since(self.committed[number]);
        let mut delays: Vec<_> = living.map(took).collect();
        delays.sort();
        delays
    }
}

fn lock(heard: &Mutex<Heard>) -> std::sync::MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}
