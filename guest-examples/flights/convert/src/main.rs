//! `flights-convert flights.csv.gz > flights.ndjson`: one CloudEvent a line, in time order.

use std::error::Error;
use std::io::{BufWriter, ErrorKind, Write, stdout};
use std::path::Path;
use std::process::ExitCode;

use flights_convert::Timetable;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(path), None) = (arguments.next(), arguments.next()) else {
        eprintln!("usage: flights-convert FLIGHTS.csv[.gz] > EVENTS.ndjson");
        return ExitCode::from(2);
    };
    match convert(path.as_ref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("flights-convert: {}: {error}", Path::new(&path).display());
            ExitCode::FAILURE
        }
    }
}

/// Writes the events to standard output and the counts to standard error. Whoever reads may stop
/// (`| head`): that is no failure.
fn convert(path: &Path) -> Result<(), Box<dyn Error>> {
    let timetable = Timetable::open(path)?;
    match write(&timetable, &mut BufWriter::with_capacity(1 << 20, stdout().lock())) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
        written => written?,
    }
    let counts = timetable.counts();
    eprintln!("{} flights, {} events: {counts:?}", counts.flights, timetable.len());
    Ok(())
}

fn write(timetable: &Timetable, to: &mut impl Write) -> std::io::Result<()> {
    let mut line = Vec::with_capacity(512);
    for index in 0..timetable.len() {
        line.clear();
        timetable.write_event(index, &mut line);
        line.push(b'\n');
        to.write_all(&line)?;
    }
    to.flush()
}
