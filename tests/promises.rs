//! `docs/promises.md` says what ringway promises, and which tests hold it: here those are looked up.
//!
//! A row's last cell names its tests in backquotes: `folder/file.rs::name`, or `crash-matrix: KIND/OPERATION` for a row
//! of the generated table in `docs/crash-matrix.md`.

use std::fmt;
use std::fs;
use std::io::Write;
use std::path::Path;

/// The chapters that there must be, and the fewest rows of each.
const CHAPTERS: [(&str, usize); 3] = [("Crashes", 40), ("Trust", 15), ("Surroundings", 15)];

/// Where a promise is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Proof {
    /// A test function in a file.
    Test { file: String, name: String },
    /// An operation of the crash matrix.
    Matrix { kind: String, operation: String },
}

/// A promise: a row of a table.
#[derive(Debug)]
struct Promise {
    line: usize,
    chapter: String,
    /// What its last cell names; the text of one that names no test.
    proofs: Vec<Result<Proof, String>>,
}

/// What is wrong with a row.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    line: usize,
    why: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "docs/promises.md:{}: {}", self.line, self.why)
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// The cells of a table's line.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split('|').map(str::trim).collect())
}

/// Is this the line between a table's head and its rows?
fn is_rule(cells: &[&str]) -> bool {
    cells.iter().all(|cell| !cell.is_empty() && cell.chars().all(|c| matches!(c, '-' | ':')))
}

/// What stands in backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

fn proof(text: &str) -> Result<Proof, String> {
    let unknown = || format!("`{text}` names neither a test nor an operation of the crash matrix");
    if let Some(operation) = text.strip_prefix("crash-matrix: ") {
        let (kind, operation) = operation.split_once('/').ok_or_else(unknown)?;
        return Ok(Proof::Matrix { kind: kind.to_owned(), operation: operation.to_owned() });
    }
    let (file, name) = text.split_once("::").ok_or_else(unknown)?;
    let name = name.strip_prefix("tests::").unwrap_or(name);
    let is_word = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if !is_word || !file.ends_with(".rs") {
        return Err(unknown());
    }
    Ok(Proof::Test { file: file.to_owned(), name: name.to_owned() })
}

/// Every row of every table.
fn promises(text: &str) -> Result<Vec<Promise>, Fault> {
    let mut promises = Vec::new();
    let (mut chapter, mut columns) = ("", 0);
    for (line, text) in (1..).zip(text.lines()) {
        if let Some(title) = text.strip_prefix("## ") {
            chapter = title;
        }
        let Some(cells) = cells(text) else {
            columns = 0;
            continue;
        };
        let fault = |why: &str| Fault { line, why: why.to_owned() };
        match cells.last() {
            Some(&"test") if columns == 0 => columns = cells.len(),
            _ if columns == 0 => return Err(fault("a table whose last column is not `test`")),
            _ if cells.len() != columns => {
                return Err(fault("more or fewer cells than the table's head has"));
            }
            _ if is_rule(&cells) => {}
            last => {
                let proofs = quoted(last.unwrap_or(&"")).map(proof).collect();
                promises.push(Promise { line, chapter: chapter.to_owned(), proofs });
            }
        }
    }
    Ok(promises)
}

/// Does the source have a test of this name?
fn has_test(source: &str, name: &str) -> bool {
    let head = format!("fn {name}(");
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let is_test = |at: usize| {
        // Only attributes and comments may stand between a test's mark and its head.
        let above =
            lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("//"));
        above.into_iter().any(|line| *line == "#[test]")
    };
    lines.iter().enumerate().any(|(at, line)| line.starts_with(&head) && is_test(at))
}

/// Does the generated table have a row for this operation?
fn has_operation(matrix: &str, kind: &str, operation: &str) -> bool {
    let plain = |cell: &str| cell.trim_matches('`').to_owned();
    let rows = matrix.lines().filter_map(cells).map(|row| row.into_iter().map(plain).collect::<Vec<_>>());
    let has = |row: &[String], cell: &str| row.iter().any(|other| other == cell);
    let together = format!("{kind}/{operation}");
    rows.into_iter().any(|row| has(&row, &together) || has(&row, kind) && has(&row, operation))
}

/// What is wrong with one proof; `matrix`: the generated table, if it is there.
fn missing(
    proof: &Result<Proof, String>,
    source: impl Fn(&str) -> Option<String>,
    matrix: Option<&str>,
) -> Option<String> {
    match proof {
        Err(why) => Some(why.clone()),
        Ok(Proof::Test { file, name }) => match source(file) {
            None => Some(format!("there is no file {file}")),
            Some(source) if has_test(&source, name) => None,
            Some(_) => Some(format!("{file} has no test {name}")),
        },
        Ok(Proof::Matrix { kind, operation }) => {
            let is_missing = matrix.is_some_and(|matrix| !has_operation(matrix, kind, operation));
            is_missing.then(|| format!("docs/crash-matrix.md has no row for {kind}/{operation}"))
        }
    }
}

/// All that is wrong with these promises.
fn faults(promises: &[Promise], source: impl Fn(&str) -> Option<String>, matrix: Option<&str>) -> Vec<Fault> {
    let mut faults = Vec::new();
    for Promise { line, proofs, .. } in promises {
        if proofs.is_empty() {
            faults.push(Fault { line: *line, why: "no test is named".to_owned() });
        }
        let missing = proofs.iter().filter_map(|proof| missing(proof, &source, matrix));
        faults.extend(missing.map(|why| Fault { line: *line, why }));
    }
    faults
}

#[test]
fn every_promise_names_tests_that_exist() {
    let text = read("docs/promises.md").expect("the promises");
    let promises = promises(&text).unwrap_or_else(|fault| panic!("{fault}"));
    let matrix = read("docs/crash-matrix.md");
    if matrix.is_none() {
        // Past the harness, which would keep it from being seen.
        let _ = writeln!(std::io::stderr(), "SKIPPED: docs/crash-matrix.md is not there to look rows up");
    }
    let faults: Vec<String> =
        faults(&promises, read, matrix.as_deref()).iter().map(Fault::to_string).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn every_chapter_is_there() {
    let text = read("docs/promises.md").expect("the promises");
    let promises = promises(&text).unwrap_or_else(|fault| panic!("{fault}"));
    for (chapter, least) in CHAPTERS {
        let rows = promises.iter().filter(|promise| promise.chapter == chapter).count();
        assert!(rows >= least, "{chapter}: {rows} rows");
    }
}

/// A table with this row, and what is wrong with it.
fn faults_of(row: &str) -> Vec<String> {
    let text = format!("## Crashes\n\n| killed while | test |\n|---|---|\n{row}\n");
    let source = |file: &str| {
        let text = "#[test]\n/// Why.\nfn is_tested() {\n}\n\nfn helps() {\n}\n";
        (file == "tests/some.rs").then(|| text.to_owned())
    };
    let matrix = "| kind | operation | points |\n|---|---|---|\n| spsc | send | 12 |\n";
    match promises(&text) {
        Ok(promises) => faults(&promises, source, Some(matrix)).into_iter().map(|fault| fault.why).collect(),
        Err(fault) => vec![fault.why],
    }
}

#[test]
fn a_good_row_has_no_fault() {
    assert!(faults_of("| sending | `tests/some.rs::is_tested`, `crash-matrix: spsc/send` |").is_empty());
    assert!(faults_of("| sending | `tests/some.rs::tests::is_tested` |").is_empty());
}

#[test]
fn a_bad_row_is_found() {
    for (row, expected) in [
        ("| sending | |", "no test is named"),
        ("| sending | tested somewhere |", "no test is named"),
        ("| sending | `tests/some.rs::is_forgotten` |", "tests/some.rs has no test is_forgotten"),
        ("| sending | `tests/some.rs::helps` |", "tests/some.rs has no test helps"),
        ("| sending | `tests/some.rs::is_test` |", "tests/some.rs has no test is_test"),
        ("| sending | `tests/none.rs::is_tested` |", "there is no file tests/none.rs"),
        ("| sending | `tests/some.rs` |", "names neither"),
        ("| sending | `crash-matrix: mpmc/send` |", "no row for mpmc/send"),
        ("| sending | `crash-matrix: spsc/sen` |", "no row for spsc/sen"),
        ("| sending | `tests/some.rs::is_tested` | more |", "more or fewer cells"),
    ] {
        let faults = faults_of(row);
        assert!(faults.iter().any(|why| why.contains(expected)), "{row}: {faults:?}");
    }
}

#[test]
fn a_table_without_tests_is_found() {
    let found = promises("| who | what |\n|---|---|\n| a member | anything |\n").map(|_| ());
    assert_eq!(found.expect_err("refused").line, 1);
}
