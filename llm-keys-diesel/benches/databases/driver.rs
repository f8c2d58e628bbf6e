//! The same statements once more, by the bare client of each database on one connection of its own:
//! no Diesel and no pool. Nobody has a goal for that.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use mysql_async::prelude::Queryable as _;
use tokio_postgres::types::{ToSql, Type};

use crate::by_hand::{EVENT, FEED, KEPT};

/// A connection, and what its parameters and columns are.
pub(crate) trait Driver {
    type Value: Clone;
    const BEGIN: &str;
    const LOCK: &str;
    fn text(text: &str) -> Self::Value;
    fn int(number: i64) -> Self::Value;
    fn null() -> Self::Value;
    fn to_int(value: &Self::Value) -> i64;
    async fn query(&mut self, sql: &str, values: &[Self::Value]) -> Vec<Self::Value>;
    async fn execute(&mut self, sql: &str, values: &[Self::Value]) -> u64;
    async fn batch(&mut self, sql: &str);
}

const KEY: &str = "record, tenant, path, owner_kind, owner_id, service, name, state, purge_at, \
    current_version, latest_version, generation, kept, settings, template, labels, hint, expires_at, \
    rotate_every, due_at, due_told, created_at, updated_at, last_used_at, mac";
const VERSION: &str = "record, version, generation, state, until, envelope, rewrap, actor, reason, \
    created_at, last_used_at, mac";

// Where columns stand.
const CURRENT: usize = 9;
const LATEST: usize = 10;
const GENERATION: usize = 11;
/// From here on a change of a key sets what is in its row.
const FIRST_SET: usize = 7;
const KEY_COLUMNS: usize = 25;
const STATE: usize = 3;
const ENVELOPE: usize = 5;

/// The statements, each with as many `?` as it has parameters.
pub(crate) struct Sql {
    find: String,
    version: String,
    held: String,
    update_key: String,
    update_version: String,
    insert_version: String,
}

impl Sql {
    pub(crate) fn new<D: Driver>() -> Self {
        let of = |columns: &str, table: &str| {
            columns
                .split(", ")
                .map(|column| format!("{table}.{column}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        let set = |columns: &str| {
            columns.split(", ").map(|column| format!("{column} = ?")).collect::<Vec<_>>().join(", ")
        };
        let places = vec!["?"; VERSION.split(", ").count()].join(", ");
        Self {
            find: format!(
                "SELECT {}, {} FROM llm_keys_keys k LEFT JOIN llm_keys_versions v ON v.record = k.record \
                 AND v.version = k.current_version WHERE k.tenant = ? AND k.path = ? LIMIT 1",
                of(KEY, "k"),
                of(VERSION, "v"),
            ),
            version: format!(
                "SELECT {VERSION} FROM llm_keys_versions WHERE record = ? AND version = ?"
            ),
            held: format!(
                "SELECT generation, tenant, owner_kind, owner_id, service, name FROM llm_keys_keys \
                 WHERE record = ? LIMIT 1{}",
                D::LOCK
            ),
            update_key: format!(
                "UPDATE llm_keys_keys SET {} WHERE record = ?",
                set(&KEY.split(", ").skip(FIRST_SET).collect::<Vec<_>>().join(", "))
            ),
            update_version: format!(
                "UPDATE llm_keys_versions SET {} WHERE record = ? AND version = ?",
                set(VERSION)
            ),
            insert_version: format!("INSERT INTO llm_keys_versions ({VERSION}) VALUES ({places})"),
        }
    }

    pub(crate) async fn get<D: Driver>(&self, driver: &mut D, path: &str) -> Vec<D::Value> {
        driver.query(&self.find, &[D::text("default"), D::text(path)]).await
    }

    pub(crate) async fn store<D: Driver>(&self, driver: &mut D, path: &str) {
        let mut key = self.get(driver, path).await;
        let mut old = key.split_off(KEY_COLUMNS);
        let version = D::to_int(&key[CURRENT]) + 1;
        let oldest = [key[0].clone(), D::int(version - KEPT)];
        let mut shredded = driver.query(&self.version, &oldest).await;
        let mut new = old.clone();
        new[1] = D::int(version);
        key[CURRENT] = D::int(version);
        key[LATEST] = D::int(version);
        old[STATE] = D::text("retired");
        shredded[STATE] = D::text("shredded");
        shredded[ENVELOPE] = D::null();

        driver.batch(D::BEGIN).await;
        let held = driver.query(&self.held, &key[..1]).await;
        key[GENERATION] = D::int(D::to_int(&held[0]) + 1);
        let record = key[0].clone();
        key.push(record);
        assert_eq!(driver.execute(&self.update_key, &key[FIRST_SET..]).await, 1);
        for (row, there) in [(old, 1), (shredded, 1), (new.clone(), 0)] {
            let place = [row[0].clone(), row[1].clone()];
            let values: Vec<_> = row.into_iter().chain(place).collect();
            assert_eq!(driver.execute(&self.update_version, &values).await, there);
        }
        driver.execute(&self.insert_version, &new).await;
        let seq = advance(driver, "changes").await;
        let change: Vec<_> = [D::int(seq)].into_iter().chain(held.into_iter().skip(1)).collect();
        let insert = "INSERT INTO llm_keys_changes (seq, tenant, owner_kind, owner_id, service, name) \
            VALUES (?, ?, ?, ?, ?, ?)";
        driver.execute(insert, &change).await;
        driver.execute("DELETE FROM llm_keys_changes WHERE seq <= ?", &[D::int(seq - FEED)]).await;
        let seq = advance(driver, "events").await;
        let event = [D::int(seq), D::text("default"), D::int(seq), D::text(EVENT)];
        let insert = "INSERT INTO llm_keys_events (seq, tenant, at, body) VALUES (?, ?, ?, ?)";
        driver.execute(insert, &event).await;
        driver.batch("COMMIT").await;
    }
}

async fn advance<D: Driver>(driver: &mut D, name: &str) -> i64 {
    let name = [D::text(name)];
    driver.execute("UPDATE llm_keys_counters SET value = value + 1 WHERE name = ?", &name).await;
    D::to_int(&driver.query("SELECT value FROM llm_keys_counters WHERE name = ?", &name).await[0])
}

/// By `rusqlite`, in this thread: what a program that may block has.
pub(crate) struct Sqlite {
    conn: &'static rusqlite::Connection,
    prepared: HashMap<String, rusqlite::Statement<'static>>,
}

impl Sqlite {
    pub(crate) fn open(path: &str, setup: &str) -> Self {
        // The statements borrow it; a benchmark ends soon enough.
        let conn: &_ = Box::leak(Box::new(rusqlite::Connection::open(path).unwrap()));
        conn.execute_batch(setup).unwrap();
        Self { conn, prepared: HashMap::new() }
    }

    fn prepare(&mut self, sql: &str) -> &mut rusqlite::Statement<'static> {
        let conn = self.conn;
        self.prepared.entry(sql.to_owned()).or_insert_with(|| conn.prepare(sql).unwrap())
    }
}

impl Driver for Sqlite {
    type Value = rusqlite::types::Value;
    const BEGIN: &str = "BEGIN IMMEDIATE";
    const LOCK: &str = "";

    fn text(text: &str) -> Self::Value {
        text.to_owned().into()
    }

    fn int(number: i64) -> Self::Value {
        number.into()
    }

    fn null() -> Self::Value {
        Self::Value::Null
    }

    fn to_int(value: &Self::Value) -> i64 {
        match value {
            Self::Value::Integer(number) => *number,
            other => panic!("{other:?}"),
        }
    }

    async fn query(&mut self, sql: &str, values: &[Self::Value]) -> Vec<Self::Value> {
        let statement = self.prepare(sql);
        let columns = statement.column_count();
        let mut rows = statement.query(rusqlite::params_from_iter(values)).unwrap();
        let row = rows.next().unwrap().unwrap();
        (0..columns).map(|column| row.get(column).unwrap()).collect()
    }

    async fn execute(&mut self, sql: &str, values: &[Self::Value]) -> u64 {
        self.prepare(sql).execute(rusqlite::params_from_iter(values)).unwrap() as u64
    }

    async fn batch(&mut self, sql: &str) {
        self.conn.execute_batch(sql).unwrap();
    }
}

/// By `tokio-postgres`.
pub(crate) struct Postgres {
    client: tokio_postgres::Client,
    prepared: HashMap<String, tokio_postgres::Statement>,
}

/// A parameter or a column of PostgreSQL.
#[derive(Clone, Debug)]
pub(crate) enum PgValue {
    Int(Option<i64>),
    Text(Option<String>),
    Bytes(Option<Vec<u8>>),
    Bool(bool),
}

impl PgValue {
    fn parameter(&self) -> &(dyn ToSql + Sync) {
        match self {
            Self::Int(value) => value,
            Self::Text(value) => value,
            Self::Bytes(value) => value,
            Self::Bool(value) => value,
        }
    }

    fn column(row: &tokio_postgres::Row, column: usize) -> Self {
        match *row.columns()[column].type_() {
            Type::INT8 => Self::Int(row.get(column)),
            Type::TEXT => Self::Text(row.get(column)),
            Type::BYTEA => Self::Bytes(row.get(column)),
            Type::BOOL => Self::Bool(row.get(column)),
            ref other => panic!("{other}"),
        }
    }
}

impl Postgres {
    pub(crate) async fn open(url: &str) -> Self {
        let (client, connection) =
            tokio_postgres::connect(url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        Self { client, prepared: HashMap::new() }
    }

    async fn prepare(&mut self, sql: &str) -> tokio_postgres::Statement {
        match self.prepared.entry(sql.to_owned()) {
            Entry::Occupied(there) => there.get().clone(),
            Entry::Vacant(place) => {
                let mut pieces = sql.split('?');
                let mut numbered = pieces.next().unwrap_or_default().to_owned();
                for (number, piece) in pieces.enumerate() {
                    numbered.push_str(&format!("${}{piece}", number + 1));
                }
                place.insert(self.client.prepare(&numbered).await.unwrap()).clone()
            }
        }
    }
}

impl Driver for Postgres {
    type Value = PgValue;
    const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
    const LOCK: &str = " FOR UPDATE";

    fn text(text: &str) -> PgValue {
        PgValue::Text(Some(text.to_owned()))
    }

    fn int(number: i64) -> PgValue {
        PgValue::Int(Some(number))
    }

    fn null() -> PgValue {
        PgValue::Bytes(None)
    }

    fn to_int(value: &PgValue) -> i64 {
        match value {
            PgValue::Int(Some(number)) => *number,
            other => panic!("{other:?}"),
        }
    }

    async fn query(&mut self, sql: &str, values: &[PgValue]) -> Vec<PgValue> {
        let statement = self.prepare(sql).await;
        let values: Vec<_> = values.iter().map(PgValue::parameter).collect();
        let row = self.client.query_one(&statement, &values).await.unwrap();
        (0..row.len()).map(|column| PgValue::column(&row, column)).collect()
    }

    async fn execute(&mut self, sql: &str, values: &[PgValue]) -> u64 {
        let statement = self.prepare(sql).await;
        let values: Vec<_> = values.iter().map(PgValue::parameter).collect();
        self.client.execute(&statement, &values).await.unwrap()
    }

    async fn batch(&mut self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap();
    }
}

/// By `mysql_async`.
pub(crate) struct Mysql(mysql_async::Conn);

impl Mysql {
    pub(crate) async fn open(url: &str, setup: &str) -> Self {
        let opts = mysql_async::OptsBuilder::from_opts(mysql_async::Opts::from_url(url).unwrap())
            .prefer_socket(false)
            .client_found_rows(true);
        let mut conn = mysql_async::Conn::new(opts).await.unwrap();
        for statement in setup.split(';') {
            conn.query_drop(statement).await.unwrap();
        }
        Self(conn)
    }
}

impl Driver for Mysql {
    type Value = mysql_async::Value;
    const BEGIN: &str = "BEGIN";
    const LOCK: &str = " FOR UPDATE";

    fn text(text: &str) -> Self::Value {
        text.into()
    }

    fn int(number: i64) -> Self::Value {
        number.into()
    }

    fn null() -> Self::Value {
        Self::Value::NULL
    }

    fn to_int(value: &Self::Value) -> i64 {
        match value {
            Self::Value::Int(number) => *number,
            _ => panic!("no number"),
        }
    }

    async fn query(&mut self, sql: &str, values: &[Self::Value]) -> Vec<Self::Value> {
        let parameters = mysql_async::Params::Positional(values.to_vec());
        self.0
            .exec_first::<mysql_async::Row, _, _>(sql, parameters)
            .await
            .unwrap()
            .unwrap()
            .unwrap()
    }

    async fn execute(&mut self, sql: &str, values: &[Self::Value]) -> u64 {
        let parameters = mysql_async::Params::Positional(values.to_vec());
        self.0.exec_drop(sql, parameters).await.unwrap();
        self.0.affected_rows()
    }

    async fn batch(&mut self, sql: &str) {
        self.0.query_drop(sql).await.unwrap();
    }
}
