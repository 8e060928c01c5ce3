//! The loop that everybody is measured by.

// Measuring is what this file does.
#![allow(clippy::disallowed_methods)]

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::items::Items;
use crate::latency::{Latencies, latencies, nanos};
use crate::peer::Client;
use crate::random::Random;

/// One call of a client: how long the database took.
pub(crate) type Call = fn(&mut dyn Client, &Items, &mut Random) -> Result<Duration, Failure>;

/// Gets a random item. That a database makes its key of the item's number belongs to the call.
pub(crate) fn get(
    client: &mut dyn Client,
    items: &Items,
    random: &mut Random,
) -> Result<Duration, Failure> {
    let number = random.below(items.count);
    let begun = Instant::now();
    let found = client.get(number)?;
    let took = begun.elapsed();
    match found {
        Some(item) if item.len() == items.attributes() => Ok(took),
        _ => Err(format!("item {number} is not what was stored").into()),
    }
}

/// Puts a new version of a random item. The item is made beforehand.
pub(crate) fn put(
    client: &mut dyn Client,
    items: &Items,
    random: &mut Random,
) -> Result<Duration, Failure> {
    let number = random.below(items.count);
    let item = items.item(number, random.below(u64::MAX));
    let begun = Instant::now();
    client.put(number, item)?;
    Ok(begun.elapsed())
}

/// Has each client make one call after the other until the time is over: all latencies, and how long it was.
pub(crate) fn clients(
    clients: &mut [Box<dyn Client>],
    items: &Items,
    random: &mut Random,
    time: Duration,
    call: Call,
) -> Result<(Latencies, Duration), Failure> {
    let stop = AtomicBool::new(false);
    let ready = Barrier::new(clients.len() + 1);
    let work = |client: &mut dyn Client, mut random: Random| -> Result<Latencies, Failure> {
        let mut out = latencies();
        ready.wait();
        while !stop.load(Ordering::Relaxed) {
            out.record(nanos(call(client, items, &mut random)?))?;
        }
        Ok(out)
    };
    let work = &work;
    std::thread::scope(|scope| {
        let threads: Vec<_> = clients
            .iter_mut()
            .map(|client| {
                let random = random.split();
                scope.spawn(move || work(client.as_mut(), random))
            })
            .collect();
        ready.wait();
        let begun = Instant::now();
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        let mut all = latencies();
        for thread in threads {
            all += thread.join().map_err(|_| "a client panicked")??;
        }
        Ok((all, begun.elapsed()))
    })
}
