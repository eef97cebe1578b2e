//! Connections that sign in and say nothing: what each of them costs the server.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use crate::accounts::User;
use crate::client::SignedIn;
use crate::process;
use crate::report::{Counts, Report};

/// Long enough for what a sign-in leaves behind to settle.
const SETTLE: Duration = Duration::from_secs(1);

/// Signs everyone in, and holds the connections for `hold`.
///
/// # Errors
/// Someone is refused.
pub fn idle(address: SocketAddr, users: &[User], server: u32, hold: Duration) -> Result<Report, String> {
    thread::sleep(SETTLE);
    let before = process::memory(server)?;
    let connections = users.iter().map(|user| SignedIn::hello(address, user)).collect::<Result<Vec<_>, _>>()?;
    thread::sleep(SETTLE);
    let after = process::memory(server)?;
    let cpu = process::cpu(server)?;
    thread::sleep(hold);
    let spent = process::cpu(server)?.saturating_sub(cpu);
    let each = after.saturating_sub(before) as f64 / connections.len() as f64;
    Ok(Report {
        workload: "idle",
        target: address.to_string(),
        settings: vec![("connections", connections.len().to_string())],
        measured: hold,
        counts: Counts::default(),
        checked: Counts::default(),
        latencies: Vec::new(),
        server_cpu: Some(spent),
        own_cpu: None,
        figures: vec![("bytes/connection", each), ("server bytes", after as f64)],
    })
}
