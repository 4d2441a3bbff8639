//! Tests of the finder: the mutants of a source, and the rewritten text while they are inactive.

use std::collections::BTreeSet;

use super::*;

fn found(source: &str) -> (Vec<Mutant>, String) {
    find("a.rs", source, 1, &CompilerFeedback::default()).expect("it is Rust")
}

fn changes(source: &str) -> Vec<String> {
    let (mutants, text) = found(source);
    syn::parse_file(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    mutants.into_iter().map(|mutant| mutant.change).collect()
}

/// The text without markers and paths.
fn plain(text: &str) -> String {
    let mut plain = text.replace("crate::gm_mutant::", "").replace(markers::CLOSE, "");
    while let Some((before, after)) = plain.split_once("/*gm<") {
        let rest = after.split_once("*/").map_or("", |(_, rest)| rest);
        plain = format!("{before}{rest}");
    }
    plain
}

#[test]
fn each_kind_of_expression_has_its_mutants() {
    assert_eq!(
        changes("fn f(a: u8) { g(a < 3) }"),
        ["returns ()", "`a < 3` by `==`", "`a < 3` by `>`", "`a < 3` by `<=`"]
    );
    assert_eq!(
        changes("fn f() -> bool { a && !b }"),
        ["returns true", "returns false", "`a && !b` by `||`", "`!b` without `!`"]
    );
    assert_eq!(changes("fn f() -> X { x(a + 1) }"), ["`a + 1` by `-`", "`a + 1` by `*`", "`a + 1` by `+ 2`"]);
    assert_eq!(
        changes("fn f() -> X { self.a[i + 1] -= b; x }"),
        ["`self.a[i + 1] -= b` by `+=`", "`self.a[i + 1] -= b` by `/=`"]
    );
    assert_eq!(
        changes("fn f() -> X { match a { A if b => c, B => d, _ => e } }"),
        ["no arm `A if b`", "guard `b` by `true`", "guard `b` by `false`", "no arm `B`"]
    );
}

#[test]
fn inactive_mutants_do_not_change_the_program() {
    let (_, text) = found("fn f() -> X { g(a == b && c, -d) }");
    assert_eq!(
        plain(&text),
        "fn f() -> X { g((if ((match (&(a), &(b)) { (gm_l, gm_r) => if on(2) { gm_l != gm_r } else { gm_l == gm_r } })) != on(1) \
         { c } else { on(1) }), (match (d) { gm_v => if on(3) { gm_v } else { -gm_v } })) }"
    );
    let (_, text) = found("fn f() { a += b + 1 }");
    assert_eq!(
        plain(&text),
        "fn f() { if on(1) { return ; } (match ((match ((b), (1)) { (gm_l, gm_r) => if on(4) { gm_l - gm_r } else if on(5) \
         { gm_l * gm_r } else if on(6) { gm_l + 2 } else { gm_l + gm_r } })) { gm_r => if on(2) { a -= gm_r } else if on(3) \
         { a *= gm_r } else { a += gm_r } }) }"
    );
}

#[test]
fn tests_constants_macros_and_types_have_none() {
    for source in [
        "#[cfg(test)] mod tests { fn f() -> bool { a < b } }",
        "#[test] fn f() { a < b; }",
        "const A: u8 = 1 + 2; static B: u8 = 1 + 2; enum E { A = 1 + 2 }",
        "fn f(a: [u8; 1 + 2]) -> X { assert!(a < b); [x; 1 + 2] }",
        "fn f() -> X { if let Some(a) = b && let Some(c) = d { e } else { g } }",
        "fn f() {}",
        "fn f() -> bool { true }",
    ] {
        let expected: &[&str] = if source.ends_with("true }") { &["returns false"] } else { &[] };
        assert_eq!(changes(source), expected, "{source}");
    }
}

#[test]
fn a_mutant_has_a_name_that_lines_do_not_change() {
    let (mutants, _) = found("\nmod m { impl<T> A for B<T> { fn f() {\n a  <\n b; } } }");
    let names: Vec<_> = mutants.iter().map(Mutant::name).collect();
    assert_eq!(names.first().map(String::as_str), Some("a.rs: <B<T> as A>::f: returns ()"));
    assert_eq!(names.get(1).map(String::as_str), Some("a.rs: <B<T> as A>::f: `a < b` by `==`"));
    assert_eq!(mutants.iter().map(|mutant| mutant.line).collect::<Vec<_>>(), [2, 3, 3, 3]);
}

#[test]
fn mutants_refused_by_the_compiler_keep_their_numbers() {
    let feedback = CompilerFeedback { refused: BTreeSet::from([2]), ..CompilerFeedback::default() };
    let (mutants, text) = find("a.rs", "fn f() { g(a < b) }", 1, &feedback).expect("it is Rust");
    assert_eq!(mutants.iter().map(|mutant| mutant.built_in).collect::<Vec<_>>(), [true, false, true, true]);
    assert!(!text.contains("on(2)") && text.contains("on(3)"), "{text}");
}

#[test]
fn const_functions_called_at_compile_time_have_no_mutants() {
    let source = "impl A { pub const fn f() -> bool { a < b } }";
    let (mutants, text) = found(source);
    assert!(!text.contains("const fn") && mutants.iter().all(|mutant| mutant.built_in), "{text}");
    let feedback =
        CompilerFeedback { constant: BTreeSet::from(["A::f".to_owned()]), ..CompilerFeedback::default() };
    let (mutants, text) = find("a.rs", source, 1, &feedback).expect("it is Rust");
    assert_eq!(text, source);
    assert!(mutants.iter().all(|mutant| !mutant.built_in));
}

#[test]
fn equal_changes_in_a_function_are_numbered() {
    assert_eq!(
        changes("fn f() -> X { x(!a, !a, !a) }"),
        ["`!a` without `!`", "`!a` without `!` (2)", "`!a` without `!` (3)"]
    );
    assert_eq!(
        changes("fn f() -> X { x(!a) } fn g() -> X { x(!a) }"),
        ["`!a` without `!`", "`!a` without `!`"]
    );
}
