//! A house with two instances in it, and browsers that look at it: routes are called as a connection would, without one.

use std::sync::Arc;

use axum::{
    Router,
    body::{Body, BodyDataStream},
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use domain::{Definitions, Execution, ExecutionTarget, Role, Source, Start, Target};
use engine::Status;
use futures_util::StreamExt as _;
use operate::{Caller, Edit, Files, Keys, Operator, events};
use store::{EventStore, NewEvent, NewToken, State, StateOptions};
use tower::ServiceExt as _;
use webhook::{Deliverer, DeliveryOptions};

use crate::house::House;

/// See the module.
pub(super) struct Scene {
    pub(super) house: House,
    pub(super) targets: Vec<Target>,
    routes: Router,
    operator: Operator,
    folder: Arc<tempfile::TempDir>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Scene {
    /// Two targets, one for each instance, and an event for each.
    pub(super) async fn open() -> Self {
        let folder = Arc::new(tempfile::tempdir().expect("there is room"));
        let events = EventStore::create_sqlite(&folder.path().join("events.db")).await.expect("a store can be made");
        let url = format!("sqlite://{}/state.db", folder.path().display());
        let state = State::connect(&StateOptions::new(url)).await.expect("a state can be made");
        state.migrate().await.expect("it can be migrated");
        let operator = Operator {
            state,
            events,
            deliverer: Deliverer::new(&DeliveryOptions::default()).expect("it needs nothing"),
            files: Arc::new(Files::default()),
            default_timeout: std::time::Duration::from_secs(10),
            default_max_in_flight: 1,
            max_event_age: None,
        };
        let scene = Self::of(operator, folder).await;
        for instance in ["one", "two"] {
            scene.furnish(instance).await;
        }
        scene.again().await
    }

    async fn of(operator: Operator, folder: Arc<tempfile::TempDir>) -> Self {
        let house = House::new(Arc::new(Status::default()), false, false);
        house.open(operator.clone());
        let definitions = operator.state.definitions().await.expect("they can be read");
        Self { routes: crate::routes(&house), house, targets: definitions.targets, operator, folder }
    }

    /// As it is now, in the same house.
    pub(super) async fn again(mut self) -> Self {
        self.targets = self.definitions().await.targets;
        self
    }

    pub(super) async fn definitions(&self) -> Definitions {
        self.operator.state.definitions().await.expect("they can be read")
    }

    pub(super) fn target(&self, name: &str) -> &Target {
        self.targets.iter().find(|target| target.name.as_str() == name).expect("it was created")
    }

    /// The keys of all events, as they stand in addresses.
    pub(super) async fn events(&self) -> Vec<String> {
        let caller = Caller::at_the_command_line("test");
        let mut keys = Vec::new();
        for instance in ["one", "two"] {
            let browse = events::Browse { instance: Some(instance.to_owned()), limit: 10, ..events::Browse::default() };
            let page = events::browse(&browse, &caller, self.operator.places()).await.expect("it can be read");
            keys.extend(page.events.into_iter().map(|line| line.key));
        }
        keys
    }

    async fn furnish(&self, instance: &str) {
        let (state, caller) = (&self.operator.state, Caller::at_the_command_line("test"));
        let edit = || Edit::begin(state, &self.operator.files, &caller, "the test", Keys::All, false);
        let endpoint = format!("https://{instance}.example.com/hook").parse().expect("it is a URL");
        let name = format!("{instance}-target");
        let mut target = Target::new("".into(), name.as_str().into(), endpoint);
        (target.instance, target.start) = (Some(instance.into()), Start::Beginning);
        let plan = edit().await.expect("a look").create(target, self.operator.places()).await.expect("it is sound");
        plan.carry_out(state, "test").await.expect("it can be written");
        let execution = Execution {
            condition: "event".parse().expect("it is a condition"),
            instance: Some(instance.into()),
            targets: vec![ExecutionTarget::Target(name.as_str().into())],
            exclude: Vec::new(),
            source: Source::Api,
        };
        let plan = edit().await.expect("a look").set_execution(&execution).expect("it is sound");
        plan.carry_out(state, "test").await.expect("it can be written");
        let event = NewEvent {
            instance_id: instance.into(),
            aggregate_type: "user".into(),
            aggregate_id: format!("u-of-{instance}").as_str().into(),
            event_type: "user.added".into(),
            revision: None,
            payload: Some(format!(r#"{{"secret":"{instance}-secret"}}"#).into_bytes().into()),
            creator: String::new(),
            owner: String::new(),
        };
        let keys = self.operator.events.append(&[event]).await.expect("it can be appended");
        let target = self.definitions().await.targets.into_iter().find(|target| target.name.as_str() == name);
        let cursor = (target.expect("it was created").id, instance.into(), domain::EventKey::before(keys[0].position));
        state.ensure_cursors(&[cursor]).await.expect("it can be written");
    }

    async fn token(&self, role: Role, instance: Option<&str>) -> String {
        // As many as are asked for: names are unique among tokens in force.
        let count = self.operator.state.tokens().await.expect("they can be read").len();
        let name = if count == 0 { role.to_string() } else { format!("{role}-{count}") };
        let new = NewToken { name, role, instance: instance.map(Into::into), expires_at: None };
        let (_, text) = self.operator.state.create_token(&new, "test").await.expect("it can be written");
        text.expose().to_owned()
    }

    /// A browser in which somebody has typed in a token of this role.
    pub(super) async fn login(&self, role: Role, instance: Option<&str>) -> Browser {
        let token = self.token(role, instance).await;
        let mut browser = Browser::of(self);
        let answer = browser.post_with("/login", &[("token", &token)]).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.text);
        let cookie = answer.headers[header::SET_COOKIE].to_str().expect("it is text");
        assert!(!cookie.contains(&token));
        browser.shown = Some((header::COOKIE, cookie.split(';').next().unwrap_or_default().to_owned()));
        let page = browser.get("/").await.text;
        let field = "name=\"csrf\" value=\"";
        let begin = page.find(field).expect("every page has the form to log out") + field.len();
        browser.csrf = page[begin..].split('"').next().unwrap_or_default().to_owned();
        browser
    }

    /// A program that shows its token, and no cookie.
    pub(super) async fn program(&self, role: Role) -> Browser {
        let token = self.token(role, None).await;
        Browser { shown: Some((header::AUTHORIZATION, format!("Bearer {token}"))), ..Browser::of(self) }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        // The folder goes last: the databases are in it.
        let _ = &self.folder;
    }
}

/// Somebody's browser.
pub(super) struct Browser {
    routes: Router,
    shown: Option<(header::HeaderName, String)>,
    /// From where its forms come, in the word that browsers have for it.
    from: &'static str,
    pub(super) csrf: String,
}

impl Browser {
    /// Nobody in particular.
    pub(super) fn of(scene: &Scene) -> Self {
        Self { routes: scene.routes.clone(), shown: None, from: "same-origin", csrf: String::new() }
    }

    pub(super) async fn get(&self, address: &str) -> Answer {
        self.send(Method::GET, address, Body::empty()).await
    }

    /// A form of its own pages.
    pub(super) async fn post(&self, address: &str, fields: &[(&str, &str)]) -> Answer {
        let mut fields = fields.to_vec();
        fields.push(("csrf", &self.csrf));
        self.post_with(address, &fields).await
    }

    /// A form as it is.
    pub(super) async fn post_with(&self, address: &str, fields: &[(&str, &str)]) -> Answer {
        let encoded = |text: &str| super::super::event::encoded(text);
        let body: Vec<String> =
            fields.iter().map(|(name, value)| format!("{}={}", encoded(name), encoded(value))).collect();
        self.send(Method::POST, address, Body::from(body.join("&"))).await
    }

    /// A form that another site's page has sent.
    pub(super) async fn post_from_elsewhere(&self, address: &str) -> Answer {
        Self { from: "cross-site", routes: self.routes.clone(), shown: self.shown.clone(), csrf: self.csrf.clone() }
            .post(address, &[])
            .await
    }

    async fn response(&self, method: Method, address: &str, body: Body) -> axum::response::Response {
        let mut request = Request::builder()
            .method(method)
            .uri(address)
            .header(header::ACCEPT, "text/html")
            .header("sec-fetch-site", self.from)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some((name, value)) = &self.shown {
            request = request.header(name, value);
        }
        let request = request.body(body).expect("it is sound");
        self.routes.clone().oneshot(request).await.expect("it is infallible")
    }

    async fn send(&self, method: Method, address: &str, body: Body) -> Answer {
        let (parts, body) = self.response(method, address, body).await.into_parts();
        let bytes = axum::body::to_bytes(body, usize::MAX).await.expect("it has an end");
        let text = String::from_utf8(bytes.into()).expect("it is text");
        Answer { status: parts.status, headers: parts.headers, text }
    }

    /// Something that is followed.
    pub(super) async fn stream(&self, address: &str) -> Body {
        let response = self.response(Method::GET, address, Body::empty()).await;
        assert_eq!(response.status(), StatusCode::OK, "{address}");
        response.into_body()
    }

    /// What a stream sends at first.
    pub(super) async fn first_of_stream(&self, address: &str) -> String {
        let mut stream: BodyDataStream = self.stream(address).await.into_data_stream();
        let first = stream.next().await.expect("it has not ended").expect("it is well");
        String::from_utf8(first.into()).expect("it is text")
    }
}
