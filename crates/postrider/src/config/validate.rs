//! From what was read to what is known to be sound. All problems are told at once.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use admin::{AdminOptions, TlsFiles};
use store::{MasterKey, MasterKeys};
use zeroize::Zeroizing;

use super::{
    DatabaseUrl, DefinitionsSpec, Sources,
    definitions::{self, Defaults},
    load,
    problem::{ConfigError, Problem},
    raw::{
        HorizonName, Lease, Ledger, Log, LoggedAttempts, Profile, Projection, RawColumns, RawConfig, RawEventStore,
        RawState, Retention,
    },
    secret::RawSecret,
    traces::Traces,
};

/// A config that was checked.
pub struct Config {
    /// What the file is called in messages.
    pub origin: String,
    pub event_store: EventStore,
    pub state: DatabaseUrl,
    /// What signing keys are encrypted with in the state.
    pub masters: MasterKeys,
    pub projection: Projection,
    pub ledger: Ledger,
    pub lease: Lease,
    pub delivery: Delivery,
    pub admin: Option<AdminOptions>,
    pub log: Log,
    /// Where traces are sent, if anywhere.
    pub traces: Option<Traces>,
    pub retention: Retention,
    pub shutdown_grace: Duration,
    /// Of this file and of `definitions.file`.
    pub definitions: DefinitionsSpec,
}

/// Where events are read.
pub struct EventStore {
    pub url: DatabaseUrl,
    pub table: TableSpec,
    pub horizon: Option<HorizonName>,
    pub ignore_roles: Vec<String>,
}

/// Which table, and what its columns mean.
pub enum TableSpec {
    Zitadel,
    Custom { table: String, columns: Box<RawColumns> },
}

/// What is common to all calls.
pub struct Delivery {
    pub defaults: Defaults,
    pub allow: Vec<String>,
    pub log: LoggedAttempts,
    /// From 0 to 1.
    pub log_sample: f64,
}

/// Problems, gathered.
#[derive(Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Something is wrong at this key.
    pub fn add(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.0.push(Problem { path: path.into(), text: text.into() });
    }

    /// The value, or nothing and one more problem.
    pub fn take<T, E: ToString>(&mut self, path: impl Into<String>, result: Result<T, E>) -> Option<T> {
        result.map_err(|error| self.add(path, error.to_string())).ok()
    }

    fn positive(&mut self, path: &str, duration: Duration) {
        if duration.is_zero() {
            self.add(path, "it must be longer than nothing; give a duration such as \"1s\"");
        }
    }

    fn at_least_one(&mut self, path: &str, number: u32) {
        if number == 0 {
            self.add(path, "it must be at least 1");
        }
    }
}

impl Config {
    /// Reads and checks everything.
    pub fn load(sources: &Sources) -> Result<Self, ConfigError> {
        let raw = sources.read()?;
        let folder = sources.file.as_deref().and_then(Path::parent).unwrap_or(Path::new("")).to_owned();
        Self::check(raw, sources.origin(), &folder)
    }

    pub(super) fn check(raw: RawConfig, origin: String, folder: &Path) -> Result<Self, ConfigError> {
        let mut problems = Problems::default();
        numbers(&raw, &mut problems);
        let defaults = Defaults { timeout: raw.delivery.timeout, max_in_flight: raw.delivery.max_in_flight };
        let mut definitions = definitions::check(&raw.target, &raw.execution, defaults, &mut problems);
        if let Some(file) = &raw.definitions.file {
            let file = folder.join(file);
            definitions.append(DefinitionsSpec::load(&file, defaults)?);
        }
        // A target that is no target is not missed by the executions that name it: one sentence is enough.
        if problems.0.is_empty()
            && let Some(problem) = definitions.contradictions()
        {
            problems.add("", problem);
        }
        let admin = match raw.admin.listen.as_str() {
            "" => None,
            text => problems.take(
                "admin.listen",
                text.parse().map_err(|_| format!("{text:?} is no address; one such as \"127.0.0.1:8788\" is needed")),
            ),
        };
        let tls =
            raw.admin.tls.map(|tls| TlsFiles { certificate: folder.join(tls.certificate), key: folder.join(tls.key) });
        let open_metrics = raw.admin.open_metrics;
        let admin = admin.map(|listen| AdminOptions { listen, tls, open_metrics });
        for (index, allow) in raw.delivery.egress.allow.iter().enumerate() {
            problems.take(format!("delivery.egress.allow[{index}]"), allow.parse::<webhook::Allow>());
        }
        let traces = Traces::checked(raw.traces, &mut problems);
        let RawState { url: plain, url_env, url_file, .. } = &raw.state;
        let state = url(&mut problems, "state", plain.clone(), url_env.clone(), url_file.clone());
        let masters = masters(raw.state, &mut problems);
        let event_store = event_store(raw.event_store, &mut problems);
        if let (Some(events), Some(state)) = (&event_store, &state)
            && state.sqlite_path().is_some_and(|path| events.url.sqlite_path() == Some(path))
        {
            problems.add("state.url", "the state needs a file of its own; leave it out or name another file");
        }
        match event_store {
            Some(event_store) if problems.0.is_empty() => Ok(Self {
                origin,
                state: state.unwrap_or_else(|| event_store.url.default_state()),
                masters,
                event_store,
                projection: raw.projection,
                ledger: raw.ledger,
                lease: raw.lease,
                delivery: Delivery {
                    defaults,
                    allow: raw.delivery.egress.allow,
                    log: raw.delivery.log,
                    log_sample: raw.delivery.log_sample,
                },
                admin,
                log: raw.log,
                traces,
                retention: raw.retention,
                shutdown_grace: raw.shutdown_grace,
                definitions,
            }),
            _ => Err(ConfigError { origin, problems: problems.0 }),
        }
    }
}

fn numbers(raw: &RawConfig, problems: &mut Problems) {
    let projection = &raw.projection;
    problems.positive("projection.poll_interval", projection.poll_interval);
    problems.positive("projection.requeue_every", projection.requeue_every);
    problems.positive("projection.retry_failed_after", projection.retry_failed_after);
    problems.at_least_one("projection.bulk_limit", projection.bulk_limit);
    problems.at_least_one("projection.max_failure_count", projection.max_failure_count);
    problems.at_least_one("projection.lookahead", projection.lookahead);
    if projection.max_retry_interval < projection.retry_failed_after {
        problems.add("projection.max_retry_interval", "it must not be shorter than projection.retry_failed_after");
    }
    problems.positive("ledger.flush_interval", raw.ledger.flush_interval);
    problems.at_least_one("ledger.max_group", raw.ledger.max_group);
    if raw.lease.duration < Duration::from_secs(1) {
        problems.add("lease.duration", "it must be at least \"1s\", so that a lease can be renewed in time");
    }
    let kept = &raw.retention;
    problems.positive("retention.parked", kept.parked);
    problems.positive("retention.deliveries", kept.deliveries);
    problems.at_least_one("retention.deliveries_per_target", kept.deliveries_per_target);
    problems.positive("retention.audit", kept.audit);
    problems.positive("retention.removed", kept.removed);
    problems.positive("delivery.timeout", raw.delivery.timeout);
    problems.at_least_one("delivery.max_in_flight", raw.delivery.max_in_flight);
    if !(0.0..=1.0).contains(&raw.delivery.log_sample) {
        problems.add("delivery.log_sample", "it is a share of the successes, from 0.0 to 1.0");
    }
    if !is_log_level(&raw.log.level) {
        problems.add(
            "log.level",
            "it must be error, warn, info, debug, trace, or directives such as \"info,postrider_engine=debug\"",
        );
    }
}

/// A bare word is a level; tracing would take any other word for the name of a module, and say nothing.
fn is_log_level(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let known = |part: &str| part.contains('=') || LEVELS.contains(&part.trim().to_ascii_lowercase().as_str());
    text.split(',').all(known) && tracing_subscriber::EnvFilter::try_new(text).is_ok()
}

fn event_store(raw: RawEventStore, problems: &mut Problems) -> Option<EventStore> {
    let before = problems.0.len();
    let url = url(problems, "event_store", raw.url, raw.url_env, raw.url_file);
    if url.is_none() && problems.0.len() == before {
        problems.add(
            "event_store.url",
            "it is missing; say where the events are, such as \"postgres://postrider@db/zitadel\", here, with \
             event_store.url_env or event_store.url_file, or in the environment as POSTRIDER_EVENT_STORE__URL",
        );
    }
    let table = match (raw.profile, raw.table, raw.columns) {
        (Profile::Custom, Some(table), columns) => {
            TableSpec::Custom { table, columns: Box::new(columns.unwrap_or_default()) }
        }
        (Profile::Custom, None, _) => {
            problems.add("event_store.table", "profile = \"custom\" needs it; name the table as \"schema.table\"");
            TableSpec::Zitadel
        }
        (Profile::Zitadel, None, None) => TableSpec::Zitadel,
        (Profile::Zitadel, table, _) => {
            let key = if table.is_some() { "event_store.table" } else { "event_store.columns" };
            problems.add(
                key,
                "it goes with profile = \"custom\" only; ZITADEL's table is known. Leave it out, or set the profile",
            );
            TableSpec::Zitadel
        }
    };
    Some(EventStore { url: url?, table, horizon: raw.horizon, ignore_roles: raw.ignore_roles })
}

fn url(
    problems: &mut Problems,
    section: &str,
    plain: Option<String>,
    env: Option<String>,
    file: Option<PathBuf>,
) -> Option<DatabaseUrl> {
    let (path, text) = said(problems, &format!("{section}.url"), plain, env, file)?;
    problems.take(path, DatabaseUrl::parse(text))
}

fn masters(raw: RawState, problems: &mut Problems) -> MasterKeys {
    let before = problems.0.len();
    let key = "state.master_key";
    let current = said(problems, key, raw.master_key, raw.master_key_env, raw.master_key_file);
    let key = "state.previous_master_key";
    let previous =
        said(problems, key, raw.previous_master_key, raw.previous_master_key_env, raw.previous_master_key_file);
    if let (None, Some((path, _))) = (&current, &previous)
        && problems.0.len() == before
    {
        problems.add(path, "it is what keys were encrypted with before state.master_key; set that one as well");
    }
    let mut parsed = |said: Option<(String, String)>| {
        let (path, text) = said.map(|(path, text)| (path, Zeroizing::new(text)))?;
        problems.take(path, text.parse::<MasterKey>())
    };
    MasterKeys { current: parsed(current), previous: parsed(previous) }
}

/// The one of the three ways to say something that was used, if any was, and what it says. Empty text counts as not said.
fn said(
    problems: &mut Problems,
    path: &str,
    plain: Option<String>,
    env: Option<String>,
    file: Option<PathBuf>,
) -> Option<(String, String)> {
    let said: Vec<_> = [
        plain.filter(|text| !text.is_empty()).map(|text| ("", RawSecret::Plain(text))),
        env.filter(|name| !name.is_empty()).map(|name| ("_env", RawSecret::Env(name))),
        file.filter(|path| !path.as_os_str().is_empty()).map(|path| ("_file", RawSecret::File(path))),
    ]
    .into_iter()
    .flatten()
    .collect();
    match said.as_slice() {
        [] => None,
        [(way, secret)] => {
            let path = format!("{path}{way}");
            let text = problems.take(&path, secret.fetch())?;
            Some((path, text))
        }
        [(first, _), (second, _), ..] => {
            problems.add(format!("{path}{second}"), format!("{path}{first} is set as well; keep one of them"));
            None
        }
    }
}

/// `definitions.file` or the file of `apply`.
impl DefinitionsSpec {
    /// Targets and executions of a file; whatever else a config file holds is read but not looked at.
    pub fn load(file: &Path, defaults: Defaults) -> Result<Self, ConfigError> {
        let raw = load::read_file(file)?;
        let mut problems = Problems::default();
        let spec = definitions::check(&raw.target, &raw.execution, defaults, &mut problems);
        if problems.0.is_empty() {
            Ok(spec)
        } else {
            Err(ConfigError { origin: file.display().to_string(), problems: problems.0 })
        }
    }
}
