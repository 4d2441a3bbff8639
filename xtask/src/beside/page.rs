//! The page of figures: writes the tables between its markers.

use std::fs;

use anyhow::{Context, Result};

use crate::workspace::Workspace;

/// The page.
pub(crate) const PAGE: &str = "docs/FIGURES.md";
const BEGIN: &str = "<!-- beside:begin -->";
const END: &str = "<!-- beside:end -->";

/// Replaces what is between the markers.
pub(crate) fn write(ws: &Workspace, tables: &str) -> Result<()> {
    let path = ws.root().join(PAGE);
    let page = fs::read_to_string(&path).with_context(|| format!("cannot read {PAGE}"))?;
    let page =
        replaced(&page, tables).with_context(|| format!("{PAGE} has no markers `{BEGIN}` and `{END}`"))?;
    fs::write(&path, page).with_context(|| format!("cannot write {PAGE}"))?;
    println!("{PAGE} has the new tables");
    Ok(())
}

/// The page with other tables; `None` without both markers in their order.
fn replaced(page: &str, tables: &str) -> Option<String> {
    let (before, rest) = page.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", tables.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_text_between_the_markers_changes() {
        let page = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = replaced(&page, "new\n").expect("it has markers");
        assert_eq!(new, format!("a\n{BEGIN}\n\nnew\n\n{END}\nb\n"));
        assert_eq!(replaced(&new, "new").as_ref(), Some(&new), "twice is as once");
    }

    #[test]
    fn a_page_without_markers_is_not_written() {
        assert_eq!(replaced("a", "new"), None);
        assert_eq!(replaced(&format!("{END} {BEGIN}"), "new"), None);
    }

    #[test]
    fn the_page_has_the_markers() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace");
        let page = fs::read_to_string(root.join(PAGE)).expect("it is there");
        assert!(replaced(&page, "").is_some());
    }
}
