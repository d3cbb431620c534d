//! Tokens into a condition, by recursive descent: one function for each level of
//! the grammar, one token of look-ahead, a bound on nesting and on size.
//!
//! ```text
//! or         = and { OR and }
//! and        = comparison { AND comparison }
//! comparison = unary [ ( = | <> | < | <= | > | >= ) unary
//!                    | [NOT] BETWEEN unary AND unary
//!                    | [NOT] IN ( string { , string } )
//!                    | [NOT] ( CONTAINS | STARTSWITH | ENDSWITH ) string
//!                    | IS [NOT] NULL ]
//! unary      = NOT unary | - unary | + unary | ( or ) | name | string | number | TRUE | FALSE
//! ```

use super::condition::{Condition, Name, Number, Operand, Order, Place};
use super::lexer::{Lexer, Placed, Token};
use super::{SyntaxError, evaluate};
use crate::limits::{SQL_DEPTH_MAX, SQL_TERMS_MAX};

/// Reads a whole expression.
pub(super) fn parse(text: &str) -> Result<Condition, SyntaxError> {
    let mut parser = Parser::new(text)?;
    let (at, found) = parser.or(0)?;
    match parser.next {
        (_, Token::End) => found.condition(at),
        (at, Token::Symbol(")")) => Err(SyntaxError::new(at, "no '(' belongs to this ')'")),
        _ => Err(parser.unexpected("AND, OR or the end")),
    }
}

/// A piece of an expression: parentheses may stand around either kind.
enum Piece {
    Value(Operand),
    Condition(Condition),
}

type Found = Result<(usize, Piece), SyntaxError>;

struct Parser<'a> {
    lexer: Lexer<'a>,
    next: Placed<'a>,
    terms: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str) -> Result<Self, SyntaxError> {
        let mut lexer = Lexer::new(text);
        Ok(Self {
            next: lexer.next()?,
            lexer,
            terms: 0,
        })
    }

    fn or(&mut self, depth: usize) -> Found {
        let (at, first) = self.and(depth)?;
        if self.next.1 != Token::Keyword("OR") {
            return Ok((at, first));
        }
        let mut parts = Vec::new();
        let add = |part, parts: &mut Vec<_>| {
            if let Condition::Or(inner) = part {
                parts.extend(inner);
            } else {
                parts.push(part);
            }
        };
        add(first.condition(at)?, &mut parts);
        while self.take(Token::Keyword("OR"))? {
            let (at, part) = self.and(depth)?;
            add(part.condition(at)?, &mut parts);
        }
        Ok((at, Piece::Condition(Condition::Or(parts))))
    }

    fn and(&mut self, depth: usize) -> Found {
        let (at, first) = self.comparison(depth)?;
        if self.next.1 != Token::Keyword("AND") {
            return Ok((at, first));
        }
        let mut parts = Vec::new();
        let add = |part, parts: &mut Vec<_>| {
            if let Condition::And(inner) = part {
                parts.extend(inner);
            } else {
                parts.push(part);
            }
        };
        add(first.condition(at)?, &mut parts);
        while self.take(Token::Keyword("AND"))? {
            let (at, part) = self.comparison(depth)?;
            add(part.condition(at)?, &mut parts);
        }
        Ok((at, Piece::Condition(Condition::And(parts))))
    }

    fn comparison(&mut self, depth: usize) -> Found {
        let (at, left) = self.unary(depth)?;
        let operator = self.next;
        let condition = match operator.1 {
            Token::Symbol("=" | "<>") => self.equal(at, left, depth)?,
            Token::Symbol("<" | "<=" | ">" | ">=") => self.order(at, left, depth)?,
            Token::Keyword("IS") => self.is_null(at, left)?,
            Token::Keyword("NOT" | "BETWEEN" | "IN" | "CONTAINS" | "STARTSWITH" | "ENDSWITH") => {
                let negated = self.take(Token::Keyword("NOT"))?;
                if self.next.1 == Token::Keyword("BETWEEN") {
                    self.between(at, left, negated, depth)?
                } else if self.next.1 == Token::Keyword("IN") {
                    self.list(at, left, negated)?
                } else {
                    self.part(at, left, negated)?
                }
            }
            Token::Name(_) if is_like(operator.1) => return Err(no_like(operator)),
            Token::Keyword(_)
            | Token::Name(_)
            | Token::Text(_)
            | Token::Whole(_)
            | Token::Decimal(_)
            | Token::Symbol(_)
            | Token::End => return Ok((at, left)),
        };
        self.terms += 1;
        if self.terms > SQL_TERMS_MAX {
            let text = format!("more than {SQL_TERMS_MAX} comparisons; IN takes a list");
            return Err(SyntaxError::new(at, text));
        }
        Ok((at, Piece::Condition(condition)))
    }

    fn equal(&mut self, at: usize, left: Piece, depth: usize) -> Result<Condition, SyntaxError> {
        let (sign_at, sign) = self.advance()?;
        let left = left.operand(at)?;
        let right = self.operand(depth)?.1;
        let kind = |operand: &Operand| match operand {
            Operand::Property(_) => None,
            Operand::Text(_) => Some("a string"),
            Operand::Number(_) => Some("a number"),
            Operand::Truth(_) => Some("TRUE or FALSE"),
        };
        if let (Some(left), Some(right)) = (kind(&left), kind(&right))
            && left != right
        {
            let text = format!("{left} is never equal to {right}");
            return Err(SyntaxError::new(sign_at, text));
        }
        Ok(Condition::Equal {
            left,
            right,
            negated: sign == Token::Symbol("<>"),
        })
    }

    fn order(&mut self, at: usize, left: Piece, depth: usize) -> Result<Condition, SyntaxError> {
        let (_, sign) = self.advance()?;
        let order = Order::ALL
            .into_iter()
            .find(|order| sign == Token::Symbol(order.as_str()))
            .unwrap_or(Order::GreaterOrEqual);
        let left = left.number(at)?;
        let right = self.number(depth)?;
        Ok(Condition::Order { left, order, right })
    }

    fn between(
        &mut self,
        at: usize,
        value: Piece,
        negated: bool,
        depth: usize,
    ) -> Result<Condition, SyntaxError> {
        let (between_at, _) = self.advance()?;
        let value = value.number(at)?;
        let low = self.number(depth)?;
        self.expect(Token::Keyword("AND"), "AND and the upper bound")?;
        let high = self.number(depth)?;
        if let (Operand::Number(low), Operand::Number(high)) = (&low, &high)
            && !negated
            && evaluate::compare(*low, *high).is_gt()
        {
            let text = "the lower bound is above the upper one";
            return Err(SyntaxError::new(between_at, text));
        }
        Ok(Condition::Between {
            value,
            low,
            high,
            negated,
        })
    }

    fn list(&mut self, at: usize, left: Piece, negated: bool) -> Result<Condition, SyntaxError> {
        self.advance()?;
        let name = left.name(at)?;
        self.expect(Token::Symbol("("), "'(' and a list of strings")?;
        let mut texts = vec![self.text()?];
        while self.take(Token::Symbol(","))? {
            texts.push(self.text()?);
        }
        self.expect(Token::Symbol(")"), "',' or ')'")?;
        texts.sort_unstable();
        texts.dedup();
        Ok(Condition::In {
            name,
            texts,
            negated,
        })
    }

    fn part(&mut self, at: usize, left: Piece, negated: bool) -> Result<Condition, SyntaxError> {
        let word = self.next.1;
        let mut places = Place::ALL.into_iter();
        let Some(place) = places.find(|place| word == Token::Keyword(place.as_str())) else {
            return Err(if is_like(word) {
                no_like(self.next)
            } else {
                self.unexpected("BETWEEN, IN, CONTAINS, STARTSWITH or ENDSWITH")
            });
        };
        self.advance()?;
        Ok(Condition::Part {
            name: left.name(at)?,
            place,
            text: self.text()?,
            negated,
        })
    }

    fn is_null(&mut self, at: usize, left: Piece) -> Result<Condition, SyntaxError> {
        self.advance()?;
        let name = left.name(at)?;
        let negated = self.take(Token::Keyword("NOT"))?;
        let expected = if negated { "NULL" } else { "NULL or NOT NULL" };
        self.expect(Token::Keyword("NULL"), expected)?;
        Ok(Condition::IsNull { name, negated })
    }

    fn unary(&mut self, depth: usize) -> Found {
        let (at, token) = self.next;
        if depth > SQL_DEPTH_MAX {
            let text = format!("nested more than {SQL_DEPTH_MAX} deep");
            return Err(SyntaxError::new(at, text));
        }
        let value = match token {
            Token::Keyword("NOT") => {
                self.advance()?;
                let (_, inner) = self.unary(depth + 1)?;
                return match inner.condition(at) {
                    Ok(inner) => Ok((at, Piece::Condition(Condition::Not(inner.into())))),
                    Err(_) => Err(SyntaxError::new(
                        at,
                        "expected parentheses around what NOT belongs to",
                    )),
                };
            }
            Token::Symbol("(") => {
                self.advance()?;
                let (_, inner) = self.or(depth + 1)?;
                self.expect(Token::Symbol(")"), "AND, OR or ')'")?;
                return Ok((at, inner));
            }
            Token::Symbol(sign @ ("-" | "+")) => {
                self.advance()?;
                let (at, inner) = self.unary(depth + 1)?;
                let Piece::Value(Operand::Number(number)) = inner else {
                    return Err(SyntaxError::new(at, "expected a number behind the sign"));
                };
                Operand::Number(if sign == "-" { -number } else { number })
            }
            Token::Name(name) => Operand::Property(Name::new(name)),
            Token::Text(text) => Operand::Text(text.replace("''", "'")),
            Token::Whole(number) => Operand::Number(Number::Whole(number)),
            Token::Decimal(number) => Operand::Number(Number::Decimal(number)),
            Token::Keyword("TRUE") => Operand::Truth(true),
            Token::Keyword("FALSE") => Operand::Truth(false),
            Token::Keyword("NULL") => {
                return Err(SyntaxError::new(at, "NULL stands behind IS or IS NOT only"));
            }
            Token::Keyword(_) | Token::Symbol(_) | Token::End => {
                return Err(self.unexpected("a property, a value, NOT or '('"));
            }
        };
        // What was behind a sign has been taken.
        if !matches!(token, Token::Symbol(_)) {
            self.advance()?;
        }
        Ok((at, Piece::Value(value)))
    }

    fn operand(&mut self, depth: usize) -> Result<(usize, Operand), SyntaxError> {
        let (at, piece) = self.unary(depth)?;
        Ok((at, piece.operand(at)?))
    }

    fn number(&mut self, depth: usize) -> Result<Operand, SyntaxError> {
        let (at, piece) = self.unary(depth)?;
        piece.number(at)
    }

    fn text(&mut self) -> Result<String, SyntaxError> {
        let Token::Text(text) = self.next.1 else {
            return Err(self.unexpected("a string in single quotes"));
        };
        self.advance()?;
        Ok(text.replace("''", "'"))
    }

    fn advance(&mut self) -> Result<Placed<'a>, SyntaxError> {
        Ok(std::mem::replace(&mut self.next, self.lexer.next()?))
    }

    fn take(&mut self, token: Token<'_>) -> Result<bool, SyntaxError> {
        let is_next = self.next.1 == token;
        if is_next {
            self.advance()?;
        }
        Ok(is_next)
    }

    fn expect(&mut self, token: Token<'_>, expected: &str) -> Result<(), SyntaxError> {
        match self.take(token)? {
            true => Ok(()),
            false => Err(self.unexpected(expected)),
        }
    }

    fn unexpected(&self, expected: &str) -> SyntaxError {
        let found = match self.next.1 {
            Token::Keyword(word) => word.to_owned(),
            Token::Name(name) => format!("the name {:.32}", name),
            Token::Text(_) => "a string".to_owned(),
            Token::Whole(_) | Token::Decimal(_) => "a number".to_owned(),
            Token::Symbol(symbol) => format!("'{symbol}'"),
            Token::End => "the end".to_owned(),
        };
        SyntaxError::new(self.next.0, format!("expected {expected}, found {found}"))
    }
}

fn is_like(word: Token<'_>) -> bool {
    matches!(word, Token::Name(name) if name.eq_ignore_ascii_case("LIKE"))
}

fn no_like(word: Placed<'_>) -> SyntaxError {
    SyntaxError::new(
        word.0,
        "LIKE is not known; write CONTAINS, STARTSWITH or ENDSWITH",
    )
}

impl Piece {
    fn condition(self, at: usize) -> Result<Condition, SyntaxError> {
        match self {
            Self::Condition(condition) => Ok(condition),
            Self::Value(Operand::Truth(truth)) => Ok(Condition::Constant(truth)),
            Self::Value(Operand::Property(_)) => Err(SyntaxError::new(
                at,
                "a property alone is no condition; write = TRUE or IS NOT NULL behind it",
            )),
            Self::Value(Operand::Text(_) | Operand::Number(_)) => {
                Err(SyntaxError::new(at, "a value alone is no condition"))
            }
        }
    }

    fn operand(self, at: usize) -> Result<Operand, SyntaxError> {
        match self {
            Self::Value(operand) => Ok(operand),
            Self::Condition(_) => {
                let text = "expected a property or a value, found a condition";
                Err(SyntaxError::new(at, text))
            }
        }
    }

    /// What can be less or greater.
    fn number(self, at: usize) -> Result<Operand, SyntaxError> {
        match self.operand(at)? {
            Operand::Text(_) | Operand::Truth(_) => {
                let text = "expected a property or a number: only numbers are less or greater";
                Err(SyntaxError::new(at, text))
            }
            operand @ (Operand::Property(_) | Operand::Number(_)) => Ok(operand),
        }
    }

    fn name(self, at: usize) -> Result<Name, SyntaxError> {
        match self.operand(at)? {
            Operand::Property(name) => Ok(name),
            Operand::Text(_) | Operand::Number(_) | Operand::Truth(_) => {
                Err(SyntaxError::new(at, "expected a property here"))
            }
        }
    }
}
