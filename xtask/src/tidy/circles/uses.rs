//! Uses between files: the imports, paths and method calls of one file that lead to items of other
//! files of the folder.
//!
//! The type of a receiver is inferred where this is simple: `self`, parameters, fields, struct
//! literals, struct patterns, and results of known functions. If the type is not known, the method
//! is taken for the one of this name in the folder, if a single file of the folder and no other
//! file of the workspace defines such methods, nor the standard library ([`COMMON`]).

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};
use syn::{
    Arm, Attribute, Block, Expr, ExprCall, ExprClosure, ExprForLoop, ExprIf, ExprMethodCall, ExprWhile, File,
    ImplItem, ImplItemFn, Item, ItemFn, ItemImpl, ItemMod, ItemUse, Local, Macro, Pat, PatIdent, PatStruct,
    PatType, Path, Visibility,
};

use super::declarations::{Declarations, Names, Resolved, attributes, leaves, name_of};
use super::tokens::{Mention, macro_input, mentions};
use crate::mutants::find::is_test;

/// Methods of the standard library.
const COMMON: &[&str] = &[
    "add",
    "all",
    "any",
    "append",
    "as_ref",
    "as_str",
    "chain",
    "clear",
    "clone",
    "contains",
    "contains_key",
    "count",
    "drain",
    "elapsed",
    "entry",
    "extend",
    "filter",
    "find",
    "first",
    "get",
    "get_mut",
    "get_or_insert",
    "insert",
    "into_iter",
    "is_empty",
    "iter",
    "iter_mut",
    "join",
    "keys",
    "last",
    "len",
    "lock",
    "map",
    "max",
    "merge",
    "min",
    "next",
    "parse",
    "pop",
    "position",
    "push",
    "push_back",
    "push_front",
    "range",
    "remove",
    "replace",
    "reserve",
    "retain",
    "send",
    "sort",
    "split",
    "start",
    "swap",
    "take",
    "truncate",
    "values",
    "values_mut",
    "write",
];

/// A use of an item of another file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    /// Number of the file that uses the item.
    pub(crate) from: usize,
    /// Number of the file that defines it.
    pub(crate) to: usize,
    /// Line of the use.
    pub(crate) line: usize,
    /// The item, for example `Waits::open`.
    pub(crate) item: String,
    /// Whether a function or method is called.
    pub(crate) is_call: bool,
}

/// The uses in a file, whose module has the path `module`, of items of other files. `elsewhere` are
/// names of methods that files outside of the folder define.
pub(crate) fn uses(
    declarations: &Declarations,
    elsewhere: &BTreeSet<String>,
    file: usize,
    module: Names,
    parsed: &File,
) -> Vec<Use> {
    let env = BTreeMap::new();
    let mut finder = Finder { declarations, elsewhere, file, module, self_type: None, env, uses: Vec::new() };
    finder.visit_file(parsed);
    finder.uses
}

struct Finder<'a> {
    declarations: &'a Declarations,
    elsewhere: &'a BTreeSet<String>,
    file: usize,
    module: Names,
    /// The type of the enclosing implementation.
    self_type: Option<String>,
    /// Types of local variables; `None` if they are not known.
    env: BTreeMap<String, Option<String>>,
    uses: Vec<Use>,
}

impl Finder<'_> {
    fn note(&mut self, to: usize, line: usize, item: String, is_call: bool) {
        if to != self.file {
            self.uses.push(Use { from: self.file, to, line, item, is_call });
        }
    }

    /// Visits code in a scope of its own.
    fn scoped(&mut self, visit: impl FnOnce(&mut Self)) {
        let before = self.env.clone();
        visit(self);
        self.env = before;
    }

    /// The item that a path names, with its methods: file, name, and whether it can be called.
    fn target(&self, path: &[String]) -> Option<(usize, String, bool)> {
        if let (Some("Self"), Some(of)) = (path.first().map(String::as_str), &self.self_type) {
            let name = path.get(1)?;
            let method = self.declarations.method(of, name)?;
            return Some((method.file, format!("{of}::{name}"), true));
        }
        let Resolved { file, item, rest } = self.declarations.resolve(&self.module, path)?;
        let Some(name) = rest.first() else {
            let is_call = self.declarations.function(file, &item).is_some();
            return Some((file, item, is_call));
        };
        match self.declarations.method(&item, name) {
            Some(method) => Some((method.file, format!("{item}::{name}"), true)),
            None => Some((file, format!("{item}::{name}"), false)),
        }
    }

    fn path(&mut self, path: &[String], line: usize, is_call: bool) {
        if let Some((file, item, is_callable)) = self.target(path) {
            self.note(file, line, item, is_call && is_callable);
        }
    }

    /// The name of the type of an expression, where it is simple to infer.
    fn type_of(&self, expr: &Expr) -> Option<String> {
        match expr {
            Expr::Path(path) => {
                let name = path.path.get_ident()?.to_string();
                self.env.get(&name).cloned().flatten()
            }
            Expr::Field(field) => {
                let syn::Member::Named(name) = &field.member else { return None };
                self.declarations.field(&self.type_of(&field.base)?, &name.to_string()).cloned()
            }
            Expr::MethodCall(call) => {
                let of = self.type_of(&call.receiver)?;
                self.declarations.method(&of, &call.method.to_string())?.output.clone()
            }
            Expr::Call(call) => {
                let Expr::Path(path) = &*call.func else { return None };
                let (file, item, _) = self.target(&names(&path.path))?;
                match item.split_once("::") {
                    Some((of, name)) => self.declarations.method(of, name)?.output.clone(),
                    None => self.declarations.function(file, &item)?.output.clone(),
                }
            }
            Expr::Struct(of) => names(&of.path).last().map(|name| match (name.as_str(), &self.self_type) {
                ("Self", Some(of)) => of.clone(),
                _ => name.clone(),
            }),
            Expr::Reference(inner) => self.type_of(&inner.expr),
            Expr::Paren(inner) => self.type_of(&inner.expr),
            _ => None,
        }
    }

    fn method(&mut self, of: Option<&str>, name: &str, line: usize) {
        let declarations = self.declarations;
        if let Some(of) = of {
            if let Some(method) = declarations.method(of, name) {
                self.note(method.file, line, format!("{of}::{name}"), true);
            }
            return;
        }
        if COMMON.contains(&name) || self.elsewhere.contains(name) {
            return;
        }
        let mut named = declarations.methods_named(name);
        if let Some((of, method)) = named.next()
            && named.all(|(_, other)| other.file == method.file)
        {
            self.note(method.file, line, format!("{of}::{name}"), true);
        }
    }
}

/// The names of a path.
fn names(path: &Path) -> Names {
    path.segments.iter().map(|segment| segment.ident.to_string()).collect()
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_test(attributes(item)) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        for (name, path) in leaves(&item.tree, &[]) {
            let line = item.use_token.span.start().line;
            match name {
                Some(_) => self.path(&path, line, false),
                // A glob of a module has no item; the name stands for all.
                None => self.path(&[path, vec!["*".to_owned()]].concat(), line, false),
            }
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        let of = name_of(&item.self_ty, None);
        let before = std::mem::replace(&mut self.self_type, of);
        visit::visit_item_impl(self, item);
        self.self_type = before;
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let ImplItem::Fn(method) = item else { return visit::visit_impl_item(self, item) };
        if !is_test(&method.attrs) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        self.scoped(|finder| {
            finder.env = BTreeMap::from([("self".to_owned(), finder.self_type.clone())]);
            visit::visit_impl_item_fn(finder, item);
        });
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        self.scoped(|finder| {
            finder.env = BTreeMap::new();
            visit::visit_item_fn(finder, item);
        });
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.scoped(|finder| visit::visit_block(finder, block));
    }

    fn visit_arm(&mut self, arm: &'ast Arm) {
        self.scoped(|finder| visit::visit_arm(finder, arm));
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        self.scoped(|finder| visit::visit_expr_closure(finder, closure));
    }

    fn visit_expr_if(&mut self, expr: &'ast ExprIf) {
        self.scoped(|finder| visit::visit_expr_if(finder, expr));
    }

    fn visit_expr_while(&mut self, expr: &'ast ExprWhile) {
        self.scoped(|finder| visit::visit_expr_while(finder, expr));
    }

    fn visit_expr_for_loop(&mut self, expr: &'ast ExprForLoop) {
        self.scoped(|finder| visit::visit_expr_for_loop(finder, expr));
    }

    fn visit_pat_ident(&mut self, pat: &'ast PatIdent) {
        self.env.insert(pat.ident.to_string(), None);
        visit::visit_pat_ident(self, pat);
    }

    fn visit_pat_type(&mut self, pat: &'ast PatType) {
        visit::visit_pat_type(self, pat);
        if let Pat::Ident(name) = &*pat.pat {
            let of = name_of(&pat.ty, self.self_type.as_deref());
            self.env.insert(name.ident.to_string(), of);
        }
    }

    fn visit_pat_struct(&mut self, pat: &'ast PatStruct) {
        visit::visit_pat_struct(self, pat);
        let Some(of) = names(&pat.path).pop() else { return };
        for field in &pat.fields {
            if let (syn::Member::Named(name), Pat::Ident(variable)) = (&field.member, &*field.pat) {
                let of = self.declarations.field(&of, &name.to_string()).cloned();
                self.env.insert(variable.ident.to_string(), of);
            }
        }
    }

    fn visit_local(&mut self, local: &'ast Local) {
        let of = local.init.as_ref().and_then(|init| self.type_of(&init.expr));
        if let Some(init) = &local.init {
            self.visit_local_init(init);
        }
        self.visit_pat(&local.pat);
        if let Pat::Ident(name) = &local.pat {
            self.env.insert(name.ident.to_string(), of);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let of = self.type_of(&call.receiver);
        self.method(of.as_deref(), &call.method.to_string(), call.method.span().start().line);
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        let Expr::Path(func) = &*call.func else { return visit::visit_expr_call(self, call) };
        let line = func.path.segments.first().map_or(0, |first| first.ident.span().start().line);
        self.path(&names(&func.path), line, true);
        for segment in &func.path.segments {
            self.visit_path_arguments(&segment.arguments);
        }
        call.args.iter().for_each(|argument| self.visit_expr(argument));
    }

    fn visit_path(&mut self, path: &'ast Path) {
        let path_names = names(path);
        // A name alone is that of an item of the file, or of an import, which counts.
        if let (Some(first), true) = (path.segments.first(), path_names.len() > 1) {
            self.path(&path_names, first.ident.span().start().line, false);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, mac: &'ast Macro) {
        let (expressions, rest) = macro_input(mac.tokens.clone());
        expressions.iter().for_each(|expression| Visit::visit_expr(self, expression));
        for mention in mentions(rest) {
            match mention {
                Mention::Path { names, line, is_call } => self.path(&names, line, is_call),
                Mention::Method { name, line } => self.method(None, &name, line),
            }
        }
    }

    // Neither attributes nor visibilities use what they name.
    fn visit_attribute(&mut self, _: &'ast Attribute) {}
    fn visit_visibility(&mut self, _: &'ast Visibility) {}
}
