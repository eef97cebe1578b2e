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
fn nats_core_comes_and_goes() {
    super::comes_and_goes("nats");
}

#[test]
fn nats_jetstream_talks() {
    super::talks("jetstream", true);
}

#[test]
fn nats_jetstream_fans_out() {
    super::fans_out("jetstream");
}

#[test]
fn nats_jetstream_comes_and_goes() {
    super::comes_and_goes("jetstream");
}
