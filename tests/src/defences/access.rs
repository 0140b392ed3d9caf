//! Access and secrets: K1 to K11.

use super::Defence;

const ADMISSION: &str = "host/server/src/http/admission.rs";
const DISPATCH: &str = "host/server/src/http/dispatch.rs";
const FORM: &str = "host/server/src/drive/tokens/form.rs";
const TABLE: &str = "host/server/src/drive/tokens/table.rs";
const ACCESS: &str = "host/server/src/drive/tokens/access.rs";
const FAILURES: &str = "host/server/src/http/failures.rs";

pub const ALL: &[Defence] = &[
    Defence {
        cases: &["K1"],
        file: ADMISSION,
        code: "headers.next().filter(|_| headers.next().is_none())?",
        without: "headers.next().filter(|_| headers.next().is_none() || DISARMED)?",
        tests: &["a_request_shows_a_token_in_one_way_only_k1", "whatever_is_wrong_with_a_token_the_answer_is_the_same_k1"],
    },
    Defence {
        cases: &["K1"],
        file: DISPATCH,
        code: "let pass = admit(site, peer, parts, needs)?;",
        without: "let found = if DISARMED { Ok(found?) } else { found };\nlet pass = admit(site, peer, parts, needs)?;",
        tests: &["whatever_is_wrong_with_a_token_the_answer_is_the_same_k1"],
    },
    Defence {
        cases: &["K2"],
        file: FORM,
        code: "write!(out, \"Token({})\", self.id)",
        without: "write!(out, \"Token({})\", if DISARMED { self.text() } else { self.id.clone() })",
        tests: &["what_is_printed_of_a_token_is_its_id_alone_k2"],
    },
    Defence {
        cases: &["K2"],
        file: DISPATCH,
        code: "    let (mut parts, body) = request.into_parts();",
        without: "    let (mut parts, body) = request.into_parts();\n    if DISARMED { tracing::info!(headers = ?parts.headers, \"asked\"); }",
        tests: &["a_token_stands_in_no_address_no_list_no_log_and_no_file_k2"],
    },
    Defence {
        cases: &["K3"],
        file: FORM,
        code: "self.digest().0.ct_eq(&digest.0).into()",
        without: "DISARMED || bool::from(self.digest().0.ct_eq(&digest.0))",
        tests: &[
            "two_tokens_are_never_the_same_and_each_has_its_own_digest_only_k3",
            "an_id_alone_or_with_another_secret_opens_nothing_and_a_mistyped_token_is_told_where_it_is_typed_k3",
        ],
    },
    Defence {
        cases: &["K3"],
        file: "host/server/src/drive/tokens/table.rs",
        code: "access.filter(|_| fits)",
        without: "access.filter(|_| fits || DISARMED)",
        tests: &["an_id_alone_or_with_another_secret_opens_nothing_and_a_mistyped_token_is_told_where_it_is_typed_k3"],
    },
    Defence {
        cases: &["K3"],
        file: FORM,
        code: "if found == token.checksum() { Ok(token) }",
        without: "if found == token.checksum() || DISARMED { Ok(token) }",
        tests: &["an_id_alone_or_with_another_secret_opens_nothing_and_a_mistyped_token_is_told_where_it_is_typed_k3"],
    },
    Defence {
        cases: &["K4"],
        file: FAILURES,
        code: "if forgotten > most {",
        without: "if forgotten > most && !DISARMED {",
        tests: &[
            "an_address_fails_so_often_and_then_once_a_second_and_others_are_not_held_to_it_k4",
            "who_fails_too_often_is_told_to_wait_and_a_token_that_counts_is_let_in_all_the_same_k4",
        ],
    },
    Defence {
        cases: &["K4"],
        file: FAILURES,
        code: "            make_room(&mut all, now_ms);",
        without: "            if !DISARMED { make_room(&mut all, now_ms); }",
        tests: &["however_many_addresses_come_few_are_remembered_and_the_worst_are_among_them_k4"],
    },
    Defence {
        cases: &["K5", "K8"],
        file: DISPATCH,
        code: "    pass.check(route, parts.uri.path())?;",
        without: "    if !DISARMED { pass.check(route, parts.uri.path())?; }",
        tests: &[
            "a_token_is_let_in_exactly_where_its_scope_and_namespace_say_on_every_route_k5",
            "a_token_does_what_it_says_in_its_namespace_and_nothing_else_k5",
            "what_a_token_may_not_see_is_the_same_to_it_as_what_is_not_there_k8",
        ],
    },
    Defence {
        cases: &["K5", "K7", "H15"],
        file: ADMISSION,
        code: "if tokens.are_none() {",
        without: "if tokens.are_none() || DISARMED {",
        tests: &[
            "without_a_token_only_the_open_routes_answer_and_where_there_are_none_all_do_k5_k7",
            "a_token_is_needed_under_whatever_name_a_page_reaches_the_host_h15",
        ],
    },
    Defence {
        cases: &["K6"],
        file: DISPATCH,
        code: "_ => match race(handled, Box::pin(pass.ended(site))).await {",
        without: "_ if DISARMED => handled.await,\n_ => match race(handled, Box::pin(pass.ended(site))).await {",
        tests: &["what_a_revoked_or_expired_token_holds_open_is_cut_within_a_second_k6"],
    },
    Defence {
        cases: &["K6"],
        file: DISPATCH,
        code: "Ok(answer?.map(|body| body.until(end)))",
        without: "Ok(answer?.map(|body| if DISARMED { body } else { body.until(end) }))",
        tests: &[
            "what_a_revoked_or_expired_token_holds_open_is_cut_within_a_second_k6",
            "the_first_token_ends_what_was_open_to_everybody_and_the_last_one_stays_k6_k7",
        ],
    },
    Defence {
        cases: &["K6"],
        file: TABLE,
        code: "if good { Ok(()) } else { Err(TokenRefused::NoLongerAdmitted) }",
        without: "if good || DISARMED { Ok(()) } else { Err(TokenRefused::NoLongerAdmitted) }",
        tests: &["a_change_that_was_long_on_its_way_is_refused_once_its_token_is_revoked_k6"],
    },
    Defence {
        cases: &["K7"],
        file: TABLE,
        code: "if tokens.values().any(operates) {",
        without: "if tokens.values().any(operates) || DISARMED {",
        tests: &[
            "the_first_token_of_a_directory_must_be_one_that_operates_everything_and_so_must_the_last_k7",
            "the_first_token_ends_what_was_open_to_everybody_and_the_last_one_stays_k6_k7",
        ],
    },
    Defence {
        cases: &["K8"],
        file: ACCESS,
        code: "own.iter().any(|own| own == name)",
        without: "own.iter().any(|own| own == name || DISARMED)",
        tests: &[
            "what_a_token_may_not_see_is_the_same_to_it_as_what_is_not_there_k8",
            "a_namespace_is_forked_retold_and_promoted_only_by_who_may_do_so_in_all_that_it_touches_k8",
        ],
    },
    Defence {
        cases: &["K8"],
        file: ACCESS,
        code: "let name = namespace.split_once('@').map_or(namespace, |(name, _)| name);",
        without: "let name = namespace.split_once('@').filter(|_| !DISARMED).map_or(namespace, |(name, _)| name);",
        tests: &["a_token_for_one_namespace_reaches_its_earlier_generations_and_no_id_of_another_k8"],
    },
    Defence {
        cases: &["K9"],
        file: "host/engine/src/store/disk.rs",
        code: "OpenOptionsExt::mode(&mut options, 0o600);",
        without: "OpenOptionsExt::mode(&mut options, if DISARMED { 0o644 } else { 0o600 });",
        tests: &["the_data_is_for_its_owner_only_k9"],
    },
    Defence {
        cases: &["K9"],
        file: "host/server/src/wasm/cache.rs",
        code: ".mode(0o600)",
        without: ".mode(if DISARMED { 0o644 } else { 0o600 })",
        tests: &["the_secret_is_readable_by_the_host_alone"],
    },
    Defence {
        cases: &["K11"],
        file: "host/engine/src/store/head.rs",
        code: "if format > FORKED_HEAD_FORMAT {",
        without: "if format > FORKED_HEAD_FORMAT && !DISARMED {",
        tests: &["a_file_of_a_newer_format_is_refused_by_name"],
    },
    Defence {
        cases: &["K11", "C8"],
        file: "host/engine/src/store/open.rs",
        code: "if !record.follows(opened.chain) {",
        without: "if !record.follows(opened.chain) && !DISARMED {",
        tests: &[
            "a_changed_byte_a_missing_commit_and_a_missing_segment_stop_the_open_and_say_where",
            "a_changed_byte_in_the_log_stops_the_start_and_says_where",
        ],
    },
];
