//! Scanner for one file: finds its `mod` items, and the lines that are compiled only for tests.
//!
//! The parent module finds the files of the declared modules.

use std::ops::RangeInclusive;

use crate::lexer::{Kind, Token};

/// A declaration `mod name;`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Declared {
    pub(crate) name: String,
    /// Folders of the enclosing inline modules: their names, or their path attributes.
    pub(crate) inside: Vec<String>,
    /// The path attribute of the declaration.
    pub(crate) path: Option<String>,
    /// Whether the declaration or an enclosing inline module has `#[cfg(test)]`.
    pub(crate) only_tests: bool,
}

/// The modules that a file declares without a body.
pub(crate) fn declared(tokens: &[Token]) -> Vec<Declared> {
    scan(tokens).declared
}

/// The lines of inline modules with `#[cfg(test)]`.
pub(crate) fn test_lines(tokens: &[Token]) -> Vec<RangeInclusive<usize>> {
    scan(tokens).test_lines
}

#[derive(Debug, Default)]
struct Scan {
    declared: Vec<Declared>,
    test_lines: Vec<RangeInclusive<usize>>,
}

/// An open brace.
#[derive(Debug)]
struct Block {
    /// The folder of the module, if the block is one.
    folder: Option<String>,
    /// The first line of test-only code, if it begins with this block.
    test_from: Option<usize>,
}

/// Relevant attributes before an item.
#[derive(Debug, Default)]
struct Attributes {
    test: bool,
    path: Option<String>,
}

fn scan(tokens: &[Token]) -> Scan {
    let mut scan = Scan::default();
    let mut open: Vec<Block> = Vec::new();
    let mut attributes = Attributes::default();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if token.is_punct('#') {
            at = attribute(tokens, at, &mut attributes);
            continue;
        }
        if token.ident() == Some("mod")
            && let Some(name) = tokens.get(at + 1).and_then(Token::ident)
            && let Some(end) = tokens.get(at + 2)
            && (end.is_punct(';') || end.is_punct('{'))
        {
            let Attributes { test, path } = std::mem::take(&mut attributes);
            if end.is_punct('{') {
                let folder = Some(path.unwrap_or_else(|| name.to_owned()));
                open.push(Block { folder, test_from: test.then_some(token.line) });
            } else {
                scan.declared.push(Declared {
                    name: name.to_owned(),
                    inside: open.iter().filter_map(|block| block.folder.clone()).collect(),
                    path,
                    only_tests: test || open.iter().any(|block| block.test_from.is_some()),
                });
            }
            at += 3;
            continue;
        }
        match token.kind {
            Kind::Punct('{') => open.push(Block { folder: None, test_from: None }),
            Kind::Punct('}') => {
                if let Some(from) = open.pop().and_then(|block| block.test_from) {
                    scan.test_lines.push(from..=token.line);
                }
            }
            _ => {}
        }
        // The item with the attributes has ended, or was not a module.
        if matches!(token.kind, Kind::Punct('{' | '}' | ';' | ',')) {
            attributes = Attributes::default();
        }
        at += 1;
    }
    scan
}

/// Reads the attribute at `at` if it is an outer one, and returns the position after it.
fn attribute(tokens: &[Token], at: usize, attributes: &mut Attributes) -> usize {
    let inner = tokens.get(at + 1).is_some_and(|token| token.is_punct('!'));
    let start = if inner { at + 2 } else { at + 1 };
    if !tokens.get(start).is_some_and(|token| token.is_punct('[')) {
        return at + 1;
    }
    let mut depth = 0_usize;
    let mut end = start;
    while let Some(token) = tokens.get(end) {
        match token.kind {
            Kind::Punct('[') => depth += 1,
            Kind::Punct(']') => depth -= 1,
            _ => {}
        }
        end += 1;
        if depth == 0 {
            break;
        }
    }
    let body = tokens.get(start + 1..end.saturating_sub(1)).unwrap_or_default();
    if !inner {
        attributes.test |= is_cfg_test(body);
        if let [name, equals, Token { kind: Kind::Str(path), .. }] = body
            && name.ident() == Some("path")
            && equals.is_punct('=')
        {
            attributes.path = Some(path.clone());
        }
    }
    end
}

/// Whether an attribute is `cfg(test)` or `cfg(all(test, …))`. With any other condition the code
/// may also be compiled outside of tests.
fn is_cfg_test(body: &[Token]) -> bool {
    let starts = |words: &[&str]| {
        body.iter()
            .filter(|token| !token.is_punct('('))
            .map(Token::ident)
            .take(words.len())
            .eq(words.iter().copied().map(Some))
    };
    starts(&["cfg", "test"]) || starts(&["cfg", "all", "test"])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lexer::tokens;

    fn names(text: &str) -> Vec<(String, bool)> {
        declared(&tokens(text)).into_iter().map(|module| (module.name, module.only_tests)).collect()
    }

    fn name(name: &str, only_tests: bool) -> (String, bool) {
        (name.to_owned(), only_tests)
    }

    #[test]
    fn attributes_belong_to_the_next_item_only() {
        assert_eq!(names("#[cfg(test)] use x; mod a;"), [name("a", false)]);
        assert_eq!(names("#[cfg(test)] fn f() {} mod a;"), [name("a", false)]);
        assert_eq!(names("#[cfg(test)] #[rustfmt::skip] pub(crate) mod a;"), [name("a", true)]);
        assert_eq!(
            names("#![cfg(test)] mod a;"),
            [name("a", false)],
            "an inner attribute belongs to the enclosing module"
        );
    }

    #[test]
    fn only_test_conditions_count() {
        assert_eq!(names("#[cfg(all(test, unix))] mod a;"), [name("a", true)]);
        for condition in ["not(test)", "any(test, unix)", "feature = \"test\"", "all(unix, test)"] {
            assert_eq!(names(&format!("#[cfg({condition})] mod a;")), [name("a", false)], "{condition}");
        }
    }

    #[test]
    fn inline_modules_are_folders() {
        let found = declared(&tokens("mod a { fn f() { } mod b { mod c; } } mod d;"));
        assert_eq!(found[0].inside, ["a", "b"]);
        assert_eq!(found[1].inside, [""; 0]);
    }

    #[test]
    fn lines_of_inline_tests_are_known() {
        let text = "fn f() {}\n#[cfg(test)]\nmod tests {\n fn g() { }\n mod deep;\n}\nmod h { }";
        assert_eq!(test_lines(&tokens(text)), [3..=6]);
        assert_eq!(names(text), [name("deep", true)]);
    }

    #[test]
    fn a_file_cut_short_is_read_to_its_end() {
        for text in ["#", "#[", "#[path = \"x\"", "mod", "mod a", "mod a {", "}", "#!"] {
            assert_eq!(names(text), [], "{text}");
        }
    }
}
