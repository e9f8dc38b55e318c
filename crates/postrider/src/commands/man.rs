//! `postrider man FOLDER`.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::Context as _;
use clap::Args;

use crate::{cli, context::Context};

#[derive(Args)]
pub struct Man {
    /// Into which folder; it is made if it is not there
    folder: PathBuf,
}

impl Man {
    #[expect(clippy::unused_async, reason = "every command has the same shape")]
    pub async fn run(self, _: &Context) -> anyhow::Result<ExitCode> {
        let written = || format!("failed to write pages into {}", self.folder.display());
        fs::create_dir_all(&self.folder).with_context(written)?;
        clap_mangen::generate_to(cli::command(), &self.folder).with_context(written)?;
        Ok(ExitCode::SUCCESS)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(command: &clap::Command, above: &str) -> BTreeSet<String> {
        let name = format!("{above}{}", command.get_name());
        let below = command.get_subcommands().filter(|below| below.get_name() != "help");
        let below = below.flat_map(|below| names(below, &format!("{name}-"))).collect::<BTreeSet<_>>();
        below.into_iter().chain([format!("{name}.1")]).collect()
    }

    #[tokio::test]
    async fn every_command_has_a_page_and_no_page_is_left_over() {
        let folder = tempfile::tempdir().expect("there is room");
        let context =
            Context::new(crate::config::Sources { file: None, flags: Vec::new() }, crate::output::Format::Table);
        let man = Man { folder: folder.path().join("share/man1") };
        man.run(&context).await.expect("the folder takes pages");
        let pages = fs::read_dir(folder.path().join("share/man1")).expect("it is there");
        let pages: BTreeSet<_> =
            pages.map(|page| page.expect("it is there").file_name().to_string_lossy().into_owned()).collect();
        assert_eq!(pages, names(&cli::command(), ""));
        assert!(pages.contains("postrider-target-key-add.1"));
    }
}
