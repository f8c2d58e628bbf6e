//! What a rewrap would do.

use std::collections::{BTreeMap, HashMap};

use futures_util::{StreamExt as _, TryStreamExt as _};

use super::super::envelope_manager::Core;
use super::super::pins::{self, Ask};
use super::need::{Need, need};
use super::options::RewrapOptions;
use super::report::{Failed, Item, ends_the_walk};
use crate::context::EncryptionContext;
use crate::envelope::{Envelope, Parsed};
use crate::error::{Error, ErrorKind, KmsFault, Result};
use crate::kms::{KeyUri, KmsContext};
use crate::store::SystemRow;

/// What a rewrap would do.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RewrapPlan {
    /// The KMS keys that everything will be wrapped under.
    pub to: Vec<KeyUri>,
    /// The versions of keys that have an envelope.
    pub versions: Under,
    /// The system records.
    pub system: Under,
    /// What cannot be opened, and why. It is counted above, too, and a rewrap would leave it as it
    /// is.
    pub unopened: Vec<Failed>,
}

/// How many there are, and under which KMS keys.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Under {
    /// All of them.
    pub total: u64,
    /// Those that would be wrapped anew; each stands in one of the next four, in this order.
    pub todo: u64,
    /// Those without a copy for one of the KMS keys of the plan.
    pub lacking: u64,
    /// Those with a copy for another KMS key besides.
    pub surplus: u64,
    /// Those that lack nothing and are marked as if they did.
    pub marked: u64,
    /// Those that need nothing, but everything was asked for.
    pub asked: u64,
    /// How many have a copy for each KMS key.
    pub keys: BTreeMap<KeyUri, u64>,
}

impl RewrapPlan {
    /// How many versions and system records there are.
    pub fn total(&self) -> u64 {
        self.versions.total + self.system.total
    }

    /// How many of them would be wrapped anew.
    pub fn todo(&self) -> u64 {
        self.versions.todo + self.system.todo
    }
}

impl Under {
    fn count(&mut self, parsed: &Parsed<'_>, need: Option<Need>) {
        for copy in parsed.wrapped() {
            *self.keys.entry(copy.uri.clone()).or_default() += 1;
        }
        let Some(need) = need else { return };
        self.todo += 1;
        *match need {
            Need::Lacks => &mut self.lacking,
            Need::Surplus => &mut self.surplus,
            Need::Marked => &mut self.marked,
            Need::Asked => &mut self.asked,
        } += 1;
    }
}

/// What became of the first envelope under each list of KMS keys: the others are taken to do
/// likewise.
#[derive(Default)]
struct Tried(HashMap<Vec<KeyUri>, Result<()>>);

impl Core {
    /// What is to do so that everything is wrapped under `targets`.
    pub(super) async fn plan_rewrap(
        &self,
        targets: &[KeyUri],
        options: &RewrapOptions,
    ) -> Result<RewrapPlan> {
        let (mut versions, mut unopened) = (Under::default(), Vec::new());
        let mut tried = Tried::default();
        let mut keys = self.scan(options.page).boxed();
        while let Some(mut stored) = keys.try_next().await? {
            if !stored.is_whole() {
                // Somebody wrote it meanwhile.
                let Some(now) = self.stored(&stored.key.id).await? else { continue };
                stored = now;
            }
            let verified = self.verify(&stored).await;
            if let Err(error) = &verified
                && ends_the_walk(error.kind())
            {
                return Err(error.clone());
            }
            for (at, row) in stored.versions.iter().enumerate() {
                let Some(envelope) = &row.envelope else { continue };
                versions.total += 1;
                let id = &stored.key.id;
                let verified = match &verified {
                    Ok((_, each)) => each[at].clone(),
                    Err(error) => Err(error.clone()),
                };
                let opened = match envelope.parse() {
                    Ok(parsed) => {
                        let need = need(parsed.wrapped(), targets, row.rewrap, options.everything);
                        versions.count(&parsed, need);
                        let context = EncryptionContext::of_key(id, row.record, row.version);
                        match (verified, need) {
                            (Err(error), _) => Err(error),
                            (Ok(()), Some(_)) => tried.open(self, &context, &parsed).await,
                            (Ok(()), None) => Ok(()),
                        }
                    }
                    Err(error) => Err(error),
                };
                if let Err(error) = opened {
                    let item = Item::Version(id.clone(), row.version);
                    unopened.push(Failed { item, error });
                }
            }
        }
        let system = self.plan_system(targets, options, &mut unopened).await?;
        Ok(RewrapPlan { to: targets.to_vec(), versions, system, unopened })
    }

    async fn plan_system(
        &self,
        targets: &[KeyUri],
        options: &RewrapOptions,
        unopened: &mut Vec<Failed>,
    ) -> Result<Under> {
        let mut system = Under::default();
        for row in self.store.system_list().await? {
            system.total += 1;
            let opened = match row.envelope.parse() {
                Ok(parsed) => {
                    let need = need(parsed.wrapped(), targets, false, options.everything);
                    system.count(&parsed, need);
                    match need {
                        Some(_) => self.open_record(&row, &row.envelope).await,
                        None => Ok(()),
                    }
                }
                Err(error) => Err(error),
            };
            if let Err(error) = opened {
                unopened.push(Failed { item: Item::System(row.tenant, row.name), error });
            }
        }
        Ok(system)
    }

    async fn open_record(&self, row: &SystemRow, envelope: &Envelope) -> Result<()> {
        let (tenant, name) = pins::place()?;
        if (&row.tenant, &row.name) == (&tenant, &name) {
            return self.open_pins(row, Ask::All).await.map(drop);
        }
        let context = EncryptionContext::of_system(&row.tenant, &row.name, row.record, row.version);
        self.unseal(&context, envelope).await.map(drop)
    }
}

impl Tried {
    async fn open(
        &mut self,
        core: &Core,
        context: &EncryptionContext,
        parsed: &Parsed<'_>,
    ) -> Result<()> {
        parsed.check_context(context)?;
        let uris: Vec<_> = parsed.wrapped().iter().map(|copy| copy.uri.clone()).collect();
        if let Some(result) = self.0.get(&uris) {
            return result.clone();
        }
        let wrapped_for = KmsContext { context, readable: parsed.readable() };
        let opened = match core.unwrap(parsed.wrapped(), wrapped_for).await {
            Ok(key) => parsed.open(context, &key).map(drop),
            Err(error) => Err(error),
        };
        // What is wrong with these bytes says nothing about others.
        if opened.as_ref().err().is_none_or(is_of_the_kms) {
            self.0.insert(uris, opened.clone());
        }
        opened
    }
}

fn is_of_the_kms(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Kms(fault) => fault != KmsFault::ContextMismatch,
        _ => false,
    }
}
