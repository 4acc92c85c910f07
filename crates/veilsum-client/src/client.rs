//! The member's client: checks who it is, then runs.

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::session::Session;
use crate::session::model::Models;
use crate::{
    ClientError, Contributor, FileLedger, KeepsNoModel, MemberConfig, ModelStore, Observer, Stop,
};

/// A member of a federation.
pub struct Client {
    config: Arc<MemberConfig>,
    ledger: Arc<Mutex<FileLedger>>,
    models: Models,
}

impl Client {
    /// A member with its terms and its ledger.
    ///
    /// # Errors
    ///
    /// [`ClientError::Authority`] when the roster is not of the authority that the policy accepts,
    /// [`ClientError::NotOnOwnRoster`] when the member's key is not on it, [`ClientError::OtherLedger`] when the ledger was made for
    /// another key, [`ClientError::Randomness`].
    // spec: [member.authority] [member.own-key] [ledger.key]
    pub fn new(config: MemberConfig, ledger: FileLedger) -> Result<Self, ClientError> {
        let (found, wanted) = (config.roster.authority(), config.policy.authority);
        if found != wanted {
            return Err(ClientError::Authority { found, wanted });
        }
        let key = config.identity.public();
        if config.roster.slot_of(&key).is_none() {
            return Err(ClientError::NotOnOwnRoster { key });
        }
        if *ledger.member() != key {
            return Err(ClientError::OtherLedger {
                path: ledger.path().into(),
                found: *ledger.member(),
                wanted: key,
            });
        }
        getrandom::fill(&mut [0; 32])
            .map_err(|error| ClientError::Randomness(error.to_string()))?;
        Ok(Self {
            config: Arc::new(config),
            ledger: Arc::new(Mutex::new(ledger)),
            models: Models::new(Box::new(KeepsNoModel)),
        })
    }

    /// Keeps the last model of each task in `store`, so that the next one may come as a delta. Without it every model comes whole.
    pub fn with_models(mut self, store: impl ModelStore + 'static) -> Self {
        self.models = Models::new(Box::new(store));
        self
    }

    /// Takes part in the coordinator's rounds until the contributor breaks off, `stop` is asked for, or nothing can mend what is
    /// wrong. Lost connections are made again.
    ///
    /// Every secret of every open attempt is erased when this ends, however it ends; the member has then vanished from these
    /// attempts.
    ///
    /// # Errors
    ///
    /// [`ClientError`].
    pub async fn run(
        &mut self,
        contributor: impl Contributor + 'static,
        observer: impl Observer + 'static,
        stop: Stop,
    ) -> Result<(), ClientError> {
        let session = Session::new(
            self.config.clone(),
            self.ledger.clone(),
            self.models.clone(),
            Box::new(contributor),
            Box::new(observer),
        )?;
        session.run(stop).await
    }

    /// What the member was made with.
    pub fn config(&self) -> &MemberConfig {
        &self.config
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            config,
            ledger: _,
            models: _,
        } = self;
        f.debug_tuple("Client").field(config).finish()
    }
}
