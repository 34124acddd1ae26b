//! What the source promises about itself: which folder knows which, where memory is ordered, and where code is
//! unsafe.

use std::fs;
use std::path::Path;

/// The layers, from the bottom: a part may use those below its own layer, and itself. Parts in one layer do not
/// know of one another.
const LAYERS: [&[&str]; 8] = [
    &["sync"],
    &["seq", "shape"],
    &["error", "frame", "layout"],
    &["notify"],
    &["ring", "wait", "segment"],
    &["channel", "pipe"],
    &["duplex", "fuzzing", "handover", "model", "task"],
    &["connect", "untrusted"],
];

/// Where parts of one layer may use one another: errors name roles, checks make errors, and a ring's sizes come
/// from those of a record.
const WITHIN: [(&str, &str); 4] =
    [("error", "layout"), ("layout", "error"), ("frame", "error"), ("layout", "frame")];

/// What `lib.rs` says at the crate's root, of which every part may use these.
const ROOT: [&str; 2] = ["BARE", "Corrupt"];

/// A line of source, without what a test module holds.
struct Line {
    file: String,
    number: usize,
    text: String,
    above: String,
}

impl Line {
    /// The code of the line: neither its comment nor a doc comment.
    fn code(&self) -> &str {
        self.text.split("//").next().unwrap_or_default().trim()
    }

    fn place(&self) -> String {
        format!("{}:{}: {}", self.file, self.number, self.text.trim())
    }

    /// The part that the file belongs to: a folder of `src`, or a file beside it.
    fn part(&self) -> &str {
        let part = self.file.split('/').next().unwrap_or_default();
        part.strip_suffix(".rs").unwrap_or(part)
    }
}

/// Every line of shipped code.
fn source() -> Vec<Line> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut lines = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the source") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && !path.ends_with("tests.rs")
            {
                let file = path.strip_prefix(&root).expect("below").to_string_lossy().into_owned();
                lines.extend(lines_of(&file, &fs::read_to_string(&path).expect("source")));
            }
        }
    }
    assert!(lines.len() > 1000, "the source is where it is expected");
    lines
}

fn lines_of(file: &str, text: &str) -> Vec<Line> {
    let shipped = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let shipped = shipped.split("#[cfg(all(test, not(loom)))]\nmod tests {").next().unwrap_or_default();
    let mut above = String::new();
    let line = |(index, text): (usize, &str)| {
        let above = std::mem::replace(&mut above, text.to_owned());
        Line { file: file.to_owned(), number: index + 1, text: text.to_owned(), above }
    };
    shipped.lines().enumerate().map(line).collect()
}

/// The places that break a rule.
#[track_caller]
fn assert_none(rule: &str, broken: impl Iterator<Item = String>) {
    let broken: Vec<String> = broken.collect();
    assert!(broken.is_empty(), "{rule}:\n{}", broken.join("\n"));
}

#[test]
fn no_arrow_points_up() {
    let lines = source();
    let upward = lines
        .iter()
        .filter(|line| line.part() != "lib")
        .filter(|line| paths(line.code()).iter().any(|used| !may_use(line.part(), used)));
    assert_none("a part uses one that is not below it", upward.map(Line::place));
}

fn may_use(part: &str, used: &str) -> bool {
    let layer = |part: &str| LAYERS.iter().position(|layer| layer.contains(&part));
    let below = layer(part).zip(layer(used)).is_some_and(|(part, used)| used < part);
    part == used || below || WITHIN.contains(&(part, used)) || ROOT.contains(&used)
}

/// The first names of every `crate::name` and `crate::{name, name::…}` in a line of code.
fn paths(code: &str) -> Vec<String> {
    let first_name = |path: &str| {
        let end = path.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(path.len());
        path[..end].to_owned()
    };
    let mut names = Vec::new();
    for path in code.split("crate::").skip(1) {
        match path.strip_prefix('{').and_then(|group| group.split('}').next()) {
            Some(group) if path.contains('}') => names.extend(group.split(", ").map(first_name)),
            Some(_) => names.push("a group over several lines".to_owned()),
            None => names.push(first_name(path)),
        }
    }
    names
}

#[test]
fn groups_and_paths_are_told_apart() {
    assert_eq!(paths("use crate::sync::{AtomicU32, Ordering};"), ["sync"]);
    assert_eq!(paths("use crate::{Corrupt, ring};"), ["Corrupt", "ring"]);
    assert_eq!(paths("if crate::BARE || crate::frame::x() {"), ["BARE", "frame"]);
    assert!(may_use("channel", "ring") && may_use("ring", "sync") && may_use("layout", "error"));
    assert!(!may_use("ring", "channel") && !may_use("ring", "wait") && !may_use("sync", "layout"));
    assert!(!may_use("frame", "layout") && !may_use("segment", "ring"));
    assert!(may_use("pipe", "frame") && !may_use("pipe", "channel") && !may_use("channel", "pipe"));
    assert!(may_use("handover", "channel") && may_use("handover", "pipe") && !may_use("channel", "handover"));
}

/// Every ordering names the edge that it is one end of, on its line or the one above.
#[test]
fn every_ordering_names_its_edge() {
    let lines = source();
    let orders = |line: &&Line| {
        let orderings = ["Acquire", "Release", "AcqRel", "SeqCst"].map(|name| format!("Ordering::{name}"));
        let code = line.code();
        // The light and heavy fence are functions of ours; what they do is labelled where they are defined.
        let fence = code.contains("fence(")
            && !["light_fence(", "heavy_fence(", "fn "].iter().any(|ours| code.contains(ours));
        fence || orderings.iter().any(|ordering| code.contains(ordering))
    };
    let labelled = |line: &&Line| line.text.contains("edge:") || line.above.contains("// edge:");
    let unlabelled = lines.iter().filter(orders).filter(|line| !labelled(line));
    assert_none("an ordering without `// edge:` on its line or the one above", unlabelled.map(Line::place));
}

/// Every edge stands in a table, which says who pairs with whom and what that carries.
#[test]
fn every_edge_stands_in_a_table() {
    let lines = source();
    let in_table = |edge: &str| lines.iter().any(|line| line.text.starts_with(&format!("//! | {edge} |")));
    let unknown = lines.iter().filter(|line| {
        let label = line.text.split("// edge: ").nth(1);
        label.is_some_and(|label| !edges(label).all(in_table))
    });
    assert_none("an edge without a row in a table", unknown.map(Line::place));
}

/// The edges in a label such as `claim, take (release); free (acquire)`.
fn edges(label: &str) -> impl Iterator<Item = &str> {
    // What stands in parentheses may have commas of its own, but no edge.
    let outside = label.split(')').map(|part| part.split('(').next().unwrap_or_default());
    let names = outside.flat_map(|part| part.split([',', ';', ':']));
    names.filter_map(|name| name.split_whitespace().next())
}

#[test]
fn edges_are_read_from_labels() {
    let read = |label| edges(label).collect::<Vec<_>>();
    assert_eq!(read("commit (release)"), ["commit"]);
    assert_eq!(read("claim, take (release); free (acquire, when it fails)"), ["claim", "take", "free"]);
}

/// What is swapped for models is swapped in one place.
#[test]
fn atomics_and_models_are_named_in_one_folder() {
    let lines = source();
    let names = ["std::sync::atomic", "core::sync::atomic", "loom::"];
    let outside = lines.iter().filter(|line| line.part() != "sync");
    let named = outside.filter(|line| names.iter().any(|name| line.code().contains(name)));
    assert_none("only sync names atomics or loom", named.map(Line::place));
}

/// A grep for `allow(unsafe_code)` is the list of files to audit.
#[test]
fn unsafe_is_in_the_files_that_allow_it() {
    let lines = source();
    let allows =
        |file: &str| lines.iter().any(|line| line.file == file && line.code().contains("allow(unsafe_code)"));
    let is_unsafe = |line: &&Line| {
        let mut words = line.code().split(|c: char| !c.is_alphanumeric() && c != '_');
        words.any(|word| word == "unsafe")
    };
    let elsewhere = lines.iter().filter(is_unsafe).filter(|line| !allows(&line.file));
    assert_none("unsafe code in a file without `allow(unsafe_code)`", elsewhere.map(Line::place));
}

/// The standard library's sleep may never end where signals keep coming: see `sync::nap`.
#[test]
fn nothing_sleeps_but_by_a_deadline() {
    let lines = source();
    let sleeps = lines.iter().filter(|line| line.code().contains("thread::sleep("));
    assert_none("a sleep that a storm of signals keeps from ending", sleeps.map(Line::place));
}

#[test]
fn nothing_is_left_undone() {
    let lines = source();
    let words = ["todo!", "unimplemented!", "dbg!", "println!", "FIXME", "XXX"];
    let undone = lines.iter().filter(|line| words.iter().any(|word| line.text.contains(word)));
    assert_none("unfinished code", undone.map(Line::place));
}
