//! A parsed expression, and the one text that stands for it: keywords in upper
//! case, single blanks, no parentheses that could be left out, lists in order.

use std::fmt;

/// What is true, false or unknown of a message.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Constant(bool),
    Not(Box<Condition>),
    /// Two or more, none of them an `And`.
    And(Vec<Condition>),
    /// Two or more, none of them an `Or`.
    Or(Vec<Condition>),
    Equal {
        left: Operand,
        right: Operand,
        negated: bool,
    },
    Order {
        left: Operand,
        order: Order,
        right: Operand,
    },
    Between {
        value: Operand,
        low: Operand,
        high: Operand,
        negated: bool,
    },
    /// The texts are in order and differ.
    In {
        name: Name,
        texts: Vec<String>,
        negated: bool,
    },
    Part {
        name: Name,
        place: Place,
        text: String,
        negated: bool,
    },
    IsNull {
        name: Name,
        negated: bool,
    },
}

/// What stands beside a comparison.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operand {
    Property(Name),
    Text(String),
    Number(Number),
    Truth(bool),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    Whole(i64),
    /// Finite.
    Decimal(f64),
}

/// What an expression may ask of a message, found once when it is parsed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Name {
    Tag,
    Keys,
    MessageGroup,
    Property(String),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Order {
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Where in a text another one is looked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    Anywhere,
    Start,
    End,
}

impl Name {
    pub(super) fn new(name: &str) -> Self {
        [Self::Tag, Self::Keys, Self::MessageGroup]
            .into_iter()
            .find(|system| system.as_str() == name)
            .unwrap_or_else(|| Self::Property(name.to_owned()))
    }

    /// RocketMQ's names for what Firn keeps beside the user's properties.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Tag => "TAGS",
            Self::Keys => "KEYS",
            Self::MessageGroup => "__SHARDINGKEY",
            Self::Property(name) => name,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |negated: &bool| if *negated { "NOT " } else { "" };
        match self {
            Self::Constant(truth) => Operand::Truth(*truth).fmt(f),
            Self::Not(inner) if matches!(**inner, Self::Constant(_) | Self::Not(_)) => {
                write!(f, "NOT {inner}")
            }
            Self::Not(inner) => write!(f, "NOT ({inner})"),
            Self::And(parts) => join(f, parts, " AND ", |f, part| {
                if matches!(part, Self::Or(_)) {
                    write!(f, "({part})")
                } else {
                    part.fmt(f)
                }
            }),
            Self::Or(parts) => join(f, parts, " OR ", |f, part| part.fmt(f)),
            Self::Equal {
                left,
                right,
                negated,
            } => write!(f, "{left} {} {right}", if *negated { "<>" } else { "=" }),
            Self::Order { left, order, right } => write!(f, "{left} {} {right}", order.as_str()),
            Self::Between {
                value,
                low,
                high,
                negated,
            } => write!(f, "{value} {}BETWEEN {low} AND {high}", not(negated)),
            Self::In {
                name,
                texts,
                negated,
            } => {
                write!(f, "{} {}IN (", name.as_str(), not(negated))?;
                join(f, texts, ", ", |f, text| quote(f, text))?;
                f.write_str(")")
            }
            Self::Part {
                name,
                place,
                text,
                negated,
            } => {
                let (name, place) = (name.as_str(), place.as_str());
                write!(f, "{name} {}{place} ", not(negated))?;
                quote(f, text)
            }
            Self::IsNull { name, negated } => {
                write!(f, "{} IS {}NULL", name.as_str(), not(negated))
            }
        }
    }
}

impl fmt::Display for Operand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Property(name) => f.write_str(name.as_str()),
            Self::Text(text) => quote(f, text),
            Self::Number(Number::Whole(number)) => write!(f, "{number}"),
            Self::Number(Number::Decimal(number)) => {
                // Both forms are read back as the same number.
                let (plain, scientific) = (format!("{number:?}"), format!("{number:e}"));
                let is_short = plain.len() <= scientific.len();
                f.write_str(if is_short { &plain } else { &scientific })
            }
            Self::Truth(true) => f.write_str("TRUE"),
            Self::Truth(false) => f.write_str("FALSE"),
        }
    }
}

impl Order {
    pub(super) const ALL: [Self; 4] = [
        Self::Less,
        Self::LessOrEqual,
        Self::Greater,
        Self::GreaterOrEqual,
    ];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }
}

impl Place {
    pub(super) const ALL: [Self; 3] = [Self::Anywhere, Self::Start, Self::End];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Anywhere => "CONTAINS",
            Self::Start => "STARTSWITH",
            Self::End => "ENDSWITH",
        }
    }
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "'{}'", text.replace('\'', "''"))
}

fn join<T>(
    f: &mut fmt::Formatter<'_>,
    parts: &[T],
    between: &str,
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            f.write_str(between)?;
        }
        write(f, part)?;
    }
    Ok(())
}
