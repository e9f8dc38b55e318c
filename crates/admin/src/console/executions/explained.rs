//! The match tree: which execution an event fires, which it passes over, whom that calls, and why.

use domain::{ExplainedExecution, ExplainedTarget, Verdict};
use maud::{Markup, html};
use operate::explain;

use super::{
    super::{
        parts::{calm, word},
        target,
        trouble::{Trouble, sentence},
        visit::Visit,
    },
    Asked,
};

pub(super) async fn section(visit: &Visit, asked: &Asked) -> Result<Markup, Trouble> {
    let event = asked.event.as_deref().map(str::trim).filter(|event| !event.is_empty());
    let said = match event {
        None => None,
        Some(event) => Some(tree(visit, event, asked).await?),
    };
    Ok(html! {
        section aria-labelledby="explain-head" {
            h2 #explain-head { "What does an event fire?" }
            form.row.asking action="/executions" role="search" {
                div.field {
                    label for="event" { "Name of an event" }
                    input #event name="event" value=(event.unwrap_or_default()) placeholder="user.human.added" autocomplete="off" required;
                }
                @if visit.caller().instance.is_none() {
                    div.field {
                        label for="explain-instance" { "On instance" }
                        input #explain-instance name="instance" value=(asked.on().unwrap_or_default()) placeholder="any" autocomplete="off";
                    }
                }
                button type="submit" { "Explain" }
            }
            @if let Some(said) = said { div role="status" aria-label="Explanation" { (said) } }
        }
    })
}

async fn tree(visit: &Visit, event: &str, asked: &Asked) -> Result<Markup, Trouble> {
    let instance = asked.on().map(Into::into);
    let explained =
        match explain::event(event, instance, visit.caller(), &visit.operator.state).await.map_err(Trouble::from) {
            Ok(explained) => explained,
            Err(trouble) if trouble.is_about_the_form() => {
                return Ok(html! { p.note.bad role="alert" { (sentence(trouble.detail())) } });
            }
            Err(trouble) => return Err(trouble),
        };
    Ok(html! {
        @match &explained.matched {
            None => p.note.warn { code { (event) } " fires nothing: no execution matches, and nobody hears of it." },
            Some(matched) => {
                ul.tree {
                    li {
                        (execution(matched))
                        @if explained.targets.is_empty() { p.quiet { "It names no target." } } @else {
                            ol.calls { @for target in &explained.targets { li { (called(target)) } } }
                        }
                    }
                    @for passed in &explained.passed_over { li { (execution(passed)) } }
                }
            }
        }
    })
}

fn execution(execution: &ExplainedExecution) -> Markup {
    html! {
        (verdict(&execution.verdict, "fires")) " " code { (execution.condition) }
        @if let Some(instance) = &execution.instance { " on " code { (instance) } }
    }
}

fn called(called: &ExplainedTarget) -> Markup {
    html! {
        (verdict(&called.verdict, "called")) " "
        a href=(target::address(called.id.as_str())) { (called.name) }
        @for include in &called.via { span.quiet { ", includes " code { (include) } } }
        @if called.paused { span.quiet { ", paused: the event waits" } }
    }
}

fn verdict(verdict: &Verdict, fires: &str) -> Markup {
    match verdict {
        Verdict::Fires => word(true, fires),
        other => calm(&other.to_string()),
    }
}
