//! Redis: pub/sub with and without answers, and streams.

use tempfile::tempdir;

#[test]
fn redis_talks() {
    super::talks("redis", false);
}

#[test]
fn redis_fans_out() {
    super::fans_out("redis");
}

#[test]
fn redis_talks_with_answers() {
    super::talks("redis-replies", true);
}

#[test]
fn redis_fans_out_with_answers() {
    super::fans_out("redis-replies");
}

#[test]
fn redis_streams_go_one_way() {
    let window = super::run("redis-streams", &["pair", "--pairs", "3", "--window", "16"]);
    window.is_whole(1);
    assert!(window.recorded("answer") > 0, "{}", window.said);
    super::run("redis-streams", &["pair", "--pairs", "3", "--rate", "200", "--payload", "5000"]).is_whole(1);
}

#[test]
fn redis_streams_say_what_they_cannot_do() {
    for (load, why) in
        [(&["pair", "--pairs", "3"][..], "cannot write meanwhile"), (&["fanout", "--members", "3"], "no groups")]
    {
        let folder = tempdir().unwrap();
        let (counts, said) = super::loadgen("redis-streams", load, folder.path(), &[]);
        assert!(!counts && said.starts_with("loadgen: ") && said.contains(why), "{said}");
    }
}
