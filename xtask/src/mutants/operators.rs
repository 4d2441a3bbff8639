//! What stands in the place of an operator.

use syn::{BinOp, Expr, Lit};

/// How an operator treats its two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It looks at both.
    Compare,
    /// It takes both.
    Take,
    /// It may leave out the second.
    Lazy,
    /// It changes the first.
    Assign,
}

/// The kind of an operator, and what it becomes, one after the other: an operator, or one with
/// another right side.
pub(crate) fn changes(op: &BinOp, right: &Expr) -> (Kind, Vec<String>) {
    let (kind, others): (Kind, &[&str]) = match op {
        BinOp::Eq(_) => (Kind::Compare, &["!="]),
        BinOp::Ne(_) => (Kind::Compare, &["=="]),
        BinOp::Lt(_) => (Kind::Compare, &["==", ">", "<="]),
        BinOp::Gt(_) => (Kind::Compare, &["==", "<", ">="]),
        BinOp::Le(_) => (Kind::Compare, &[">", "<"]),
        BinOp::Ge(_) => (Kind::Compare, &["<", ">"]),
        BinOp::Add(_) => (Kind::Take, &["-", "*"]),
        BinOp::Sub(_) => (Kind::Take, &["+", "/"]),
        BinOp::Mul(_) => (Kind::Take, &["+", "/"]),
        BinOp::Div(_) => (Kind::Take, &["%", "*"]),
        BinOp::Rem(_) => (Kind::Take, &["/", "+"]),
        BinOp::Shl(_) => (Kind::Take, &[">>"]),
        BinOp::Shr(_) => (Kind::Take, &["<<"]),
        BinOp::BitAnd(_) => (Kind::Take, &["|", "^"]),
        // Of bits that are apart, as those of flags are, `^` says the same.
        BinOp::BitOr(_) => (Kind::Take, &["&"]),
        BinOp::BitXor(_) => (Kind::Take, &["|", "&"]),
        BinOp::And(_) => (Kind::Lazy, &["||"]),
        BinOp::Or(_) => (Kind::Lazy, &["&&"]),
        BinOp::AddAssign(_) => (Kind::Assign, &["-=", "*="]),
        BinOp::SubAssign(_) => (Kind::Assign, &["+=", "/="]),
        BinOp::MulAssign(_) => (Kind::Assign, &["+=", "/="]),
        BinOp::DivAssign(_) => (Kind::Assign, &["%=", "*="]),
        BinOp::RemAssign(_) => (Kind::Assign, &["/=", "+="]),
        BinOp::ShlAssign(_) => (Kind::Assign, &[">>="]),
        BinOp::ShrAssign(_) => (Kind::Assign, &["<<="]),
        BinOp::BitAndAssign(_) => (Kind::Assign, &["|=", "^="]),
        BinOp::BitOrAssign(_) => (Kind::Assign, &["&=", "^="]),
        BinOp::BitXorAssign(_) => (Kind::Assign, &["|=", "&="]),
        _ => (Kind::Take, &[]),
    };
    let mut changes: Vec<String> = others.iter().map(|other| format!("{other} ")).collect();
    // One more than what is added or taken away: what is off by one at the edge of a range.
    if let (BinOp::Add(_) | BinOp::Sub(_), Some((number, suffix))) = (op, number(right)) {
        let sign = if matches!(op, BinOp::Add(_)) { "+" } else { "-" };
        changes.push(format!("{sign} {}{suffix}", number + 1));
    }
    (kind, changes)
}

/// A number as it is written, with the type behind it.
fn number(expr: &Expr) -> Option<(u64, String)> {
    let Expr::Lit(literal) = expr else { return None };
    let Lit::Int(number) = &literal.lit else { return None };
    Some((number.base10_parse().ok()?, number.suffix().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (Kind, Vec<String>) {
        let Ok(Expr::Binary(binary)) = syn::parse_str(text) else { panic!("{text}") };
        changes(&binary.op, &binary.right)
    }

    #[test]
    fn an_operator_becomes_others() {
        assert_eq!(of("a < b"), (Kind::Compare, vec!["== ".to_owned(), "> ".to_owned(), "<= ".to_owned()]));
        assert_eq!(of("a && b"), (Kind::Lazy, vec!["|| ".to_owned()]));
        assert_eq!(of("a -= b"), (Kind::Assign, vec!["+= ".to_owned(), "/= ".to_owned()]));
    }

    #[test]
    fn a_number_that_is_added_becomes_the_next() {
        assert_eq!(of("a + 1").1, ["- ", "* ", "+ 2"]);
        assert_eq!(of("a - 8u32").1, ["+ ", "/ ", "- 9u32"]);
        assert_eq!(of("a * 2").1, ["+ ", "/ "]);
    }
}
