//! The conformance suite of the log over each engine.

mod sled {
    camino_broker::log_conformance!(camino_broker::store::log::EngineKind::Sled);
}

mod redb {
    camino_broker::log_conformance!(camino_broker::store::log::EngineKind::Redb);
}
