//! Mosquitto, at QoS 0 and at QoS 1.

#[test]
fn mosquitto_talks() {
    super::talks("mosquitto", false);
}

#[test]
fn mosquitto_fans_out() {
    super::fans_out("mosquitto");
}

#[test]
fn mosquitto_talks_with_answers() {
    super::talks("mosquitto-qos1", true);
}

#[test]
fn mosquitto_fans_out_with_answers() {
    super::fans_out("mosquitto-qos1");
}
