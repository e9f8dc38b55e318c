//! JSON Schema in words: as much of it as our own description uses.

use maud::{Markup, html};
use serde_json::Value;

/// Where a schema stands on the page.
pub(super) fn anchor(name: &str) -> String {
    format!("schema-{name}")
}

/// Text with code in it, between backticks.
pub(super) fn prose(text: &str) -> Markup {
    html! { @for (at, part) in text.split('`').enumerate() { @if at % 2 == 1 { code { (part) } } @else { (part) } } }
}

/// The fields of an object, or the word for anything else.
pub(super) fn shape(schema: &Value) -> Markup {
    let fields = fields(schema);
    html! {
        @if let Some(about) = schema["description"].as_str() { p { (prose(about)) } }
        @if fields.is_empty() { p { (word(schema)) } } @else {
            dl.facts.wide {
                @for (name, field, needed) in &fields {
                    div {
                        dt { code { (name) } }
                        dd {
                            span.quiet { (word(field)) @if *needed { ", needed" } }
                            @if let Some(about) = field["description"].as_str() { " " (prose(about)) }
                        }
                    }
                }
            }
        }
    }
}

/// Fields by name, with those of the parts that it is made of.
fn fields(schema: &Value) -> Vec<(&String, &Value, bool)> {
    let needed = schema["required"].as_array();
    let own = schema["properties"].as_object().into_iter().flatten().map(|(name, field)| {
        let is_needed = needed.is_some_and(|needed| needed.iter().any(|known| known == name.as_str()));
        (name, field, is_needed)
    });
    let parts = schema["allOf"].as_array().into_iter().flatten().flat_map(fields);
    own.chain(parts).collect()
}

/// What a value is, in a few words.
pub(super) fn word(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return html! { a href={ "#" (anchor(name)) } { (name) } };
    }
    if let Some(words) = schema["enum"].as_array() {
        let words: Vec<_> = words.iter().filter_map(Value::as_str).collect();
        return html! { (words.join(" or ")) };
    }
    for name in ["anyOf", "oneOf", "allOf"] {
        if let Some(parts) = schema[name].as_array() {
            return html! { @for (at, part) in parts.iter().enumerate() { @if at > 0 { " or " } (word(part)) } };
        }
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        kind => kind.as_str().unwrap_or("anything").to_owned(),
    };
    html! {
        (kind)
        @if schema["items"].is_object() { " of " (word(&schema["items"])) }
        @if let Some(format) = schema["format"].as_str() { " (" (format) ")" }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn code_in_a_text_is_code() {
        assert_eq!(prose("a `b<c` d").into_string(), "a <code>b&lt;c</code> d");
    }

    #[test]
    fn schemas_are_said_in_words() {
        let check = |schema: Value, said: &str| assert_eq!(word(&schema).into_string(), said, "{schema}");
        check(json!({ "type": "string", "format": "date-time" }), "string (date-time)");
        check(json!({ "type": ["string", "null"] }), "string or null");
        check(
            json!({ "type": "array", "items": { "$ref": "#/components/schemas/Line" } }),
            "array of <a href=\"#schema-Line\">Line</a>",
        );
        check(json!({ "enum": ["a", "b"] }), "a or b");
        check(json!({ "anyOf": [{ "type": "null" }, { "type": "integer" }] }), "null or integer");
        check(json!(true), "anything");
        let object = json!({ "required": ["a"], "properties": { "a": {} }, "allOf": [{ "properties": { "b": {} } }] });
        let names: Vec<_> = fields(&object).into_iter().map(|(name, _, needed)| (name.as_str(), needed)).collect();
        assert_eq!(names, [("a", true), ("b", false)]);
    }
}
