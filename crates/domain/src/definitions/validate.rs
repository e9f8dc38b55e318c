//! Whether definitions can be in force, and which executions are in force where.
//!
//! On an instance, those for every instance are in force, each replaced by the instance's own of the same condition.
//! An include means the execution that is in force where the event happened, so includes are looked at once for every
//! instance that has executions of its own: what holds everywhere else may be a cycle there.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{DefinitionError, Definitions, Execution, ExecutionTarget};
use crate::{Condition, InstanceId, TargetName};

/// How deep includes may go (ZITADEL's limit).
const MAX_LEVELS: usize = 3;

impl Definitions {
    /// Whether these definitions can be in force: names are unique and known, includes are known, go at most 3 levels
    /// deep and never come back.
    pub fn validate(&self) -> Result<(), DefinitionError> {
        self.scopes().map(drop)
    }

    /// The executions in force, after validating the definitions.
    pub(crate) fn scopes(&self) -> Result<Scopes<'_>, DefinitionError> {
        self.check_targets()?;
        let scopes = Scopes::of(self)?;
        scopes.general().check_includes()?;
        for (_, scope) in scopes.instances() {
            scope.check_includes()?;
        }
        Ok(scopes)
    }

    fn check_targets(&self) -> Result<(), DefinitionError> {
        let mut names = HashMap::new();
        let mut ids = HashSet::new();
        for target in &self.targets {
            if names.insert(&target.name, &target.instance).is_some() || !ids.insert(&target.id) {
                return Err(DefinitionError::DuplicateTarget(target.name.clone()));
            }
        }
        // Both are what people and programs say: one must not stand for two targets.
        if let Some(target) = self.targets.iter().find(|target| {
            target.name.as_str() != target.id.as_str() && ids.iter().any(|id| id.as_str() == target.name.as_str())
        }) {
            return Err(DefinitionError::DuplicateTarget(target.name.clone()));
        }
        for execution in &self.executions {
            for name in execution.names() {
                let condition = || execution.condition.clone();
                match names.get(name) {
                    None => {
                        return Err(DefinitionError::UnknownTarget {
                            condition: condition(),
                            target: name.clone(),
                            nearest: self.nearest_target(name),
                        });
                    }
                    Some(Some(instance)) if execution.instance.as_ref() != Some(instance) => {
                        return Err(DefinitionError::TargetOfAnotherInstance {
                            condition: condition(),
                            target: name.clone(),
                            instance: instance.clone(),
                        });
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    /// The name that a mistyped one is most likely meant for.
    fn nearest_target(&self, name: &TargetName) -> Option<TargetName> {
        let distance = |other: &TargetName| strsim::damerau_levenshtein(name.as_str(), other.as_str());
        let near = (name.as_str().chars().count() / 3).max(1);
        let names = self.targets.iter().map(|target| &target.name);
        names.filter(|other| distance(other) <= near).min_by_key(|other| distance(other)).cloned()
    }
}

/// Executions by condition, for one instance or for all of them.
#[derive(Default)]
struct Layer<'a> {
    by_condition: HashMap<&'a Condition, &'a Execution>,
    in_order: Vec<&'a Execution>,
}

impl<'a> Layer<'a> {
    fn insert(&mut self, execution: &'a Execution) -> Result<(), DefinitionError> {
        self.in_order.push(execution);
        match self.by_condition.insert(&execution.condition, execution) {
            Some(_) => Err(DefinitionError::DuplicateExecution(execution.condition.clone())),
            None => Ok(()),
        }
    }
}

/// Every place where something else is in force: the instances that have executions of their own, and all others.
pub(crate) struct Scopes<'a> {
    general: Layer<'a>,
    own: BTreeMap<&'a InstanceId, Layer<'a>>,
}

/// The executions in force at one of those places.
pub(crate) struct Scope<'a, 's> {
    general: &'s Layer<'a>,
    own: Option<&'s Layer<'a>>,
}

impl<'a> Scopes<'a> {
    fn of(definitions: &'a Definitions) -> Result<Self, DefinitionError> {
        let mut scopes = Self { general: Layer::default(), own: BTreeMap::new() };
        for execution in &definitions.executions {
            match &execution.instance {
                None => scopes.general.insert(execution)?,
                Some(instance) => scopes.own.entry(instance).or_default().insert(execution)?,
            }
        }
        Ok(scopes)
    }

    /// What is in force where an instance has nothing of its own.
    pub(crate) fn general(&self) -> Scope<'a, '_> {
        Scope { general: &self.general, own: None }
    }

    /// What is in force on each instance that has something of its own.
    pub(crate) fn instances(&self) -> impl Iterator<Item = (&'a InstanceId, Scope<'a, '_>)> {
        self.own.iter().map(|(instance, own)| (*instance, Scope { general: &self.general, own: Some(own) }))
    }
}

impl<'a> Scope<'a, '_> {
    /// The execution in force for a condition.
    pub(crate) fn get(&self, condition: &Condition) -> Option<&'a Execution> {
        let own = self.own.and_then(|own| own.by_condition.get(condition));
        own.or_else(|| self.general.by_condition.get(condition)).copied()
    }

    /// The executions in force that call others than they do elsewhere, or may: on an instance its own ones and those
    /// for every instance that include something; otherwise all.
    pub(crate) fn differing(&self) -> impl Iterator<Item = &'a Execution> {
        let own = self.own.into_iter().flat_map(|own| own.in_order.iter().copied());
        let general = self.general.in_order.iter().copied().filter(|execution| match self.own {
            None => true,
            Some(own) => execution.includes().next().is_some() && !own.by_condition.contains_key(&execution.condition),
        });
        own.chain(general)
    }

    fn check_includes(&self) -> Result<(), DefinitionError> {
        let mut known = HashMap::new();
        for execution in self.differing() {
            self.levels(execution, &mut Vec::new(), &mut known)?;
        }
        Ok(())
    }

    /// How many levels of includes are below an execution. `path` leads to it; its length is bounded, and with it the
    /// recursion.
    fn levels(
        &self,
        execution: &'a Execution,
        path: &mut Vec<&'a Condition>,
        known: &mut HashMap<&'a Condition, usize>,
    ) -> Result<usize, DefinitionError> {
        if let Some(&levels) = known.get(&execution.condition) {
            return Ok(levels);
        }
        path.push(&execution.condition);
        let mut levels = 0;
        for include in execution.includes() {
            if !include.is_of_the_kind_of(&execution.condition) {
                return Err(DefinitionError::IncludeOfAnotherKind {
                    condition: execution.condition.clone(),
                    include: include.clone(),
                });
            }
            let included = self.get(include).ok_or_else(|| DefinitionError::UnknownInclude {
                condition: execution.condition.clone(),
                include: include.clone(),
            })?;
            if path.contains(&include) {
                return Err(DefinitionError::Cycle(include.clone()));
            }
            if path.len() > MAX_LEVELS {
                return Err(DefinitionError::TooDeep(path[0].clone()));
            }
            levels = levels.max(1 + self.levels(included, path, known)?);
        }
        if levels > MAX_LEVELS {
            return Err(DefinitionError::TooDeep(execution.condition.clone()));
        }
        path.pop();
        known.insert(&execution.condition, levels);
        Ok(levels)
    }
}

impl Execution {
    fn includes(&self) -> impl Iterator<Item = &Condition> {
        self.targets.iter().filter_map(|entry| match entry {
            ExecutionTarget::Include(condition) => Some(condition),
            ExecutionTarget::Target(_) => None,
        })
    }
}
