//! Constant return values: the values that a mutant of a function returns instead of running its
//! body.
//!
//! Values exist for common types of the standard library, which are recognised by name, and for
//! types of the workspace that implement `Default`.

use std::collections::BTreeSet;

use syn::{GenericArgument, PathArguments, PathSegment, ReturnType, Type};

/// Maximum number of values per type.
const MAX_VALUES: usize = 4;

/// The values to return; empty if no value is known for the type. `""` stands for `()` of a
/// function without a return type.
pub(crate) fn of_output(output: &ReturnType, defaults: &BTreeSet<String>) -> Vec<String> {
    match output {
        ReturnType::Default => vec![String::new()],
        ReturnType::Type(_, ty) => of(ty, defaults),
    }
}

fn of(ty: &Type, defaults: &BTreeSet<String>) -> Vec<String> {
    let mut values = match ty {
        Type::Path(path) if path.qself.is_none() => {
            path.path.segments.last().map(|last| of_path(last, defaults)).unwrap_or_default()
        }
        Type::Paren(paren) => of(&paren.elem, defaults),
        Type::Group(group) => of(&group.elem, defaults),
        Type::Tuple(tuple) => of_tuple(&tuple.elems.iter().map(|ty| of(ty, defaults)).collect::<Vec<_>>()),
        Type::Array(array) => of(&array.elem, defaults).iter().map(|value| format!("[{value}; _]")).collect(),
        Type::Reference(reference) if reference.mutability.is_none() => match &*reference.elem {
            Type::Path(path) if path.path.is_ident("str") => texts(&["\"\"", "\"xyzzy\""]),
            Type::Slice(_) => texts(&["&[]"]),
            _ => Vec::new(),
        },
        _ => Vec::new(),
    };
    values.truncate(MAX_VALUES);
    values
}

fn of_path(segment: &PathSegment, defaults: &BTreeSet<String>) -> Vec<String> {
    let inner = first_argument(segment);
    let within = || inner.map_or_else(|| vec!["()".to_owned()], |ty| of(ty, defaults));
    let name = segment.ident.to_string();
    match name.as_str() {
        "bool" => texts(&["true", "false"]),
        "u8" | "u16" | "u32" | "u64" | "u128" | "usize" => texts(&["0", "1"]),
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" => texts(&["0", "1", "-1"]),
        "f32" | "f64" => texts(&["0.0", "1.0"]),
        "String" => texts(&["Default::default()", "\"xyzzy\".into()"]),
        "Ordering" => ["Less", "Equal", "Greater"].map(|way| format!("core::cmp::Ordering::{way}")).into(),
        "Option" => [vec!["None".to_owned()], wrapped("Some", &within())].concat(),
        "Result" => wrapped("Ok", &within()),
        "Vec" | "VecDeque" | "BTreeMap" | "BTreeSet" | "Duration" | "Box" | "Arc" => {
            texts(&["Default::default()"])
        }
        _ if defaults.contains(&name) => texts(&["Default::default()"]),
        _ => Vec::new(),
    }
}

fn of_tuple(parts: &[Vec<String>]) -> Vec<String> {
    let mut rows = vec![String::new()];
    for part in parts {
        rows = rows.iter().flat_map(|row| part.iter().map(move |value| format!("{row}{value}, "))).collect();
    }
    rows.iter().map(|row| format!("({row})")).collect()
}

fn first_argument(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else { return None };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}

fn wrapped(name: &str, values: &[String]) -> Vec<String> {
    values.iter().map(|value| format!("{name}({value})")).collect()
}

fn texts(values: &[&str]) -> Vec<String> {
    values.iter().map(|value| (*value).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(output: &str) -> Vec<String> {
        let defaults = BTreeSet::from(["Limits".to_owned()]);
        of_output(&syn::parse_str(output).expect("a type"), &defaults)
    }

    #[test]
    fn known_types_have_values() {
        assert_eq!(values(""), [""]);
        assert_eq!(values("-> bool"), ["true", "false"]);
        assert_eq!(values("-> Option<u8>"), ["None", "Some(0)", "Some(1)"]);
        assert_eq!(values("-> Result<(), Error>"), ["Ok(())"]);
        assert_eq!(values("-> fmt::Result"), ["Ok(())"]);
        assert_eq!(
            values("-> (bool, Vec<u8>)"),
            ["(true, Default::default(), )", "(false, Default::default(), )"]
        );
        assert_eq!(values("-> Limits"), ["Default::default()"]);
    }

    #[test]
    fn unknown_types_have_no_values() {
        for output in ["-> Key", "-> Result<Key, Error>", "-> &mut u8", "-> impl Iterator<Item = u8>", "-> !"]
        {
            assert!(values(output).is_empty(), "{output}");
        }
    }
}
