//! The tables of a store, and how a store of an older schema gets those of today.

use rusqlite::Connection;

/// The number of the tables below; a changed table gets the next one.
pub const STORE_SCHEMA: i64 = 3;

/// What a store of schema 1 has.
// `AUTOINCREMENT` never gives a row number twice, so that cut-off last rows are noticed.
const RECORDS: &str = "
    CREATE TABLE record (
        row        INTEGER PRIMARY KEY AUTOINCREMENT,
        id         TEXT NOT NULL UNIQUE,
        sequence   INTEGER NOT NULL,
        part       TEXT NOT NULL,
        part_type  TEXT NOT NULL,
        lot        TEXT,
        supplier   TEXT,
        decided_at TEXT NOT NULL,
        verdict    TEXT NOT NULL,
        reason     TEXT,
        late       INTEGER NOT NULL,
        json       TEXT NOT NULL,
        sha256     TEXT NOT NULL
    ) STRICT;
    CREATE INDEX record_sequence ON record (sequence);
    CREATE INDEX record_part ON record (part);
    CREATE INDEX record_lot ON record (lot) WHERE lot IS NOT NULL;
    CREATE INDEX record_supplier ON record (supplier) WHERE supplier IS NOT NULL;
    CREATE INDEX record_decided_at ON record (decided_at);
    CREATE INDEX record_verdict ON record (verdict, reason, late);
    CREATE TABLE outbox (
        row INTEGER PRIMARY KEY REFERENCES record (row)
    ) STRICT;
";

/// What schema 2 has more: holds, images, and what retention leaves behind.
///
/// The references make SQLite itself refuse to remove a record that is on hold, undelivered, or
/// whose images are still accounted for.
const RETENTION: &str = "
    CREATE TABLE hold (
        row     INTEGER PRIMARY KEY REFERENCES record (row),
        reason  TEXT NOT NULL,
        held_at TEXT NOT NULL
    ) STRICT;
    CREATE TABLE image (
        row        INTEGER NOT NULL REFERENCES record (row),
        path       TEXT NOT NULL,
        decided_at TEXT NOT NULL,
        state      TEXT NOT NULL,
        bytes      INTEGER NOT NULL,
        removed_at TEXT,
        PRIMARY KEY (row, path)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX image_state ON image (state, decided_at, bytes);
    CREATE TABLE gap (
        first_row INTEGER PRIMARY KEY,
        last_row  INTEGER NOT NULL,
        sha256    TEXT NOT NULL
    ) STRICT;
    CREATE TABLE removal (
        number    INTEGER PRIMARY KEY AUTOINCREMENT,
        after_row INTEGER NOT NULL,
        json      TEXT NOT NULL,
        sha256    TEXT NOT NULL
    ) STRICT;
    CREATE INDEX removal_after_row ON removal (after_row);
";

/// What schema 3 has more: the part that the code on it names, to be searched like the announced one.
const PART_READ: &str = "
    ALTER TABLE record ADD COLUMN part_read TEXT;
    CREATE INDEX record_part_read ON record (part_read) WHERE part_read IS NOT NULL;
";

/// A record table of today for a reader of an older store, whose records name no part read.
const PART_READ_STAND_IN: &str =
    "CREATE TEMP VIEW record AS SELECT *, NULL AS part_read FROM main.record;";

/// The images that the records of a store of schema 1 name. Text that is no JSON any more names none.
const IMAGES_OF_RECORDS: &str = "
    INSERT OR IGNORE INTO image (row, path, decided_at, state, bytes)
    SELECT record.row, view.value ->> 'image_path', record.decided_at, 'planned', 0
    FROM record, json_each(
        CASE WHEN json_valid(record.json) THEN record.json ELSE '{}' END, '$.views') AS view
    WHERE view.type = 'object' AND view.value ->> 'image_path' IS NOT NULL;
";

/// The tables of a new store.
pub(super) fn all() -> String {
    format!("{RECORDS}{RETENTION}{PART_READ}")
}

/// Brings an older store to [`STORE_SCHEMA`], whole or not at all; records stay as they are.
pub(super) fn migrate(connection: &Connection, found: i64) -> rusqlite::Result<()> {
    let of_schema_1 = format!("{RETENTION} {IMAGES_OF_RECORDS}");
    let steps = match found {
        1 => format!("{of_schema_1} {PART_READ}"),
        2 => PART_READ.to_owned(),
        _ => return Ok(()),
    };
    connection.execute_batch(&format!(
        "PRAGMA synchronous = FULL; PRAGMA fullfsync = ON; BEGIN IMMEDIATE;
         {steps} PRAGMA user_version = {STORE_SCHEMA}; COMMIT;"
    ))
}

/// Lets a reader of an older store ask as if it had today's tables; the file stays as it is.
pub(super) fn stand_in(connection: &Connection, found: i64) -> rusqlite::Result<()> {
    if found == 1 {
        let tables = RETENTION
            .replace("CREATE TABLE ", "CREATE TEMP TABLE ")
            .replace("CREATE INDEX ", "CREATE INDEX temp.")
            .replace(" REFERENCES record (row)", "");
        connection.execute_batch(&tables)?;
    }
    if found < STORE_SCHEMA {
        connection.execute_batch(PART_READ_STAND_IN)?;
    }
    Ok(())
}
