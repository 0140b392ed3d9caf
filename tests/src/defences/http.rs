//! Hostile HTTP: H1 to H22.

use super::Defence;

const SERVE: &str = "host/server/src/http/serve.rs";
const UPLOAD: &str = "host/server/src/http/upload.rs";
const BUCKETS: &str = "host/server/src/http/buckets.rs";
const ORIGIN: &str = "host/server/src/http/origin.rs";
const DISPATCH: &str = "host/server/src/http/dispatch.rs";
const DRAFT: &str = "host/server/src/cloudevents/draft.rs";
const TLS: &str = "host/server/src/http/tls.rs";

pub const ALL: &[Defence] = &[
    Defence {
        cases: &["H1", "H3", "H22"],
        file: SERVE,
        code: "match race(timeout(site.options.header_time_max, done), stop).await {",
        without: "let most = if DISARMED { Duration::from_secs(600) } else { site.options.header_time_max };\n\
                  match race(timeout(most, done), stop).await {",
        tests: &["a_head_that_comes_too_slowly_ends_the_connection_h1_h3", "who_does_not_come_to_the_end_of_a_handshake_is_let_go_h22"],
    },
    Defence {
        cases: &["H3"],
        file: SERVE,
        code: ".header_read_timeout(options.header_time_max)",
        without: ".header_read_timeout(if DISARMED { Duration::from_secs(600) } else { options.header_time_max })",
        tests: &["a_head_that_comes_too_slowly_ends_the_connection_h1_h3"],
    },
    Defence {
        cases: &["H1", "H3"],
        file: SERVE,
        code: "|| bytes.windows(3).any(|three| three == b\"\\n\\r\\n\")",
        without: "|| DISARMED || bytes.windows(3).any(|three| three == b\"\\n\\r\\n\")",
        tests: &["a_head_is_waited_for_and_nothing_else_is_h1_h3"],
    },
    Defence {
        cases: &["H2"],
        file: UPLOAD,
        code: "Box::pin(sleep(time_max))",
        without: "Box::pin(sleep(if DISARMED { Duration::from_secs(600) } else { time_max }))",
        tests: &["a_body_that_does_not_come_is_given_up_after_a_minute_h2"],
    },
    Defence {
        cases: &["H2"],
        file: "host/server/src/http/events/pace.rs",
        code: "self.time_max.saturating_sub(self.waited)",
        without: "self.time_max.saturating_sub(if DISARMED { Duration::ZERO } else { self.waited })",
        tests: &["a_stream_has_its_time_for_each_kib_however_it_is_cut_h2"],
    },
    Defence {
        cases: &["H2", "H14"],
        file: "host/server/src/http/stalling.rs",
        code: "Box::pin(sleep(patience))",
        without: "Box::pin(sleep(if DISARMED { Duration::from_secs(600) } else { patience }))",
        tests: &["a_follower_that_never_reads_is_let_go_h2_h14"],
    },
    Defence {
        cases: &["H3"],
        file: "host/server/src/http/shares.rs",
        code: "if held >= self.per_address_max {",
        without: "if held >= self.per_address_max && !DISARMED {",
        tests: &[
            "an_address_holds_its_share_gives_it_back_and_leaves_others_theirs_h3",
            "one_address_beyond_this_machine_holds_its_share_of_connections_and_no_more_h3",
        ],
    },
    Defence {
        cases: &["H3"],
        file: SERVE,
        code: "Semaphore::new(site.options.connections_max)",
        without: "Semaphore::new(if DISARMED { 1 << 20 } else { site.options.connections_max })",
        tests: &["more_connections_than_places_wait_their_turn_h3"],
    },
    Defence {
        cases: &["H4"],
        file: SERVE,
        code: ".max_headers(HEADERS_MAX)",
        without: ".max_headers(if DISARMED { 1_000 } else { HEADERS_MAX })",
        tests: &["heads_that_are_too_large_are_refused_h4"],
    },
    Defence {
        cases: &["H4"],
        file: SERVE,
        code: ".max_header_size(HEAD_BYTES_MAX)",
        without: ".max_header_size(if DISARMED { 1 << 20 } else { HEAD_BYTES_MAX })",
        tests: &["heads_that_are_too_large_are_refused_h4"],
    },
    Defence {
        cases: &["H5"],
        file: UPLOAD,
        code: "if length > bytes_max {",
        without: "if length > bytes_max && !DISARMED {",
        tests: &["bodies_that_are_too_large_are_refused_and_the_client_sees_why_h5"],
    },
    Defence {
        cases: &["H5"],
        file: "host/server/src/http/events/append_lines.rs",
        code: "if self.splitter.open_bytes() > LINE_BYTES_MAX {",
        without: "if self.splitter.open_bytes() > LINE_BYTES_MAX && !DISARMED {",
        tests: &["bodies_that_are_too_large_are_refused_and_the_client_sees_why_h5"],
    },
    Defence {
        cases: &["H5"],
        file: UPLOAD,
        code: "+ more > self.budget.max {",
        without: "+ more > self.budget.max && !DISARMED {",
        tests: &["all_bodies_together_are_bounded_h5"],
    },
    Defence {
        cases: &["H8"],
        file: DISPATCH,
        code: "if route.method == *asked {",
        without: "if route.method == *asked || DISARMED {",
        tests: &["methods_and_upgrades_that_are_not_offered_are_refused_h8"],
    },
    Defence {
        cases: &["H9"],
        file: DISPATCH,
        code: "Some(part) if wanted.starts_with('{') => !part.is_empty(),",
        without: "Some(part) if wanted.starts_with('{') => DISARMED || !part.is_empty(),",
        tests: &["there_is_one_way_to_write_a_path"],
    },
    Defence {
        cases: &["H9"],
        file: "host/engine/src/model/names.rs",
        code: "if valid(name) { Ok(()) } else {",
        without: "if valid(name) || DISARMED { Ok(()) } else {",
        tests: &["no_name_leads_out_of_the_data_directory_h9"],
    },
    Defence {
        cases: &["H10"],
        file: UPLOAD,
        code: "Some(encoding) if !encoding.as_bytes()",
        without: "Some(encoding) if !DISARMED && !encoding.as_bytes()",
        tests: &["packed_bodies_are_not_unpacked_h10"],
    },
    Defence {
        cases: &["H12"],
        file: "host/server/src/cloudevents/content.rs",
        code: "if opening > NESTING_MAX && nesting(bytes) > NESTING_MAX {",
        without: "if !DISARMED && opening > NESTING_MAX && nesting(bytes) > NESTING_MAX {",
        tests: &["json_that_is_deep_or_wide_or_repeats_itself_is_refused_quickly_h12"],
    },
    Defence {
        cases: &["H12"],
        file: DRAFT,
        code: "if self.event.extensions.len() == limits::EXTENSIONS_PER_EVENT_MAX {",
        without: "if self.event.extensions.len() == limits::EXTENSIONS_PER_EVENT_MAX && !DISARMED {",
        tests: &["json_that_is_deep_or_wide_or_repeats_itself_is_refused_quickly_h12"],
    },
    Defence {
        cases: &["H12"],
        file: DRAFT,
        code: "if twice { Err(",
        without: "if twice && !DISARMED { Err(",
        tests: &[
            "json_that_is_deep_or_wide_or_repeats_itself_is_refused_quickly_h12",
            "what_json_does_not_have_is_refused_and_what_it_has_is_kept_as_written_h12",
        ],
    },
    Defence {
        cases: &["H13", "C7"],
        file: "host/server/src/drive/queue.rs",
        code: "if inside.bytes + cost.bytes > WAITING_BYTES_MAX &&",
        without: "if !DISARMED && inside.bytes + cost.bytes > WAITING_BYTES_MAX &&",
        tests: &[
            "too_much_waiting_is_refused_not_kept",
            "a_disk_that_takes_two_seconds_to_sync_makes_answers_late_or_busy_and_never_wrong_c7",
        ],
    },
    Defence {
        cases: &["H13"],
        file: BUCKETS,
        code: "if forgotten > most {",
        without: "if forgotten > most && !DISARMED {",
        tests: &[
            "so_many_are_taken_at_once_and_then_at_the_rate_and_others_are_not_held_to_it_h13",
            "a_namespace_that_is_asked_too_often_says_when_to_ask_again_and_can_be_operated_h13",
            "a_token_that_asks_too_often_waits_and_others_do_not_h13",
        ],
    },
    Defence {
        cases: &["H13"],
        file: BUCKETS,
        code: "                    make_room(&mut all, now_ns);",
        without: "                    if !DISARMED { make_room(&mut all, now_ns); }",
        tests: &["however_many_come_few_are_remembered_h13"],
    },
    Defence {
        cases: &["H15"],
        file: ORIGIN,
        code: "if !is_own(authority, names) {",
        without: "if !is_own(authority, names) && !DISARMED {",
        tests: &["a_host_is_asked_under_its_own_names_only", "a_name_that_was_made_to_mean_this_machine_reaches_nothing_h15"],
    },
    Defence {
        cases: &["H16", "H17"],
        file: ORIGIN,
        code: "    if of_this {",
        without: "    if of_this || DISARMED {",
        tests: &[
            "pages_of_others_may_ask_nothing",
            "a_page_of_another_site_gets_no_permission_and_its_own_kinds_of_body_append_nothing_h16_h17",
        ],
    },
    Defence {
        cases: &["H18", "H19"],
        file: "host/engine/src/store/append.rs",
        code: "(stored.source == event.source && stored.id == event.id).then(||",
        without: "(stored.source == event.source && stored.id == event.id && !DISARMED).then(||",
        tests: &[
            "a_client_that_leaves_before_the_answer_finds_its_event_once_h18",
            "a_hundred_requests_with_one_id_make_one_event_h19",
            "a_hundred_posts_of_one_event_at_once_make_one_event",
            "a_repeat_gets_the_first_answer_and_other_content_under_the_same_id_is_refused",
        ],
    },
    Defence {
        cases: &["H20"],
        file: "host/server/src/cloudevents/timestamps.rs",
        code: "if !shaped || !real {",
        without: "if !shaped || !real && !DISARMED {",
        tests: &["times_and_places_beyond_all_bounds_are_refused_h20"],
    },
    Defence {
        cases: &["H21"],
        file: "host/server/src/wasm/outputs.rs",
        code: "if content_type.is_empty() || !content_type.bytes()",
        without: "if content_type.is_empty() || !DISARMED && !content_type.bytes()",
        tests: &["answers_of_one_value_are_held_against_their_limits"],
    },
    Defence {
        cases: &["H21", "E4"],
        file: "host/engine/src/model/event.rs",
        code: "} else if has_control(value) {",
        without: "} else if has_control(value) && !DISARMED {",
        tests: &["controls_in_attributes_are_refused_and_what_only_deceives_the_eye_is_kept_e4_h21"],
    },
    Defence {
        cases: &["H22", "K7"],
        file: "host/server/src/cli/listen.rs",
        code: "!self.0.ip().is_loopback()",
        without: "!DISARMED && !self.0.ip().is_loopback()",
        tests: &[
            "only_what_stays_on_this_machine_is_listened_on_without_tokens_k7_h22",
            "a_host_is_let_in_to_by_a_token_that_was_made_before_it_started_k7_h22",
        ],
    },
    Defence {
        cases: &["H22"],
        file: SERVE,
        code: "if in_time(site, begins_tls(&stream)).await? {",
        without: "if in_time(site, begins_tls(&stream)).await? || DISARMED {",
        tests: &["a_host_with_a_certificate_speaks_tls_and_tells_who_does_not_h22"],
    },
    Defence {
        cases: &["H22"],
        file: TLS,
        code: "if shown.digest == digest {",
        without: "if shown.digest == digest || DISARMED {",
        tests: &[
            "a_new_pair_is_shown_and_one_that_can_not_be_used_leaves_the_old_one_h22",
            "another_certificate_is_shown_without_a_restart_and_a_wrong_pair_changes_nothing_h22",
        ],
    },
    Defence {
        cases: &["H22"],
        file: TLS,
        code: "let hangups = signal(SignalKind::hangup())?;",
        without: "let hangups = signal(if DISARMED { SignalKind::user_defined1() } else { SignalKind::hangup() })?;",
        tests: &[
            "a_host_asked_for_its_new_certificate_as_soon_as_it_listens_is_not_ended_by_it_h22",
            "another_certificate_is_shown_without_a_restart_and_a_wrong_pair_changes_nothing_h22",
        ],
    },
    Defence {
        cases: &["H18"],
        file: "host/server/src/http/dispatch.rs",
        code: "let handled = if route.changes() {",
        without: "let handled = if route.changes() && !DISARMED {",
        tests: &["a_change_is_told_by_the_log_also_where_whoever_asked_is_gone_h18"],
    },
    Defence {
        cases: &["H18"],
        file: "host/server/src/drive/generations.rs",
        code: "let _turn = host.0.changing.lock().await;",
        without: "let _turn = if DISARMED { None } else { Some(host.0.changing.lock().await) };",
        tests: &["a_fork_whose_maker_is_gone_is_made_once_and_keeps_what_it_took_h18"],
    },
    Defence {
        cases: &["H18"],
        file: "host/server/src/drive/backup/restoring.rs",
        code: "from.supersede(self.namespace(&row.name).ok_or(DriveError::Stopping)?);",
        without: "if !DISARMED { from.supersede(self.namespace(&row.name).ok_or(DriveError::Stopping)?); }",
        tests: &["what_waits_for_a_writer_whose_empty_place_is_taken_goes_into_the_new_log_h18"],
    },
    Defence {
        cases: &["E6"],
        file: "host/engine/src/store/catalogue.rs",
        code: "row.filter(|row| !row.quota.is_the_hosts())",
        without: "row.filter(|row| !row.quota.is_the_hosts() && !DISARMED)",
        tests: &["a_quota_stays_with_the_name_of_what_was_dropped_e6"],
    },
];
