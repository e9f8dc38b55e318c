//! The key of an event as one word: for addresses, and for going on where a page ended.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::EventKey;
use serde::{Deserialize, Serialize};

use crate::{OperateError, deliveries, failed};

/// The key of an event as one word, for a URL.
#[derive(Serialize, Deserialize)]
struct Word(String, i64, String, String, String, i64);

/// As one word.
#[must_use]
pub fn key_as_word(key: &EventKey) -> String {
    word(
        (&key.position.to_string(), key.in_tx_order),
        key.instance_id.as_str(),
        (key.aggregate_type.as_str(), key.aggregate_id.as_str(), key.sequence),
    )
}

/// The event of an attempt, as one word.
#[must_use]
pub fn word_of_attempt(line: &deliveries::Line) -> String {
    let of = (&*line.aggregate_type, &*line.aggregate_id, line.sequence);
    word((&line.position, line.in_tx_order), line.instance_id.as_str(), of)
}

/// A failed event, as one word.
#[must_use]
pub fn word_of_failed(line: &failed::Line) -> String {
    let of = (&*line.aggregate_type, &*line.aggregate_id, line.sequence);
    word((&line.position, line.in_tx_order), line.instance_id.as_str(), of)
}

fn word(
    (position, in_tx_order): (&str, i64),
    instance: &str,
    (aggregate_type, aggregate_id, sequence): (&str, &str, i64),
) -> String {
    let (kind, id) = (aggregate_type.to_owned(), aggregate_id.to_owned());
    let word = Word(position.to_owned(), in_tx_order, instance.to_owned(), kind, id, sequence);
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&word).unwrap_or_default())
}

/// From one word.
pub fn key_of_word(text: &str) -> Result<EventKey, OperateError> {
    let read = || {
        let Word(position, in_tx_order, instance, aggregate_type, aggregate_id, sequence) =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        Some(EventKey {
            position: position.parse().ok()?,
            in_tx_order,
            instance_id: instance.into(),
            aggregate_type: aggregate_type.into(),
            aggregate_id: aggregate_id.into(),
            sequence,
        })
    };
    read().ok_or_else(|| OperateError::Invalid("this is no key of an event; it comes from a list of events".to_owned()))
}
