//! Mutation operators: the replacements for each binary operator.

use syn::{BinOp, Expr, Lit};

/// Evaluation of an operator's operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Comparison: both operands by reference.
    ByReference,
    /// Arithmetic: both operands by value.
    ByValue,
    /// `&&` and `||`: the second operand may not be evaluated.
    Lazy,
    /// Compound assignment: changes the first operand.
    Assign,
}

/// The kind of an operator, and its replacements: an operator, or an operator with another right
/// side.
pub(crate) fn changes(op: &BinOp, right: &Expr) -> (Kind, Vec<String>) {
    let (kind, others): (Kind, &[&str]) = match op {
        BinOp::Eq(_) => (Kind::ByReference, &["!="]),
        BinOp::Ne(_) => (Kind::ByReference, &["=="]),
        BinOp::Lt(_) => (Kind::ByReference, &["==", ">", "<="]),
        BinOp::Gt(_) => (Kind::ByReference, &["==", "<", ">="]),
        BinOp::Le(_) => (Kind::ByReference, &[">", "<"]),
        BinOp::Ge(_) => (Kind::ByReference, &["<", ">"]),
        BinOp::Add(_) => (Kind::ByValue, &["-", "*"]),
        BinOp::Sub(_) => (Kind::ByValue, &["+", "/"]),
        BinOp::Mul(_) => (Kind::ByValue, &["+", "/"]),
        BinOp::Div(_) => (Kind::ByValue, &["%", "*"]),
        BinOp::Rem(_) => (Kind::ByValue, &["/", "+"]),
        BinOp::Shl(_) => (Kind::ByValue, &[">>"]),
        BinOp::Shr(_) => (Kind::ByValue, &["<<"]),
        BinOp::BitAnd(_) => (Kind::ByValue, &["|", "^"]),
        // Without `^`: it gives the same result if the bits do not overlap, as with flags.
        BinOp::BitOr(_) => (Kind::ByValue, &["&"]),
        BinOp::BitXor(_) => (Kind::ByValue, &["|", "&"]),
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
        _ => (Kind::ByValue, &[]),
    };
    let mut changes: Vec<String> = others.iter().map(|other| format!("{other} ")).collect();
    // Add or subtract one more: off-by-one errors at the boundary of a range.
    if let (BinOp::Add(_) | BinOp::Sub(_), Some((number, suffix))) = (op, number(right)) {
        let sign = if matches!(op, BinOp::Add(_)) { "+" } else { "-" };
        changes.push(format!("{sign} {}{suffix}", number + 1));
    }
    (kind, changes)
}

/// The value of an integer literal, with its type suffix.
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
    fn an_operator_has_replacements() {
        assert_eq!(
            of("a < b"),
            (Kind::ByReference, vec!["== ".to_owned(), "> ".to_owned(), "<= ".to_owned()])
        );
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
