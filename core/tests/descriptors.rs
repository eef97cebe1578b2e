//! The schemas as descriptors: what is asked for is what is told, and nothing that was published ever changes.
//!
//! Every schema has a golden file, one fact a line. A fact that is gone or different is refused for good: it would break
//! clients, or journals, that exist. A new fact is welcome, but only together with a renewed golden file, so that the files
//! are always current: `RINGDOVE_RENEW_GOLDEN=1 cargo test -p ringdove-core --test descriptors`, and commit what changed.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet};
use ringdove_core::wire::DESCRIPTORS;

/// The environment variable that writes the golden files anew, if only additions were made.
const RENEW: &str = "RINGDOVE_RENEW_GOLDEN";
/// Fields of `Entry` that only the server fills: ordinal, time, position. `Send` must never get them.
const SERVERS_OWN: std::ops::RangeInclusive<i32> = 5..=7;
/// The fields that `Send` and `Entry` share: the chat, and all that can be said or done in it.
const SHARED: [i32; 13] = [3, 4, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18];

fn schemas() -> Vec<FileDescriptorProto> {
    FileDescriptorSet::decode(DESCRIPTORS).expect("the build wrote a FileDescriptorSet").file
}

fn wire_message(name: &str) -> DescriptorProto {
    let wire = schemas().into_iter().find(|file| file.package() == "ringdove.v1").expect("the wire's schema");
    wire.message_type.into_iter().find(|message| message.name() == name).expect("that message")
}

fn label(field: &FieldDescriptorProto) -> &'static str {
    match field.label() {
        Label::Repeated => "repeated",
        Label::Required => "required",
        Label::Optional if field.proto3_optional() => "optional",
        Label::Optional => "single",
    }
}

fn kind(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum | Type::Group => field.type_name().trim_start_matches('.').to_owned(),
        plain => plain.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    }
}

/// What a reader of the bytes or of the JSON relies on, on one line. Whether a field is one of several that exclude each
/// other belongs to it: a reader keeps only the last of those.
fn field_fact(message: &DescriptorProto, path: &str, field: &FieldDescriptorProto) -> String {
    let oneof = match field.oneof_index {
        Some(index) if !field.proto3_optional() => format!(" in {}", message.oneof_decl[index as usize].name()),
        _ => String::new(),
    };
    let (number, name, json) = (field.number(), field.name(), field.json_name());
    format!("field {path} {number} = {name} ({json}): {} {}{oneof}", label(field), kind(field))
}

fn enum_facts(facts: &mut Vec<String>, scope: &str, one: &EnumDescriptorProto) {
    let path = format!("{scope}.{}", one.name());
    facts.push(format!("enum {path}"));
    facts.extend(one.value.iter().map(|value| format!("value {path} {} = {}", value.number(), value.name())));
    // an enum's reserved range includes its end
    facts.extend(
        one.reserved_range.iter().flat_map(|range| range.start()..=range.end()).map(|n| format!("reserved {path} {n}")),
    );
    facts.extend(one.reserved_name.iter().map(|name| format!("reserved {path} {name}")));
}

fn message_facts(facts: &mut Vec<String>, scope: &str, message: &DescriptorProto) {
    let path = format!("{scope}.{}", message.name());
    facts.push(format!("message {path}"));
    facts.extend(message.field.iter().map(|field| field_fact(message, &path, field)));
    facts.extend(reserved_numbers(message).into_iter().map(|number| format!("reserved {path} {number}")));
    facts.extend(message.reserved_name.iter().map(|name| format!("reserved {path} {name}")));
    message.enum_type.iter().for_each(|one| enum_facts(facts, &path, one));
    message.nested_type.iter().for_each(|nested| message_facts(facts, &path, nested));
}

fn reserved_numbers(message: &DescriptorProto) -> BTreeSet<i32> {
    message.reserved_range.iter().flat_map(|range| range.start()..range.end()).collect()
}

fn facts(file: &FileDescriptorProto) -> Vec<String> {
    let package = file.package();
    let mut facts = vec![format!("package {package} {}", file.syntax())];
    file.message_type.iter().for_each(|message| message_facts(&mut facts, package, message));
    file.enum_type.iter().for_each(|one| enum_facts(&mut facts, package, one));
    facts
}

/// What stands in the way of calling `now` a compatible successor of `golden`.
#[derive(Debug, Default, PartialEq, Eq)]
struct Drift {
    /// Facts of the golden file that are true no more.
    broken: Vec<String>,
    /// Facts that the golden file does not know.
    added: Vec<String>,
}

fn drift(golden: &str, now: &[String]) -> Drift {
    let known: BTreeSet<&str> = golden.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let current: BTreeSet<&str> = now.iter().map(String::as_str).collect();
    let mut broken: Vec<String> = known.difference(&current).map(|&fact| fact.to_owned()).collect();
    let added: Vec<String> = current.difference(&known).map(|&fact| fact.to_owned()).collect();
    // a number or name that was retired for good may not come back: its old bytes still lie in journals and clients
    for fact in &added {
        let Some((place, field)) = fact.strip_prefix("field ").and_then(|rest| rest.split_once(" = ")) else {
            continue;
        };
        let (path, number) = place.split_once(' ').expect("a field's fact names its number");
        let name = field.split(' ').next().expect("a field's fact names it");
        for retired in [number, name] {
            if known.contains(format!("reserved {path} {retired}").as_str()) {
                broken.push(format!("reserved {path} {retired} is used again"));
            }
        }
    }
    Drift { broken, added }
}

#[test]
fn nothing_published_changes() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let renew = env::var_os(RENEW).is_some_and(|value| value == "1");
    let mut packages = Vec::new();
    for file in schemas() {
        let name = format!("{}.txt", file.package());
        let path = folder.join(&name);
        let golden = fs::read_to_string(&path).unwrap_or_default();
        let now = facts(&file);
        let Drift { broken, added } = drift(&golden, &now);
        assert!(
            broken.is_empty(),
            "{name}: what is published never changes. Put these back, and add beside them instead:\n{}",
            broken.join("\n")
        );
        if renew && !added.is_empty() {
            let head = format!(
                "# What is published of {}. Lines are added, never changed; see descriptors.rs.\n",
                file.package()
            );
            fs::write(&path, head + &now.join("\n") + "\n").expect("the golden file can be written");
        } else {
            assert!(
                added.is_empty(),
                "{name}: this was added. If it shall be published, renew the golden file with `{RENEW}=1 cargo test -p \
                 ringdove-core --test descriptors` and commit it:\n{}",
                added.join("\n")
            );
        }
        packages.push(name);
    }
    packages.sort();
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the golden folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, packages, "every schema has a golden file, and no schema has gone");
}

#[test]
fn the_guard_refuses_every_change_but_an_addition() {
    let wire = schemas().into_iter().find(|file| file.package() == "ringdove.v1").expect("the wire's schema");
    let golden = facts(&wire).join("\n");
    let check = |change: &dyn Fn(&mut DescriptorProto)| {
        let mut changed = wire.clone();
        change(changed.message_type.iter_mut().find(|message| message.name() == "Send").expect("Send"));
        drift(&golden, &facts(&changed))
    };
    let text = |send: &DescriptorProto| send.field.iter().position(|field| field.name() == "text").expect("text");

    assert_eq!(check(&|_| {}), Drift::default());
    type Change<'a> = &'a dyn Fn(&mut DescriptorProto);
    let refused: [(&str, Change<'_>); 8] = [
        ("gone", &|send| {
            let at = text(send);
            drop(send.field.remove(at));
        }),
        ("renamed", &|send| {
            let at = text(send);
            send.field[at].name = Some("words".into())
        }),
        ("renumbered", &|send| {
            let at = text(send);
            send.field[at].number = Some(19)
        }),
        ("retyped", &|send| {
            let at = text(send);
            send.field[at].set_type(Type::Bytes)
        }),
        ("repeated", &|send| {
            let at = text(send);
            send.field[at].set_label(Label::Repeated)
        }),
        ("joined to a oneof", &|send| {
            let at = text(send);
            send.field[at].oneof_index = Some(0)
        }),
        ("freed", &|send| send.reserved_range.clear()),
        ("message renamed", &|send| send.name = Some("Tell".into())),
    ];
    for (what, change) in refused {
        assert!(!check(change).broken.is_empty(), "{what}");
    }

    let add = |number| {
        move |send: &mut DescriptorProto| {
            let mut field = send.field[text(send)].clone();
            (field.name, field.json_name, field.number) =
                (Some("location".into()), Some("location".into()), Some(number));
            send.field.push(field);
        }
    };
    let added = check(&add(19));
    assert_eq!((added.broken.len(), added.added.len()), (0, 1), "an addition is not a break");
    assert!(!check(&add(6)).broken.is_empty(), "a reserved number stays retired");
}

#[test]
fn what_is_asked_for_is_what_everyone_is_told() {
    let (send, entry) = (wire_message("Send"), wire_message("Entry"));
    let shared = |message: &DescriptorProto| -> Vec<String> {
        let mut facts: Vec<_> = message
            .field
            .iter()
            .filter(|field| SHARED.contains(&field.number()) || field.number() > SHARED[SHARED.len() - 1])
            .map(|field| (field.number(), field_fact(message, "", field)))
            .collect();
        facts.sort();
        facts.into_iter().map(|(_, fact)| fact).collect()
    };
    // fields above 18 are compared too, so that a new one cannot come in one of the two only
    assert_eq!(shared(&send), shared(&entry));
    let numbers: BTreeSet<i32> = entry.field.iter().map(FieldDescriptorProto::number).collect();
    assert!(SHARED.iter().all(|number| numbers.contains(number)), "Entry has all shared fields: {numbers:?}");
}

#[test]
fn the_servers_own_fields_cannot_be_sent() {
    let reserved = reserved_numbers(&wire_message("Send"));
    assert!(SERVERS_OWN.clone().all(|number| reserved.contains(&number)), "reserved in Send: {reserved:?}");
    let entry = wire_message("Entry");
    let names: Vec<_> = entry
        .field
        .iter()
        .filter(|field| SERVERS_OWN.contains(&field.number()))
        .map(FieldDescriptorProto::name)
        .collect();
    assert_eq!(names, ["ordinal", "time", "position"]);
}
