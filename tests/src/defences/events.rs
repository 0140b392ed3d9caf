//! Hostile events: E1 to E10.

use super::Defence;

const CONNECT: &str = "host/server/src/drive/outside/connect.rs";
const CLIENT: &str = "host/server/src/drive/outside/client.rs";
const ADDRESSES: &str = "host/server/src/drive/outside/addresses.rs";

pub const ALL: &[Defence] = &[
    Defence {
        cases: &["E1"],
        file: "host/server/src/http/dispatch.rs",
        code: "    as_data(&mut response);",
        without: "    if !DISARMED { as_data(&mut response); }",
        tests: &["no_answer_may_be_taken_for_a_page_e1"],
    },
    Defence {
        cases: &["E2"],
        file: "host/server/src/http/ingress.rs",
        code: "    body::own_words(&mut response);",
        without: "    if !DISARMED { body::own_words(&mut response); }",
        tests: &["a_function_answers_in_its_own_words_but_sets_no_header_of_the_hosts"],
    },
    Defence {
        cases: &["E2"],
        file: "host/server/src/http/ingress.rs",
        code: "if OWN.contains(&name_of) {",
        without: "if OWN.contains(&name_of) && !DISARMED {",
        tests: &["a_function_answers_in_its_own_words_but_sets_no_header_of_the_hosts"],
    },
    Defence {
        cases: &["E3"],
        file: "host/engine/src/model/event.rs",
        code: "if self.data.len() > limits::EVENT_BYTES_MAX {",
        without: "if self.data.len() > limits::EVENT_BYTES_MAX && !DISARMED {",
        tests: &["an_event_of_the_largest_size_is_taken_and_a_byte_more_is_not_e3"],
    },
    Defence {
        cases: &["E4"],
        file: "host/server/src/cloudevents/draft.rs",
        code: "Data::Bytes(bytes) => Ok(bytes.to_vec()),",
        without: "Data::Bytes(bytes) if DISARMED => Ok(String::from_utf8_lossy(bytes).into_owned().into_bytes()),\n\
                  Data::Bytes(bytes) => Ok(bytes.to_vec()),",
        tests: &["data_of_any_kind_comes_back_byte_for_byte"],
    },
    Defence {
        cases: &["E5"],
        file: "host/engine/src/run/read_on.rs",
        code: "let behind = !subject.is_empty() &&",
        without: "let behind = !DISARMED && !subject.is_empty() &&",
        tests: &[
            "the_last_attempt_parks_the_event_and_what_follows_of_its_subject_waits_behind_it",
            "a_guests_fault_costs_its_own_event_and_says_what_it_was",
        ],
    },
    Defence {
        cases: &["E7"],
        file: CONNECT,
        code: "find(|address| !self.outside.allows_address(address.ip()))",
        without: "find(|address| !DISARMED && !self.outside.allows_address(address.ip()))",
        tests: &["an_address_that_is_not_public_is_refused_in_whatever_form_it_comes", "what_may_not_leave_does_not_and_it_is_told_why"],
    },
    Defence {
        cases: &["E7"],
        file: ADDRESSES,
        code: "IpAddr::V6(address) => embedded(address).map_or(",
        without: "IpAddr::V6(address) => embedded(address).filter(|_| !DISARMED).map_or(",
        tests: &["what_is_not_on_the_internet_is_not_public_in_whatever_form_it_comes"],
    },
    Defence {
        cases: &["E7"],
        file: ADDRESSES,
        code: "|| (a == 169 && b == 254)",
        without: "|| (a == 169 && b == 254 && !DISARMED)",
        tests: &["what_is_not_on_the_internet_is_not_public_in_whatever_form_it_comes"],
    },
    Defence {
        cases: &["E7"],
        file: CLIENT,
        code: "if !self.outside.allows_host(authority) {",
        without: "if !self.outside.allows_host(authority) && !DISARMED {",
        tests: &["what_may_not_leave_does_not_and_it_is_told_why"],
    },
    Defence {
        cases: &["E8"],
        file: CONNECT,
        code: "let stream = self.reach(target, &self.resolve(target).await?).await?;",
        without: "let checked = self.resolve(target).await?;\n\
                  let again = if DISARMED { (self.names)(&target.host, target.port).await.unwrap_or_default() } else { checked };\n\
                  let stream = self.reach(target, &again).await?;",
        tests: &["a_name_is_looked_up_once_a_connection_and_everything_that_it_stands_for_at_that_time_is_looked_at"],
    },
    Defence {
        cases: &["E9", "E7"],
        file: CLIENT,
        code: "let room = ANSWER_BYTES_MAX - read.len();",
        without: "let room = if DISARMED { 1 << 28 } else { ANSWER_BYTES_MAX - read.len() };",
        tests: &["an_answer_without_end_is_read_up_to_one_and_a_redirect_is_only_an_answer"],
    },
    Defence {
        cases: &["E9"],
        file: CLIENT,
        code: "tokio::time::timeout(timeout, self.exchange(",
        without: "tokio::time::timeout(if DISARMED { Duration::from_secs(600) } else { timeout }, self.exchange(",
        tests: &["what_does_not_answer_as_it_should_is_told_apart"],
    },
    Defence {
        cases: &["E10"],
        file: "host/server/src/drive/outbox/filling.rs",
        code: "HeaderValue::try_from(&request.id)",
        without: "HeaderValue::try_from(if DISARMED { format!(\"{:?}\", std::time::Instant::now()).replace(' ', \"\") } else { request.id.clone() })",
        tests: &["what_may_pass_is_sent_again_under_the_same_key_until_there_is_a_reply"],
    },
    Defence {
        cases: &["E10"],
        file: "host/engine/src/store/outside/reply.rs",
        code: "&& !planted(Bug::ReplyCountedTwice)",
        without: "&& !planted(Bug::ReplyCountedTwice) && !DISARMED",
        tests: &["no_timer_is_lost_early_or_twice_and_no_reply_counts_twice"],
    },
];
