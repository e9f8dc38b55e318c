//! What is said about a config that cannot be used: one test for each thing that can be wrong. Always exit code 2.

use insta::assert_snapshot;

use crate::process::Place;

const STORE: &str = "[event_store]\nurl = \"postgres://me@db/zitadel\"\n";
const TARGET: &str =
    "[[target]]\nname = \"crm\"\nendpoint = \"https://crm.example.com/\"\nsigning_key = \"hush-hush\"\n";

fn refused(config: &str) -> String {
    let done = Place::new().write("postrider.toml", config).run(&["cursor", "list"]);
    assert_eq!(done.code, 2, "{}", done.err);
    assert!(!done.err.contains("hush"), "a secret is shown: {}", done.err);
    done.err
}

fn refused_target(line: &str) -> String {
    refused(&format!("{STORE}{TARGET}{line}\n"))
}

fn refused_execution(lines: &str) -> String {
    refused(&format!("{STORE}{TARGET}[[execution]]\n{lines}\n"))
}

fn refused_environment(environment: &[(&str, &str)]) -> String {
    let done = Place::new().run_with(&["cursor", "list"], environment);
    assert_eq!(done.code, 2, "{}", done.err);
    done.err
}

#[test]
fn no_event_store() {
    assert_snapshot!(refused(""));
}

#[test]
fn a_config_file_that_is_not_there() {
    assert_snapshot!(Place::new().run(&["-c", "other.toml", "cursor", "list"]).err);
}

#[test]
fn no_toml() {
    assert_snapshot!(refused("[event_store]\nurl = \"postgres://me:hush@db/zitadel\n"));
}

#[test]
fn an_unknown_section() {
    assert_snapshot!(refused("[projections]\nbulk_limit = 1\n"));
}

#[test]
fn an_unknown_key() {
    assert_snapshot!(refused(&format!("{STORE}[projection]\nbulk_limits = 1\n")));
}

#[test]
fn an_unknown_key_of_a_nested_table() {
    assert_snapshot!(refused(&format!("{STORE}[delivery.egress]\nallowed = []\n")));
}

#[test]
fn an_unknown_key_of_a_target() {
    assert_snapshot!(refused_target("end_point = \"https://crm.example.com/\""));
}

#[test]
fn an_unknown_key_of_an_execution() {
    assert_snapshot!(refused_execution("condition = { all = true }\ntarget = [\"crm\"]"));
}

#[test]
fn an_unknown_key_of_a_signing_key() {
    assert_snapshot!(refused_target("signing_keys = [{ environment = \"KEY\" }]"));
}

#[test]
fn an_unknown_key_in_the_environment() {
    assert_snapshot!(refused_environment(&[("POSTRIDER_PROJECTION__BULK_LIMITS", "1")]));
}

#[test]
fn one_underscore_too_few_in_the_environment() {
    assert_snapshot!(refused_environment(&[("POSTRIDER_EVENT_STORE_URL", "postgres://db/zitadel")]));
}

#[test]
fn a_log_level_that_would_be_taken_for_the_name_of_a_module() {
    assert_snapshot!(refused(&format!("{STORE}[log]\nlevel = \"loud\"\n")));
}

#[test]
fn a_duration_without_a_unit() {
    assert_snapshot!(refused(&format!("{STORE}[projection]\npoll_interval = 50\n")));
}

#[test]
fn a_duration_that_is_none() {
    assert_snapshot!(refused(&format!("{STORE}[projection]\npoll_interval = \"soon\"\n")));
}

#[test]
fn an_unknown_word() {
    assert_snapshot!(refused(&format!("{STORE}[projection]\non_exhausted = \"parked\"\n")));
}

#[test]
fn numbers_that_make_no_sense() {
    let numbers = "[projection]\nbulk_limit = 0\nretry_failed_after = \"1h\"\n[lease]\nduration = \"10ms\"\n";
    assert_snapshot!(refused(&format!("{STORE}{numbers}")));
}

#[test]
fn an_event_store_of_another_kind() {
    assert_snapshot!(refused("[event_store]\nurl = \"mysql://me:hush@db/events\"\n"));
}

#[test]
fn a_url_in_two_ways() {
    assert_snapshot!(refused(&format!("{STORE}url_env = \"URL\"\n")));
}

#[test]
fn a_url_in_a_variable_that_is_not_set() {
    assert_snapshot!(refused("[event_store]\nurl_env = \"ZITADEL_URL\"\n"));
}

#[test]
fn a_url_in_a_file_that_is_not_there() {
    assert_snapshot!(refused("[event_store]\nurl_file = \"/nowhere/url\"\n"));
}

#[test]
fn a_custom_profile_without_a_table() {
    assert_snapshot!(refused("[event_store]\nurl = \"postgres://db/app\"\nprofile = \"custom\"\n"));
}

#[test]
fn columns_of_zitadel() {
    assert_snapshot!(refused(&format!("{STORE}[event_store.columns]\nposition = \"id\"\n")));
}

#[test]
fn a_state_in_the_file_of_the_events() {
    assert_snapshot!(refused("[event_store]\nurl = \"sqlite:///dir/a.db\"\n[state]\nurl = \"sqlite:///dir/a.db\"\n"));
}

#[test]
fn an_exception_for_no_address() {
    assert_snapshot!(refused(&format!("{STORE}[delivery.egress]\nallow = [\"10.0.0.0/64\"]\n")));
}

#[test]
fn an_admin_address_that_is_none() {
    assert_snapshot!(refused(&format!("{STORE}[admin]\nlisten = \"8788\"\n")));
}

#[test]
fn two_targets_of_one_name() {
    assert_snapshot!(refused(&format!("{STORE}{TARGET}{TARGET}")));
}

#[test]
fn an_execution_of_a_target_that_is_missing() {
    assert_snapshot!(refused_execution("condition = { all = true }\ntargets = [\"cmr\"]"));
}

#[test]
fn an_execution_that_includes_itself() {
    assert_snapshot!(refused_execution("condition = { all = true }\ntargets = [{ include = { all = true } }]"));
}

#[test]
fn two_conditions_in_one() {
    assert_snapshot!(refused_execution("condition = { all = true, event = \"user.added\" }\ntargets = [\"crm\"]"));
}

#[test]
fn a_condition_that_is_not_for_events() {
    assert_snapshot!(refused_execution("condition = { request = { all = true } }\ntargets = [\"crm\"]"));
}

#[test]
fn an_event_type_with_a_star() {
    assert_snapshot!(refused_execution("condition = { event = \"user.*\" }\ntargets = [\"crm\"]"));
}

#[test]
fn an_endpoint_that_is_no_url() {
    assert_snapshot!(refused(&format!("{STORE}{}", TARGET.replace("https://crm.example.com/", "crm.example.com"))));
}

#[test]
fn an_endpoint_with_credentials() {
    assert_snapshot!(refused(&format!("{STORE}{}", TARGET.replace("https://", "https://me:hush@"))));
}

#[test]
fn a_target_without_a_signing_key() {
    assert_snapshot!(refused(&format!("{STORE}{}", TARGET.replace("signing_key = \"hush-hush\"\n", ""))));
}

#[test]
fn a_signing_key_that_is_a_number() {
    assert_snapshot!(refused(&format!("{STORE}{}", TARGET.replace("\"hush-hush\"", "12345"))));
}

#[test]
fn limits_that_are_none() {
    let limits = "rate_limit = \"10 a second\"\nrate_burst = 0\nmax_request = 0\nmax_answer = \"2MiB\"";
    assert_snapshot!(refused_target(limits));
}

#[test]
fn a_burst_without_a_rate() {
    assert_snapshot!(refused_target("rate_burst = 5"));
}

#[test]
fn a_size_that_is_none() {
    assert_snapshot!(refused_target("max_request = \"a lot\""));
}

#[test]
fn a_log_and_a_retention_that_make_no_sense() {
    let numbers = "[delivery]\nlog_sample = 1.5\n[retention]\ndeliveries_per_target = 0\nparked = \"0s\"\n";
    assert_snapshot!(refused(&format!("{STORE}{numbers}")));
}

#[test]
fn a_start_that_is_no_place() {
    assert_snapshot!(refused_target("start = \"yesterday\""));
}

#[test]
fn a_start_without_an_offset() {
    assert_snapshot!(refused_target("start = 2025-03-27T10:00:00"));
}

#[test]
fn a_definitions_file_that_is_not_there() {
    assert_snapshot!(refused(&format!("{STORE}[definitions]\nfile = \"definitions.toml\"\n")));
}

#[test]
fn what_kubernetes_sets_beside_a_service_is_none_of_ours() {
    let place = Place::new();
    place.write("postrider.toml", "[event_store]\nurl = \"sqlite:///nowhere/events.db\"\n");
    let set = [("POSTRIDER_PORT", "tcp://10.0.0.1:8788"), ("POSTRIDER_SERVICE_HOST", "10.0.0.1")];
    assert_eq!(place.run_with(&["cursor", "list"], &set).code, 1);
}

#[test]
fn the_environment_stands_instead_of_the_file() {
    let place = Place::new();
    place.write("postrider.toml", STORE).write("url", "sqlite:///nowhere/events.db\n");
    let done = place.run_with(&["cursor", "list"], &[("POSTRIDER_EVENT_STORE__URL_FILE", "url")]);
    assert!(done.code == 1 && done.err.contains("sqlite:///nowhere/events.state.db"), "{}", done.err);
}
