//! Symbol table of a folder: the modules, items, imports, methods and fields that its files declare
//! outside of tests, and the resolution of paths to the file that defines an item.
//!
//! The last name of a type identifies it. Items that macros define are not known.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{
    Attribute, Fields, File, ImplItem, ImplItemFn, Item, ItemFn, ItemImpl, ItemMod, ItemUse, ReturnType,
    Type, UseTree,
};

use crate::mutants::find::is_test;

/// Longest chain of imports that is followed.
const MAX_IMPORTS: usize = 16;

/// A path of names, for example `crate::node::timers`.
pub(crate) type Names = Vec<String>;

/// A file or an inline module.
#[derive(Debug, Default)]
struct Module {
    /// Number of the file.
    file: usize,
    items: BTreeSet<String>,
    /// Imported paths by the name that they have in the module.
    imports: BTreeMap<String, Names>,
    globs: Vec<Names>,
}

/// A method or a function.
#[derive(Debug)]
pub(crate) struct Callable {
    /// Number of the file that defines it.
    pub(crate) file: usize,
    /// Name of the type that it returns, if it has one.
    pub(crate) output: Option<String>,
}

/// An item that a path names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    /// Number of the file that defines it.
    pub(crate) file: usize,
    pub(crate) item: String,
    /// Names after the item: a method, a variant.
    pub(crate) rest: Names,
}

/// The declarations of all files of a folder.
#[derive(Debug, Default)]
pub(crate) struct Declarations {
    modules: BTreeMap<Names, Module>,
    functions: BTreeMap<(usize, String), Callable>,
    /// Methods of inherent implementations by type and name.
    methods: BTreeMap<String, BTreeMap<String, Callable>>,
    /// Types of fields by struct and name.
    fields: BTreeMap<String, BTreeMap<String, String>>,
}

impl Declarations {
    /// Adds a file, whose module has the path `module`.
    pub(crate) fn add(&mut self, file: usize, module: Names, parsed: &File) {
        self.modules.entry(module.clone()).or_default().file = file;
        Collector { declarations: self, file, module, self_type: None }.visit_file(parsed);
    }

    /// The item that a path in a module names; `None` for modules, and for what is not in the
    /// folder.
    pub(crate) fn resolve(&self, module: &[String], path: &[String]) -> Option<Resolved> {
        self.resolve_within(module, path, MAX_IMPORTS)
    }

    fn resolve_within(&self, module: &[String], path: &[String], imports: usize) -> Option<Resolved> {
        let imports = imports.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        let mut absolute = match first.as_str() {
            "crate" => vec![first.clone()],
            "self" | "super" => module.to_vec(),
            _ => return self.resolve_item(module, path, imports),
        };
        if first == "super" {
            absolute.pop();
        }
        let supers = rest.iter().take_while(|name| *name == "super").count();
        absolute.truncate(absolute.len().saturating_sub(supers));
        absolute.extend_from_slice(rest.get(supers..)?);
        let known = (1..=absolute.len()).rev().find(|n| self.modules.contains_key(&absolute[..*n]))?;
        let (module, path) = absolute.split_at(known);
        self.resolve_below(module, path, imports)
    }

    /// Resolves a path that is written behind the path of a module. What is not found there is
    /// taken for an item of its file.
    fn resolve_below(&self, module: &[String], path: &[String], imports: usize) -> Option<Resolved> {
        let (item, rest) = path.split_first()?;
        self.resolve_item(module, path, imports).or_else(|| {
            let file = self.modules.get(module)?.file;
            Some(Resolved { file, item: item.clone(), rest: rest.to_vec() })
        })
    }

    /// Resolves a path that begins with an item, an import or a child of a module.
    fn resolve_item(&self, module: &[String], path: &[String], imports: usize) -> Option<Resolved> {
        let here = self.modules.get(module)?;
        let (item, rest) = path.split_first()?;
        if here.items.contains(item) {
            return Some(Resolved { file: here.file, item: item.clone(), rest: rest.to_vec() });
        }
        let child = [module, std::slice::from_ref(item)].concat();
        if self.modules.contains_key(&child) {
            return self.resolve_below(&child, rest, imports);
        }
        if let Some(imported) = here.imports.get(item) {
            return self.resolve_within(module, &[imported, rest].concat(), imports);
        }
        here.globs.iter().find_map(|glob| {
            let found = self.resolve_within(module, &[glob, path].concat(), imports)?;
            self.defines(found.file, &found.item).then_some(found)
        })
    }

    fn defines(&self, file: usize, item: &str) -> bool {
        self.modules.values().any(|module| module.file == file && module.items.contains(item))
    }

    /// A function outside of implementations.
    pub(crate) fn function(&self, file: usize, name: &str) -> Option<&Callable> {
        self.functions.get(&(file, name.to_owned()))
    }

    /// A method of an inherent implementation.
    pub(crate) fn method(&self, of: &str, name: &str) -> Option<&Callable> {
        self.methods.get(of)?.get(name)
    }

    /// The methods with a name, of any type, with the type.
    pub(crate) fn methods_named<'a>(
        &'a self,
        name: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a Callable)> {
        self.methods.iter().filter_map(move |(of, methods)| Some((of.as_str(), methods.get(name)?)))
    }

    /// The type of a field.
    pub(crate) fn field(&self, of: &str, name: &str) -> Option<&String> {
        self.fields.get(of)?.get(name)
    }
}

/// The name of a type without references and boxes; `self_type` is that of `Self`.
pub(crate) fn name_of(of: &Type, self_type: Option<&str>) -> Option<String> {
    match of {
        Type::Reference(reference) => name_of(&reference.elem, self_type),
        Type::Paren(inner) => name_of(&inner.elem, self_type),
        Type::Group(inner) => name_of(&inner.elem, self_type),
        Type::Path(path) => {
            let last = path.path.segments.last()?;
            let name = last.ident.to_string();
            match (name.as_str(), &last.arguments) {
                ("Self", _) => self_type.map(str::to_owned),
                ("Box" | "Rc" | "Arc", syn::PathArguments::AngleBracketed(arguments)) => {
                    arguments.args.iter().find_map(|argument| match argument {
                        syn::GenericArgument::Type(inner) => name_of(inner, self_type),
                        _ => None,
                    })
                }
                _ => Some(name),
            }
        }
        _ => None,
    }
}

/// The paths that an import names, each with its name in the importing module; `None` for a glob.
pub(crate) fn leaves(tree: &UseTree, before: &[String]) -> Vec<(Option<String>, Names)> {
    let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(&path.ident)),
        UseTree::Group(group) => group.items.iter().flat_map(|item| leaves(item, before)).collect(),
        UseTree::Glob(_) => vec![(None, before.to_vec())],
        UseTree::Name(name) if name.ident == "self" => vec![(before.last().cloned(), before.to_vec())],
        UseTree::Name(name) => vec![(Some(name.ident.to_string()), with(&name.ident))],
        UseTree::Rename(rename) if rename.ident == "self" => {
            vec![(Some(rename.rename.to_string()), before.to_vec())]
        }
        UseTree::Rename(rename) => vec![(Some(rename.rename.to_string()), with(&rename.ident))],
    }
}

/// The attributes of an item.
pub(crate) fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::ExternCrate(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Union(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Collects the declarations of one file.
struct Collector<'a> {
    declarations: &'a mut Declarations,
    file: usize,
    module: Names,
    self_type: Option<String>,
}

impl Collector<'_> {
    fn module(&mut self) -> &mut Module {
        self.declarations.modules.entry(self.module.clone()).or_default()
    }

    fn callable(&self, output: &ReturnType) -> Callable {
        let output = match output {
            ReturnType::Default => None,
            ReturnType::Type(_, output) => name_of(output, self.self_type.as_deref()),
        };
        Callable { file: self.file, output }
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if is_test(attributes(item)) {
            return;
        }
        let name = match item {
            Item::Const(item) => Some(&item.ident),
            Item::Enum(item) => Some(&item.ident),
            Item::Fn(item) => Some(&item.sig.ident),
            Item::Static(item) => Some(&item.ident),
            Item::Struct(item) => Some(&item.ident),
            Item::Trait(item) => Some(&item.ident),
            Item::Type(item) => Some(&item.ident),
            Item::Union(item) => Some(&item.ident),
            _ => None,
        };
        if let Some(name) = name {
            self.module().items.insert(name.to_string());
        }
        if let Item::Struct(item) = item
            && let Fields::Named(fields) = &item.fields
        {
            let of = item.ident.to_string();
            let typed = fields.named.iter().filter_map(|field| {
                Some((field.ident.as_ref()?.to_string(), name_of(&field.ty, Some(of.as_str()))?))
            });
            let typed: BTreeMap<String, String> = typed.collect();
            self.declarations.fields.entry(of.clone()).or_default().extend(typed);
        }
        visit::visit_item(self, item);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if item.content.is_none() {
            return;
        }
        self.module.push(item.ident.to_string());
        let file = self.file;
        self.module().file = file;
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for (name, path) in leaves(&item.tree, &[]) {
            match name {
                Some(name) => drop(self.module().imports.insert(name, path)),
                None => self.module().globs.push(path),
            }
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        let callable = self.callable(&item.sig.output);
        self.declarations.functions.insert((self.file, item.sig.ident.to_string()), callable);
        visit::visit_item_fn(self, item);
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        self.self_type = name_of(&item.self_ty, None);
        for inner in &item.items {
            if let ImplItem::Fn(method) = inner
                && item.trait_.is_none()
                && !is_test(&method.attrs)
            {
                self.inherent(method);
            }
        }
        visit::visit_item_impl(self, item);
        self.self_type = None;
    }
}

impl Collector<'_> {
    fn inherent(&mut self, method: &ImplItemFn) {
        let Some(of) = self.self_type.clone() else { return };
        let callable = self.callable(&method.sig.output);
        self.declarations.methods.entry(of).or_default().insert(method.sig.ident.to_string(), callable);
    }
}
