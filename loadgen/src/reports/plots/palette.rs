//! How systems are told apart: by colour, by dashes and by the shape of their marks, so that it also works in grey and for the colour-blind.

use plotters::style::RGBColor;

use crate::reports::study::{System, is_floor};

/// How the lines and marks of one system look.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The colour: of Okabe's and Ito's, those that stand out on white.
    pub colour: RGBColor,
    /// Lengths of dash and gap, in pixels of the page; none: a full line.
    pub dash: Option<(u32, u32)>,
    /// The corners of a mark around its middle, in pixels of the page.
    pub mark: &'static [(f64, f64)],
}

const CIRCLE: &[(f64, f64)] = &[
    (4.0, 0.0),
    (3.46, 2.0),
    (2.0, 3.46),
    (0.0, 4.0),
    (-2.0, 3.46),
    (-3.46, 2.0),
    (-4.0, 0.0),
    (-3.46, -2.0),
    (-2.0, -3.46),
    (0.0, -4.0),
    (2.0, -3.46),
    (3.46, -2.0),
];
const SQUARE: &[(f64, f64)] = &[(-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)];
const TRIANGLE: &[(f64, f64)] = &[(0.0, -4.8), (4.4, 3.2), (-4.4, 3.2)];
const DIAMOND: &[(f64, f64)] = &[(0.0, -5.0), (5.0, 0.0), (0.0, 5.0), (-5.0, 0.0)];
const DOWN: &[(f64, f64)] = &[(0.0, 4.8), (4.4, -3.2), (-4.4, -3.2)];

const RINGDOVE: Look = Look { colour: RGBColor(0x00, 0x72, 0xB2), dash: None, mark: CIRCLE };
const FLOOR: Look = Look { colour: RGBColor(0x66, 0x66, 0x66), dash: Some((2, 3)), mark: SQUARE };
const OTHERS: [Look; 6] = [
    Look { colour: RGBColor(0xD5, 0x5E, 0x00), dash: Some((9, 3)), mark: TRIANGLE },
    Look { colour: RGBColor(0x00, 0x9E, 0x73), dash: Some((5, 3)), mark: DIAMOND },
    Look { colour: RGBColor(0xB2, 0x4C, 0x8A), dash: Some((14, 4)), mark: DOWN },
    Look { colour: RGBColor(0xC7, 0x86, 0x00), dash: Some((3, 2)), mark: SQUARE },
    Look { colour: RGBColor(0x2B, 0x93, 0xCC), dash: Some((7, 5)), mark: CIRCLE },
    Look { colour: RGBColor(0x00, 0x00, 0x00), dash: Some((4, 4)), mark: TRIANGLE },
];

/// The look of a system, the same in all plots of a page.
pub fn look(system: System<'_>) -> Look {
    match system.name {
        "ringdove" => RINGDOVE,
        name if is_floor(name) => FLOOR,
        // ringdove and its floor come before the others
        _ => OTHERS[system.place.saturating_sub(2) % OTHERS.len()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_rivals_in_a_row_differ_in_colour_and_in_something_else() {
        let looks: Vec<_> = (2..8).map(|place| look(System { name: "rival", place, facts: None })).collect();
        for (place, one) in looks.iter().enumerate() {
            for other in looks.iter().skip(place + 1).chain([&RINGDOVE, &FLOOR]) {
                assert_ne!(one.colour, other.colour);
                assert!(one.dash != other.dash || one.mark != other.mark);
            }
        }
    }
}
