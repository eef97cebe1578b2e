//! The median of some rounds, and how far apart they are.

/// Some figures of the same kind, one of each round.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The one in the middle; of an even number the mean of both.
    pub median: f64,
    /// The smallest.
    pub least: f64,
    /// The largest.
    pub most: f64,
    /// How many.
    pub count: usize,
}

impl Spread {
    /// Of these; what is no finite number is left out, and none of those left: nothing.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut figures: Vec<_> = figures.into_iter().filter(|figure| figure.is_finite()).collect();
        figures.sort_by(f64::total_cmp);
        let (least, most) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        // halves are added, as the sum of two finite numbers may not be one
        let median =
            if figures.len() % 2 == 1 { figures[middle] } else { figures[middle - 1] / 2.0 + figures[middle] / 2.0 };
        Some(Self { median, least, most, count: figures.len() })
    }

    /// The median, and behind it the spread if there is one, in the words of a formatter.
    pub fn words(&self, write: fn(f64) -> String) -> (String, String) {
        let range =
            if self.count > 1 { format!("{} to {}", write(self.least), write(self.most)) } else { String::new() };
        (write(self.median), range)
    }

    /// Where the spread lies beside 1, for ratios: above in all rounds, below in all, or neither. One round alone tells nothing.
    pub fn side(&self) -> Side {
        match () {
            () if self.count < 2 => Side::Unclear,
            () if self.least > 1.0 => Side::Above,
            () if self.most < 1.0 => Side::Below,
            () => Side::Unclear,
        }
    }
}

/// What the ratios of all rounds say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// All are above 1.
    Above,
    /// All are below 1.
    Below,
    /// Some are, and some are not; or there is a single one.
    Unclear,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_stands_in_the_middle() {
        let odd = Spread::of([3.0, 1.0, 2.0]).unwrap();
        assert_eq!(odd, Spread { median: 2.0, least: 1.0, most: 3.0, count: 3 });
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of([f64::MAX, f64::MAX]).unwrap().median, f64::MAX);
    }

    #[test]
    fn what_is_no_number_does_not_count() {
        assert_eq!(Spread::of([f64::NAN, 5.0, f64::INFINITY]).unwrap().count, 1);
        assert_eq!(Spread::of([f64::NAN]), None);
        assert_eq!(Spread::of([]), None);
    }

    #[test]
    fn a_single_round_decides_nothing() {
        assert_eq!(Spread::of([2.0]).unwrap().side(), Side::Unclear);
        assert_eq!(Spread::of([1.1, 1.2]).unwrap().side(), Side::Above);
        assert_eq!(Spread::of([0.8, 0.9]).unwrap().side(), Side::Below);
        assert_eq!(Spread::of([0.8, 1.2]).unwrap().side(), Side::Unclear);
    }
}
