//! The golden vectors of the protocol: the hex of length and frame, and its JSON, both ways.

use prost::Message;
use ringdove_core::wire::frame::{Split, put_length, split};
use ringdove_core::wire::hot::{self, Tail};
use ringdove_core::wire::{json, v1};

fn bytes(hex: &str) -> Vec<u8> {
    hex.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).expect("hex")).collect()
}

fn framed(message: &impl Message) -> Vec<u8> {
    let mut out = Vec::new();
    put_length(&mut out, message.encoded_len());
    message.encode(&mut out).expect("a Vec has room");
    out
}

/// JSON whose members may stand in any order.
fn value(text: &str) -> serde_json::Value {
    serde_json::from_str(text).expect("valid JSON")
}

#[test]
fn what_clients_send() {
    let vectors = [
        (
            "11 08 01 4a 0d 0a 03 74 30 6b 40 03 48 29 58 80 d3 0e",
            r#"{"id":1,"hello":{"token":"t0k","epoch":3,"since":"41","idleMs":240000}}"#,
        ),
        (
            "11 08 02 1a 0d 08 fb c4 b7 b1 a0 34 18 07 42 02 68 69",
            r#"{"id":2,"send":{"key":"1795400000123","user":"7","text":"hi"}}"#,
        ),
        ("02 10 63", r#"{"ack":"99"}"#),
        ("00", "{}"),
        ("06 08 03 2a 02 08 63", r#"{"id":3,"sync":{"since":"99"}}"#),
        ("0a 08 04 1a 06 18 08 6a 02 08 0e", r#"{"id":4,"send":{"user":"8","mark":{"read":"14"}}}"#),
        ("06 22 04 18 08 40 01", r#"{"signal":{"user":"8","typing":true}}"#),
    ];
    for (hex, text) in vectors {
        let wire = bytes(hex);
        let frame = json::decode_line(text.as_bytes()).expect("valid JSON");
        assert_eq!(framed(&frame), wire, "{text}");
        let Split::Frame { frame: inner, used } = split(&wire, 65_536) else { panic!("{hex} is no frame") };
        assert_eq!(used, wire.len());
        assert_eq!(hot::decode_cold(inner), Ok(frame.clone()), "{hex}");
        assert_eq!(serde_json::to_value(&frame).expect("JSON"), value(text));
    }
}

#[test]
fn what_the_server_says() {
    let vectors = [
        (
            "10 08 01 42 0c 08 08 10 02 28 03 30 29 48 80 d3 0e",
            r#"{"id":1,"welcome":{"user":"8","device":"2","epoch":3,"version":"41","idleMs":240000}}"#,
        ),
        (
            "13 08 02 12 0f 08 2a 28 0c 30 fb c4 b7 b1 a0 34 38 80 c0 02",
            r#"{"id":2,"entry":{"version":"42","ordinal":"12","time":"1795400000123","position":"40960"}}"#,
        ),
        (
            "13 12 11 08 63 10 08 28 0c 30 fb c4 b7 b1 a0 34 42 02 68 69",
            r#"{"entry":{"version":"99","from":"8","ordinal":"12","time":"1795400000123","text":"hi"}}"#,
        ),
        (
            "13 12 11 08 2a 18 07 28 0c 30 fb c4 b7 b1 a0 34 42 02 68 69",
            r#"{"entry":{"version":"42","user":"7","ordinal":"12","time":"1795400000123","text":"hi"}}"#,
        ),
        ("00", "{}"),
        ("06 2a 04 08 78 10 03", r#"{"notice":{"version":"120","unread":3}}"#),
        (
            "26 08 03 1a 22 0a 10 08 64 10 08 28 0d 30 fb c4 b7 b1 a0 34 42 01 61 0a 0e 10 08 28 0e 30 fb c4 b7 b1 a0 34 42 01 62",
            r#"{"id":3,"entries":{"list":[{"version":"100","from":"8","ordinal":"13","time":"1795400000123","text":"a"},{"from":"8","ordinal":"14","time":"1795400000123","text":"b"}]}}"#,
        ),
        (
            "18 08 04 3a 14 08 cc 21 12 0c 52 41 54 45 5f 4c 49 4d 49 54 45 44 20 b0 09",
            r#"{"id":4,"refusal":{"code":4300,"name":"RATE_LIMITED","retryMs":1200}}"#,
        ),
        (
            "14 4a 12 08 d0 21 12 0a 47 4f 49 4e 47 5f 41 57 41 59 20 c8 1a",
            r#"{"bye":{"code":4304,"name":"GOING_AWAY","retryMs":3400}}"#,
        ),
    ];
    for (hex, text) in vectors {
        let wire = bytes(hex);
        let frame: v1::ServerFrame = serde_json::from_str(text).expect("valid JSON");
        assert_eq!(framed(&frame), wire, "{text}");
        let mut lines = Vec::new();
        json::frames_to_lines(&mut lines, &wire);
        assert_eq!(lines.pop(), Some(b'\n'));
        assert_eq!(value(std::str::from_utf8(&lines).expect("UTF-8")), value(text));
    }
}

#[test]
fn the_hot_encoders_write_the_same_bytes() {
    const TIME: u64 = 1_795_400_000_123;
    let mut content = Vec::new();
    hot::put_text_content(&mut content, "hi");
    let tail = |viewer| {
        let mut tail = Vec::new();
        let names = hot::Names::for_viewer(viewer, 8, 7, 0);
        hot::NewTail { heading: &hot::Heading::new(names, TIME), ordinal: 12, content: &content }.put(&mut tail);
        tail
    };
    let mut out = Vec::new();
    tail(7).put_push(&mut out, 99);
    assert_eq!(out, bytes("13 12 11 08 63 10 08 28 0c 30 fb c4 b7 b1 a0 34 42 02 68 69"));
    out.clear();
    tail(8).put_push(&mut out, 42);
    assert_eq!(out, bytes("13 12 11 08 2a 18 07 28 0c 30 fb c4 b7 b1 a0 34 42 02 68 69"));
    out.clear();
    let sent = hot::SentEntry { version: 42, ordinal: 12, time: TIME, position: 40_960, ..hot::SentEntry::default() };
    hot::put_answer(&mut out, 2, sent);
    assert_eq!(out, bytes("13 08 02 12 0f 08 2a 28 0c 30 fb c4 b7 b1 a0 34 38 80 c0 02"));
    out.clear();
    hot::put_notice(&mut out, 0, 120, 3);
    assert_eq!(out, bytes("06 2a 04 08 78 10 03"));
    out.clear();
    let mut list = Vec::new();
    for (version, ordinal, text) in [(100, 13, "a"), (0, 14, "b")] {
        let (mut content, mut tail) = (Vec::new(), Vec::new());
        hot::put_text_content(&mut content, text);
        let names = hot::Names::for_viewer(7, 8, 7, 0);
        hot::NewTail { heading: &hot::Heading::new(names, TIME), ordinal, content: &content }.put(&mut tail);
        hot::put_listed(&mut list, version, &tail);
    }
    hot::put_entries(&mut out, 3, &list, false, false, 0);
    assert_eq!(
        out,
        bytes(
            "26 08 03 1a 22 0a 10 08 64 10 08 28 0d 30 fb c4 b7 b1 a0 34 42 01 61 0a 0e 10 08 28 0e 30 fb c4 b7 b1 a0 34 42 01 62"
        )
    );
}
