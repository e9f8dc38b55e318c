//! Who shall serve which targets: as even as it can be, moving as little as possible. Pure.
//!
//! Every daemon works this out from the same rows and comes to the same answer, so nobody has to be elected. What is shared
//! out are groups. A group belongs to the worker that holds most of its targets; each worker keeps as many as its share
//! allows, and what is left goes to those that have too few.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

use domain::{Group, TargetId};
use store::WorkerId;

/// What a worker must do about its leases.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Part {
    /// Once their couriers have ended.
    pub give_back: BTreeSet<TargetId>,
    /// They are free.
    pub take: BTreeSet<TargetId>,
}

/// What `me` must do, given who has what now. `workers` are those that take targets; a holder that is not among them gives
/// its targets back by itself, or is buried.
pub(super) fn part(
    me: &WorkerId,
    workers: &BTreeSet<WorkerId>,
    groups: &[Group],
    holders: &BTreeMap<TargetId, WorkerId>,
) -> Part {
    let assigned = assign(workers, groups, holders);
    let mut part = Part::default();
    // What is in no group is not defined any more.
    part.give_back.extend(holders.iter().filter(|(_, holder)| *holder == me).map(|(target, _)| target.clone()));
    for (group, worker) in groups.iter().zip(assigned) {
        if worker != Some(me) {
            continue;
        }
        for target in group.targets() {
            part.give_back.remove(target);
            if !holders.contains_key(target) {
                part.take.insert(target.clone());
            }
        }
    }
    part
}

/// The worker of each group; `None` where there are no workers.
fn assign<'a>(
    workers: &'a BTreeSet<WorkerId>,
    groups: &[Group],
    holders: &BTreeMap<TargetId, WorkerId>,
) -> Vec<Option<&'a WorkerId>> {
    if workers.is_empty() {
        return vec![None; groups.len()];
    }
    // What everybody keeps, what it would least like to move first: the groups of which it holds most.
    let mut kept: BTreeMap<&WorkerId, Vec<(Reverse<usize>, usize)>> =
        workers.iter().map(|worker| (worker, Vec::new())).collect();
    for (number, group) in groups.iter().enumerate() {
        if let Some((keeper, count)) = keeper(workers, group, holders) {
            kept.entry(keeper).or_default().push((Reverse(count), number));
        }
    }
    let shares = shares(groups.len(), &kept);
    let mut assigned = vec![None; groups.len()];
    for (worker, groups) in &mut kept {
        groups.sort_unstable();
        groups.truncate(shares[worker]);
        for (_, number) in groups {
            assigned[*number] = Some(*worker);
        }
    }
    let mut room = kept.iter().flat_map(|(worker, kept)| {
        let missing = shares[worker] - kept.len();
        std::iter::repeat_n(*worker, missing)
    });
    for free in assigned.iter_mut().filter(|worker| worker.is_none()) {
        *free = room.next();
    }
    assigned
}

/// The worker that holds most of a group's targets, and how many; of several the smallest.
fn keeper<'a>(
    workers: &'a BTreeSet<WorkerId>,
    group: &Group,
    holders: &BTreeMap<TargetId, WorkerId>,
) -> Option<(&'a WorkerId, usize)> {
    let mut counts: BTreeMap<&WorkerId, usize> = BTreeMap::new();
    for holder in group.targets().iter().filter_map(|target| workers.get(holders.get(target)?)) {
        *counts.entry(holder).or_default() += 1;
    }
    counts.into_iter().min_by_key(|(worker, count)| (Reverse(*count), *worker))
}

/// How many groups each worker shall have. What cannot be divided stays with those that have most already.
fn shares<'a>(
    groups: usize,
    kept: &BTreeMap<&'a WorkerId, Vec<(Reverse<usize>, usize)>>,
) -> BTreeMap<&'a WorkerId, usize> {
    let (each, over) = (groups / kept.len(), groups % kept.len());
    let mut workers: Vec<_> = kept.iter().map(|(worker, kept)| (Reverse(kept.len()), *worker)).collect();
    workers.sort_unstable();
    let rank = workers.into_iter().enumerate();
    rank.map(|(rank, (_, worker))| (worker, each + usize::from(rank < over))).collect()
}

#[cfg(test)]
mod tests;
