//! Tests of the rule of hierarchies, on small folders.

use super::*;

const FOLDER: Folder =
    Folder { path: "c/src/f", root_parts: &["part"], shared: Some(&["context"]), mutual_pairs: 0 };
/// A folder in which every module may use every other one, unless they form a circle.
const FREE: Folder = Folder { path: "c/src/f", root_parts: &["part"], shared: None, mutual_pairs: 0 };

type Files<'a> = &'a [(&'a str, &'a str)];

/// The findings and numbers of a folder; paths are relative to `c/src/`.
fn checked(folder: &Folder, files: Files<'_>, elsewhere: &[&str]) -> (Vec<String>, Numbers) {
    let paths: Vec<String> = files.iter().map(|(path, _)| format!("c/src/{path}")).collect();
    let texts = paths.iter().map(String::as_str).zip(files.iter().map(|(_, text)| *text)).collect();
    let elsewhere = elsewhere.iter().map(|name| (*name).to_owned()).collect();
    let (findings, numbers) = check(folder, &texts, &elsewhere);
    (findings.iter().map(ToString::to_string).collect(), numbers)
}

fn findings(files: Files<'_>) -> Vec<String> {
    checked(&FREE, files, &[]).0
}

#[test]
fn two_files_that_import_each_other_are_caught() {
    let files = [("f/a.rs", "\nuse super::b::B;\npub struct A(B);"), ("f/b.rs", "use crate::f::{a, a::A};")];
    assert_eq!(
        findings(&files),
        ["c/src/f/a.rs:2: circle: 2 files use each other: `f/a.rs` uses `B` of `f/b.rs` in line 2, \
             `f/b.rs` uses `A` of `f/a.rs` in line 1"]
    );
}

#[test]
fn three_files_that_call_methods_are_caught() {
    let files = [
        ("f.rs", "mod a; mod b; mod c; pub struct Node { b: B }"),
        ("f/a.rs", "impl Node { fn one(&self) { self.two() } }"),
        ("f/b.rs", "pub struct B; impl Node { fn two(&self) { self.b.three(); } }"),
        ("f/c.rs", "impl B { fn three(&self) -> Self {} } fn f(x: &Node) { if x.is() { x.one() } }"),
    ];
    let found = findings(&files);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("3 files use each other: `f/a.rs` uses `Node::two` of `f/b.rs`"), "{found:?}");
    assert!(found[0].contains("`f/b.rs` uses `B::three` of `f/c.rs` in line 1"), "{found:?}");
    assert!(found[0].ends_with("`f/c.rs` uses `Node::one` of `f/a.rs` in line 1"), "{found:?}");
}

#[test]
fn a_parent_may_use_children_that_do_not_use_it() {
    let parent = "mod a; mod b; use a::A; fn f(x: &A) { b::start(x.value()) }";
    let child = ("f/a.rs", "pub struct A; impl A { pub fn value(&self) -> u8 { 1 } }");
    assert_eq!(findings(&[("f.rs", parent), child, ("f/b.rs", "pub fn start(x: u8) {}")]), [""; 0]);
    for uses_parent in ["fn g() { super::f() }", "use super::*;", "fn g() { crate::f::made_by_macro() }"] {
        let both = format!("pub fn start(x: u8) {{}} {uses_parent}");
        assert_eq!(findings(&[("f.rs", parent), child, ("f/b.rs", &both)]).len(), 1, "{uses_parent}");
    }
}

#[test]
fn what_a_parent_exports_again_belongs_to_the_child() {
    let files = [
        ("f.rs", "mod a; mod b;"),
        ("f/a.rs", "mod deep; pub use deep::D; use super::b::B;"),
        ("f/a/deep.rs", "pub struct D;"),
        ("f/b.rs", "use super::a::D; pub struct B;"),
    ];
    assert_eq!(findings(&files), [""; 0]);
}

#[test]
fn uses_in_tests_do_not_count() {
    let a = ("f/a.rs", "use super::b::B; pub struct A;");
    let tested = "pub struct B; #[cfg(test)] mod tests { use crate::f::a::A; }
        #[cfg(test)] use super::a::A; impl B { #[test] fn t() { super::a::A; } }";
    assert_eq!(findings(&[a, ("f/b.rs", tested)]), [""; 0]);
    assert_eq!(findings(&[a, ("f/b.rs", "pub struct B; mod inner { use super::super::a::A; }")]).len(), 1);
}

#[test]
fn macros_are_searched() {
    let a = ("f/a.rs", "use super::b::B; pub struct A; impl A { fn only(&self) {} }");
    for used in ["assert!(x.only())", "matches!(x, y if y.only())", "vec![super::a::A; 3]"] {
        let b = format!("pub struct B; fn f() {{ {used}; }}");
        assert_eq!(findings(&[a, ("f/b.rs", &b)]).len(), 1, "{used}");
    }
}

#[test]
fn a_method_of_an_unknown_type_needs_a_name_of_its_own() {
    let a = ("f/a.rs", "use super::b::B; pub struct A; impl A { fn only(&self) {} fn len(&self) {} }");
    let b = |code: &str| format!("pub struct B; struct C {{ a: A, u: U }} fn f(a: &A, u: &U) {{ {code} }}");
    let count =
        |code: &str, elsewhere: &[&str]| checked(&FREE, &[a, ("f/b.rs", &b(code))], elsewhere).0.len();
    assert_eq!(count("g().only()", &[]), 1);
    assert_eq!((count("g().only()", &["only"]), count("g().len()", &[])), (0, 0));
    // The type of these is known.
    assert_eq!((count("a.only()", &["only"]), count("a.len()", &[]), count("u.only()", &[])), (1, 1, 0));
    assert_eq!(count("let a = u; a.only()", &[]), 0);
    assert_eq!(count("if let Some(a) = g() { a.len() }", &[]), 0);
    assert_eq!(count("let C { u, .. } = g(); u.only()", &[]), 0);
    assert_eq!(count("let C { a: x, .. } = g(); x.len()", &[]), 1);
}

#[test]
fn the_parts_of_the_root_are_one_file() {
    let files = [
        ("f.rs", "mod a; mod part; pub struct Node; fn f(x: &Node) { x.start() }"),
        ("f/a.rs", "pub struct A;"),
        ("f/part.rs", "use super::Node; use super::a::A; impl Node { fn start(&self) {} }"),
    ];
    assert_eq!(findings(&files), [""; 0]);
    let with_circle = [files[0], ("f/a.rs", "pub struct A; use super::Node;"), files[2]];
    assert_eq!(findings(&with_circle).len(), 1);
}

#[test]
fn components_use_what_is_shared_and_not_each_other() {
    let files = [
        ("f.rs", "mod a; mod b; mod context; fn f() { b::g() }"),
        ("f/a.rs", "use super::context::Context; mod deep;"),
        ("f/a/deep.rs", "use super::super::b::g;\nfn f() { g() }"),
        ("f/b.rs", "pub fn g() {}"),
        ("f/context.rs", "pub struct Context; use super::b;\nfn f() { b::g() }"),
    ];
    let (found, numbers) = checked(&FOLDER, &files, &[]);
    assert_eq!(
        found,
        [
            "c/src/f/a/deep.rs:1: component: uses `g` of the component `b`",
            "c/src/f/a/deep.rs:2: component: uses `g` of the component `b`",
            "c/src/f/context.rs:2: component: uses `g` of the component `b`",
        ]
    );
    assert_eq!((numbers.files, numbers.edges, numbers.calls, numbers.calls_between), (5, 4, 3, 2));
    assert_eq!(findings(&files), [""; 0]);
}

#[test]
fn a_listed_number_of_pairs_may_only_fall() {
    let a = ("f/a.rs", "use super::b::B; pub struct A;");
    let files = [a, ("f/b.rs", "use super::a::A; pub struct B;")];
    let count = |mutual_pairs, files| checked(&Folder { mutual_pairs, ..FREE }, files, &[]).0.len();
    assert_eq!((count(0, &files), count(1, &files), count(2, &files)), (1, 0, 1));
    assert_eq!(count(1, &[a, ("f/b.rs", "pub struct B;")]), 1);
}

#[test]
fn names_of_methods_are_not_those_of_functions() {
    let tokens = crate::lexer::tokens("fn a(x: u8) { self } impl B { fn b(&mut self) {} fn c<T>(self) {} }");
    assert_eq!(method_names(&tokens), ["b", "c"].map(str::to_owned).into());
}
