//! What is said on standard output: nobody has to listen to the end (`| head`).

use std::io::Write;

/// Says a line, or a text that ends with its own. That nobody reads it is no reason to stop measuring.
pub fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let end = if text.ends_with('\n') { "" } else { "\n" };
    // a closed pipe takes nothing
    let _ = write!(out, "{text}{end}").and_then(|()| out.flush());
}
