//! Not for coordinators, which have a [`Service`](crate::Service): here is the way of an upload's bytes from its stream to its sum, on
//! its own, so that it can be measured beside a bare transfer.

use std::{error::Error, path::PathBuf, sync::Arc};

use veilsum_proto::masked::MaskedLimbs;
use veilsum_quic::UploadBody;

use crate::{staging, upload};

/// Where uploads wait until they are whole.
#[derive(Clone, Debug)]
pub struct Staging(Arc<staging::Staging>);

impl Staging {
    /// A budget of so many bytes of memory, and none of files.
    pub fn in_memory(bytes: u64) -> Self {
        Self(Arc::new(staging::Staging::new(PathBuf::new(), bytes, 0)))
    }

    /// Takes an upload of the agreed length of `bytes` bytes, as a coordinator does.
    ///
    /// # Errors
    ///
    /// What kept the upload from being whole.
    pub async fn take(
        &self,
        mut body: UploadBody,
        bytes: u64,
    ) -> Result<Staged, Box<dyn Error + Send + Sync>> {
        let stage = self.0.stage(bytes).await?;
        Ok(Staged(upload::receive(&mut body, stage).await?))
    }
}

/// A whole upload.
#[derive(Debug)]
pub struct Staged(staging::Staged);

impl Staged {
    /// Shows the masked update of `limbs` limbs to `job`, then forgets it. Blocks.
    ///
    /// # Errors
    ///
    /// It has another length, or its file cannot be read.
    pub fn into_update<T>(
        self,
        limbs: usize,
        job: impl FnOnce(MaskedLimbs<'_>) -> T,
    ) -> Result<T, Box<dyn Error + Send + Sync>> {
        Ok(self.0.into_update(limbs, job)?)
    }
}
