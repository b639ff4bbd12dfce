//! Whom the work at hand is about, so that each line of the log says so, whoever writes it.
//!
//! A span for each piece of work would say the same. It would be made, entered at every poll and dropped for each user whose roster
//! is looked at, which was an eighth of all that such a look computes (callgrind), and hardly any of them ever writes a line. So the span
//! is made when a line is: [`logging`](crate::logging) asks for it.

use std::cell::Cell;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tracing::{Span, error_span};

use crate::model::Username;

thread_local! {
    static AT_HAND: Cell<Option<Subject>> = const { Cell::new(None) };
}

/// A user, and the span in which the work was asked for.
pub(crate) struct Subject {
    domain: Arc<str>,
    user: Username,
    asked_in: Span,
}

impl Subject {
    /// Of work that the current span asks for.
    pub(crate) fn new(domain: &Arc<str>, user: &Username) -> Self {
        Self { domain: Arc::clone(domain), user: user.clone(), asked_in: Span::current() }
    }

    /// Does `work`, whose lines are about this.
    pub(crate) fn of<F: Future>(self, work: F) -> WithSubject<F> {
        WithSubject { work, subject: Some(self) }
    }

    /// Of the highest level, so that no filter leaves it out.
    fn span(&self) -> Span {
        error_span!(parent: &self.asked_in, "update", domain = %self.domain, user = %self.user)
    }
}

pin_project! {
    /// Work with a subject.
    pub(crate) struct WithSubject<F> {
        #[pin]
        work: F,
        subject: Option<Subject>,
    }
}

impl<F: Future> Future for WithSubject<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _at_hand = AtHand::begin(this.subject);
        this.work.poll(context)
    }
}

/// Makes a subject the one at hand, and the one before it again at the end, also if the work panics.
struct AtHand<'a>(&'a mut Option<Subject>);

impl<'a> AtHand<'a> {
    fn begin(subject: &'a mut Option<Subject>) -> Self {
        *subject = AT_HAND.replace(subject.take());
        Self(subject)
    }
}

impl Drop for AtHand<'_> {
    fn drop(&mut self) {
        *self.0 = AT_HAND.replace(self.0.take());
    }
}

/// The span for a line that is written now. While `write` writes it, there is no subject: making the span writes nothing more.
pub(crate) fn with_span<R>(write: impl FnOnce(Option<Span>) -> R) -> R {
    let mut none = None;
    let at_hand = AtHand::begin(&mut none);
    write(at_hand.0.as_ref().map(Subject::span))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    fn at_hand() -> Option<String> {
        let mut none = None;
        let at_hand = AtHand::begin(&mut none);
        at_hand.0.as_ref().map(|subject| subject.user.to_string())
    }

    fn subject(user: &str) -> Subject {
        Subject::new(&"localhost".into(), &Username::new(user).unwrap())
    }

    #[tokio::test]
    async fn the_subject_is_at_hand_while_its_work_runs_and_no_longer() {
        let john = subject("john").of(async {
            assert_eq!(at_hand().unwrap(), "john");
            // Its work waits, and others run meanwhile.
            tokio::task::yield_now().await;
            assert_eq!(subject("marie").of(async { at_hand() }).await.unwrap(), "marie");
            assert_eq!(at_hand().unwrap(), "john");
        });
        let nobody = async {
            assert_eq!(at_hand(), None);
            tokio::task::yield_now().await;
            assert_eq!(at_hand(), None);
        };
        futures::join!(john, nobody);
        assert_eq!(at_hand(), None);
    }

    #[test]
    fn work_that_panics_leaves_no_subject_behind() {
        let panics = AssertUnwindSafe(|| {
            let mut john = Some(subject("john"));
            let _at_hand = AtHand::begin(&mut john);
            std::panic::resume_unwind(Box::new(()));
        });
        assert!(catch_unwind(panics).is_err());
        assert_eq!(at_hand(), None);
    }
}
