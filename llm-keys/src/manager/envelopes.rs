//! Sealing and opening for the manager: envelope and KMS together, for keys and system records.

use super::envelope_manager::Core;
use crate::context::EncryptionContext;
use crate::envelope::{self, Content, Envelope, Parsed, SealRequest};
use crate::error::{Error, Result};
use crate::kms::{Generated, KmsContext};
use crate::secret::SecretBytes;

impl Core {
    /// The envelope of `plaintext`, and whether a KMS was out of reach, so that its copy is missing.
    pub(super) async fn seal(
        &self,
        context: &EncryptionContext,
        plaintext: &SecretBytes,
    ) -> Result<(Envelope, bool)> {
        let kms_context = KmsContext { context, readable: self.readable };
        let generated = self.kms.generate(kms_context, &*self.random).await?;
        self.record_aliases().await?;
        let envelope = self.seal_with(&generated, context, plaintext)?;
        Ok((envelope, generated.incomplete))
    }

    /// The envelope of `plaintext` with a data key that is there already.
    pub(super) fn seal_with(
        &self,
        generated: &Generated,
        context: &EncryptionContext,
        plaintext: &SecretBytes,
    ) -> Result<Envelope> {
        let request = SealRequest {
            content: Content::Raw,
            context,
            readable: self.readable,
            key: &generated.key,
            wrapped: &generated.wrapped,
        };
        plaintext.expose(|plaintext| envelope::seal(plaintext, &request, &*self.random))
    }

    /// The plaintext of `envelope`. Structure and context are checked before the KMS is asked:
    /// bytes that are wrong cost no call.
    pub(super) async fn unseal(
        &self,
        context: &EncryptionContext,
        envelope: &Envelope,
    ) -> Result<SecretBytes> {
        self.unseal_checked(&Checked::new(envelope, context.clone())?).await
    }

    /// The plaintext of an envelope whose structure and context are right.
    pub(super) async fn unseal_checked(&self, checked: &Checked<'_>) -> Result<SecretBytes> {
        let Checked { parsed, context } = checked;
        let wrapped_for = KmsContext { context, readable: parsed.readable() };
        let key = self.unwrap(parsed.wrapped(), wrapped_for).await?;
        parsed.open(context, &key)
    }
}

/// An envelope that was checked as far as that goes without a key.
#[derive(Debug)]
pub(super) struct Checked<'a> {
    parsed: Parsed<'a>,
    context: EncryptionContext,
}

impl<'a> Checked<'a> {
    /// # Errors
    /// `Integrity` if the bytes are no envelope, or one for another context.
    pub(super) fn new(envelope: &'a Envelope, context: EncryptionContext) -> Result<Self> {
        let parsed = envelope.parse()?;
        parsed.check_context(&context)?;
        if parsed.content() != Content::Raw {
            let detail = "this credential has several fields, and no single key";
            return Err(Error::invalid("manager.get", detail));
        }
        Ok(Self { parsed, context })
    }
}
