#!/usr/bin/env python3
"""Computes the figures of a flights CSV from the CSV itself, by the rules in ../README.md.

    python3 figures.py flights.csv[.gz]                   what happened, and what the handlers make of it
    python3 figures.py --months flights.csv[.gz]          the rows of the views
    python3 figures.py --rehearse 30 flights.csv[.gz]     what the handlers of a version whose flights are
                                                          late after 30 minutes answer otherwise

`--late 30` computes any of them for functions whose flights are late after 30 minutes, not 15; for a
rehearsal it is what the running version thinks.

An independent check: it shares no code, no library and no intermediate file with the converter or
the handlers, not even a time zone database. Prints one JSON object.
"""

import argparse
import csv
import gzip
import json
from datetime import datetime, timedelta


def first_sunday(year, month):
    first = datetime(year, month, 1)
    return first + timedelta(days=(6 - first.weekday()) % 7)


def new_york_to_utc(local):
    """The law since 2007: summer time from the second Sunday in March to the first in November."""
    begins = first_sunday(local.year, 3) + timedelta(days=7, hours=2)
    ends = first_sunday(local.year, 11) + timedelta(hours=2)
    return local + timedelta(hours=4 if begins <= local < ends else 5)


def number(text):
    return None if text in ("", "NA") else int(text)


def minute_of_day(clock):
    return clock // 100 * 60 + clock % 100


def movements(row):
    """Departure and arrival of one row as (time, rank, flight, ...), or nothing if cancelled."""
    dep_time, arr_time = number(row["dep_time"]), number(row["arr_time"])
    if dep_time is None:
        return
    date = datetime(int(row["year"]), int(row["month"]), int(row["day"]))
    local = date + timedelta(minutes=minute_of_day(int(row["sched_dep_time"])))
    scheduled = new_york_to_utc(local)
    departed = scheduled + timedelta(minutes=int(row["dep_delay"]))
    flight = (row["carrier"], int(row["flight"]), date, row["origin"], scheduled)
    yield departed, 1, flight, "departed", row
    if arr_time is None:
        return
    minutes = number(row["air_time"])
    if minutes is None:  # diverted: when New York's clock next shows the arrival's reading
        minutes = (minute_of_day(arr_time) - minute_of_day(dep_time)) % 1440 or 1440
    yield departed + timedelta(minutes=minutes), 0, flight, "arrived", row


def happened(rows):
    """Counts of rows, and all departures and arrivals in the order of the log."""
    counts = dict.fromkeys(["flights", "scheduled", "departed", "arrived", "cancelled"], 0)
    log = []
    for row in rows:
        counts["flights"] += 1
        counts["scheduled"] += 1
        of_row = list(movements(row))
        log.extend(of_row)
        if not of_row:
            counts["cancelled"] += 1
        for movement in of_row:
            counts[movement[3]] += 1
    log.sort(key=lambda movement: movement[:3])
    return counts, log


def outputs(log, late):
    """What `delays` and `knock-on` answer, each by the flight whose departure is the cause."""
    delayed, knock_ons = {}, {}
    arrivals = {}  # the last one, by tail number
    for _, _, flight, kind, row in log:
        tail = row["tailnum"]
        known = tail not in ("", "NA")
        if kind == "arrived":
            if known:
                arrivals[tail] = flight, number(row["arr_delay"])
            continue
        dep_delay = int(row["dep_delay"])
        if dep_delay <= late:
            continue
        delayed[flight] = dep_delay
        after, arr_delay = arrivals.get(tail, (None, None)) if known else (None, None)
        if arr_delay is not None and arr_delay > late:
            knock_ons[flight] = tail, dep_delay, after, arr_delay
    return delayed, knock_ons


def figures(rows, late):
    counts, log = happened(rows)
    delayed, knock_ons = outputs(log, late)
    return {**counts, "delayed": len(delayed), "knock_ons": len(knock_ons)}


def rehearsal(rows, late, candidate):
    """By function: the events that it reads, and how the candidate's outputs compare with history's.

    Both functions read departures and arrivals alone, none of what the other one answers. So a
    rehearsal, which reads the recorded history, and a retelling, which makes it anew, differ by the same.
    """
    counts, log = happened(rows)
    read = {"delays": counts["departed"], "knock-on": counts["departed"] + counts["arrived"]}
    pairs = zip(read.items(), outputs(log, late), outputs(log, candidate))
    return {function: {"events": events, **compared(old, new)} for (function, events), old, new in pairs}


def compared(old, new):
    both = old.keys() & new.keys()
    equal = sum(old[cause] == new[cause] for cause in both)
    return {
        "equal": equal,
        "new": len(new) - len(both),
        "missing": len(old) - len(both),
        "different": len(both) - equal,
    }


def months(rows, late):
    """Departures by carrier and month of the scheduled departure, as `CARRIER/YYYY-MM`."""
    counts = {}
    for row in rows:
        if number(row["dep_time"]) is None:
            continue
        key = f"{row['carrier']}/{int(row['year']):04}-{int(row['month']):02}"
        month = counts.setdefault(key, {"departed": 0, "delayed": 0, "delay_minutes": 0})
        delay = int(row["dep_delay"])
        month["departed"] += 1
        month["delayed"] += delay > late
        month["delay_minutes"] += delay
    return dict(sorted(counts.items()))


def arguments():
    parser = argparse.ArgumentParser(description="Computes the figures of a flights CSV from the CSV itself.")
    parser.add_argument("--late", type=int, default=15, metavar="MINUTES", help="late is more than this (15)")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--months", action="store_true", help="the rows of the views")
    what.add_argument("--rehearse", type=int, metavar="MINUTES", help="a candidate for which late is more than this")
    parser.add_argument("path", metavar="FLIGHTS.csv[.gz]")
    return parser.parse_args()


def main(chosen):
    opener = gzip.open if chosen.path.endswith(".gz") else open
    with opener(chosen.path, "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if chosen.months:
            computed = months(rows, chosen.late)
        elif chosen.rehearse is not None:
            computed = rehearsal(rows, chosen.late, chosen.rehearse)
        else:
            computed = figures(rows, chosen.late)
        print(json.dumps(computed))


if __name__ == "__main__":
    main(arguments())
