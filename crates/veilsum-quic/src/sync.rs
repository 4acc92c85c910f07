//! Not a judge of deltas: what one leads to is made and checked elsewhere. It brings a blob or, if the coordinator has one, a
//! delta towards it from a blob that the member has; either goes on where it stopped, over any connection.

use bytes::Bytes;

use crate::{
    blob::{Reply, Request},
    client::Connection,
    fetch::{FetchError, RangeReader},
    partial::PartialBlob,
};

/// A blob on its way, whole or as a delta.
#[derive(Debug)]
pub struct PartialSync {
    whole: PartialBlob,
    delta: Option<PartialBlob>,
    have: Option<[u8; 32]>,
    /// Bytes of deltas that were given up or taken.
    wasted: u64,
}

/// What has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Synced {
    /// The blob.
    Whole,
    /// A delta towards it.
    Delta,
}

impl PartialSync {
    /// Nothing yet of `whole`, or the start of it; the member has the blob with digest `have`, or none that would help.
    pub fn new(whole: PartialBlob, have: Option<[u8; 32]>) -> Self {
        Self {
            whole,
            delta: None,
            have,
            wasted: 0,
        }
    }

    /// Gives the delta up, and does not ask for another: the blob itself is fetched from now on.
    pub fn refuse_delta(&mut self) {
        self.have = None;
        if let Some(delta) = self.delta.take() {
            self.wasted = self.wasted.saturating_add(delta.downloaded());
        }
    }

    /// Takes a whole delta out, and gives it up as [`PartialSync::refuse_delta`] does: if it does not lead to the blob, the blob itself is
    /// next. `None` without a whole delta.
    pub fn take_delta(&mut self) -> Option<Bytes> {
        self.have = None;
        let delta = self.delta.take()?;
        self.wasted = self.wasted.saturating_add(delta.downloaded());
        delta.into_bytes()
    }

    /// Whether what comes may be a delta.
    pub fn may_be_delta(&self) -> bool {
        self.delta.is_some() || (self.have.is_some() && self.whole.is_untouched())
    }

    /// The delta, if the coordinator has offered one that was not refused.
    pub fn delta(&self) -> Option<&PartialBlob> {
        self.delta.as_ref()
    }

    /// The blob itself, as far as it came.
    pub fn whole(&self) -> &PartialBlob {
        &self.whole
    }

    /// Bytes taken from the network over all connections, those of refused deltas among them.
    pub fn downloaded(&self) -> u64 {
        let delta = self.delta.as_ref().map_or(0, PartialBlob::downloaded);
        let parts = self.whole.downloaded().saturating_add(delta);
        parts.saturating_add(self.wasted)
    }

    /// The blob itself, as far as it came.
    pub fn into_whole(self) -> PartialBlob {
        self.whole
    }
}

impl Connection {
    /// Fetches what is missing of a blob or of a delta towards it, range by range, and checks the digest of what it fetched.
    /// After an error it may be called again, over this or another connection, and goes on where it stopped.
    ///
    /// A coordinator may send any delta it likes: what it leads to is not checked here. If it leads to anything but
    /// the blob, or an error other than a lost line comes while [`PartialSync::delta`] is there, call
    /// [`PartialSync::refuse_delta`] and then this again.
    ///
    /// # Errors
    ///
    /// See [`FetchError`]. What is longer than `max_size`, be it blob or delta, is refused before its bytes come.
    pub async fn sync(&self, sync: &mut PartialSync, max_size: u64) -> Result<Synced, FetchError> {
        if let (None, Some(have)) = (&sync.delta, sync.have)
            && sync.whole.is_untouched()
        {
            self.take_offer(sync, have, max_size).await?;
        }
        // spec: [blob.delta.ranges]
        if let Some(delta) = &mut sync.delta {
            self.fetch(delta, max_size).await?;
            return Ok(Synced::Delta);
        }
        self.fetch(&mut sync.whole, max_size).await?;
        Ok(Synced::Whole)
    }

    /// Says what is here and takes the first range of what comes. All that came is kept, however the range ends.
    // spec: [blob.delta]
    async fn take_offer(
        &self,
        sync: &mut PartialSync,
        have: [u8; 32],
        max_size: u64,
    ) -> Result<(), FetchError> {
        let digest = *sync.whole.digest();
        let request = Request {
            digest,
            offset: 0,
            length: max_size,
            have: Some(have),
        };
        let mut range = RangeReader::ask(self, request).await?;
        match range.reply().await? {
            Reply::Delta { total, digest } => {
                let delta = sync.delta.insert(PartialBlob::in_memory(digest));
                delta.learn(total, max_size)?;
                range.take(delta).await
            }
            Reply::Found { total } => {
                sync.whole.learn(total, max_size)?;
                range.take(&mut sync.whole).await
            }
            Reply::Unknown => Err(FetchError::Unknown { digest }),
            Reply::BeyondEnd { .. } => Err(range.malformed()),
        }
    }
}
