//! Every input of the corpora, and every one that has found something, again: on stable Rust, without a fuzzer.

use std::fs;
use std::path::{Path, PathBuf};

use ringway::fuzzing::{TARGETS, run};

/// The files of a folder below this package, in the order of their names.
fn files(folder: &str, target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target);
    let entries = fs::read_dir(&folder).into_iter().flatten();
    let mut files: Vec<_> =
        entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// Shown if an input finds something.
fn replay(target: &str, file: &Path) {
    println!("{target} on {}", file.display());
    run(target, &fs::read(file).expect("an input"));
}

#[test]
fn nothing_is_found_in_the_corpora() {
    for (target, _) in TARGETS {
        let files = files("corpus", target);
        assert!(files.len() >= 5, "a corpus of {target}: {} inputs", files.len());
        files.iter().for_each(|file| replay(target, file));
    }
}

#[test]
fn what_was_found_once_is_not_found_again() {
    let findings = TARGETS
        .iter()
        .flat_map(|(target, _)| files("findings", target).into_iter().map(|file| (*target, file)));
    findings.for_each(|(target, file)| replay(target, &file));
}

/// Inputs cut short, and with a byte changed: not what a fuzzer finds, but on every machine.
#[test]
fn nothing_is_found_near_the_corpora() {
    for (target, _) in TARGETS {
        for (nth, file) in files("corpus", target).iter().enumerate() {
            let whole = fs::read(file).expect("an input");
            for step in 0..24 {
                let at = (step * 31 + nth * 7) % whole.len().max(1);
                let mut changed = whole.clone();
                changed
                    .iter_mut()
                    .skip(at)
                    .take(1)
                    .for_each(|byte| *byte = byte.wrapping_add(1 + step as u8));
                println!("{target} on {}: byte {at} changed by {}, and cut there", file.display(), 1 + step);
                run(target, &changed);
                run(target, &whole[..at]);
            }
        }
    }
}
