//! The seam between the two databases: one text of a statement, with `$1` for its
//! first value, runs on either. Owns what differs: how values are bound, rows
//! are read, and an array of columns is asked for.

use std::borrow::Cow;

use futures_util::TryStreamExt as _;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Decode, Postgres, Row as _, Sqlite, Type};

use crate::error::StoreError;

/// A connection to either database.
pub(super) enum Connection<'c> {
    Sqlite(&'c mut SqliteConnection),
    Postgres(&'c mut PgConnection),
}

/// A statement with its values, in the order of their numbers.
pub(super) struct Statement<'q> {
    sql: &'static str,
    values: Vec<Value<'q>>,
}

/// What a column can hold.
pub(super) enum Value<'q> {
    Int(Option<i64>),
    Text(Cow<'q, str>),
    Bytes(Option<Vec<u8>>),
    Float(f64),
    Bool(bool),
}

pub(super) fn query<'q>(sql: &'static str) -> Statement<'q> {
    Statement {
        sql,
        values: Vec::new(),
    }
}

impl<'q> Statement<'q> {
    pub(super) fn bind(mut self, value: impl Into<Value<'q>>) -> Self {
        self.values.push(value.into());
        self
    }
}

/// A query of sqlx with the same text and values, for whichever database.
macro_rules! bound {
    ($statement:expr) => {{
        let statement = $statement;
        let mut query = sqlx::query(statement.sql);
        for value in statement.values {
            query = match value {
                Value::Int(value) => query.bind(value),
                Value::Text(value) => query.bind(value.into_owned()),
                Value::Bytes(value) => query.bind(value),
                Value::Float(value) => query.bind(value),
                Value::Bool(value) => query.bind(value),
            };
        }
        query
    }};
}

impl Connection<'_> {
    /// The statement's text for this database, where one text cannot do.
    pub(super) fn either(&self, sqlite: &'static str, postgres: &'static str) -> &'static str {
        match self {
            Self::Sqlite(_) => sqlite,
            Self::Postgres(_) => postgres,
        }
    }

    pub(super) async fn run(&mut self, statement: Statement<'_>) -> Result<(), StoreError> {
        self.count(statement).await.map(|_| ())
    }

    /// How many rows it changed.
    pub(super) async fn count(&mut self, statement: Statement<'_>) -> Result<u64, StoreError> {
        Ok(match self {
            Self::Sqlite(db) => bound!(statement).execute(&mut **db).await?.rows_affected(),
            Self::Postgres(db) => bound!(statement).execute(&mut **db).await?.rows_affected(),
        })
    }

    /// Hands the rows to `take` as they come.
    pub(super) async fn each(
        &mut self,
        statement: Statement<'_>,
        mut take: impl FnMut(Row<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        match self {
            Self::Sqlite(db) => {
                let mut rows = bound!(statement).fetch(&mut **db);
                while let Some(row) = rows.try_next().await? {
                    take(Row::Sqlite(&row))?;
                }
            }
            Self::Postgres(db) => {
                let mut rows = bound!(statement).fetch(&mut **db);
                while let Some(row) = rows.try_next().await? {
                    take(Row::Postgres(&row))?;
                }
            }
        }
        Ok(())
    }

    /// All rows, as `read` makes of them.
    pub(super) async fn all<T>(
        &mut self,
        statement: Statement<'_>,
        mut read: impl FnMut(Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let mut rows = Vec::new();
        self.each(statement, |row| {
            rows.push(read(row)?);
            Ok(())
        })
        .await?;
        Ok(rows)
    }

    /// The text in the first column of the first row.
    pub(super) async fn text(
        &mut self,
        statement: Statement<'_>,
    ) -> Result<Option<String>, StoreError> {
        let mut found = None;
        self.each(statement, |row| {
            found = Some(row.get(0)?);
            Ok(())
        })
        .await?;
        Ok(found)
    }
}

/// A row of either database.
#[derive(Clone, Copy)]
pub(super) enum Row<'r> {
    Sqlite(&'r SqliteRow),
    Postgres(&'r PgRow),
}

impl<'r> Row<'r> {
    pub(super) fn get<T>(&self, column: usize) -> Result<T, sqlx::Error>
    where
        T: Decode<'r, Sqlite> + Type<Sqlite> + Decode<'r, Postgres> + Type<Postgres>,
    {
        match *self {
            Self::Sqlite(row) => row.try_get(column),
            Self::Postgres(row) => row.try_get(column),
        }
    }
}

impl Row<'_> {
    /// A number that is not negative.
    pub(super) fn number<T: TryFrom<i64>>(&self, column: usize) -> Result<T, StoreError> {
        let value: i64 = self.get(column)?;
        T::try_from(value).map_err(|_| StoreError::Damaged {
            table: "books",
            problem: format!("the number {value} in column {column}"),
        })
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Self::Int(Some(value))
    }
}

impl From<Option<i64>> for Value<'_> {
    fn from(value: Option<i64>) -> Self {
        Self::Int(value)
    }
}

impl<'q> From<&'q str> for Value<'q> {
    fn from(value: &'q str) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl<'q> From<&'q String> for Value<'q> {
    fn from(value: &'q String) -> Self {
        Self::Text(Cow::Borrowed(value))
    }
}

impl From<String> for Value<'_> {
    fn from(value: String) -> Self {
        Self::Text(Cow::Owned(value))
    }
}

impl From<Vec<u8>> for Value<'_> {
    fn from(value: Vec<u8>) -> Self {
        Self::Bytes(Some(value))
    }
}

impl From<Option<Vec<u8>>> for Value<'_> {
    fn from(value: Option<Vec<u8>>) -> Self {
        Self::Bytes(value)
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
