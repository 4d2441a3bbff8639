//! SPDX licence expressions: decides whether a list of allowed licences satisfies one.
//!
//! The grammar has `AND`, `OR`, `WITH`, parentheses and the old `/` for `OR`.

use anyhow::{Result, bail};

/// Whether some choice that the expression offers needs only allowed licences. An error if the
/// expression is malformed.
pub(crate) fn is_satisfied(expression: &str, allowed: &[&str]) -> Result<bool> {
    let words = words(expression);
    let mut parser = Parser { words: &words, allowed };
    let good = parser.any()?;
    match parser.words {
        [] => Ok(good),
        [word, ..] => bail!("unexpected `{word}` in licence `{expression}`"),
    }
}

fn words(expression: &str) -> Vec<String> {
    let mut spaced = String::new();
    for letter in expression.chars() {
        match letter {
            '(' | ')' => spaced.extend([' ', letter, ' ']),
            '/' => spaced.push_str(" OR "),
            _ => spaced.push(letter),
        }
    }
    spaced.split_whitespace().map(str::to_owned).collect()
}

struct Parser<'a> {
    words: &'a [String],
    allowed: &'a [&'a str],
}

impl Parser<'_> {
    /// `all { OR all }`
    fn any(&mut self) -> Result<bool> {
        let mut good = self.all()?;
        while self.take("OR") {
            // No short circuit: the parser must read the rest even if the result is known.
            good |= self.all()?;
        }
        Ok(good)
    }

    /// `one { AND one }`
    fn all(&mut self) -> Result<bool> {
        let mut good = self.one()?;
        while self.take("AND") {
            good &= self.one()?;
        }
        Ok(good)
    }

    /// `( any )` or `id [ WITH exception ]`
    fn one(&mut self) -> Result<bool> {
        if self.take("(") {
            let good = self.any()?;
            if !self.take(")") {
                bail!("a licence expression lacks a `)`");
            }
            return Ok(good);
        }
        let mut id = self.id()?;
        if self.take("WITH") {
            id = format!("{id} WITH {}", self.id()?);
        }
        Ok(self.allowed.contains(&id.as_str()))
    }

    fn id(&mut self) -> Result<String> {
        match self.words {
            [word, rest @ ..] if !["AND", "OR", "WITH", "(", ")"].contains(&word.as_str()) => {
                self.words = rest;
                Ok(word.clone())
            }
            [word, ..] => bail!("a licence was expected before `{word}`"),
            [] => bail!("a licence expression ends too early"),
        }
    }

    fn take(&mut self, wanted: &str) -> bool {
        match self.words {
            [word, rest @ ..] if word == wanted => {
                self.words = rest;
                true
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALLOWED: &[&str] = &["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "Unicode-3.0"];

    #[test]
    fn satisfied() {
        for expression in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0 OR MIT",
            "MIT/Apache-2.0",
            "GPL-2.0 / MIT",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
            "GPL-3.0 AND GPL-2.0 OR MIT",
            "((MIT))",
        ] {
            assert!(is_satisfied(expression, ALLOWED).expect("well formed"), "{expression}");
        }
    }

    #[test]
    fn not_satisfied() {
        for expression in [
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "(MIT OR Apache-2.0) AND GPL-3.0",
            "MIT WITH LLVM-exception",
            "mit",
            // AND binds closer: neither branch is free of GPL.
            "GPL-3.0 OR MIT AND GPL-2.0",
        ] {
            assert!(!is_satisfied(expression, ALLOWED).expect("well formed"), "{expression}");
        }
    }

    #[test]
    fn not_an_expression() {
        for expression in ["", "MIT OR", "OR MIT", "(MIT", "MIT)", "MIT Apache-2.0", "MIT WITH", "AND"] {
            assert!(is_satisfied(expression, ALLOWED).is_err(), "{expression}");
        }
    }
}
