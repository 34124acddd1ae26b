//! A way through the states, in lines for a reader.

use crate::config::Model;
use crate::state::{Next, State};
use crate::turn::steps;

/// One line for each step of a way: who did what, and the words after it.
pub fn lines(model: &Model, path: &[State]) -> Vec<String> {
    let mut lines = vec![format!("{:26}{}", "", words(model, path.first()))];
    for pair in path.windows(2) {
        let mut after = vec![];
        steps(model, &pair[0], &mut after);
        let same = |state: &State| bytes(model, state) == bytes(model, &pair[1]);
        let step = after.iter().find(|after| same(&after.state));
        let who = step.map_or(String::new(), |step| {
            let role = if model.is_producer(step.me) { "producer" } else { "consumer" };
            let did = match step.did {
                Next::Dead if !step.state.alive(step.me) => "killed".to_owned(),
                Next::Dead => "Attach".to_owned(),
                did => format!("{did:?}"),
            };
            format!("{role} {} {did}", step.me)
        });
        lines.push(format!("{who:26}{}", words(model, pair.get(1))));
    }
    lines
}

fn bytes(model: &Model, state: &State) -> Vec<u8> {
    let mut bytes = vec![0; State::stored_len(model)];
    state.store(model, &mut bytes);
    bytes
}

fn words(model: &Model, state: Option<&State>) -> String {
    let Some(state) = state else { return String::new() };
    let words = &state.words[..usize::from(model.config.slots)];
    let words: Vec<String> = words.iter().map(|word| format!("{:18}", word.to_string())).collect();
    let at = |id: &u8| format!("{}@{}", id, state.processes[usize::from(*id)].t);
    let walkers: Vec<String> = (1..=model.processes()).map(|id| at(&id)).collect();
    format!("{} tail {} head {}  {}", words.join(" "), state.tail, state.head, walkers.join(" "))
}
