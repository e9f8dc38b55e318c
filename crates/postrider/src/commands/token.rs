//! `postrider token …`: who may manage postrider over HTTP.

use std::{process::ExitCode, time::Duration};

use clap::{Args, Subcommand};
use domain::{Role, Timestamp};
use serde_json::{Value, json};
use store::{NewToken, Token};

use crate::{
    context::Context,
    failure::{FAILED, usage},
    output::{Table, Tone, time},
};

#[derive(Subcommand)]
pub enum TokenCommand {
    Create(Create),
    /// Every token, without its secret
    List(List),
    /// Make a token worth nothing, from this moment on
    Revoke(Revoke),
}

impl TokenCommand {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        match self {
            Self::Create(command) => command.run(context).await,
            Self::List(command) => command.run(context).await,
            Self::Revoke(command) => command.run(context).await,
        }
    }
}

/// Make a token; it is shown this once
///
/// It is shown over HTTP as `Authorization: Bearer TOKEN`, or typed in where the console asks for it. A viewer sees how things
/// stand, without payloads and keys; an operator acts on cursors, failed events and targets; an admin defines targets and
/// executions, sees signing keys and hands out tokens.
#[derive(Args)]
pub struct Create {
    /// For the audit, and to revoke it by; unique among those in force
    #[arg(long)]
    name: String,
    /// What its holder may do: admin, operator or viewer
    #[arg(long)]
    role: Role,
    /// The only instance that its holder sees and changes; otherwise everything
    #[arg(long, value_name = "ID")]
    instance: Option<String>,
    /// Worth nothing after so long, such as 90d; otherwise until it is revoked
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration, conflicts_with = "expires_at")]
    expires_in: Option<Duration>,
    /// Worth nothing from then on (2027-01-01T00:00:00Z)
    #[arg(long, value_name = "TIME")]
    expires_at: Option<Timestamp>,
}

impl Create {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > 200 || name.contains(char::is_control) {
            return Err(usage("--name: 1 to 200 characters are needed"));
        }
        let state = context.state(&context.config()?).await?;
        let expires_at = match self.expires_in {
            None => self.expires_at,
            Some(duration) => {
                let end = state.now().await?.checked_add(duration);
                Some(end.map_err(|_| {
                    usage("--expires-in is longer than there are dates; give a shorter one, such as 90d")
                })?)
            }
        };
        let instance = self.instance.map(Into::into);
        let new = NewToken { name: name.to_owned(), role: self.role, instance, expires_at };
        let (token, text) = state.create_token(&new, context.actor().as_str()).await?;
        let mut value = shown(&token);
        value["token"] = json!(text.expose());
        context.output.tell(&value, &format!("token: {}\nIt is shown this once.", text.expose()))?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
pub struct List {}

impl List {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        let tokens = state.tokens().await?;
        let lines: Vec<Value> = tokens.iter().map(shown).collect();
        context.output.print(&lines, || table(&tokens, operate::now()))?;
        Ok(ExitCode::SUCCESS)
    }
}

#[derive(Args)]
pub struct Revoke {
    /// Its name or id
    name: String,
}

impl Revoke {
    async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let state = context.state(&context.config()?).await?;
        if !state.revoke_token(&self.name, None, context.actor().as_str()).await? {
            eprintln!("error: there is no token {:?} in force; `postrider token list` shows them", self.name);
            return Ok(ExitCode::from(FAILED));
        }
        context.output.tell(&json!({ "revoked": self.name }), &format!("{} opens nothing any more", self.name))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn shown(token: &Token) -> Value {
    json!({
        "name": token.name,
        "id": token.id,
        "role": token.role,
        "instance": token.instance,
        "created_by": token.created_by,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "revoked_at": token.revoked_at,
        "last_used_at": token.last_used_at,
    })
}

fn table(tokens: &[Token], now: Timestamp) -> Table {
    let header = ["name", "role", "instance", "state", "created", "by", "last used"];
    let mut table = Table::new(header, "no tokens; `postrider token create` makes one");
    for token in tokens {
        let (tone, state) = match (token.revoked_at, token.expires_at) {
            (Some(at), _) => (Tone::Dim, format!("revoked {}", time(at))),
            (None, Some(at)) if at <= now => (Tone::Dim, format!("expired {}", time(at))),
            (None, Some(at)) => (Tone::Plain, format!("until {}", time(at))),
            (None, None) => (Tone::Plain, "in force".to_owned()),
        };
        table.row(
            tone,
            [
                token.name.clone(),
                token.role.to_string(),
                token.instance.as_ref().map_or_else(|| "every".to_owned(), ToString::to_string),
                state,
                time(token.created_at),
                token.created_by.clone(),
                token.last_used_at.map_or_else(|| "never".to_owned(), time),
            ],
        );
    }
    table
}
