//! What this process is known as to the state and to operators.

use std::{env, fs};

use store::{WorkerId, WorkerInfo};
use uuid::Uuid;

/// One name for each start of a daemon.
pub fn id() -> WorkerId {
    WorkerId(Uuid::new_v4().to_string())
}

/// This process, for operators.
pub fn here() -> WorkerInfo {
    let host = fs::read_to_string("/proc/sys/kernel/hostname").map(|name| name.trim().to_owned());
    WorkerInfo {
        host: host.or_else(|_| env::var("HOSTNAME")).unwrap_or_else(|_| "unknown".to_owned()),
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    }
}
