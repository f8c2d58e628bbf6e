//! `LISTEN` and `NOTIFY`: a word to others that the feed of changes moved.
//!
//! The word is the number of our table, because a channel belongs to a whole database, which may have
//! our tables in several schemas.

use std::pin::pin;
use std::sync::OnceLock;
use std::time::Duration;

use diesel::dsl::sql;
use diesel::result::QueryResult;
use diesel::sql_types::Bool;
use diesel_async::{RunQueryDsl as _, SimpleAsyncConnection as _};
use futures_util::future::{Either, select};
use futures_util::stream::{self, Stream, StreamExt as _};
use llm_keys::store::Hinter;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, NoTls, SimpleQueryMessage};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::backend::PgConn;

/// Tells those that listen, once the transaction is committed. `can` remembers whether this server
/// knows how: not all that speak the protocol do, and a statement that fails would take the
/// transaction with it.
pub(in crate::dialect) async fn notify(conn: &mut PgConn, can: &OnceLock<bool>) -> QueryResult<()> {
    let knows = match can.get() {
        Some(knows) => *knows,
        None => {
            let found = "EXISTS (SELECT 1 FROM pg_catalog.pg_proc WHERE proname = 'pg_notify')";
            let knows = diesel::select(sql::<Bool>(found)).get_result(conn).await?;
            *can.get_or_init(|| knows)
        }
    };
    if !knows {
        return Ok(());
    }
    conn.batch_execute(
        "SELECT pg_notify('llm_keys_changes', 'llm_keys_changes'::regclass::oid::text)",
    )
    .await
}

/// Opens a connection and passes on what is told there, until it breaks or this is dropped.
pub(crate) async fn listen(config: &Config, tls: Option<MakeRustlsConnect>, hinter: &Hinter) {
    match tls {
        Some(tls) => match tokio::time::timeout(OPENING, config.connect(tls)).await {
            Ok(Ok((client, connection))) => hear(client, connection, hinter).await,
            failed => tracing::debug!(refused = failed.is_ok(), "nobody tells of changes"),
        },
        None => match tokio::time::timeout(OPENING, config.connect(NoTls)).await {
            Ok(Ok((client, connection))) => hear(client, connection, hinter).await,
            failed => tracing::debug!(refused = failed.is_ok(), "nobody tells of changes"),
        },
    }
}

/// How long it may take to open a connection.
const OPENING: Duration = Duration::from_secs(10);

async fn hear<S, T>(client: Client, mut connection: Connection<S, T>, hinter: &Hinter)
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: AsyncRead + AsyncWrite + Unpin,
{
    let mut messages = stream::poll_fn(move |cx| connection.poll_message(cx));
    let Some(table) = set_up(&client, &mut messages).await else { return };
    // What was told before we listened is lost.
    hinter.tell();
    while let Some(Ok(message)) = messages.next().await {
        if let AsyncMessage::Notification(told) = message
            && told.payload() == table
        {
            hinter.tell();
        }
    }
}

/// Listens; the number of our table, or `None` if the connection broke.
async fn set_up<E>(
    client: &Client,
    messages: &mut (impl Stream<Item = Result<AsyncMessage, E>> + Unpin),
) -> Option<String> {
    let mut ask =
        pin!(client.simple_query(
            "LISTEN llm_keys_changes; SELECT 'llm_keys_changes'::regclass::oid::text"
        ));
    // Nothing moves on the connection but while its messages are asked for.
    let answer = loop {
        match select(ask.as_mut(), messages.next()).await {
            Either::Left((answer, _)) => break answer.ok()?,
            Either::Right((Some(Ok(_)), _)) => {}
            Either::Right((_, _)) => return None,
        }
    };
    answer.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
        _ => None,
    })
}
