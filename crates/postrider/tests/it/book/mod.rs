//! The book (`docs/src`) is true: what it tells to run is run as it stands there.
//!
//! A fenced block whose first line ends with `test=NAME` is taken from the page by that name; whoever changes the page changes the
//! test.

mod acts;
mod grants;
mod links;
mod marked;
mod metrics;
mod pooler;
mod restore;
mod start;
mod tables;

use std::{env, fs, path::PathBuf, process::Command};

use test_support::{PROGRAMS, PrivatePostgres, repository};

use crate::proof::daemon::House;

/// The folder of the book's pages.
fn pages() -> PathBuf {
    repository().join("docs/src")
}

/// The text of a page.
fn page(name: &str) -> String {
    fs::read_to_string(pages().join(name)).unwrap_or_else(|error| panic!("docs/src/{name}: {error}"))
}

/// The text of the only block of a page that is marked `test=name`.
#[track_caller]
fn block(page_name: &str, name: &str) -> String {
    let mut found = marked(&page(page_name)).into_iter().filter(|(mark, _)| mark == name);
    let (_, text) = found.next().unwrap_or_else(|| panic!("{page_name} has no block test={name}"));
    assert!(found.next().is_none(), "{page_name} has two blocks test={name}");
    text
}

/// The marks and texts of all marked blocks, also of those in lists.
fn marked(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let indent = line.len() - line.trim_start().len();
        let Some(info) = line[indent..].strip_prefix("```") else { continue };
        let inside = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
        let text: Vec<_> = inside.map(|line| line.get(indent..).unwrap_or_default()).collect();
        if let Some(mark) = info.split_whitespace().find_map(|word| word.strip_prefix("test=")) {
            blocks.push((mark.to_owned(), text.join("\n")));
        }
    }
    blocks
}

/// The statements of a block of SQL, each by itself, as psql sends them.
fn statements(sql: &str) -> Vec<String> {
    let without_comments: Vec<_> = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let text = without_comments.join("\n");
    text.split(';').map(|statement| statement.trim().to_owned()).filter(|statement| !statement.is_empty()).collect()
}

/// Where a server is, in place of `@db/` in the URLs of the pages.
fn at(server: &PrivatePostgres) -> String {
    let url: url::Url = server.url().parse().expect("it is a URL");
    format!("@127.0.0.1:{}/", url.port().expect("with a port"))
}

/// Runs lines as a shell does, in the folder of the config; gives what they print. One that fails is the test's failure.
fn shell(script: &str, house: &House) -> String {
    let binary = PathBuf::from(env!("CARGO_BIN_EXE_postrider"));
    let mut path = vec![binary.parent().expect("it is in a folder").to_owned()];
    path.push(env::var_os(PROGRAMS).expect("scripts/with-postgres says where they are").into());
    path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
    let done = Command::new("bash")
        .args(["-euc", script])
        .current_dir(house.folder())
        .env("PATH", env::join_paths(path).expect("no folder has a colon"))
        .output()
        .expect("a shell runs");
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{script}\n{out}\n{err}");
    out.into_owned()
}
