//! What the browser's tests do not see: who is refused what, what is never sent, and that nothing of others becomes a page.

mod scene;

use axum::http::{StatusCode, header};
use domain::Role;

use super::PAGES;
use scene::{Browser, Scene};

/// Every address that changes something, with `{id}` for a target, an attempt or a token.
const POSTS: &[&str] = &[
    "/targets/new",
    "/targets/{id}/pause",
    "/targets/{id}/resume",
    "/targets/{id}/halt",
    "/targets/{id}/unhalt",
    "/targets/{id}/skip",
    "/targets/{id}/seek",
    "/targets/{id}/retry",
    "/targets/{id}/discard",
    "/targets/{id}/test",
    "/targets/{id}/settings",
    "/targets/{id}/rotate-key",
    "/targets/{id}/delete",
    "/deliveries/1/resend",
    "/executions",
    "/executions/delete",
    "/tokens",
    "/tokens/1/revoke",
];

/// What is in the table is all there is: a route that is forgotten here is found in the sources.
#[test]
fn the_table_of_posts_is_whole() {
    let sources = [
        include_str!("target/mod.rs"),
        include_str!("attempt.rs"),
        include_str!("executions/mod.rs"),
        include_str!("tokens.rs"),
    ];
    let posted: usize = sources.iter().map(|source| source.matches("post(").count()).sum();
    assert_eq!(posted, POSTS.len());
}

async fn pages_of(scene: &Scene) -> Vec<String> {
    let mut pages: Vec<String> = PAGES.iter().map(|page| (*page).to_owned()).collect();
    for target in &scene.targets {
        pages.push(format!("/targets/{}", target.id));
        for act in
            ["halt", "skip", "seek?to=beginning", "discard?status=parked", "test", "settings", "rotate-key", "delete"]
        {
            pages.push(format!("/targets/{}/{act}", target.id));
        }
    }
    pages.extend(scene.events().await.into_iter().map(|key| format!("/events/{key}")));
    pages.push("/executions?event=user.added".to_owned());
    pages.push("/executions/delete?condition=event".to_owned());
    pages
}

#[tokio::test]
async fn what_others_have_is_on_no_page_of_an_instance() {
    let scene = Scene::open().await;
    let one = scene.login(Role::Admin, Some("one")).await;
    for page in pages_of(&scene).await {
        let answer = one.get(&page).await;
        // What is asked for may be repeated to whoever asked; nothing else of it.
        let text = answer.text.replace(&page, "");
        for secret in ["two-target", "two-secret", "u-of-two", "two.example.com"] {
            assert!(!text.contains(secret), "{page} ({}) tells {secret}", answer.status);
        }
    }
    let own = one.get("/").await;
    assert!(own.text.contains("one-target"), "{}", own.text);
    for topic in ["overview".to_owned(), "audit".to_owned(), format!("target&of={}", scene.target("one-target").id)] {
        let sent = one.first_of_stream(&format!("/live?page={topic}")).await;
        assert!(!sent.contains("two-target") && !sent.contains("u-of-two"), "{topic}: {sent}");
    }
    let others = one.get(&format!("/live?page=target&of={}", scene.target("two-target").id)).await;
    assert_eq!(others.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_viewer_is_refused_whatever_changes_anything_and_nothing_changes() {
    let scene = Scene::open().await;
    let viewer = scene.login(Role::Viewer, None).await;
    let before = scene.definitions().await;
    for post in POSTS {
        let address = post.replace("{id}", scene.target("one-target").id.as_str());
        let answer = viewer.post(&address, &[("reason", "because"), ("to", "beginning"), ("status", "parked")]).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{post}");
        assert!(answer.text.contains("viewer is a viewer"), "{post}: {}", answer.text);
    }
    assert_eq!(scene.definitions().await, before);
    for page in ["/targets/new", "/tokens"] {
        assert_eq!(viewer.get(page).await.status, StatusCode::FORBIDDEN, "{page}");
    }
    let target = viewer.get(&format!("/targets/{}", scene.target("one-target").id)).await;
    let forms = target.text.matches("<form").count();
    assert_eq!((target.status, forms), (StatusCode::OK, 1), "only the one to log out");
}

#[tokio::test]
async fn a_form_without_the_secret_of_its_session_is_refused_whoever_sends_it() {
    let scene = Scene::open().await;
    let [admin, other] = [scene.login(Role::Admin, None).await, scene.login(Role::Admin, None).await];
    for post in POSTS.iter().chain(&["/logout"]) {
        let address = post.replace("{id}", scene.target("one-target").id.as_str());
        for secret in ["", "a guess", &*other.csrf] {
            let answer = admin.post_with(&address, &[("csrf", secret)]).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{post} with {secret:?}");
        }
        let program = scene.program(Role::Admin).await;
        assert_eq!(program.post_with(&address, &[("csrf", "")]).await.status, StatusCode::FORBIDDEN, "{post}");
    }
    let paused = admin.post(&format!("/targets/{}/pause", scene.target("one-target").id), &[]).await;
    assert_eq!(paused.status, StatusCode::SEE_OTHER, "with the secret it is done");
}

#[tokio::test]
async fn settings_that_somebody_changed_meanwhile_are_not_changed_back() {
    let scene = Scene::open().await;
    let [ada, bob] = [scene.login(Role::Admin, None).await, scene.login(Role::Admin, None).await];
    let address = format!("/targets/{}/settings", scene.target("one-target").id);
    let seen = ada.get(&address).await.text;
    let field = "name=\"made_from\" value=\"";
    let print =
        seen.split_once(field).expect("the form says what it was made of").1.split('"').next().unwrap_or_default();
    let sent = |timeout: &'static str| {
        let endpoint = "https://one.example.com/hook";
        [("name", "one-target"), ("endpoint", endpoint), ("timeout", timeout), ("made_from", print)]
    };
    let first = bob.post(&address, &sent("7s")).await;
    assert_eq!(first.status, StatusCode::SEE_OTHER, "{}", first.text);
    let second = ada.post(&address, &sent("9s")).await;
    assert_eq!(second.status, StatusCode::BAD_REQUEST);
    assert!(second.text.contains("somebody else changed this target"), "{}", second.text);
    let none = ada.post(&address, &sent("9s")[..3]).await;
    assert_eq!(none.status, StatusCode::BAD_REQUEST, "a form that does not say is not taken, either");
    let target = scene.again().await;
    assert_eq!(target.target("one-target").timeout.as_secs(), 7);
}

#[tokio::test]
async fn what_is_no_page_is_not_kept_and_runs_nothing_and_a_refusal_has_its_style() {
    let scene = Scene::open().await;
    let program = scene.program(Role::Admin).await;
    for path in ["/api/v1/targets", "/healthz", "/metrics", "/api/v1/nowhere"] {
        let answer = program.get(path).await;
        let said = |name| answer.headers[name].to_str().expect("it is text");
        assert_eq!(said(header::CACHE_CONTROL), "no-store", "{path}");
        assert_eq!(said(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert!(said(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none'"), "{path}");
    }
    let admin = scene.login(Role::Admin, None).await;
    let foreign = admin.post_from_elsewhere("/logout").await;
    let policy = foreign.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("it is text");
    assert!(foreign.text.contains("<h1") && policy.contains("style-src 'self'"), "{}: {policy}", foreign.status);
}

#[tokio::test]
async fn names_that_are_markup_are_text_on_every_page() {
    let scene = Scene::open().await;
    let admin = scene.login(Role::Admin, None).await;
    let evil = "<script>alert(1)</script>\"><img src=x onerror=alert(2)>";
    let fields = [("name", evil), ("endpoint", "https://evil.example.com/<script>"), ("start", "now")];
    let made = admin.post("/targets/new", &fields).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text);
    let entry = format!("target {evil}");
    let set = [("condition", "all"), ("entry", entry.as_str())];
    assert!(admin.post("/executions", &set).await.status != StatusCode::BAD_REQUEST);
    let scene = scene.again().await;
    for page in pages_of(&scene).await {
        let answer = admin.get(&page).await;
        assert!(!answer.text.contains("<script>alert") && !answer.text.contains("<img"), "{page}");
    }
    let asked = [
        "/executions?event=%3Cscript%3Ealert(1)",
        "/events?type=%3Cimg%3E",
        "/?done=%3Cimg%3E",
        "/audit?act=%3Cimg%3E",
    ];
    for page in asked {
        let answer = admin.get(page).await;
        assert!(!answer.text.contains("<script>alert") && !answer.text.contains("<img"), "{page}");
    }
}

#[tokio::test]
async fn every_page_is_there_for_an_admin_under_the_policy() {
    let scene = Scene::open().await;
    let admin = scene.login(Role::Admin, None).await;
    for page in PAGES {
        let answer = admin.get(page).await;
        assert_eq!(answer.status, StatusCode::OK, "{page}: {}", answer.text);
        assert_eq!(answer.text.matches("<h1").count(), 1, "{page}");
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().expect("it is text");
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{page}: {policy}");
        assert!(!answer.text.contains(" style=") && !answer.text.contains(" onclick="), "{page}");
        assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{page}");
    }
    let nowhere = admin.get("/nowhere").await;
    assert_eq!(nowhere.status, StatusCode::NOT_FOUND);
    assert!(nowhere.text.contains("<nav"), "it is a page with a way out");
    let stranger = Browser::of(&scene).get("/nowhere").await;
    assert_eq!(
        (stranger.status, stranger.headers[header::LOCATION].as_bytes()),
        (StatusCode::SEE_OTHER, &b"/login"[..])
    );
}

#[tokio::test]
async fn streams_end_when_the_daemon_stops_and_there_is_room_for_so_many() {
    let scene = Scene::open().await;
    let admin = scene.login(Role::Admin, None).await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(admin.stream("/live?page=overview").await);
    }
    assert_eq!(admin.get("/live?page=overview").await.status, StatusCode::SERVICE_UNAVAILABLE);
    scene.house.stopping().cancel();
    for stream in streams {
        // It has an end: without one this would wait for ever.
        axum::body::to_bytes(stream, usize::MAX).await.expect("it ends well");
    }
}

#[tokio::test]
async fn a_stream_tells_a_page_to_load_again_once_its_session_is_over() {
    let scene = Scene::open().await;
    let admin = scene.login(Role::Admin, None).await;
    let stream = admin.stream("/live?page=workers").await;
    let out = admin.post("/logout", &[]).await;
    assert_eq!(out.status, StatusCode::SEE_OTHER);
    let sent = axum::body::to_bytes(stream, usize::MAX).await.expect("it ends well");
    assert!(String::from_utf8_lossy(&sent).contains("event: gone"));
    assert_eq!(admin.get("/").await.headers[header::LOCATION], "/login", "also with the cookie kept");
}
