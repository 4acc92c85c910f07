//! `veilsum keygen`: a key pair in two files.

use crate::args::keygen::Keygen;
use crate::exit::{Failure, Outcome};
use crate::files::{self, Existing, Readers};
use crate::output::Output;
use serde::Serialize;
use std::fmt;
use std::path::PathBuf;
use veilsum_proto::identity::{Identity, PublicKey};
use zeroize::Zeroizing;

/// Runs the command.
pub fn run(args: &Keygen, output: Output) -> Outcome {
    let public_file = files::public_path(&args.out);
    if public_file == args.out {
        return Err(Failure::usage("the secret key cannot be in a .pub file")
            .hint("name it for example alice.key; alice.pub is written beside it"));
    }
    let existing = Existing::forced(args.force);
    for path in [&args.out, &public_file] {
        files::refuse_existing(path, existing)?;
    }
    let identity = generate()?;
    let secret = identity.to_file_text();
    files::write(&args.out, secret.as_bytes(), Readers::Owner, existing)?;
    let public = identity.public();
    let text = files::public_key_text(&public);
    files::write(&public_file, text.as_bytes(), Readers::Everyone, existing)?;
    output.show(&NewKey {
        public,
        file: args.out.clone(),
        public_file,
    });
    Ok(())
}

/// A fresh identity.
pub fn generate() -> Result<Identity, Failure> {
    let mut secret = Zeroizing::new([0; 32]);
    getrandom::fill(secret.as_mut()).map_err(|error| {
        Failure::failed(format_args!(
            "no randomness of the operating system: {error}"
        ))
    })?;
    Ok(Identity::from_secret_bytes(&secret))
}

/// What was made; nothing of it is secret.
#[derive(Serialize)]
struct NewKey {
    public: PublicKey,
    #[serde(serialize_with = "crate::output::lossy::path")]
    file: PathBuf,
    #[serde(serialize_with = "crate::output::lossy::path")]
    public_file: PathBuf,
}

impl fmt::Display for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "public key  {}", self.public)?;
        writeln!(
            f,
            "            {}: for the authority, who puts it on the roster",
            self.public_file.display()
        )?;
        write!(f, "secret key  {}: stays on this host", self.file.display())
    }
}
