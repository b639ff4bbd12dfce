//! The latest real calls once more, in the module that is to take over: does it do what the one that serves did?
//!
//! Nothing is sent (the application's answers are those recorded) and nothing comes of it. A module that fails such a call
//! (a trap, a limit, an invalid roster) is refused: it would fail the same call again when it serves. One that does
//! something else is only counted, because doing something else is what most new modules are for; `swap.refuse_different`
//! is for operators whose modules must not.
//!
//! What was recorded are values: the module says what it asks, and is given what the application answered that request then.
//! It does not see the tags of the one before, as it will not when it serves. Only where the application had
//! answered that nothing has changed is the tag lent: nobody else could ask that question.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::Serialize;

use super::canonical::Canonical;
use crate::model::Username;
use crate::plugin::{BulkError, Call, CallError, Network, RecordedCall, Replay, Replayed, RosterPlugin, WasmPlugin};
use crate::text::counted;

/// No further call begins after so long: a swap does not wait for a slow module.
const LONGEST: Duration = Duration::from_secs(10);
/// Differences told.
const EXAMPLES: usize = 3;

/// What came of the shadow runs.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Shadow {
    /// Recorded calls that were made again.
    pub calls: usize,
    /// Of these, with the result of the module that serves.
    pub same: usize,
    /// With another result, or with other requests.
    pub different: usize,
    /// That the new module failed. The first ends it.
    pub failed: usize,
    /// One line each: failures, and differences of different kinds.
    pub examples: Vec<String>,
}

/// How one call went.
enum Verdict {
    Same,
    Different(String),
    Failed(String),
}

/// Makes the recorded calls of `old` again in `new`.
pub(in crate::swap) async fn run(new: &WasmPlugin, old: &WasmPlugin, max_contacts: usize) -> Shadow {
    let calls = old.recorded();
    let mut shadow = Shadow::default();
    if calls.is_empty() {
        return shadow;
    }
    let replay = Arc::new(Replay::default());
    let stage = new.for_rehearsal(Network::Own(Arc::clone(&replay) as _));
    let began = Instant::now();
    let mut kinds = BTreeSet::new();
    for call in calls {
        if began.elapsed() > LONGEST {
            break;
        }
        shadow.calls += 1;
        match perform(&stage, old, &replay, &call, max_contacts).await {
            Verdict::Same => shadow.same += 1,
            Verdict::Different(how) => {
                shadow.different += 1;
                // One of each hook, and then others while there is room at the end.
                if shadow.examples.len() < EXAMPLES && kinds.insert(call.hook()) {
                    shadow.examples.push(format!("{}: {how}", title(&call)));
                }
            }
            Verdict::Failed(why) => {
                shadow.failed += 1;
                shadow.examples.insert(0, format!("{}: {why}", title(&call)));
                shadow.examples.truncate(EXAMPLES);
                break;
            }
        }
    }
    shadow
}

async fn perform(
    stage: &WasmPlugin,
    old: &WasmPlugin,
    replay: &Replay,
    call: &Arc<RecordedCall>,
    max_contacts: usize,
) -> Verdict {
    let with_tag = call.needs_tag();
    replay.begin(call, with_tag);
    let (then, now) = match &call.call {
        Call::Fetch { user, said } => (
            Canonical::roster(said, max_contacts),
            canonical_result(stage.fetch(user).await, |said| Canonical::roster(said, max_contacts)),
        ),
        Call::Refresh { user, known, said } => {
            let canonical = |said: &Result<_, _>| Canonical::refreshed(said, known, max_contacts);
            let known = stage.adopted(known, old, with_tag);
            (canonical(said), canonical_result(stage.refresh(user, known).await, canonical))
        }
        Call::ChangedUsers { body, said } => {
            let now = stage.changed_users(body.clone()).await;
            (Canonical::users(said), now.map(|said| Canonical::users(&said)).map_err(|error| error.to_string()))
        }
        Call::Bulk { users, said } => {
            let then = Canonical::pieces(users, said);
            match bulk(stage, users).await {
                Ok(now) => (then, now),
                Err(wrong) => {
                    replay.end();
                    return wrong;
                }
            }
        }
        Call::Summary { outcome, said } => {
            let now = stage.summary(outcome.clone()).await;
            (Canonical::reply(said), now.map(|said| Canonical::reply(&said)).map_err(|error| error.to_string()))
        }
    };
    let asked = replay.end();
    match (asked, now) {
        // What it does without an answer is no test of it.
        (Replayed::Others(asked), _) => Verdict::Different(asked),
        (_, Err(failure)) => Verdict::Failed(failure),
        (_, Ok(Canonical::Invalid(why))) => Verdict::Failed(why),
        (Replayed::Fewer(missing), Ok(_)) => Verdict::Different(missing),
        (Replayed::Same, Ok(now)) if now == then => Verdict::Same,
        (Replayed::Same, Ok(now)) => Verdict::Different(now.difference_from(&then)),
    }
}

/// What the module makes of a response for many users, with the tags of the one before: in their place there is nothing that it could
/// ask.
async fn bulk(stage: &WasmPlugin, users: &[(Username, Option<Bytes>)]) -> Result<Result<Canonical, String>, Verdict> {
    match stage.users_per_request().await {
        Ok(0 | 1) => return Err(Verdict::Different("asks for each user alone".to_owned())),
        Ok(most) if most < users.len() => {
            return Err(Verdict::Different(format!("asks for {most} users in one request at most")));
        }
        Ok(_) => {}
        Err(error) => return Err(Verdict::Failed(error.to_string())),
    }
    Ok(match stage.pieces_of(users.to_vec()).await {
        Ok(pieces) => Ok(Canonical::pieces(users, &pieces)),
        Err(BulkError::Plugin(error)) => Err(error.to_string()),
        Err(error) => Ok(Canonical::NoPieces(error.to_string())),
    })
}

/// What the module said; the error is that it said nothing.
fn canonical_result<T>(
    result: Result<T, CallError>,
    canonical: impl FnOnce(&Result<T, crate::plugin::FetchError>) -> Canonical,
) -> Result<Canonical, String> {
    match result {
        Ok(value) => Ok(canonical(&Ok(value))),
        Err(CallError::Fetch(failure)) => Ok(canonical(&Err(failure.error))),
        Err(error) => Err(error.to_string()),
    }
}

fn title(call: &RecordedCall) -> String {
    match &call.call {
        Call::Fetch { user, .. } | Call::Refresh { user, .. } => format!("{} of {}", call.hook(), user.as_str()),
        Call::Bulk { users, .. } => format!("{} of {}", call.hook(), counted(users.len(), "user")),
        Call::ChangedUsers { .. } | Call::Summary { .. } => call.hook().to_owned(),
    }
}
