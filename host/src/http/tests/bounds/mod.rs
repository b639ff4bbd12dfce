//! What one client, or many, may take: size, time, rate and number.

mod crowds;
mod floods;
mod limits;
mod rates;
