//! A long backlog and dead targets cost neither memory nor the living their time.
//!
//! How long new events take is measured with the tenth dead and with all alive, in turn, several times in one run: what else the
//! machine does meets both alike. Of each kind the median of the rounds counts.

use std::{fs, time::Duration};

use super::memory_scene::Scene;

/// What the daemon may take, whatever the backlog.
const MAX_RESIDENT_MIB: u64 = 300;

/// How much, and how much worse the living may be off beside the dead.
struct Size {
    targets: usize,
    backlog: usize,
    rounds: usize,
    per_second: u32,
    /// New events a round.
    events: usize,
    /// Which delay counts, in hundredths of the events.
    percentile: usize,
    factor: f64,
    /// What no factor is asked of.
    slack: Duration,
    patience: Duration,
}

/// The most that a process has had in memory so far.
fn peak_mib(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("Linux says so");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1024
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    values[values.len() / 2]
}

async fn check(name: &str, size: Size) {
    let mut scene = Scene::new(size.targets, size.backlog).await;
    scene.die();
    let daemon = scene.house.start();
    let began = std::time::Instant::now();
    scene.wait_for(size.backlog - size.backlog / 10, size.patience).await;
    let took = began.elapsed();
    println!(
        "{name}: {} events of {} targets delivered in {took:.1?} beside {} dead ones, whose {} wait; resident at most {} MiB",
        size.backlog - size.backlog / 10,
        size.targets,
        size.targets / 10,
        size.backlog / 10,
        peak_mib(daemon.pid())
    );
    let at = size.percentile;
    let (mut beside_the_dead, mut alone) = (Vec::new(), Vec::new());
    for round in 1..=size.rounds {
        let delays = scene.delays(size.per_second, size.events, size.patience).await;
        beside_the_dead.push(delays[delays.len() * at / 100]);
        scene.revive();
        scene.wait_for_the_new(true, size.patience).await;
        let delays = scene.delays(size.per_second, size.events, size.patience).await;
        alone.push(delays[delays.len() * at / 100]);
        println!(
            "{name}, round {round}: p{at} {:.1?} beside the dead, {:.1?} when all live",
            beside_the_dead[round - 1],
            alone[round - 1]
        );
        scene.wait_for_the_new(true, size.patience).await;
        scene.die();
    }
    let (beside_the_dead, alone) = (median(beside_the_dead), median(alone));
    let peak = peak_mib(daemon.pid());
    println!(
        "{name}: p{at} {beside_the_dead:.1?} beside the dead, {alone:.1?} when all live; resident at most {peak} MiB"
    );
    assert_eq!(daemon.stop().await, 0);
    assert!(peak < MAX_RESIDENT_MIB, "the daemon took {peak} MiB, {MAX_RESIDENT_MIB} may be");
    let allowed = alone.mul_f64(size.factor).max(alone + size.slack);
    assert!(
        beside_the_dead <= allowed,
        "the living are slowed by the dead: {beside_the_dead:.1?} instead of {alone:.1?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_and_dead_targets_cost_little() {
    let size = Size {
        targets: 20,
        backlog: 20_000,
        rounds: 3,
        per_second: 50,
        events: 100,
        // Other tests run beside this one.
        percentile: 50,
        factor: 2.0,
        slack: Duration::from_millis(50),
        patience: Duration::from_mins(2),
    };
    check("memory", size).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it takes long: `just chaos`"]
async fn chaos_a_million_events_and_dead_targets_cost_little() {
    let size = Size {
        targets: 200,
        backlog: 1_000_000,
        rounds: 7,
        per_second: 200,
        events: 2_000,
        percentile: 99,
        factor: 1.2,
        slack: Duration::from_millis(2),
        patience: Duration::from_mins(20),
    };
    check("memory", size).await;
}
