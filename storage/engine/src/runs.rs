//! Joining adjacent blocks of a batch into runs, so that one write serves many pages.

use crate::alloc::units_of;
use crate::{PageAddr, UNIT};

/// Blocks that lie one behind the other.
pub(crate) struct Run<'a> {
    /// Unit at which the run begins.
    pub(crate) start: u64,
    /// Units that it covers.
    pub(crate) units: u64,
    /// The blocks, in order.
    pub(crate) blocks: Vec<&'a [u8]>,
}

/// Longest run in units (4 MiB) and in blocks, so that a run is one `pwritev` of at most 1,024 buffers (padding included).
const MAX_UNITS: u64 = 1024;
const MAX_BLOCKS: usize = 500;

/// Zeros to pad a block to whole units with.
pub(crate) static ZEROS: [u8; UNIT as usize] = [0; UNIT as usize];

/// The zeros that belong behind a block of `len` bytes.
pub(crate) fn padding(len: usize) -> &'static [u8] {
    let over = len % UNIT as usize;
    if over == 0 {
        &[]
    } else {
        ZEROS.get(over..).unwrap_or(&[])
    }
}

/// The batch as runs, ascending. Blocks of a batch do not overlap.
pub(crate) fn runs<'a>(batch: &[(PageAddr, &'a [u8])]) -> Vec<Run<'a>> {
    let mut sorted: Vec<(PageAddr, &[u8])> = batch.to_vec();
    sorted.sort_by_key(|(addr, _)| *addr);
    let mut runs: Vec<Run<'a>> = Vec::new();
    for (addr, block) in sorted {
        let units = units_of(block.len() as u32); // checked against the allocator, so at most 64 MiB
        match runs.last_mut() {
            Some(run)
                if run.start + run.units == addr.0
                    && run.units + units <= MAX_UNITS
                    && run.blocks.len() < MAX_BLOCKS =>
            {
                run.units += units;
                run.blocks.push(block);
            }
            _ => runs.push(Run {
                start: addr.0,
                units,
                blocks: vec![block],
            }),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_join_and_a_gap_parts() {
        let page = [1u8; 8192];
        let odd = [2u8; 5000];
        let batch: Vec<(PageAddr, &[u8])> = vec![
            (PageAddr(10), &page),
            (PageAddr(4), &odd),
            (PageAddr(6), &page),
            (PageAddr(20), &odd),
        ];
        let runs = runs(&batch);
        let shape: Vec<(u64, u64, usize)> = runs
            .iter()
            .map(|r| (r.start, r.units, r.blocks.len()))
            .collect();
        assert_eq!(shape, [(4, 4, 2), (10, 2, 1), (20, 2, 1)]);
        assert_eq!(padding(5000).len(), 8192 - 5000);
        assert_eq!(padding(8192).len(), 0);
    }
}
