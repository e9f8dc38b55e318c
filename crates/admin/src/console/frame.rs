//! What every page has around it.

use domain::Role;
use maud::{DOCTYPE, Markup, html};

use super::{assets, live::Topic, visit::Who};
use crate::console::flash::Flash;

/// Where in the navigation a page is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    Overview,
    Executions,
    Events,
    Workers,
    Audit,
    Tokens,
    Docs,
    /// On no page of the navigation.
    Elsewhere,
}

/// Where the navigation leads, by the words of its links, and who is led there.
const LINKS: &[(Place, &str, &str, Role)] = &[
    (Place::Overview, "Overview", "/", Role::Viewer),
    (Place::Executions, "Executions", "/executions", Role::Viewer),
    (Place::Events, "Events", "/events", Role::Viewer),
    (Place::Workers, "Workers", "/workers", Role::Viewer),
    (Place::Audit, "Audit", "/audit", Role::Viewer),
    (Place::Tokens, "Tokens", "/tokens", Role::Admin),
    (Place::Docs, "API", "/docs", Role::Viewer),
];

/// A page that stays as it is.
pub(super) fn page(who: &Who, place: Place, title: &str, content: &Markup) -> Markup {
    whole(who, place, title, None, None, content)
}

/// A page whose parts are sent again when they have changed.
pub(super) fn followed(
    who: &Who,
    place: Place,
    title: &str,
    topic: &Topic,
    flash: Option<Flash>,
    content: &Markup,
) -> Markup {
    whole(who, place, title, Some(topic), flash, content)
}

fn whole(
    who: &Who,
    place: Place,
    title: &str,
    topic: Option<&Topic>,
    flash: Option<Flash>,
    content: &Markup,
) -> Markup {
    let body = html! {
        a.skip href="#main" { "To the content" }
        header.bar {
            a.brand href="/" { "postrider" }
            nav aria-label="Pages" {
                ul {
                    @for (here, word, address, role) in LINKS {
                        @if who.may(*role) {
                            li { a href=(address) aria-current=[(*here == place).then_some("page")] { (word) } }
                        }
                    }
                }
            }
            div.who {
                span {
                    (who.caller.name) " "
                    span.quiet {
                        (who.caller.role)
                        @if let Some(instance) = &who.caller.instance { " of " (instance) }
                    }
                }
                (who.button("/logout", "Log out"))
            }
        }
        main #main tabindex="-1" data-live=[topic.map(Topic::address)] {
            @if let Some(flash) = flash { p.note.good role="status" { (flash.sentence()) } }
            // Said by the script alone, and only when this changes.
            @if topic.is_some() { p #following.note.warn role="status" aria-label="Connection" hidden {} }
            (content)
        }
    };
    document(title, &body)
}

/// A page that stands alone, without the navigation.
pub(super) fn alone(title: &str, content: &Markup) -> Markup {
    document(title, &html! { main.alone { (content) } })
}

/// A page that asks whether something shall be done. The script shows its section in a dialog.
pub(super) fn asks(who: &Who, title: &str, content: &Markup) -> Markup {
    page(
        who,
        Place::Elsewhere,
        title,
        &html! {
            section.asks data-asks=(title) {
                h1 { (title) }
                (content)
            }
        },
    )
}

/// The buttons below a question.
pub(super) fn answers(button: &str, back: &str, is_grave: bool) -> Markup {
    html! {
        div.acts {
            button.primary.grave[is_grave] type="submit" { (button) }
            a.button href=(back) data-cancel { "Cancel" }
        }
    }
}

fn document(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · postrider" }
                link rel="icon" type="image/svg+xml" href=(assets::ICON.address());
                link rel="stylesheet" href=(assets::STYLE.address());
                script src=(assets::SCRIPT.address()) defer {}
            }
            body { (body) }
        }
    }
}
