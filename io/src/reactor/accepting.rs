//! Doors: where sockets come in. Reactor 0 accepts for all and hands every other reactor its share.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use mio::net::{TcpListener, TcpStream, UnixListener};
use mio::{Interest, Registry};

use super::{ADMIN, Edge, LISTENER, token};
use crate::clock::Tick;
use crate::connection::{Aside, Connection, Greeting, Socket, Stage};
use crate::counters::Counter;
use crate::dialect::Dialect;
use crate::mailbox::{Letter, Mailbox};

/// How many may come in a turn: one for each `COMER_US` microseconds that the turn before took, within these bounds. So those who are signed in do not
/// wait while thousands come, and those who come get about a quarter of the time where much else is to be done.
const COMERS: RangeInclusive<usize> = 4..=64;
const COMER_US: u64 = 200;
/// Sockets that may wait to be accepted: as many as the kernel allows (`net.core.somaxconn`, 4096 by default). Of mio's 128 a restart or a
/// lost uplink, after which everyone comes back at once, leaves most to find the door shut and to knock again a second later, or three.
const BACKLOG: i32 = 4_096;
/// After a failure such as "no file descriptor left", the listener is left alone for so many milliseconds.
const PAUSE_MS: u64 = 200;
/// The operator's connections at a time.
const OPERATORS: usize = 16;

/// The listening sockets, on reactor 0.
pub struct Doors {
    tcp: TcpListener,
    admin: Option<(UnixListener, PathBuf)>,
}

impl Doors {
    /// Listens on `address`, and for operators on the Unix socket `admin`, which only its owner may open. A socket file that nobody
    /// listens on any more is replaced.
    ///
    /// # Errors
    /// As the system says: `AddrInUse` if the port is taken or another process listens on the socket file.
    pub fn open(address: SocketAddr, admin: Option<&Path>) -> io::Result<Self> {
        let tcp = TcpListener::bind(address)?;
        // a listener that listens again only changes its bound
        rustix::net::listen(&tcp, BACKLOG)?;
        let admin = admin.map(|path| open_admin(path).map(|door| (door, path.to_owned()))).transpose()?;
        Ok(Self { tcp, admin })
    }

    /// Where clients are expected.
    ///
    /// # Errors
    /// As the system says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    pub(super) fn register(&mut self, registry: &Registry) -> io::Result<()> {
        registry.register(&mut self.tcp, LISTENER, Interest::READABLE)?;
        if let Some((admin, _)) = &mut self.admin {
            registry.register(admin, ADMIN, Interest::READABLE)?;
        }
        Ok(())
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.admin {
            // a file that stays behind is replaced at the next start
            let _ = std::fs::remove_file(path);
        }
    }
}

fn open_admin(path: &Path) -> io::Result<UnixListener> {
    if std::os::unix::net::UnixStream::connect(path).is_ok() {
        return Err(ErrorKind::AddrInUse.into());
    }
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let door = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(door)
}

/// What reactor 0 knows about its doors, and what the others have none of.
#[derive(Default)]
pub(super) struct Accepting {
    pub doors: Option<Doors>,
    /// The other reactors.
    pub peers: Vec<Mailbox>,
    /// Whose turn it is to get a socket; 0 is this reactor.
    turn: usize,
    /// There may be sockets to be accepted.
    pub tcp_waits: bool,
    /// There may be operators to be let in.
    pub admin_waits: bool,
    /// No attempt before this.
    pause: Tick,
    operators: usize,
}

impl Edge {
    /// How many may come in this turn.
    pub(super) fn comers(&self) -> usize {
        let share = usize::try_from(self.clock.turn_us() / COMER_US).unwrap_or(usize::MAX);
        share.clamp(*COMERS.start(), *COMERS.end())
    }

    /// Lets in who waits at the doors. Returns how many.
    pub(super) fn accept(&mut self) -> usize {
        if !(self.accepting.tcp_waits || self.accepting.admin_waits) || self.clock.tick() < self.accepting.pause {
            return 0;
        }
        self.accept_clients() + self.accept_operators()
    }

    fn accept_clients(&mut self) -> usize {
        let most = self.comers();
        let mut count = 0;
        while count < most && self.accepting.tcp_waits {
            let Some(doors) = &self.accepting.doors else { break };
            match doors.tcp.accept() {
                Ok((socket, address)) => {
                    count += 1;
                    self.let_in(socket, address.ip());
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.accepting.tcp_waits = false,
                Err(error) if self.accept_failed(&error) => break,
                Err(_) => {}
            }
        }
        count
    }

    fn accept_operators(&mut self) -> usize {
        let mut count = 0;
        while count < OPERATORS && self.accepting.admin_waits {
            let Some((door, _)) = self.accepting.doors.as_ref().and_then(|doors| doors.admin.as_ref()) else { break };
            match door.accept() {
                Ok((socket, _)) => {
                    count += 1;
                    if self.accepting.operators < OPERATORS {
                        self.accepting.operators += 1;
                        self.admit(Socket::Unix(socket), None, Stage::Operator, Dialect::Admin);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.accepting.admin_waits = false,
                Err(error) if self.accept_failed(&error) => break,
                Err(_) => {}
            }
        }
        count
    }

    /// Whether the doors have to be left alone for a while: no descriptor left, or no memory.
    fn accept_failed(&mut self, error: &io::Error) -> bool {
        self.output.counters.count(Counter::AcceptFailed);
        // else the peer was faster
        let ours = !matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted);
        if ours {
            self.accepting.pause = self.clock.tick().after(PAUSE_MS);
        }
        ours
    }

    fn let_in(&mut self, socket: TcpStream, address: IpAddr) {
        self.output.counters.count(Counter::Accepted);
        if !self.admission.enter(address) {
            // in which dialect a bye would be understood is not known yet
            return self.output.counters.count(Counter::TurnedAway);
        }
        let turn = self.accepting.turn;
        self.accepting.turn = (turn + 1) % (self.accepting.peers.len() + 1);
        if turn == 0 {
            return self.admit_client(socket, address);
        }
        let letter = Letter::Socket(socket.into(), address);
        if self.accepting.peers[turn - 1].try_post(letter).is_err() {
            self.admission.leave(address);
            self.output.counters.count(Counter::TurnedAway);
        }
    }

    /// Takes a client's socket in, accepted here or by another reactor.
    pub(super) fn admit_client(&mut self, socket: TcpStream, address: IpAddr) {
        // without it every small frame would wait for the one before to be acknowledged
        let _ = socket.set_nodelay(true);
        self.admit(Socket::Tcp(socket), Some(address), Stage::New, Dialect::Unknown);
    }

    fn admit(&mut self, mut socket: Socket, address: Option<IpAddr>, stage: Stage, dialect: Dialect) {
        self.generation = self.generation.wrapping_add(1).max(1);
        let entry = self.connections.vacant_entry();
        let key = entry.key() as u32;
        if socket.register(&self.registry, token(key, self.generation)).is_err() {
            if let Some(address) = address {
                self.admission.leave(address);
            }
            return self.output.counters.count(Counter::AcceptFailed);
        }
        let now = self.clock.tick();
        let mut connection = Connection::new(socket, self.generation, stage, dialect, now);
        connection.address = address;
        if stage == Stage::New {
            connection.patience = now.after(self.config.hello_timeout_ms);
            connection.aside = Some(Box::new(Aside::Greeting(Greeting::default())));
        }
        entry.insert(connection);
        self.arm(key);
        self.enqueue(key);
    }

    /// An operator has left.
    pub(super) fn operator_left(&mut self) {
        self.accepting.operators = self.accepting.operators.saturating_sub(1);
    }
}
