//! The plots of a page.

mod drawing;
mod families;
mod latencies;
mod palette;
mod rates;
mod scale;

use maud::{Markup, PreEscaped, html};

pub use drawing::Plot;
pub use families::{Family, families};
pub use latencies::{ROUNDS, over_time, spectrum};
pub use rates::{cost_of_fanout, memory_of_connections, saturation, throughput};

/// A plot with its caption.
pub fn figure(plot: &Plot, caption: &str) -> Markup {
    let drawing = drawing::svg(plot).unwrap_or_else(|why| html! { p { (why) } }.into_string());
    html! {
        figure {
            // what plotters writes is escaped by it
            div role="img" aria-label=(plot.about) { (PreEscaped(drawing)) }
            figcaption { (caption) }
        }
    }
}
