//! `triage verify`

use crate::args::{Format, VerifyArgs};
use crate::exit::{Exit, Failure};
use crate::progress::{Progress, human_bytes};
use crate::session::Session;
use crate::view;
use triage_core::bundle;

pub(crate) fn run(args: &VerifyArgs, session: &Session) -> Result<Exit, Failure> {
    let progress = Progress::start(&session.ui, "verifying");
    let verification = bundle::verify(
        &args.bundle,
        &mut |bytes| {
            progress.tell(|elapsed| {
                let rate = bytes.checked_div(elapsed.as_secs().max(1)).unwrap_or(0);
                format!("{}, {}/s", human_bytes(bytes), human_bytes(rate))
            });
        },
        &|| session.is_interrupted(),
    )
    .map_err(|error| {
        Failure::refused(error, "name a bundle that `triage collect` made: a file or an unpacked folder")
    })?;
    drop(progress);
    if session.is_interrupted() {
        session.ui.note("Interrupted: the bundle was not verified to its end.");
        return Ok(Exit::Interrupted);
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
