//! Parts of a page that is open, sent again when they have changed: server-sent events, one stream for each page.
//!
//! A stream looks about once a second, and less often where a look takes long; few streams look at the same moment. What is sent
//! is HTML that was made for whoever looks, with the id of what it takes the place of. A stream ends when the daemon stops, and
//! when its token or its session is no longer in force; there is room for a bounded number of them.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::IpAddr,
    time::{Duration, Instant},
};

use axum::{
    Extension, Router,
    extract::Query,
    http::StatusCode,
    response::sse::{Event, KeepAlive, Sse},
    routing::get,
};
use futures_util::{Stream, StreamExt as _, stream};
use maud::Markup;
use serde::Deserialize;
use serde_json::json;
use tokio::{sync::OwnedSemaphorePermit, time::sleep};

use super::{audit, event, overview, target, trouble::Trouble, visit::Visit, workers};
use crate::{auth::Pass, house::House, listen::Peer, problem::Problem};

/// Between two looks, at least.
const EVERY: Duration = Duration::from_secs(1);
/// A look that takes long is followed by so many times its length without one.
const REST: u32 = 5;
/// Between two times that a token is asked for.
const ASKED_EVERY: Duration = Duration::from_secs(10);
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What is sent in one part: more of it is seen when the page is loaded again.
const MOST: usize = 1024 * 1024;

/// What a page is about.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Topic {
    Overview,
    /// By its id.
    Target(String),
    /// By its key, as one word.
    Event(String),
    Workers,
    Audit,
}

/// As it stands in an address.
#[derive(Deserialize)]
struct Asked {
    page: String,
    #[serde(default)]
    of: String,
}

impl Topic {
    /// Where it is followed.
    pub(super) fn address(&self) -> String {
        match self {
            Self::Overview => "/live?page=overview".to_owned(),
            // Ids and keys are letters, digits, `-` and `_`.
            Self::Target(id) => format!("/live?page=target&of={id}"),
            Self::Event(key) => format!("/live?page=event&of={key}"),
            Self::Workers => "/live?page=workers".to_owned(),
            Self::Audit => "/live?page=audit".to_owned(),
        }
    }

    fn of(asked: Asked) -> Option<Self> {
        match asked.page.as_str() {
            "overview" => Some(Self::Overview),
            "target" => Some(Self::Target(asked.of)),
            "event" => Some(Self::Event(asked.of)),
            "workers" => Some(Self::Workers),
            "audit" => Some(Self::Audit),
            _ => None,
        }
    }
}

/// A part of a page: the id of an element, and the element.
pub(super) type Part = (&'static str, Markup);

/// Puts parts where they belong on the page that is sent first.
pub(super) fn part(parts: &[Part], id: &str) -> Markup {
    parts.iter().find(|(known, _)| *known == id).map(|(_, part)| part.clone()).unwrap_or_default()
}

async fn parts(topic: &Topic, visit: &Visit) -> Result<Vec<Part>, Trouble> {
    match topic {
        Topic::Overview => overview::parts(visit).await,
        Topic::Target(id) => target::parts(visit, id).await,
        Topic::Event(key) => event::parts(visit, key).await,
        Topic::Workers => workers::parts(visit).await,
        Topic::Audit => audit::parts(visit, &audit::Which::default()).await,
    }
}

pub(super) fn routes() -> Router<House> {
    Router::new().route("/live", get(live))
}

async fn live(
    visit: Visit,
    Extension(pass): Extension<Pass>,
    peer: Option<Extension<Peer>>,
    Query(asked): Query<Asked>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Trouble> {
    let topic = Topic::of(asked).ok_or_else(|| Trouble::not_found("there is no such page to follow"))?;
    let room = visit.house.watchers().clone().try_acquire_owned().map_err(|_| {
        let detail = "too many pages are followed at the moment; this one is as it was when it was loaded";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail)
    })?;
    // Whatever is not there, or not theirs, is refused before anything is followed.
    parts(&topic, &visit).await?;
    let watch = Watch {
        visit,
        topic,
        pass,
        peer: peer.map(|Extension(peer)| peer.0.ip()),
        sent: HashMap::new(),
        asked_at: Instant::now(),
        pause: Duration::ZERO,
        is_over: false,
        is_troubled: false,
        _room: room,
    };
    let events = stream::unfold(watch, async |mut watch| {
        let events = watch.next().await?;
        Some((events, watch))
    });
    let events = events.flat_map(|events| stream::iter(events.into_iter().map(Ok)));
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT)))
}

/// One page that is followed.
struct Watch {
    visit: Visit,
    topic: Topic,
    pass: Pass,
    peer: Option<IpAddr>,
    /// What the page shows, by the ids of its parts.
    sent: HashMap<&'static str, String>,
    asked_at: Instant,
    pause: Duration,
    is_over: bool,
    is_troubled: bool,
    _room: OwnedSemaphorePermit,
}

impl Watch {
    /// What there is to send after a pause; `None` at the end.
    async fn next(&mut self) -> Option<Vec<Event>> {
        if self.is_over {
            return None;
        }
        let stopping = self.visit.house.stopping().clone();
        tokio::select! {
            () = stopping.cancelled() => None,
            events = self.look() => Some(events),
        }
    }

    async fn look(&mut self) -> Vec<Event> {
        sleep(self.pause).await;
        if self.pass.is_over(&self.visit.house) {
            return self.gone();
        }
        if self.asked_at.elapsed() >= ASKED_EVERY {
            match self.pass.caller(&self.visit.house, self.peer).await {
                Ok(caller) => self.visit.who.caller = caller,
                // The page is loaded again, which leads to the way in.
                Err(problem) if problem.status == StatusCode::UNAUTHORIZED => return self.gone(),
                Err(problem) => return self.troubled(&problem.detail),
            }
            self.asked_at = Instant::now();
        }
        let house = self.visit.house.clone();
        let Ok(_place) = house.lookers().acquire().await else { return Vec::new() };
        let began = Instant::now();
        let parts = parts(&self.topic, &self.visit).await;
        self.pause = EVERY.max(began.elapsed() * REST);
        match parts {
            Ok(parts) => self.changed(parts),
            Err(trouble) if trouble.status() == StatusCode::NOT_FOUND => self.gone(),
            Err(trouble) => self.troubled(trouble.detail()),
        }
    }

    fn gone(&mut self) -> Vec<Event> {
        self.is_over = true;
        vec![Event::default().event("gone").data("-")]
    }

    fn changed(&mut self, parts: Vec<Part>) -> Vec<Event> {
        let mut events = Vec::new();
        if std::mem::take(&mut self.is_troubled) {
            events.push(Event::default().event("well").data("-"));
        }
        for (id, part) in parts {
            let html = part.into_string();
            if html.len() > MOST || self.sent.get(id).is_some_and(|sent| *sent == html) {
                continue;
            }
            // As JSON: texts of others may hold any line end.
            events.extend(Event::default().json_data(json!({ "id": id, "html": html })));
            self.sent.insert(id, html);
        }
        events
    }

    fn troubled(&mut self, detail: &str) -> Vec<Event> {
        self.pause = EVERY * REST;
        if std::mem::replace(&mut self.is_troubled, true) {
            return Vec::new();
        }
        Event::default().event("trouble").json_data(json!({ "detail": detail })).into_iter().collect()
    }
}
