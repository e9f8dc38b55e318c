//! A receiver of postrider's events: axum, hmac and sha2, and sqlx for an inbox, here in SQLite.
//!
//!     SIGNING_KEY=… DATABASE=inbox.db receiver 127.0.0.1:9000
//!
//! While the signing key is changed, `SIGNING_KEY_BEFORE` is the one before it.

use std::{
    env,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use sqlx::{
    SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

const TOLERANCE: Duration = Duration::from_mins(5);
const LARGEST_BODY: usize = 10 * 1024 * 1024;

// ANCHOR: verify
/// Why a call is not to be believed. Looks at the bytes as they came: verify first, parse then.
fn verify(header: &str, body: &[u8], keys: &[String], now: Duration) -> Result<(), &'static str> {
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let mut times = parts().filter(|(name, _)| *name == "t");
    let (Some((_, time)), None) = (times.next(), times.next()) else {
        return Err("the signature does not say one time");
    };
    let seconds: u64 = time.parse().map_err(|_| "the signature does not say one time")?;
    let mut good = false;
    for key in keys {
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("a key has any length");
        mac.update(time.as_bytes());
        mac.update(b".");
        mac.update(body);
        for (_, signature) in parts().filter(|(name, _)| *name == "v1") {
            let Ok(signature) = hex::decode(signature) else { continue };
            // In constant time, and without stopping at the first one that fits.
            good |= mac.clone().verify_slice(&signature).is_ok();
        }
    }
    if !good {
        return Err("no signature was made with a known key");
    }
    if now.abs_diff(Duration::from_secs(seconds)) > TOLERANCE {
        return Err("the signature is of another time");
    }
    Ok(())
}
// ANCHOR_END: verify

// ANCHOR: inbox
const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS inbox (
        webhook_id  TEXT PRIMARY KEY,   -- the same for every attempt of an event
        instance_id TEXT NOT NULL,
        position    TEXT NOT NULL,
        body        BLOB NOT NULL,      -- for whatever does the work, later
        received_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP
    );
    CREATE INDEX IF NOT EXISTS inbox_position ON inbox (instance_id, position);";

/// What the inbox is told of an event.
struct Event<'a> {
    webhook_id: &'a str,
    instance: &'a str,
    position: &'a str,
    previous: Option<&'a str>,
    body: &'a [u8],
}

struct Taken {
    /// Whether it was not there before.
    new: bool,
    /// Whether something before it never came.
    gap: bool,
}

/// Writes an event down once.
async fn take(inbox: &SqlitePool, event: &Event<'_>) -> Result<Taken, sqlx::Error> {
    let mut transaction = inbox.begin_with("BEGIN IMMEDIATE").await?;
    let (events, before): (i64, i64) =
        sqlx::query_as("SELECT count(*), count(*) FILTER (WHERE position = $1) FROM inbox WHERE instance_id = $2")
            .bind(event.previous)
            .bind(event.instance)
            .fetch_one(&mut *transaction)
            .await?;
    let insert =
        "INSERT INTO inbox (webhook_id, instance_id, position, body) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";
    let inserted = sqlx::query(insert)
        .bind(event.webhook_id)
        .bind(event.instance)
        .bind(event.position)
        .bind(event.body)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    let new = inserted.rows_affected() == 1;
    // The very first event has nothing before it.
    Ok(Taken { new, gap: new && event.previous.is_some() && events > 0 && before == 0 })
}
// ANCHOR_END: inbox

struct Receiver {
    keys: Vec<String>,
    inbox: SqlitePool,
}

// ANCHOR: answer
async fn receive(State(receiver): State<Arc<Receiver>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let signature = header("zitadel-signature").unwrap_or_default();
    if let Err(why) = verify(signature, &body, &receiver.keys, now()) {
        return refuse(StatusCode::UNAUTHORIZED, why);
    }
    let Ok(event) = serde_json::from_slice::<Value>(&body) else {
        // This event's own fault: retried, then parked.
        return refuse(StatusCode::UNPROCESSABLE_ENTITY, "the body is no event");
    };
    let position = header("postrider-position").unwrap_or_default();
    let previous = header("postrider-previous-position");
    let arrived = Event {
        webhook_id: header("webhook-id").unwrap_or_default(),
        instance: event["instanceID"].as_str().unwrap_or_default(),
        position,
        previous,
        body: &body,
    };
    let taken = match take(&receiver.inbox, &arrived).await {
        Ok(taken) => taken,
        // Ours: postrider waits and parks nothing.
        Err(error) => return refuse(StatusCode::SERVICE_UNAVAILABLE, &format!("the inbox is away: {error}")),
    };
    if taken.gap {
        println!("gap {position}: {} never came", previous.unwrap_or_default());
    }
    let word = if taken.new { "new" } else { "duplicate" };
    println!("{word} {position} {}", event["event_type"].as_str().unwrap_or_default());
    (StatusCode::OK, String::new())
}
// ANCHOR_END: answer

fn refuse(status: StatusCode, text: &str) -> (StatusCode, String) {
    println!("refused {}: {text}", status.as_u16());
    (status, text.to_owned())
}

#[expect(clippy::disallowed_methods, reason = "a receiver has a clock of its own")]
fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keys: Vec<String> =
        ["SIGNING_KEY", "SIGNING_KEY_BEFORE"].into_iter().filter_map(|name| env::var(name).ok()).collect();
    if keys.is_empty() {
        return Err("SIGNING_KEY is not set".into());
    }
    let file = env::var("DATABASE").unwrap_or_else(|_| "inbox.db".to_owned());
    let options =
        SqliteConnectOptions::new().filename(file).create_if_missing(true).journal_mode(SqliteJournalMode::Wal);
    let inbox = SqlitePoolOptions::new().connect_with(options).await?;
    sqlx::raw_sql(SCHEMA).execute(&inbox).await?;
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9000".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let routes = Router::new()
        .fallback(post(receive))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(Arc::new(Receiver { keys, inbox }));
    axum::serve(listener, routes).await?;
    Ok(())
}
