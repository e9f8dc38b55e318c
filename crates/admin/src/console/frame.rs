//! What every page has around it.

use maud::{DOCTYPE, Markup, html};

/// A page that stands alone, without the navigation.
pub(super) fn alone(title: &str, content: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · postrider" }
            }
            body { main { (content) } }
        }
    }
}
