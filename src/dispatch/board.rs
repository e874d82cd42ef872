//! What others may know of the lanes: breaker and block of each receiver.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use crate::domain::breaker::State;
use crate::domain::id::AppSlug;
use crate::domain::scheduler::Block;
use crate::telemetry::event;
use crate::telemetry::metrics::Metrics;

/// One receiver's lane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LaneView {
    /// Where its breaker stands; `None` before its first delivery.
    pub breaker: Option<State>,
    /// Why it may not be sent to.
    pub block: Option<Block>,
}

impl LaneView {
    /// Why its pending deliveries are parked, if they are.
    pub fn parked(&self) -> Option<&'static str> {
        match (self.block, self.breaker) {
            (Some(Block::Paused), _) => Some("paused"),
            (Some(Block::Disabled), _) => Some("disabled"),
            (None, Some(State::Open { .. } | State::HalfOpen)) => Some("breaker_open"),
            (None, Some(State::Closed) | None) => None,
        }
    }
}

/// All lanes; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Board {
    lanes: Arc<RwLock<BTreeMap<AppSlug, LaneView>>>,
}

impl Board {
    /// One receiver.
    pub fn get(&self, receiver: &AppSlug) -> LaneView {
        self.lanes.read().unwrap_or_else(PoisonError::into_inner).get(receiver).copied().unwrap_or_default()
    }

    pub(super) fn set_block(&self, receiver: &AppSlug, block: Option<Block>, metrics: &Metrics) {
        self.change(receiver, |view| view.block = block);
        let state = match block {
            None => 0,
            Some(Block::Paused) => 1,
            Some(Block::Disabled) => 2,
        };
        metrics.endpoint_blocked.with_label_values(&[receiver.as_str()]).set(state);
    }

    pub(super) fn set_breaker(&self, receiver: &AppSlug, state: State, metrics: &Metrics) {
        self.change(receiver, |view| view.breaker = Some(state));
        let state = match state {
            State::Closed => event::BreakerState::Closed,
            State::Open { .. } => event::BreakerState::Open,
            State::HalfOpen => event::BreakerState::HalfOpen,
        };
        event::BreakerChanged { receiver, state }.emit(metrics);
    }

    fn change(&self, receiver: &AppSlug, change: impl FnOnce(&mut LaneView)) {
        let mut lanes = self.lanes.write().unwrap_or_else(PoisonError::into_inner);
        change(lanes.entry(receiver.clone()).or_default());
    }
}
