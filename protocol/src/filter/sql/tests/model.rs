//! Expressions made by chance: written down in one of many ways, and evaluated
//! here a second time, over a map, with every shorthand spelled out.

use std::collections::HashMap;

use super::*;

#[derive(Clone, Debug)]
pub(super) enum Expression {
    Constant(bool),
    Equal(Value, Value),
    Less(Value, Value),
    Between(Value, Value, Value),
    In(String, Vec<String>),
    /// 0 anywhere, 1 at the start, 2 at the end.
    Part(String, u8, String, bool),
    IsNull(String),
    Not(Box<Expression>),
    /// The same with its own sign: `<>`, `>=`, `NOT IN`.
    Opposite(Box<Expression>),
    And(Box<Expression>, Box<Expression>),
    Or(Box<Expression>, Box<Expression>),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    Property(String),
    Text(String),
    Number(f64),
    Truth(bool),
}

use Expression::{And, Between, Constant, Equal, In, IsNull, Less, Not, Opposite, Or, Part};

type Truth = Result<Option<bool>, ()>;

impl Expression {
    pub(super) fn is_true_of(&self, message: &NewMessage) -> bool {
        let mut map: HashMap<_, _> = message.properties.iter().cloned().collect();
        map.extend(message.tag.clone().map(|tag| ("TAGS".to_owned(), tag)));
        if !message.keys.is_empty() {
            map.insert("KEYS".to_owned(), message.keys.join(" "));
        }
        self.truth(&map) == Ok(Some(true))
    }

    fn truth(&self, map: &HashMap<String, String>) -> Truth {
        let get = |value: &Value| match value {
            Value::Property(name) => map.get(name).cloned().map(Value::Text),
            Value::Text(_) | Value::Number(_) | Value::Truth(_) => Some(value.clone()),
        };
        match self {
            Constant(truth) => Ok(Some(*truth)),
            Equal(left, right) => match (get(left), get(right)) {
                (None, right) => Ok(right.is_none().then_some(true)),
                (Some(_), None) => Ok(Some(false)),
                (Some(left), Some(right)) => is_equal(&left, &right).map(Some),
            },
            Less(left, right) => match (get(left), get(right)) {
                (Some(left), Some(right)) => Ok(Some(number(&left)? < number(&right)?)),
                _ => Ok(None),
            },
            Between(value, low, high) => {
                let below = Less(value.clone(), low.clone());
                let above = Less(high.clone(), value.clone());
                And(not(below).into(), not(above).into()).truth(map)
            }
            In(name, texts) => Ok(map.get(name).map(|text| texts.contains(text))),
            Part(name, place, part, negated) => Ok(Some(map.get(name).is_some_and(|text| {
                let starts: Vec<usize> = text.match_indices(part).map(|(at, _)| at).collect();
                let is_there = match place {
                    0 => !starts.is_empty(),
                    1 => starts.contains(&0),
                    _ => text.strip_suffix(part.as_str()).is_some(),
                };
                !part.is_empty() && (is_there ^ negated)
            }))),
            IsNull(name) => Ok(Some(!map.contains_key(name))),
            Not(inner) | Opposite(inner) => Ok(inner.truth(map)?.map(|truth| !truth)),
            And(left, right) => match left.truth(map)? {
                Some(false) => Ok(Some(false)),
                left => Ok(match (left, right.truth(map)?) {
                    (_, Some(false)) => Some(false),
                    (Some(true), Some(true)) => Some(true),
                    _ => None,
                }),
            },
            Or(left, right) => {
                let (left, right) = (not((**left).clone()), not((**right).clone()));
                not(And(left.into(), right.into())).truth(map)
            }
        }
    }

    /// Writes it down; `style` decides on case, blanks and needless parentheses.
    fn write(&self, style: &mut Style) -> String {
        let text = if let Opposite(inner) = self {
            inner.written(true, style)
        } else {
            self.written(false, style)
        };
        style.wrap(text)
    }

    fn written(&self, negated: bool, style: &mut Style) -> String {
        let not = if negated {
            style.word(" not ")
        } else {
            " ".to_owned()
        };
        let sign = |plain: &'static str, opposite| if negated { opposite } else { plain };
        match self {
            Constant(truth) => style.word(if *truth { "true" } else { "false" }),
            Equal(left, right) => style.sign(left, sign("=", "<>"), right),
            // Both ways to say it.
            Less(left, right) if style.flip() => style.sign(right, sign(">", "<="), left),
            Less(left, right) => style.sign(left, sign("<", ">="), right),
            Between(value, low, high) => {
                let (value, low, high) = (style.value(value), style.value(low), style.value(high));
                let (between, and) = (style.word("between "), style.word(" and "));
                format!("{value}{not}{between}{low}{and}{high}")
            }
            In(name, texts) => {
                let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
                format!("{name}{not}{}({})", style.word("in"), texts.join(","))
            }
            Part(name, place, part, negated) => {
                let not = if *negated {
                    style.word(" not ")
                } else {
                    " ".to_owned()
                };
                let word = ["contains", "startswith", "endswith"][usize::from(*place)];
                format!("{name}{not}{}{}", style.word(word), quoted(part))
            }
            IsNull(name) => format!("{name} {}{not}{}", style.word("is"), style.word("null")),
            Not(inner) => format!("{}({})", style.word("not"), inner.write(style)),
            // Everything inside in parentheses, unless it binds tighter anyway.
            And(left, right) => {
                let (left, right) = (left.inside(style, false), right.inside(style, false));
                format!("{left}{}{right}", style.word(" and "))
            }
            Or(left, right) => {
                let (left, right) = (left.inside(style, true), right.inside(style, true));
                format!("{left}{}{right}", style.word(" or "))
            }
            Opposite(_) => unreachable!("stands at the top of a comparison only"),
        }
    }

    fn inside(&self, style: &mut Style, in_or: bool) -> String {
        let text = self.write(style);
        if matches!(self, Or(..)) && !in_or {
            format!("({text})")
        } else {
            text
        }
    }
}

fn not(expression: Expression) -> Expression {
    Not(expression.into())
}

fn is_equal(left: &Value, right: &Value) -> Result<bool, ()> {
    match (left, right) {
        (Value::Text(left), Value::Text(right)) => Ok(left == right),
        (Value::Truth(truth), Value::Text(text)) | (Value::Text(text), Value::Truth(truth)) => {
            Ok((text.to_lowercase() == "true") == *truth)
        }
        (Value::Truth(left), Value::Truth(right)) => Ok(left == right),
        _ => Ok(number(left)? == number(right)?),
    }
}

fn number(value: &Value) -> Result<f64, ()> {
    match value {
        Value::Number(number) => Ok(*number),
        Value::Text(text) if text.chars().all(|c| "0123456789.-".contains(c)) => {
            text.parse().map_err(|_| ())
        }
        Value::Property(_) | Value::Text(_) | Value::Truth(_) => Err(()),
    }
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Choices in the order in which they are needed; then all are "no".
struct Style(Vec<bool>);

impl Style {
    fn flip(&mut self) -> bool {
        self.0.pop().unwrap_or(false)
    }

    fn word(&mut self, word: &str) -> String {
        if self.flip() {
            word.to_uppercase()
        } else {
            word.to_owned()
        }
    }

    fn wrap(&mut self, text: String) -> String {
        if self.flip() {
            format!("( {text}\n)")
        } else {
            text
        }
    }

    fn value(&mut self, value: &Value) -> String {
        let text = match value {
            Value::Property(name) => name.clone(),
            Value::Text(text) => quoted(text),
            Value::Number(number) if self.flip() => format!("{number:e}"),
            Value::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                number.to_string()
            }
            Value::Number(number) => format!("{number:?}"),
            Value::Truth(truth) => self.word(if *truth { "true" } else { "false" }),
        };
        self.wrap(text)
    }

    fn sign(&mut self, left: &Value, sign: &str, right: &Value) -> String {
        let (left, right) = (self.value(left), self.value(right));
        if self.flip() {
            format!("{left} {sign}\t{right}")
        } else {
            format!("{left}{sign}{right}")
        }
    }
}

fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "$c_1", "TAGS", "KEYS"]).prop_map(str::to_owned)
}

/// Few, so that what is compared is equal now and then.
fn text() -> impl Strategy<Value = String> {
    let texts = vec![
        "", "x", "xy", "yx'", "5", "5.0", "-2", "true", "FALSE", "7 x", "é",
    ];
    prop::sample::select(texts).prop_map(str::to_owned)
}

fn numeric() -> impl Strategy<Value = Value> {
    prop_oneof![
        name().prop_map(Value::Property),
        prop::sample::select(vec![5.0, -2.0, 0.5, 7.0, 1e20]).prop_map(Value::Number),
    ]
}

fn leaf() -> impl Strategy<Value = Expression> {
    let other = prop_oneof![
        numeric(),
        text().prop_map(Value::Text),
        any::<bool>().prop_map(Value::Truth),
    ];
    let property = || name().prop_map(Value::Property);
    let equal = (property(), other, any::<bool>()).prop_map(|(left, right, turned)| match turned {
        true => Equal(right, left),
        false => Equal(left, right),
    });
    let between =
        (numeric(), numeric(), numeric()).prop_map(|(value, low, high)| match (&low, &high) {
            (Value::Number(one), Value::Number(two)) if one > two => Between(value, high, low),
            _ => Between(value, low, high),
        });
    let list = prop::collection::vec(text(), 1..4);
    let part = (name(), 0..3_u8, text(), any::<bool>());
    prop_oneof![
        1 => any::<bool>().prop_map(Constant),
        4 => equal,
        3 => (numeric(), numeric()).prop_map(|(left, right)| Less(left, right)),
        2 => between,
        2 => (name(), list).prop_map(|(name, texts)| In(name, texts)),
        2 => part.prop_map(|(name, place, text, negated)| Part(name, place, text, negated)),
        2 => name().prop_map(IsNull),
    ]
}

fn comparison() -> impl Strategy<Value = Expression> {
    (leaf(), any::<bool>()).prop_map(|(leaf, negated)| {
        // These have no sign for the opposite, or it means something else.
        if negated && !matches!(leaf, Constant(_) | Part(..)) {
            Opposite(leaf.into())
        } else {
            leaf
        }
    })
}

/// An expression and a way to write it.
pub(super) fn expression() -> impl Strategy<Value = (Expression, String)> {
    let tree = comparison().prop_recursive(4, 24, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(not),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| And(a.into(), b.into())),
            (inner.clone(), inner).prop_map(|(a, b)| Or(a.into(), b.into())),
        ]
    });
    let style = prop::collection::vec(prop::bool::weighted(0.3), 0..200);
    (tree, style).prop_map(|(tree, style)| {
        let text = tree.write(&mut Style(style));
        (tree, text)
    })
}

pub(super) fn message() -> impl Strategy<Value = NewMessage> {
    let value = prop_oneof![
        text(),
        prop::sample::select(vec!["7", "0.5"]).prop_map(str::to_owned)
    ];
    let properties = prop::collection::hash_map(
        prop::sample::select(vec!["a", "b", "$c_1"]).prop_map(str::to_owned),
        value,
        0..4,
    );
    let keys = prop::collection::vec(text(), 0..3);
    (prop::option::of(text()), keys, properties).prop_map(|(tag, keys, properties)| NewMessage {
        tag,
        keys,
        properties: properties.into_iter().collect(),
        ..NewMessage::default()
    })
}
