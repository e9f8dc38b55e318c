//! Names of things as types of their own, cheap to clone, so that a target's id is never taken for an instance's.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl<T: Into<Arc<str>>> From<T> for $name {
            fn from(text: T) -> Self {
                Self(text.into())
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        /// Lets a map keyed by this id be asked with a plain `&str`.
        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    };
}

id! {
    /// A ZITADEL instance (tenant). Empty for stores that know no instances.
    InstanceId
}
id! {
    /// What a target is known by in the state, for good: renaming keeps it, and with it the cursor.
    TargetId
}
id! {
    /// What operators call a target; unique among targets.
    TargetName
}
id! {
    /// The kind of thing an event happened to, such as `user`.
    AggregateType
}
id! {
    /// The thing an event happened to.
    AggregateId
}
id! {
    /// A public key of a target; a number as text, as ZITADEL's ids are.
    PublicKeyId
}
id! {
    /// A key that JWTs are signed with; a number as text, as ZITADEL's ids are.
    WebKeyId
}
id! {
    /// What happened, dot-separated from the general to the particular, such as `user.human.added`.
    EventType
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::{EventType, TargetId};

    #[test]
    fn a_map_keyed_by_an_id_is_asked_with_plain_text() {
        let map: HashMap<EventType, u8> = [("user.human.added".into(), 1)].into();
        assert_eq!(map.get("user.human.added"), Some(&1));
        assert_eq!(map.get("user.human"), None);
    }

    #[test]
    fn ids_are_ordered_as_bytes_and_not_as_a_language_would() {
        let mut ids: Vec<TargetId> = ["ä", "b", "a", "B", "a-b", "aa", "𐀀", "\u{ffff}"].map(TargetId::from).into();
        ids.sort();
        assert_eq!(ids, ["B", "a", "a-b", "aa", "b", "ä", "\u{ffff}", "𐀀"].map(TargetId::from));
    }

    #[test]
    fn ids_are_printed_as_they_are_and_padded_in_tables() {
        let id = TargetId::from("crm");
        assert_eq!(format!("{id}|{id:5}|{id:>5}|{id:?}"), "crm|crm  |  crm|\"crm\"");
    }
}
