//! The table of defences can't rot: what it takes out stands in the code, and each case has its part in it.

use std::collections::{BTreeMap, BTreeSet};

use retold_tests::defences::{DISARMED, Defence, NOT_TAKEN_OUT, PREPARED, all};
use retold_tests::{read, root};

use crate::threats::shown_by;

#[test]
fn what_is_taken_out_stands_once_in_the_code_and_no_two_are_in_each_others_way() {
    let mut files: BTreeMap<&str, Vec<&str>> = BTreeMap::from([(PREPARED.0, vec![PREPARED.1])]);
    for (name, Defence { file, code, without, .. }) in all() {
        assert!(without.contains(DISARMED) && !code.contains(DISARMED), "{name} has no switch");
        files.entry(*file).or_default().push(*code);
    }
    let mut rotten = Vec::new();
    for (file, codes) in files {
        let text = read(&root().join(file));
        let mut places: Vec<(usize, usize)> = Vec::new();
        for code in codes {
            match text.match_indices(code).collect::<Vec<_>>()[..] {
                [(at, _)] => places.push((at, at + code.len())),
                _ => rotten.push(format!("{file} should say once: {code}")),
            }
        }
        places.sort_unstable();
        assert!(places.windows(2).all(|two| two[0].1 <= two[1].0), "{file}: two defences overlap in {places:?}");
    }
    assert!(rotten.is_empty(), "{}", rotten.join("\n"));
}

#[test]
fn each_case_has_a_defence_that_is_taken_out_or_a_reason_why_not() {
    let rows = shown_by();
    let mut taken_out = BTreeSet::new();
    for (name, Defence { cases, tests, .. }) in all() {
        assert!(!tests.is_empty(), "{name} is missed by no test");
        for case in *cases {
            let row = rows.get(*case).unwrap_or_else(|| panic!("{name} is of {case}, which there isn't"));
            assert!(tests.iter().any(|test| row.iter().any(|of_row| of_row == test)), "{name}: none of its tests is in the row of {case}");
            taken_out.insert(*case);
        }
        let stray: Vec<&&str> = tests.iter().filter(|test| !cases.iter().any(|case| rows[*case].iter().any(|row| row == *test))).collect();
        assert!(stray.is_empty(), "{name}: {stray:?} are in no row of its cases");
    }
    for (case, why) in NOT_TAKEN_OUT {
        assert!(rows.contains_key(*case) && why.len() > 20, "{case} is no case, or has no reason");
        assert!(taken_out.insert(*case), "{case} is taken out, and is said not to be");
    }
    let missing: Vec<&String> = rows.keys().filter(|case| !taken_out.contains(case.as_str())).collect();
    assert!(missing.is_empty(), "no defence of these is taken out, and nobody says why: {missing:?}");
}
