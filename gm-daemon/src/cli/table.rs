//! Tables with aligned columns for a terminal.

use std::fmt;

/// Alignment of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Align {
    /// For text.
    Left,
    /// For numbers.
    Right,
}

pub(crate) use Align::{Left, Right};

/// A table with column heads. Lines have no trailing blanks.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    heads: Vec<(&'static str, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// Creates an empty table.
    pub(crate) fn new(heads: &[(&'static str, Align)]) -> Table {
        Table { heads: heads.to_vec(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.iter().map(|cell| escape_invisible(cell)).collect());
    }

    fn widths(&self) -> Vec<usize> {
        let mut widths: Vec<_> = self.heads.iter().map(|(head, _)| head.chars().count()).collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        widths
    }

    fn line<'a>(&self, widths: &[usize], cells: impl Iterator<Item = &'a str>) -> String {
        let mut line = String::new();
        for ((cell, width), (_, side)) in cells.zip(widths).zip(&self.heads) {
            let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
            let gap = if line.is_empty() { "" } else { "  " };
            match side {
                Left => line.extend([gap, cell, &blanks]),
                Right => line.extend([gap, &blanks, cell]),
            }
        }
        line.truncate(line.trim_end().len());
        line.push('\n');
        line
    }

    /// Formats the rows, and optionally the heads.
    fn lines(&self, widths: &[usize], with_heads: bool) -> String {
        let heads = with_heads.then(|| self.line(widths, self.heads.iter().map(|(head, _)| *head)));
        let rows = self.rows.iter().map(|row| self.line(widths, row.iter().map(String::as_str)));
        heads.into_iter().chain(rows).collect()
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines(&self.widths(), true))
    }
}

/// Number of rows that determine the column widths of a streamed table. Wider cells in later rows
/// are not aligned.
const MEASURED_ROWS: usize = 1_000;

/// A table whose rows are printed as they arrive.
#[derive(Clone, Debug)]
pub(crate) struct StreamedTable {
    table: Table,
    widths: Option<Vec<usize>>,
}

impl StreamedTable {
    /// Creates an empty table.
    pub(crate) fn new(heads: &[(&'static str, Align)]) -> StreamedTable {
        StreamedTable { table: Table::new(heads), widths: None }
    }

    /// Adds a row. Returns the text that can be printed now.
    pub(crate) fn row<const N: usize>(&mut self, cells: [String; N]) -> String {
        self.table.row(cells);
        if self.widths.is_some() || self.table.rows.len() >= MEASURED_ROWS {
            self.print()
        } else {
            String::new()
        }
    }

    /// Returns the text that was not printed yet; empty for a table without rows.
    pub(crate) fn end(&mut self) -> String {
        if self.widths.is_none() && self.table.rows.is_empty() { String::new() } else { self.print() }
    }

    fn print(&mut self) -> String {
        let is_first = self.widths.is_none();
        let widths = self.widths.get_or_insert_with(|| self.table.widths());
        let text = self.table.lines(widths, is_first);
        self.table.rows.clear();
        text
    }
}

/// Escapes control characters, so that foreign text cannot move the cursor.
pub(crate) fn escape_invisible(text: &str) -> String {
    let hidden = |c: char| c.is_control() || ('\u{200b}'..='\u{200f}').contains(&c) || is_bidi_control(c);
    if !text.chars().any(hidden) {
        return text.to_owned();
    }
    text.chars().map(|c| if hidden(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect()
}

/// Whether the character changes the writing direction of the text after it.
fn is_bidi_control(c: char) -> bool {
    ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
}

/// `1 member`, `2 members`.
pub(crate) fn plural(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_without_trailing_blanks() {
        let mut table = Table::new(&[("GROUP", Left), ("ITEMS", Right), ("", Left)]);
        table.row(["Customers".into(), "7".into(), String::new()]);
        table.row(["Größe".into(), "123456".into(), "x".into()]);
        assert_eq!(table.to_string(), "GROUP       ITEMS\nCustomers       7\nGröße      123456  x\n");
    }

    #[test]
    fn a_long_table_is_printed_as_rows_arrive() {
        let row = |at: usize| [format!("g{at}"), at.to_string()];
        let heads = [("GROUP", Left), ("ITEMS", Right)];
        let (mut flow, mut table) = (StreamedTable::new(&heads), Table::new(&heads));
        let mut shown = String::new();
        for at in 0..2 * MEASURED_ROWS {
            let now = flow.row(row(at));
            assert_eq!(now.is_empty(), at + 1 < MEASURED_ROWS, "{at}");
            shown.push_str(&now);
            table.row(row(at));
        }
        assert_eq!((flow.end().as_str(), shown), ("", table.to_string()));
        let mut few = StreamedTable::new(&heads);
        assert_eq!((few.row(row(1)), few.end()), (String::new(), "GROUP  ITEMS\ng1         1\n".to_owned()));
        assert_eq!(StreamedTable::new(&heads).end(), "");
    }

    #[test]
    fn foreign_text_does_not_move_the_cursor() {
        assert_eq!(escape_invisible("a\u{1b}[2Jb\u{202e}"), "a\\u{1b}[2Jb\\u{202e}");
        assert_eq!(escape_invisible("Größe 東京"), "Größe 東京");
    }
}
