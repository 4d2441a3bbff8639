//! Cells of the tables: statistics of samples, and numbers as text.

/// Cell whose reason stands in an earlier cell of its row.
pub(crate) const SEE_ROW: &str = "-";

pub(crate) fn median(values: &[f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// Nearest-rank quantile.
pub(crate) fn quantile(values: &[f64], q: f64) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    // The first value of which at least this share is not greater; by counting, without casts.
    let count = f64::from(u32::try_from(sorted.len()).ok()?);
    let mut rank = 0.0;
    sorted.into_iter().find(|_| {
        rank += 1.0;
        rank >= count * q - 1e-9
    })
}

pub(crate) fn smallest(values: &[f64]) -> Option<f64> {
    values.iter().copied().min_by(f64::total_cmp)
}

pub(crate) fn greatest(values: &[f64]) -> Option<f64> {
    values.iter().copied().max_by(f64::total_cmp)
}

/// A number with two digits that count, or whole above 10, with commas between thousands.
pub(crate) fn number(value: f64) -> String {
    let size = value.abs();
    if size == 0.0 {
        "0".to_owned()
    } else if size < 0.0995 {
        format!("{value:.3}")
    } else if size < 0.995 {
        format!("{value:.2}")
    } else if size < 9.95 {
        format!("{value:.1}")
    } else {
        thousands(&format!("{value:.0}"))
    }
}

/// A number, or the cell that refers to the row.
pub(crate) fn cell(value: Option<f64>) -> String {
    value.map_or_else(|| SEE_ROW.to_owned(), number)
}

/// Median with the smallest and the greatest value.
pub(crate) fn median_of(values: &[f64]) -> Option<String> {
    let (middle, low, high) = (median(values)?, smallest(values)?, greatest(values)?);
    Some(match values.len() {
        1 => number(middle),
        _ => format!("{} ({} to {})", number(middle), number(low), number(high)),
    })
}

/// Whole number with commas between thousands.
fn thousands(digits: &str) -> String {
    let mut text = String::new();
    let count = digits.trim_start_matches('-').len();
    let sign = digits.len() - count;
    for (at, digit) in digits.char_indices() {
        let place = digits.len() - at;
        if at > sign && place.is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A table in Markdown. The first column is to the left.
#[derive(Debug, Default)]
pub(crate) struct Table {
    pub(crate) head: Vec<String>,
    pub(crate) rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new(head: &[&str]) -> Table {
        Table { head: head.iter().map(|&text| text.to_owned()).collect(), rows: Vec::new() }
    }

    pub(crate) fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = format!("|{}\n", "---|".repeat(self.head.len()));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}{rule}{rows}", line(&self.head))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_two_digits_that_count() {
        let texts: Vec<String> =
            [0.0, 0.0123, 0.456, 3.12, 9.96, 12.5, 1234.4, 1_234_567.0, -1234.0, -0.5].map(number).to_vec();
        assert_eq!(texts, ["0", "0.012", "0.46", "3.1", "10", "12", "1,234", "1,234,567", "-1,234", "-0.50"]);
    }

    #[test]
    fn quantiles_are_those_of_the_nearest_rank() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        let at = |q| quantile(&values, q).expect("not empty");
        assert_eq!([0.1, 0.5, 0.9, 0.99, 1.0].map(|q| number(at(q))), ["1.0", "5.0", "9.0", "10", "10"]);
        assert_eq!(quantile(&[], 0.5), None);
        assert_eq!(number(quantile(&[7.0], 0.0).expect("one")), "7.0");
    }

    #[test]
    fn medians_show_their_range() {
        assert_eq!(median_of(&[3.0, 1.0, 2.0]).as_deref(), Some("2.0 (1.0 to 3.0)"));
        assert_eq!(median_of(&[3.0]).as_deref(), Some("3.0"));
        assert_eq!(median_of(&[]), None);
    }

    #[test]
    fn tables_are_markdown() {
        let mut table = Table::new(&["who", "ms"]);
        table.rows.push(vec!["gm".to_owned(), number(2.0)]);
        assert_eq!(table.markdown(), "| who | ms |\n|---|---|\n| gm | 2.0 |\n");
    }
}
