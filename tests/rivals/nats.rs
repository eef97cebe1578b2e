//! NATS: its core and JetStream.

#[test]
fn nats_core_talks() {
    super::talks("nats", false);
}

#[test]
fn nats_core_fans_out() {
    super::fans_out("nats");
}

#[test]
fn nats_jetstream_talks() {
    super::talks("jetstream", true);
}

#[test]
fn nats_jetstream_fans_out() {
    super::fans_out("jetstream");
}
