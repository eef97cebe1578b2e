//! A table without its markup: the same one is written as HTML and as Markdown.

use maud::{Markup, html};

use super::digits::NONE;
use super::spread::Spread;

/// A table.
#[derive(Debug, Default)]
pub struct Grid {
    /// The names of the columns; the first column is that of the rows' names.
    pub head: Vec<String>,
    /// The rows, each as long as the head.
    pub rows: Vec<Vec<Cell>>,
}

/// A cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// What it says; empty: nothing was measured.
    pub main: String,
    /// What stands behind it, smaller.
    pub small: String,
    /// Whether it is the best of its row or column.
    pub best: bool,
    /// Whether it is a goal that was reached.
    pub reached: bool,
    /// Where on the page there is more: an anchor without its `#`.
    pub more: Option<String>,
}

impl Cell {
    /// A plain one.
    pub fn of(main: impl Into<String>) -> Self {
        Self { main: main.into(), ..Self::default() }
    }

    /// The median of some rounds with their spread.
    pub fn spread(spread: Option<Spread>, write: fn(f64) -> String) -> Self {
        let Some(spread) = spread else { return Self::default() };
        let (main, small) = spread.words(write);
        Self { main, small, ..Self::default() }
    }
}

impl Grid {
    /// Without the columns that are empty in all rows; the first one stays.
    pub fn without_empty_columns(mut self) -> Self {
        for column in (1..self.head.len()).rev() {
            if self.rows.iter().all(|row| row.get(column).is_none_or(|cell| cell.main.is_empty())) {
                self.head.remove(column);
                for row in &mut self.rows {
                    row.remove(column);
                }
            }
        }
        self
    }

    /// The same in parts of at most `most` columns each, about equally wide; the first `kept` columns stand in all of them.
    pub fn in_parts(self, kept: usize, most: usize) -> Vec<Self> {
        let columns = self.head.len().saturating_sub(kept);
        let parts = columns.div_ceil(most).max(1);
        let part = |number: usize| {
            let wanted = kept + columns * number / parts..kept + columns * (number + 1) / parts;
            let of = |place: usize| place < kept || wanted.contains(&place);
            let names = self.head.iter().enumerate().filter(|(place, _)| of(*place)).map(|(_, name)| name.clone());
            let cells = |row: &Vec<Cell>| {
                row.iter().enumerate().filter(|(place, _)| of(*place)).map(|(_, cell)| cell.clone()).collect()
            };
            Self { head: names.collect(), rows: self.rows.iter().map(cells).collect() }
        };
        (0..parts).map(part).collect()
    }

    /// Whether there is anything but names in it.
    pub fn is_empty(&self) -> bool {
        self.head.len() < 2 || self.rows.is_empty()
    }

    /// With the columns of another one with the same rows beside its own.
    pub fn beside(mut self, other: Self) -> Self {
        if self.rows.len() == other.rows.len() {
            self.head.extend(other.head.into_iter().skip(1));
            for (row, more) in self.rows.iter_mut().zip(other.rows) {
                row.extend(more.into_iter().skip(1));
            }
        }
        self
    }

    /// As HTML; everything is escaped.
    pub fn html(&self) -> Markup {
        html! {
            div.wide { table {
                thead { tr { @for name in &self.head { th { (name) } } } }
                tbody { @for row in &self.rows { tr {
                    @for (column, cell) in row.iter().enumerate() {
                        @if column == 0 && cell.main.is_empty() { th scope="row" {} }
                        @else if column == 0 { th scope="row" { (inner(cell)) } }
                        @else { td.best[cell.best].reached[cell.reached] { (inner(cell)) } }
                    }
                } } }
            } }
        }
    }

    /// As Markdown; what would be markup in a cell is escaped.
    pub fn markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let mut text = line(self.head.iter().map(|name| plain(name)).collect());
        text += &format!("|{}\n", "---|".repeat(self.head.len()));
        for row in &self.rows {
            text += &line(row.iter().map(Cell::markdown).collect());
        }
        text
    }
}

fn inner(cell: &Cell) -> Markup {
    html! {
        @if let Some(anchor) = &cell.more { a href={ "#" (anchor) } { (cell.main) } }
        @else if cell.main.is_empty() { (NONE) }
        @else { (cell.main) }
        @if !cell.small.is_empty() { small { (cell.small) } }
    }
}

impl Cell {
    fn markdown(&self) -> String {
        let main = if self.main.is_empty() { NONE.to_owned() } else { plain(&self.main) };
        let main = if self.best || self.reached { format!("**{main}**") } else { main };
        if self.small.is_empty() { main } else { format!("{main} ({})", plain(&self.small)) }
    }
}

/// A text as it is, in Markdown.
pub fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '&' | '#' | '~' => plain.extend(['\\', letter]),
            letter if letter.is_control() => plain.push(' '),
            letter => plain.push(letter),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grid(cells: [&str; 3]) -> Grid {
        Grid { head: ["system", "a", "b"].map(Into::into).to_vec(), rows: vec![cells.map(Cell::of).to_vec()] }
    }

    #[test]
    fn markup_in_a_cell_is_text() {
        let grid = grid(["<script>alert(1)</script>", "a|b\n`c`", "\"&'"]);
        let html = grid.html().into_string();
        assert!(!html.contains("<script") && html.contains("&lt;script&gt;") && html.contains("&quot;&amp;"), "{html}");
        let markdown = grid.markdown();
        assert_eq!(markdown.lines().count(), 3, "{markdown}");
        assert!(markdown.contains(r"\<script\>") && markdown.contains(r"a\|b \`c\`"), "{markdown}");
    }

    #[test]
    fn what_was_not_measured_is_a_dash_and_an_empty_column_is_no_column() {
        let narrow = grid(["nats", "", "7"]);
        assert!(narrow.html().into_string().contains(">–</td>"));
        let narrow = narrow.without_empty_columns();
        assert_eq!(narrow.markdown(), "| system | b |\n|---|---|\n| nats | 7 |\n");
        assert!(grid(["nats", "", ""]).without_empty_columns().is_empty());
    }

    #[test]
    fn a_wide_grid_is_told_in_parts() {
        let head: Vec<String> = ["case", "a", "b", "c", "d", "e", "f", "g"].map(Into::into).to_vec();
        let grid = Grid { rows: vec![head.iter().cloned().map(Cell::of).collect()], head };
        let parts = grid.in_parts(1, 3);
        let heads: Vec<_> = parts.iter().map(|part| part.head.concat()).collect();
        assert_eq!(heads, ["caseab", "casecd", "caseefg"]);
        let rows = parts.iter().map(|part| part.rows[0].iter().map(|cell| cell.main.as_str()).collect::<String>());
        assert_eq!(rows.collect::<Vec<_>>(), heads);
        assert_eq!(Grid::default().in_parts(2, 6).len(), 1);
    }

    #[test]
    fn grids_stand_beside_each_other() {
        let both = grid(["nats", "1", "2"]).beside(grid(["nats", "3", "4"]));
        assert_eq!(both.head, ["system", "a", "b", "a", "b"]);
        assert_eq!(both.rows[0].last(), Some(&Cell::of("4")));
    }
}
