//! What is said on a page after something was done: a word in the address stands for a fixed sentence, so that no link can put
//! words into our mouth.

use serde::{Deserialize, Serialize};

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Flash {
    Paused,
    Resumed,
    Halted,
    Unhalted,
    Skipped,
    Moved,
    Retried,
    Discarded,
    Resent,
    Changed,
    Same,
    Deleted,
    Set,
    Removed,
    Revoked,
}

impl Flash {
    pub(super) fn sentence(self) -> &'static str {
        match self {
            Self::Paused => "Paused: nothing is sent until it is resumed.",
            Self::Resumed => "Resumed: it goes on from its cursor.",
            Self::Halted => "Halted: its cursor stays until it is unhalted.",
            Self::Unhalted => "It goes on from where it was halted.",
            Self::Skipped => "The event at the head is parked; the cursor moves on.",
            Self::Moved => "The cursor was moved; within a second the target goes on from there.",
            Self::Retried => "Will be sent again.",
            Self::Discarded => "Discarded. The audit keeps who did it, and why.",
            Self::Resent => "The event is sent again; the cursor does not move.",
            Self::Changed => "Changed: in force for the next event.",
            Self::Same => "Nothing is different; nothing was changed.",
            Self::Deleted => "The target was deleted. Its cursors and failed events stay for as long as they are kept.",
            Self::Set => "The execution is set: in force for the next event.",
            Self::Removed => "The execution was removed; its targets stay.",
            Self::Revoked => "The token was revoked: it opens nothing any more.",
        }
    }

    /// An address that says it.
    pub(super) fn at(self, address: &str) -> String {
        let word = serde_json::to_value(self).ok().and_then(|word| word.as_str().map(ToOwned::to_owned));
        format!("{address}?done={}", word.unwrap_or_default())
    }
}

/// What stands behind the question mark of a page after something was done.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct Done {
    /// A word that is none of ours says nothing.
    #[serde(default, deserialize_with = "known")]
    pub(super) done: Option<Flash>,
}

fn known<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Flash>, D::Error> {
    let word = String::deserialize(deserializer)?;
    Ok(serde_json::from_value(serde_json::Value::String(word)).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flash_is_a_word_of_ours_or_nothing() {
        assert_eq!(Flash::Moved.at("/targets/1"), "/targets/1?done=moved");
        let read = |text: &str| {
            let done: Done = serde_json::from_value(serde_json::json!({ "done": text })).expect("it is text");
            done.done
        };
        assert_eq!(read("moved"), Some(Flash::Moved));
        assert_eq!(read("<b>pay here</b>"), None);
    }
}
