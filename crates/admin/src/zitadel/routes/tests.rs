use std::collections::{BTreeSet, HashSet};

use domain::Role;

use super::*;

#[test]
fn every_call_of_a_version_comes_in_over_both_protocols() {
    let routes = routes();
    for version in [Version::V2, Version::V2Beta] {
        for call in Call::ALL {
            let over = |protocol| {
                let is_it =
                    |route: &&Route| route.version == version && route.protocol == protocol && route.call == call;
                routes.iter().any(|route| is_it(&route))
            };
            assert!(over(Protocol::Rest), "{call:?} of {version:?}");
            assert_eq!(over(Protocol::Connect), call.is_in(version), "{call:?} of {version:?}");
        }
    }
}

#[test]
fn no_route_is_there_twice() {
    let mut seen = HashSet::new();
    for route in routes() {
        assert!(seen.insert((route.method.clone(), route.path.clone())), "{} {}", route.method, route.path);
    }
}

#[test]
fn whatever_changes_something_is_for_admins_and_never_asked_with_get() {
    for route in routes() {
        let expected = if route.call.writes() { Role::Admin } else { Role::Viewer };
        assert_eq!(route.role, expected, "{}", route.path);
        assert!(!(route.call.writes() && route.method == Method::GET), "{}", route.path);
    }
}

#[test]
fn a_path_tells_its_protocol() {
    for route in routes() {
        assert_eq!(Protocol::of(&route.path), Some(route.protocol), "{}", route.path);
    }
}

#[test]
fn the_routes_of_v2_are_those_of_zitadel_and_a_few_more() {
    let of_v2 = routes().into_iter().filter(|route| route.version == Version::V2);
    let told: BTreeSet<_> = of_v2.map(|route| format!("{} {}", route.path, route.method)).collect();
    let told: Vec<_> = told.into_iter().collect();
    insta::assert_snapshot!(told.join("\n"));
}
