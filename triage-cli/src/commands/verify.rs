//! `triage verify`

use super::{keys, open};
use crate::args::{Format, VerifyArgs};
use crate::exit::{Exit, Failure};
use crate::progress::{Progress, human_bytes};
use crate::session::Session;
use crate::view;
use triage_core::bundle::{self, Keys};
use triage_core::collect::Coverage;

pub(crate) fn run(args: &VerifyArgs, session: &Session) -> Result<Exit, Failure> {
    let keys = Keys {
        identities: keys::identities(&args.identity, session)?,
        signer: args.public_key.as_deref().map(keys::public_key).transpose()?,
    };
    let progress = Progress::start(&session.ui, "verifying");
    let verification = bundle::verify_with(
        &args.bundle,
        &keys,
        &mut |bytes| {
            progress.tell(|elapsed| {
                let rate = bytes.checked_div(elapsed.as_secs().max(1)).unwrap_or(0);
                format!("{}, {}/s", human_bytes(bytes), human_bytes(rate))
            });
        },
        &|| session.is_interrupted(),
    )
    .map_err(open::explain_bundle)?;
    drop(progress);
    if session.is_interrupted() {
        session.ui.note("Interrupted: the bundle was not verified to its end.");
        return Ok(Exit::Interrupted);
    }
    match verification.coverage.as_deref().map(Coverage::read) {
        Some(Ok(coverage)) => session.ui.note(view::coverage::short(&coverage).trim_end()),
        Some(Err(error)) => session.ui.warning(&error.to_string()),
        // Bundles of the first version had none.
        None => {}
    }
    match args.format {
        Format::Human => session.ui.data(&view::verification::text(&verification))?,
        Format::Json => session.ui.data(&view::verification::json(&verification)?)?,
    }
    Ok(if !verification.is_intact() {
        Exit::Refused
    } else if verification.interrupted.is_some() || view::verification::gaps(&verification) > 0 {
        Exit::Gaps
    } else {
        Exit::Done
    })
}
