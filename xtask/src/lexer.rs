//! A small Rust lexer: finds names, and separates them from comments, strings and lifetimes.
//!
//! It produces tokens with line numbers and has no grammar, so it also accepts invalid programs.
//! The rules of `tidy` and `layers` use it.

/// A token and the line it starts on, counted from one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) line: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A name or keyword; a raw name without its `r#`.
    Ident(String),
    /// A character of punctuation.
    Punct(char),
    /// The text between the quotes of a string, escapes as written.
    Str(String),
    /// A number, character, byte or lifetime, which no rule uses.
    Other,
}

impl Token {
    pub(crate) fn ident(&self) -> Option<&str> {
        match &self.kind {
            Kind::Ident(name) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn is_punct(&self, wanted: char) -> bool {
        self.kind == Kind::Punct(wanted)
    }
}

/// The tokens of a source text, in order.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut lexer = Lexer { chars: text.chars().collect(), at: 0, line: 1 };
    let mut tokens = Vec::new();
    while let Some(next) = lexer.peek(0) {
        let line = lexer.line;
        if let Some(kind) = lexer.token(next) {
            tokens.push(Token { kind, line });
        }
    }
    tokens
}

struct Lexer {
    chars: Vec<char>,
    at: usize,
    line: usize,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn bump(&mut self) {
        if self.peek(0) == Some('\n') {
            self.line += 1;
        }
        self.at += 1;
    }

    fn bump_by(&mut self, count: usize) {
        for _ in 0..count {
            self.bump();
        }
    }

    /// Reads one token, comment or blank. Always advances.
    fn token(&mut self, next: char) -> Option<Kind> {
        match next {
            '/' if self.peek(1) == Some('/') => self.line_comment(),
            '/' if self.peek(1) == Some('*') => self.block_comment(),
            '"' => return Some(self.string()),
            '\'' => return Some(self.quote()),
            _ if is_ident(next) && !next.is_ascii_digit() => return Some(self.word()),
            _ if next.is_ascii_digit() => {
                self.ident();
                return Some(Kind::Other);
            }
            _ => {
                self.bump();
                return (!next.is_whitespace()).then_some(Kind::Punct(next));
            }
        }
        None
    }

    fn line_comment(&mut self) {
        while self.peek(0).is_some_and(|c| c != '\n') {
            self.bump();
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while let Some(c) = self.peek(0) {
            match (c, self.peek(1)) {
                ('/', Some('*')) => depth += 1,
                ('*', Some('/')) => depth -= 1,
                _ => {
                    self.bump();
                    continue;
                }
            }
            self.bump_by(2);
            if depth == 0 {
                return;
            }
        }
    }

    /// Reads a string with escapes, from its opening quote.
    fn string(&mut self) -> Kind {
        self.bump();
        let start = self.at;
        while let Some(c) = self.peek(0) {
            match c {
                '"' => break,
                '\\' => self.bump_by(2),
                _ => self.bump(),
            }
        }
        let end = self.at.min(self.chars.len());
        self.bump();
        Kind::Str(self.chars[start..end].iter().collect())
    }

    /// Reads a raw string, from its hashes or its quote.
    fn raw_string(&mut self, hashes: usize) -> Kind {
        self.bump_by(hashes + 1);
        let start = self.at;
        while self.peek(0).is_some() {
            let closed = self.peek(0) == Some('"') && (1..=hashes).all(|n| self.peek(n) == Some('#'));
            if closed {
                break;
            }
            self.bump();
        }
        let end = self.at;
        self.bump_by(hashes + 1);
        Kind::Str(self.chars[start..end].iter().collect())
    }

    /// Reads from a single quote: a character if another quote closes it, otherwise a lifetime.
    fn quote(&mut self) -> Kind {
        if self.peek(1) == Some('\\') {
            // Skip the backslash and the escaped character, which may itself be a quote.
            self.bump_by(3);
            while self.peek(0).is_some_and(|c| c != '\'') {
                self.bump();
            }
            self.bump();
        } else if self.peek(2) == Some('\'') {
            self.bump_by(3);
        } else {
            self.bump();
            self.ident();
        }
        Kind::Other
    }

    /// A name, or the prefix of a literal together with the literal.
    fn word(&mut self) -> Kind {
        let name = self.ident();
        let hashes = (0..).take_while(|n| self.peek(*n) == Some('#')).count();
        let raw = matches!(name.as_str(), "r" | "br" | "cr");
        if raw && self.peek(hashes) == Some('"') {
            return self.raw_string(hashes);
        }
        if name == "r" && hashes == 1 && self.peek(1).is_some_and(is_ident) {
            self.bump();
            return Kind::Ident(self.ident());
        }
        match (name.as_str(), self.peek(0)) {
            ("b" | "c", Some('"')) => self.string(),
            ("b", Some('\'')) => self.quote(),
            _ => Kind::Ident(name),
        }
    }

    fn ident(&mut self) -> String {
        let start = self.at;
        while self.peek(0).is_some_and(is_ident) {
            self.bump();
        }
        self.chars[start..self.at].iter().collect()
    }
}

fn is_ident(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<(String, usize)> {
        let tokens = tokens(text);
        tokens.iter().filter_map(|t| Some((t.ident()?.to_owned(), t.line))).collect()
    }

    fn just_names(text: &str) -> Vec<String> {
        names(text).into_iter().map(|(name, _)| name).collect()
    }

    #[test]
    fn comments_are_skipped_and_lines_kept() {
        let text = "a // x\nb /* y\n /* nested */ z\n*/ c //! d\n/// e\nf";
        let found = names(text);
        let found: Vec<_> = found.iter().map(|(name, line)| (name.as_str(), *line)).collect();
        assert_eq!(found, [("a", 1), ("b", 2), ("c", 4), ("f", 6)]);
    }

    #[test]
    fn strings_are_not_names() {
        assert_eq!(just_names(r#"a "x \" y" b b"z" c"w" d"#), ["a", "b", "d"]);
        assert_eq!(just_names("a \"// no comment\" b"), ["a", "b"]);
        assert_eq!(just_names("a \"two\nlines\" b"), ["a", "b"]);
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        assert_eq!(just_names(r###"a r"x \" b r#"y " z"# c br##"u "# v"## d"###), ["a", "b", "c", "d"]);
        assert_eq!(just_names("r#type r#\"x\"# e"), ["type", "e"]);
    }

    #[test]
    fn characters_and_lifetimes_are_distinguished() {
        assert_eq!(
            just_names(r"'a' b '\'' c '\\' d '\u{41}' e b'x' f '(' g"),
            ["b", "c", "d", "e", "f", "g"]
        );
        assert_eq!(just_names("fn f<'a>(x: &'a str, y: &'static u8)"), ["fn", "f", "x", "str", "y", "u8"]);
        // A quote that opens a string must not be read as the end of a lifetime.
        assert_eq!(just_names("'\"' a '\"' b"), ["a", "b"]);
        assert_eq!(just_names("'outer: loop { break 'outer; } a"), ["loop", "break", "a"]);
    }

    #[test]
    fn numbers_are_not_names() {
        assert_eq!(just_names("0xffu8 1_000usize 1.5e3 a1 0..n"), ["a1", "n"]);
    }

    #[test]
    fn strings_keep_their_text() {
        let found = tokens("#[path = \"x/y.rs\"]");
        assert!(found.contains(&Token { kind: Kind::Str("x/y.rs".to_owned()), line: 1 }));
    }

    #[test]
    fn unfinished_text_ends() {
        for text in ["\"abc", "\"abc\\", "r#\"abc", "/* abc", "'", "'\\", "r#", "b'"] {
            let _ = tokens(text);
        }
        assert_eq!(just_names("a \"abc"), ["a"]);
    }
}
