#!/usr/bin/env python3
"""Computes the figures of a flights CSV from the CSV itself, by the rules in ../README.md.

    python3 figures.py flights.csv[.gz]             what happened, and what the handlers make of it
    python3 figures.py --months flights.csv[.gz]    the rows of the views

An independent check: it shares no code, no library and no intermediate file with the converter or
the handlers, not even a time zone database. Prints one JSON object.
"""

import csv
import gzip
import json
import sys
from datetime import datetime, timedelta

LATE_MINUTES = 15


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


def figures(rows):
    counts = dict.fromkeys(
        ["flights", "scheduled", "departed", "arrived", "cancelled", "delayed", "knock_ons"], 0
    )
    happened = []
    for row in rows:
        counts["flights"] += 1
        counts["scheduled"] += 1
        of_row = list(movements(row))
        happened.extend(of_row)
        if not of_row:
            counts["cancelled"] += 1
    happened.sort(key=lambda movement: movement[:3])
    arr_delays = {}  # of the last arrival, by tail number
    for _, _, _, kind, row in happened:
        counts[kind] += 1
        tail = row["tailnum"]
        known = tail not in ("", "NA")
        if kind == "arrived":
            if known:
                arr_delays[tail] = number(row["arr_delay"])
        elif int(row["dep_delay"]) > LATE_MINUTES:
            counts["delayed"] += 1
            last = arr_delays.get(tail) if known else None
            if last is not None and last > LATE_MINUTES:
                counts["knock_ons"] += 1
    return counts


def months(rows):
    """Departures by carrier and month of the scheduled departure, as `CARRIER/YYYY-MM`."""
    counts = {}
    for row in rows:
        if number(row["dep_time"]) is None:
            continue
        key = f"{row['carrier']}/{int(row['year']):04}-{int(row['month']):02}"
        month = counts.setdefault(key, {"departed": 0, "delayed": 0, "delay_minutes": 0})
        delay = int(row["dep_delay"])
        month["departed"] += 1
        month["delayed"] += delay > LATE_MINUTES
        month["delay_minutes"] += delay
    return dict(sorted(counts.items()))


def main(computed, path):
    opener = gzip.open if path.endswith(".gz") else open
    with opener(path, "rt", encoding="utf-8", newline="") as file:
        print(json.dumps(computed(csv.DictReader(file))))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    computed = figures
    if arguments[:1] == ["--months"]:
        computed = months
        del arguments[0]
    if len(arguments) != 1:
        sys.exit("usage: figures.py [--months] FLIGHTS.csv[.gz]")
    main(computed, arguments[0])
