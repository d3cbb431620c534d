//! Which column is which: by the words of the header, or by place as in the template.

use firn_protocol::{ApiError, ApiResult, names};

use super::values::{Value, require_short};
use super::{Line, Listing, Row, unreadable};

/// Characters of a wrong name or header in an answer.
const SHOWN_CHARS_MAX: usize = 80;

/// What a column says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Column {
    Name,
    Broker,
    /// 「备注」 and all behind it: free text for people.
    Legend,
    /// The guide's own, which say nothing here: the request names the instance.
    Cluster,
    BrokerIp,
    Ordered,
    Queues,
    Permission,
    Mechanism,
    Start,
    Topics,
    Enabled,
    // What the guide's columns cannot say, under the names of the API.
    Type,
    RetentionHours,
    Tps,
    AllowedGroups,
    GroupOrdered,
    OnPoison,
    MaxRetries,
    Remark,
}

impl Column {
    /// Whether nothing in the cell is a value of its own.
    fn may_be_blank(self) -> bool {
        match self {
            Self::Name
            | Self::Ordered
            | Self::Queues
            | Self::Permission
            | Self::Mechanism
            | Self::Start
            | Self::Topics
            | Self::Enabled => false,
            Self::Broker
            | Self::Legend
            | Self::Cluster
            | Self::BrokerIp
            | Self::Type
            | Self::RetentionHours
            | Self::Tps
            | Self::AllowedGroups
            | Self::GroupOrdered
            | Self::OnPoison
            | Self::MaxRetries
            | Self::Remark => true,
        }
    }
}

/// How files of one kind are laid out, and what a cell does to the fields.
pub(super) struct Layout<F> {
    /// Header words in lower case without blanks.
    pub(super) words: &'static [(&'static str, Column)],
    /// The template's columns.
    pub(super) template: &'static [Column],
    pub(super) put: fn(&mut F, Column, &str) -> Value<()>,
    /// Looks at the fields when all are there.
    pub(super) finish: fn(F) -> F,
}

/// The columns of one file.
struct Header {
    columns: Vec<(Option<Column>, String)>,
    ignored: Vec<String>,
}

impl<F: Default> Layout<F> {
    /// # Errors
    /// `BAD_REQUEST` for a file without a header, or with one that contradicts itself.
    pub(super) fn read(&self, rows: &[Row]) -> ApiResult<Listing<F>> {
        let Some((first, rest)) = rows.split_first() else {
            return Err(unreadable("empty: the first line is the header"));
        };
        let header = self.header(first)?;
        Ok(Listing {
            lines: rest.iter().map(|row| self.line(&header, row)).collect(),
            ignored: header.ignored,
        })
    }

    fn header(&self, row: &Row) -> ApiResult<Header> {
        let header = |rule: &str| unreadable(format_args!("line {}: {rule}", row.line));
        if let Some(fault) = row.fault {
            return Err(header(fault));
        }
        let known: Vec<Option<Column>> = row.cells.iter().map(|cell| self.named(cell)).collect();
        if !known.contains(&Some(Column::Name)) {
            return self.by_place(row);
        }
        for (at, column) in known.iter().enumerate() {
            if column.is_some() && known[..at].contains(column) {
                let word = shown(&row.cells[at]);
                return Err(header(&format!("a second column for '{word}'")));
            }
        }
        let unknown = row.cells.iter().zip(&known);
        let unknown = unknown.filter(|(cell, column)| column.is_none() && !cell.trim().is_empty());
        Ok(Header {
            ignored: unknown.map(|(cell, _)| shown(cell)).collect(),
            columns: known
                .into_iter()
                .zip(row.cells.iter().map(|cell| shown(cell.trim())))
                .collect(),
        })
    }

    /// The words say nothing: the template's order counts.
    fn by_place(&self, row: &Row) -> ApiResult<Header> {
        let columns = self.template.iter().map(|column| {
            let word = self.words.iter().find(|(_, known)| known == column);
            (
                Some(*column),
                word.map_or_else(String::new, |(word, _)| (*word).to_owned()),
            )
        });
        let header = Header {
            columns: columns.collect(),
            ignored: Vec::new(),
        };
        let line = self.line(&header, row);
        if names::is_well_formed(&line.name) && line.fields.is_ok() {
            // Read as a header it would be lost without a word.
            let rule = "the header is missing: this is a line like those below it";
            return Err(unreadable(format_args!("line {}: {rule}", row.line)));
        }
        Ok(header)
    }

    fn named(&self, cell: &str) -> Option<Column> {
        let word: String = cell.chars().filter(|c| !c.is_whitespace()).collect();
        let word = word.to_lowercase();
        let found = self.words.iter().find(|(known, _)| *known == word);
        found.map(|(_, column)| *column)
    }

    fn line(&self, header: &Header, row: &Row) -> Line<F> {
        let mut line = Line {
            number: row.line,
            name: String::new(),
            broker: None,
            fields: Ok(F::default()),
        };
        let at = header.columns.iter();
        let at = at
            .clone()
            .position(|(column, _)| *column == Some(Column::Name));
        if let Some(name) = at.and_then(|at| row.cells.get(at)) {
            line.name = shown(name);
        }
        line.fields = self.fields(header, row, &mut line.broker);
        line
    }

    fn fields(&self, header: &Header, row: &Row, broker: &mut Option<String>) -> ApiResult<F> {
        if let Some(fault) = row.fault {
            return Err(unreadable_line(fault));
        }
        let mut fields = F::default();
        for (at, (column, word)) in header.columns.iter().enumerate() {
            let Some(column) = *column else { continue };
            let cell = row.cells.get(at).map_or("", String::as_str);
            let put = require_short(cell).and_then(|()| match (column, cell.trim()) {
                (Column::Legend | Column::Cluster | Column::BrokerIp, _) => Ok(()),
                // Checked with the other rules for names.
                (Column::Name, _) if !cell.is_empty() => Ok(()),
                (Column::Remark, _) => (self.put)(&mut fields, column, cell),
                (column, "") if column.may_be_blank() => Ok(()),
                (_, "") => Err("missing".to_owned()),
                (Column::Broker, name) => {
                    *broker = Some(shown(name));
                    Ok(())
                }
                (column, text) => (self.put)(&mut fields, column, text),
            });
            put.map_err(|rule| ApiError::field(word, rule))?;
        }
        let more = row.cells.iter().skip(header.columns.len());
        let last = header.columns.last().and_then(|(column, _)| *column);
        if last != Some(Column::Legend) && more.clone().any(|cell| !cell.trim().is_empty()) {
            return Err(unreadable_line("more cells than the header has"));
        }
        Ok((self.finish)(fields))
    }
}

fn unreadable_line(why: &str) -> ApiError {
    ApiError::field("line", why)
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}
