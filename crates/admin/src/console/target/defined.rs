//! How a target is defined, and which executions name it.

use domain::{ExecutionTarget, Source, Target};
use maud::{Markup, html};
use operate::{Edit, Keys, definitions::target_json};
use serde_json::Value;

use super::{
    super::{trouble::Trouble, visit::Visit},
    keys::FORM,
};

/// Settings in the order in which people look for them, by their names in a file.
const SHOWN: &[(&str, &str)] = &[
    ("type", "Type"),
    ("ordering", "Ordering"),
    ("max_in_flight", "Calls at a time"),
    ("timeout", "Timeout"),
    ("rate_limit", "Rate limit"),
    ("rate_burst", "Burst"),
    ("max_request", "Largest request, bytes"),
    ("max_answer", "Largest answer read, bytes"),
    ("interrupt_on_error", "Interrupts on error"),
    ("exclude", "Never sent"),
    ("payload", "Payload"),
    ("payload_encoding", "Encoding"),
    ("payload_type", "Wrapping"),
    ("headers", "Headers of its own"),
    ("signing_keys", "Signing keys in force"),
    ("signing_key_expires_at", "The oldest of them until"),
    ("start", "Began at"),
    ("instance", "Belongs to instance"),
    ("id", "Id"),
];

pub(super) async fn section(visit: &Visit, target: &Target) -> Result<Markup, Trouble> {
    let operator = &visit.operator;
    let edit = Edit::begin(&operator.state, &operator.files, visit.caller(), FORM, Keys::ThatOpen, true).await?;
    let entry = ExecutionTarget::Target(target.name.clone());
    let naming: Vec<_> = edit.executions().filter(|execution| execution.targets.contains(&entry)).collect();
    let defined = target_json(target, "");
    Ok(html! {
        section aria-labelledby="defined-head" {
            h2 #defined-head { "Definition" }
            @if target.source == Source::File { p.help { "From a file, which alone changes it." } }
            dl.facts.wide {
                div {
                    dt { "Called by" }
                    dd {
                        @if naming.is_empty() { "no execution; " a href="/executions" { "set one" } }
                        ul.plain { @for execution in naming {
                            li { code { (execution.condition) } @if let Some(instance) = &execution.instance { " on " code { (instance) } } }
                        } }
                    }
                }
                @for (name, label) in SHOWN {
                    @if let Some(text) = said(&defined[*name]) { div { dt { (label) } dd { (text) } } }
                }
            }
        }
    })
}

/// Whatever there is to say of a setting.
fn said(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Bool(is_so) => Some(if *is_so { "yes" } else { "no" }.to_owned()),
        Value::Array(list) => {
            Some(list.iter().filter_map(said).collect::<Vec<_>>().join(", ")).filter(|text| !text.is_empty())
        }
        other => Some(other.to_string()),
    }
}
