//! A test call: one signed call with an event that is in no store.

use axum::{
    extract::Path,
    response::{IntoResponse, Response},
};
use domain::Target;
use maud::{Markup, html};
use operate::test_call::{TEST, Tested, test_call};

use super::{
    super::{
        frame, parts,
        trouble::{Trouble, sentence},
        visit::{Act, For, Posted, Visit},
    },
    address, at, find,
};

pub(super) async fn ask(visit: For<Act>, Path(id): Path<String>) -> Result<Markup, Trouble> {
    let target = find(&visit, &id).await?;
    Ok(page(&visit, &target, TEST, None))
}

fn page(visit: &Visit, target: &Target, event_type: &str, tested: Option<&Tested>) -> Markup {
    let back = address(target.id.as_str());
    let content = html! {
        @if let Some(tested) = tested {
            div role="status" {
                p { (parts::word(tested.delivered, if tested.delivered { "delivered" } else { "not delivered" })) }
                p { (sentence(&tested.sentence)) }
            }
        } @else {
            p { "One signed call with an event that never happened. Cursors and failed events stay as they are." }
        }
        (visit.who.form(&at(target, "test"), &html! {
            (parts::needed("event_type", "Type that the event says it has", event_type, ""))
            (frame::answers(if tested.is_some() { "Call again" } else { "Call" }, &back, false))
        }))
    };
    frame::asks(&visit.who, &format!("Test call to {}", target.name), &content)
}

pub(super) async fn test(Path(id): Path<String>, posted: Posted<Act>) -> Result<Response, Trouble> {
    let visit = &posted.visit;
    let target = find(visit, &id).await?;
    let (operator, event_type) = (&visit.operator, posted.fields.text("event_type"));
    let name = target.name.as_str();
    let tested = test_call(name, event_type, visit.caller(), &operator.state, &operator.deliverer).await?;
    // What came of it is nowhere else, so it is the answer itself.
    Ok(page(visit, &target, event_type, Some(&tested)).into_response())
}
