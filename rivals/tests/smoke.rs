//! One short round of everything: every queue carries its messages, alone and in crowds, and nothing is left behind.

use std::process::Command;

#[test]
fn every_queue_carries_its_messages() {
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_rivals"))
            .args(["mpmc", "--seconds", "0", "--sample", "1"])
            .args(arguments)
            .output()
            .expect("the bench starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(&["--sizes", "8,64", "--pairs", "alone,1x1,2x2"]);
    run(&["--sizes", "16,128", "--pairs", "3x1,1x3", "--pauses", "1", "--cores", "1,0"]);
}
