//! What time does: answers that do not come, gaps that nothing shows.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::domain::Domain;

/// How often is looked for answers that have not come.
const LOOK: Duration = Duration::from_millis(100);
/// Of so many looks, one sees to it that others see gaps: after something was sent.
const TICK: u64 = 10;
/// And of so many, whatever was sent.
const ALWAYS: u64 = 50;

/// For as long as there is the domain.
pub(super) async fn run(domain: Weak<Domain>) {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for number in 1_u64.. {
        looks.tick().await;
        let Some(domain) = domain.upgrade() else { return };
        domain.give_up();
        if number.is_multiple_of(TICK) {
            domain.tick(number.is_multiple_of(ALWAYS));
        }
    }
}

impl Domain {
    /// Each node sees whether the last message before this has come; who has not sent its resources is asked again.
    fn tick(self: &Arc<Self>, always: bool) {
        {
            let world = self.world.read();
            for link in world.nodes.links() {
                if link.is_untold() || always {
                    link.tick();
                }
            }
            if world.nodes.live.iter().all(|node| node.synced) {
                return;
            }
        }
        let mut world = self.world.write();
        let unknown = world.nodes.live.iter().filter(|node| !node.synced).map(|node| node.link.place);
        for place in unknown.collect::<Vec<_>>() {
            self.ask_for_all(&mut world, place);
        }
    }
}
