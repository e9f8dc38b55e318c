//! Every call over real HTTP, on both databases, through [`support::on_both`].

mod executions;
mod faults;
mod instances;
mod keys;
mod names;
mod protocols;
mod strangers;
mod support;
mod targets;
