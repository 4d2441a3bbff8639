//! The mutants of one file: where they are, and the file with all of them in it, each asleep until
//! it is chosen.
//!
//! Knows the syntax of Rust. Each mutant has a number; the changed text asks `on(number)` at each
//! place. Around what a mutant says, marks are put, by which [`mark::at`] finds the mutants that a
//! compiler complained of.

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

/// All mutants of a file, numbered from `first`, and the file with those that a compiler takes.
pub(crate) fn find(
    file: &str,
    source: &str,
    first: u32,
    learnt: &CompilerFeedback,
) -> syn::Result<(Vec<Mutant>, String)> {
    let parsed = syn::parse_file(source)?;
    let mut finder = Finder {
        file,
        source,
        learnt,
        next: first,
        around: Vec::new(),
        writes: true,
        mutants: Vec::new(),
        edits: Edits::default(),
    };
    finder.visit_file(&parsed);
    Ok((finder.mutants, finder.edits.apply(source)))
}

/// Whether something is compiled for tests only.
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
    learnt: &'a CompilerFeedback,
    next: u32,
    /// Modules, types and functions that the place is in.
    around: Vec<String>,
    /// Whether mutants can be chosen here while the program runs.
    writes: bool,
    mutants: Vec<Mutant>,
    edits: Edits,
}

/// A mutant that goes into the text.
struct ActiveMutant {
    number: u32,
    says: String,
}

impl ActiveMutant {
    fn asks(&self) -> String {
        format!("crate::gm_mutant::on({})", self.number)
    }

    fn case(&self, text: &str) -> String {
        format!("if {} {{ {} }} else ", self.asks(), marked(&[self.number], text))
    }
}

impl Finder<'_> {
    fn text(&self, range: Range<usize>) -> String {
        let text = self.source.get(range).unwrap_or_default();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// Notes a mutant, and hands it over if it can be written.
    fn note(&mut self, line: usize, change: String, says: &str) -> Option<ActiveMutant> {
        let number = self.next;
        self.next += 1;
        let function = self.around.join("::");
        let same = |mutant: &&Mutant| mutant.function == function && mutant.said == change;
        let before = self.mutants.iter().filter(same).count();
        let (said, change) =
            (change.clone(), if before == 0 { change } else { format!("{change} ({})", before + 1) });
        let made = self.writes && !self.learnt.refused.contains(&number);
        self.mutants.push(Mutant { number, file: self.file.to_owned(), line, function, said, change, made });
        made.then(|| ActiveMutant { number, says: says.to_owned() })
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        self.around.push(signature.ident.to_string());
        let before = self.writes;
        if let Some(constant) = &signature.constness {
            if self.learnt.constant.contains(&last_two(&self.around.join("::"))) {
                self.writes = false;
            } else {
                self.edits.replace(constant.span().byte_range(), "");
            }
        }
        if let Some(first) = block.stmts.first() {
            let body = self.text(first.span().byte_range());
            for value in values::of_output(&signature.output, &self.learnt.defaults) {
                let same = block.stmts.len() == 1 && body == value;
                // A default that asks for itself does not end.
                if same || (signature.ident == "default" && value.starts_with("Default")) {
                    continue;
                }
                let shown = if value.is_empty() { "()" } else { &value };
                let line = signature.ident.span().start().line;
                if let Some(awake) = self.note(line, format!("returns {shown}"), &value) {
                    let text = marked(&[awake.number], &format!("return {}", awake.says));
                    self.edits.insert(
                        first.span().byte_range().start,
                        format!("if {} {{ {text}; }} ", awake.asks()),
                    );
                }
            }
        }
        self.visit_block(block);
        self.writes = before;
        self.around.pop();
    }

    fn binary(&mut self, binary: &ExprBinary) {
        let (kind, changes) = operators::changes(&binary.op, &binary.right);
        let (left, right) = (binary.left.span().byte_range(), binary.right.span().byte_range());
        let was = self.text(left.start..right.end);
        let lazy_with_let = kind == Kind::Lazy && has_let(&binary.left, &binary.right);
        let changes = if lazy_with_let { Vec::new() } else { changes };
        let line = binary.op.span().start().line;
        let awake: Vec<ActiveMutant> = changes
            .iter()
            .filter_map(|change| self.note(line, format!("`{was}` by `{}`", change.trim()), change))
            .collect();
        let op = self.text(binary.op.span().byte_range());
        if awake.is_empty() {
            return visit::visit_expr_binary(self, binary);
        }
        let numbers: Vec<u32> = awake.iter().map(|mutant| mutant.number).collect();
        self.edits.insert(left.start, markers::open(&numbers));
        match kind {
            Kind::Lazy => self.lazy(binary, &awake, &op),
            Kind::Assign => {
                // The left side is written several times, so nothing is changed within it.
                let place = self.text(left.clone());
                self.edits.replace(left.start..right.start, "(match (");
                self.visit_expr(&binary.right);
                self.edits.insert(right.end, ") { gm_r => ".to_owned() + &cases(&awake, &place, &op) + " })");
            }
            Kind::Compare | Kind::Take => {
                let (open, between) = if kind == Kind::Compare { ("&(", "), &(") } else { ("(", "), (") };
                self.edits.insert(left.start, format!("(match ({open}"));
                self.visit_expr(&binary.left);
                self.edits.replace(left.end..right.start, between);
                self.visit_expr(&binary.right);
                self.edits.insert(
                    right.end,
                    ")) { (gm_l, gm_r) => ".to_owned() + &cases(&awake, "gm_l", &op) + " })",
                );
            }
        }
        self.edits.insert(right.end, markers::CLOSE);
    }

    fn lazy(&mut self, binary: &ExprBinary, awake: &[ActiveMutant], op: &str) {
        let (left, right) = (binary.left.span().byte_range(), binary.right.span().byte_range());
        let asks = awake.iter().map(ActiveMutant::asks).collect::<Vec<_>>().join("||");
        // Asleep, `a && b` is `if a { b } else { false }`; awake it is `if !a { b } else { true }`,
        // and the other way round.
        let (same, otherwise) = if op == "&&" { ("!=", "") } else { ("==", "!") };
        self.edits.insert(left.start, "(if (");
        self.visit_expr(&binary.left);
        self.edits.replace(left.end..right.start, format!(") {same} {asks} {{ "));
        self.visit_expr(&binary.right);
        self.edits.insert(right.end, format!(" }} else {{ {otherwise}{asks} }})"));
    }

    fn arm(&mut self, arm: &Arm, can_go: bool) {
        let line = arm.span().start().line;
        let pattern = arm.pat.span().byte_range();
        let gone = if can_go {
            let change = format!("no arm `{}`", self.text(pattern.clone()));
            self.note(line, change, "")
        } else {
            None
        };
        let Pat::Guard(guarded) = &arm.pat else {
            if let Some(gone) = &gone {
                self.edits.insert(pattern.end, format!(" if !{}", gone.asks()));
            }
            return self.visit_expr(&arm.body);
        };
        let guard = guarded.guard.span().byte_range();
        let was = self.text(guard.clone());
        let always = self.note(line, format!("guard `{was}` by `true`"), "");
        let never = self.note(line, format!("guard `{was}` by `false`"), "");
        let not = |mutant: &Option<ActiveMutant>| {
            mutant.as_ref().map_or("true".to_owned(), |m| format!("!{}", m.asks()))
        };
        let or = always.as_ref().map_or("false".to_owned(), ActiveMutant::asks);
        self.edits.insert(guard.start, format!("{} && ({or} || ({} && (", not(&gone), not(&never)));
        self.visit_expr(&guarded.guard);
        self.edits.insert(guard.end, ")))");
        self.visit_expr(&arm.body);
    }
}

fn cases(awake: &[ActiveMutant], left: &str, op: &str) -> String {
    let mut text = String::new();
    for mutant in awake {
        let says = mutant.says.trim_end();
        // An operator alone, or with a right side of its own.
        let right = if says.contains(' ') { "" } else { " gm_r" };
        text += &mutant.case(&format!("{left} {says}{right}"));
    }
    format!("{text}{{ {left} {op} gm_r }}")
}

/// Whether one side binds names, in a chain of conditions.
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
        self.around.push(name);
        visit::visit_item_impl(self, item);
        self.around.pop();
    }

    fn visit_item_trait(&mut self, item: &'ast ItemTrait) {
        self.around.push(item.ident.to_string());
        visit::visit_item_trait(self, item);
        self.around.pop();
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
        let Some(awake) = self.note(unary.span().start().line, change, "") else {
            return visit::visit_expr_unary(self, unary);
        };
        self.edits.replace(whole.start..inner.start, markers::open(&[awake.number]) + "(match (");
        self.visit_expr(&unary.expr);
        let case = awake.case("gm_v");
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

    // What is worked out while compiling cannot be chosen afterwards.
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
