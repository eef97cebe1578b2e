//! Numbers as people read them: thousands apart, four digits that mean something, units that fit. What is no number is a dash.

/// What stands where nothing was measured.
pub const NONE: &str = "–";

/// A whole number, thousands apart: `1,679,179`.
pub fn whole(number: f64) -> String {
    if !number.is_finite() {
        return NONE.into();
    }
    // beyond this neighbouring numbers are further apart than one, and digits would be made up
    if number.abs() >= 1e15 {
        return format!("{number:.3e}");
    }
    let digits = format!("{:.0}", number.abs());
    let mut apart = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            apart.push(',');
        }
        apart.push(digit);
    }
    if number < 0.0 && digits != "0" { format!("-{apart}") } else { apart }
}

/// A figure with four digits that mean something: `1,679,000`, `149.9`, `1.062`.
pub fn figure(number: f64) -> String {
    if !number.is_finite() {
        return NONE.into();
    }
    let size = number.abs();
    if size >= 1_000.0 {
        let unit = 10_f64.powi(size.log10().floor() as i32 - 3);
        whole((number / unit).round() * unit)
    } else if size >= 100.0 {
        format!("{number:.1}")
    } else if size >= 10.0 {
        format!("{number:.2}")
    } else if size >= 0.001 || size == 0.0 {
        trimmed(&format!("{number:.3}"))
    } else {
        format!("{number:.2e}")
    }
}

/// A latency in microseconds, without its unit: `15.1`, `1,234`.
pub fn us(number: f64) -> String {
    match number.abs() {
        size if size < 10.0 => format!("{number:.2}"),
        size if size < 1_000.0 => format!("{number:.1}"),
        _ => whole(number),
    }
}

/// A latency in microseconds with the unit that fits: `15.1 µs`, `1.23 ms`, `4.5 s`.
pub fn duration(us: f64) -> String {
    let (number, unit) = match us.abs() {
        size if size < 1_000.0 => (us, "µs"),
        size if size < 1_000_000.0 => (us / 1_000.0, "ms"),
        _ => (us / 1_000_000.0, "s"),
    };
    if number.is_finite() { format!("{} {unit}", three(number)) } else { NONE.into() }
}

/// Bytes with the unit that fits: `233 B`, `12.3 KiB`.
pub fn bytes(number: f64) -> String {
    let (number, unit) = match number.abs() {
        size if size < 1024.0 => (number, "B"),
        size if size < 1_048_576.0 => (number / 1024.0, "KiB"),
        size if size < 1_073_741_824.0 => (number / 1_048_576.0, "MiB"),
        _ => (number / 1_073_741_824.0, "GiB"),
    };
    if number.is_finite() { format!("{} {unit}", three(number)) } else { NONE.into() }
}

/// A ratio, with two digits behind the point below ten.
pub fn ratio(number: f64) -> String {
    match number {
        number if !number.is_finite() => NONE.into(),
        number if number.abs() < 0.01 && number != 0.0 => format!("{number:.1e}"),
        number if number.abs() < 10.0 => format!("{number:.2}"),
        number if number.abs() < 100.0 => format!("{number:.1}"),
        number => whole(number),
    }
}

/// Short, for axes: `50 k`, `1.5 M`.
pub fn short(number: f64) -> String {
    let (number, unit) = match number.abs() {
        size if size < 10_000.0 => {
            return if size.fract() == 0.0 { whole(number) } else { trimmed(&format!("{number:.3}")) };
        }
        size if size < 1e6 => (number / 1e3, " k"),
        size if size < 1e9 => (number / 1e6, " M"),
        size if size >= 1e15 => return whole(number),
        _ => (number / 1e9, " G"),
    };
    if number.is_finite() { format!("{}{unit}", trimmed(&format!("{number:.3}"))) } else { NONE.into() }
}

/// Three digits that mean something.
fn three(number: f64) -> String {
    match number.abs() {
        size if size < 10.0 => trimmed(&format!("{number:.2}")),
        size if size < 100.0 => trimmed(&format!("{number:.1}")),
        _ => whole(number),
    }
}

/// Without zeros at the end of a fraction.
fn trimmed(number: &str) -> String {
    if number.contains('.') { number.trim_end_matches('0').trim_end_matches('.').to_owned() } else { number.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_stand_apart() {
        let cases = [
            (0.0, "0"),
            (999.4, "999"),
            (1_000.0, "1,000"),
            (1_679_179.0, "1,679,179"),
            (-12_345.0, "-12,345"),
            (-0.2, "0"),
        ];
        for (number, words) in cases {
            assert_eq!(whole(number), words);
        }
    }

    #[test]
    fn four_digits_mean_something() {
        let cases = [
            (1_679_179.0, "1,679,000"),
            (9_999.7, "10,000"),
            (149.94, "149.9"),
            (15.128, "15.13"),
            (1.0624, "1.062"),
            (0.5, "0.5"),
            (0.0, "0"),
        ];
        for (number, words) in cases {
            assert_eq!(figure(number), words);
        }
    }

    #[test]
    fn units_fit() {
        assert_eq!([duration(15.13), duration(1_234.0), duration(4_500_000.0)], ["15.1 µs", "1.23 ms", "4.5 s"]);
        assert_eq!([bytes(233.0), bytes(12_595.0), bytes(5e9)], ["233 B", "12.3 KiB", "4.66 GiB"]);
        assert_eq!([short(500.0), short(50_000.0), short(1_500_000.0), short(2.5)], ["500", "50 k", "1.5 M", "2.5"]);
        assert_eq!([ratio(0.634), ratio(12.34), ratio(1234.5), ratio(0.0001)], ["0.63", "12.3", "1,234", "1.0e-4"]);
    }

    #[test]
    fn what_is_no_number_is_a_dash() {
        for write in [whole, figure, us, duration, bytes, ratio, short] {
            for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                assert_eq!(write(number), NONE);
            }
            assert!(write(f64::MAX).len() < 20, "{}", write(f64::MAX));
        }
    }
}
