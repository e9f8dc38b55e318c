use proptest::prelude::*;

use super::*;

fn worker(number: usize) -> WorkerId {
    WorkerId(format!("w{number}"))
}

fn target(number: usize) -> TargetId {
    format!("t{number:03}").into()
}

fn workers(count: usize) -> BTreeSet<WorkerId> {
    (0..count).map(worker).collect()
}

fn singles(count: usize) -> Vec<Group> {
    (0..count).map(|number| Group::from_iter([target(number)])).collect()
}

/// `holders` as `0 0 1 -`: the worker of each target, `-` for none. Gives the same after everybody has done its part.
fn held(text: &str) -> BTreeMap<TargetId, WorkerId> {
    let holder = |(number, word): (usize, &str)| Some((target(number), worker(word.parse().ok()?)));
    text.split_whitespace().enumerate().filter_map(holder).collect()
}

/// Everybody gives back, then takes, one after the other, looking anew each time.
fn round(workers: &BTreeSet<WorkerId>, groups: &[Group], holders: &mut BTreeMap<TargetId, WorkerId>) {
    for me in workers {
        for target in part(me, workers, groups, holders).give_back {
            holders.remove(&target);
        }
    }
    for me in workers {
        for target in part(me, workers, groups, holders).take {
            assert_eq!(holders.insert(target, me.clone()), None, "only what is free is taken");
        }
    }
}

#[track_caller]
fn check(count: usize, groups: &[Group], before: &str, after: &str) {
    let mut holders = held(before);
    round(&workers(count), groups, &mut holders);
    assert_eq!(holders, held(after), "from {before}");
}

#[test]
fn one_worker_takes_everything() {
    check(1, &singles(3), "- - -", "0 0 0");
}

#[test]
fn free_targets_are_shared_out_evenly() {
    check(3, &singles(6), "- - - - - -", "0 0 1 1 2 2");
    check(3, &singles(2), "- -", "0 1");
}

#[test]
fn a_worker_that_joins_is_given_its_share_and_nothing_else_moves() {
    check(3, &singles(6), "0 0 0 1 1 1", "0 0 2 1 1 2");
    check(2, &singles(3), "1 1 1", "1 1 0");
}

#[test]
fn what_cannot_be_divided_stays_where_it_is() {
    check(2, &singles(3), "1 0 1", "1 0 1");
    check(3, &singles(4), "2 0 1 2", "2 0 1 2");
}

#[test]
fn the_targets_of_one_that_is_gone_are_shared_among_the_others() {
    check(2, &singles(6), "0 0 1 1 - -", "0 0 1 1 0 1");
}

#[test]
fn targets_that_are_linked_come_together_where_most_of_them_are() {
    let linked = [(0..3).map(target).collect(), Group::from_iter([target(3)])];
    check(2, &linked, "0 1 1 0", "1 1 1 0");
    let pair = [(0..2).map(target).collect(), (2..4).map(target).collect()];
    check(2, &pair, "1 0 1 -", "0 0 1 1");
}

#[test]
fn a_target_that_is_held_by_one_that_leaves_is_waited_for() {
    let holders = held("0 9 9");
    let part = part(&worker(0), &workers(1), &singles(3), &holders);
    assert_eq!(part, Part::default());
}

#[test]
fn what_is_not_defined_any_more_is_given_back() {
    let part = part(&worker(0), &workers(1), &singles(1), &held("0 0"));
    assert_eq!(part.give_back, BTreeSet::from([target(1)]));
}

fn counts(workers: &BTreeSet<WorkerId>, assigned: &[Option<&WorkerId>]) -> Vec<usize> {
    workers.iter().map(|worker| assigned.iter().filter(|one| **one == Some(worker)).count()).collect()
}

/// The fewest groups that any even spread moves away from a worker that keeps them: every choice of who has one more.
fn fewest_moves(kept: &[usize], groups: usize) -> usize {
    let (each, over) = (groups / kept.len(), groups % kept.len());
    let choices = (0..1_u32 << kept.len()).filter(|choice| choice.count_ones() as usize == over);
    let moved = |choice: u32| {
        let share = |worker: usize| each + (choice >> worker & 1) as usize;
        kept.iter().enumerate().map(|(worker, kept)| kept.saturating_sub(share(worker))).sum()
    };
    choices.map(moved).min().expect("there is a choice")
}

prop_compose! {
    /// Some workers, groups of one to three targets, and targets held by anybody, also by ones that are gone.
    fn scenes()(
        workers in 1..6_usize,
        sizes in prop::collection::vec(1..4_usize, 0..20),
        holders in prop::collection::vec(prop::option::of(0..7_usize), 60),
    ) -> (BTreeSet<WorkerId>, Vec<Group>, BTreeMap<TargetId, WorkerId>) {
        let mut next = 0;
        let mut groups = Vec::new();
        for size in sizes {
            groups.push((next..next + size).map(target).collect());
            next += size;
        }
        let holder = |number: usize| Some((target(number), worker(holders[number]?)));
        (self::workers(workers), groups, (0..next).filter_map(holder).collect())
    }
}

proptest! {
    #[test]
    fn everybody_has_its_share_within_one_and_as_little_as_possible_moves((workers, groups, holders) in scenes()) {
        let assigned = assign(&workers, &groups, &holders);
        let counts = counts(&workers, &assigned);
        prop_assert_eq!(counts.iter().sum::<usize>(), groups.len());
        prop_assert!(counts.iter().max() <= counts.iter().min().map(|least| least + 1).as_ref(), "{:?}", counts);
        let keepers: Vec<_> = groups.iter().map(|group| keeper(&workers, group, &holders)).collect();
        let kept: Vec<_> =
            workers.iter().map(|worker| keepers.iter().flatten().filter(|(keeper, _)| *keeper == worker).count()).collect();
        let moved = keepers.iter().zip(&assigned).filter(|(keeper, to)| keeper.is_some_and(|(keeper, _)| Some(keeper) != **to));
        prop_assert_eq!(moved.count(), fewest_moves(&kept, groups.len()));
    }

    #[test]
    fn parts_fit_together((workers, groups, holders) in scenes()) {
        let mut taken = BTreeSet::new();
        for me in &workers {
            let part = part(me, &workers, &groups, &holders);
            prop_assert!(part.give_back.iter().all(|target| holders.get(target) == Some(me)));
            for target in part.take {
                prop_assert!(!holders.contains_key(&target));
                prop_assert!(taken.insert(target), "two want the same");
            }
        }
    }

    #[test]
    fn once_those_that_are_gone_are_buried_it_comes_to_rest_with_every_group_in_one_hand((workers, groups, mut holders) in scenes()) {
        holders.retain(|_, holder| workers.contains(holder));
        round(&workers, &groups, &mut holders);
        // Targets that were given back one by one may have let another worker be the keeper of what was left.
        round(&workers, &groups, &mut holders);
        for me in &workers {
            prop_assert_eq!(part(me, &workers, &groups, &holders), Part::default());
        }
        for group in &groups {
            let hands: BTreeSet<_> = group.targets().iter().map(|target| holders.get(target)).collect();
            prop_assert!(hands.len() == 1 && !hands.contains(&None));
        }
    }

    #[test]
    fn in_whatever_order_they_do_their_parts_it_comes_to_rest(
        (workers, groups, mut holders) in scenes(),
        order in prop::collection::vec((0..6_usize, any::<bool>(), 1..4_usize), 0..40),
    ) {
        holders.retain(|_, holder| workers.contains(holder));
        let all: Vec<_> = workers.iter().collect();
        for (who, giving, some) in order {
            let me = all[who % all.len()];
            let part = part(me, &workers, &groups, &holders);
            if giving {
                part.give_back.iter().take(some).for_each(|target| drop(holders.remove(target)));
            } else {
                part.take.into_iter().take(some).for_each(|target| drop(holders.insert(target, me.clone())));
            }
        }
        for _ in 0..3 {
            round(&workers, &groups, &mut holders);
        }
        for me in &workers {
            prop_assert_eq!(part(me, &workers, &groups, &holders), Part::default());
        }
        let assigned = assign(&workers, &groups, &holders);
        let counts = counts(&workers, &assigned);
        prop_assert!(counts.iter().max() <= counts.iter().min().map(|least| least + 1).as_ref(), "{:?}", counts);
    }
}
