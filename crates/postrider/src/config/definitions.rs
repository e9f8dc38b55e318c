//! `[[target]]` and `[[execution]]`, checked.

use std::{collections::BTreeMap, num::NonZeroU32, time::Duration};

use domain::{
    Condition, Definitions, Endpoint, Execution, ExecutionTarget, InstanceId, Limits, Ordering, PayloadEncoding,
    PayloadMode, PayloadType, Position, RateLimit, SigningKey, Source, Start, Target, TargetId, TargetKind, TargetName,
    TypePattern, Wrapping,
};

use operate::Files;

use super::{
    problem::ConfigError,
    raw::{RawCondition, RawExecution, RawTarget},
    secret::RawSecret,
    validate::Problems,
    words::{RawExecutionTarget, RawSize},
};

/// How the command line is called in messages.
pub const COMMAND_LINE: &str = "the command line";

/// What a target gets that does not say otherwise.
#[derive(Clone, Copy)]
pub struct Defaults {
    pub timeout: Duration,
    pub max_in_flight: u32,
}

/// Everything that files define.
#[derive(Default)]
pub struct DefinitionsSpec {
    pub targets: Vec<TargetSpec>,
    pub executions: Vec<Execution>,
}

/// A target as a file has it: without the id and the resolved start that the state gives it, its secrets not yet fetched.
pub struct TargetSpec {
    /// Its key in the file, for messages.
    pub path: String,
    pub name: TargetName,
    pub kind: TargetKind,
    pub endpoint: Endpoint,
    pub timeout: Duration,
    pub interrupt_on_error: bool,
    pub ordering: Ordering,
    pub max_in_flight: u32,
    pub limits: Limits,
    pub start: Start,
    pub exclude: Vec<TypePattern>,
    pub payload: PayloadMode,
    pub payload_encoding: PayloadEncoding,
    pub payload_type: PayloadType,
    /// `None`: every instance.
    pub instance: Option<InstanceId>,
    signing_keys: Vec<(String, RawSecret)>,
    headers: BTreeMap<String, RawSecret>,
}

impl TargetSpec {
    /// A target as the command line has it: the fields are those of `[[target]]`, and are checked as those of a file.
    pub fn of_the_command_line(fields: serde_json::Value, defaults: Defaults) -> Result<Self, ConfigError> {
        let raw: RawTarget =
            serde_json::from_value(fields).map_err(|error| ConfigError::whole(COMMAND_LINE, error.to_string()))?;
        let mut problems = Problems::default();
        target("target", &raw, defaults, &mut problems)
            .ok_or_else(|| ConfigError { origin: COMMAND_LINE.to_owned(), problems: problems.0 })
    }

    /// The target, with this id and start. Fetches its secrets.
    pub fn target(&self, id: TargetId, start_position: Position, origin: &str) -> Result<Target, ConfigError> {
        let mut problems = Problems::default();
        let signing_keys = (self.signing_keys.iter())
            .filter_map(|(key, secret)| problems.take(format!("{}.{key}", self.path), secret.fetch()))
            .map(SigningKey::from)
            .collect();
        let headers: BTreeMap<_, _> = (self.headers.iter())
            .filter_map(|(name, value)| {
                Some((name.clone(), problems.take(format!("{}.headers.{name}", self.path), value.fetch())?))
            })
            .collect();
        if let Err(error) = webhook::check_headers(&headers) {
            problems.add(format!("{}.headers", self.path), error.to_string());
        }
        if !problems.0.is_empty() {
            return Err(ConfigError { origin: origin.to_owned(), problems: problems.0 });
        }
        Ok(self.with(id, start_position, signing_keys, headers))
    }

    fn with(
        &self,
        id: TargetId,
        start_position: Position,
        signing_keys: Vec<SigningKey>,
        headers: BTreeMap<String, String>,
    ) -> Target {
        Target {
            id,
            name: self.name.clone(),
            instance: self.instance.clone(),
            kind: self.kind,
            endpoint: self.endpoint.clone(),
            timeout: self.timeout,
            interrupt_on_error: self.interrupt_on_error,
            signing_keys,
            ordering: self.ordering,
            max_in_flight: self.max_in_flight,
            limits: self.limits,
            start: self.start,
            start_position,
            headers,
            exclude: self.exclude.clone(),
            payload: self.payload,
            payload_encoding: self.payload_encoding,
            payload_type: self.payload_type,
            wrapping: Wrapping::default(),
            paused: false,
            source: Source::File,
        }
    }
}

impl DefinitionsSpec {
    /// What is the file's to change. `origin` is how it is called in messages.
    pub fn files(&self, origin: &str) -> Files {
        Files {
            origin: origin.to_owned(),
            targets: self.targets.iter().map(|spec| spec.name.clone()).collect(),
            executions: self.executions.clone(),
        }
    }

    /// Its targets, without the ids and starts that the state gives them. Fetches their secrets.
    pub fn drafts(&self, origin: &str) -> Result<Vec<Target>, ConfigError> {
        self.targets.iter().map(|spec| spec.target("".into(), Position::ZERO, origin)).collect()
    }

    /// Adds those of another file.
    pub fn append(&mut self, other: Self) {
        self.targets.extend(other.targets);
        self.executions.extend(other.executions);
    }

    /// What does not fit together: names given twice, executions of targets that are not there.
    pub fn contradictions(&self) -> Option<String> {
        let ids = 0..;
        let targets = (self.targets.iter().zip(ids))
            .map(|(spec, id): (_, u64)| spec.with(id.to_string().into(), Position::ZERO, Vec::new(), BTreeMap::new()))
            .collect();
        let definitions = Definitions { revision: 0, targets, executions: self.executions.clone() };
        definitions.validate().err().map(|error| error.to_string())
    }
}

/// Checks each by itself; how they fit together is [`DefinitionsSpec::contradictions`].
pub fn check(
    targets: &[RawTarget],
    executions: &[RawExecution],
    defaults: Defaults,
    problems: &mut Problems,
) -> DefinitionsSpec {
    DefinitionsSpec {
        targets: (targets.iter().enumerate())
            .filter_map(|(index, raw)| target(&format!("target[{index}]"), raw, defaults, problems))
            .collect(),
        executions: (executions.iter().enumerate())
            .filter_map(|(index, raw)| execution(&format!("execution[{index}]"), raw, problems))
            .collect(),
    }
}

fn target(path: &str, raw: &RawTarget, defaults: Defaults, problems: &mut Problems) -> Option<TargetSpec> {
    let before = problems.0.len();
    let at = |key: &str| format!("{path}.{key}");
    if raw.name.is_empty() || raw.name.contains(|c: char| c.is_whitespace() || c.is_control()) {
        problems.add(at("name"), "a name is needed, without spaces; it is what commands call the target");
    }
    if raw.timeout.is_some_and(|timeout| timeout.is_zero()) {
        problems.add(at("timeout"), "it must be longer than nothing; give a duration such as \"10s\"");
    }
    if raw.max_in_flight == Some(0) {
        problems.add(at("max_in_flight"), "it must be at least 1");
    }
    let limits = limits(path, raw, problems);
    let signing_keys: Vec<_> = (raw.signing_key.iter().map(|secret| ("signing_key".to_owned(), secret.clone())))
        .chain(raw.signing_keys.iter().zip(0..).map(|(key, index)| (format!("signing_keys[{index}]"), key.clone())))
        .collect();
    if signing_keys.is_empty() {
        problems.add(
            at("signing_key"),
            "a target from a file needs it; give { env = \"NAME\" }, { file = \"PATH\" } or a string",
        );
    }
    let endpoint = problems.take(at("endpoint"), raw.endpoint.parse::<Endpoint>());
    let exclude = patterns(&at("exclude"), &raw.exclude, problems);
    (problems.0.len() == before).then(|| TargetSpec {
        path: path.to_owned(),
        name: raw.name.as_str().into(),
        kind: raw.kind,
        endpoint: endpoint.expect("an endpoint that does not parse is a problem"),
        timeout: raw.timeout.unwrap_or(defaults.timeout),
        interrupt_on_error: raw.interrupt_on_error,
        ordering: raw.ordering,
        max_in_flight: raw.max_in_flight.unwrap_or(defaults.max_in_flight),
        limits,
        start: raw.start.0,
        exclude,
        payload: raw.payload,
        payload_encoding: raw.payload_encoding,
        payload_type: raw.payload_type,
        instance: raw.instance.as_deref().map(Into::into),
        signing_keys,
        headers: raw.headers.clone(),
    })
}

fn limits(path: &str, raw: &RawTarget, problems: &mut Problems) -> Limits {
    let at = |key: &str| format!("{path}.{key}");
    let rate = raw.rate_limit.as_deref().and_then(|text| problems.take(at("rate_limit"), text.parse::<RateLimit>()));
    if raw.rate_burst.is_some() && raw.rate_limit.is_none() {
        problems.add(at("rate_burst"), "it goes with rate_limit only; set that, or leave this out");
    }
    if raw.rate_burst == Some(0) {
        problems.add(at("rate_burst"), "it must be at least 1");
    }
    let size = |size: Option<RawSize>| size.map(|RawSize(bytes)| bytes);
    let (max_request, max_answer) = (size(raw.max_request), size(raw.max_answer));
    if max_request == Some(0) {
        problems.add(at("max_request"), "it must be at least 1 byte; leave it out for no limit");
    }
    let most = webhook::DeliveryOptions::default().max_answer as u64;
    if max_answer.is_some_and(|bytes| bytes == 0 || bytes > most) {
        problems.add(
            at("max_answer"),
            "it must be at least 1 byte and at most \"1MiB\", which is what is read if it is left out",
        );
    }
    Limits { rate, burst: raw.rate_burst.and_then(NonZeroU32::new), max_request, max_answer }
}

fn execution(path: &str, raw: &RawExecution, problems: &mut Problems) -> Option<Execution> {
    let found = condition(&raw.condition);
    let condition = problems.take(format!("{path}.condition"), found);
    let exclude = patterns(&format!("{path}.exclude"), &raw.exclude, problems);
    let mut targets = Vec::new();
    for (index, target) in raw.targets.iter().enumerate() {
        let at = format!("{path}.targets[{index}]");
        match target {
            RawExecutionTarget::Name(name) => targets.push(ExecutionTarget::Target(name.as_str().into())),
            RawExecutionTarget::Include(raw) => {
                let found = self::condition(raw);
                targets.extend(problems.take(format!("{at}.include"), found).map(ExecutionTarget::Include));
            }
        }
    }
    let instance = raw.instance.as_deref().map(Into::into);
    Some(Execution { condition: condition?, instance, targets, exclude, source: Source::File })
}

fn condition(raw: &RawCondition) -> Result<Condition, String> {
    if raw.request.is_some() || raw.response.is_some() || raw.function.is_some() {
        return Err(
            "this version delivers events only; conditions are { event = … }, { group = … } or { all = true }".into()
        );
    }
    match (&raw.event, &raw.group, raw.all) {
        (Some(event), None, None) => Condition::event(event),
        (None, Some(group), None) => Condition::group(group),
        (None, None, Some(true)) => Ok(Condition::All),
        _ => return Err("exactly one of { event = … }, { group = … } and { all = true } is needed".into()),
    }
    .map_err(|error| error.to_string())
}

fn patterns(path: &str, texts: &[String], problems: &mut Problems) -> Vec<TypePattern> {
    (texts.iter().enumerate())
        .filter_map(|(index, text)| problems.take(format!("{path}[{index}]"), text.parse::<TypePattern>()))
        .collect()
}
