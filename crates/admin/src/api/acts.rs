//! How acts are asked for, and what is answered.

use axum::Json;
use operate::{How, Told};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How an act is made.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(default)]
pub(super) struct Manner {
    /// Why, for the audit.
    reason: Option<String>,
    /// Only say what would come of it, and change nothing.
    dry_run: bool,
}

impl From<Manner> for How {
    fn from(act: Manner) -> Self {
        let reason = act.reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
        Self { reason, dry_run: act.dry_run }
    }
}

/// What came of an act.
#[derive(Serialize, JsonSchema)]
pub(super) struct Done {
    /// In a sentence.
    sentence: String,
    /// As the command line's JSON has it.
    result: Value,
}

impl Done {
    /// As an answer.
    pub(super) fn of(told: Told) -> Json<Self> {
        Json(Self { sentence: told.sentence, result: told.answer })
    }
}
