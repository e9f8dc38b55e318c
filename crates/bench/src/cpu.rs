//! What a process has used, as Linux counts it in `/proc`.

use std::{fs, time::Duration};

use anyhow::{Context as _, Result};

use crate::numbers::float;

/// The fields of `/proc/PID/stat` that are wanted here, in clock ticks.
struct Stat {
    parent: u32,
    own: u64,
    /// Of children that have ended and were waited for.
    children: u64,
}

/// What a process has used so far, in user and kernel mode; without its children.
pub fn of(process: u32) -> Result<Duration> {
    Ok(ticks(stat(process)?.own))
}

/// What a process and its children, those that are gone too, have used so far. Children of children are not looked for.
pub fn of_family(process: u32) -> Result<Duration> {
    let parent = stat(process)?;
    let processes = fs::read_dir("/proc").context("processor time is read from Linux's /proc")?;
    let processes = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    // One that ends while it is looked at was waited for by now, or will be.
    let children = processes.filter_map(|child| stat(child).ok()).filter(|stat| stat.parent == process);
    Ok(ticks(parent.own + parent.children + children.map(|stat| stat.own).sum::<u64>()))
}

/// The most memory that a process has had resident so far, in bytes.
pub fn peak_memory(process: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).context("the process runs")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("Linux says what a process had")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().context("it says it in kB")?;
    Ok(kilobytes * 1024)
}

fn stat(process: u32) -> Result<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).context("the process runs")?;
    // `pid (name) state ppid …`, and the name may hold anything.
    let (_, fields) = text.rsplit_once(')').context("a name stands in brackets")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let field =
        |number: usize| fields.get(number).and_then(|field| field.parse::<u64>().ok()).context("a field of stat");
    Ok(Stat {
        parent: u32::try_from(field(1)?).context("a process id")?,
        own: field(11)? + field(12)?,
        children: field(13)? + field(14)?,
    })
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(float(ticks) / float(rustix::param::clock_ticks_per_second()))
}
