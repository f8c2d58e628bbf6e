//! Which rule each fault breaks.

use std::sync::Arc;

use llm_keys::testing::store::{self as rules, SharedStore};

use super::super::panics;
use super::{Broken, Fault};

/// Without a fault the wrapper is a sound store, so that what fails below fails for its fault.
mod sound {
    llm_keys::key_store_conformance!(async |_name| super::Broken::new(super::Fault::None));
}

macro_rules! must_fail {
    ($($test:ident: $fault:ident => $($rule:ident),+;)*) => {
        $(
            #[test]
            fn $test() {
                $(
                    let store: SharedStore = Arc::new(Broken::new(Fault::$fault));
                    let stopped = panics(move || async move { rules::$rule(&store).await });
                    assert!(stopped, "{} let it pass", stringify!($rule));
                )+
            }
        )*
    };
}

must_fail! {
    fails_on_missing: FailsOnMissing => missing_is_none;
    forgets_a_hint: ForgetsAHint => rows_come_back_equal;
    forgets_a_reason: ForgetsAReason => rows_come_back_equal;
    swallows_conflicts: SwallowsConflicts => absent_conflicts, stale_expectations_conflict,
        one_writer_wins, events_ride_in_the_change;
    reports_other_conflicts: ReportsOtherConflicts => absent_conflicts,
        stale_expectations_conflict, one_writer_wins;
    keeps_events_of_a_refused_change: KeepsEventsOfARefusedChange => absent_conflicts,
        stale_expectations_conflict, the_feed_names_changed_keys, events_ride_in_the_change;
    lets_uncovered_writes_pass: LetsUncoveredWritesPass => uncovered_writes_are_refused,
        events_ride_in_the_change;
    lets_nobody_win: LetsNobodyWin => one_writer_wins;
    folds_case: FoldsCase => ids_never_collide;
    mixes_owner_kinds: MixesOwnerKinds => ids_never_collide;
    drops_the_last_of_a_page: DropsTheLastOfAPage => pages_cover_everything_once;
    repeats_a_key: RepeatsAKey => pages_cover_everything_once;
    sorts_by_name: SortsByName => pages_cover_everything_once;
    ignores_the_service_filter: IgnoresTheServiceFilter => pages_cover_everything_once;
    announces_an_empty_page: AnnouncesAnEmptyPage => pages_cover_everything_once;
    needs_the_cursors_key: NeedsTheCursorsKey => a_cursor_outlives_its_key;
    shows_deleted_keys: ShowsDeletedKeys => deleted_keys_hide, pages_cover_everything_once;
    hides_deleted_keys_forever: HidesDeletedKeysForever => deleted_keys_hide;
    keeps_purged_versions: KeepsPurgedVersions => purge_takes_everything;
    moves_uses_back: MovesUsesBack => touch_moves_forward;
    knows_all_records: KnowsAllRecords => touch_moves_forward;
    counts_a_use_as_a_change: CountsAUseAsAChange => touch_moves_forward;
    loses_uses_on_replace: LosesUsesOnReplace => replacing_keeps_last_use;
    forgets_one_change: ForgetsOneChange => the_feed_names_changed_keys;
    never_moves_the_head: NeverMovesTheHead => the_feed_names_changed_keys;
    never_hints: NeverHints => hints_are_given;
    hints_unannounced: HintsUnannounced => hints_are_given;
    shares_system_records: SharesSystemRecords => system_records_are_per_tenant;
    reverses_events: ReversesEvents => events_ride_in_the_change;
    ignores_the_event_limit: IgnoresTheEventLimit => events_ride_in_the_change;
    lists_versions_by_text: ListsVersionsByText => all_versions_of_a_record;
    scans_shredded_versions: ScansShreddedVersions => a_scan_covers_every_envelope_once;
    skips_a_record_in_a_scan: SkipsARecordInAScan => a_scan_covers_every_envelope_once;
    scans_one_tenant: ScansOneTenant => a_scan_covers_every_envelope_once;
    skips_a_key_in_a_scan: SkipsAKeyInAScan => a_scan_covers_every_key_once;
    scans_no_deleted_keys: ScansNoDeletedKeys => a_scan_covers_every_key_once;
    lists_one_system_record: ListsOneSystemRecord => all_system_records;
    ignores_when_keys_are_due: IgnoresWhenKeysAreDue => due_keys_are_found;
    hides_due_keys_of_the_same_time: HidesDueKeysOfTheSameTime => due_keys_are_found;
}
