//! How a text is compared with what is looked for.

use crate::zitadel::json::Enumeration;

/// ZITADEL's `TextFilterMethod`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct TextMethod {
    part: Part,
    ignore_case: bool,
}

/// Where in the text it must stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Part {
    #[default]
    Whole,
    Start,
    Within,
    End,
}

impl TextMethod {
    const fn of(part: Part, ignore_case: bool) -> Self {
        Self { part, ignore_case }
    }

    /// Whether `text` is one of those that are looked for.
    pub(super) fn matches(self, text: &str, wanted: &str) -> bool {
        if self.ignore_case {
            self.part.matches(&text.to_lowercase(), &wanted.to_lowercase())
        } else {
            self.part.matches(text, wanted)
        }
    }
}

impl Part {
    fn matches(self, text: &str, wanted: &str) -> bool {
        match self {
            Self::Whole => text == wanted,
            Self::Start => text.starts_with(wanted),
            Self::Within => text.contains(wanted),
            Self::End => text.ends_with(wanted),
        }
    }
}

impl Enumeration for TextMethod {
    const VALUES: &'static [(&'static str, i64, Self)] = &[
        ("TEXT_FILTER_METHOD_EQUALS", 0, Self::of(Part::Whole, false)),
        ("TEXT_FILTER_METHOD_EQUALS_IGNORE_CASE", 1, Self::of(Part::Whole, true)),
        ("TEXT_FILTER_METHOD_STARTS_WITH", 2, Self::of(Part::Start, false)),
        ("TEXT_FILTER_METHOD_STARTS_WITH_IGNORE_CASE", 3, Self::of(Part::Start, true)),
        ("TEXT_FILTER_METHOD_CONTAINS", 4, Self::of(Part::Within, false)),
        ("TEXT_FILTER_METHOD_CONTAINS_IGNORE_CASE", 5, Self::of(Part::Within, true)),
        ("TEXT_FILTER_METHOD_ENDS_WITH", 6, Self::of(Part::End, false)),
        ("TEXT_FILTER_METHOD_ENDS_WITH_IGNORE_CASE", 7, Self::of(Part::End, true)),
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(method: &str, wanted: &str, texts: &[&str]) {
        let found =
            TextMethod::VALUES.iter().find(|(name, ..)| name.strip_prefix("TEXT_FILTER_METHOD_") == Some(method));
        let method = found.expect("a method").2;
        let all = ["CRM", "crm", "crm-eu", "my crm", "a%b", "Ärger"];
        assert_eq!(all.into_iter().filter(|text| method.matches(text, wanted)).collect::<Vec<_>>(), texts);
    }

    #[test]
    fn each_method_finds_what_it_says() {
        check("EQUALS", "crm", &["crm"]);
        check("EQUALS_IGNORE_CASE", "Crm", &["CRM", "crm"]);
        check("STARTS_WITH", "crm", &["crm", "crm-eu"]);
        check("STARTS_WITH_IGNORE_CASE", "ä", &["Ärger"]);
        check("CONTAINS", "rm", &["crm", "crm-eu", "my crm"]);
        check("CONTAINS_IGNORE_CASE", "RM", &["CRM", "crm", "crm-eu", "my crm"]);
        check("ENDS_WITH", "crm", &["crm", "my crm"]);
        check("ENDS_WITH_IGNORE_CASE", "M", &["CRM", "crm", "my crm"]);
    }

    #[test]
    fn signs_of_patterns_mean_themselves() {
        check("CONTAINS", "%", &["a%b"]);
        check("CONTAINS", "_", &[]);
    }

    #[test]
    fn nothing_is_in_everything() {
        check("EQUALS", "", &[]);
        check("CONTAINS", "", &["CRM", "crm", "crm-eu", "my crm", "a%b", "Ärger"]);
    }
}
