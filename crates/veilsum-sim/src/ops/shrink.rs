//! A shorter list that fails too.

use crate::ops::list::{Operation, OperationList, Setting, Shape, Values};

/// The shortest list found that `fails` like the one given, which must fail: fewer operations first (halves, quarters, single
/// ones), then a smaller and plainer federation, then shorter times; until nothing more can go.
pub fn shrink(
    list: &OperationList,
    fails: &mut dyn FnMut(&OperationList) -> bool,
) -> OperationList {
    let mut shortest = list.clone();
    loop {
        let before = shortest.clone();
        fewer_operations(&mut shortest, fails);
        plainer_setting(&mut shortest, fails);
        shorter_times(&mut shortest, fails);
        if shortest == before {
            return shortest;
        }
    }
}

/// Delta debugging: cuts out one run of operations after the other, each time half as long.
fn fewer_operations(shortest: &mut OperationList, fails: &mut dyn FnMut(&OperationList) -> bool) {
    let mut length = shortest.operations.len();
    while length > 0 {
        let mut from = 0;
        while from < shortest.operations.len() {
            let mut shorter = shortest.clone();
            let until = from.saturating_add(length).min(shorter.operations.len());
            shorter.operations.drain(from..until);
            match fails(&shorter) {
                true => *shortest = shorter,
                false => from = from.saturating_add(length),
            }
        }
        length /= 2;
    }
}

fn plainer_setting(shortest: &mut OperationList, fails: &mut dyn FnMut(&OperationList) -> bool) {
    while let Some(plainer) = plainer(&shortest.setting)
        .into_iter()
        .flat_map(|setting| [within(shortest, &setting), folded(shortest, &setting)])
        .find(|list| fails(list))
    {
        *shortest = plainer;
    }
}

/// Settings that are one step plainer; some of them cannot be.
fn plainer(setting: &Setting) -> Vec<Setting> {
    let mut all = Vec::new();
    let mut add = |change: &dyn Fn(&mut Setting)| {
        let mut plainer = setting.clone();
        change(&mut plainer);
        if plainer != *setting {
            all.push(plainer);
        }
    };
    add(&|setting| setting.shape = Shape::Complete);
    add(&|setting| setting.values = Values::Integers);
    add(&|setting| setting.noise = None);
    add(&|setting| setting.cohort = None);
    add(&|setting| setting.rounds = 1);
    add(&|setting| setting.rounds = setting.rounds.saturating_sub(1).max(1));
    add(&|setting| setting.members /= 2);
    add(&|setting| setting.members = setting.members.saturating_sub(1));
    add(&|setting| setting.missing = setting.missing.saturating_sub(1));
    add(&|setting| setting.corrupt = setting.corrupt.saturating_sub(1));
    all
}

/// The list in another setting, without operations on slots that it lacks.
fn within(list: &OperationList, setting: &Setting) -> OperationList {
    let mut list = list.clone();
    let there =
        |operation: &Operation| operation.slots().iter().all(|slot| *slot < setting.members);
    list.operations.retain(there);
    list.setting = setting.clone();
    list
}

/// The list in another setting, slots that it lacks taken for others.
fn folded(list: &OperationList, setting: &Setting) -> OperationList {
    let mut list = list.clone();
    for operation in &mut list.operations {
        operation.rename(|slot| slot.checked_rem(setting.members).unwrap_or(0));
    }
    list.setting = setting.clone();
    list
}

fn shorter_times(shortest: &mut OperationList, fails: &mut dyn FnMut(&OperationList) -> bool) {
    join_times(shortest, fails);
    for index in 0..shortest.operations.len() {
        while let Some(shorter) = halved(shortest, index).filter(|list| fails(list)) {
            *shortest = shorter;
        }
    }
}

/// Two times in a row become one.
fn join_times(shortest: &mut OperationList, fails: &mut dyn FnMut(&OperationList) -> bool) {
    let mut index = 0;
    while let (Some(Operation::Advance { ms: one }), Some(Operation::Advance { ms: other })) = (
        shortest.operations.get(index),
        shortest.operations.get(index.saturating_add(1)),
    ) {
        let ms = one.saturating_add(*other);
        let mut shorter = shortest.clone();
        shorter
            .operations
            .splice(index..=index.saturating_add(1), [Operation::Advance { ms }]);
        match fails(&shorter) {
            true => *shortest = shorter,
            false => index = index.saturating_add(1),
        }
    }
}

fn halved(list: &OperationList, index: usize) -> Option<OperationList> {
    let mut list = list.clone();
    match list.operations.get_mut(index) {
        Some(Operation::Advance { ms } | Operation::Delay { ms, .. }) if *ms > 1 => *ms /= 2,
        _ => return None,
    }
    Some(list)
}
