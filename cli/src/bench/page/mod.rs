//! The report as one self-contained page: no script, no network, light and dark.
//!
//! ```text
//!  mod (the page) ── findings
//!   ├── pairs    ─┐
//!   ├── studies  ─┼── grid (tables), plot (SVG)
//!   └── changes  ─┘
//! ```

mod changes;
mod findings;
mod grid;
mod pairs;
mod plot;
mod studies;

use anyhow::Result;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::compare::date;
use super::record::Recording;
use super::report::Report;
use super::sample::Regime;
use super::studies::Study;
use super::table::plural;
use super::units;

/// Colours, sizes and the arrangement.
const STYLE: &str = include_str!("style.css");

/// The page of a run.
pub fn render(run: &Recording, report: &Report) -> Result<String> {
    let day = humantime::format_rfc3339_seconds(date(report.date)).to_string();
    let mut sections = Vec::new();
    for regime in Regime::ALL {
        if let Some(section) = section(regime, run, report)? {
            sections.push((regime, section));
        }
    }
    let waits = studies::idle(&run.studies);
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "ringway bench, " (day) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                header {
                    p.kicker { "ringway bench" }
                    h1 { "Messages between two processes, measured" }
                    p.lead {
                        (report.machine.processor) ", " (plural(report.machine.cores, "core")) ", "
                        (if report.machine.virtual_machine { "virtual machine" } else { "bare metal" })
                        " · " time datetime=(day) { (day.replace('T', " ").replace('Z', " UTC")) }
                        " · ringway " (report.version)
                    }
                    p.lead { (conditions(report)) }
                    (findings::tiles(report))
                    nav aria-label="Sections" {
                        @for (regime, _) in &sections { a href=(format!("#{}", id(*regime))) { (name(*regime)) } }
                        @if waits.is_some() { a href="#waiting" { "Waiting" } }
                        @if report.comparison.is_some() { a href="#changes" { "Changes" } }
                        a href="#method" { "Machine and method" }
                    }
                }
                main {
                    @for (regime, body) in &sections {
                        section id=(id(*regime)) {
                            h2 { (name(*regime)) }
                            p.lead { (pairs::capital(regime.label())) (probe(*regime, report)) "." }
                            (body)
                        }
                    }
                    @if let Some(waits) = waits { section #waiting { h2 { "Waiting" } (waits) } }
                    @if let Some(comparison) = &report.comparison { (changes::section(comparison)) }
                    (method(report))
                }
            }
        }
    };
    Ok(page.into_string())
}

/// Everything of one regime, if there is anything.
fn section(regime: Regime, run: &Recording, report: &Report) -> Result<Option<Markup>> {
    let pairs = pairs::section(regime, run, report)?;
    let here: Vec<&Study> = run.studies.iter().filter(|study| studies::sound_in(study, regime)).collect();
    let studies = studies::section(&here)?;
    Ok((pairs.is_some() || studies.is_some())
        .then(|| html! { (pairs.unwrap_or_default()) (studies.unwrap_or_default()) }))
}

/// A regime's anchor.
fn id(regime: Regime) -> &'static str {
    match regime {
        Regime::Siblings => "siblings",
        Regime::Near => "near",
        Regime::Far => "far",
        Regime::Other => "other",
        Regime::OneCore => "one-core",
    }
}

/// A regime's heading.
fn name(regime: Regime) -> &'static str {
    match regime {
        Regime::Siblings => "Siblings",
        Regime::Near => "Near",
        Regime::Far => "Far",
        Regime::Other => "Other",
        Regime::OneCore => "One core",
    }
}

/// What the probes of a regime saw.
fn probe(regime: Regime, report: &Report) -> String {
    let probe = report.probes.get(&regime).filter(|probe| probe.median > 0.0);
    probe.map_or(String::new(), |probe| {
        format!(
            "; median {:.0} ns, eight in ten between {:.0} and {:.0} ns",
            probe.median, probe.p10, probe.p90
        )
    })
}

/// How the run was made and what counts, in a few sentences.
fn conditions(report: &Report) -> String {
    let Report { conditions, dropped, .. } = report;
    let lost = dropped.probes_disagree + dropped.core_lost + dropped.awake;
    format!(
        "{}, {}, rings of {} or four messages. Each sample lies between two probes of the distance between the cores, and is classed by them; of {} of \
         pairs {lost} do not count, since their probes disagree, a side lost its core, or nobody slept who was to be woken.",
        length(report),
        plural(conditions.starts, "process start"),
        units::bytes(conditions.ring_bytes as f64),
        plural(report.samples, "sample"),
    )
}

/// How long the run took.
fn length(report: &Report) -> String {
    report.seconds.map_or("A run that was interrupted".to_owned(), |seconds| format!("{seconds:.0} s"))
}

/// Machine, conditions, and how samples come to count.
fn method(report: &Report) -> Markup {
    let (conditions, dropped) = (&report.conditions, report.dropped);
    let lost = dropped.probes_disagree + dropped.core_lost + dropped.awake;
    html! {
        section #method {
            h2 { "Machine and method" }
            div.columns {
                div {
                    h3 { "Machine" }
                    dl { @for (about, fact) in report.machine.facts() { div { dt { (about) } dd { (fact) } } } }
                    h3 { "Conditions" }
                    dl {
                        div { dt { "Length" } dd { (length(report)) ", " (plural(conditions.starts, "process start")) } }
                        div { dt { "Rings" } dd { (bytesize::ByteSize(conditions.ring_bytes as u64).display().iec()) " or four messages, tuned for " (format!("{:?}", conditions.tune).to_lowercase()) } }
                        div { dt { "A sample" } dd { (format!("{:.1}", conditions.sample_seconds * 1e3)) " ms; wake-ups longer" } }
                        div { dt { "Warm-up" } dd { (conditions.warm_up) } }
                        @for left_out in &conditions.left_out { div { dt { "Left out: " (left_out.mechanism.label()) } dd { (left_out.reason) } } }
                        @if let Some(other) = &conditions.against { div { dt { "Other build" } dd { (other) } } }
                    }
                }
                div.prose {
                    h3 { "How samples come to count" }
                    p {
                        "Each sample is a short stretch of traffic between two real processes, each on its core; every payload is written, \
                         read and checked. Samples of all rivals alternate, and each lies between two probes: a ping-pong over two cache \
                         lines, which tells how far apart the cores are. A virtual machine changes that distance at any time, so \
                         figures are given per regime."
                    }
                    p {
                        "Of " (plural(report.samples, "sample")) " of pairs " (lost) " do not count: "
                        (dropped.probes_disagree) " whose probes disagree, " (dropped.core_lost) " in which a side lost its core, "
                        (dropped.awake) " in which a receiver that was to be woken was awake. Samples of studies are dropped for the same reasons."
                    }
                    p {
                        "Figures are medians. Ratios are taken within a round, so that both samples saw the machine in the same state. \
                         The floor of a round trip is the bare ping-pong, that of a stream a bare copy into shared memory and out of it, that of a wake-up a \
                         bare futex. T is a bare ring of records whose indices share a line. Whiskers go from the first to the third quartile."
                    }
                }
            }
        }
    }
}
