//! The fields of a target's form, and what they say as settings.
//!
//! Values of headers are secrets and never come back to a page: a form says which are added and which are taken away. An endpoint
//! is shown without its query, which may hold a token; one that is sent back as it was shown stays as it is.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{Source, Target};
use maud::{Markup, html};
use operate::{OperateError, definitions::TargetSettings};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use super::super::{
    parts::{check, choice, field, line, needed},
    trouble::Trouble,
    visit::Fields,
};

const KINDS: &[(&str, &str)] = &[
    ("webhook", "webhook: the status decides"),
    ("call", "call: the same, for ZITADEL's word"),
    ("async", "async: the answer is not awaited"),
];
const ORDERINGS: &[(&str, &str)] = &[
    ("strict", "strict: one call at a time"),
    ("aggregate", "aggregate: each aggregate in order"),
    ("none", "none: any order"),
];
const PAYLOADS: &[(&str, &str)] = &[("full", "full: as stored"), ("none", "none: left out")];
const ENCODINGS: &[(&str, &str)] = &[("base64", "base64: as ZITADEL sends it"), ("json", "json: embedded")];
const TYPES: &[(&str, &str)] = &[("json", "json"), ("jwt", "jwt: signed"), ("jwe", "jwe: signed and encrypted")];

/// What a target's form says before anybody has changed it.
pub(super) fn of(target: &Target) -> Fields {
    let word = |value: Value| value.as_str().unwrap_or_default().to_owned();
    let number = |limit: Option<u64>| limit.map(|limit| limit.to_string()).unwrap_or_default();
    let exclude: Vec<String> = target.exclude.iter().map(ToString::to_string).collect();
    let yes = |is_so: bool| if is_so { "yes" } else { "" }.to_owned();
    Fields::filled([
        ("name", target.name.to_string()),
        ("endpoint", target.endpoint.without_query()),
        ("type", word(json!(target.kind))),
        ("timeout", operate::words::exactly(target.timeout)),
        ("interrupt_on_error", yes(target.interrupt_on_error)),
        ("ordering", word(json!(target.ordering))),
        ("max_in_flight", target.max_in_flight.to_string()),
        ("rate_limit", target.limits.rate.map(|rate| rate.to_string()).unwrap_or_default()),
        ("rate_burst", target.limits.burst.map(|burst| burst.to_string()).unwrap_or_default()),
        ("max_request", number(target.limits.max_request)),
        ("max_answer", number(target.limits.max_answer)),
        ("exclude", exclude.join("\n")),
        ("payload", word(json!(target.payload))),
        ("payload_encoding", word(json!(target.payload_encoding))),
        ("payload_type", word(json!(target.payload_type))),
    ])
}

/// A short print of what a form shows of a target: another one, as soon as somebody changes any of it.
pub(super) fn print(target: &Target) -> String {
    let mut digest = Sha256::new();
    let headers = target.headers.keys().map(|name| ("header", name.as_str()));
    for (name, value) in of(target).iter().chain(headers) {
        for part in [name, value] {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
    }
    URL_SAFE_NO_PAD.encode(&digest.finalize()[..12])
}

/// The fields, filled. `headers` are the names of those there are.
pub(super) fn inputs(fields: &Fields, headers: &[&str]) -> Markup {
    let text = |name: &str| fields.text(name).to_owned();
    let lines = |id: &str, label: &str, help: &str| {
        let input = html! {
            textarea id=(id) name=(id) rows="3" spellcheck="false" autocomplete="off" aria-describedby={ (id) "-help" } { (text(id)) }
        };
        field(id, label, help, &input)
    };
    html! {
        (needed("name", "Name", &text("name"), "What people call it."))
        (needed("endpoint", "Endpoint", &text("endpoint"), "http or https, without credentials. Only public addresses, unless delivery.egress.allow has them."))
        details open[!headers.is_empty() || fields.is_checked("more")] {
            summary { "More settings" }
            div.columns {
                (choice("type", "Type", &text("type"), KINDS, ""))
                (line("timeout", "Timeout", &text("timeout"), "Such as 10s."))
                (choice("ordering", "Ordering", &text("ordering"), ORDERINGS, ""))
                (line("max_in_flight", "Calls at a time", &text("max_in_flight"), "Where the ordering allows more than one."))
                (line("rate_limit", "Rate limit", &text("rate_limit"), "Such as 10/s or 600/m; nothing for none."))
                (line("rate_burst", "Burst", &text("rate_burst"), "Calls at once after a pause."))
                (line("max_request", "Largest request", &text("max_request"), "In bytes; nothing for no limit."))
                (line("max_answer", "Largest answer read", &text("max_answer"), "In bytes, 1048576 at most."))
                (choice("payload", "Payload", &text("payload"), PAYLOADS, ""))
                (choice("payload_encoding", "Encoding of the payload", &text("payload_encoding"), ENCODINGS, ""))
                (choice("payload_type", "Wrapping", &text("payload_type"), TYPES, ""))
            }
            (check("interrupt_on_error", "Targets behind it in an execution need its verdict first", fields.is_checked("interrupt_on_error")))
            (lines("exclude", "Types never sent", "One on each line, such as user.human.password.*"))
            (lines("headers", "Headers to add", "One on each line, such as X-Tenant: acme. Values are not shown again."))
            @if !headers.is_empty() {
                fieldset {
                    legend { "Headers to take away" }
                    @for header in headers {
                        div.field.check {
                            input id={ "without-" (header) } name="without" type="checkbox" value=(header);
                            label for={ "without-" (header) } { (header) }
                        }
                    }
                }
            }
        }
    }
}

/// What the fields say, each checked as an API's would be. `known`: the target that is changed.
pub(super) fn settings(fields: &Fields, known: Option<&Target>) -> Result<TargetSettings, Trouble> {
    let mut said = Map::new();
    for name in
        ["name", "endpoint", "type", "timeout", "ordering", "rate_limit", "payload", "payload_encoding", "payload_type"]
    {
        if let Some(text) = fields.some(name) {
            said.insert(name.to_owned(), Value::String(text));
        }
    }
    for name in ["max_in_flight", "rate_burst", "max_request", "max_answer"] {
        if let Some(text) = fields.some(name) {
            let number: u64 = text.parse().map_err(|_| invalid(format!("{name}: {text:?} is no whole number")))?;
            said.insert(name.to_owned(), json!(number));
        }
    }
    if fields.some("rate_limit").is_none() {
        said.insert("rate_limit".to_owned(), json!("none"));
    }
    for name in ["max_request", "max_answer"] {
        said.entry(name).or_insert(json!(0));
    }
    let exclude: Vec<&str> = fields.text("exclude").lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    said.insert("exclude".to_owned(), json!(exclude));
    said.insert("interrupt_on_error".to_owned(), json!(fields.is_checked("interrupt_on_error")));
    said.insert("headers".to_owned(), headers(fields)?);
    if known.is_some_and(|known| fields.text("endpoint") == known.endpoint.without_query()) {
        said.remove("endpoint");
    }
    serde_json::from_value(Value::Object(said)).map_err(|error| invalid(error.to_string()))
}

fn headers(fields: &Fields) -> Result<Value, Trouble> {
    let mut headers: Map<String, Value> = fields.all("without").map(|name| (name.to_owned(), Value::Null)).collect();
    for (number, line) in fields.text("headers").lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        // The line is not repeated: it may hold a secret.
        let (name, value) = line
            .split_once(':')
            .ok_or_else(|| invalid(format!("headers: line {} has no colon between a name and a value", number + 1)))?;
        headers.insert(name.trim().to_owned(), json!(value.trim()));
    }
    Ok(Value::Object(headers))
}

fn invalid(sentence: String) -> Trouble {
    OperateError::Invalid(sentence).into()
}

/// Whether a form may change it: what is in a file belongs to the file.
pub(super) fn is_ours(target: &Target) -> bool {
    target.source == Source::Api
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target() -> Target {
        let endpoint = "https://crm.example.com/hook?token=hush".parse().expect("it is a URL");
        let mut target = Target::new("1".into(), "crm".into(), endpoint);
        target.headers.insert("X-Tenant".to_owned(), "hush".to_owned());
        target
    }

    #[test]
    fn a_form_that_is_sent_back_as_it_came_changes_nothing_and_tells_no_secret() {
        let known = target();
        let fields = of(&known);
        let page = inputs(&fields, &["X-Tenant"]).into_string();
        assert!(!page.contains("hush"), "{page}");
        let mut changed = known.clone();
        settings(&fields, Some(&known)).expect("it is sound").put_into(&mut changed).expect("it is sound");
        assert_eq!(changed, known);
    }

    #[test]
    fn a_print_is_that_of_what_is_shown() {
        let (known, mut other) = (target(), target());
        assert_eq!(print(&known), print(&other));
        other.headers.insert("X-Key".to_owned(), "hush".to_owned());
        assert_ne!(print(&known), print(&other));
        let slower = Target { timeout: std::time::Duration::from_secs(99), ..target() };
        assert_ne!(print(&known), print(&slower));
    }

    #[test]
    fn headers_are_added_and_taken_away_and_a_mistake_repeats_no_secret() {
        let fields =
            |headers: &str| Fields::filled([("headers", headers.to_owned()), ("without", "X-Tenant".to_owned())]);
        let mut changed = target();
        let said = settings(&fields("X-Key: a:b\n\nX-Other:c"), None).expect("it is sound");
        said.put_into(&mut changed).expect("it is sound");
        assert_eq!(
            changed.headers.into_iter().collect::<Vec<_>>(),
            [("X-Key".into(), "a:b".into()), ("X-Other".into(), "c".into())]
        );
        let trouble = settings(&fields("hush"), None).err().expect("there is no colon");
        assert!(trouble.detail().contains("line 1") && !trouble.detail().contains("hush"));
    }
}
