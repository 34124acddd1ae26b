//! Bad usage is found before anything happens.

use crate::common::{assert_exit, ringway, text};

#[test]
fn bad_usage_exits_with_2_and_touches_nothing() {
    for arguments in [
        &["send"][..],
        &["send", "a", "b"],
        &["send", ""],
        &["send", "a/b"],
        &["send", "tcp:1"],
        &["recv", "fd:x"],
        &["send", "a", "--chunk", "0"],
        &["send", "a", "--chunk", "many"],
        &["send", "a", "--lines", "--length-prefixed"],
        &["send", "a", "--chunk", "1K", "--lines"],
        &["send", "a", "--tag", "32768"],
        &["send", "a", "--wait", "never"],
        &["recv", "a", "--timeout", "5"],
        &["recv", "a", "--mode", "888"],
        &["recv", "a", "--owner", "nobody-by-name"],
        &["create", "a", "--size", "-1"],
        &["shout"],
        &[],
    ] {
        let output = ringway(arguments).output().expect("ringway");
        assert_exit(&output, 2);
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{arguments:?}");
    }
}

#[test]
fn help_lists_the_exit_codes_and_the_addresses() {
    for command in ["send", "recv"] {
        let help = ringway(&[command, "--help"]).output().expect("ringway --help");
        assert_exit(&help, 0);
        let help = text(&help.stdout);
        for word in ["Exit codes:", "peer dead", "shm:camera", "file:/path", "fd:N", "--length-prefixed"] {
            assert!(help.contains(word), "{command} --help does not mention {word}");
        }
    }
}

#[test]
fn errors_are_plain_text_when_nobody_watches() {
    let output = ringway(&["inspect", "there-is-no-such-ring"]).output().expect("ringway inspect");
    assert_exit(&output, 6);
    assert!(text(&output.stderr).starts_with("error: no ring at "), "{}", text(&output.stderr));
}
