//! Whatever becomes of resources, nodes and what is between them: nobody reads what one sender wrote twice, or after what was written
//! later.

use std::time::Duration;

use proptest::prelude::*;

use super::copies::{bind, bodies};
use super::support::{Nodelings, nodes};
use crate::support::Client;

const NODES: usize = 3;
/// Of the user who reads.
const RESOURCES: usize = 4;

#[derive(Clone, Debug)]
enum Step {
    /// To one resource, or to the account.
    Write(usize, bool),
    Bind {
        resource: usize,
        node: usize,
        carbons: bool,
    },
    Leave(usize),
    /// Not the node of the writer.
    Kill(usize),
    Start(usize),
    Members,
    Cut(usize, usize, bool),
    Deliver(usize, usize),
    Settle,
    Pass(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pair = (0..NODES, 0..NODES).prop_filter("two", |(one, other)| one != other);
    let bind = (0..RESOURCES, 0..NODES, any::<bool>());
    let step = prop_oneof![
        20 => (0..=RESOURCES, prop::bool::weighted(0.8)).prop_map(|(to, chat)| Step::Write(to, chat)),
        8 => bind.prop_map(|(resource, node, carbons)| Step::Bind { resource, node, carbons }),
        3 => (0..RESOURCES).prop_map(Step::Leave),
        1 => (1..NODES).prop_map(Step::Kill),
        1 => (1..NODES).prop_map(Step::Start),
        2 => Just(Step::Members),
        1 => (pair, any::<bool>()).prop_map(|((one, other), cut)| Step::Cut(one, other, cut)),
        10 => (any::<usize>(), 1..4_usize).prop_map(|(pair, count)| Step::Deliver(pair, count)),
        2 => Just(Step::Settle),
        3 => (50..700_u64).prop_map(Step::Pass),
    ];
    proptest::collection::vec(step, 1..80)
}

/// A client, and the last number that it has read.
struct Reader {
    node: usize,
    client: Client,
    last: Option<usize>,
}

impl Reader {
    fn read(&mut self) -> Result<(), TestCaseError> {
        for body in bodies(&mut self.client) {
            let number = body.split_once(' ').unwrap().1.parse().unwrap();
            prop_assert!(self.last < Some(number), "{} after {:?}", body, self.last);
            self.last = Some(number);
        }
        Ok(())
    }
}

/// Lets all that is written arrive while time passes.
async fn pass(all: &Nodelings, millis: u64) {
    for _ in 0..millis.div_ceil(50) {
        tokio::time::sleep(Duration::from_millis(50)).await;
        all.settle().await;
    }
}

async fn run(steps: &[Step]) -> Result<(), TestCaseError> {
    let mut all = nodes(NODES).await;
    let john = bind(&all, (0, "john", "1"), false).await;
    let mut readers: Vec<Option<Reader>> = Vec::new();
    readers.resize_with(RESOURCES, || None);
    for (number, step) in steps.iter().enumerate() {
        match step {
            Step::Write(to, chat) => {
                let to = if *to == RESOURCES { String::new() } else { format!("/{to}") };
                let kind = if *chat { "chat" } else { "normal" };
                let body = format!("<body>{number}</body>");
                john.send(&format!("<message to='marie@x.example{to}' type='{kind}'>{body}</message>")).await;
            }
            Step::Bind { resource, node, carbons } => {
                if readers[*resource].is_none() && all.nodes[*node].is_some() {
                    let mut client = all.node(*node).bind("marie", &resource.to_string());
                    client.send("<presence/>").await;
                    if *carbons {
                        client.send(super::copies::ENABLE).await;
                    }
                    client.drain();
                    readers[*resource] = Some(Reader { node: *node, client, last: None });
                }
            }
            Step::Leave(resource) => {
                if let Some(mut reader) = readers[*resource].take() {
                    reader.read()?;
                    reader.client.leave().await;
                }
            }
            Step::Kill(node) => {
                for reader in readers.iter_mut().filter_map(|reader| reader.take_if(|reader| reader.node == *node)) {
                    std::mem::forget(reader);
                }
                all.kill(*node);
            }
            Step::Start(node) if all.nodes[*node].is_none() => all.start(*node),
            Step::Members => all.members(),
            Step::Cut(one, other, cut) => all.cut((*one, *other), *cut),
            Step::Deliver(pair, count) => {
                let busy = all.busy();
                for _ in 0..*count {
                    if let Some(pair) = busy.get(pair % busy.len().max(1)) {
                        all.deliver(*pair);
                    }
                }
            }
            Step::Settle => all.settle().await,
            Step::Pass(millis) => pass(&all, *millis).await,
            Step::Start(_) => {}
        }
        for reader in readers.iter_mut().flatten() {
            reader.read()?;
        }
    }
    all.members();
    pass(&all, 5000).await;
    readers.iter_mut().flatten().try_for_each(Reader::read)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn what_one_writes_is_read_once_and_in_order(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(run(&steps))?;
    }
}
