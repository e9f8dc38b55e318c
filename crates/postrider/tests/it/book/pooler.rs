//! `operations/pooler.md`: the daemon behind `PgBouncer`, with the page's settings.

use std::{
    fs,
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, chown},
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use test_support::{PrivatePostgres, Push, Receiver, Stamp, TestDatabase, eventually};

use super::block;
use crate::proof::daemon::House;

const PAGE: &str = "operations/pooler.md";

/// Killed when it is dropped.
struct Pooler {
    child: Child,
    port: u16,
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Pooler {
    /// With the page's settings, changed by `change`.
    async fn start(folder: &Path, server: &PrivatePostgres, change: impl Fn(String) -> String) -> Self {
        let url: url::Url = server.url().parse().expect("it is a URL");
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("there is a port").port();
        let settings = block(PAGE, "pgbouncer")
            .replace("host=db port=5432", &format!("host=127.0.0.1 port={}", url.port().expect("with a port")))
            .replace("listen_port = 6432", &format!("listen_port = {port}"))
            .replace("users.txt", &folder.join("users.txt").display().to_string());
        let ini = folder.join("pgbouncer.ini");
        fs::write(&ini, change(settings)).expect("the folder takes a file");
        fs::write(folder.join("users.txt"), "\"postgres\" \"\"\n").expect("the folder takes a file");
        let user = as_somebody(folder);
        let mut command = Command::new("pgbouncer");
        command.arg("-q").args(user.iter().flat_map(|user| ["-u", user])).arg(&ini);
        let child = command.stdin(Stdio::null()).spawn();
        let child = child.unwrap_or_else(|error| panic!("pgbouncer cannot be run ({error}): scripts/test-pooler"));
        let pooler = Self { child, port };
        eventually("the pooler listens", async || std::net::TcpStream::connect(("127.0.0.1", port)).ok()).await;
        pooler
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/zitadel", self.port)
    }
}

/// It refuses to be root. Gives the user that it is to become.
fn as_somebody(folder: &Path) -> Option<&'static str> {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    if String::from_utf8_lossy(&id.stdout).trim() != "0" {
        return None;
    }
    let nobody = 65534;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755)).expect("the folder is ours");
    for file in ["pgbouncer.ini", "users.txt"] {
        chown(folder.join(file), Some(nobody), None).expect("root may");
    }
    Some("nobody")
}

async fn zitadel(server: &PrivatePostgres) -> TestDatabase {
    server.execute("CREATE DATABASE zitadel").await;
    let events = server.database_called("zitadel");
    events.zitadel().await;
    events
}

fn house(pooler: &Pooler, receiver: &Receiver) -> House {
    let mut house = House::new(&pooler.url());
    house.target("crm", receiver, "");
    house.execution("{ all = true }", &["crm"]);
    house
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PgBouncer: scripts/test-pooler"]
async fn behind_a_pooler_in_session_mode_everything_is_as_without() {
    let server = PrivatePostgres::start().await;
    let events = zitadel(&server).await;
    let folder = tempfile::tempdir().expect("there is room");
    let pooler = Pooler::start(folder.path(), &server, |settings| settings).await;
    let receiver = Receiver::ok();
    let house = house(&pooler, &receiver);
    house.cli(&["migrate", "--notify-trigger"]);
    let daemon = house.start();
    daemon.says("this daemon has joined").await;

    // One that is open keeps back what is written after it.
    let mut open = events.pool().begin().await.expect("a transaction can begin");
    let slow = Push::to("user", "slow").event("user.human.added");
    slow.run(Stamp::Now, &mut open).await.expect("it writes");
    events.push(Stamp::Now, &Push::to("user", "quick").event("user.human.added")).await;
    eventually("the writer is seen", async || {
        let check = house.cli(&["check"]);
        check.contains("holds the horizon").then_some(())
    })
    .await;
    assert_eq!(receiver.count(), 0);
    open.commit().await.expect("it commits");
    receiver.wait_for_within(2, Duration::from_secs(30)).await;
    let order: Vec<_> = receiver.accepted().iter().map(|arrival| arrival.key().aggregate_id.to_string()).collect();
    assert_eq!(order, ["slow", "quick"]);
    let check = house.cli(&["check"]);
    assert!(check.contains("commits wake the daemon"), "{check}");
    assert_eq!(daemon.stop().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs PgBouncer: scripts/test-pooler"]
async fn what_does_not_work_behind_a_pooler_is_said() {
    let server = PrivatePostgres::start().await;
    let _events = zitadel(&server).await;
    let receiver = Receiver::ok();
    let folder = tempfile::tempdir().expect("there is room");
    let strict = |settings: String| settings.replace("ignore_startup_parameters = extra_float_digits", "");
    let pooler = Pooler::start(folder.path(), &server, strict).await;
    let check = house(&pooler, &receiver).command(&["check"]);
    let said = String::from_utf8_lossy(&check.stdout).into_owned();
    assert!(said.contains("unsupported startup parameter: extra_float_digits"), "{said}");
    assert_eq!(check.status.code(), Some(1));
    drop(pooler);

    let folder = tempfile::tempdir().expect("there is room");
    let mode = |settings: String| settings.replace("pool_mode = session", "pool_mode = transaction");
    let pooler = Pooler::start(folder.path(), &server, mode).await;
    let house = house(&pooler, &receiver);
    // The first one leaves what it prepared on sessions that the second one is given.
    let both = [house.command(&["check"]), house.command(&["check"])];
    assert_eq!(both[1].status.code(), Some(1), "{}", String::from_utf8_lossy(&both[1].stdout));
    let said: String = both
        .iter()
        .flat_map(|check| [&check.stdout, &check.stderr])
        .map(|said| String::from_utf8_lossy(said))
        .collect();
    assert!(said.contains("prepared statement \"sqlx_s_1\" already exists"), "{said}");
}
