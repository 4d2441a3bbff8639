//! Source files of a crate, and the copy of the workspace in which its mutants are built.
//!
//! It follows `mod` declarations to files and leaves out test-only modules.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use syn::{Attribute, Item, ItemMod};

use super::find::is_test;

/// A file of a crate.
#[derive(Debug)]
pub(crate) struct Source {
    /// Path relative to the workspace root, with forward slashes.
    pub(crate) file: String,
    pub(crate) text: String,
}

/// The files of a crate's library without test-only modules, sorted by path, and the names of its
/// types that implement `Default`.
pub(crate) fn sources(root: &Path, package: &str) -> Result<(Vec<Source>, BTreeSet<String>)> {
    let mut sources = Vec::new();
    let mut defaults = BTreeSet::new();
    let mut open = vec![(format!("{package}/src/lib.rs"), format!("{package}/src"))];
    while let Some((file, below)) = open.pop() {
        let text = fs::read_to_string(root.join(&file)).with_context(|| format!("cannot read {file}"))?;
        let parsed = syn::parse_file(&text).with_context(|| format!("cannot parse {file}"))?;
        for item in &parsed.items {
            defaults.extend(with_default(item));
            if let Item::Mod(module) = item
                && module.content.is_none()
                && !is_test(&module.attrs)
            {
                open.push(module_file(root, &below, module)?);
            }
        }
        sources.push(Source { file, text });
    }
    sources.sort_by(|a, b| a.file.cmp(&b.file));
    Ok((sources, defaults))
}

/// The file of a module, and the folder of its submodules.
fn module_file(root: &Path, below: &str, module: &ItemMod) -> Result<(String, String)> {
    let folder = format!("{below}/{}", module.ident);
    for file in [format!("{folder}.rs"), format!("{folder}/mod.rs")] {
        if root.join(&file).is_file() {
            return Ok((file, folder));
        }
    }
    bail!("the module {} has no file in {below}", module.ident)
}

fn with_default(item: &Item) -> Option<String> {
    let derives = |attributes: &[Attribute]| {
        attributes.iter().any(|attribute| match &attribute.meta {
            syn::Meta::List(list) if list.path.is_ident("derive") => {
                list.tokens.to_string().split(',').any(|name| name.trim() == "Default")
            }
            _ => false,
        })
    };
    match item {
        Item::Struct(item) if derives(&item.attrs) => Some(item.ident.to_string()),
        Item::Enum(item) if derives(&item.attrs) => Some(item.ident.to_string()),
        Item::Impl(item) => {
            let (path, _) = item.trait_.as_ref()?;
            let syn::Type::Path(of) = &*item.self_ty else { return None };
            path.segments.last().is_some_and(|last| last.ident == "Default").then_some(())?;
            Some(of.path.segments.last()?.ident.to_string())
        }
        _ => None,
    }
}

/// Copies the workspace to a folder, with other texts for the files in `instead`. It does not write
/// files that are already equal, so that cargo builds nothing twice.
pub(crate) fn copy(root: &Path, target: &Path, to: &Path, instead: &[(String, String)]) -> Result<()> {
    let mut kept = BTreeSet::new();
    let mut open = vec![PathBuf::new()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            let whole = root.join(&path);
            if whole == target || entry.file_name() == ".git" || path == Path::new("target") {
                continue;
            }
            if entry.file_type()?.is_dir() {
                open.push(path);
                continue;
            }
            let changed = instead.iter().find(|(file, _)| Path::new(file) == path);
            let bytes = match changed {
                Some((_, text)) => text.clone().into_bytes(),
                None => fs::read(&whole).with_context(|| format!("cannot read {}", whole.display()))?,
            };
            write(&to.join(&path), &bytes)?;
            kept.insert(path);
        }
    }
    remove_others(to, Path::new(""), &kept)
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if fs::read(path).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, bytes).with_context(|| format!("cannot write {}", path.display()))
}

/// Removes files that the workspace no longer has.
fn remove_others(to: &Path, folder: &Path, kept: &BTreeSet<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(to.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            remove_others(to, &path, kept)?;
        } else if !kept.contains(&path) {
            fs::remove_file(to.join(&path))?;
        }
    }
    Ok(())
}
