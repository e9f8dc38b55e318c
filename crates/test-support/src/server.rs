//! A PostgreSQL of a test's own, to be stopped, frozen and promoted.
//!
//! Its processes are children of the test's and its data is in a temporary folder; both go when it is dropped. A test
//! that is killed leaves them to `scripts/with-postgres`, which clears its folder, and whoever works in it, in the end.

use std::{
    env,
    fmt::Write as _,
    fs::{self, File},
    io::ErrorKind,
    os::unix::fs::chown,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, getuid, kill_process};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use tempfile::TempDir;
use url::Url;

use crate::{TestDatabase, port::free_port};

/// The environment variable that names the folder of `initdb`, `postgres` and `pg_ctl`.
pub const PROGRAMS: &str = "POSTRIDER_TEST_PG_BIN";

/// How long the server may take to start or to stop.
const PATIENCE: Duration = Duration::from_mins(1);

/// An own server. See the head of this module.
#[derive(Debug)]
pub struct PrivatePostgres {
    folder: TempDir,
    programs: PathBuf,
    /// The user that the server runs as: it refuses to be root.
    user: Option<User>,
    port: u16,
    postmaster: Option<Child>,
}

#[derive(Clone, Debug)]
struct User {
    name: String,
    uid: u32,
    gid: u32,
}

impl PrivatePostgres {
    /// A running server. Durability is off; two-phase commits and replication are possible.
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// As [`Self::start`], with settings of one's own, names and values as in `postgresql.conf`; they win.
    pub async fn start_with(own: &[(&str, &str)]) -> Self {
        let mut server = Self::prepare();
        server.run("initdb", &["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]);
        let settings = "\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n\
                        synchronous_commit = off\nfull_page_writes = off\nmax_connections = 100\n\
                        shared_buffers = '32MB'\nmax_prepared_transactions = 50\nwal_level = replica\n";
        let path = server.data().join("postgresql.conf");
        let mut config = fs::read_to_string(&path).expect("initdb has written a configuration") + settings;
        for (name, value) in own {
            writeln!(config, "{name} = '{value}'").expect("a string takes it");
        }
        fs::write(&path, config).expect("the folder is ours");
        server.launch().await;
        server
    }

    /// A running standby that follows this server.
    pub async fn standby(&self) -> Self {
        let mut standby = Self::prepare();
        let from = self.url();
        standby.run("pg_basebackup", &["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--dbname", &from]);
        standby.launch().await;
        standby
    }

    /// Makes a standby a primary, on a new timeline.
    pub async fn promote(&self) {
        let mut connection = PgConnection::connect(&self.url()).await.expect("the standby takes connections");
        let promoted = sqlx::query_scalar::<_, bool>("SELECT pg_promote()").fetch_one(&mut connection).await;
        assert!(promoted.is_ok_and(|promoted| promoted), "the standby is promoted\n{}", self.log());
    }

    /// The URL of the server's database `postgres`, as superuser. It stays the same over stops and starts.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    /// Runs one statement or several in the database `postgres`, as superuser.
    pub async fn execute(&self, sql: &str) {
        let mut connection = PgConnection::connect(&self.url()).await.expect("the server takes connections");
        let done = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(&mut connection).await;
        done.unwrap_or_else(|error| panic!("the SQL failed: {error}\n{sql}"));
    }

    /// The process that all others of the server are children of.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.postmaster.as_ref().expect("the server has not been stopped").id()
    }

    /// A fresh database on this server.
    pub async fn database(&self) -> TestDatabase {
        let server: Url = self.url().parse().expect("it is a URL");
        TestDatabase::create_on(&server, "", false).await
    }

    /// A database that is there on this server by this name.
    #[must_use]
    pub fn database_called(&self, name: &str) -> TestDatabase {
        TestDatabase::there(&self.url().parse().expect("it is a URL"), name)
    }

    /// A database of the primary that this server follows or followed, as it is here.
    #[must_use]
    pub fn copy_of(&self, original: &TestDatabase) -> TestDatabase {
        original.elsewhere(&self.url().parse().expect("it is a URL"))
    }

    /// Stops the server in order, cutting its connections.
    pub fn stop(&mut self) {
        self.end(Signal::INT);
    }

    /// Stops the server as a crash would: it has to recover when it is started again.
    pub fn crash(&mut self) {
        self.end(Signal::QUIT);
    }

    /// Starts the server again after [`Self::stop`] or [`Self::crash`].
    pub async fn start_again(&mut self) {
        assert!(self.postmaster.is_none(), "the server runs already");
        self.launch().await;
    }

    /// Stops every process of the server where it stands: connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        let postmaster = self.postmaster_pid();
        // First the one that starts the others, so that there are no new ones.
        signal(postmaster, Signal::STOP);
        let started = Instant::now();
        loop {
            let running: Vec<_> = family(postmaster).into_iter().filter(|pid| !is_stopped(*pid)).collect();
            if running.is_empty() {
                return;
            }
            assert!(started.elapsed() < PATIENCE, "the server's processes {running:?} do not stop");
            for pid in running {
                signal(pid, Signal::STOP);
            }
            thread::yield_now();
        }
    }

    /// Lets the server go on after [`Self::freeze`].
    pub fn thaw(&self) {
        let postmaster = self.postmaster_pid();
        // In the opposite order, so that the postmaster finds all of its children running.
        for pid in family(postmaster).into_iter().rev() {
            signal(pid, Signal::CONT);
        }
    }

    /// What the server has logged, for the message of a failing test.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    fn prepare() -> Self {
        let programs = env::var(PROGRAMS)
            .unwrap_or_else(|_| {
                panic!("{PROGRAMS} is not set: run this test with scripts/test, or under scripts/with-postgres")
            })
            .into();
        let mut folder = tempfile::Builder::new();
        folder.prefix("server.");
        let folder = match env::var_os("POSTRIDER_TEST_FOLDER") {
            Some(parent) => folder.tempdir_in(parent),
            None => folder.tempdir(),
        };
        let folder = folder.expect("there is a place for temporary files");
        let user = getuid().is_root().then(unprivileged);
        if let Some(user) = &user {
            chown(folder.path(), Some(user.uid), Some(user.gid)).expect("root may give a folder away");
        }
        Self { folder, programs, user, port: free_port(), postmaster: None }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A program of PostgreSQL's, as the right user, about our data.
    fn command(&self, program: &str) -> Command {
        let program = self.programs.join(program);
        let mut command = match &self.user {
            None => Command::new(program),
            Some(user) => {
                let mut command = Command::new("setpriv");
                let (uid, gid) = (format!("--reuid={}", user.name), format!("--regid={}", user.gid));
                command.args([&uid, &gid, "--clear-groups", "--"]).arg(program);
                command
            }
        };
        command.arg("-D").arg(self.data()).current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs a program to its end.
    fn run(&mut self, program: &str, arguments: &[&str]) {
        let output = self.command(program).args(arguments).output();
        let output = output.unwrap_or_else(|error| panic!("{program} cannot be started: {error}"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} ended with {}:\n{said}", output.status);
    }

    async fn launch(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log"));
        let log = log.expect("the folder is ours");
        let postmaster = self
            .command("postgres")
            .args(["-p", &self.port.to_string()])
            .stdout(log.try_clone().expect("a file can be had twice"))
            .stderr(log)
            .spawn()
            .expect("initdb could be started, so postgres can");
        let postmaster = self.postmaster.insert(postmaster);
        let started = Instant::now();
        loop {
            let ended = postmaster.try_wait().expect("it is our child");
            let hope = ended.is_none() && started.elapsed() < PATIENCE;
            assert!(hope, "the private server did not start\n{}", self.log());
            let url = format!("postgres://postgres@127.0.0.1:{}/postgres", self.port);
            match PgConnection::connect(&url).await {
                Ok(connection) => break drop(connection.close().await),
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn postmaster_pid(&self) -> Pid {
        Pid::from_child(self.postmaster.as_ref().expect("the server has not been stopped"))
    }

    fn end(&mut self, how: Signal) {
        self.thaw();
        let mut postmaster = self.postmaster.take().expect("the server has not been stopped");
        signal(Pid::from_child(&postmaster), how);
        let started = Instant::now();
        while postmaster.try_wait().expect("it is our child").is_none() {
            assert!(started.elapsed() < PATIENCE, "the private server does not stop\n{}", self.log());
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        if self.postmaster.is_some() {
            self.end(Signal::QUIT);
        }
    }
}

/// The user `postgres`, or else `nobody`.
fn unprivileged() -> User {
    let users = fs::read_to_string("/etc/passwd").expect("a machine with a root user has a list of users");
    let user = |wanted: &str| {
        let mut fields =
            users.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(wanted))?;
        let name = fields.next()?.to_owned();
        Some(User { name, uid: fields.nth(1)?.parse().ok()?, gid: fields.next()?.parse().ok()? })
    };
    user("postgres").or_else(|| user("nobody")).expect("there is a user postgres or nobody")
}

/// A process that is gone meanwhile needs no signal.
fn signal(pid: Pid, signal: Signal) {
    if let Err(error) = kill_process(pid, signal) {
        let gone = std::io::Error::from(error).raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error());
        assert!(gone, "{signal:?} cannot be sent to {pid:?}: {error}");
    }
}

/// A process and its children, itself first.
fn family(parent: Pid) -> Vec<Pid> {
    let processes = fs::read_dir("/proc").expect("freezing needs Linux's /proc");
    let pids = processes.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok().and_then(Pid::from_raw));
    let mut family = vec![parent];
    family.extend(pids.filter(|pid| status(*pid).is_some_and(|(_, of)| of == parent.as_raw_nonzero().get())));
    family
}

/// Whether the process can do nothing more: stopped, or dead.
fn is_stopped(pid: Pid) -> bool {
    status(pid).is_none_or(|(state, _)| matches!(state, 'T' | 'Z' | 'X'))
}

/// The state and the parent of a process that is still there.
fn status(pid: Pid) -> Option<(char, i32)> {
    let path = Path::new("/proc").join(pid.as_raw_nonzero().to_string()).join("stat");
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        // The process ended while its file was open.
        Err(_) => return None,
    };
    // `pid (name) state ppid …`, and the name may hold anything.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}
