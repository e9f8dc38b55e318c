//! Who is let in, and who may do what.

use serde_json::{Value, json};
use test_support::{Receiver, eventually};

use super::scene::{Scene, on_both};

/// Every route of the description: method and path, with something in the place of its parameters.
pub async fn routes(scene: &Scene, target: &str) -> Vec<(String, String)> {
    let description = scene.get("/openapi.json").await.good();
    let paths = description["paths"].as_object().expect("there are paths");
    let mut routes = Vec::new();
    for (path, methods) in paths {
        let path =
            path.replace("{target}", target).replace("{id}", "1").replace("{key}", "W10").replace("{name}", "nobody");
        assert!(!path.contains('{'), "{path} has a parameter that this test does not know");
        for method in methods.as_object().expect("there are methods").keys() {
            routes.push((method.to_uppercase(), path.clone()));
        }
    }
    assert!(routes.len() > 30, "{routes:?}");
    routes
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_but_health_is_answered_without_a_token_in_force() {
    on_both("", async |scene| {
        let mut closed = routes(scene, "crm").await;
        closed.extend(
            [("GET", "/metrics"), ("GET", "/openapi.json"), ("GET", "/"), ("GET", "/nowhere")]
                .map(|(m, p)| (m.into(), p.into())),
        );
        let revoked = scene.token(&["--name", "gone", "--role", "admin"]);
        let _ = scene.house.cli(&["token", "revoke", "gone"]);
        for (method, path) in closed {
            let asked = format!("{method} {path}");
            let bare = scene.send(&asked, &[("content-type", "application/json")], "{}").await;
            assert!(matches!(bare.status, 401 | 404), "{asked}: {}", bare.status);
            assert!(path != "/metrics" || bare.status == 401);
        }
        // Ten of them would be too many for an address.
        for token in ["", "pr_a_b", &revoked, &format!("{}x", scene.admin)] {
            let refused = scene.ask_as(token, "GET /api/v1/targets", &Value::Null).await;
            assert_eq!((refused.status, refused.header("www-authenticate")), (401, Some("Bearer")), "{}", refused.body);
        }
        assert_eq!(scene.send("GET /healthz", &[], "").await.status, 200);
        assert_eq!(scene.send("GET /readyz", &[], "").await.status, 200);
        assert_eq!(scene.get("/metrics").await.status, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_revoked_opens_nothing_from_that_moment_on() {
    on_both("", async |scene| {
        let made = scene.post("/api/v1/tokens", &json!({ "name": "ops", "role": "operator" })).await.good();
        let token = made["token"].as_str().expect("it is shown once").to_owned();
        assert_eq!(scene.ask_as(&token, "GET /api/v1/whoami", &Value::Null).await.good()["name"], "ops");
        let listed = scene.get("/api/v1/tokens").await;
        assert!(!listed.body.contains(&token) && listed.body.contains("\"ops\""), "{}", listed.body);
        assert_eq!(scene.post("/api/v1/tokens", &json!({ "name": "ops", "role": "viewer" })).await.status, 409);
        let _ = scene.ask("DELETE /api/v1/tokens/ops", &Value::Null).await.good();
        assert_eq!(scene.ask_as(&token, "GET /api/v1/whoami", &Value::Null).await.status, 401);
        assert_eq!(scene.ask("DELETE /api/v1/tokens/ops", &Value::Null).await.status, 404);

        let short = scene.token(&["--name", "short", "--role", "viewer", "--expires-in", "2s"]);
        assert_eq!(scene.ask_as(&short, "GET /api/v1/whoami", &Value::Null).await.status, 200);
        eventually("it expires", async || {
            (scene.ask_as(&short, "GET /api/v1/whoami", &Value::Null).await.status == 401).then_some(())
        })
        .await;
        assert!(!scene.daemon.log().contains(&token), "no token is logged");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_may_what_it_may_and_no_more() {
    on_both("", async |scene| {
        let receiver = Receiver::ok();
        scene.target("crm", &receiver).await;
        let [viewer, operator] = ["viewer", "operator"].map(|role| scene.token(&["--name", role, "--role", role]));
        for (method, path) in routes(scene, "crm").await {
            let asked = format!("{method} {path}");
            let looks = method == "GET";
            let for_admins = path.starts_with("/api/v1/tokens");
            let answer = scene.ask_as(&viewer, &asked, &json!({})).await;
            let denied = !looks || for_admins || path == "/api/v1/deliveries/1";
            assert_eq!(answer.status == 403, denied, "a viewer, {asked}: {} {}", answer.status, answer.body);
            let defines = !looks
                && (matches!(
                    path.as_str(),
                    "/api/v1/targets" | "/api/v1/targets/crm" | "/api/v1/executions" | "/api/v1/web-keys/rotate"
                ) || path.ends_with("rotate-key"));
            let answer = scene.ask_as(&operator, &asked, &json!({ "dry_run": true, "reason": "a test" })).await;
            assert_eq!(
                answer.status == 403,
                defines || for_admins,
                "an operator, {asked}: {} {}",
                answer.status,
                answer.body
            );
            assert!(answer.status < 500, "{asked}: {}", answer.body);
        }
        scene.write("one", "user.human.added", &["a"]).await;
        receiver.wait_for(1).await;
        let page = scene.ask_as(&viewer, "GET /api/v1/events", &Value::Null).await.good();
        assert_eq!(page["instance_id"], "one", "{page}");

        let key = page["events"][0]["key"].as_str().unwrap_or_else(|| panic!("{page}"));
        let path = format!("GET /api/v1/events/{key}");
        assert_eq!(scene.ask_as(&viewer, &path, &Value::Null).await.good()["payload"], Value::Null);
        assert_eq!(scene.ask_as(&operator, &path, &Value::Null).await.good()["payload"]["of"], "a");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_guesses_is_not_looked_at_for_a_while() {
    let scene = Scene::sqlite("").await;
    let statuses = async |count: usize| {
        let mut statuses = Vec::new();
        for number in 0..count {
            let guess = format!("pr_abcdefghijkl_{number}");
            statuses.push(scene.ask_as(&guess, "GET /api/v1/whoami", &Value::Null).await.status);
        }
        statuses
    };
    assert_eq!(scene.get("/api/v1/whoami").await.status, 200);
    assert!(statuses(10).await.iter().all(|status| *status == 401));
    let later = statuses(5).await;
    assert!(later.ends_with(&[429, 429]), "{later:?}");
    assert_eq!(scene.get("/api/v1/whoami").await.status, 200, "who was in before goes on");
    let refused = scene.ask_as("pr_abcdefghijkl_x", "GET /api/v1/whoami", &Value::Null).await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, Some("6")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_may_only_change_something_from_our_own_pages() {
    let scene = Scene::sqlite("").await;
    let form = [("content-type", "application/x-www-form-urlencoded"), ("sec-fetch-site", "same-origin")];
    let entered = scene.send("POST /login", &form, &format!("token={}", scene.admin)).await;
    let cookie = entered.header("set-cookie").expect("there is a cookie");
    assert!(cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"), "{cookie}");
    assert!(!cookie.contains(&scene.admin), "it is not the token");
    let cookie = cookie.split(';').next().expect("it begins with its name and value").to_owned();
    let json = ("content-type", "application/json");
    let pause = async |headers: &[(&str, &str)]| {
        let headers = [&[("cookie", cookie.as_str()), json], headers].concat();
        scene.send("POST /api/v1/targets/crm/pause", &headers, "{}").await.status
    };
    assert_eq!(pause(&[("sec-fetch-site", "same-origin")]).await, 404, "there is no such target, but it was asked");
    assert_eq!(pause(&[("sec-fetch-site", "cross-site")]).await, 403);
    assert_eq!(pause(&[("sec-fetch-site", "same-site")]).await, 403);
    assert_eq!(pause(&[("origin", "http://evil.example")]).await, 403);
    assert_eq!(pause(&[("origin", "http://here")]).await, 404);
    assert_eq!(pause(&[]).await, 403);
    let looked = scene.send("GET /api/v1/whoami", &[("cookie", cookie.as_str())], "").await;
    assert_eq!(looked.status, 200);
    let token_as_cookie = format!("postrider_session={}", scene.admin);
    assert_eq!(scene.send("GET /api/v1/whoami", &[("cookie", &token_as_cookie)], "").await.status, 401);
}
