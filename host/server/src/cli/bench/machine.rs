//! What this machine can do at best, beside which the host's figures are read.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use redb::{Database, TableDefinition};
use serde_json::value::RawValue;

use super::samples::Latencies;
use crate::cli::clock;

const PAGE_BYTES: usize = 4096;
const ROW_BYTES: usize = 300;
pub const EVENTS_PER_BLOCK: usize = 1_000;
const ROWS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("rows");

pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The load of the last minute, if others use a good part of this machine; Linux tells it.
pub fn busy() -> Option<f64> {
    let load: f64 = std::fs::read_to_string("/proc/loadavg").ok()?.split(' ').next()?.parse().ok()?;
    (load > cores() as f64 / 2.0).then_some(load)
}

/// In microseconds, at the median: 4 KiB at the end of a file, and fdatasync.
pub fn append_and_fdatasync(folder: &Path, length: Duration) -> Result<f64> {
    let path = folder.join("bare");
    let mut file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    let page = [0x5a; PAGE_BYTES];
    let mut latencies = repeat(length, || {
        file.write_all(&page)?;
        Ok(file.sync_data()?)
    })?;
    std::fs::remove_file(&path)?;
    Ok(latencies.percentile_us(50))
}

/// In microseconds, at the median: one small row, committed durably by redb.
pub fn redb_commit(folder: &Path, length: Duration) -> Result<f64> {
    Ok(redb(folder, length, ROW_BYTES)?.percentile_us(50))
}

/// Events a second in blocks of `EVENTS_PER_BLOCK`, a commit each.
pub fn redb_blocks(folder: &Path, length: Duration, event_bytes: usize) -> Result<f64> {
    let started = clock::now();
    let commits = redb(folder, length, EVENTS_PER_BLOCK * event_bytes)?.count();
    Ok((commits * EVENTS_PER_BLOCK) as f64 / started.elapsed().as_secs_f64())
}

/// Events a second whose data is decoded from JSON, on all cores, and nothing else: what bounds whoever gives each event to
/// code. These lines are events as the bench appends them.
pub fn decoding(lines: &[u8], length: Duration) -> Result<f64> {
    #[derive(serde::Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        data: &'a RawValue,
    }
    #[derive(serde::Deserialize)]
    struct Order {
        quantity: u64,
        unit_price: u64,
    }
    let lines = lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let data: Vec<&str> = lines.map(|line| Ok(serde_json::from_slice::<Line<'_>>(line)?.data.get())).collect::<Result<_>>()?;
    let until_over = || -> Result<f64> {
        let (started, mut rounds, mut total) = (clock::now(), 0, 0);
        while started.elapsed() < length {
            for data in &data {
                let Order { quantity, unit_price } = serde_json::from_str(data)?;
                total += quantity * unit_price;
            }
            rounds += 1;
        }
        std::hint::black_box(total);
        Ok((rounds * data.len()) as f64 / started.elapsed().as_secs_f64())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..cores()).map(|_| scope.spawn(until_over)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap_or_else(|_| bail!("a thread that decodes has panicked"))).sum()
    })
}

fn redb(folder: &Path, length: Duration, value_bytes: usize) -> Result<Latencies> {
    let path = folder.join("bare.redb");
    let database = Database::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    let value = vec![0x5a; value_bytes];
    let mut key = 0;
    let latencies = repeat(length, || {
        let write = database.begin_write()?;
        write.open_table(ROWS)?.insert(key, value.as_slice())?;
        key += 1;
        Ok(write.commit()?)
    });
    drop(database);
    std::fs::remove_file(&path)?;
    latencies
}

fn repeat(length: Duration, mut step: impl FnMut() -> Result<()>) -> Result<Latencies> {
    let mut latencies = Latencies::default();
    let started = clock::now();
    while started.elapsed() < length {
        let begun = clock::now();
        step()?;
        latencies.add(begun.elapsed());
    }
    Ok(latencies)
}
