//! The wall clock jumps ten minutes, either way, while the broker runs.
//!
//! Windows and written due times are wall time, so a jump moves them; spans are not, so nothing hangs, nothing is
//! lost, and nothing is delivered twice.

use std::time::Duration;

use camino_broker::runtime::clock::Clock as _;
use camino_broker::testing::clock::ManualClock;
use camino_broker::testing::receiver::FakeReceiver;

use crate::app::{EVENTS, Setup};

const JUMP: Duration = Duration::from_mins(10);
/// Long, so that a wait is seen before it is over, however fast the clock is turned.
const RETRY: Duration = Duration::from_hours(10);
const STEP: Duration = Duration::from_mins(20);

/// The wall clock alone.
fn jump(clock: &ManualClock, forwards: bool) {
    let now = clock.now();
    clock.jump_to(if forwards { now.plus(JUMP) } else { now.minus(JUMP) });
}

#[tokio::test]
async fn a_clock_that_jumps_during_retries_loses_and_repeats_nothing() {
    // Forwards, backwards, and there and back between two retries.
    for jumps in [&[true][..], &[false], &[true, false], &[false, true]] {
        let clock = ManualClock::default();
        let receiver = FakeReceiver::start().await.unwrap();
        receiver.fail(2, 503);
        let setup = Setup::on(clock.clone()).receiver("mancha", &receiver);
        let setup = setup.with(|config| {
            config.delivery.retry.first = RETRY;
            config.delivery.retry.max = RETRY;
        });
        let app = setup.start().await;
        let draft = app.payment(1);
        app.send(&draft).await.taken(202);
        for (number, forwards) in (1..).zip(jumps) {
            app.turn_until(&clock, STEP, receiver.wait_for(number)).await;
            app.until_queued(&clock, "mancha", "retrying", 1).await;
            jump(&clock, *forwards);
        }
        let requests = app.turn_until(&clock, STEP, receiver.wait_for(3)).await;
        let attempts: Vec<_> =
            requests.iter().map(|request| request.header("x-camino-attempt").unwrap()).collect();
        assert_eq!(attempts, ["1", "2", "3"], "{jumps:?}");
        app.until_ended("mancha", "delivered", 1).await;
        app.send(&draft).await.taken(200);
        let app = app.restart().await;
        app.send(&app.payment(2)).await.taken(202);
        app.turn_until(&clock, STEP, receiver.wait_for(4)).await;
        assert_eq!(receiver.count(), 4, "{jumps:?}: what was delivered stays delivered");
    }
}

#[tokio::test]
async fn a_clock_ten_minutes_off_refuses_signed_posts_until_it_is_right() {
    for forwards in [true, false] {
        let clock = ManualClock::default();
        let app = Setup::on(clock.clone()).start().await;
        let body = app.payment(1).body();
        let signed = app.signed("colectiva", &body);
        jump(&clock, forwards);
        app.post(EVENTS, &signed, body.clone()).await.problem(401, "webhook.timestamp_out_of_window");
        jump(&clock, !forwards);
        app.post(EVENTS, &signed, body.clone()).await.taken(202);
        app.post(EVENTS, &signed, body).await.taken(200);
    }
}
