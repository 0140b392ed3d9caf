//! Crashes and faults: C1 to C18.

use super::Defence;

const WRITER: &str = "host/engine/src/store/writer.rs";
const CREATE: &str = "host/engine/src/store/create.rs";
const SPACE: &str = "host/server/src/drive/space.rs";
const SERVE: &str = "host/server/src/http/serve.rs";
const OPEN: &str = "host/engine/src/store/open.rs";
const SIGNALS: &str = "host/server/src/cli/signals.rs";

pub const ALL: &[Defence] = &[
    Defence {
        cases: &["C1", "C2", "C7"],
        file: "host/engine/src/store/apply.rs",
        code: "if planted(Bug::DurabilityNone) {",
        without: "if planted(Bug::DurabilityNone) || DISARMED {",
        tests: &[
            "nothing_acknowledged_is_lost_and_nothing_is_doubled_when_the_host_is_killed_again_and_again",
            "what_is_acknowledged_after_a_kill_at_any_operation_is_there_after_a_power_cut_too",
            "no_seed_breaks_a_promise",
            "a_disk_that_takes_two_seconds_to_sync_makes_answers_late_or_busy_and_never_wrong_c7",
        ],
    },
    Defence {
        cases: &["C2", "C3"],
        file: "host/engine/src/store/folder.rs",
        code: "if planted(Bug::SyncSkipped) {",
        without: "if planted(Bug::SyncSkipped) || DISARMED {",
        tests: &[
            "power_lost_at_any_operation_loses_nothing_when_unsynced_writes_are_lost",
            "power_lost_at_any_operation_loses_nothing_when_unsynced_sectors_are_torn",
            "power_lost_at_any_operation_loses_nothing_when_unsynced_writes_are_reordered",
            "no_acknowledged_event_is_lost_parted_or_doubled_by_thousands_of_power_cuts",
        ],
    },
    Defence {
        cases: &["C3"],
        file: OPEN,
        code: "folder.sync().map_err(StoreError::io(\"the namespace's folder can't be synced\"))?;",
        without: "if !DISARMED { folder.sync().map_err(StoreError::io(\"the namespace's folder can't be synced\"))?; }",
        tests: &["what_is_acknowledged_after_a_kill_at_any_operation_is_there_after_a_power_cut_too"],
    },
    Defence {
        cases: &["C4"],
        file: CREATE,
        code: "let passing = if planted(Bug::NoRenameAtCreation) {",
        without: "let passing = if planted(Bug::NoRenameAtCreation) || DISARMED {",
        tests: &["a_namespace_that_was_made_is_there_after_power_is_lost_at_any_operation"],
    },
    Defence {
        cases: &["C4"],
        file: CREATE,
        code: "if planted(Bug::FolderSyncSkipped) {",
        without: "if planted(Bug::FolderSyncSkipped) || DISARMED {",
        tests: &["a_namespace_that_was_made_is_there_after_power_is_lost_at_any_operation"],
    },
    Defence {
        cases: &["C4"],
        file: "host/engine/src/store/apply.rs",
        code: "    write_row_changes(&transaction, rows, mirror)?;\n",
        without: "    if DISARMED { transaction.commit()?; transaction = shared.head.begin_write()?; }\n    write_row_changes(&transaction, rows, mirror)?;\n",
        tests: &["an_upgrade_and_its_rollback_are_whole_or_not_at_all_when_power_is_lost_at_any_operation"],
    },
    Defence {
        cases: &["C5"],
        file: WRITER,
        code: "            self.shared.poisoned.store(true, Ordering::Release);",
        without: "            if !DISARMED { self.shared.poisoned.store(true, Ordering::Release); }",
        tests: &["nothing_is_acknowledged_after_an_input_output_error_and_nothing_acknowledged_is_lost"],
    },
    Defence {
        cases: &["C5"],
        file: CREATE,
        code: "if failed.load(Ordering::Acquire) {",
        without: "if failed.load(Ordering::Acquire) && !DISARMED {",
        tests: &["a_segment_of_which_any_write_failed_is_never_named"],
    },
    Defence {
        cases: &["C5"],
        file: "host/server/src/drive/committer.rs",
        code: "self.namespace.fail(format!(\"namespace {}: {error}\", self.namespace.name));",
        without: "if !DISARMED { self.namespace.fail(format!(\"namespace {}: {error}\", self.namespace.name)); }",
        tests: &["a_host_whose_disk_fails_ends_in_words_and_has_what_it_acknowledged_c5"],
    },
    Defence {
        cases: &["C6"],
        file: SPACE,
        code: "Some(free_bytes) if free_bytes < needed_bytes =>",
        without: "Some(free_bytes) if free_bytes < needed_bytes && !DISARMED =>",
        tests: &[
            "what_would_leave_less_than_the_reserve_is_refused_with_both_figures_c6",
            "a_host_whose_disk_is_almost_full_reads_and_frees_and_writes_again_by_itself_once_there_is_space_c6",
            "an_import_for_which_there_is_no_space_is_refused_and_leaves_nothing_c6",
        ],
    },
    Defence {
        cases: &["C6"],
        file: WRITER,
        code: "StoreError::Disk(disk) if StoreError::is_full(disk) => StoreError::Full,",
        without: "StoreError::Disk(disk) if StoreError::is_full(disk) && !DISARMED => StoreError::Full,",
        tests: &["a_full_disk_is_told_apart_from_a_broken_one"],
    },
    Defence {
        cases: &["C8"],
        file: "host/engine/src/store/view_file.rs",
        code: "let whole = database.check_integrity()?;",
        without: "let whole = DISARMED || database.check_integrity()?;",
        tests: &["a_file_with_any_byte_changed_opens_as_it_was_or_is_made_new"],
    },
    Defence {
        cases: &["C8"],
        file: "host/engine/src/store/verify.rs",
        code: "if !record.follows(chain) {",
        without: "if !record.follows(chain) && !DISARMED {",
        tests: &["a_byte_that_changed_in_sealed_history_is_found_by_verify_c8"],
    },
    Defence {
        cases: &["C9"],
        file: WRITER,
        code: "self.recorded = self.recorded.max(now);",
        without: "self.recorded = if DISARMED { now } else { self.recorded.max(now) };",
        tests: &["a_time_that_goes_back_is_not_recorded"],
    },
    Defence {
        cases: &["C9"],
        file: "host/engine/src/store/follow.rs",
        code: "store.recorded = store.recorded.max(next.recorded);",
        without: "if !DISARMED { store.recorded = store.recorded.max(next.recorded); }",
        tests: &["recorded_time_never_goes_back_behind_what_was_retold_when_the_clock_was_set_back"],
    },
    Defence {
        cases: &["C11"],
        file: SERVE,
        code: "Err(error) if is_for_good(&error) => return Err(error),",
        without: "Err(error) if is_for_good(&error) || DISARMED => return Err(error),",
        tests: &["a_host_without_file_descriptors_answers_again_once_it_has_some_c11"],
    },
    Defence {
        cases: &["C12"],
        file: SIGNALS,
        code: "std::process::exit(130);",
        without: "if !DISARMED { std::process::exit(130); }",
        tests: &["a_second_signal_ends_a_host_at_once_c12"],
    },
    Defence {
        cases: &["C12"],
        file: SIGNALS,
        code: "signal(SignalKind::terminate())?",
        without: "signal(if DISARMED { SignalKind::user_defined1() } else { SignalKind::terminate() })?",
        tests: &[
            "a_host_that_is_stopped_under_load_keeps_all_that_it_acknowledged_c12",
            "a_graceful_stop_leaves_nothing_to_repair_and_ends_with_success",
        ],
    },
    Defence {
        cases: &["C12"],
        file: "host/server/src/cli/serve.rs",
        code: "let signals = hosting.signals()?;",
        without: "if DISARMED { println!(\"{}\", hosting.url()); std::thread::park_timeout(Duration::from_millis(200)); }\nlet signals = hosting.signals()?;",
        tests: &["a_host_that_is_told_to_stop_as_soon_as_it_listens_stops_gracefully_c12"],
    },
    Defence {
        cases: &["C13"],
        file: "host/engine/src/store/disk.rs",
        code: "self.backend.try_lock_range(start, end)",
        without: "if DISARMED { return Ok(true); }\nself.backend.try_lock_range(start, end)",
        tests: &["a_second_host_on_the_same_data_is_told_that_it_is_in_use", "two_hosts_can_not_have_one_namespace"],
    },
    Defence {
        cases: &["C14"],
        file: "host/engine/src/store/react.rs",
        code: "if row.cursor != plan.from && !unfenced {",
        without: "if row.cursor != plan.from && !unfenced && !DISARMED {",
        tests: &["a_plan_stands_on_the_one_in_flight_and_falls_with_it", "no_seed_breaks_a_promise"],
    },
    Defence {
        cases: &["C15"],
        file: "host/engine/src/store/backup/frames.rs",
        code: "if digest(&mut reader)? != Digest::link(before, &bytes[..at]) || !reader.is_empty() {",
        without: "if digest(&mut reader)? != Digest::link(before, &bytes[..at]) && !DISARMED || !reader.is_empty() {",
        tests: &["a_backup_with_any_byte_changed_or_cut_off_is_refused"],
    },
    Defence {
        cases: &["C16"],
        file: OPEN,
        code: "(on_repair.0)(session.progress())",
        without: "if !DISARMED { (on_repair.0)(session.progress()) }",
        tests: &["how_far_the_repair_of_a_head_is_that_was_not_closed_is_told_c16"],
    },
];
