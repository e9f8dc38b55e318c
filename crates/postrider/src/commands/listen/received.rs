//! One request in one line, and whether it comes in order.

use std::collections::HashMap;

use axum::http::{HeaderMap, StatusCode};
use domain::Position;
use serde::Deserialize;
use serde_json::json;

use super::wrapped::{self, Form};
use crate::output::plain;

/// A request as it is told.
pub struct Received {
    pub event: Option<Wire>,
    pub form: Form,
    pub position: Option<Place>,
    pub previous: Option<Place>,
    pub attempt: u32,
    pub webhook_id: String,
    /// What is wrong with the signature.
    pub signature: Option<String>,
    pub status: StatusCode,
}

/// What is told of an event: not its payload.
#[derive(Deserialize, Default)]
#[serde(default)]
pub struct Wire {
    #[serde(rename = "instanceID")]
    instance_id: String,
    #[serde(rename = "aggregateType")]
    aggregate_type: String,
    #[serde(rename = "aggregateID")]
    aggregate_id: String,
    event_type: String,
    sequence: i64,
    created_at: String,
}

/// `position/in_tx_order`.
pub type Place = (Position, i64);

impl Received {
    pub fn read(headers: &HeaderMap, body: &[u8], signature: Option<String>, status: StatusCode) -> Self {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (form, event) = wrapped::open(body);
        Self {
            event,
            form,
            position: place(header("postrider-position")),
            previous: place(header("postrider-previous-position")),
            attempt: header("postrider-attempt").parse().unwrap_or(1),
            webhook_id: header("webhook-id").to_owned(),
            signature,
            status,
        }
    }

    /// For people.
    pub fn line(&self, broken: Option<&str>) -> String {
        let mut parts = vec![self.status.as_u16().to_string()];
        match &self.event {
            Some(event) => parts.push(format!(
                "{} {} {}#{} {}",
                event.created_at, event.event_type, event.aggregate_id, event.sequence, event.instance_id
            )),
            None if matches!(self.form, Form::Jwe(_)) => parts.push("an encrypted event".to_owned()),
            None => parts.push("the body is no event".to_owned()),
        }
        match &self.form {
            Form::Json => {}
            Form::Jwt(key) => parts.push(format!("as JWT of the key {key}, not verified")),
            Form::Jwe(key) => parts.push(format!("as JWE for the key {key}")),
        }
        parts.extend(self.position.map(|(position, in_tx_order)| format!("at {position}/{in_tx_order}")));
        if self.attempt > 1 {
            parts.push(format!("attempt {}", self.attempt));
        }
        parts.push(self.signature.clone().map_or_else(|| "signature ok".to_owned(), |why| format!("REFUSED: {why}")));
        parts.extend(broken.map(|how| format!("OUT OF ORDER: {how}")));
        format!("{}\n", plain(&parts.join("  ")))
    }

    /// For programs: one object a line.
    pub fn json(&self, broken: Option<&str>) -> String {
        let none = Wire::default();
        let event = self.event.as_ref().unwrap_or(&none);
        let text = |place: Option<Place>| place.map(|(position, in_tx_order)| format!("{position}/{in_tx_order}"));
        let line = json!({
            "status": self.status.as_u16(),
            "event_type": event.event_type,
            "instance_id": event.instance_id,
            "aggregate_type": event.aggregate_type,
            "aggregate_id": event.aggregate_id,
            "sequence": event.sequence,
            "created_at": event.created_at,
            "payload_type": self.form.word(),
            "key_id": self.form.key(),
            "position": text(self.position),
            "previous_position": text(self.previous),
            "attempt": self.attempt,
            "webhook_id": self.webhook_id,
            "signature_error": self.signature,
            "order_error": broken,
        });
        format!("{line}\n")
    }
}

fn place(text: &str) -> Option<Place> {
    let (position, in_tx_order) = text.split_once('/')?;
    Some((position.parse().ok()?, in_tx_order.parse().ok()?))
}

/// What was accepted so far.
#[derive(Default)]
pub struct Journal {
    requests: u64,
    last: HashMap<String, Place>,
}

impl Journal {
    /// One more request; its number, from 1.
    pub fn count(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }

    /// Notes an accepted event, and says how it breaks the order, if it does.
    ///
    /// Within an instance positions rise, and each request names the one before. After a crash of the sender the last ones
    /// come again: the same place twice is a duplicate and no break.
    pub fn follow(&mut self, received: &Received) -> Option<String> {
        let place = received.position?;
        let instance = received.event.as_ref().map(|event| event.instance_id.clone()).unwrap_or_default();
        let last = self.last.insert(instance, place)?;
        let shown = |(position, in_tx_order): Place| format!("{position}/{in_tx_order}");
        match received.previous {
            _ if place < last => Some(format!("{} came after {}", shown(place), shown(last))),
            Some(previous) if previous > last && place != last => {
                Some(format!("{} was sent in between, and never arrived", shown(previous)))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(sent: &[(&str, &str)], expected: &[Option<&str>]) {
        let mut journal = Journal::default();
        let found: Vec<_> = (sent.iter())
            .map(|(position, previous)| {
                let mut headers = HeaderMap::new();
                headers.insert("postrider-position", position.parse().expect("a header"));
                headers.insert("postrider-previous-position", previous.parse().expect("a header"));
                journal.follow(&Received::read(&headers, b"{}", None, StatusCode::OK))
            })
            .collect();
        assert_eq!(found.iter().map(Option::as_deref).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn events_that_follow_each_other_are_in_order() {
        check(&[("1/1", ""), ("1/2", "1/1"), ("2.5/1", "1/2")], &[None, None, None]);
    }

    #[test]
    fn an_event_that_comes_again_is_no_break() {
        check(&[("1/1", ""), ("2/1", "1/1"), ("2/1", "1/1")], &[None, None, None]);
    }

    #[test]
    fn an_earlier_event_is_out_of_order() {
        check(&[("2/1", ""), ("1/1", "")], &[None, Some("1/1 came after 2/1")]);
    }

    #[test]
    fn an_event_that_is_missing_is_seen_by_the_next_one() {
        check(&[("1/1", ""), ("3/1", "2/1")], &[None, Some("2/1 was sent in between, and never arrived")]);
    }
}
