//! Text into words, numbers, strings and signs, one at a time and each
//! character once.

use super::SyntaxError;

/// Words that cannot name a property, in any case of letters.
const KEYWORDS: [&str; 12] = [
    "NOT",
    "AND",
    "OR",
    "BETWEEN",
    "IN",
    "TRUE",
    "FALSE",
    "NULL",
    "IS",
    "CONTAINS",
    "STARTSWITH",
    "ENDSWITH",
];

/// Longer ones first, so that `<=` is not taken for `<`.
const SYMBOLS: [&str; 11] = ["<>", "<=", ">=", "=", "<", ">", "(", ")", ",", "+", "-"];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// In upper case.
    Keyword(&'static str),
    Name(&'a str),
    /// Between its quotes, doubled ones still double.
    Text(&'a str),
    Whole(i64),
    Decimal(f64),
    Symbol(&'static str),
    End,
}

/// Where it begins, in bytes, and what it is.
pub(super) type Placed<'a> = (usize, Token<'a>);

pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The next token; at the end of the text, [`Token::End`] again and again.
    pub(super) fn next(&mut self) -> Result<Placed<'a>, SyntaxError> {
        self.skip_blanks()?;
        let (at, rest) = (self.at, self.rest());
        let Some(first) = rest.chars().next() else {
            return Ok((at, Token::End));
        };
        let token = match first {
            '\'' => self.string()?,
            '0'..='9' => self.number()?,
            '.' if rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number()?,
            'a'..='z' | 'A'..='Z' | '_' | '$' => self.word(),
            '"' => {
                return Err(SyntaxError::new(
                    at,
                    "expected single quotes around a string",
                ));
            }
            '!' => return Err(SyntaxError::new(at, "'!' means nothing here; write <>")),
            _ => {
                let Some(symbol) = SYMBOLS.into_iter().find(|it| rest.starts_with(it)) else {
                    let text = format!("the character {first:?} means nothing here");
                    return Err(SyntaxError::new(at, text));
                };
                self.at += symbol.len();
                Token::Symbol(symbol)
            }
        };
        Ok((at, token))
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Passes over blanks and comments.
    fn skip_blanks(&mut self) -> Result<(), SyntaxError> {
        loop {
            let rest = self.rest();
            if rest.starts_with([' ', '\t', '\n', '\r', '\x0c']) {
                self.at += 1;
            } else if rest.starts_with("--") {
                self.at += rest.find(['\n', '\r']).unwrap_or(rest.len());
            } else if let Some(comment) = rest.strip_prefix("/*") {
                let Some(len) = comment.find("*/") else {
                    return Err(SyntaxError::new(self.at, "the comment has no end"));
                };
                self.at += 2 + len + 2;
            } else {
                return Ok(());
            }
        }
    }

    fn word(&mut self) -> Token<'a> {
        let rest = self.rest();
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '$');
        let len = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        self.at += len;
        let word = &rest[..len];
        KEYWORDS
            .into_iter()
            .find(|keyword| keyword.eq_ignore_ascii_case(word))
            .map_or(Token::Name(word), Token::Keyword)
    }

    fn string(&mut self) -> Result<Token<'a>, SyntaxError> {
        let inner = &self.rest()[1..];
        let mut end = 0;
        loop {
            let Some(quote) = inner[end..].find('\'') else {
                return Err(SyntaxError::new(self.at, "the string has no end"));
            };
            end += quote;
            if !inner[end + 1..].starts_with('\'') {
                break;
            }
            end += 2;
        }
        self.at += end + 2;
        Ok(Token::Text(&inner[..end]))
    }

    fn number(&mut self) -> Result<Token<'a>, SyntaxError> {
        let (at, rest) = (self.at, self.rest());
        let whole = digits(rest);
        let fraction = match rest[whole..].strip_prefix('.') {
            Some(behind) => 1 + digits(behind),
            None => 0,
        };
        let exponent = exponent(&rest[whole + fraction..]);
        let len = whole + fraction + exponent;
        self.at += len;
        if len > whole {
            let number: Result<f64, _> = rest[..len].parse();
            return match number {
                Ok(number) if number.is_finite() => Ok(Token::Decimal(number)),
                _ => Err(SyntaxError::new(at, "the number is too large")),
            };
        }
        if whole > 1 && rest.starts_with('0') {
            return Err(SyntaxError::new(at, "a whole number begins with no 0"));
        }
        let number: Result<i64, _> = rest[..whole].parse();
        let Ok(number) = number else {
            return Err(SyntaxError::new(
                at,
                "the number is too large for 64 bits with a sign",
            ));
        };
        if self.rest().starts_with(['l', 'L']) {
            self.at += 1;
        }
        Ok(Token::Whole(number))
    }
}

fn digits(text: &str) -> usize {
    text.find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len())
}

/// Length of an exponent at the start of the text, 0 if none is there.
fn exponent(text: &str) -> usize {
    let Some(behind) = text.strip_prefix(['e', 'E']) else {
        return 0;
    };
    let unsigned = behind.strip_prefix(['+', '-']).unwrap_or(behind);
    match digits(unsigned) {
        0 => 0,
        len => text.len() - unsigned.len() + len,
    }
}
