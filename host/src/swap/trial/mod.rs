//! What a module is tried on before it may take over: [`rehearsal`] calls every hook once, against canned answers, and [`shadow`]
//! makes the latest real calls once more, compared in [`canonical`] form.

mod canonical;
pub(super) mod rehearsal;
pub(super) mod shadow;
