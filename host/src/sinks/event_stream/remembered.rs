//! An event that is remembered: as it was told until a reader wants it, and from then on as JSON.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::task::spawn_blocking;

use crate::model::Username;
use crate::sinks::RosterEvent;
use crate::sinks::kept::weight;

/// What weighs more is written in a thread that may take its time.
const LARGE: usize = 64 << 10;

/// See the module.
#[derive(Debug)]
pub struct Remembered {
    name: &'static str,
    domain: Arc<str>,
    user: Username,
    form: Mutex<Form>,
}

#[derive(Clone, Debug)]
enum Form {
    Event(Arc<RosterEvent>),
    Json(Bytes),
}

impl Remembered {
    pub(super) fn new(event: Arc<RosterEvent>) -> Self {
        Self {
            name: event.name(),
            domain: Arc::clone(&event.domain),
            user: event.user.clone(),
            form: Mutex::new(Form::Event(event)),
        }
    }

    /// `loaded`, `changed` or `dropped`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The XMPP domain.
    pub fn domain(&self) -> &Arc<str> {
        &self.domain
    }

    /// Whose roster.
    pub fn user(&self) -> &Username {
        &self.user
    }

    /// What it keeps, bytes.
    pub(super) fn weight(&self) -> usize {
        let form = match &*self.form.lock() {
            Form::Event(event) => weight(event),
            Form::Json(json) => json.len(),
        };
        size_of::<Self>() + self.user.as_str().len() + form
    }

    /// Its JSON, if that has been written.
    pub(super) fn json(&self) -> Option<Bytes> {
        match &*self.form.lock() {
            Form::Event(_) => None,
            Form::Json(json) => Some(json.clone()),
        }
    }

    /// Writes it, and keeps it in the place of the event.
    pub(super) async fn write(&self) -> io::Result<Bytes> {
        let form = self.form.lock().clone();
        let event = match form {
            Form::Json(json) => return Ok(json),
            Form::Event(event) => event,
        };
        let json = match weight(&event) {
            ..LARGE => written(&event)?,
            _ => spawn_blocking(move || written(&event)).await.map_err(io::Error::other)??,
        };
        *self.form.lock() = Form::Json(json.clone());
        Ok(json)
    }
}

fn written(event: &RosterEvent) -> io::Result<Bytes> {
    // As long as it is: what a growing vector has to spare would be kept, too.
    Ok(serde_json::to_vec(event)?.into_boxed_slice().into())
}
