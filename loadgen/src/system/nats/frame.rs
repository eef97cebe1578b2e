//! Frames as a NATS server writes them: a line, and for messages a body of the length that the line tells.

/// What a line may be long: the server's greeting names its cluster and its doors, everything else is short.
const LINE: usize = 32 << 10;
/// What a body may be long: no server can be told to take more in a message.
const BODY: usize = 64 << 20;
/// Parts of the longest line: HMSG, subject, subscription, reply, length of the headers, length of all.
const PARTS: usize = 6;

/// A frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// A greeting, or an `+OK`.
    Other,
    /// It wants a `PONG`.
    Ping,
    /// Everything that was said before its `PING` is done.
    Pong,
    /// A message.
    Message(Message<'a>),
}

/// A message.
#[derive(Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The number of the subscription that it came for.
    pub subscription: usize,
    /// Where an answer would go; empty: nowhere.
    pub reply: &'a [u8],
    /// Its headers; empty: it has none.
    pub headers: &'a [u8],
    /// What it says.
    pub body: &'a [u8],
}

/// Reads the first frame: how many bytes it took, and what it is; `None`: it is not whole yet.
///
/// # Errors
/// The server refuses something, or these bytes are none of its protocol.
pub fn frame(bytes: &[u8]) -> Result<Option<(usize, Frame<'_>)>, String> {
    let Some(end) = bytes.iter().take(LINE).position(|byte| *byte == b'\n') else {
        return if bytes.len() < LINE { Ok(None) } else { Err(foreign(bytes)) };
    };
    let line = bytes[..end].strip_suffix(b"\r").ok_or_else(|| foreign(bytes))?;
    let begin = end + 1;
    // messages first: there are many
    if line.starts_with(b"MSG ") || line.starts_with(b"HMSG ") {
        return message(line, &bytes[begin..], begin);
    }
    let frame = match line {
        b"PING" => Frame::Ping,
        b"PONG" => Frame::Pong,
        b"+OK" => Frame::Other,
        _ if line.starts_with(b"INFO ") => Frame::Other,
        _ if line.starts_with(b"-ERR") => return Err(format!("the server says {}", String::from_utf8_lossy(line))),
        _ => return Err(foreign(line)),
    };
    Ok(Some((begin, frame)))
}

/// `MSG subject subscription [reply] length`, or `HMSG subject subscription [reply] headers length`.
fn message<'a>(line: &'a [u8], rest: &'a [u8], begin: usize) -> Result<Option<(usize, Frame<'a>)>, String> {
    let mut parts: [&[u8]; PARTS] = [b""; PARTS];
    let mut count = 0;
    for part in line.split(|byte| *byte == b' ') {
        *parts.get_mut(count).ok_or_else(|| foreign(line))? = part;
        count += 1;
    }
    let (subscription, reply, headers, length) = match (parts[0], count) {
        (b"MSG", 4) => (parts[2], &b""[..], &b"0"[..], parts[3]),
        (b"MSG", 5) => (parts[2], parts[3], &b"0"[..], parts[4]),
        (b"HMSG", 5) => (parts[2], &b""[..], parts[3], parts[4]),
        (b"HMSG", 6) => (parts[2], parts[3], parts[4], parts[5]),
        _ => return Err(foreign(line)),
    };
    let (Some(subscription), Some(headers), Some(length)) = (number(subscription), number(headers), number(length))
    else {
        return Err(foreign(line));
    };
    if headers > length || length > BODY {
        return Err(foreign(line));
    }
    // a body ends with CRLF, which its length does not count
    let Some(whole) = rest.get(..length + 2) else { return Ok(None) };
    let (body, end) = whole.split_at(length);
    if end != b"\r\n" {
        return Err(foreign(line));
    }
    let (headers, body) = body.split_at(headers);
    Ok(Some((begin + length + 2, Frame::Message(Message { subscription, reply, headers, body }))))
}

/// A number of at most nine digits.
pub fn number(digits: &[u8]) -> Option<usize> {
    if digits.is_empty() || digits.len() > 9 {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + usize::from(digit - b'0')))
}

fn foreign(line: &[u8]) -> String {
    let begin = &line[..line.len().min(80)];
    format!("this is not how NATS talks: {}", String::from_utf8_lossy(begin).escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything that a server says, once.
    const ALL: &[u8] =
        b"INFO {\"server_id\":\"x\"}\r\n+OK\r\nPING\r\nMSG p.5 3 5\r\na\r\nb\n\r\nMSG g.0 4 reply.to 0\r\n\r\n\
        HMSG a.7 1 16 16\r\nNATS/1.0 503\r\n\r\n\r\nHMSG p.5 3 r 16 18\r\nNATS/1.0 100\r\n\r\n\xFF\0\r\nPONG\r\n";

    fn message<'a>(subscription: usize, reply: &'a [u8], headers: &'a [u8], body: &'a [u8]) -> Frame<'a> {
        Frame::Message(Message { subscription, reply, headers, body })
    }

    #[test]
    fn every_frame_is_read_wherever_it_is_cut() {
        let expected = [
            Frame::Other,
            Frame::Other,
            Frame::Ping,
            message(3, b"", b"", b"a\r\nb\n"),
            message(4, b"reply.to", b"", b""),
            message(1, b"", b"NATS/1.0 503\r\n\r\n", b""),
            message(3, b"r", b"NATS/1.0 100\r\n\r\n", b"\xFF\0"),
            Frame::Pong,
        ];
        let mut at = 0;
        for expected in expected {
            let (used, read) = frame(&ALL[at..]).unwrap().unwrap();
            assert_eq!(read, expected);
            for cut in at..at + used {
                assert_eq!(frame(&ALL[at..cut]), Ok(None), "cut at {cut}");
            }
            at += used;
        }
        assert_eq!(at, ALL.len());
    }

    #[test]
    fn what_a_server_refuses_is_said() {
        let said = frame(b"-ERR 'Slow Consumer'\r\n").unwrap_err();
        assert!(said.contains("Slow Consumer"), "{said}");
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        for bytes in [
            &b"MSG p.5 3 99999999999999999999\r\n"[..],
            b"MSG p.5 3 999999999\r\n",
            b"MSG p.5 3 -1\r\n",
            b"MSG p.5 3 \r\n",
            b"MSG p.5 x 5\r\n",
            b"MSG p.5\r\n",
            b"MSG p.5 1 r 2 3 4 5 6\r\n",
            b"HMSG p.5 1 6 5\r\nabcde\r\n",
            b"MSG p.5 3 2\r\nabcd",
            b"HTTP/1.1 400 Bad Request\r\n",
            b"PING\n",
            b"\r\n",
        ] {
            assert!(frame(bytes).is_err(), "{}", bytes.escape_ascii());
        }
        assert_eq!(frame(&[b'x'; LINE - 1]), Ok(None));
        assert!(frame(&[b'x'; LINE]).is_err(), "a line without an end is not waited for");
    }
}
