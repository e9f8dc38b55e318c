//! Listening for the notify trigger on a connection of its own.
//!
//! Invariants: the connection is set up as all others are, and known as our own; it is never in a transaction, which would keep
//! the server's queue of notifications from being emptied; that it is still there is known after [`BEAT`] and
//! [`ANSWER`] together, also when the other end vanished without a word.

use std::{fmt, time::Duration};

use sqlx::{Executor as _, postgres::PgListener};
use tokio::time::{Instant, timeout, timeout_at};

use super::{
    PostgresEvents,
    connection::{SHORT, acquire, pool_of_one, settle},
};
use crate::StoreError;

const OPERATION: &str = "listen for notifications";

/// When nothing was heard for so long, the server is asked whether it is still there.
const BEAT: Duration = Duration::from_secs(3);
/// So long it may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// On which a daemon speaks to itself. To hear another daemon here proves as much.
const SELF: &str = "postrider_listening";

/// Silence is what this session is for. A daemon that no longer reads what it is sent must not keep the server's queue full.
const SETTINGS: &str = "SET idle_session_timeout = 0; SET tcp_user_timeout = '30s'";

/// A connection that listens. Whoever drops it stops listening.
pub struct Listener {
    connection: PgListener,
    channel: String,
    heard: Instant,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("channel", &self.channel).finish_non_exhaustive()
    }
}

impl Listener {
    /// Listens, and makes sure that what is said is heard: a pooler in transaction mode takes LISTEN and forgets it.
    pub(super) async fn start(store: &PostgresEvents) -> Result<Self, StoreError> {
        let (examined, _) = store.known();
        let pool = pool_of_one(&store.pool, &store.sessions, "listens");
        let channel = examined.trigger.channel.clone();
        let connecting = async {
            let mut listener = PgListener::connect_with(&pool).await?;
            listener.eager_reconnect(false);
            listener.execute(SETTINGS).await?;
            listener.listen_all([channel.as_str(), SELF]).await?;
            Ok(listener)
        };
        let Ok(connected) = timeout(SHORT, connecting).await else {
            return Err(StoreError::Timeout { operation: OPERATION, after: SHORT });
        };
        let mut listener = connected.map_err(StoreError::database(OPERATION))?;
        speak(store).await?;
        let heard = async {
            while let Some(notification) = listener.try_recv().await? {
                if notification.channel() == SELF {
                    return Ok(());
                }
            }
            Err(sqlx::Error::WorkerCrashed)
        };
        match timeout(ANSWER, heard).await {
            Ok(heard) => heard.map_err(|_| StoreError::ListenerLost)?,
            Err(_) => return Err(StoreError::Deaf),
        }
        Ok(Self { connection: listener, channel, heard: Instant::now() })
    }

    /// Waits until somebody has committed events. After an error the connection is of no more use. What was said before a call
    /// is heard by the next, also when a call is given up.
    pub async fn notified(&mut self) -> Result<(), StoreError> {
        loop {
            let Ok(received) = timeout_at(self.heard + BEAT, self.connection.try_recv()).await else {
                self.beat().await?;
                continue;
            };
            // Without a word that the connection has ended it would be made anew behind our back.
            let notification = received.map_err(StoreError::database(OPERATION))?.ok_or(StoreError::ListenerLost)?;
            self.heard = Instant::now();
            if notification.channel() == self.channel {
                return Ok(());
            }
        }
    }

    async fn beat(&mut self) -> Result<(), StoreError> {
        match timeout(ANSWER, self.connection.execute("SELECT 1")).await {
            Ok(answered) => answered.map_err(StoreError::database(OPERATION))?,
            Err(_) => return Err(StoreError::Timeout { operation: OPERATION, after: ANSWER }),
        };
        self.heard = Instant::now();
        Ok(())
    }
}

/// From another connection: on its own, what was said would come back with the answer even where nothing else does.
async fn speak(store: &PostgresEvents) -> Result<(), StoreError> {
    let mut connection = acquire(&store.pool, OPERATION).await?;
    let said = timeout(SHORT, sqlx::query("SELECT pg_notify($1, '')").bind(SELF).execute(&mut *connection)).await;
    settle(OPERATION, SHORT, connection, said).map(drop)
}
