//! Links between the pages lead somewhere.

use std::path::Path;

use crate::failure::{Failure, Result};
use crate::workspace;

/// Fails if a link of a page leads to a file that is not there. Links to other sites are not
/// followed.
pub(crate) fn check(root: &Path) -> Result {
    let mut dead = Vec::new();
    for page in workspace::files(root)? {
        if page.extension().is_none_or(|extension| extension != "md") {
            continue;
        }
        let folder = page.parent().unwrap_or(root);
        let text = workspace::read(&page)?;
        for target in local_targets(&text).filter(|target| !folder.join(target).exists()) {
            let page = page.strip_prefix(root).unwrap_or(&page).display();
            dead.push(format!("  {page}: {target}"));
        }
    }
    if dead.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("these links lead nowhere:\n{}", dead.join("\n"))))
}

/// The files that a page links to, outside of code blocks.
fn local_targets(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines()
        .filter(move |line| {
            let fence = line.trim_start().starts_with("```");
            in_code ^= fence;
            !in_code && !fence
        })
        .flat_map(|line| line.split("](").skip(1))
        .filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
        .filter(|target| !target.contains("://") && !target.starts_with("mailto:"))
        .filter_map(|target| target.split('#').next().filter(|file| !file.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_links_to_files_count() {
        let page = "\
            [a](a.md), [b](b/c.md#part) [here](#part) [far](https://example.org/x.md)\n\
            ```\n\
            [code](code.md)\n\
            ```\n\
            | [d](d.md) |\n";
        assert_eq!(local_targets(page).collect::<Vec<_>>(), ["a.md", "b/c.md", "d.md"]);
    }

    #[test]
    fn a_dead_link_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join("page.md");
        std::fs::write(&page, "[itself](page.md)").unwrap();
        check(folder.path()).unwrap();
        std::fs::write(&page, "[gone](gone.md)").unwrap();
        let Err(Failure::Said(message)) = check(folder.path()) else { panic!("not found") };
        assert!(message.ends_with("page.md: gone.md"), "{message}");
    }
}
