//! Every hot codec against the generated one, and every decoder against arbitrary bytes.

use proptest::prelude::*;
use prost::Message;
use ringdove_core::ids::WIRE_BOUND;
use ringdove_core::wire::frame::{Split, split};
use ringdove_core::wire::hot::{self, HotClient, HotTo, Names, SentEntry, Tail};
use ringdove_core::wire::record::{self, LogEntry};
use ringdove_core::wire::{Code, json, log, v1};

/// Numbers of every length of varint.
fn number() -> impl Strategy<Value = u64> {
    (0_u32..53, any::<u64>()).prop_map(|(bits, value)| value & ((1 << bits) - 1))
}

fn send() -> impl Strategy<Value = v1::Send> {
    let to = prop_oneof![
        Just(None),
        number().prop_map(|user| Some(v1::send::To::User(user))),
        number().prop_map(|group| Some(v1::send::To::Group(group))),
        "[a-z]{0,8}".prop_map(|handle| Some(v1::send::To::Handle(handle))),
    ];
    (number(), to, ".{0,80}", number(), any::<bool>()).prop_map(|(key, to, text, reply, replies)| v1::Send {
        key,
        to,
        text,
        reply: if replies { reply } else { 0 },
        ..v1::Send::default()
    })
}

fn client_frame() -> impl Strategy<Value = v1::ClientFrame> {
    use v1::client_frame::Request;
    let request = prop_oneof![
        4 => send().prop_map(|send| Some(Request::Send(send))),
        1 => Just(None),
        1 => number().prop_map(|since| Some(Request::Sync(v1::Sync { since, limit: 0 }))),
    ];
    (any::<u32>(), number(), request).prop_map(|(id, ack, request)| v1::ClientFrame { id, ack, request })
}

/// What a hot frame means, as the generated decoder would have it.
fn means(hot: HotClient<'_>) -> Option<v1::ClientFrame> {
    use v1::client_frame::Request;
    match hot {
        HotClient::Cold => None,
        HotClient::Ping => Some(v1::ClientFrame::default()),
        HotClient::Ack(ack) => Some(v1::ClientFrame { ack, ..v1::ClientFrame::default() }),
        HotClient::Send(send) => {
            let to = match send.to {
                HotTo::Myself => None,
                HotTo::User(user) => Some(v1::send::To::User(user)),
                HotTo::Group(group) => Some(v1::send::To::Group(group)),
            };
            let body = v1::Send { key: send.key, to, text: send.text.into(), ..v1::Send::default() };
            Some(v1::ClientFrame { id: send.id, ack: send.ack, request: Some(Request::Send(body)) })
        }
    }
}

fn entry_of(framed: &[u8]) -> v1::ServerFrame {
    let Split::Frame { frame, used } = split(framed, 1 << 20) else { panic!("no frame") };
    assert_eq!(used, framed.len());
    v1::ServerFrame::decode(frame).expect("the generated decoder reads it")
}

proptest! {
    #[test]
    fn a_frame_that_is_hot_means_what_it_says(frame in client_frame()) {
        let bytes = frame.encode_to_vec();
        let hot = hot::decode_client(&bytes);
        if let Some(meant) = means(hot) {
            prop_assert_eq!(&meant, &frame);
        }
        // plain text messages must be hot
        if let Some(v1::client_frame::Request::Send(send)) = &frame.request {
            let by_number = !matches!(send.to, Some(v1::send::To::Handle(_)));
            if by_number && send.reply == 0 && !send.text.is_empty() {
                prop_assert!(matches!(hot, HotClient::Send(_)), "{:?} is cold", frame);
            }
        }
    }

    #[test]
    fn mutated_frames_are_cold_or_mean_what_the_generated_decoder_reads(
        frame in client_frame(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = frame.encode_to_vec();
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        bytes.truncate(cut.index(bytes.len() + 1));
        if let Some(meant) = means(hot::decode_client(&bytes)) {
            prop_assert_eq!(hot::decode_cold(&bytes), Ok(meant));
        }
    }

    #[test]
    fn no_decoder_minds_arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Some(meant) = means(hot::decode_client(&bytes)) {
            prop_assert_eq!(hot::decode_cold(&bytes), Ok(meant));
        }
        let _ = hot::decode_cold(&bytes).map(|frame| hot::check(&frame));
        let _ = json::decode_line(&bytes);
        let _ = split(&bytes, 100);
        let _ = record::as_entry(&bytes);
        let mut lines = Vec::new();
        json::frames_to_lines(&mut lines, &bytes);
    }

    #[test]
    fn pushes_and_answers_are_read_by_the_generated_decoder(
        values in proptest::collection::vec(number(), 6), id in any::<u32>(), text in ".{1,300}",
    ) {
        let names = Names { from: values[0], user: values[1], group: 0 };
        let (mut content, mut tail, mut out) = (Vec::new(), Vec::new(), Vec::new());
        hot::put_text_content(&mut content, &text);
        let heading = hot::Heading::new(names, values[3]);
        let new = hot::NewTail { heading: &heading, ordinal: values[2], content: &content };
        new.put(&mut tail);
        new.put_push(&mut out, values[4]);
        prop_assert!(out.len() <= new.bound() + 24);
        let mut shared = Vec::new();
        tail.put_push(&mut shared, values[4]);
        prop_assert_eq!(&shared, &out, "encoded once or at once, it is the same push");
        let Some(v1::server_frame::Body::Entry(entry)) = entry_of(&out).body else { panic!("no entry") };
        let read = (entry.version, entry.from, entry.ordinal, entry.time, entry.text);
        prop_assert_eq!(read, (values[4], values[0], values[2], values[3], text));

        out.clear();
        let sent = SentEntry {
            version: values[0], user: 0, group: values[1], ordinal: values[2], time: values[3], position: values[4],
        };
        hot::put_answer(&mut out, id, sent);
        let frame = entry_of(&out);
        prop_assert_eq!(frame.id, id);
        let Some(v1::server_frame::Body::Entry(entry)) = frame.body else { panic!("no entry") };
        prop_assert_eq!((entry.version, entry.ordinal, entry.time, entry.position), (values[0], values[2], values[3], values[4]));

        out.clear();
        hot::put_notice(&mut out, id, values[5], 3);
        let Some(v1::server_frame::Body::Notice(notice)) = entry_of(&out).body else { panic!("no notice") };
        prop_assert_eq!((notice.version, notice.unread), (values[5], 3));
    }

    #[test]
    fn the_log_codec_equals_the_generated_one(
        values in proptest::collection::vec(number(), 5), device in any::<u32>(), content in proptest::collection::vec(any::<u8>(), 0..300),
    ) {
        let entry = LogEntry {
            from: values[0], device, key: values[1], user: values[2], group: 0, ordinal: values[3], content: &content, previous: values[4],
        };
        let mut out = vec![9];
        let range = record::put_message(&mut out, &entry);
        prop_assert_eq!(&out[range], &content[..]);
        prop_assert_eq!(record::as_message(&out[1..]), Some(entry));
        let message = log::MessageSent {
            from: entry.from, device, key: entry.key, user: entry.user, group: 0, ordinal: entry.ordinal, content: content.clone(),
            previous: entry.previous,
        };
        let event = log::Event { event: Some(log::event::Event::MessageSent(message)) };
        prop_assert_eq!(log::Record { events: vec![event] }.encode_to_vec(), &out[1..]);
    }
}

#[test]
fn a_client_cannot_forge_ordinal_time_or_position() {
    let mut send = v1::Send { key: 1, text: "hi".into(), ..v1::Send::default() }.encode_to_vec();
    // fields 5, 6 and 7: unknown in Send, the server's in Entry
    send.extend([0x28, 99, 0x30, 99, 0x38, 99]);
    let mut frame = vec![0x08, 1, 0x1a, send.len() as u8];
    frame.extend(&send);
    assert_eq!(hot::decode_client(&frame), HotClient::Cold);
    let decoded = hot::decode_cold(&frame).expect("unknown fields are skipped");
    let Some(v1::client_frame::Request::Send(send)) = decoded.request else { panic!("no send") };
    let mut content = Vec::new();
    hot::canonical_content(&mut content, &send);
    let entry = v1::Entry::decode(&content[..]).expect("an entry's fields");
    assert_eq!((entry.ordinal, entry.time, entry.position, entry.text.as_str()), (0, 0, 0, "hi"));
}

/// Fields in any other order than that of their numbers mean the same, and are left to the generated decoder.
#[test]
fn the_order_of_fields_decides_only_who_decodes_them() {
    let fields =
        |parts: &[&[u8]], order: &[usize]| order.iter().flat_map(|nth| parts[*nth].to_vec()).collect::<Vec<u8>>();
    let orders = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
    for inner in orders {
        let send = fields(&[&[0x08, 7], &[0x18, 0x81, 4], &[0x42, 2, b'h', b'i']], &inner);
        for outer in orders {
            let body = [&[0x1a, send.len() as u8], &send[..]].concat();
            let frame = fields(&[&[0x08, 1], &[0x10, 5], &body], &outer);
            let decoded = hot::decode_cold(&frame).expect("a frame");
            let grows = inner == orders[0] && outer == orders[0];
            assert_eq!(means(hot::decode_client(&frame)), grows.then(|| decoded.clone()), "{inner:?} {outer:?}");
            let Some(v1::client_frame::Request::Send(send)) = decoded.request else { panic!("no send") };
            let meant = (decoded.id, decoded.ack, send.key, send.to, send.text.as_str());
            assert_eq!(meant, (1, 5, 7, Some(v1::send::To::User(513)), "hi"));
        }
    }
}

#[test]
fn numbers_of_2_to_the_53_and_above_are_invalid() {
    let send = v1::Send { key: WIRE_BOUND, text: "hi".into(), ..v1::Send::default() };
    let frame = v1::ClientFrame { id: 1, ack: 0, request: Some(v1::client_frame::Request::Send(send)) };
    assert_eq!(hot::decode_client(&frame.encode_to_vec()), HotClient::Cold);
    assert_eq!(hot::check(&frame).map_err(|refusal| (refusal.code, refusal.field)), Err((Code::Invalid, "key")));
}

#[test]
fn json_is_refused_by_its_shape_or_by_its_values() {
    let malformed =
        |line: &str| assert_eq!(json::decode_line(line.as_bytes()), Err(json::JsonError::Malformed), "{line}");
    malformed("{");
    malformed("{} {}");
    malformed(r#"{"id":1,"id":2}"#);
    malformed(r#"{"id":1,"send":{"text":"a","text":"b"}}"#);
    malformed(&format!("{{\"x\":{}1{}}}", "[".repeat(16), "]".repeat(16)));
    let refused = |line: &str, id: u32| match json::decode_line(line.as_bytes()) {
        Err(json::JsonError::Refused(seen, refusal)) => assert_eq!((seen, refusal.code), (id, Code::Invalid), "{line}"),
        other => panic!("{line}: {other:?}"),
    };
    refused(r#"{"id":3,"send":{"text":7}}"#, 3);
    refused(r#"{"id":3,"send":{"text":"a"},"sync":{}}"#, 3);
    refused(r#"{"id":3,"ack":9007199254740992}"#, 3);
    refused(r#"{"id":3,"hello":{"mode":"SOMETIMES"}}"#, 3);
    assert!(json::decode_line(br#"{"id":3,"send":{"text":null,"what":{"is":["this"]}}}"#).is_ok());
    assert!(json::decode_line(br#"{"id":"3","sync":{"since":7}}"#).is_ok());
}
