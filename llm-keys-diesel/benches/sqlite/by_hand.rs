//! A cold read without our layers: the same statement through the same pool of the same client
//! crates, and the bare calls of `aws-lc-rs` that unwrapping and opening need.

use std::hint::black_box;

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::{hkdf, hmac};
use diesel::ConnectionError;
use diesel::prelude::*;
use diesel::sqlite::SqliteConnection;
use diesel_async::pooled_connection::deadpool::Pool;
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection as _, RunQueryDsl, SimpleAsyncConnection as _};

use crate::KEY;
use crate::tables::{Key, KeyVersion, llm_keys_keys as keys, llm_keys_versions as versions};

type Connection = SyncConnectionWrapper<SqliteConnection>;

pub(crate) struct ByHand {
    pool: Pool<Connection>,
    master: [u8; 32],
}

impl ByHand {
    pub(crate) fn new(path: &str, master: [u8; 32]) -> Self {
        let mut config = ManagerConfig::default();
        config.recycling_method = RecyclingMethod::Fast;
        config.custom_setup = Box::new(|path| {
            Box::pin(async move {
                let mut conn = Connection::establish(path).await?;
                conn.batch_execute(crate::filled::SETUP)
                    .await
                    .map_err(ConnectionError::CouldntSetupConfiguration)?;
                Ok(conn)
            })
        });
        let manager = AsyncDieselConnectionManager::new_with_config(path, config);
        Self { pool: Pool::builder(manager).max_size(8).build().unwrap(), master }
    }

    pub(crate) async fn get(&self, tenant: &str, path: &str, context: &[u8]) -> Vec<u8> {
        let mut conn = self.pool.get().await.unwrap();
        let current = versions::record
            .eq(keys::record)
            .and(versions::version.nullable().eq(keys::current_version));
        let (_, version): (Key, Option<KeyVersion>) = keys::table
            .left_join(versions::table.on(current))
            .filter(keys::tenant.eq(tenant))
            .filter(keys::path.eq(path))
            .first(&mut *conn)
            .await
            .unwrap();
        let envelope = version.unwrap().envelope.unwrap();
        let data_key = unwrap(&self.master, &envelope, context);
        open(&data_key, &envelope, context)
    }
}

/// An extract, an expand, an AEAD call over a data key. Which bytes of `envelope` they are given
/// makes no difference: a wrong tag costs what a right one does.
fn unwrap(master: &[u8; 32], envelope: &[u8], context: &[u8]) -> [u8; 32] {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA512, &envelope[..32]).extract(master);
    let key = expand(&prk, b"llm-keys/local/1/WRAPKEY");
    let mut wrapped = [0; 48];
    wrapped.copy_from_slice(&envelope[44..92]);
    decrypt(&key, &envelope[32..44], context, &mut wrapped);
    expand(&prk, &wrapped[..1])
}

/// An extract, three expands, an HMAC over header and context, an AEAD call over the key.
fn open(data_key: &[u8; 32], envelope: &[u8], context: &[u8]) -> Vec<u8> {
    let prk = hkdf::Salt::new(hkdf::HKDF_SHA512, &envelope[..32]).extract(data_key);
    black_box(expand(&prk, b"llm-keys/1/0001/COMMITKEY"));
    let mac_key = expand(&prk, b"llm-keys/1/0001/HEADERKEY");
    let mut mac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &mac_key));
    mac.update(&envelope[..envelope.len() - 170]);
    mac.update(context);
    black_box(mac.sign());
    let key = expand(&prk, b"llm-keys/1/0001/DERIVEKEY");
    let mut sealed = envelope[envelope.len() - KEY.len() - 16..].to_vec();
    decrypt(&key, &envelope[32..44], context, &mut sealed);
    sealed
}

fn expand(prk: &hkdf::Prk, info: &[u8]) -> [u8; 32] {
    let mut key = [0; 32];
    prk.expand(&[info], hkdf::HKDF_SHA256).unwrap().fill(&mut key).unwrap();
    key
}

fn decrypt(key: &[u8; 32], nonce: &[u8], context: &[u8], sealed: &mut [u8]) {
    let key = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key).unwrap());
    let nonce = Nonce::try_assume_unique_for_key(nonce).unwrap();
    let _ = black_box(key.open_in_place(nonce, Aad::from(context), sealed));
}
