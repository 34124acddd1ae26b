//! Many processes at one name at once.

use crate::common::names::Name;
use crate::common::role::Role;

const PROCESSES: usize = 8;
const ROUNDS: usize = 15;

#[test]
fn of_many_that_attach_at_once_one_of_each_role_wins() {
    let mut racers: Vec<Role> =
        (0..PROCESSES).map(|number| Role::start("race", &[&number.to_string()])).collect();
    for round in 0..ROUNDS {
        let name = Name::new("race");
        racers.iter_mut().for_each(|racer| racer.tell(&name));
        let heard: Vec<String> = racers.iter().map(Role::hear).collect();
        let words: Vec<Vec<&str>> = heard.iter().map(|line| line.split(' ').collect()).collect();
        let count = |field: usize| words.iter().filter(|word| word[field] == "1").count();
        assert_eq!((count(0), count(1)), (1, 1), "round {round}: {heard:?}");
        let mut rings: Vec<&str> = words.iter().map(|word| word[2]).filter(|ring| *ring != "0").collect();
        rings.dedup();
        assert_eq!(rings.len(), 1, "round {round}: one ring, not {rings:?}");
        racers.iter_mut().for_each(|racer| racer.tell("leave"));
        racers.iter().for_each(|racer| racer.expect("left"));
        assert!(!name.exists(), "round {round}: the last one out unlinks");
    }
    racers.into_iter().for_each(Role::finish);
    assert_eq!(temporary_names(), Vec::<String>::new());
}

/// Unlinking by the last one out against opening by the next one in.
#[test]
fn those_who_come_and_go_never_trip_over_each_other() {
    let name = Name::new("churn");
    let churners: Vec<Role> = (0..4).map(|_| Role::start("churn", &[&name, "400"])).collect();
    churners.into_iter().for_each(Role::finish);
    assert!(!name.exists(), "the last one out unlinks");
}

/// Files that a ring's creation left unlinked.
fn temporary_names() -> Vec<String> {
    let names = std::fs::read_dir("/dev/shm").expect("shared memory").map(|entry| entry.expect("an entry"));
    let names = names.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".ringway.")).collect()
}
