//! postrider's own API under `/api/v1`: everything that the command line can do, in the words of its JSON.
//!
//! Each handler reads what the request brings, asks `operate`, and gives back what that says. Looking takes a viewer, acting an
//! operator, and defining an admin; each says so by the desk that it takes, and the description says it of each.

mod acts;
mod cursors;
mod definitions;
mod deliveries;
mod events;
mod explain;
mod extract;
mod failed;
mod overview;
mod tokens;
mod web_keys;

use aide::{
    axum::ApiRouter,
    openapi::{Info, OpenApi, SecurityScheme},
    transform::TransformOperation,
};
use axum::Router;

use crate::house::House;

const ABOUT: &str = "What `postrider` can do from the command line, over HTTP. A token is needed \
    (`postrider token create`), shown as `Authorization: Bearer pr_…`; one that is bound to an instance sees and changes \
    only that instance. Positions are strings, times are RFC 3339. What cannot be done is answered with \
    `application/problem+json`, in a sentence.";

/// The routes, and their description.
pub(crate) fn routes() -> (Router<House>, OpenApi) {
    aide::generate::extract_schemas(true);
    let mut description = OpenApi::default();
    let routes = ApiRouter::new()
        .merge(overview::routes())
        .merge(definitions::routes())
        .merge(cursors::routes())
        .merge(failed::routes())
        .merge(deliveries::routes())
        .merge(explain::routes())
        .merge(events::routes())
        .merge(tokens::routes())
        .merge(web_keys::routes());
    let routes = ApiRouter::new().nest("/api/v1", routes).finish_api_with(&mut description, |api| {
        api.info(Info {
            title: "postrider".to_owned(),
            description: Some(ABOUT.to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Info::default()
        })
        .security_scheme(
            "token",
            SecurityScheme::Http {
                scheme: "bearer".to_owned(),
                bearer_format: None,
                description: Some("A token of `postrider token create`.".to_owned()),
                extensions: [].into_iter().collect(),
            },
        )
        .security_requirement("token")
    });
    (routes, description)
}

/// What a handler does. Who may, it says by what it takes ([`extract::Desk`]).
fn does(what: &'static str) -> impl Fn(TransformOperation<'_>) -> TransformOperation<'_> {
    move |operation| operation.summary(what)
}
