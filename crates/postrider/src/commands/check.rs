//! `postrider check`: everything that `run` needs, looked at one after the other. Changes nothing.

use std::process::ExitCode;

use clap::Args;
use domain::{Definitions, InstanceId, Position, Router, SignedDuration, Target, Timestamp, Wrap, WrapError};
use serde_json::json;
use store::{Finding, Severity, State, StoreError, Worker};

use crate::{
    config::Config,
    connect,
    context::Context,
    failure::{FAILED, USAGE},
    output::{Table, Tone, age, number, time},
};

/// A key that ends within this time is told of.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

#[derive(Args)]
pub struct Check {}

impl Check {
    pub async fn run(self, context: &Context) -> anyhow::Result<ExitCode> {
        let (findings, worst) = match context.config() {
            Ok(config) => {
                let mut findings = vec![finding(Severity::Ok, "config", format!("{} is sound", config.origin))];
                event_store(context, &config, &mut findings).await;
                let stored = state(&config, &mut findings).await;
                definitions(&config, stored.as_ref(), &mut findings).await;
                let failed = findings.iter().any(|finding| finding.severity == Severity::Error);
                (findings, if failed { FAILED } else { 0 })
            }
            Err(error) => {
                let lines = error.to_string().lines().map(|line| finding(Severity::Error, "config", line)).collect();
                (lines, USAGE)
            }
        };
        let lines: Vec<_> = (findings.iter())
            .map(|Finding { severity, subject, text }| {
                json!({ "severity": severity.to_string(), "subject": subject, "text": text })
            })
            .collect();
        context.output.print(&lines, || {
            let mut table = Table::new(["result", "subject", "finding"], "");
            for Finding { severity, subject, text } in findings {
                let tone = match severity {
                    Severity::Ok => Tone::Plain,
                    Severity::Warning => Tone::Warning,
                    Severity::Error => Tone::Bad,
                };
                table.row(tone, [severity.to_string(), subject, text]);
            }
            table
        })?;
        Ok(ExitCode::from(worst))
    }
}

fn finding(severity: Severity, subject: &str, text: impl Into<String>) -> Finding {
    Finding { severity, subject: subject.to_owned(), text: text.into() }
}

async fn event_store(context: &Context, config: &Config, findings: &mut Vec<Finding>) {
    let found = async { anyhow::Ok(context.events(config).await?.check().await?) };
    match found.await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(finding(Severity::Error, "event store", format!("{error:#}"))),
    }
}

/// What is defined there, if it can be read.
async fn state(config: &Config, findings: &mut Vec<Finding>) -> Option<Definitions> {
    let looked = async {
        let state = connect::state(config).await?;
        match state.check_schema().await {
            Ok(()) => {}
            Err(error @ StoreError::SchemaMissing) => {
                findings.push(finding(
                    Severity::Warning,
                    "state",
                    format!("{error}, or start the daemon, which does it"),
                ));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        }
        state.check_rights().await?;
        findings.push(finding(
            Severity::Ok,
            "state",
            format!("{} is at the schema this postrider knows", config.state),
        ));
        workers(&state, findings).await?;
        if let Some(warning) = plain_keys(&state).await? {
            findings.push(finding(Severity::Warning, "signing keys", warning));
        }
        let definitions = state.definitions().await?;
        let now = state.now().await?;
        findings.extend(definitions.targets.iter().filter_map(|target| wrapping(target, now)));
        anyhow::Ok(Some(definitions))
    };
    let looked: anyhow::Result<Option<Definitions>> = looked.await;
    looked.unwrap_or_else(|error| {
        findings.push(finding(Severity::Error, "state", format!("{error:#}")));
        None
    })
}

/// What is missing, or will be, for a target's bodies to be encrypted.
fn wrapping(target: &Target, now: Timestamp) -> Option<Finding> {
    let text = match target.wrap(now) {
        // One is made when the daemon finds that there is none.
        Ok(Wrap::Plain | Wrap::Signed(_)) | Err(WrapError::NoWebKey) => return None,
        Ok(Wrap::Encrypted(_, key)) => {
            let end = key.expires_at.filter(|end| end.duration_since(now) < SOON)?;
            format!(
                "its public key {} expires at {}: from then on nothing is sent; add the next one",
                key.id,
                time(end)
            )
        }
        Err(why) => format!("nothing is sent: {why}"),
    };
    Some(finding(Severity::Warning, &format!("target {}", target.name), text))
}

/// What an operator should know who has set a master key when there were signing keys already.
pub async fn plain_keys(state: &State) -> Result<Option<String>, StoreError> {
    Ok(match state.plain_keys().await? {
        0 => None,
        1 => Some("1 signing key is not encrypted; `postrider key rotate-master` encrypts it".to_owned()),
        count => Some(format!("{count} signing keys are not encrypted; `postrider key rotate-master` encrypts them")),
    })
}

async fn workers(state: &State, findings: &mut Vec<Finding>) -> Result<(), StoreError> {
    let workers = state.workers().await?;
    for worker in workers.iter().filter(|worker| worker.is_at_work()) {
        let Worker { id, info, targets, expires_in, .. } = worker;
        let who = format!("worker {id} (host {}, pid {}, version {})", info.host, info.pid, info.version);
        let left = age(expires_in.unsigned_abs().as_secs_f64());
        findings.push(match operate::runs_too_long(worker) {
            Some(trouble) => finding(Severity::Warning, "lease", trouble),
            None if worker.is_live() => {
                let text = format!("{who} serves {}; its lease runs for another {left}", number(*targets, "target"));
                finding(Severity::Ok, "lease", text)
            }
            None => {
                let text = format!(
                    "the lease of {who} ran out {left} ago; its {} are taken over by the next daemon that runs",
                    number(*targets, "target")
                );
                finding(Severity::Warning, "lease", text)
            }
        });
    }
    if !workers.iter().any(Worker::is_live) {
        findings.push(finding(Severity::Ok, "lease", "held by nobody: no daemon is running"));
    }
    Ok(())
}

/// The targets and executions that `run` would put in force: those of the state, and on top those of the file.
async fn definitions(config: &Config, stored: Option<&Definitions>, findings: &mut Vec<Finding>) {
    let mut targets: Vec<Target> = stored.map(|stored| stored.targets.clone()).unwrap_or_default();
    for spec in &config.definitions.targets {
        match spec.target(spec.name.to_string().into(), Position::ZERO, &config.origin) {
            Ok(target) => {
                targets.retain(|known| known.name != target.name);
                targets.push(target);
            }
            Err(error) => findings.push(finding(Severity::Error, "targets", error.to_string())),
        }
    }
    let mut executions = stored.map(|stored| stored.executions.clone()).unwrap_or_default();
    for wanted in &config.definitions.executions {
        executions.retain(|known| known.condition != wanted.condition || known.instance != wanted.instance);
        executions.push(wanted.clone());
    }
    endpoints(config, &targets, findings).await;
    let all = Definitions { revision: 0, targets, executions };
    for warning in operate::definitions::secrets_sent(&all) {
        findings.push(finding(Severity::Warning, "executions", warning));
    }
    for execution in all.executions.iter().filter(|execution| execution.targets.is_empty()) {
        let text = format!("{} has no targets: its events call nobody", execution.condition);
        findings.push(finding(Severity::Warning, "executions", text));
    }
    match Router::build(&all) {
        Ok(router) => uncalled(&all, &router, findings),
        Err(error) => findings.push(finding(Severity::Error, "executions", error.to_string())),
    }
}

async fn endpoints(config: &Config, targets: &[Target], findings: &mut Vec<Finding>) {
    let deliverer = match connect::deliverer(config) {
        Ok(deliverer) => deliverer,
        Err(error) => return findings.push(finding(Severity::Error, "delivery", format!("{error:#}"))),
    };
    for target in targets {
        let subject = format!("target {}", target.name);
        findings.push(match deliverer.refused(&target.endpoint).await {
            Some(reason) => finding(Severity::Error, &subject, format!("{} is refused: {reason}", target.endpoint)),
            None => finding(Severity::Ok, &subject, format!("{} may be called", target.endpoint)),
        });
    }
}

fn uncalled(all: &Definitions, router: &Router, findings: &mut Vec<Finding>) {
    let instances: Vec<InstanceId> = all
        .executions
        .iter()
        .filter_map(|execution| execution.instance.clone())
        .chain([InstanceId::from("")])
        .collect();
    for target in &all.targets {
        if !instances.iter().any(|instance| router.filter(&target.id, instance).is_some()) {
            let text = "no execution names it: it is never called";
            findings.push(finding(Severity::Warning, &format!("target {}", target.name), text));
        }
    }
    if all.targets.is_empty() {
        findings.push(finding(Severity::Warning, "targets", "there are none; nothing is delivered"));
    }
}
