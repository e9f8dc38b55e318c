//! The endpoint as the bench sees it: a process to ask.

use std::{process::Stdio, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};
use serde::de::DeserializeOwned;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time::{Instant, sleep},
};

use crate::{
    numbers::float,
    receive::{Count, Listening, Question, Sample},
};

/// How often the endpoint is asked whether everything has arrived. When it did is the endpoint's to say.
const LOOK: Duration = Duration::from_millis(20);
/// How long nothing may arrive.
const PATIENCE: Duration = Duration::from_secs(90);

/// A child that is told things and answers, a line each.
pub struct Part {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

impl Part {
    /// Starts this very binary with these arguments. It is killed when this is dropped.
    pub fn start(arguments: &[&str]) -> Result<Self> {
        let binary = std::env::current_exe().context("this process has a binary")?;
        let mut child = Command::new(binary)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("the bench can be started once more")?;
        let input = child.stdin.take().context("its input is piped")?;
        let output = BufReader::new(child.stdout.take().context("its output is piped")?).lines();
        Ok(Self { child, input, output })
    }

    pub fn pid(&self) -> Result<u32> {
        self.child.id().context("the part of the bench has ended")
    }

    pub async fn tell(&mut self, line: &str) -> Result<()> {
        self.input.write_all(format!("{line}\n").as_bytes()).await.context("the part of the bench listens")
    }

    pub async fn hear<T: DeserializeOwned>(&mut self) -> Result<T> {
        let line = self.output.next_line().await.context("the part of the bench can be heard")?;
        let line = line.context("the part of the bench has ended before it answered")?;
        serde_json::from_str(&line).with_context(|| format!("the part of the bench said {line:?}"))
    }
}

/// An endpoint that runs.
pub struct Receiver {
    part: Part,
    port: u16,
}

impl Receiver {
    pub async fn start() -> Result<Self> {
        Self::start_with(&["receive"]).await
    }

    /// One that keeps when each request arrived.
    pub async fn start_with_times() -> Result<Self> {
        Self::start_with(&["receive", "--times"]).await
    }

    async fn start_with(arguments: &[&str]) -> Result<Self> {
        let mut part = Part::start(arguments)?;
        let Listening { port } = part.hear().await?;
        Ok(Self { part, port })
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    pub fn pid(&self) -> Result<u32> {
        self.part.pid()
    }

    /// Where the target with this number calls.
    pub fn url(&self, target: usize) -> String {
        format!("http://127.0.0.1:{}/t{target}", self.port)
    }

    pub async fn count(&mut self) -> Result<Count> {
        self.ask(Question::Count).await
    }

    /// When each request arrived, in nanoseconds of the monotonic clock.
    pub async fn times(&mut self) -> Result<Vec<u64>> {
        self.ask(Question::Times).await
    }

    pub async fn sample(&mut self) -> Result<Sample> {
        self.ask::<Option<Sample>>(Question::Sample).await?.context("nothing has arrived")
    }

    /// Waits until so many requests have arrived; `alive` fails when nothing more can come.
    pub async fn until(&mut self, wanted: u64, mut alive: impl FnMut() -> Result<()>) -> Result<Count> {
        let mut last = (0, Instant::now());
        loop {
            let count = self.count().await?;
            if count.calls >= wanted {
                return Ok(count);
            }
            if count.calls > last.0 {
                last = (count.calls, Instant::now());
            }
            alive()?;
            if last.1.elapsed() > PATIENCE {
                bail!("{} of {wanted} calls arrived, then none for {PATIENCE:?}", count.calls);
            }
            sleep(LOOK).await;
        }
    }

    /// Whether each target was called for everything, and for nothing twice.
    pub async fn check(&mut self, expected: &[u64]) -> Result<()> {
        let paths: Vec<u64> = self.ask(Question::Paths).await?;
        ensure!(paths.len() <= expected.len(), "{} targets were called, there are {}", paths.len(), expected.len());
        for (target, expected) in expected.iter().enumerate() {
            let called = paths.get(target).copied().unwrap_or(0);
            ensure!(called == *expected, "target {target} was called {called} times for {expected} events");
        }
        Ok(())
    }

    async fn ask<T: DeserializeOwned>(&mut self, question: Question) -> Result<T> {
        self.part.tell(question.word()).await?;
        self.part.hear().await
    }
}

impl Count {
    /// From the first to the last.
    pub fn took(&self) -> Duration {
        Duration::from_nanos(self.last - self.first)
    }

    /// How many a second, from the first to the last.
    pub fn per_second(&self) -> f64 {
        float(self.calls.saturating_sub(1)) / self.took().as_secs_f64()
    }
}
