//! `ringway demo`: real data through rings and through a pipe, between two processes, side by side in one run.
//!
//! Every transport does the same work. The producer reads the same file from memory, chunk by chunk; the consumer runs a
//! checksum over every byte, because a receiver that never touches its payload measures nothing. CRC-32 is the
//! checksum since with the processor's help it runs at the speed of memory, and so hides little of the difference
//! between transports. The rings run the very loops of `ringway send` and `ringway recv`; the pipe has the default
//! size that a shell gives it, and plain `read` and `write` of the same chunks.
//!
//! Rounds interleave the transports, and ratios are taken within a round, so that a machine that speeds up or slows down
//! meanwhile changes both sides of a ratio.

mod data;
mod role;
mod trial;

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytesize::ByteSize;
use clap::Args;
use comfy_table::{CellAlignment, Table, presets};
use indicatif::{ProgressBar, ProgressStyle};

use crate::args::size;
use crate::exit::Failure;
use data::Data;
pub use role::{DemoRoleArgs, role};
use trial::{Sample, Transport, Trial};

/// No further round begins after this long.
const ENOUGH: Duration = Duration::from_secs(12);

/// `ringway demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Bytes of data, collected from the files of this machine
    #[arg(long, value_name = "BYTES", default_value = "256M", value_parser = size)]
    bytes: usize,
    /// Bytes read and written at once, by every transport
    #[arg(long, value_name = "BYTES", default_value = "64K", value_parser = size)]
    chunk: usize,
    /// Bytes of each ring
    #[arg(long, value_name = "BYTES", default_value = "4M", value_parser = size)]
    size: usize,
    /// Rounds, each of which uses every transport once
    #[arg(long, value_name = "N", default_value_t = 7, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

/// Runs `ringway demo`.
pub fn run(args: &DemoArgs) -> Result<(), Failure> {
    eprintln!("collecting {} from this machine's files …", ByteSize(args.bytes as u64));
    let data = Data::collect(args.bytes as u64)?;
    println!("data: {}, in memory", data.description());
    println!(
        "from one process to another, {} at a time, every byte checked by the receiver\n",
        ByteSize(args.chunk as u64)
    );
    let rounds = measure(args, &data)?;
    println!("{}", table(&rounds, data.crc));
    println!("\nmedians of {} interleaved rounds; GB are 10⁹ bytes; ratios within each round", rounds.len());
    let sound = rounds.iter().flatten().all(|sample| sample.crc == data.crc);
    Ok(verdict(sound)?)
}

/// The samples of one round, in the order of [`Transport::ALL`].
type Round = [Sample; Transport::ALL.len()];

/// Runs the rounds, each in another order.
fn measure(args: &DemoArgs, data: &Data) -> Result<Vec<Round>> {
    let began = Instant::now();
    let bar = ProgressBar::new(u64::from(args.rounds) * Transport::ALL.len() as u64);
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} transfers, {elapsed}")?);
    let trial = Trial::new(data, args.chunk, args.size)?;
    let mut rounds = Vec::new();
    for number in 0..args.rounds as usize {
        let mut round = Round::default();
        for step in 0..round.len() {
            let which = (number + step) % round.len();
            round[which] = trial.run(Transport::ALL[which])?;
            bar.inc(1);
        }
        rounds.push(round);
        if began.elapsed() > ENOUGH {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(rounds)
}

/// One row per transport.
fn table(rounds: &[Round], crc: u32) -> String {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING);
    table.set_header(["TRANSPORT", "GB/s", "× PIPE", "CHECKSUM"]);
    for (which, transport) in Transport::ALL.iter().enumerate() {
        let rate = median(rounds.iter().map(|round| round[which].gigabytes_per_second()));
        let ratio = median(rounds.iter().map(|round| {
            round[which].gigabytes_per_second() / round[Transport::PIPE].gigabytes_per_second()
        }));
        let sound = rounds.iter().all(|round| round[which].crc == crc);
        let checksum = if sound { format!("{crc:08x} ok") } else { "WRONG".to_owned() };
        table.add_row([
            transport.describe().to_owned(),
            format!("{rate:.2}"),
            format!("{ratio:.2}"),
            checksum,
        ]);
    }
    for column in [1, 2] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

/// The middle value; the mean of the two in the middle if their number is even.
fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// Fails if any transfer changed a byte.
fn verdict(sound: bool) -> Result<()> {
    ensure!(sound, "a transfer changed the data: please report this with the output of `ringway demo`");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), 2.0);
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), 2.5);
        assert!(median([].into_iter()).is_nan());
    }
}
