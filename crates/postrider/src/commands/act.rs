//! What operators' acts have in common: who, why, and whether it is only a rehearsal.

use clap::Args;
use operate::Told;
use store::By;

use crate::context::Context;

/// Options of an act that needs no reason.
#[derive(Args)]
pub struct How {
    /// Why, for the audit
    #[arg(long, value_name = "TEXT", value_parser = words)]
    reason: Option<String>,
    /// Say what would come of it, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Options of an act that others will wonder about.
#[derive(Args)]
pub struct Because {
    /// Why, for those who come after you
    #[arg(long, value_name = "TEXT", value_parser = words)]
    pub reason: String,
    /// Say what would come of it, and change nothing
    #[arg(long)]
    pub dry_run: bool,
}

impl How {
    /// For the store.
    pub fn by<'a>(&'a self, actor: &'a str) -> By<'a> {
        By::new(actor).because(self.reason.as_deref()).rehearsed(self.dry_run)
    }

    /// As it is asked for.
    pub fn asked(self) -> operate::How {
        operate::How { reason: self.reason, dry_run: self.dry_run }
    }
}

impl Because {
    /// As it is asked for.
    pub fn asked(self) -> operate::How {
        operate::How { reason: Some(self.reason), dry_run: self.dry_run }
    }
}

/// A reason has words in it.
fn words(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.is_empty() { Err("say why, in a few words".to_owned()) } else { Ok(text.to_owned()) }
}

/// Says what came of an act, and where it was none, that it was none.
pub fn told(context: &Context, told: &Told) -> anyhow::Result<()> {
    let remark = if told.dry_run { " (dry run: nothing was changed)" } else { "" };
    context.output.tell(&told.answer, &format!("{}{remark}", told.sentence))
}

/// What the operator should know, on standard error.
pub fn warn(warnings: &[String]) {
    for warning in warnings {
        eprintln!("warning: {warning}");
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_reason_is_not_blank() {
        assert_eq!(words("  the CRM moves ").as_deref(), Ok("the CRM moves"));
        assert!(words(" \t").is_err());
    }
}
