//! Tables: numbers to the right, a row's name in front, wide ones scroll in their own box.

use maud::{Markup, html};

/// A table of figures.
#[derive(Debug)]
pub struct Grid {
    /// What it holds; part of its name for those who do not see it.
    pub caption: String,
    /// What the rows are of, for whoever counts them.
    pub part: &'static str,
    /// Names of the columns.
    pub header: Vec<&'static str>,
    /// How many columns, from the left, hold words.
    pub words: usize,
    /// The rows.
    pub rows: Vec<Vec<String>>,
}

impl Grid {
    /// The table, folded up.
    pub fn render(&self) -> Markup {
        let class = |column: usize| (column >= self.words).then_some("number");
        html! {
            details {
                summary { "Table: " (self.caption) " " span.count { (self.rows.len()) } }
                div.scroll tabindex="0" role="region" aria-label=(self.caption) {
                    table data-part=(self.part) {
                        caption { (self.caption) }
                        thead { tr { @for (column, name) in self.header.iter().enumerate() { th scope="col" class=[class(column)] { (name) } } } }
                        tbody {
                            @for row in &self.rows {
                                tr {
                                    @for (column, cell) in row.iter().enumerate() {
                                        @if column == 0 { th scope="row" { (cell) } }
                                        @else { td class=[class(column)] { (cell) } }
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
