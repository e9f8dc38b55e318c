//! The description of the API, to be read: every operation with what it takes and what it answers.

mod schema;

use std::sync::Arc;

use aide::openapi::OpenApi;
use axum::{Extension, Router, routing::get};
use maud::{Markup, html};
use serde_json::Value;

use super::{
    frame::{self, Place},
    trouble::{Trouble, sentence},
    visit::Visit,
};
use crate::{house::House, problem::Problem};

use schema::{anchor, prose, shape};

/// In the order in which people look for them.
const METHODS: &[&str] = &["get", "post", "put", "patch", "delete"];

pub(super) fn routes() -> Router<House> {
    Router::new().route("/docs", get(page))
}

async fn page(visit: Visit, Extension(description): Extension<Arc<OpenApi>>) -> Result<Markup, Trouble> {
    let api = serde_json::to_value(&*description).map_err(|error| Problem::invalid(error.to_string()))?;
    let schemas = api["components"]["schemas"].as_object();
    let paths = api["paths"].as_object();
    let content = html! {
        h1 { "API" }
        p.lead { (prose(api["info"]["description"].as_str().unwrap_or_default())) }
        p { "The same for programs: " a href="/openapi.json" { "/openapi.json" } ", OpenAPI " (api["openapi"].as_str().unwrap_or_default()) "." }
        h2 { "Operations" }
        @for (path, item) in paths.into_iter().flatten() {
            @for (method, operation) in METHODS.iter().filter_map(|method| item.get(method).map(|operation| (method, operation))) {
                (operation_of(path, method, operation))
            }
        }
        h2 { "Schemas" }
        @for (name, schema) in schemas.into_iter().flatten() {
            section.schema id=(anchor(name)) aria-label=(name) {
                h3 { (name) }
                (shape(schema))
            }
        }
    };
    Ok(frame::page(&visit.who, Place::Docs, "API", &content))
}

fn operation_of(path: &str, method: &str, operation: &Value) -> Markup {
    let text = |name: &str| operation[name].as_str().unwrap_or_default();
    let parameters = operation["parameters"].as_array();
    html! {
        details.operation {
            summary { code.method { (method.to_uppercase()) } " " code { (path) } " " span.quiet { (text("summary")) } }
            @if !text("description").is_empty() { p { (sentence(text("description"))) } }
            @if let Some(parameters) = parameters.filter(|parameters| !parameters.is_empty()) {
                h3 { "Parameters" }
                dl.facts.wide {
                    @for parameter in parameters {
                        div {
                            dt { code { (parameter["name"].as_str().unwrap_or_default()) } }
                            dd {
                                span.quiet {
                                    "in the " (parameter["in"].as_str().unwrap_or_default())
                                    @if parameter["required"] == true { ", needed" }
                                    ", " (schema::word(&parameter["schema"]))
                                }
                                @if let Some(about) = parameter["description"].as_str() { " " (prose(about)) }
                            }
                        }
                    }
                }
            }
            @if let Some(body) = content(&operation["requestBody"]) { h3 { "Body" } (shape(body)) }
            h3 { "Answers" }
            dl.facts.wide {
                @for (status, answer) in operation["responses"].as_object().into_iter().flatten() {
                    div {
                        dt { (if status == "default" { "otherwise" } else { status }) }
                        dd {
                            (answer["description"].as_str().unwrap_or_default())
                            @if let Some(body) = content(answer) { " " (schema::word(body)) }
                        }
                    }
                }
            }
        }
    }
}

/// The schema of a body, whatever its media type.
fn content(body: &Value) -> Option<&Value> {
    body["content"].as_object()?.values().next().map(|content| &content["schema"])
}
