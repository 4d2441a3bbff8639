//! Working tree: reads all files below the root once, for the rules of `tidy`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The files below the root, without build products and version control.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// Texts by path relative to the root, with forward slashes.
    texts: BTreeMap<String, String>,
    /// Paths of folders, and of files that are not text.
    others: BTreeSet<String>,
    files: usize,
}

impl Tree {
    /// Reads the tree. Symbolic links are not followed.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut tree = Self::default();
        tree.folder(root, "")?;
        Ok(tree)
    }

    /// The text files in the order of their paths.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()))
    }

    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.texts.get(path).map(String::as_str)
    }

    /// Whether there is a file or folder with this path.
    pub(crate) fn exists(&self, path: &str) -> bool {
        path.is_empty() || self.texts.contains_key(path) || self.others.contains(path)
    }

    /// The number of files.
    pub(crate) fn len(&self) -> usize {
        self.files
    }

    fn folder(&mut self, folder: &Path, below: &str) -> Result<()> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
        for entry in entries {
            let entry = entry.with_context(|| format!("cannot list {}", folder.display()))?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let kind = entry.file_type().with_context(|| format!("cannot read the type of {name}"))?;
            let path = format!("{below}{name}");
            if kind.is_dir() {
                if name != "target" && name != ".git" {
                    self.folder(&entry.path(), &format!("{path}/"))?;
                    self.others.insert(path);
                }
            } else if kind.is_file() {
                self.files += 1;
                let bytes = fs::read(entry.path()).with_context(|| format!("cannot read {path}"))?;
                match String::from_utf8(bytes) {
                    Ok(text) => drop(self.texts.insert(path, text)),
                    Err(_) => drop(self.others.insert(path)),
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_crate_is_read_from_its_own_folder() {
        let tree = Tree::read(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("the sources are readable");
        let this = tree.text("src/tidy/tree.rs").expect("this file is in the tree");
        assert!(this.starts_with("//! Working tree: reads all files"));
        assert!(tree.exists("src/tidy") && tree.exists("") && !tree.exists("src/none"));
        assert_eq!(tree.len(), tree.texts().count(), "all files are text");
    }
}
