//! One daemon on a SQLite file: leases are for PostgreSQL, where several daemons share the state.

use std::{
    ffi::OsString,
    fs::{File, TryLockError},
};

use super::{State, database::Backend};
use crate::StoreError;

/// Held as long as the daemon runs; the system lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub struct DaemonLock {
    file: Option<File>,
}

impl DaemonLock {
    /// Whether nobody else can be working on the state while this is held.
    pub(super) fn proves_to_be_alone(&self) -> bool {
        self.file.is_some()
    }
}

impl State {
    /// Makes sure that no other daemon runs on the same SQLite file. On PostgreSQL there is nothing to do.
    ///
    /// The lock is on a file of its own beside the state (`state.db.lock`), which stays when the daemon ends.
    pub fn lock_daemon(&self) -> Result<DaemonLock, StoreError> {
        let Backend::Sqlite(file) = &self.database.backend else { return Ok(DaemonLock { file: None }) };
        let mut path = OsString::from(file);
        path.push(".lock");
        let failed = |source| StoreError::Lock { path: path.to_string_lossy().into_owned(), source };
        let lock = File::options().create(true).append(true).open(&path).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => Ok(DaemonLock { file: Some(lock) }),
            Err(TryLockError::WouldBlock) => Err(StoreError::AlreadyRunning { path: file.display().to_string() }),
            Err(TryLockError::Error(source)) => Err(failed(source)),
        }
    }
}
