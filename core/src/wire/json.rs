//! The same frames as proto3 JSON, one object on a line.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::frame::{Split, split};
use super::v1;
use super::{Code, Refusal, hot};

/// Objects and lists may be nested so deep.
const DEPTH: u32 = 16;

/// Why a line is no request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// Broken JSON, nested too deep, or a name twice: the connection ends with MALFORMED.
    Malformed,
    /// A value is wrong: the request with this id (0: it has none that can be read) is refused.
    Refused(u32, Refusal),
}

/// Decodes one line.
///
/// # Errors
/// See [`JsonError`].
pub fn decode_line(line: &[u8]) -> Result<v1::ClientFrame, JsonError> {
    let mut reader = serde_json::Deserializer::from_slice(line);
    let value = Strict { depth: 0 }.deserialize(&mut reader).map_err(|_| JsonError::Malformed)?;
    reader.end().map_err(|_| JsonError::Malformed)?;
    let id = value.get("id").and_then(|id| id.as_u64().or_else(|| id.as_str()?.parse().ok()));
    let id = id.and_then(|id| u32::try_from(id).ok()).unwrap_or(0);
    let invalid = |refusal| JsonError::Refused(id, refusal);
    let holds_message = value.as_object().is_some_and(|members| members.values().any(Value::is_object));
    let frame: v1::ClientFrame = serde_json::from_value(value).map_err(|_| invalid(Refusal::of(Code::Invalid)))?;
    // id and ack are no objects: this is a request of a newer client, which must not hear "done"
    if frame.request.is_none() && holds_message {
        return Err(invalid(Refusal::of(Code::UnknownRequest)));
    }
    hot::check(&frame).map_err(invalid)?;
    Ok(frame)
}

/// Appends one line with the JSON of a frame.
pub fn encode_line(out: &mut Vec<u8>, frame: &v1::ServerFrame) {
    // every frame of the schema has a JSON form, and a Vec takes whatever is written
    let _ = serde_json::to_writer(&mut *out, frame);
    out.push(b'\n');
}

/// Turns framed bytes that this crate encoded into lines: the slow path of readers who speak JSON.
pub fn frames_to_lines(out: &mut Vec<u8>, mut framed: &[u8]) {
    while let Split::Frame { frame, used } = split(framed, usize::MAX) {
        if let Ok(frame) = prost::Message::decode(frame) {
            encode_line(out, &frame);
        }
        framed = &framed[used..];
    }
}

/// Reads a JSON value, but not one that is nested too deep or has a name twice. Members that are null are absent.
struct Strict {
    depth: u32,
}

impl Strict {
    fn inner<E: Error>(&self) -> Result<Self, E> {
        if self.depth >= DEPTH { Err(E::custom("nested too deep")) } else { Ok(Self { depth: self.depth + 1 }) }
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let depth = self.inner::<A::Error>()?.depth;
        let mut values = Vec::new();
        while let Some(value) = list.next_element_seed(Strict { depth })? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let depth = self.inner::<A::Error>()?.depth;
        let mut members = Map::new();
        while let Some(name) = map.next_key::<String>()? {
            let value = map.next_value_seed(Strict { depth })?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a name twice"));
            }
        }
        members.retain(|_, value| !value.is_null());
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Unknown members are ignored; a whole unknown request is not, for "done" would be a lie.
    #[test]
    fn an_unknown_request_is_refused_and_an_unknown_member_is_not() {
        let unknown = Err(JsonError::Refused(7, Refusal::of(Code::UnknownRequest)));
        assert_eq!(decode_line(br#"{"id":7,"call":{"user":"8"}}"#), unknown);
        assert_eq!(decode_line(br#"{"id":7,"ack":"3","call":{}}"#), unknown);
        let none = v1::ClientFrame { id: 7, ..v1::ClientFrame::default() };
        assert_eq!(decode_line(br#"{"id":7,"color":"red","call":null}"#), Ok(none));
        let known = decode_line(br#"{"id":7,"sync":{"since":"1"},"trace":{}}"#);
        assert!(matches!(known, Ok(v1::ClientFrame { request: Some(_), .. })), "{known:?}");
    }
}
