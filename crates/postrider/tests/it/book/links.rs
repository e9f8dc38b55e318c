//! Every relative link in every page of the repository leads somewhere, and the book has no page that nothing leads to.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use test_support::{files_below, repository};

use super::{page, pages};

/// Not ours, or made.
const ELSEWHERE: [&str; 3] = ["target", ".git", "fuzz"];

/// Every page of the repository, with its text.
fn everywhere() -> Vec<(PathBuf, String)> {
    let folders = fs::read_dir(repository()).expect("a folder can be read").map(|entry| entry.expect("it can").path());
    let ours = folders.filter(|path| path.is_dir() && !ELSEWHERE.iter().any(|name| path.ends_with(name)));
    let mut pages: Vec<_> = ours.flat_map(|folder| files_below(&folder, "md")).collect();
    pages.extend(["README.md", "CHANGELOG.md"].map(|name| {
        let path = repository().join(name);
        let text = fs::read_to_string(&path).expect("it is text");
        (path, text)
    }));
    pages
}

/// The text without fenced blocks and code spans.
fn prose(text: &str) -> String {
    let mut fenced = false;
    let outside = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    let text: Vec<_> = outside.collect();
    // A span never goes beyond its paragraph.
    let paragraphs = text.join("\n");
    let paragraphs = paragraphs.split("\n\n").map(|paragraph| paragraph.split('`').step_by(2).collect::<String>());
    paragraphs.collect::<Vec<_>>().join("\n\n")
}

/// Where the links of a text lead.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    let ends = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    ends.map(|(link, _)| link.trim().to_owned()).collect()
}

/// The anchors of a page: its headings, as GitHub and mdBook make them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let headings = text.lines().filter(|line| {
        fenced ^= line.trim_start().starts_with("```");
        !fenced && line.starts_with('#')
    });
    let slug = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(slug).collect()
}

/// What is wrong with the links of a page.
fn broken(path: &Path, text: &str) -> Vec<String> {
    let inside = links(text).into_iter().filter(|link| !link.contains("://") && !link.starts_with("mailto:"));
    let wrong = inside.filter(|link| {
        let (file, anchor) = link.split_once('#').map_or((link.as_str(), None), |(file, anchor)| (file, Some(anchor)));
        let to = path.parent().expect("it is in a folder").join(file);
        match anchor {
            None => !to.exists(),
            Some(anchor) if file.is_empty() => !anchors(text).contains(anchor),
            Some(anchor) => fs::read_to_string(&to).map_or(true, |text| !anchors(&text).contains(anchor)),
        }
    });
    wrong.map(|link| format!("{}: {link}", path.display())).collect()
}

#[test]
fn every_relative_link_leads_somewhere() {
    let pages = everywhere();
    assert!(pages.len() > 20, "{}", pages.len());
    let wrong: Vec<_> = pages.iter().flat_map(|(path, text)| broken(path, text)).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn a_link_that_leads_nowhere_is_found() {
    let here = pages().join("README.md");
    let text = "# A heading\n[a](#a-heading) [b](#nothing) [c](nothing.md) [d](concepts.md) `[e](nothing.md)`\n```\n[f](nothing.md)\n```\n";
    let found: Vec<_> =
        broken(&here, text).iter().map(|line| line.rsplit(' ').next().unwrap_or_default().to_owned()).collect();
    assert_eq!(found, ["#nothing", "nothing.md"]);
}

#[test]
fn every_page_of_the_book_is_in_its_summary_once() {
    let there: BTreeSet<_> = (files_below(&pages(), "md").iter())
        .map(|(path, _)| path.strip_prefix(pages()).expect("it is in the book").to_string_lossy().into_owned())
        .filter(|name| name != "SUMMARY.md")
        .collect();
    let summary = links(&page("SUMMARY.md"));
    assert_eq!(summary.len(), summary.iter().collect::<BTreeSet<_>>().len(), "a page is there twice");
    assert_eq!(summary.into_iter().collect::<BTreeSet<_>>(), there);
}

/// A page that leaves the book for the repository is a dead link once the book is published.
#[test]
fn no_link_of_the_book_leaves_it() {
    let book = pages().canonicalize().expect("it is there");
    for (path, text) in files_below(&pages(), "md") {
        for link in links(&text).iter().filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap_or_default();
            let to = path.parent().expect("it is in a folder").join(file).canonicalize();
            assert!(to.is_ok_and(|to| to.starts_with(&book)), "{}: {link}", path.display());
        }
    }
}
