//! Places of edits: finds code in a file by its tokens, so that its layout and comments do not
//! matter.
//!
//! A place is an expression or a run of whole statements. Test-only modules have none.

use std::ops::Range;

use anyhow::{Context, Result, anyhow, bail};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Block, Expr, ItemMod, Signature};

use super::table::{Change, Edit};
use crate::mutants::find::is_test;

/// Syntactic kind of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Expression,
    Statements,
}

/// A file, and its places.
pub(super) struct Places {
    text: String,
    tokens: Vec<Token>,
    nodes: Nodes,
}

/// A token, a delimiter included, and its bytes in the text.
struct Token {
    text: String,
    range: Range<usize>,
}

#[derive(Default)]
struct Nodes {
    expressions: Vec<Range<usize>>,
    /// The statements of each block.
    blocks: Vec<Vec<Range<usize>>>,
    functions: Vec<(String, Range<usize>)>,
}

impl Places {
    /// Parses a file.
    pub(super) fn of(text: String) -> Result<Places> {
        let mut nodes = Nodes::default();
        nodes.visit_file(&syn::parse_file(&text)?);
        let tokens = tokens(&text)?;
        Ok(Places { text, tokens, nodes })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The only place that an edit means. The error names the lines that come near.
    pub(super) fn find(&self, edit: &Edit) -> Result<(Kind, Range<usize>)> {
        let anchor = edit.change.anchor();
        let wanted = tokens(anchor).with_context(|| format!("not Rust: `{}`", anchor.trim()))?;
        if wanted.is_empty() {
            bail!("an edit of {} has no code by which its place is found", edit.file);
        }
        let inside = self.occurrences(&wanted, edit)?;
        let mut places: Vec<(Kind, Range<usize>)> = Vec::new();
        for range in &inside {
            places.extend(match edit.change {
                Change::Replace { .. } => self.nodes.whole(range).map(|kind| (kind, range.clone())),
                Change::Insert { .. } => self.nodes.start(range.start),
            });
        }
        let lines = |ranges: &mut dyn Iterator<Item = &Range<usize>>| {
            ranges.map(|range| self.line(range.start).to_string()).collect::<Vec<_>>().join(", ")
        };
        match places.as_slice() {
            [place] => Ok(place.clone()),
            [] if inside.is_empty() => Err(self.nothing(&wanted, edit)),
            [] => bail!(
                "{}:{}: `{}` is neither a whole expression nor whole statements",
                edit.file,
                lines(&mut inside.iter()),
                anchor.trim()
            ),
            _ => bail!(
                "{}: `{}` occurs several times, in the lines {}: name the function, or more code",
                edit.file,
                anchor.trim(),
                lines(&mut places.iter().map(|(_, range)| range))
            ),
        }
    }

    /// The ranges with these tokens in the function of the edit, or in the whole file.
    fn occurrences(&self, wanted: &[Token], edit: &Edit) -> Result<Vec<Range<usize>>> {
        let within: Option<Vec<&Range<usize>>> = edit.function.as_ref().map(|name| {
            self.nodes.functions.iter().filter(|(of, _)| of == name).map(|(_, range)| range).collect()
        });
        if let (Some([]), Some(name)) = (within.as_deref(), &edit.function) {
            bail!("{} has no function `{name}`", edit.file);
        }
        let is_within = |range: &Range<usize>| {
            within.as_ref().is_none_or(|functions| {
                functions.iter().any(|function| function.start <= range.start && range.end <= function.end)
            })
        };
        let equal = |window: &&[Token]| window.iter().zip(wanted).all(|(one, other)| one.text == other.text);
        let ranges = self.tokens.windows(wanted.len()).filter(equal).filter_map(|window| {
            Some(window.first()?.range.start..window.last()?.range.end).filter(|range| is_within(range))
        });
        Ok(ranges.collect())
    }

    /// The error if the code is nowhere: with the line that has the most of it.
    fn nothing(&self, wanted: &[Token], edit: &Edit) -> anyhow::Error {
        let equal =
            |at: usize| self.tokens.iter().skip(at).zip(wanted).filter(|(a, b)| a.text == b.text).count();
        let best = (0..self.tokens.len()).max_by_key(|at| (equal(*at), std::cmp::Reverse(*at)));
        let line = best.and_then(|at| self.tokens.get(at)).map_or(1, |token| self.line(token.range.start));
        let shown = self.text.lines().nth(line - 1).unwrap_or_default().trim();
        let function = edit.function.as_ref().map(|name| format!(", function `{name}`")).unwrap_or_default();
        let code = edit.change.anchor().trim();
        anyhow!("{}{function}: no code `{code}`; the nearest is in line {line}: `{shown}`", edit.file)
    }

    fn line(&self, byte: usize) -> usize {
        self.text.get(..byte).unwrap_or_default().matches('\n').count() + 1
    }
}

impl Nodes {
    /// The kind of the range, if an expression or statements fill it exactly.
    fn whole(&self, range: &Range<usize>) -> Option<Kind> {
        let begins = |block: &&Vec<Range<usize>>| block.iter().any(|one| one.start == range.start);
        let ends = |block: &Vec<Range<usize>>| block.iter().any(|one| one.end == range.end);
        // An expression without semicolon can be both. As a statement it must not be parenthesised.
        if self.blocks.iter().filter(begins).any(ends) {
            return Some(Kind::Statements);
        }
        self.expressions.contains(range).then_some(Kind::Expression)
    }

    /// The empty range before the statement that starts at a byte.
    fn start(&self, byte: usize) -> Option<(Kind, Range<usize>)> {
        let starts = self.blocks.iter().flatten().any(|one| one.start == byte);
        starts.then_some((Kind::Statements, byte..byte))
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        self.functions.push((signature.ident.to_string(), block.span().byte_range()));
    }
}

impl<'ast> Visit<'ast> for Nodes {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_block(&mut self, block: &'ast Block) {
        self.blocks.push(block.stmts.iter().map(|one| one.span().byte_range()).collect());
        visit::visit_block(self, block);
    }

    fn visit_expr(&mut self, expr: &'ast Expr) {
        self.expressions.push(expr.span().byte_range());
        visit::visit_expr(self, expr);
    }
}

/// The tokens of a text. A comma before a closing delimiter is left out, since `rustfmt` adds it
/// when it breaks a list into lines.
fn tokens(text: &str) -> Result<Vec<Token>> {
    let stream: TokenStream = text.parse().map_err(|error| anyhow!("{error}"))?;
    let mut list = Vec::new();
    flatten(stream, &mut list);
    Ok(list)
}

fn flatten(stream: TokenStream, list: &mut Vec<Token>) {
    for tree in stream {
        let TokenTree::Group(group) = tree else {
            list.push(Token { text: tree.to_string(), range: tree.span().byte_range() });
            continue;
        };
        let (open, close) = match group.delimiter() {
            Delimiter::Parenthesis => ("(", ")"),
            Delimiter::Brace => ("{", "}"),
            Delimiter::Bracket => ("[", "]"),
            Delimiter::None => ("", ""),
        };
        list.push(Token { text: open.to_owned(), range: group.span_open().byte_range() });
        flatten(group.stream(), list);
        list.pop_if(|last| last.text == ",");
        list.push(Token { text: close.to_owned(), range: group.span_close().byte_range() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "fn f(a: u8) -> u8 {\n    let b = g(\n        a, // why\n        1,\n    );\n    if b > 1 { return 0; }\n    b + 1\n}\nfn g(a: u8, b: u8) -> u8 { a + b * 2 + 1 }\n#[cfg(test)]\nmod tests { fn h(b: u8) -> u8 { b + 1 } }\n";

    fn found(function: Option<&str>, change: Change) -> Result<(Kind, String)> {
        let edit = Edit { file: "a.rs".to_owned(), function: function.map(str::to_owned), change };
        let places = Places::of(SOURCE.to_owned())?;
        let (kind, range) = places.find(&edit)?;
        Ok((kind, places.text()[range.start..].lines().next().unwrap_or_default().to_owned()))
    }

    fn replace(code: &str) -> Change {
        Change::Replace { find: code.to_owned(), replace: String::new() }
    }

    fn before(code: &str) -> Change {
        Change::Insert { before: code.to_owned(), insert: String::new() }
    }

    #[test]
    fn code_is_found_whatever_its_layout() {
        let kind = |code| found(None, replace(code)).map(|(kind, _)| kind).ok();
        assert_eq!(kind("g(a, 1)"), Some(Kind::Expression));
        assert_eq!(kind("let b = g(a, 1);"), Some(Kind::Statements));
        assert_eq!(kind("let b = g(a, 1); if b > 1 { return 0; }"), Some(Kind::Statements));
        assert_eq!(kind("b > 1"), Some(Kind::Expression));
        assert_eq!(kind("if b > 1 { return 0; }"), Some(Kind::Statements));
        // The one in the test module does not count.
        assert_eq!(kind("b + 1"), Some(Kind::Statements));
    }

    #[test]
    fn statements_are_inserted_before_others() {
        assert_eq!(
            found(None, before("if b > 1")).ok(),
            Some((Kind::Statements, "if b > 1 { return 0; }".to_owned()))
        );
        assert!(found(None, before("b > 1")).is_err());
    }

    #[test]
    fn an_error_names_the_reason_and_the_line() {
        let error = |function, change| found(function, change).expect_err("no place").to_string();
        let nearest = error(None, replace("if b > 2 { return 0; }"));
        assert!(nearest.contains("line 6: `if b > 1 { return 0; }`"), "{nearest}");
        let part = error(None, replace("b * 2 + 1"));
        assert!(part.starts_with("a.rs:9: ") && part.contains("neither a whole"), "{part}");
        let several = error(None, replace("1"));
        assert!(several.contains("in the lines 4, 6, 7, 9"), "{several}");
        assert!(error(Some("k"), replace("1")).contains("no function `k`"));
        assert!(error(None, replace(" ")).contains("no code"));
        assert!(error(None, replace("b + (")).contains("not Rust"));
    }

    #[test]
    fn a_function_limits_the_search() {
        assert_eq!(found(Some("g"), replace("1")).map(|(kind, _)| kind).ok(), Some(Kind::Expression));
    }
}
