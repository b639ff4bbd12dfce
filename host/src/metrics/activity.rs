//! What plugins do at this moment, for who looks on, and what was asked of the application for each user lately, for the
//! operator who looks one up.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use ahash::RandomState;
use parking_lot::Mutex;

/// Locks, so that those who are asked for at once hardly ever meet.
const SHARDS: usize = 32;
/// Requests remembered of one user.
const OF_ONE_USER: usize = 4;
/// Of a URL or a reason that somebody made up, no more than this is remembered, bytes.
const LONGEST_TEXT: usize = 512;

/// One request to the application.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppRequest {
    /// `GET` as a rule; `None` if the request was for others too.
    pub method: Option<http::Method>,
    /// Without user information and query.
    pub url: String,
    /// What came of it.
    pub answer: Answer,
    /// How long it took; `None` if the request was for others too.
    pub elapsed: Option<Duration>,
    /// When it was over.
    pub at: Instant,
}

/// What the application answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// A response.
    Response {
        /// Its HTTP status.
        status: u16,
        /// Bytes of its body.
        bytes: usize,
    },
    /// None, for this reason.
    Failed(String),
}

impl Answer {
    /// Status, bytes of the body, and why there is neither.
    pub(crate) fn parts(&self) -> (Option<u16>, Option<usize>, Option<&str>) {
        match self {
            Self::Response { status, bytes } => (Some(*status), Some(*bytes), None),
            Self::Failed(reason) => (None, None, Some(reason.as_str())),
        }
    }
}

/// What a plugin has done, or the host for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A function of the plugin returned.
    Called {
        /// Its name in the WIT.
        hook: &'static str,
        /// Whom it was for; empty if for nobody alone.
        user: String,
        /// How long it took.
        elapsed: Duration,
        /// Whether it returned, and did not trap.
        ok: bool,
    },
    /// The application was asked.
    AppRequest {
        /// For whom.
        user: Arc<str>,
        /// What.
        asked: AppRequest,
    },
    /// The response was the one that the roster was made of: the plugin was not called to read it again.
    SameResponse {
        /// Whose.
        user: String,
    },
}

/// See the module's documentation.
pub struct Activity {
    shards: Vec<Mutex<Shard>>,
    hasher: RandomState,
    /// Users of one shard.
    most: usize,
    watcher: OnceLock<Watcher>,
}

/// Who looks on. Called while the plugin's caller waits: it only takes note.
pub type Watcher = Box<dyn Fn(&Happening) + Send + Sync>;

/// Domain and user.
type Whose = (Arc<str>, Arc<str>);

#[derive(Default)]
struct Shard {
    users: HashMap<Whose, VecDeque<AppRequest>, RandomState>,
    /// In the order in which they came: the first makes room.
    order: VecDeque<Whose>,
}

impl Activity {
    /// Remembers the latest requests of so many users.
    pub(super) fn new(users: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            hasher: RandomState::new(),
            most: users.div_ceil(SHARDS),
            watcher: OnceLock::new(),
        }
    }

    /// `watcher` is told what happens from now on, of all virtual hosts, in the order in which it happens. One may watch; false if
    /// another does.
    pub fn watch(&self, watcher: Watcher) -> bool {
        self.watcher.set(watcher).is_ok()
    }

    /// Whether requests are to be told of: somebody watches, or they are remembered.
    pub(crate) fn wants_requests(&self) -> bool {
        self.most > 0 || self.is_watched()
    }

    /// Whether anybody watches: if not, nothing need be measured.
    pub(crate) fn is_watched(&self) -> bool {
        self.watcher.get().is_some()
    }

    /// Tells the watcher.
    pub(super) fn tell(&self, happening: impl FnOnce() -> Happening) {
        if let Some(watcher) = self.watcher.get() {
            watcher(&happening());
        }
    }

    /// The latest requests for a user, the latest first.
    pub fn of(&self, domain: &Arc<str>, user: &Arc<str>) -> Vec<AppRequest> {
        let whose = (Arc::clone(domain), Arc::clone(user));
        let Some(shard) = self.shard(&whose) else { return Vec::new() };
        let shard = shard.lock();
        shard.users.get(&whose).map(|asked| asked.iter().rev().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn asked(&self, domain: &Arc<str>, user: &Arc<str>, mut asked: AppRequest) {
        shorten(&mut asked.url);
        if let Answer::Failed(reason) = &mut asked.answer {
            shorten(reason);
        }
        self.tell(|| Happening::AppRequest { user: Arc::clone(user), asked: asked.clone() });
        let whose = (Arc::clone(domain), Arc::clone(user));
        let Some(shard) = self.shard(&whose).filter(|_| self.most > 0) else { return };
        let mut shard = shard.lock();
        if let Some(of_user) = shard.users.get_mut(&whose) {
            if of_user.len() >= OF_ONE_USER {
                of_user.pop_front();
            }
            of_user.push_back(asked);
            return;
        }
        while shard.users.len() >= self.most
            && let Some(first) = shard.order.pop_front()
        {
            shard.users.remove(&first);
        }
        shard.order.push_back(whose.clone());
        shard.users.insert(whose, VecDeque::from([asked]));
    }

    fn shard(&self, whose: &Whose) -> Option<&Mutex<Shard>> {
        self.shards.get(self.hasher.hash_one(whose) as usize % SHARDS)
    }
}

fn shorten(text: &mut String) {
    if text.len() > LONGEST_TEXT {
        text.truncate(text.floor_char_boundary(LONGEST_TEXT));
    }
    text.shrink_to_fit();
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]
    use super::*;

    fn asked(status: u16) -> AppRequest {
        AppRequest {
            method: Some(http::Method::GET),
            url: "http://app/contacts/john".into(),
            answer: Answer::Response { status, bytes: 2 },
            elapsed: Some(Duration::from_micros(400)),
            at: Instant::now(),
        }
    }

    fn statuses(activity: &Activity, user: &str) -> Vec<u16> {
        let status = |asked: &AppRequest| match asked.answer {
            Answer::Response { status, .. } => status,
            Answer::Failed(_) => 0,
        };
        activity.of(&"x".into(), &user.into()).iter().map(status).collect()
    }

    #[test]
    fn the_latest_requests_of_a_user_are_remembered_and_of_so_many_users_only() {
        let activity = Activity::new(SHARDS);
        for status in 200..210 {
            activity.asked(&"x".into(), &"john".into(), asked(status));
        }
        assert_eq!(statuses(&activity, "john"), [209, 208, 207, 206]);
        assert!(statuses(&activity, "marie").is_empty());
        assert!(activity.of(&"y".into(), &"john".into()).is_empty(), "another domain's john");
        for number in 0..1000 {
            activity.asked(&"x".into(), &format!("user{number}").into(), asked(200));
        }
        let remembered: usize = activity.shards.iter().map(|shard| shard.lock().users.len()).sum();
        assert_eq!(remembered, SHARDS, "one for each shard, as was asked for");
        let orders: usize = activity.shards.iter().map(|shard| shard.lock().order.len()).sum();
        assert_eq!(orders, SHARDS);
        let none = Activity::new(0);
        none.asked(&"x".into(), &"john".into(), asked(200));
        assert!(statuses(&none, "john").is_empty());
    }

    #[test]
    fn what_is_remembered_is_short() {
        let activity = Activity::new(SHARDS);
        let long = AppRequest { url: "ü".repeat(9999), answer: Answer::Failed("no".repeat(9999)), ..asked(0) };
        activity.asked(&"x".into(), &"john".into(), long);
        let found = activity.of(&"x".into(), &"john".into());
        assert_eq!(found.iter().map(|asked| asked.url.len()).collect::<Vec<_>>(), [LONGEST_TEXT]);
        assert!(
            matches!(&found.first().map(|asked| &asked.answer), Some(Answer::Failed(reason)) if reason.len() == LONGEST_TEXT)
        );
    }

    #[test]
    fn nothing_is_told_before_somebody_watches() {
        let activity = Activity::new(0);
        activity.tell(|| panic!("nobody watches"));
        let told = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&told);
        assert!(activity.watch(Box::new(move |happening| notes.lock().push(happening.clone()))));
        let expected = asked(304);
        activity.asked(&"x".into(), &"john".into(), expected.clone());
        assert_eq!(*told.lock(), [Happening::AppRequest { user: "john".into(), asked: expected }]);
        assert!(!activity.watch(Box::new(|_| ())), "another watches");
    }
}
