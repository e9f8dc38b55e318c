//! The bare client as the bench sees it: a process that makes the daemon's calls.

use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::{
    cli::Client,
    cpu,
    deliver::Run,
    receive::Sample,
    receiver::{Part, Receiver},
};

/// Has the call made by so many loops side by side, each so many times.
pub async fn bare(client: Client, sample: &Sample, loops: usize, each: usize) -> Result<Run> {
    let mut receiver = Receiver::start().await?;
    let (port, loops_text, each_text) = (receiver.port().to_string(), loops.to_string(), each.to_string());
    let mut caller = Part::start(&[
        "call",
        "--client",
        client.name(),
        "--port",
        &port,
        "--loops",
        &loops_text,
        "--each",
        &each_text,
    ])?;
    caller.tell(&serde_json::to_string(sample)?).await?;
    let _: bool = caller.hear().await.context("the bare client is ready")?;
    let before = (cpu::of(caller.pid()?)?, cpu::of(receiver.pid()?)?);
    caller.tell("go").await?;
    let _: bool = caller.hear().await.context("the bare client has made its calls")?;
    let after = (cpu::of(caller.pid()?)?, cpu::of(receiver.pid()?)?);
    let peak_memory = cpu::peak_memory(caller.pid()?)?;
    let count = receiver.count().await?;
    receiver.check(&vec![each as u64; loops]).await?;
    Ok(Run {
        per_second: count.per_second(),
        calls: count.calls,
        caller: after.0.saturating_sub(before.0),
        endpoint: after.1.saturating_sub(before.1),
        postgres: Duration::ZERO,
        peak_memory,
    })
}
