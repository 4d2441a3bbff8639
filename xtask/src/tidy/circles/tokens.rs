//! Scanner for the input of macros: its expressions, where they can be parsed, and the paths and
//! method calls among the other tokens.

use proc_macro2::{TokenStream, TokenTree};
use syn::parse::discouraged::Speculative;
use syn::parse::{ParseStream, Parser};
use syn::{Expr, Token};

use super::declarations::Names;

/// A path or a method among tokens.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mention {
    Path { names: Names, line: usize, is_call: bool },
    Method { name: String, line: usize },
}

/// The expressions at the beginning of a macro's input, separated by commas, and the rest.
pub(crate) fn macro_input(tokens: TokenStream) -> (Vec<Expr>, TokenStream) {
    let parser = |input: ParseStream<'_>| {
        let mut expressions = Vec::new();
        while !input.is_empty() {
            let fork = input.fork();
            let Ok(expression) = fork.parse::<Expr>() else { break };
            if !fork.is_empty() && fork.parse::<Token![,]>().is_err() {
                break;
            }
            input.advance_to(&fork);
            expressions.push(expression);
        }
        Ok((expressions, input.parse()?))
    };
    parser.parse2(tokens).unwrap_or_default()
}

/// The paths and methods in tokens; of names alone, only those that are called.
pub(crate) fn mentions(tokens: TokenStream) -> Vec<Mention> {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is_punct =
        |at: usize, c: char| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == c);
    let ident = |at: usize| match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => Some(ident),
        _ => None,
    };
    let mut mentions = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let begin = at;
        at += 1;
        if let TokenTree::Group(group) = &tokens[begin] {
            mentions.extend(self::mentions(group.stream()));
        }
        let Some(first) = ident(begin) else { continue };
        let line = first.span().start().line;
        let mut names = vec![first.to_string()];
        while is_punct(at, ':') && is_punct(at + 1, ':') {
            let Some(next) = ident(at + 2) else { break };
            names.push(next.to_string());
            at += 3;
        }
        let is_call = matches!(tokens.get(at), Some(TokenTree::Group(_)));
        if begin > 0 && is_punct(begin - 1, '.') {
            mentions.extend(is_call.then(|| Mention::Method { name: names.swap_remove(0), line }));
        } else if names.len() > 1 || is_call {
            mentions.push(Mention::Path { names, line, is_call });
        }
    }
    mentions
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(text: &str) -> TokenStream {
        text.parse().expect("these are tokens")
    }

    #[test]
    fn expressions_come_before_what_cannot_be_parsed() {
        let (expressions, rest) = macro_input(stream("a.b(), \"{}\", Some(x) if x.y()"));
        assert_eq!((expressions.len(), rest.to_string().as_str()), (2, "Some (x) if x . y ()"));
        let (expressions, rest) = macro_input(stream("a; 3"));
        assert_eq!((expressions.len(), rest.to_string().as_str()), (0, "a ; 3"));
    }

    #[test]
    fn paths_and_called_methods_are_mentions() {
        let path = |names: &[&str], is_call| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            Mention::Path { names, line: 1, is_call }
        };
        let method = Mention::Method { name: "m".to_owned(), line: 1 };
        let found = mentions(stream("A::B | c if d.e == f(g.m(), super::h)"));
        assert_eq!(
            found,
            [path(&["A", "B"], false), path(&["f"], true), method, path(&["super", "h"], false)]
        );
    }
}
