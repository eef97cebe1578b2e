//! A plot, and how plotters draws it as SVG.
//!
//! plotters rounds to whole pixels, so a plot is drawn at four times its size and shown smaller. Logarithms, percentiles and marks along
//! the axes are our own (`scale.rs`): one kind of chart, from 0 to 1 both ways, serves all plots.

use std::fmt::Display;
use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::palette::Look;
use super::scale::Axis;

/// Pixels of a drawing for each of the page.
const FINE: i32 = 4;
/// The width of a plot in pixels of the page.
const WIDTH: i32 = 860;
/// Room at the right, where the names of the systems stand beside the ends of their lines.
const NAMES: i32 = 120;
/// Lines of text stand at least so far apart.
const LINE: i32 = 14;
const TEXT: RGBColor = RGBColor(0x33, 0x33, 0x33);
const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
const FAINT_GRID: RGBColor = RGBColor(0xF0, 0xF0, 0xF0);

/// A plot.
pub struct Plot {
    /// For those who cannot see it.
    pub about: String,
    /// From left to right.
    pub x: Axis,
    /// From below to above.
    pub y: Axis,
    /// In pixels of the page.
    pub height: i32,
    /// What is drawn, later ones over earlier ones.
    pub series: Vec<Series>,
    /// Bars from the left, one for each row of the y axis.
    pub bars: Vec<Bar>,
}

/// What is drawn of one system.
pub struct Series {
    /// Written beside the last point; empty: nothing is.
    pub label: String,
    /// How it looks.
    pub look: Look,
    /// Lines through points.
    pub lines: Vec<Line>,
    /// Marks.
    pub marks: Vec<Mark>,
}

/// A line.
pub struct Line {
    /// Its points.
    pub points: Vec<(f64, f64)>,
    /// How strong.
    pub stroke: Stroke,
}

/// How strong a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// What it is about.
    Strong,
    /// Far behind.
    Faint,
}

/// A mark.
#[derive(Clone, Copy, Debug)]
pub struct Mark {
    /// Where.
    pub at: (f64, f64),
    /// What it says.
    pub sense: Sense,
}

/// What a mark says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sense {
    /// A point of the line, as others.
    Full,
    /// One with a reservation, which the caption names.
    Hollow,
    /// One that counts for nothing.
    Crossed,
    /// One of many.
    Dot,
}

/// A bar.
pub struct Bar {
    /// How it looks.
    pub look: Look,
    /// Which row, counted from above.
    pub row: usize,
    /// Its length, and the least and most of all rounds.
    pub reach: (f64, f64, f64),
    /// Written behind its end.
    pub label: String,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), String>;

/// The plot as an SVG element.
///
/// # Errors
/// plotters cannot draw it.
pub fn svg(plot: &Plot) -> Result<String, String> {
    let mut text = String::new();
    {
        let size = (fine(WIDTH).unsigned_abs(), fine(plot.height).unsigned_abs());
        let area = SVGBackend::with_string(&mut text, size).into_drawing_area();
        draw(plot, &area)?;
        area.present().map_err(words)?;
    }
    Ok(text)
}

fn draw(plot: &Plot, area: &Area<'_>) -> Drawn {
    let label_room = if plot.bars.is_empty() { 66 } else { 120 };
    let mut chart = ChartBuilder::on(area)
        .margin_top(fine(8))
        .margin_right(fine(NAMES))
        .margin_left(fine(4))
        .x_label_area_size(fine(40))
        .y_label_area_size(fine(label_room))
        .build_cartesian_2d(Places::of(&plot.x), Places::of(&plot.y))
        .map_err(words)?;
    let words_at = |axis: &Axis, place: f64| {
        let near = |(at, _): &&(f64, String)| axis.place(*at).is_some_and(|at| (at - place).abs() < 1e-9);
        axis.ticks.iter().find(near).map(|(_, words)| words.clone()).unwrap_or_default()
    };
    let mut mesh = chart.configure_mesh();
    if !plot.bars.is_empty() {
        mesh.disable_y_mesh();
    }
    mesh.bold_line_style(GRID.stroke_width(FINE as u32))
        .light_line_style(FAINT_GRID.stroke_width(FINE as u32))
        .axis_style(TEXT.stroke_width(FINE as u32))
        .label_style(font(12, TEXT))
        .axis_desc_style(font(12, TEXT))
        .x_desc(&plot.x.name)
        .y_desc(&plot.y.name)
        .x_label_formatter(&|place| words_at(&plot.x, *place))
        .y_label_formatter(&|place| words_at(&plot.y, *place))
        .draw()
        .map_err(words)?;

    let at = |(x, y): (f64, f64)| Some(chart.backend_coord(&(plot.x.place(x)?, plot.y.place(y)?)));
    for series in &plot.series {
        for line in &series.lines {
            draw_line(area, series.look, line.stroke, line.points.iter().filter_map(|point| at(*point)).collect())?;
        }
    }
    let mut names = Vec::new();
    for series in &plot.series {
        for mark in &series.marks {
            if let Some(at) = at(mark.at) {
                draw_mark(area, series.look, mark.sense, at)?;
            }
        }
        let points = series.lines.iter().filter(|line| line.stroke == Stroke::Strong).flat_map(|line| &line.points);
        if let Some(at) = points.rev().find_map(|point| at(*point)).filter(|_| !series.label.is_empty()) {
            names.push((at.1, series));
        }
    }
    for bar in &plot.bars {
        draw_bar(area, plot, bar, &at)?;
    }
    draw_names(area, names, plot.height)
}

/// The names of lines, at the height where each ends, but never one over another.
fn draw_names(area: &Area<'_>, mut names: Vec<(i32, &Series)>, height: i32) -> Drawn {
    names.sort_by_key(|(y, _)| *y);
    let wanted: Vec<_> = names.iter().map(|(y, _)| *y).collect();
    let left = fine(WIDTH - NAMES + 10);
    for ((_, series), y) in names.iter().zip(apart(&wanted, fine(LINE), fine(height - 44))) {
        let style = font(12, series.look.colour).pos(Pos::new(HPos::Left, VPos::Center));
        draw_mark(area, series.look, Sense::Full, (left, y))?;
        area.draw(&Text::new(series.label.clone(), (left + fine(9), y), style)).map_err(words)?;
    }
    Ok(())
}

/// Heights in growing order, moved so that they are at least so far apart, and none is below the last allowed one.
fn apart(wanted: &[i32], least: i32, last: i32) -> Vec<i32> {
    let mut heights: Vec<i32> = Vec::with_capacity(wanted.len());
    for height in wanted {
        let free = heights.last().map_or(i32::MIN, |before| before.saturating_add(least));
        heights.push((*height).max(free));
    }
    let mut ceiling = last;
    for height in heights.iter_mut().rev() {
        *height = (*height).min(ceiling);
        ceiling = *height - least;
    }
    heights
}

fn draw_line(area: &Area<'_>, look: Look, stroke: Stroke, points: Vec<(i32, i32)>) -> Drawn {
    let (width, alpha) = match stroke {
        Stroke::Strong => (8, 1.0),
        Stroke::Faint => (3, 0.3),
    };
    let style = ShapeStyle { color: look.colour.mix(alpha), filled: false, stroke_width: width };
    match look.dash.filter(|_| stroke != Stroke::Faint) {
        Some((dash, gap)) => {
            area.draw(&DashedPathElement::new(points, dash * FINE as u32, gap * FINE as u32, style)).map_err(words)
        }
        None => area.draw(&PathElement::new(points, style)).map_err(words),
    }
}

fn draw_mark(area: &Area<'_>, look: Look, sense: Sense, (x, y): (i32, i32)) -> Drawn {
    let corner = |scale: f64| move |(dx, dy): &(f64, f64)| (x + (dx * scale) as i32, y + (dy * scale) as i32);
    let outline = look.colour.stroke_width(6);
    if sense == Sense::Crossed {
        let reach = fine(4);
        let strokes =
            [[(x - reach, y - reach), (x + reach, y + reach)], [(x - reach, y + reach), (x + reach, y - reach)]];
        return strokes
            .into_iter()
            .try_for_each(|stroke| area.draw(&PathElement::new(stroke.to_vec(), outline)).map_err(words));
    }
    if sense == Sense::Dot {
        // the shortest in SVG, as there are many
        return area.draw(&Circle::new((x, y), fine(2), look.colour.mix(0.55).filled())).map_err(words);
    }
    let corners: Vec<_> = look.mark.iter().map(corner(f64::from(FINE))).collect();
    let fill = if sense == Sense::Hollow { WHITE } else { look.colour };
    area.draw(&Polygon::new(corners.clone(), fill)).map_err(words)?;
    if sense == Sense::Hollow {
        let closed: Vec<_> = corners.iter().chain(corners.first()).copied().collect();
        area.draw(&PathElement::new(closed, outline)).map_err(words)?;
    }
    Ok(())
}

fn draw_bar(area: &Area<'_>, plot: &Plot, bar: &Bar, at: &impl Fn((f64, f64)) -> Option<(i32, i32)>) -> Drawn {
    let middle = plot.bars.len() as f64 - bar.row as f64 - 0.5;
    let (reach, least, most) = bar.reach;
    let (Some(from), Some(to)) = (at((0.0, middle)), at((reach, middle))) else { return Ok(()) };
    let half = fine(9);
    let corners = [(from.0, from.1 - half), (to.0, to.1 + half)];
    area.draw(&Rectangle::new(corners, bar.look.colour.mix(0.85).filled())).map_err(words)?;
    let mut end = to.0;
    if let (Some(least), Some(most)) = (at((least, middle)), at((most, middle)))
        && most.0 > least.0
    {
        let reach = fine(4);
        let ends = [least, most].map(|(x, y)| vec![(x, y - reach), (x, y + reach)]);
        for stroke in ends.into_iter().chain([vec![least, most]]) {
            area.draw(&PathElement::new(stroke, BLACK.stroke_width(5))).map_err(words)?;
        }
        end = end.max(most.0);
    }
    let style = font(12, TEXT).pos(Pos::new(HPos::Left, VPos::Center));
    area.draw(&Text::new(bar.label.clone(), (end + fine(7), to.1), style)).map_err(words)
}

/// Places from 0 to 1 along an axis, with the marks of one of ours.
struct Places {
    ticks: Vec<f64>,
    between: Vec<f64>,
}

impl Places {
    fn of(axis: &Axis) -> Self {
        let ticks = axis.ticks.iter().filter_map(|(at, _)| axis.place(*at)).collect();
        Self { ticks, between: axis.between.iter().filter_map(|at| axis.place(*at)).collect() }
    }
}

impl Ranged for Places {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, place: &f64, (from, to): (i32, i32)) -> i32 {
        from + (place * f64::from(to - from)).round() as i32
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { self.between.clone() } else { self.ticks.clone() }
    }

    fn range(&self) -> Range<f64> {
        0.0..1.0
    }
}

fn font(size: i32, colour: RGBColor) -> TextStyle<'static> {
    // plotters makes fonts smaller by this
    ("sans-serif", f64::from(fine(size)) * 1.24).into_font().color(&colour)
}

fn fine(pixels: i32) -> i32 {
    pixels * FINE
}

fn words(error: impl Display) -> String {
    format!("a plot could not be drawn: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reports::plots::palette::look;
    use crate::reports::plots::scale::{latency, number};
    use crate::reports::study::System;

    fn plot(label: &str) -> Plot {
        let points = vec![(1.0, 15.0), (10.0, 30.0), (f64::NAN, 3.0), (100.0, f64::INFINITY), (50.0, 100.0)];
        let look = look(System { name: "nats", place: 2, facts: None });
        let marks = [Sense::Full, Sense::Hollow, Sense::Crossed, Sense::Dot];
        Plot {
            about: String::new(),
            x: Axis::linear("sends/s", [100.0], number),
            y: Axis::logarithmic("latency", [15.0, 100.0], latency),
            height: 300,
            series: vec![Series {
                label: label.into(),
                look,
                marks: marks.map(|sense| Mark { at: (10.0, 30.0), sense }).to_vec(),
                lines: vec![Line { points, stroke: Stroke::Strong }],
            }],
            bars: Vec::new(),
        }
    }

    #[test]
    fn a_name_in_a_plot_is_escaped() {
        let svg = svg(&plot("</svg><script>")).unwrap();
        assert!(svg.starts_with("<svg ") && svg.trim_end().ends_with("</svg>"));
        assert!(!svg.contains("<script") && svg.contains("&lt;/svg&gt;"), "{svg}");
    }

    #[test]
    fn points_that_are_no_numbers_are_left_out() {
        let svg = svg(&plot("nats")).unwrap();
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let outside = svg
            .split(['"', ' ', ','])
            .filter_map(|word| word.parse::<f64>().ok())
            .any(|at| !(0.0..=4_000.0).contains(&at));
        assert!(!outside, "{svg}");
    }

    #[test]
    fn names_stand_apart_and_inside() {
        assert_eq!(apart(&[10, 11, 12, 90], 10, 100), [10, 20, 30, 90]);
        assert_eq!(apart(&[95, 96, 97], 10, 100), [80, 90, 100]);
        assert_eq!(apart(&[], 10, 100), [0; 0]);
    }
}
