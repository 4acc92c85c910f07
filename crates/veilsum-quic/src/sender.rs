//! Not the retry of an upload: a broken one is begun anew by the session above. This is the member's end of
//! one upload stream.

use bytes::Bytes;
use quinn::SendStream;
use thiserror::Error;

use crate::{
    client::Connection,
    close::{Closed, StreamCode},
    control::Link,
    frame::head,
};

/// Why an upload could not be sent on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WriteError {
    /// The header is longer than the coordinator's limit, as far as this side knows it.
    #[error("upload header has {found} bytes, wanted at most {wanted}")]
    HeaderTooLarge {
        /// Bytes found.
        found: usize,
        /// The limit.
        wanted: usize,
    },
    /// The coordinator wants no more of it.
    #[error("coordinator stopped the upload: {0}")]
    Stopped(StreamCode),
    /// The upload has already ended.
    #[error("upload has already ended")]
    Ended,
    /// The connection is gone.
    #[error(transparent)]
    Closed(#[from] Closed),
}

impl Connection {
    /// Opens an upload and sends its header; waits while as many are open as the coordinator allows.
    ///
    /// # Errors
    ///
    /// [`WriteError::HeaderTooLarge`] above [`Limits::header`](crate::Limits::header);
    /// [`WriteError::Stopped`] and [`WriteError::Closed`] as the coordinator or the network decide.
    pub async fn open_upload(&self, header: Bytes) -> Result<UploadSender, WriteError> {
        let wanted = self.limits().header;
        let found = header.len();
        let too_large = WriteError::HeaderTooLarge { found, wanted };
        let head = head(&header).filter(|_| found <= wanted).ok_or(too_large)?;
        let stream = self.quinn().open_uni().await.map_err(Closed::from)?;
        let mut upload = UploadSender {
            _link: Link::clone(self),
            stream,
            finished: false,
        };
        upload.stream.write_all_chunks(&mut [head, header]).await?;
        Ok(upload)
    }
}

/// The sending end of an upload. Dropping it before [`UploadSender::finish`] gives the upload up.
#[derive(Debug)]
pub struct UploadSender {
    /// Keeps the connection for as long as the upload lives.
    _link: Link,
    stream: SendStream,
    finished: bool,
}

impl UploadSender {
    /// Sends bytes of the body; waits while the coordinator or the network take no more. Not cancel-safe:
    /// after a dropped call it is unknown how many of the bytes went out.
    ///
    /// # Errors
    ///
    /// [`WriteError::Stopped`] with the coordinator's reason; [`WriteError::Closed`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// As [`UploadSender::write`], but keeps `bytes` until they are acknowledged instead of a copy of them.
    ///
    /// # Errors
    ///
    /// As [`UploadSender::write`].
    pub async fn write_bytes(&mut self, bytes: Bytes) -> Result<(), WriteError> {
        Ok(self.stream.write_chunk(bytes).await?)
    }

    /// Ends the upload and waits until the coordinator's QUIC stack has acknowledged every byte. Whether
    /// the coordinator counts the upload is said on the control stream.
    ///
    /// # Errors
    ///
    /// [`WriteError::Stopped`] with the coordinator's reason; [`WriteError::Closed`].
    pub async fn finish(mut self) -> Result<(), WriteError> {
        self.stream.finish().map_err(|_| WriteError::Ended)?;
        self.finished = true;
        match self.stream.stopped().await {
            Ok(None) => Ok(()),
            Ok(Some(code)) => Err(WriteError::Stopped(StreamCode::from_wire(code))),
            Err(quinn::StoppedError::ConnectionLost(error)) => Err(Closed::from(error).into()),
            Err(quinn::StoppedError::ZeroRttRejected) => Err(WriteError::Ended),
        }
    }
}

impl Drop for UploadSender {
    fn drop(&mut self) {
        if !self.finished {
            // an upload cut short must not look like one that ended; spec: [upload.abandon]
            let _ = self.stream.reset(StreamCode::Abandoned.wire()); // fails if it is over already
        }
    }
}

impl From<quinn::WriteError> for WriteError {
    fn from(error: quinn::WriteError) -> Self {
        match error {
            quinn::WriteError::Stopped(code) => Self::Stopped(StreamCode::from_wire(code)),
            quinn::WriteError::ConnectionLost(error) => Self::Closed(error.into()),
            quinn::WriteError::ClosedStream | quinn::WriteError::ZeroRttRejected => Self::Ended,
        }
    }
}
