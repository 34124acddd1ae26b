//! Plots as inline SVG: lines over two axes, and rows of dots with whiskers.
//!
//! Every plot is 360 units wide, about a phone's width, so that its text is never scaled to something tiny; wide
//! screens show several side by side. Names stand in a legend below, where they wrap; colours come from the page's style sheet
//! by class, and every colour has a dash and a marker of its own.

use maud::{Markup, html};

/// Width of every plot.
const WIDTH: f64 = 360.0;

/// Where the area of a line plot begins.
const LEFT: f64 = 50.0;

/// Where it ends.
const RIGHT: f64 = 348.0;

/// Where it ends upwards.
const TOP: f64 = 26.0;

/// Where it begins, from below.
const BOTTOM: f64 = 200.0;

/// Room that a label of an axis takes upwards.
const LABEL_HEIGHT: f64 = 17.0;

/// Room that it takes sideways.
const LABEL_WIDTH: f64 = 46.0;

/// Styles of lines; further ones begin anew, in another plot.
pub const STYLES: usize = 8;

/// The dashes of the styles, in the order of their colours.
const DASHES: [&str; STYLES] = ["none", "7 3", "none", "2 3", "9 3 2 3", "none", "5 2", "1 3"];

/// How somebody is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// The floor
    Floor,
    /// Another yardstick
    Yardstick,
    /// One of those that are compared
    Rival(usize),
}

impl Style {
    /// The class that gives it its colour.
    fn class(self) -> String {
        match self {
            Self::Floor => "floor".to_owned(),
            Self::Yardstick => "yardstick".to_owned(),
            Self::Rival(index) => format!("s{}", index % STYLES),
        }
    }

    /// The dashes of its line.
    fn dash(self) -> &'static str {
        match self {
            Self::Floor => "none",
            Self::Yardstick => "3 3",
            Self::Rival(index) => DASHES[index % STYLES],
        }
    }

    /// A marker at a place.
    fn marker(self, x: f64, y: f64) -> Markup {
        let path = match self {
            Self::Floor | Self::Yardstick => return html! {},
            Self::Rival(index) => match index % STYLES {
                0 => "M-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0z",
                1 => "M-2.7-2.7h5.4v5.4h-5.4z",
                2 => "M0-3.6L3.4 2.6H-3.4z",
                3 => "M0-3.8L3.8 0L0 3.8L-3.8 0z",
                4 => "M0 3.6L3.4-2.6H-3.4z",
                5 => "M-3.2-1h2.2v-2.2h2v2.2h2.2v2h-2.2v2.2h-2v-2.2h-2.2z",
                6 => "M-3.6-1.6h7.2v3.2h-7.2z",
                _ => "M-1.6-3.6h3.2v7.2h-3.2z",
            },
        };
        html! { path.mark d=(path) transform=(format!("translate({x:.1} {y:.1})")) {} }
    }
}

/// How values become places.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Scale {
    /// By their logarithm
    Log,
    /// As they are
    Linear,
}

/// An axis: what it shows, and from where to where.
#[derive(Clone, Debug)]
pub struct Axis {
    /// What stands beside it.
    title: String,
    /// How values become places.
    scale: Scale,
    /// The values at its ends.
    ends: [f64; 2],
    /// Values with a line or tick, and what is written there.
    ticks: Vec<(f64, String)>,
}

impl Axis {
    /// A logarithmic axis over `values`, labelled at round numbers; `write` writes them.
    pub fn log(title: &str, values: impl Iterator<Item = f64>, write: fn(f64) -> String) -> Self {
        Self::log_with(7, title, values, write)
    }

    /// The same with few labels, for a plot of dots.
    pub fn sparse(title: &str, values: impl Iterator<Item = f64>, write: fn(f64) -> String) -> Self {
        Self::log_with(4, title, values, write)
    }

    /// A logarithmic axis with at most so many labels.
    fn log_with(
        most: usize,
        title: &str,
        values: impl Iterator<Item = f64>,
        write: fn(f64) -> String,
    ) -> Self {
        let [low, high] = ends(values);
        let ends = [low / 1.15, high * 1.15];
        let ticks = round_numbers(ends, most).into_iter().map(|value| (value, write(value))).collect();
        Self { title: title.to_owned(), scale: Scale::Log, ends, ticks }
    }

    /// A logarithmic axis over numbers that come in powers of two.
    pub fn powers(title: &str, values: impl Iterator<Item = f64>, write: fn(f64) -> String) -> Self {
        let [low, high] = ends(values);
        let ends = [low / 1.2, high * 1.2];
        let [first, last] = [low.log2().ceil() as i32, high.log2().floor() as i32];
        let step = ((last - first) as usize).div_ceil(5).max(1);
        let ticks = (first..=last).step_by(step).map(|power| 2_f64.powi(power));
        let ticks = ticks.map(|value| (value, write(value))).collect();
        Self { title: title.to_owned(), scale: Scale::Log, ends, ticks }
    }

    /// Percentiles by the nines in them, as far as `most` nines.
    pub fn nines(title: &str, most: f64) -> Self {
        let named = [(0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")];
        let named = named.into_iter().chain([(0.99999, "99.999 %"), (0.999_999, "99.9999 %")]);
        let most = most.max(1.0);
        let step = if most > 5.2 { 2 } else { 1 };
        let ticks = named.step_by(step).map(|(share, label)| (nines(share), label.to_owned()));
        Self {
            title: title.to_owned(),
            scale: Scale::Linear,
            ends: [0.0, most + 0.1],
            ticks: ticks.filter(|(at, _)| *at <= most + 0.1).collect(),
        }
    }

    /// Names one beside another.
    pub fn names(title: &str, names: &[String]) -> Self {
        let ticks = names.iter().enumerate().map(|(index, name)| (index as f64, name.clone())).collect();
        let ends = [-0.4, names.len() as f64 - 0.6];
        Self { title: title.to_owned(), scale: Scale::Linear, ends, ticks }
    }

    /// The place of `value` on an axis that goes from one place to another.
    fn place(&self, value: f64, [from, to]: [f64; 2]) -> f64 {
        let [value, low, high] = [value, self.ends[0], self.ends[1]].map(|value| match self.scale {
            Scale::Log => value.max(f64::MIN_POSITIVE).ln(),
            Scale::Linear => value,
        });
        from + (to - from) * (value - low) / (high - low)
    }

    /// The ticks' places, and the labels that have room between their neighbours.
    fn labels(&self, span: [f64; 2], room: f64) -> Vec<(f64, &str)> {
        let mut last = f64::NEG_INFINITY;
        let places = self.ticks.iter().map(|(value, label)| (self.place(*value, span), label.as_str()));
        let keep = |(place, label): (f64, _)| {
            let distance = (place - span[0]).abs();
            let fits = distance - last >= room;
            if fits {
                last = distance;
            }
            (place, if fits { label } else { "" })
        };
        places.map(keep).collect()
    }
}

/// How many nines a share has: 0.99 has two.
pub fn nines(share: f64) -> f64 {
    -(1.0 - share).log10()
}

/// The smallest and the largest of the values; something to draw where there is none.
fn ends(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let sound = values.filter(|value| value.is_finite() && *value > 0.0);
    let ends =
        sound.fold([f64::INFINITY, 0.0], |[low, high]: [f64; 2], value| [low.min(value), high.max(value)]);
    if ends[0] <= ends[1] { ends } else { [1.0, 10.0] }
}

/// Round numbers within `ends`: at most `most` unless there are as many decades, and more than one unless they lie very
/// close together.
fn round_numbers([low, high]: [f64; 2], most: usize) -> Vec<f64> {
    const STEPS: [&[f64]; 4] = [
        &[1.0, 1.1, 1.2, 1.3, 1.4, 1.6, 1.8, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0],
        &[1.0, 1.5, 2.0, 3.0, 5.0, 7.0],
        &[1.0, 2.0, 5.0],
        &[1.0],
    ];
    let decades = low.log10().floor() as i32..=high.log10().ceil() as i32;
    let within = |steps: &[f64]| -> Vec<f64> {
        let all = decades.clone().flat_map(|decade| steps.iter().map(move |step| step * 10_f64.powi(decade)));
        all.filter(|value| (low..=high).contains(value)).collect()
    };
    let found: Vec<Vec<f64>> = STEPS.iter().map(|steps| within(steps)).collect();
    let few = found.iter().find(|values| values.len() <= most);
    few.or(found.last()).cloned().unwrap_or_default()
}

/// One line of a plot.
#[derive(Clone, Debug)]
pub struct Curve {
    /// Whose.
    pub name: String,
    /// How it is drawn.
    pub style: Style,
    /// Its points.
    pub points: Vec<(f64, f64)>,
    /// Which of these have a marker, with what is said about it.
    pub marks: Vec<(f64, f64, String)>,
}

impl Curve {
    /// A curve with a marker at each point.
    pub fn marked(
        name: String,
        style: Style,
        points: Vec<(f64, f64)>,
        say: impl Fn(f64, f64) -> String,
    ) -> Self {
        let marks = points.iter().map(|&(x, y)| (x, y, format!("{name}: {}", say(x, y)))).collect();
        Self { name, style, points, marks }
    }
}

/// A plot of lines.
#[derive(Debug)]
pub struct Lines {
    /// What it shows.
    pub title: String,
    /// What is to be seen in it, for those who do not see it.
    pub description: String,
    /// To the right.
    pub x: Axis,
    /// Upwards.
    pub y: Axis,
    /// The lines; yardsticks are drawn below the others.
    pub curves: Vec<Curve>,
}

impl Lines {
    /// The figure.
    pub fn render(&self) -> Markup {
        let (across, up) = ([LEFT, RIGHT], [BOTTOM, TOP]);
        let sideways = if self.x.ticks.iter().all(|(_, label)| label.len() < 6) {
            LABEL_WIDTH * 0.7
        } else {
            LABEL_WIDTH
        };
        let drawing = html! {
            text.axis x="0" y="11" { (self.y.title) }
            @for (y, label) in self.y.labels(up, LABEL_HEIGHT) {
                line.grid x1=(n(LEFT)) x2=(n(RIGHT)) y1=(n(y)) y2=(n(y)) {}
                @if !label.is_empty() { text.tick.end x=(n(LEFT - 6.0)) y=(n(y + 4.0)) { (label) } }
            }
            @for (x, label) in self.x.labels(across, sideways) {
                line.grid x1=(n(x)) x2=(n(x)) y1=(n(TOP)) y2=(n(BOTTOM)) {}
                @if !label.is_empty() { text.tick.middle x=(n(keep_inside(x, label))) y=(n(BOTTOM + 16.0)) { (label) } }
            }
            line.base x1=(n(LEFT)) x2=(n(RIGHT)) y1=(n(BOTTOM)) y2=(n(BOTTOM)) {}
            text.axis.end x=(n(RIGHT)) y=(n(BOTTOM + 34.0)) { (self.x.title) }
            @for curve in self.curves.iter().rev() { (self.curve(curve, across, up)) }
        };
        let legend = self.curves.iter().map(|curve| (curve.style, curve.name.as_str()));
        figure(&self.title, &self.description, BOTTOM + 42.0, &drawing, legend)
    }

    /// One line with its markers.
    fn curve(&self, curve: &Curve, across: [f64; 2], up: [f64; 2]) -> Markup {
        let at = |x: f64, y: f64| (self.x.place(x, across), self.y.place(y, up));
        let points = curve.points.iter().map(|&(x, y)| at(x, y));
        let points: Vec<String> = points.map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        html! {
            g class=(curve.style.class()) {
                polyline points=(points.join(" ")) stroke-dasharray=(curve.style.dash()) {}
                @for (x, y, say) in &curve.marks {
                    g { title { (say) } (curve.style.marker(at(*x, *y).0, at(*x, *y).1)) }
                }
            }
        }
    }
}

/// The middle of a label at `x`, moved so that the label stays inside the plot.
fn keep_inside(x: f64, label: &str) -> f64 {
    let half = label.chars().count() as f64 * 3.4;
    x.min(WIDTH - half).max(half)
}

/// One row of dots.
#[derive(Debug)]
pub struct Dot {
    /// Whose.
    pub name: String,
    /// How it is drawn.
    pub style: Style,
    /// The dot.
    pub value: f64,
    /// From where to where its whisker goes.
    pub whisker: [f64; 2],
    /// What is written at the right.
    pub label: String,
}

/// A plot of rows with a dot each.
#[derive(Debug)]
pub struct Dots {
    /// What it shows.
    pub title: String,
    /// What is to be seen in it, for those who do not see it.
    pub description: String,
    /// What the dots are.
    pub axis: Axis,
    /// A value that has a line of its own.
    pub mark: Option<f64>,
    /// The rows, from the top.
    pub rows: Vec<Dot>,
}

/// Where the area of dots begins.
const DOTS_LEFT: f64 = 116.0;

/// Where it ends.
const DOTS_RIGHT: f64 = 300.0;

/// Height of a row of dots.
const ROW: f64 = 19.0;

impl Dots {
    /// The figure.
    pub fn render(&self) -> Markup {
        let across = [DOTS_LEFT, DOTS_RIGHT];
        let bottom = 8.0 + ROW * self.rows.len() as f64;
        let drawing = html! {
            @for (x, label) in self.axis.labels(across, LABEL_WIDTH * 0.8) {
                line.grid x1=(n(x)) x2=(n(x)) y1="4" y2=(n(bottom)) {}
                @if !label.is_empty() { text.tick.middle x=(n(x)) y=(n(bottom + 15.0)) { (label) } }
            }
            @if let Some(mark) = self.mark {
                line.unity x1=(n(self.axis.place(mark, across))) x2=(n(self.axis.place(mark, across))) y1="4" y2=(n(bottom)) {}
            }
            text.axis.end x=(n(WIDTH - 2.0)) y=(n(bottom + 33.0)) { (self.axis.title) }
            @for (index, row) in self.rows.iter().enumerate() { (self.row(row, 8.0 + ROW * (index as f64 + 0.5))) }
        };
        figure(&self.title, &self.description, bottom + 40.0, &drawing, std::iter::empty())
    }

    /// One row.
    fn row(&self, row: &Dot, y: f64) -> Markup {
        let across = [DOTS_LEFT, DOTS_RIGHT];
        let [from, to] = row.whisker.map(|end| self.axis.place(end, across));
        html! {
            text.name.end x=(n(DOTS_LEFT - 8.0)) y=(n(y + 4.0)) { (row.name) }
            g class=(row.style.class()) {
                title { (row.name) ": " (row.label) }
                line.whisker x1=(n(from)) x2=(n(to)) y1=(n(y)) y2=(n(y)) {}
                (dot(row.style, self.axis.place(row.value, across), y))
            }
            text.value.end x=(n(WIDTH - 2.0)) y=(n(y + 4.0)) { (row.label) }
        }
    }
}

/// A dot; yardsticks are open circles.
fn dot(style: Style, x: f64, y: f64) -> Markup {
    match style {
        Style::Rival(_) => style.marker(x, y),
        _ => html! { circle.open cx=(n(x)) cy=(n(y)) r="3.4" {} },
    }
}

/// A drawing with its caption and legend.
fn figure<'a>(
    title: &str,
    description: &str,
    height: f64,
    drawing: &Markup,
    legend: impl Iterator<Item = (Style, &'a str)>,
) -> Markup {
    let mut legend = legend.peekable();
    html! {
        figure {
            figcaption { (title) }
            svg viewBox=(format!("0 0 {WIDTH} {height:.0}")) role="img" {
                title { (title) }
                desc { (description) }
                (drawing)
            }
            @if legend.peek().is_some() {
                ul.legend { @for (style, name) in legend { li { (swatch(style)) (name) } } }
            }
        }
    }
}

/// A piece of a line, for the legend.
fn swatch(style: Style) -> Markup {
    html! {
        svg.swatch viewBox="0 0 30 10" width="30" height="10" aria-hidden="true" {
            g class=(style.class()) {
                polyline points="1,5 29,5" stroke-dasharray=(style.dash()) {}
                (style.marker(15.0, 5.0))
            }
        }
    }
}

/// A coordinate.
fn n(value: f64) -> String {
    format!("{value:.1}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_have_few_round_labels() {
        assert_eq!(round_numbers([0.9, 2000.0], 7), [1.0, 10.0, 100.0, 1000.0]);
        assert_eq!(round_numbers([40.0, 250.0], 4), [50.0, 100.0, 200.0]);
        assert_eq!(round_numbers([0.7, 90.0], 4), [1.0, 10.0]);
        assert!(round_numbers([95.0, 130.0], 7).len() >= 3);
    }

    #[test]
    fn logarithms_and_nines_are_evenly_spaced() {
        let axis = Axis::log("", [1.0, 100.0].into_iter(), |value| value.to_string());
        let [one, ten, hundred] = [1.0, 10.0, 100.0].map(|value| axis.place(value, [0.0, 300.0]));
        assert!((hundred - ten - (ten - one)).abs() < 1e-9 && one > 0.0 && hundred < 300.0);
        assert!((nines(0.999) - 3.0).abs() < 1e-9 && nines(0.0) == 0.0);
    }

    #[test]
    fn labels_that_would_touch_are_left_out() {
        let names: Vec<String> = (0..20).map(|index| index.to_string()).collect();
        let axis = Axis::names("", &names);
        let labels = axis.labels([0.0, 300.0], 40.0).into_iter();
        let places: Vec<f64> =
            labels.filter(|(_, label)| !label.is_empty()).map(|(place, _)| place).collect();
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= 40.0) && places.len() > 4);
    }

    #[test]
    fn a_plot_of_nothing_or_of_one_value_is_drawn_all_the_same() {
        for values in [vec![], vec![7.0], vec![0.0, f64::NAN]] {
            let axis = || Axis::log("a", values.iter().copied(), |value| value.to_string());
            let points = values.iter().map(|value| (*value, *value)).filter(|(x, _)| *x > 0.0).collect();
            let curves = vec![Curve::marked("<b>".to_owned(), Style::Rival(0), points, |x, _| x.to_string())];
            let plot =
                Lines { title: "t".to_owned(), description: String::new(), x: axis(), y: axis(), curves };
            let text = plot.render().into_string();
            assert!(!text.contains("NaN") && !text.contains("inf") && text.contains("&lt;b&gt;"), "{text}");
        }
    }
}
