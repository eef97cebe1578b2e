//! The little of Redis' protocol that clients need here: commands as arrays of strings, and replies as both of its versions tell them.

/// What a type and its number or word take, at most: more is none of Redis' lines.
const LINE: usize = 1 << 10;
/// What a string takes, at most: more than any text of a load.
const STRING: usize = 1 << 20;
/// How many parts a reply has that is only passed over.
const PARTS: usize = 1 << 10;
/// Parts of a page of a stream, at most.
const PAGE: usize = 1 << 20;

/// Why reading stopped.
#[derive(Debug)]
pub enum Stop {
    /// The rest has not come yet.
    Early,
    /// It is an error, or nothing that Redis says.
    Wrong(String),
}

/// A reply of pub/sub.
#[derive(Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// A text in a channel.
    Message(&'a [u8]),
    /// A channel is read from now on.
    Subscribed,
    /// How many got what was published.
    Number,
    /// Anything else.
    Other,
}

/// Appends a command.
pub fn put_command(out: &mut Vec<u8>, words: &[&[u8]]) {
    put_head(out, words.len(), words);
}

/// Appends a command of `parts` words as far as these.
pub fn put_head(out: &mut Vec<u8>, parts: usize, words: &[&[u8]]) {
    put_line(out, b'*', parts);
    words.iter().for_each(|word| put_string(out, word));
}

/// Appends a string.
pub fn put_string(out: &mut Vec<u8>, string: &[u8]) {
    put_line(out, b'$', string.len());
    out.extend_from_slice(string);
    out.extend_from_slice(b"\r\n");
}

fn put_line(out: &mut Vec<u8>, kind: u8, mut number: usize) {
    out.push(kind);
    let begin = out.len();
    loop {
        out.push(b'0' + (number % 10) as u8);
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out[begin..].reverse();
    out.extend_from_slice(b"\r\n");
}

/// Walks over what came.
pub struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// From its begin.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// What was read, and how many bytes that took; `None`: it is not whole yet.
    ///
    /// # Errors
    /// It was wrong.
    pub fn whole<T>(&self, read: Result<T, Stop>) -> Result<Option<(usize, T)>, String> {
        match read {
            Ok(value) => Ok(Some((self.at, value))),
            Err(Stop::Early) => Ok(None),
            Err(Stop::Wrong(why)) => Err(why),
        }
    }

    /// A reply of pub/sub.
    ///
    /// # Errors
    /// It is not whole, or wrong.
    pub fn reply(&mut self) -> Result<Reply<'a>, Stop> {
        let begin = self.at;
        match self.line()? {
            (b':', _) => Ok(Reply::Number),
            (b'>', b"3") => match self.string()? {
                b"message" => {
                    self.string()?;
                    self.string().map(Reply::Message)
                }
                b"subscribe" => {
                    self.string()?;
                    self.line().map(|_| Reply::Subscribed)
                }
                other => Err(wrong("a push of an unknown kind", other)),
            },
            _ => {
                self.at = begin;
                self.skip().map(|()| Reply::Other)
            }
        }
    }

    /// The type of what comes next, and what its line says.
    ///
    /// # Errors
    /// It is not whole, or wrong, or says that a command was refused.
    pub fn line(&mut self) -> Result<(u8, &'a [u8]), Stop> {
        let rest = &self.bytes[self.at..];
        let Some(end) = rest.iter().take(LINE).position(|byte| *byte == b'\n') else {
            return Err(if rest.len() < LINE { Stop::Early } else { wrong("a line without an end", &rest[..32]) });
        };
        self.at += end + 1;
        match rest[..end].split_last() {
            Some((b'\r', [b'-', words @ ..])) => Err(wrong("refused", words)),
            Some((b'\r', [kind, words @ ..])) => Ok((*kind, words)),
            _ => Err(wrong("no line of Redis", &rest[..end])),
        }
    }

    /// A string.
    ///
    /// # Errors
    /// It is not whole, or wrong.
    pub fn string(&mut self) -> Result<&'a [u8], Stop> {
        match self.line()? {
            (b'$', words) => self.bytes(words),
            (_, words) => Err(wrong("no string", words)),
        }
    }

    /// The head of an array, and how many parts it has.
    ///
    /// # Errors
    /// It is not whole, or wrong.
    pub fn array(&mut self) -> Result<usize, Stop> {
        match self.line()? {
            (b'*', words) => number(words, PAGE),
            (_, words) => Err(wrong("no array", words)),
        }
    }

    /// Passes over a reply, whatever it holds.
    fn skip(&mut self) -> Result<(), Stop> {
        let (mut left, mut parts) = (1, 0);
        while left > 0 {
            let (kind, words) = self.line()?;
            left += match kind {
                b'$' | b'=' => self.bytes(words).map(|_| 0)?,
                b'*' | b'~' | b'>' => number(words, PARTS)?,
                b'%' => 2 * number(words, PARTS)?,
                b'+' | b':' | b'_' | b',' | b'#' | b'(' => 0,
                _ => return Err(wrong("a reply of an unknown kind", words)),
            };
            (left, parts) = (left - 1, parts + 1);
            if left + parts > PARTS {
                return Err(wrong("a reply of too many parts", words));
            }
        }
        Ok(())
    }

    /// The bytes of a string whose line says how many.
    fn bytes(&mut self, words: &[u8]) -> Result<&'a [u8], Stop> {
        let len = number(words, STRING)?;
        let rest = &self.bytes[self.at..];
        let (Some(bytes), Some(end)) = (rest.get(..len), rest.get(len..len + 2)) else { return Err(Stop::Early) };
        if end != b"\r\n" {
            return Err(wrong("a string without an end", end));
        }
        self.at += len + 2;
        Ok(bytes)
    }
}

fn number(words: &[u8], most: usize) -> Result<usize, Stop> {
    // nine digits fit
    let digits = (1..=9).contains(&words.len()) && words.iter().all(u8::is_ascii_digit);
    let value = digits.then(|| words.iter().fold(0, |value, digit| 10 * value + usize::from(digit - b'0')));
    value.filter(|value| *value <= most).ok_or_else(|| wrong("no length", words))
}

/// What came stands behind the reason, as far as it is short.
pub fn wrong(why: &str, words: &[u8]) -> Stop {
    Stop::Wrong(format!("{why}: {}", String::from_utf8_lossy(&words[..words.len().min(200)])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(bytes: &[u8]) -> Result<Option<(usize, Reply<'_>)>, String> {
        let mut walk = Walk::new(bytes);
        let read = walk.reply();
        walk.whole(read)
    }

    #[test]
    fn commands_are_arrays_of_strings() {
        let mut out = Vec::new();
        put_command(&mut out, &[b"PUBLISH", b"p10", b"", b"0123456789"]);
        assert_eq!(out, b"*4\r\n$7\r\nPUBLISH\r\n$3\r\np10\r\n$0\r\n\r\n$10\r\n0123456789\r\n");
    }

    #[test]
    fn nested_replies_are_passed_over_as_a_whole() {
        let map = b"%3\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n$7\r\nmodules\r\n*2\r\n*0\r\n_\r\n";
        for cut in 0..map.len() {
            assert_eq!(reply(&map[..cut]), Ok(None), "{cut}");
        }
        assert_eq!(reply(map), Ok(Some((map.len(), Reply::Other))));
    }

    #[test]
    fn what_redis_never_says_is_refused() {
        let endless = [b'+'; LINE];
        let deep = b"*1000\r\n".repeat(3);
        for bytes in [
            &b"$99999999999999999999\r\n"[..],
            b">3\r\n$1048577\r\n",
            b">3\r\n$-1\r\n",
            b">3\r\n$\r\n",
            b">3\r\n$2\r\nabcd",
            b">3\r\n*1\r\n",
            b">3\r\n$7\r\nnonsens\r\n",
            b"*999999999\r\n",
            b"?\r\n",
            b"\r\n",
            b"\n",
            b":1\n",
            &endless,
            &deep,
        ] {
            assert!(reply(bytes).is_err(), "{}", String::from_utf8_lossy(bytes));
        }
        assert_eq!(reply(b"-ERR unknown command\r\n"), Err("refused: ERR unknown command".into()));
    }
}
