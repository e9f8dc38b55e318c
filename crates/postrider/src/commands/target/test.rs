//! `postrider target test NAME`: one signed call with an event that is in no store.

use std::process::ExitCode;

use clap::Args;
use operate::test_call::{TEST, test_call};

use crate::{connect, context::Context, failure::FAILED};

/// Call a target once with a test event, as its next event would be sent
///
/// The event is in no store: its aggregate type is postrider.test, its sequence and position are 0. Cursors and failed
/// events stay as they are. The answer is awaited also where the target's type is async.
#[derive(Args)]
pub struct Test {
    /// The target's name
    name: String,
    /// The event type that it says it is
    #[arg(long, value_name = "TYPE", default_value = TEST)]
    event_type: String,
}

impl Test {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let config = context.config()?;
        let state = context.state(&config).await?;
        let deliverer = connect::deliverer(&config)?;
        let tested = test_call(&self.name, &self.event_type, &context.caller(), &state, &deliverer).await?;
        context.output.tell(&tested.answer, &tested.sentence)?;
        Ok(ExitCode::from(if tested.delivered { 0 } else { FAILED }))
    }
}
