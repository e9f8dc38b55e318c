//! Which commit a folder holds, read from git's own files: a build needs neither git nor anything from outside.
//!
//! Only a repository that begins at that very folder counts. Sources that were unpacked inside somebody else's repository (a
//! distribution's packaging, say) would otherwise carry a commit that is not theirs. What git keeps in another way than as files
//! (reftable) is not read: the commit is then not known, which is no error.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// How many digits people are shown.
pub const SHOWN: usize = 12;

/// A commit that somebody names, who knows better: a build without the repository at hand.
pub fn said(text: &str) -> Result<String, String> {
    if is_commit(text) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err(format!("POSTRIDER_COMMIT is not the whole id of a commit (40 or 64 hexadecimal digits): {text:?}"))
    }
}

/// The commit, and the files that change when it does.
pub fn of(folder: &Path) -> Option<(String, Vec<PathBuf>)> {
    let own = own(&folder.join(".git"))?;
    // What the worktrees of a repository share.
    let shared = match fs::read_to_string(own.join("commondir")) {
        Ok(path) => own.join(path.trim_end()),
        Err(_) => own.clone(),
    };
    let head = own.join("HEAD");
    let points = fs::read_to_string(&head).ok()?;
    let Some(name) = points.trim_end().strip_prefix("ref: ") else {
        return Some((whole(&points)?, vec![head]));
    };
    let loose = shared.join(name);
    let packed = shared.join("packed-refs");
    let commit = match fs::read_to_string(&loose) {
        Ok(text) => whole(&text)?,
        Err(_) => in_pack(&fs::read_to_string(&packed).ok()?, name)?,
    };
    // The log of HEAD is written at every commit, also at the one that makes a packed branch loose.
    let watched = [head, loose, packed, own.join("logs/HEAD")];
    Some((commit, watched.into_iter().filter(|path| path.exists()).collect()))
}

/// A worktree has a file where a repository has a folder.
fn own(git: &Path) -> Option<PathBuf> {
    if git.is_dir() {
        return Some(git.to_owned());
    }
    let text = fs::read_to_string(git).ok()?;
    Some(git.parent()?.join(text.trim_end().strip_prefix("gitdir: ")?))
}

fn in_pack(text: &str, name: &str) -> Option<String> {
    let found = text.lines().filter_map(|line| line.split_once(' ')).find(|(_, listed)| *listed == name);
    whole(found?.0)
}

fn whole(text: &str) -> Option<String> {
    let text = text.trim_end();
    is_commit(text).then(|| text.to_owned())
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}
