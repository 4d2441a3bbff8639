//! Finder of mutants: lists the mutants of one Rust file, and rewrites the file so that it has all
//! of them, each inactive until it is chosen.
//!
//! Each mutant has a number; the rewritten text calls `on(number)` at its place. Markers around the
//! code of a mutant let [`markers::at`] find the mutants that the compiler rejects.

use std::ops::Range;

use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{
    Arm, Attribute, Block, Expr, ExprBinary, ExprMatch, ExprRepeat, ExprUnary, ImplItemFn, ItemFn, ItemImpl,
    ItemMod, ItemTrait, Pat, Signature, TraitItemFn, Type, UnOp,
};

use super::markers::{self, marked};
use super::mutant::{CompilerFeedback, Mutant, last_two};
use super::operators::{self, Kind};
use super::splice::Edits;
use super::values;

/// The mutants of a file, numbered from `first`, and the text of the file with those that the
/// compiler accepts.
pub(crate) fn find(
    file: &str,
    source: &str,
    first: u32,
    feedback: &CompilerFeedback,
) -> syn::Result<(Vec<Mutant>, String)> {
    let parsed = syn::parse_file(source)?;
    let mut finder = Finder {
        file,
        source,
        feedback,
        next: first,
        scope: Vec::new(),
        is_runtime: true,
        mutants: Vec::new(),
        edits: Edits::default(),
    };
    finder.visit_file(&parsed);
    Ok((finder.mutants, finder.edits.apply(source)))
}

/// Whether attributes restrict an item to tests.
pub(crate) fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
        let condition = list.tokens.to_string();
        list.path.is_ident("cfg") && matches!(condition.as_str(), "test" | "doctest")
    })
}

struct Finder<'a> {
    file: &'a str,
    source: &'a str,
    feedback: &'a CompilerFeedback,
    next: u32,
    /// Names of the enclosing modules, types and functions.
    scope: Vec<String>,
    /// Whether the code here runs after compilation, so that a mutant can be activated.
    is_runtime: bool,
    mutants: Vec<Mutant>,
    edits: Edits,
}

/// A mutant that is written into the text.
struct ActiveMutant {
    number: u32,
    replacement: String,
}

impl ActiveMutant {
    fn condition(&self) -> String {
        format!("crate::gm_mutant::on({})", self.number)
    }

    fn case(&self, text: &str) -> String {
        format!("if {} {{ {} }} else ", self.condition(), marked(&[self.number], text))
    }
}

impl Finder<'_> {
    fn text(&self, range: Range<usize>) -> String {
        let text = self.source.get(range).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Records a mutant. Returns it if it can be written into the text.
    fn note(&mut self, line: usize, change: String, replacement: &str) -> Option<ActiveMutant> {
        let number = self.next;
        self.next += 1;
        let function = self.scope.join("::");
        let same = |mutant: &&Mutant| mutant.function == function && mutant.base_change == change;
        let before = self.mutants.iter().filter(same).count();
        let (base_change, change) =
            (change.clone(), if before == 0 { change } else { format!("{change} ({})", before + 1) });
        let built_in = self.is_runtime && !self.feedback.refused.contains(&number);
        self.mutants.push(Mutant {
            number,
            file: self.file.to_owned(),
            line,
            function,
            base_change,
            change,
            built_in,
        });
        built_in.then(|| ActiveMutant { number, replacement: replacement.to_owned() })
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        self.scope.push(signature.ident.to_string());
        let before = self.is_runtime;
        if let Some(constant) = &signature.constness {
            if self.feedback.constant.contains(&last_two(&self.scope.join("::"))) {
                self.is_runtime = false;
            } else {
                self.edits.replace(constant.span().byte_range(), "");
            }
        }
        if let Some(first) = block.stmts.first() {
            let body = self.text(first.span().byte_range());
            for value in values::of_output(&signature.output, &self.feedback.defaults) {
                let same = block.stmts.len() == 1 && body == value;
                // `Default::default` that calls itself would not return.
                if same || (signature.ident == "default" && value.starts_with("Default")) {
                    continue;
                }
                let shown = if value.is_empty() { "()" } else { &value };
                let line = signature.ident.span().start().line;
                if let Some(active) = self.note(line, format!("returns {shown}"), &value) {
                    let text = marked(&[active.number], &format!("return {}", active.replacement));
                    self.edits.insert(
                        first.span().byte_range().start,
                        format!("if {} {{ {text}; }} ", active.condition()),
                    );
                }
            }
        }
        self.visit_block(block);
        self.is_runtime = before;
        self.scope.pop();
    }

    fn binary(&mut self, binary: &ExprBinary) {
        let (kind, changes) = operators::changes(&binary.op, &binary.right);
        let (left, right) = (binary.left.span().byte_range(), binary.right.span().byte_range());
        let was = self.text(left.start..right.end);
        let lazy_with_let = kind == Kind::Lazy && has_let(&binary.left, &binary.right);
        let changes = if lazy_with_let { Vec::new() } else { changes };
        let line = binary.op.span().start().line;
        let active: Vec<ActiveMutant> = changes
            .iter()
            .filter_map(|change| self.note(line, format!("`{was}` by `{}`", change.trim()), change))
            .collect();
        let op = self.text(binary.op.span().byte_range());
        if active.is_empty() {
            return visit::visit_expr_binary(self, binary);
        }
        let numbers: Vec<u32> = active.iter().map(|mutant| mutant.number).collect();
        self.edits.insert(left.start, markers::open(&numbers));
        match kind {
            Kind::Lazy => self.lazy(binary, &active, &op),
            Kind::Assign => {
                // The left side is copied several times, so it has no mutants of its own.
                let place = self.text(left.clone());
                self.edits.replace(left.start..right.start, "(match (");
                self.visit_expr(&binary.right);
                self.edits
                    .insert(right.end, ") { gm_r => ".to_owned() + &cases(&active, &place, &op) + " })");
            }
            Kind::ByReference | Kind::ByValue => {
                let (open, between) = if kind == Kind::ByReference { ("&(", "), &(") } else { ("(", "), (") };
                self.edits.insert(left.start, format!("(match ({open}"));
                self.visit_expr(&binary.left);
                self.edits.replace(left.end..right.start, between);
                self.visit_expr(&binary.right);
                self.edits.insert(
                    right.end,
                    ")) { (gm_l, gm_r) => ".to_owned() + &cases(&active, "gm_l", &op) + " })",
                );
            }
        }
        self.edits.insert(right.end, markers::CLOSE);
    }

    fn lazy(&mut self, binary: &ExprBinary, active: &[ActiveMutant], op: &str) {
        let (left, right) = (binary.left.span().byte_range(), binary.right.span().byte_range());
        let condition = active.iter().map(ActiveMutant::condition).collect::<Vec<_>>().join("||");
        // Inactive, `a && b` is `if a { b } else { false }`; active it is `if !a { b } else { true
        // }`. For `a || b` it is the reverse.
        let (same, otherwise) = if op == "&&" { ("!=", "") } else { ("==", "!") };
        self.edits.insert(left.start, "(if (");
        self.visit_expr(&binary.left);
        self.edits.replace(left.end..right.start, format!(") {same} {condition} {{ "));
        self.visit_expr(&binary.right);
        self.edits.insert(right.end, format!(" }} else {{ {otherwise}{condition} }})"));
    }

    fn arm(&mut self, arm: &Arm, is_removable: bool) {
        let line = arm.span().start().line;
        let pattern = arm.pat.span().byte_range();
        let removed = if is_removable {
            let change = format!("no arm `{}`", self.text(pattern.clone()));
            self.note(line, change, "")
        } else {
            None
        };
        let Pat::Guard(guarded) = &arm.pat else {
            if let Some(removed) = &removed {
                self.edits.insert(pattern.end, format!(" if !{}", removed.condition()));
            }
            return self.visit_expr(&arm.body);
        };
        let guard = guarded.guard.span().byte_range();
        let was = self.text(guard.clone());
        let always = self.note(line, format!("guard `{was}` by `true`"), "");
        let never = self.note(line, format!("guard `{was}` by `false`"), "");
        let not = |mutant: &Option<ActiveMutant>| {
            mutant.as_ref().map_or("true".to_owned(), |m| format!("!{}", m.condition()))
        };
        let or = always.as_ref().map_or("false".to_owned(), ActiveMutant::condition);
        self.edits.insert(guard.start, format!("{} && ({or} || ({} && (", not(&removed), not(&never)));
        self.visit_expr(&guarded.guard);
        self.edits.insert(guard.end, ")))");
        self.visit_expr(&arm.body);
    }
}

fn cases(active: &[ActiveMutant], left: &str, op: &str) -> String {
    let mut text = String::new();
    for mutant in active {
        let replacement = mutant.replacement.trim_end();
        // The replacement is an operator alone, or an operator with its own right side.
        let right = if replacement.contains(' ') { "" } else { " gm_r" };
        text += &mutant.case(&format!("{left} {replacement}{right}"));
    }
    format!("{text}{{ {left} {op} gm_r }}")
}

/// Whether a side of a chain of conditions binds names with `let`.
fn has_let(left: &Expr, right: &Expr) -> bool {
    [left, right].into_iter().any(|side| match side {
        Expr::Let(_) => true,
        Expr::Binary(binary) => has_let(&binary.left, &binary.right),
        _ => false,
    })
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast ItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_item_impl(&mut self, item: &'ast ItemImpl) {
        if is_test(&item.attrs) {
            return;
        }
        let of = self.text(item.self_ty.span().byte_range());
        let name = match &item.trait_ {
            Some((path, _)) => format!("<{of} as {}>", self.text(path.span().byte_range())),
            None => of,
        };
        self.scope.push(name);
        visit::visit_item_impl(self, item);
        self.scope.pop();
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.scope.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
        self.scope.pop();
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !is_test(&item.attrs) {
            self.function(&item.sig, &item.block);
        }
    }

    fn visit_trait_item_fn(&mut self, item: &'ast TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
    }

    fn visit_expr_binary(&mut self, binary: &'ast ExprBinary) {
        self.binary(binary);
    }

    fn visit_expr_unary(&mut self, unary: &'ast ExprUnary) {
        let op = match unary.op {
            UnOp::Not(_) => "!",
            UnOp::Neg(_) => "-",
            _ => return visit::visit_expr_unary(self, unary),
        };
        let (whole, inner) = (unary.span().byte_range(), unary.expr.span().byte_range());
        let change = format!("`{}` without `{op}`", self.text(whole.clone()));
        let Some(active) = self.note(unary.span().start().line, change, "") else {
            return visit::visit_expr_unary(self, unary);
        };
        self.edits.replace(whole.start..inner.start, markers::open(&[active.number]) + "(match (");
        self.visit_expr(&unary.expr);
        let case = active.case("gm_v");
        self.edits.insert(whole.end, format!(") {{ gm_v => {case}{{ {op}gm_v }} }}){}", markers::CLOSE));
    }

    fn visit_expr_match(&mut self, expr: &'ast ExprMatch) {
        self.visit_expr(&expr.expr);
        let wild = expr.arms.iter().any(|arm| matches!(arm.pat, Pat::Wild(_)));
        for arm in &expr.arms {
            self.arm(arm, wild && !matches!(arm.pat, Pat::Wild(_)));
        }
    }

    fn visit_expr_repeat(&mut self, repeat: &'ast ExprRepeat) {
        self.visit_expr(&repeat.expr);
    }

    // Code that is evaluated at compile time cannot check which mutant is active.
    fn visit_expr_const(&mut self, _: &'ast syn::ExprConst) {}
    fn visit_item_const(&mut self, _: &'ast syn::ItemConst) {}
    fn visit_item_static(&mut self, _: &'ast syn::ItemStatic) {}
    fn visit_impl_item_const(&mut self, _: &'ast syn::ImplItemConst) {}
    fn visit_trait_item_const(&mut self, _: &'ast syn::TraitItemConst) {}
    fn visit_item_enum(&mut self, _: &'ast syn::ItemEnum) {}
    fn visit_type(&mut self, _: &'ast Type) {}
    fn visit_pat(&mut self, _: &'ast Pat) {}
}

#[cfg(test)]
mod tests;
