//! The targets' entry. Built for libFuzzer (feature `libfuzzer`), the target is named by `RINGWAY_FUZZ_TARGET`; built
//! without, the program runs a target on files: `fuzz TARGET FILE…`.
#![cfg_attr(feature = "libfuzzer", no_main)]

#[cfg(feature = "libfuzzer")]
libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    static TARGET: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    let named = || std::env::var("RINGWAY_FUZZ_TARGET").expect("RINGWAY_FUZZ_TARGET names a target");
    ringway::fuzzing::run(TARGET.get_or_init(named), data);
});

#[cfg(not(feature = "libfuzzer"))]
fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(target) = arguments.next() else {
        let names = ringway::fuzzing::TARGETS.map(|(name, _)| name);
        return Err(std::io::Error::other(format!(
            "usage: fuzz TARGET FILE…; targets: {}",
            names.join(", ")
        )));
    };
    for file in arguments {
        ringway::fuzzing::run(&target, &std::fs::read(&file)?);
        println!("{file}: nothing found");
    }
    Ok(())
}
