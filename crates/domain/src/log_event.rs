//! The names by which machines know the lines of the log.
//!
//! Sentences are for people and may change; these names are a promise. Each line of the daemon's log at `info` or above carries one
//! as the field `event`. `docs/src/reference/logs.md` says of each when it comes and what to do; a test holds the two together.

macro_rules! log_events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// What a line of the log tells of.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum LogEvent {
            $($(#[$doc])* $variant,)*
        }

        impl LogEvent {
            /// All that there are.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The value of the field `event`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

log_events! {
    /// A daemon begins.
    DaemonStarting = "daemon.starting",
    /// A database is not reached at the start; it is tried again.
    DaemonWaiting = "daemon.waiting",
    /// The first signal was heard: calls in flight are finished.
    DaemonStopping = "daemon.stopping",
    /// The end: everything that was settled is committed.
    DaemonStopped = "daemon.stopped",
    /// A second signal ended the daemon at once.
    DaemonCutShort = "daemon.cut_short",
    /// The service manager (systemd) was not told how the daemon is.
    ManagerUntold = "manager.untold",
    /// A part of the daemon broke down; the daemon ends. A defect.
    TaskBroken = "task.broken",
    /// This daemon shares the targets from now on.
    WorkerJoined = "worker.joined",
    /// It cannot join yet; it is tried again.
    WorkerJoinFailed = "worker.join_failed",
    /// The other daemons were not told that this one ends.
    WorkerWithdrawFailed = "worker.withdraw_failed",
    /// Which targets this daemon serves has changed.
    LeaseShareChanged = "lease.share_changed",
    /// Others took this daemon for dead; it stops sending and joins anew.
    LeaseLost = "lease.lost",
    /// The lease cannot be renewed; sending stops when it runs out.
    LeaseRenewalFailed = "lease.renewal_failed",
    /// It is renewed again.
    LeaseRenewed = "lease.renewed",
    /// Another daemon is gone without a word; its targets were freed.
    LeaseWorkerExpired = "lease.worker_expired",
    /// Leases could not be given back at the end.
    LeaseGiveBackFailed = "lease.give_back_failed",
    /// The state database's clock jumped ahead.
    ClockAhead = "clock.ahead",
    /// The state database's clock was set back.
    ClockBack = "clock.back",
    /// The tables of the state are of a newer version now.
    StateMigrated = "state.migrated",
    /// Signing keys are stored as they are.
    StateKeysPlain = "state.keys_plain",
    /// The state cannot be read; couriers go on with what they know.
    StateUnreadable = "state.unreadable",
    /// It can be read again.
    StateReadable = "state.readable",
    /// Cursors cannot be committed; sending waits. Told again at every twentieth try.
    StateCommitFailed = "state.commit_failed",
    /// They are committed again.
    StateCommitted = "state.committed",
    /// How positions are stamped is not what the configured horizon expects.
    EventStoreDoubtful = "event_store.doubtful",
    /// The event store cannot be read; nothing new is delivered. Every new trouble is told, and each at every twentieth try.
    EventStoreUnreadable = "event_store.unreadable",
    /// It can be read again.
    EventStoreReadable = "event_store.readable",
    /// The end of the store went back, as with a clock that is set back.
    EventStoreWentBack = "event_store.went_back",
    /// Another server serves the event store, and has the last events that were read.
    EventStoreServerChanged = "event_store.server_changed",
    /// A transaction has been open for long; nothing behind it is delivered.
    HorizonHeld = "horizon.held",
    /// It has ended.
    HorizonReleased = "horizon.released",
    /// Notifications wake the daemon.
    NotifyListening = "notify.listening",
    /// The notify trigger cannot be listened to; the store is polled.
    NotifyUnavailable = "notify.unavailable",
    /// The connection that listens broke; the store is polled until it is made again.
    NotifyLost = "notify.lost",
    /// The trigger was removed; the store is polled.
    NotifyTriggerGone = "notify.trigger_gone",
    /// A target or execution of the file was put in force.
    DefinitionsApplied = "definitions.applied",
    /// Something in the definitions should be looked at.
    DefinitionsWarning = "definitions.warning",
    /// What came from a file is not in it any more, and stays in force.
    DefinitionsNotInFile = "definitions.not_in_file",
    /// Definitions were changed, or an operator acted.
    DefinitionsChanged = "definitions.changed",
    /// The definitions in the state make no sense, or a key does not open; those before stay in force.
    DefinitionsUnusable = "definitions.unusable",
    /// The first key to sign JWTs with was made.
    WebKeyCreated = "key.web_created",
    /// This daemon serves the target on the instance.
    CourierStarted = "courier.started",
    /// It no longer does.
    CourierStopped = "courier.stopped",
    /// The target was given another ordering.
    CourierReordered = "courier.reordered",
    /// The cursor was moved by another hand; the courier goes on from there.
    CourierFenced = "courier.fenced",
    /// The cursor cannot be claimed yet; it is tried again.
    CourierClaimFailed = "courier.claim_failed",
    /// Events for one target cannot be read; it is tried again.
    CourierReadFailed = "courier.read_failed",
    /// The endpoint is in trouble: the cursor waits, nothing is counted or lost.
    TargetHolding = "target.holding",
    /// The endpoint answers again.
    TargetRecovered = "target.recovered",
    /// An event failed and is tried again.
    TargetRetrying = "target.retrying",
    /// Nothing more is sent until an operator acts.
    TargetHalted = "target.halted",
    /// The target refused the event too often and did not get it.
    EventParked = "event.parked",
    /// A call that is not awaited failed; it is not made again.
    CallUnawaitedFailed = "call.unawaited_failed",
    /// The log of attempts cannot be written; deliveries go on.
    AttemptsUnwritten = "attempts.unwritten",
    /// It is written again.
    AttemptsWritten = "attempts.written",
    /// Attempts were not written down, because there were too many.
    AttemptsDropped = "attempts.dropped",
    /// Traces cannot be sent to the collector; they are dropped, and deliveries go on.
    TracesUnsent = "traces.unsent",
    /// They are sent again; so many spans were dropped meanwhile.
    TracesSent = "traces.sent",
    /// What is kept no longer cannot be removed; it is tried again every minute.
    RetentionFailed = "retention.failed",
    /// It is removed again.
    RetentionRecovered = "retention.recovered",
    /// Health, metrics, API and console are at this address.
    AdminListening = "admin.listening",
    /// Tokens come over the network in the clear.
    AdminPlainTokens = "admin.plain_tokens",
    /// A connection could not be taken.
    AdminAcceptFailed = "admin.accept_failed",
    /// The certificate was read again.
    AdminCertificateReloaded = "admin.certificate_reloaded",
    /// The new certificate cannot be used; the one before stays in force.
    AdminCertificateRefused = "admin.certificate_refused",
    /// An address showed too many tokens that open nothing.
    AdminTokensRefused = "admin.tokens_refused",
    /// A change was made, and its date could not be answered.
    AdminDateUnknown = "admin.date_unknown",
    /// A request was not answered, since a database is away.
    AdminDatabaseAway = "admin.database_away",
    /// A request was not answered; a defect, or a state that was changed by hand.
    AdminRequestFailed = "admin.request_failed",
}
