//! One key of a million beside one of a thousand, and pages of a hundred, on the servers. (That of
//! SQLite is in the other program.) The rows are copies that the server makes of one stored key, in
//! an order of their own.

use std::hint::black_box;

use diesel_async::{
    AsyncConnection as _, AsyncMysqlConnection, AsyncPgConnection, SimpleAsyncConnection as _,
};
use llm_keys::kms::KmsSet;
use llm_keys::kms::local::LocalKms;
use llm_keys::store::KeyStore as _;
use llm_keys::{
    ApiKey, Cursor, EnvelopeKeyManager, KeyFilter, PageSize, SecureKeyManager as _, StoreOptions,
};
use llm_keys_diesel::DieselStore;

use crate::bed::{Bed, Kind};
use crate::race::race;
use crate::{KEY, id};

const MANY: usize = 1_000_000;
const FEW: usize = 1_000;
const GOAL: f64 = 1.2;
/// How many different keys are asked for, and places of pages.
const PLACES: usize = 4096;

/// Whether both goals are met.
pub(crate) async fn measure(kind: Kind, wanted: impl Fn(&str) -> bool) -> bool {
    let names = ["point_get_million", "page_million"].map(|pair| format!("{pair}_{}", kind.name()));
    if !names.iter().any(|name| wanted(name)) {
        return true;
    }
    let (many, few) = (Filled::new(kind, "many", MANY).await, Filled::new(kind, "few", FEW).await);
    let mut met = true;
    if wanted(&names[0]) {
        let times = race(300, async |n| many.find(n).await, async |n| few.find(n).await).await;
        met &= times.report(&names[0], Some(GOAL));
    }
    if wanted(&names[1]) {
        let times = race(80, async |n| many.page(n).await, async |n| few.page(n).await).await;
        met &= times.report(&names[1], Some(GOAL));
    }
    many.bed.drop().await;
    few.bed.drop().await;
    met
}

struct Filled {
    bed: Bed,
    store: DieselStore,
    keys: usize,
}

impl Filled {
    async fn new(kind: Kind, purpose: &str, keys: usize) -> Self {
        let bed = Bed::new(kind, purpose).await;
        let store = DieselStore::open(&bed.url).await.unwrap();
        let manager = EnvelopeKeyManager::builder()
            .kms(KmsSet::single(LocalKms::ephemeral().unwrap()))
            .store(store.clone())
            .build()
            .await
            .unwrap();
        let key = ApiKey::new(KEY).unwrap();
        manager.store_api_key(&id(0), key, &StoreOptions::default()).await.unwrap();
        fill(&bed, keys).await;
        Self { bed, store, keys }
    }

    fn place(&self, call: usize, room: usize) -> usize {
        (call % PLACES) * 271_829 % (self.keys - room)
    }

    async fn find(&self, call: usize) {
        let id = id(self.place(call, 0));
        black_box(self.store.key_find(&id).await.unwrap().unwrap());
    }

    async fn page(&self, call: usize) {
        let after = Cursor::after(&id(self.place(call, 101)));
        let filter = KeyFilter::default();
        let page = self.store.key_list(&filter, Some(&after), PageSize::default()).await.unwrap();
        assert_eq!(page.items.len(), 100);
    }
}

/// Copies the one key until there are so many.
async fn fill(bed: &Bed, keys: usize) {
    let last = keys - 1;
    match bed.kind {
        Kind::Sqlite => {}
        Kind::Postgres => {
            let mut conn = AsyncPgConnection::establish(&bed.url).await.unwrap();
            let rows = format!("generate_series(1, {last}) AS n");
            conn.batch_execute(&format!(
                "SET session_replication_role = replica; SET synchronous_commit = off; {}",
                copies(
                    "md5('record' || n)::uuid::text",
                    "'user-' || lpad(n::text, 7, '0')",
                    &rows,
                    "md5(n::text)"
                )
            ))
            .await
            .unwrap();
            conn.batch_execute("ANALYZE llm_keys_keys; ANALYZE llm_keys_versions").await.unwrap();
        }
        Kind::Mysql => {
            let mut conn = AsyncMysqlConnection::establish(&bed.url).await.unwrap();
            let record = "INSERT(INSERT(INSERT(INSERT(MD5(CONCAT('record', n)), 9, 0, '-'), 14, 0, '-'), \
                19, 0, '-'), 24, 0, '-')";
            let rows = format!("(SELECT seq AS n FROM seq_1_to_{last}) AS numbers");
            conn.batch_execute("SET SESSION foreign_key_checks = 0, unique_checks = 0")
                .await
                .unwrap();
            let copies = copies(record, "CONCAT('user-', LPAD(n, 7, '0'))", &rows, "MD5(n)");
            for statement in copies.split(';') {
                conn.batch_execute(statement).await.unwrap();
            }
            conn.batch_execute("ANALYZE TABLE llm_keys_keys, llm_keys_versions").await.unwrap();
        }
    }
}

/// Two statements; `rows` has a column `n`.
fn copies(record: &str, owner: &str, rows: &str, order: &str) -> String {
    format!(
        "INSERT INTO llm_keys_keys (record, tenant, path, owner_kind, owner_id, service, name, state, \
             purge_at, current_version, latest_version, generation, kept, settings, template, labels, \
             hint, expires_at, rotate_every, due_at, due_told, created_at, updated_at, last_used_at, mac) \
         SELECT {record}, k.tenant, REPLACE(k.path, 'user-0000000', {owner}), k.owner_kind, {owner}, \
             k.service, k.name, k.state, k.purge_at, k.current_version, k.latest_version, k.generation, \
             k.kept, k.settings, k.template, k.labels, k.hint, k.expires_at, k.rotate_every, k.due_at, \
             k.due_told, k.created_at, k.updated_at, k.last_used_at, k.mac \
         FROM llm_keys_keys k, {rows} ORDER BY {order};\
         INSERT INTO llm_keys_versions (record, version, generation, state, until, envelope, rewrap, \
             actor, reason, created_at, last_used_at, mac) \
         SELECT k.record, v.version, v.generation, v.state, v.until, v.envelope, v.rewrap, v.actor, \
             v.reason, v.created_at, v.last_used_at, v.mac \
         FROM llm_keys_keys k, llm_keys_versions v WHERE k.record <> v.record"
    )
}
