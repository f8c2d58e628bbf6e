//! The alias moves.

use futures_util::future::join_all;
use llm_keys::error::KmsFault;
use llm_keys::kms::KmsSet;
use llm_keys::manager::Sentinel;
use llm_keys::{ApiKey, EnvelopeKeyManager, ErrorKind, KeyId, SecureKeyManager as _, StoreOptions};

use super::super::relay::Relay;
use super::super::server::{admin, localstack};
use super::{Bed, any, at, guarded, kind, put, read};

#[tokio::test]
async fn what_was_stored_before_is_read_after_and_what_is_new_goes_under_the_new_key() {
    let (bed, a) = Bed::new().await;
    let before = bed.process().await;
    put(&before, "openai").await.unwrap();
    assert_eq!(before.check_sentinel().await.unwrap(), Sentinel::Opened);
    assert_eq!(bed.sealed_under("openai").await, a);

    let b = bed.move_on().await;
    // A process that only reads writes no record.
    let reader = bed.process().await;
    read(&reader, "openai").await.unwrap();
    assert_eq!(bed.record().await.unwrap().version.get(), 1);

    let after = bed.process().await;
    assert_eq!(after.check_sentinel().await.unwrap(), Sentinel::Opened);
    put(&after, "anthropic").await.unwrap();
    read(&after, "openai").await.unwrap();
    assert_eq!(bed.sealed_under("anthropic").await, b);
    let pins = after.allowed_kms_keys().await.unwrap();
    let alias = bed.alias_arn(&a);
    assert_eq!(pins.aliases().collect::<Vec<_>>(), [(alias.as_str(), &[a.clone(), b.clone()][..])]);
    assert!(pins.allowed().is_empty());

    // From now on the old key is not needed for the record.
    let row = bed.record().await.unwrap();
    assert_eq!(row.version.get(), 2);
    assert_eq!(row.envelope.parse().unwrap().wrapped()[0].uri, b);
    let next = bed.process().await;
    for service in ["openai", "anthropic"] {
        read(&next, service).await.unwrap();
    }
    put(&next, "mistral").await.unwrap();
    assert_eq!(bed.record().await.unwrap().version.get(), 2, "there was nothing to add");
}

#[tokio::test]
async fn the_record_costs_calls_only_when_there_is_something_to_add() {
    let (bed, _) = Bed::new().await;
    let relay = Relay::start();
    let first = bed.process_at(&at(&relay.endpoint())).await;
    put(&first, "openai").await.unwrap();
    // The key, the record, the sentinel, and the row MAC keys.
    assert_eq!((relay.count("DescribeKey"), relay.count("GenerateDataKey")), (1, 4));
    put(&first, "openai").await.unwrap();
    assert_eq!(relay.total(), 6);
    let second = bed.process_at(&at(&relay.endpoint())).await;
    put(&second, "openai").await.unwrap();
    assert_eq!(relay.total(), 9, "a lookup, the row MAC keys, and the key");
    bed.move_on().await;
    let third = bed.process_at(&at(&relay.endpoint())).await;
    put(&third, "openai").await.unwrap();
    // A lookup, the key; both records are opened and sealed. The row MAC keys are opened first, under
    // the old key, and to learn of that one the record is opened, too.
    assert_eq!(relay.total(), 16);
    assert_eq!(relay.count("Decrypt"), 4);
    put(&third, "openai").await.unwrap();
    assert_eq!(relay.total(), 17, "once");
}

#[tokio::test]
async fn it_moves_twice_while_nobody_looks() {
    let (bed, a) = Bed::new().await;
    put(&bed.process().await, "openai").await.unwrap();
    bed.move_on().await;
    let c = bed.move_on().await;
    let process = bed.process().await;
    read(&process, "openai").await.unwrap();
    put(&process, "anthropic").await.unwrap();
    let pins = process.allowed_kms_keys().await.unwrap();
    assert_eq!(pins.of(&bed.alias_arn(&a)), [a.clone(), c]);
    // And back: the record is sealed under what the alias means, so that the other can go.
    bed.move_to(&a).await;
    let process = bed.process().await;
    put(&process, "mistral").await.unwrap();
    assert_eq!(bed.record().await.unwrap().envelope.parse().unwrap().wrapped()[0].uri, a);
    for service in ["openai", "anthropic", "mistral"] {
        read(&bed.process().await, service).await.unwrap();
    }
}

#[tokio::test]
async fn what_was_stored_by_another_name_of_the_key_is_read_after_the_move() {
    for by_arn in [true, false] {
        let (mut bed, a) = Bed::new().await;
        if by_arn {
            let kms = KmsSet::single(guarded(a.as_str(), &localstack()).await);
            let process = bed.process_with(kms).await;
            put(&process, "openai").await.unwrap();
            process.allow_kms_keys(&[]).await.unwrap();
        } else {
            put(&bed.process().await, "openai").await.unwrap();
        }
        bed.alias = format!("alias/llm-keys-{}", uuid::Uuid::new_v4());
        let arn = a.as_str().strip_prefix("aws-kms:").unwrap();
        admin().create_alias().alias_name(&bed.alias).target_key_id(arn).send().await.unwrap();
        put(&bed.process().await, "anthropic").await.unwrap();
        bed.move_on().await;
        let process = bed.process().await;
        for service in ["openai", "anthropic"] {
            read(&process, service).await.unwrap();
        }
        put(&process, "mistral").await.unwrap();
    }
}

#[tokio::test]
async fn a_process_that_has_not_noticed_reads_what_the_others_write() {
    let (bed, a) = Bed::new().await;
    let stale = bed.process().await;
    put(&stale, "openai").await.unwrap();
    let silent = bed.process().await;
    bed.move_on().await;
    let fresh = bed.process().await;
    put(&fresh, "anthropic").await.unwrap();
    read(&stale, "anthropic").await.unwrap();
    assert_eq!(stale.check_sentinel().await.unwrap(), Sentinel::Opened);
    // It goes on under its key, and the others read that.
    put(&stale, "mistral").await.unwrap();
    assert_eq!(bed.sealed_under("mistral").await, a);
    assert_eq!(fresh.check_sentinel().await.unwrap(), Sentinel::Opened);
    read(&fresh, "mistral").await.unwrap();
    // So does one whose first key it is.
    put(&silent, "cohere").await.unwrap();
    assert_eq!(bed.sealed_under("cohere").await, a);
    read(&fresh, "cohere").await.unwrap();
    read(&bed.process().await, "cohere").await.unwrap();
}

#[tokio::test]
async fn the_old_key_is_disabled() {
    let (bed, a) = Bed::new().await;
    put(&bed.process().await, "openai").await.unwrap();
    bed.move_on().await;
    let arn = a.as_str().strip_prefix("aws-kms:").unwrap();
    admin().disable_key().key_id(arn).send().await.unwrap();
    let disabled = ErrorKind::Kms(KmsFault::KeyDisabled);
    let process = bed.process().await;
    let error = read(&process, "openai").await.unwrap_err();
    assert_eq!(error.kind(), disabled);
    assert!(error.hint().unwrap().contains("enable-key"), "{error:?}");
    // What the alias has meant could not be carried over: nothing is stored that way.
    assert_eq!(kind(put(&process, "anthropic").await), disabled);
    admin().enable_key().key_id(arn).send().await.unwrap();
    let process = bed.process().await;
    put(&process, "anthropic").await.unwrap();
    // Once it is, only what is under the old key needs it.
    admin().disable_key().key_id(arn).send().await.unwrap();
    let process = bed.process().await;
    read(&process, "anthropic").await.unwrap();
    put(&process, "mistral").await.unwrap();
    assert_eq!(kind(read(&process, "openai").await), disabled);
}

#[tokio::test]
async fn the_old_key_is_gone_before_anything_was_stored_under_the_new_one() {
    let (bed, a) = Bed::new().await;
    put(&bed.process().await, "openai").await.unwrap();
    let b = bed.move_on().await;
    let arn = a.as_str().strip_prefix("aws-kms:").unwrap();
    let delete = admin().schedule_key_deletion().key_id(arn).pending_window_in_days(7);
    delete.send().await.unwrap();
    let disabled = ErrorKind::Kms(KmsFault::KeyDisabled);
    let process = bed.process().await;
    for error in [put(&process, "anthropic").await, process.allow_kms_keys(&[]).await.map(drop)] {
        let error = error.unwrap_err();
        assert_eq!(error.kind(), disabled);
        assert!(error.hint().unwrap().contains("llm-keys kms allow --start-over"), "{error:?}");
    }
    assert_eq!(kind(process.check_sentinel().await.map(drop)), disabled);

    let pins = process.start_pins_over(&[]).await.unwrap();
    assert_eq!(pins.of(&bed.alias_arn(&a)), std::slice::from_ref(&b));
    // The row MAC keys went with the old key, and with new ones all rows would be refused: among the
    // rows of that tenant nothing is written. Others are not touched by it.
    let elsewhere =
        |service: &str| KeyId::global(service).unwrap().with_tenant("elsewhere").unwrap();
    let store = async |process: &EnvelopeKeyManager, service: &str| {
        let key = ApiKey::new("sk-elsewhere").unwrap();
        let options = StoreOptions::default();
        process.store_api_key(&elsewhere(service), key, &options).await.unwrap();
        assert!(process.get_api_key(&elsewhere(service)).await.unwrap().is_some());
    };
    for process in [process, bed.process().await] {
        assert!(put(&process, "anthropic").await.is_err());
        store(&process, "anthropic").await;
        assert_eq!(process.check_sentinel().await.unwrap(), Sentinel::Opened);
        let again = process.start_pins_over(&[]).await.unwrap_err();
        assert_eq!(again.kind(), ErrorKind::InvalidInput, "it opens");
    }
    // And on it goes.
    bed.move_on().await;
    let process = bed.process().await;
    assert!(process.get_api_key(&elsewhere("anthropic")).await.unwrap().is_some());
    store(&process, "mistral").await;
}

/// A start looks, and so needs no store, before the old key is not needed any more.
#[tokio::test]
async fn a_check_moves_the_records_to_the_new_key() {
    let (bed, a) = Bed::new().await;
    put(&bed.process().await, "openai").await.unwrap();
    bed.move_on().await;
    assert_eq!(bed.process().await.check_sentinel().await.unwrap(), Sentinel::Opened);
    let arn = a.as_str().strip_prefix("aws-kms:").unwrap();
    admin().disable_key().key_id(arn).send().await.unwrap();
    let process = bed.process().await;
    assert_eq!(process.check_sentinel().await.unwrap(), Sentinel::Opened);
    put(&process, "anthropic").await.unwrap();
    assert_eq!(process.allowed_kms_keys().await.unwrap().of(&bed.alias_arn(&a)).len(), 2);
}

#[tokio::test]
async fn many_processes_write_their_first_key_at_once() {
    let (mut bed, a) = Bed::new().await;
    put(&bed.process().await, "openai").await.unwrap();
    let b = bed.move_on().await;
    let mut processes = join_all((0..6).map(|_| bed.process())).await;
    // Half of them by another alias.
    let first = bed.alias_arn(&a);
    let other = format!("alias/llm-keys-{}", uuid::Uuid::new_v4());
    let arn = b.as_str().strip_prefix("aws-kms:").unwrap();
    admin().create_alias().alias_name(&other).target_key_id(arn).send().await.unwrap();
    bed.alias = other;
    bed.move_on().await;
    let of_both = async || {
        let write = vec![any(guarded(&bed.alias, &localstack()).await)];
        let read = vec![any(guarded(&first, &localstack()).await)];
        bed.process_with(KmsSet::new(write, read).unwrap()).await
    };
    for _ in 0..6 {
        processes.push(of_both().await);
    }
    let puts = processes
        .iter()
        .enumerate()
        .map(|(number, process)| async move { put(process, &format!("service-{number}")).await });
    for done in join_all(puts).await {
        done.unwrap();
    }
    let process = of_both().await;
    for number in 0..processes.len() {
        read(&process, &format!("service-{number}")).await.unwrap();
    }
    read(&process, "openai").await.unwrap();
    let pins = process.allowed_kms_keys().await.unwrap();
    assert!(pins.has_meant(&first, &a) && pins.has_meant(&first, &b));
    assert_eq!(pins.aliases().count(), 2);
}
