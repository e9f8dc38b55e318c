//! Three daemons on one state, and what happens to them: killed, stopped, frozen; one is cut off from its database; the
//! database is restarted.

use std::{
    fmt,
    time::{Duration, Instant},
};

use rand::{RngExt, rngs::StdRng, seq::SliceRandom as _};
use test_support::{PrivatePostgres, Proxy, ProxyMode, TestDatabase};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::{
    chaos_plan::MAX_FAILURES,
    daemon::{Daemon, House},
    database_failover::{at, port},
};

/// Small, so that what may come again is little.
pub const MAX_GROUP: usize = 50;
const LEASE: Duration = Duration::from_secs(1);
/// From one blow to the next.
const EVERY: Duration = Duration::from_secs(2);

/// What happened, and how often.
#[derive(Clone, Default)]
pub struct Blows {
    pub kills: usize,
    pub stops: usize,
    pub freezes: usize,
    pub cuts: usize,
    pub restarts: usize,
    /// Daemons that ended by themselves, as they may when they start while the database is away.
    pub gave_up: usize,
    pub thaws: Vec<Instant>,
}

impl fmt::Display for Blows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kills, stops, freezes, cuts, restarts, gave_up, .. } = self;
        write!(
            f,
            "{kills} kills, {stops} stops, {freezes} freezes, {cuts} cuts of the wire, {restarts} restarts of the database, \
             {gave_up} starts without one"
        )
    }
}

impl Blows {
    /// Those after which something may come again.
    pub fn hard(&self) -> usize {
        self.kills + self.stops + self.freezes + self.cuts + self.restarts + self.gave_up
    }
}

/// See the head of this module.
pub struct Daemons {
    houses: Vec<House>,
    running: Vec<Daemon>,
    /// Between the last daemon and the database.
    wire: Proxy,
}

/// What can happen to a daemon.
#[derive(Clone, Copy)]
enum Blow {
    Kill,
    Stop,
    Freeze,
}

/// The next one: each of the three before any comes again, so that a short run has met them all.
fn deal(deck: &mut Vec<Blow>, rng: &mut StdRng) -> Blow {
    if deck.is_empty() {
        deck.extend([Blow::Kill, Blow::Stop, Blow::Freeze]);
        deck.shuffle(rng);
    }
    deck.pop().expect("it was just filled")
}

impl Daemons {
    /// Starts three with the same definitions.
    pub fn start(server: &PrivatePostgres, database: &TestDatabase, definitions: &str) -> Self {
        let wire = Proxy::to(([127, 0, 0, 1], port(server)).into());
        let urls = [database.url(), database.url(), at(database, wire.address().port())];
        let house = |url: &String| {
            let mut house = House::new(url);
            house.set("shutdown_grace = \"10s\"", "shutdown_grace = \"5s\"");
            house.set("duration = \"1s\"", &format!("duration = \"{}ms\"", LEASE.as_millis()));
            house.set(
                "[projection]",
                &format!("[projection]\nmax_failure_count = {MAX_FAILURES}\nhold_after_parked = 0"),
            );
            house.add(&format!("[ledger]\nmax_group = {MAX_GROUP}"));
            house.add(definitions);
            house
        };
        let houses: Vec<_> = urls.iter().map(house).collect();
        let running = houses.iter().map(House::start).collect();
        Self { houses, running, wire }
    }

    /// Every two seconds something happens to a daemon, and all the while to the wire of the last one; until `end`. Then
    /// all run, and can reach their database.
    pub async fn harass(&mut self, mut rng: StdRng, end: &CancellationToken) -> Blows {
        let mut blows = Blows::default();
        let wire = &self.wire;
        let cuts = cut(wire, end);
        let (running, houses) = (&mut self.running, &self.houses);
        let mut deck = Vec::new();
        let strikes = async {
            while pause(EVERY, end).await {
                restart_the_ended(running, houses, &mut blows);
                let which = rng.random_range(0..running.len());
                match deal(&mut deck, &mut rng) {
                    Blow::Kill => {
                        blows.kills += 1;
                        running.remove(which).kill();
                        running.insert(which, houses[which].start());
                    }
                    Blow::Stop => {
                        running[which].signal("TERM");
                        let ended = running[which].ended(Duration::from_secs(30)).await;
                        match ended.code() {
                            // Its database may be away just then.
                            Some(0 | 1) => blows.stops += 1,
                            // It had not come so far as to listen for signals.
                            None => blows.kills += 1,
                            Some(_) => panic!("a daemon that was stopped ended with {ended}"),
                        }
                        running[which] = houses[which].start();
                    }
                    Blow::Freeze => {
                        blows.freezes += 1;
                        running[which].signal("STOP");
                        // The lease has gone, and others have had the time to take it.
                        sleep(LEASE * 2).await;
                        blows.thaws.push(Instant::now());
                        running[which].signal("CONT");
                    }
                }
            }
        };
        let (cuts, ()) = tokio::join!(cuts, strikes);
        blows.cuts = cuts;
        self.wire.set(ProxyMode::Pass);
        restart_the_ended(&mut self.running, &self.houses, &mut blows);
        blows
    }

    /// Stops all of them in order. The last one may still be waiting for answers on a wire that was dead for a while.
    ///
    /// Gives what each has said.
    pub async fn stop(self) -> Vec<String> {
        let behind_the_wire = self.running.len() - 1;
        let logs = self.running.iter().map(Daemon::log).collect();
        for (number, daemon) in self.running.into_iter().enumerate() {
            let code = daemon.stop().await;
            assert!(code == 0 || number == behind_the_wire && code == 1, "daemon {number} ended with {code}");
        }
        logs
    }
}

/// A daemon whose database is away when it starts ends, and whoever runs it starts it again.
fn restart_the_ended(running: &mut [Daemon], houses: &[House], blows: &mut Blows) {
    for (daemon, house) in running.iter_mut().zip(houses) {
        if let Some(ended) = daemon.has_ended() {
            assert_eq!(ended.code(), Some(1), "a daemon ended with {ended}:\n{}", daemon.log());
            blows.gave_up += 1;
            *daemon = house.start();
        }
    }
}

/// Does to the wire one thing after the other; says how often.
async fn cut(wire: &Proxy, end: &CancellationToken) -> usize {
    // The first two last shorter than a lease, the others longer.
    let faults = [
        (ProxyMode::Drop, 500),
        (ProxyMode::Delay(Duration::from_millis(30)), 800),
        (ProxyMode::HalfOpen, 2_500),
        (ProxyMode::Refuse, 1_500),
        (ProxyMode::Delay(Duration::from_millis(150)), 2_500),
        (ProxyMode::Drop, 2_000),
    ];
    let mut cuts = 0;
    for (mode, millis) in faults.into_iter().cycle() {
        if !pause(Duration::from_millis(1_700), end).await {
            break;
        }
        cuts += 1;
        wire.set(mode);
        let goes_on = pause(Duration::from_millis(millis), end).await;
        wire.set(ProxyMode::Pass);
        if !goes_on {
            break;
        }
    }
    cuts
}

/// Whether it goes on afterwards.
pub async fn pause(long: Duration, end: &CancellationToken) -> bool {
    tokio::time::timeout(long, end.cancelled()).await.is_err()
}
