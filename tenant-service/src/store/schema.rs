//! The schema, in steps that are never edited once released. It is written once,
//! in SQLite's words; the few that PostgreSQL does not know are put in its own.

use sqlx::migrate::{MigrateError, Migration, MigrationType, Migrator};
use sqlx::{AssertSqlSafe, PgConnection, SqlSafeStr as _, SqlitePool};

use crate::error::{OpenError, StoreError};

/// Number, name, statements.
const STEPS: &[(i64, &str, &str)] = &[
    (
        1,
        "catalogue",
        include_str!("../../migrations/0001_catalogue.sql"),
    ),
    (
        2,
        "topic version",
        include_str!("../../migrations/0002_topic_version.sql"),
    ),
    (
        3,
        "group mechanism",
        include_str!("../../migrations/0003_group_mechanism.sql"),
    ),
    (
        4,
        "erasure",
        include_str!("../../migrations/0004_erasure.sql"),
    ),
    (
        5,
        "access",
        include_str!("../../migrations/0005_access.sql"),
    ),
    (6, "books", include_str!("../../migrations/0006_books.sql")),
    (
        7,
        "tenant token",
        include_str!("../../migrations/0007_tenant_token.sql"),
    ),
    (
        8,
        "books marks",
        include_str!("../../migrations/0008_books_marks.sql"),
    ),
];

/// What PostgreSQL calls by another name, the longer ones first. Every column is
/// declared by words that both know or by these: numbers are BIGINT or a key.
const WORDS: &[(&str, &str)] = &[
    (
        "INTEGER PRIMARY KEY AUTOINCREMENT",
        "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    ),
    ("INTEGER PRIMARY KEY", "BIGINT PRIMARY KEY"),
    (") WITHOUT ROWID;", ");"),
    ("BLOB", "BYTEA"),
];

fn for_postgres(sql: &str) -> String {
    let words = WORDS.iter();
    words.fold(sql.to_owned(), |sql, (here, there)| {
        sql.replace(here, there)
    })
}

fn steps(text: impl Fn(&str) -> String) -> Migrator {
    let step = |(number, name, sql): &(i64, &'static str, &str)| {
        let sql = AssertSqlSafe(text(sql)).into_sql_str();
        Migration::new(*number, (*name).into(), MigrationType::Simple, sql, false)
    };
    Migrator::with_migrations(STEPS.iter().map(step).collect())
}

/// Brings the file's schema up to date. Nobody else has it open.
pub(super) async fn update_sqlite(pool: &SqlitePool) -> Result<(), OpenError> {
    let mut migrator = steps(str::to_owned);
    migrator.set_locking(false);
    migrator.run(pool).await.map_err(failed)
}

/// The same for a database that others may be starting on at this moment: one
/// after another, under a lock that ends with the connection.
pub(super) async fn update_postgres(db: &mut PgConnection) -> Result<(), OpenError> {
    steps(for_postgres).run(db).await.map_err(failed)
}

fn failed(error: MigrateError) -> OpenError {
    if let MigrateError::VersionMissing(_) = error {
        return OpenError::TooNew;
    }
    StoreError::from(error).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A database remembers the text of each step; another one would be refused.
    #[test]
    fn released_steps_stay_as_they_are() {
        let digest = |migrator: Migrator| -> Vec<String> {
            let of = |step: &Migration| hex::encode(&step.checksum[..8]);
            migrator.iter().map(of).collect()
        };
        let sqlite = [
            "4fa8c14934dc853e",
            "56ee2f41744d0b83",
            "ece984c9698b5d26",
            "d0278891de89414b",
        ];
        assert_eq!(digest(steps(str::to_owned))[..4], sqlite);
        let postgres = [
            "52888751b2c18d3b",
            "56ee2f41744d0b83",
            "ece984c9698b5d26",
            "d0278891de89414b",
        ];
        assert_eq!(digest(steps(for_postgres))[..4], postgres);
    }

    #[test]
    fn nothing_that_only_sqlite_knows_is_left() {
        for (_, name, sql) in STEPS {
            let sql = for_postgres(sql).to_uppercase();
            for word in ["INTEGER", "ROWID", "BLOB", "AUTOINCREMENT", "PRAGMA"] {
                let statements = sql.lines().filter(|line| !line.starts_with("--"));
                let found = statements.clone().find(|line| line.contains(word));
                assert_eq!(found, None, "{name}");
            }
        }
    }
}
