//! A connection to the broker: the native framing over TCP.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use prost::Message;
use ringdove_core::wire::frame::{PREAMBLE, Split, put_length, split};
use ringdove_core::wire::v1::{self, client_frame::Request};

/// A frame of the server is never longer.
const SERVER_FRAME: usize = 256 << 10;
/// A broker that does not accept in this time is not there.
const CONNECT: Duration = Duration::from_secs(10);
/// A broker that says nothing for so long is not there any more: within it, it is pinged twice.
const SILENCE: Duration = Duration::from_secs(45);

/// One end of a connection. Clones share the socket.
#[derive(Debug)]
pub(super) struct Link {
    socket: TcpStream,
    received: Vec<u8>,
}

impl Link {
    /// Connects and says which protocol this is.
    pub(super) fn connect(address: SocketAddr) -> io::Result<Self> {
        Self::with_patience(address, SILENCE)
    }

    fn with_patience(address: SocketAddr, silence: Duration) -> io::Result<Self> {
        let mut socket = TcpStream::connect_timeout(&address, CONNECT)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(silence))?;
        socket.set_write_timeout(Some(silence))?;
        socket.write_all(&PREAMBLE)?;
        Ok(Self { socket, received: Vec::new() })
    }

    /// The end for writing; this one goes on reading.
    pub(super) fn writer(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, received: Vec::new() })
    }

    /// Writes frames with one call.
    pub(super) fn write(&mut self, frames: &[v1::ClientFrame]) -> io::Result<()> {
        let mut bytes = Vec::new();
        for frame in frames {
            put_length(&mut bytes, frame.encoded_len());
            // a vector grows
            let _ = frame.encode(&mut bytes);
        }
        self.socket.write_all(&bytes)
    }

    /// Waits for the next frame.
    pub(super) fn read(&mut self) -> io::Result<v1::ServerFrame> {
        let broken = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let mut chunk = [0; 16 << 10];
        loop {
            match split(&self.received, SERVER_FRAME) {
                Split::Frame { frame, used } => {
                    let frame = v1::ServerFrame::decode(frame).map_err(|error| broken(&error.to_string()));
                    self.received.drain(..used);
                    return frame;
                }
                Split::Partial { .. } => {}
                _ => return Err(broken("this is not ringdove's protocol")),
            }
            match self.socket.read(&mut chunk).map_err(in_words)? {
                0 => return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the broker closed the connection")),
                count => self.received.extend_from_slice(&chunk[..count]),
            }
        }
    }

    /// Ends the connection for all its clones.
    pub(super) fn close(&self) {
        // it may be gone already
        let _ = self.socket.shutdown(std::net::Shutdown::Both);
    }
}

/// A read that waited in vain is told by the system as "try again".
fn in_words(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            io::Error::new(io::ErrorKind::TimedOut, "the broker says nothing any more")
        }
        _ => error,
    }
}

/// A frame that asks for something.
pub(super) fn ask(id: u32, ack: u64, request: Request) -> v1::ClientFrame {
    v1::ClientFrame { id, ack, request: Some(request) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_that_says_nothing_is_given_up() {
        // the system accepts for it, and it never looks
        let mute = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = mute.local_addr().expect("an address");
        let mut link = Link::with_patience(address, Duration::from_millis(50)).expect("it is accepted");
        assert_eq!(link.read().map_err(|error| error.kind()), Err(io::ErrorKind::TimedOut));
    }
}
