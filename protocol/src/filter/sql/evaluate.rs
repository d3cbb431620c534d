//! Conditions of messages, in RocketMQ's three-valued logic: `None` is unknown.
//! Depth and size are bounded by the parser.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::ops::Neg;

use super::Facts;
use super::condition::{Condition, Name, Number, Operand, Order, Place};

/// A property that had to be a number is none: the message is not wanted,
/// whatever else the expression says.
#[derive(Debug, PartialEq)]
pub(super) struct NotANumber;

type Truth = Result<Option<bool>, NotANumber>;

/// An operand's value for one message.
enum Value<'a> {
    Text(Cow<'a, str>),
    Number(Number),
    Truth(bool),
}

pub(super) fn evaluate(condition: &Condition, facts: &impl Facts) -> Truth {
    Ok(match condition {
        Condition::Constant(truth) => Some(*truth),
        Condition::Not(inner) => evaluate(inner, facts)?.map(|truth| !truth),
        Condition::And(parts) => all(parts, true, facts)?,
        Condition::Or(parts) => all(parts, false, facts)?,
        Condition::Equal {
            left,
            right,
            negated,
        } => equal(value_of(left, facts), value_of(right, facts))?.map(|is| is != *negated),
        Condition::Order { left, order, right } => {
            let (left, right) = (value_of(left, facts), value_of(right, facts));
            in_order(left.as_ref(), *order, right.as_ref())?
        }
        Condition::Between {
            value,
            low,
            high,
            negated,
        } => between(value, [low, high], *negated, facts)?,
        Condition::In {
            name,
            texts,
            negated,
        } => text_of(name, facts).map(|text| {
            let found = texts.binary_search_by(|it| it.as_str().cmp(&text));
            found.is_ok() != *negated
        }),
        Condition::Part {
            name,
            place,
            text,
            negated,
        } => Some(has_part(name, *place, text, *negated, facts)),
        Condition::IsNull { name, negated } => Some(text_of(name, facts).is_none() != *negated),
    })
}

/// `AND` looks for a false one and is true without; `OR` the other way round.
/// What stands behind a decision is not looked at.
fn all(parts: &[Condition], neutral: bool, facts: &impl Facts) -> Truth {
    let mut all = Some(neutral);
    for part in parts {
        match evaluate(part, facts)? {
            Some(truth) if truth != neutral => return Ok(Some(truth)),
            Some(_) => {}
            None => all = None,
        }
    }
    Ok(all)
}

/// Two unknown values are equal, a known left one differs from an unknown right
/// one, and the other way round it is unknown: so RocketMQ has it.
fn equal(left: Option<Value<'_>>, right: Option<Value<'_>>) -> Truth {
    let (left, right) = match (left, right) {
        (None, None) => return Ok(Some(true)),
        (None, Some(_)) => return Ok(None),
        (Some(_), None) => return Ok(Some(false)),
        (Some(left), Some(right)) => (left, right),
    };
    Ok(Some(match (&left, &right) {
        (Value::Text(left), Value::Text(right)) => left == right,
        (Value::Truth(left), Value::Truth(right)) => left == right,
        (Value::Text(text), Value::Truth(truth)) | (Value::Truth(truth), Value::Text(text)) => {
            text.eq_ignore_ascii_case("true") == *truth
        }
        _ => compare(left.number()?, right.number()?).is_eq(),
    }))
}

fn in_order(left: Option<&Value<'_>>, order: Order, right: Option<&Value<'_>>) -> Truth {
    let (Some(left), Some(right)) = (left, right) else {
        return Ok(None);
    };
    let found = compare(left.number()?, right.number()?);
    Ok(Some(match order {
        Order::Less => found.is_lt(),
        Order::LessOrEqual => found.is_le(),
        Order::Greater => found.is_gt(),
        Order::GreaterOrEqual => found.is_ge(),
    }))
}

/// `>= low AND <= high`, or `< low OR > high`: the second bound counts only if
/// the first one decides nothing.
fn between(
    value: &Operand,
    [low, high]: [&Operand; 2],
    negated: bool,
    facts: &impl Facts,
) -> Truth {
    let value = value_of(value, facts);
    let orders = match negated {
        false => [Order::GreaterOrEqual, Order::LessOrEqual],
        true => [Order::Less, Order::Greater],
    };
    let low = in_order(value.as_ref(), orders[0], value_of(low, facts).as_ref())?;
    if low == Some(negated) {
        return Ok(low);
    }
    let high = in_order(value.as_ref(), orders[1], value_of(high, facts).as_ref())?;
    Ok(match high == Some(negated) {
        true => high,
        false => low.and(high),
    })
}

/// Never unknown: without the property, or with nothing to look for, it is false
/// either way.
fn has_part(name: &Name, place: Place, part: &str, negated: bool, facts: &impl Facts) -> bool {
    let Some(text) = text_of(name, facts) else {
        return false;
    };
    let is_found = match place {
        Place::Anywhere => text.contains(part),
        Place::Start => text.starts_with(part),
        Place::End => text.ends_with(part),
    };
    !part.is_empty() && is_found != negated
}

fn value_of<'a>(operand: &'a Operand, facts: &'a impl Facts) -> Option<Value<'a>> {
    match operand {
        Operand::Property(name) => text_of(name, facts).map(Value::Text),
        Operand::Text(text) => Some(Value::Text(Cow::Borrowed(text))),
        Operand::Number(number) => Some(Value::Number(*number)),
        Operand::Truth(truth) => Some(Value::Truth(*truth)),
    }
}

fn text_of<'a>(name: &Name, facts: &'a impl Facts) -> Option<Cow<'a, str>> {
    match name {
        Name::Tag => facts.tag().map(Cow::Borrowed),
        Name::Keys => facts.keys(),
        Name::MessageGroup => facts.message_group().map(Cow::Borrowed),
        Name::Property(name) => facts.property(name).map(Cow::Borrowed),
    }
}

impl Value<'_> {
    fn number(&self) -> Result<Number, NotANumber> {
        match self {
            Self::Text(text) => number_of(text),
            Self::Number(number) => Ok(*number),
            Self::Truth(_) => Err(NotANumber),
        }
    }
}

/// A text as a number: digits with a sign, a point, an exponent, and no blanks.
fn number_of(text: &str) -> Result<Number, NotANumber> {
    let is_part = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    if !text.bytes().all(is_part) {
        return Err(NotANumber);
    }
    if let Ok(number) = text.parse() {
        return Ok(Number::Whole(number));
    }
    match text.parse::<f64>() {
        Ok(number) if number.is_finite() => Ok(Number::Decimal(number)),
        _ => Err(NotANumber),
    }
}

/// Whole numbers exactly, all others as RocketMQ does, as doubles.
pub(super) fn compare(left: Number, right: Number) -> Ordering {
    if let (Number::Whole(left), Number::Whole(right)) = (left, right) {
        return left.cmp(&right);
    }
    let (left, right) = (left.decimal(), right.decimal());
    left.partial_cmp(&right).unwrap_or(Ordering::Equal)
}

impl Number {
    fn decimal(self) -> f64 {
        match self {
            Self::Whole(number) => number as f64,
            Self::Decimal(number) => number,
        }
    }
}

impl Neg for Number {
    type Output = Self;

    fn neg(self) -> Self {
        match self {
            // The lexer reads nothing below zero, so there is no smallest number.
            Self::Whole(number) => Self::Whole(number.wrapping_neg()),
            Self::Decimal(number) => Self::Decimal(-number),
        }
    }
}
