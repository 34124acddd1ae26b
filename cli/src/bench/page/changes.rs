//! What changed since another run.

use maud::{Markup, html};

use super::grid::Grid;
use crate::bench::compare::{Comparison, date};
use crate::bench::sample::Regime;

/// The section.
pub fn section(comparison: &Comparison) -> Markup {
    let day = humantime::format_rfc3339_seconds(date(comparison.old_date)).to_string();
    let grid = |regime: Option<Regime>| {
        let changes = comparison.changes.iter().filter(|change| change.subject.regime == regime);
        Grid {
            caption: format!("changes, {}", regime.map_or("not probed", super::name)),
            part: "change",
            header: vec![
                "what",
                "bytes",
                "mechanism",
                "then",
                "now",
                "unit",
                "change",
                "95 % interval",
                "verdict",
            ],
            words: 1,
            rows: changes.map(|change| change.row().to_vec()).collect(),
        }
    };
    html! {
        section #changes {
            h2 { "Changes" }
            p.lead { "Since " (day.replace('T', " ").replace('Z', " UTC")) ", ringway " (comparison.old_version) ". " (comparison.summary()) "." }
            @for warning in &comparison.warnings { p.warning { (warning) } }
            p.hint { "Unit ×: time over that of the floor in the same round. Of all figures less is better; of cells that did not change, one in twenty looks changed by chance." }
            @for regime in comparison.regimes() { (grid(regime).render()) }
        }
    }
}
