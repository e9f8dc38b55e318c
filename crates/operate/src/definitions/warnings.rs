//! What an operator should know before events leave the house.

use domain::{Condition, Definitions, Execution, ExecutionTarget, PayloadMode, Target};

/// ZITADEL's user events carry password hashes and tokens. One sentence for every target that would be sent them by an
/// execution for everything or for a whole group of users, if nobody thought of keeping anything out.
#[must_use]
pub fn secrets_sent(definitions: &Definitions) -> Vec<String> {
    let mut sentences = Vec::new();
    for execution in definitions.executions.iter().filter(|execution| is_wide(execution)) {
        for target in targets(definitions, execution, 0) {
            if target.payload == PayloadMode::Full && target.exclude.is_empty() {
                let sentence = format!(
                    "{} sends {:?} the payloads of user events, in which ZITADEL keeps password hashes and tokens; \
                     exclude what it need not have (exclude = [\"user.human.password.*\"]) or set payload = \"none\"",
                    execution.condition,
                    target.name.as_str()
                );
                if !sentences.contains(&sentence) {
                    sentences.push(sentence);
                }
            }
        }
    }
    sentences
}

fn is_wide(execution: &Execution) -> bool {
    let wide = match &execution.condition {
        Condition::All => true,
        Condition::Group(group) => matches!(&**group, "user" | "user.human"),
        Condition::Event(_) | Condition::Api(_) => false,
    };
    wide && execution.exclude.is_empty()
}

/// The targets that are named, and those of includes; deeper than includes may go is not looked at.
fn targets<'a>(definitions: &'a Definitions, execution: &'a Execution, depth: u8) -> Vec<&'a Target> {
    if depth > 3 {
        return Vec::new();
    }
    (execution.targets.iter())
        .flat_map(|entry| match entry {
            ExecutionTarget::Target(name) => definitions.targets.iter().filter(|target| target.name == *name).collect(),
            ExecutionTarget::Include(condition) => (definitions.executions.iter())
                .filter(|included| included.condition == *condition)
                .flat_map(|included| targets(definitions, included, depth + 1))
                .collect::<Vec<_>>(),
        })
        .collect()
}
